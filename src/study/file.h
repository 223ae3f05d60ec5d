/** A study file: one YAML document, one table of keys, and the configuration that every trial starts from.
 *
 * The tree is completed with every default, so it is also what goes into study.json and results.json.  Keys of the
 * class identity make the study what it is: a directory belongs to one set of them.  Nothing here is collective. */
#ifndef LOCKSTEP_STUDY_FILE_H
#define LOCKSTEP_STUDY_FILE_H

#include "base/option.h"
#include "lockstep/config.h"
#include "lockstep/study.h"

/** What a scoring seed changes: seeds.vary. */
enum { LS_VARY_BOTH, LS_VARY_INIT, LS_VARY_ORDER };

/** Values of the keys of the same names; text and nodes belong to the tree. */
typedef struct ls_study_keys {
    const char *name, *dataset, *model, *base;
    ls_node *set, *sizes, *targets, *arms;
    int64_t n_seeds, tuning_seed, scoring_seed;
    int vary;   /* LS_VARY_* */
    int search; /* ls_study_search */
    double lr_start, lr_min, lr_max, momentum_min, momentum_max;
    int64_t sobol_trials, base_size;
    double cap_factor, race_factor, diverge_factor;
    int64_t max_iterations, max_epochs, looks, min_looks;
    double first_epochs;
    const char *budget;      /* NULL: none */
    int64_t ranks_per_trial; /* LS_AUTO: 1, 1, 2, 4 and again */
    double claim_expiry_s, keep_every_s;
    int64_t time_repeats;
    double time_repeat_s;
} ls_study_keys;

typedef struct ls_study_file {
    ls_node *root;
    ls_study_keys keys;
    ls_config *base;            /* completed; neutral where a trial decides for itself */
    ls_study_settings settings; /* without n_samples */
    double budget_s;            /* INFINITY: none */
} ls_study_file;

/** The name of an arm, as the key `arms` has it: "fixed". */
const char *ls_study_arm_name(ls_study_arm arm);

/** The table of keys, of an ls_study_keys. */
extern const ls_option ls__study_keys[];

/** Reads a study file and the configuration that it names, relative to it; overrides are of study keys.  The caller
 *  destroys it.  LS_EUSAGE with the place. */
ls_status ls_study_file_read(const char *path, const ls_override *overrides, int n_overrides, ls_study_file **out);
void ls_study_file_destroy(ls_study_file **file);

/** The same object from the texts of another's trees (ls_node_json), as other ranks receive them. */
ls_status ls_study_file_parse(const char *study, const char *base, const char *directory, ls_study_file **out);

/** Takes the number of training samples into account: sizes that it does not fill are left out, with a warning.
 *  LS_EUSAGE when none is left. */
ls_status ls_study_file_fit_data(ls_study_file *file, int64_t n_samples);

/** The configuration of a trial: the base with the key's values; it never ends by itself.  The caller destroys it. */
ls_status ls_study_file_trial(const ls_study_file *file, const ls_trial_key *key, ls_config **out);

/** Adds the identity keys, or all others, as one JSON object with the nesting of the file. */
void ls_study_file_json(const ls_study_file *file, bool identity, ls_text *out);

/** The settings are those that study.json holds: LS_EUSAGE naming the first key that differs. */
ls_status ls_study_file_same(const ls_study_file *file, const ls_node *stored_settings, const ls_node *stored_base,
                             const char *path);

/** LS_EUSAGE: `path` belongs to another study, by the key that is `mine` here and `theirs` (NULL: missing) there. */
ls_status ls_study_differs(const char *path, const char *key, const ls_node *mine, const ls_node *theirs);

/** One line per key: type, range, default, class, help. */
void ls_study_keys_print(ls_text *out);

/** Seconds from "90", "90s", "20m" or "1.5h".  LS_EUSAGE. */
ls_status ls_study_budget(const char *text, double *seconds);

#endif
