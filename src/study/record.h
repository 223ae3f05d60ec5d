/** Trial records as files: names that tell the key, JSON that reads back to the same bits.  Not collective. */
#ifndef LOCKSTEP_STUDY_RECORD_H
#define LOCKSTEP_STUDY_RECORD_H

#include "base/text.h"
#include "lockstep/study.h"

enum { LS_TRIAL_NAME = 192 };

/** "b64_lr0.0625_i1_o1_e25", with "_m0.9" behind lr when the key has a momentum. */
const char *ls_trial_name(const ls_trial_key *key, char out[LS_TRIAL_NAME]);

/** Adds "KEY": VALUE pairs of a key: size, lr, momentum (null: the configuration's), init_seed, order_seed,
 *  look_every. */
void ls_trial_key_json(const ls_trial_key *key, ls_text *out);

/** Adds the looks up to `cap`: [[iteration, error, loss, noise scale | null, test error | null,
 *  standard error of the noise scale | null], ...]. */
void ls_trial_looks_json(const ls_trial *trial, int64_t cap, ls_text *out);

/** Writes DIRECTORY/NAME.json, complete or absent, also when others write the same.  LS_EOUTPUT. */
ls_status ls_trial_write(const char *directory, const ls_trial *trial);

/** Reads such a file; the caller destroys the trial.  LS_EDATA names it when it is not one. */
ls_status ls_trial_read(const char *path, ls_trial *out);

#endif
