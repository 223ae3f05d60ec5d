/** The directory of a study: trial records, and the claims by which workers share the work.
 *
 * A worker is a group of ranks; its rank 0 uses a store.  Workers of one job and of many meet in the directory alone:
 * a trial is claimed by making a file that must not exist, the claim's time is renewed while the trial runs, and one
 * that stands still for the expiry time is taken over; who lost it so leaves the other's alone.  At worst a trial is
 * run twice, which gives the same record.
 * Not collective.  Errors: LS_EOUTPUT, LS_EDATA. */
#ifndef LOCKSTEP_STUDY_STORE_H
#define LOCKSTEP_STUDY_STORE_H

#include <stdbool.h>

#include "study/record.h"

typedef struct ls_store ls_store;

/** Borrows nothing.  Makes DIRECTORY/trials and DIRECTORY/claims. */
ls_status ls_store_create(const char *directory, double expiry_s, ls_store **out);
/** Gives back a held claim. */
void ls_store_destroy(ls_store **store);

/** Reads the records that are new or have changed; *changed (may be NULL) tells whether there are any. */
ls_status ls_store_refresh(ls_store *store, bool *changed);

/** The records in the order in which they were read, valid until the next refresh. */
const ls_trial *ls_store_trials(const ls_store *store, int *n);

/** The record of a key, valid until the next refresh; NULL. */
const ls_trial *ls_store_find(const ls_store *store, const ls_trial_key *key);

/** Adds a record, unless one of the same key is there that is as long. */
ls_status ls_store_put(ls_store *store, const ls_trial *trial);

/** Tries to claim a name; a store holds one claim at a time. */
ls_status ls_store_claim(ls_store *store, const char *name, bool *mine);
/** Renews the claim that is held, at most every eighth of the expiry time. */
void ls_store_renew(ls_store *store);
/** From now until the release a thread renews it, for work that cannot call ls_store_renew.  LS_ENOMEM: no thread. */
ls_status ls_store_keep_renewed(ls_store *store);
void ls_store_release(ls_store *store);

/** Claims of all workers. */
int ls_store_n_claims(const ls_store *store);

/** Removes all claims, and records that killed workers had not finished: for who knows to be alone. */
void ls_store_clear_claims(const ls_store *store);

#endif
