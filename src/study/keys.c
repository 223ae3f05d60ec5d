/* The keys of a study file, and what is done with all of them: printing, writing, comparing. */
#include <stdio.h>
#include <string.h>

#include "study/file.h"

#define KEY(path, type, member, default_value, help_text, ...)                                                         \
    {                                                                                                                  \
        .key = path, .kind = type, .offset = offsetof(ls_study_keys, member), .fallback = default_value,               \
        .help = help_text, __VA_ARGS__                                                                                 \
    }

static const char *const varied[] = {"both", "init", "order", NULL}; /* as LS_VARY_* */
static const char *const searches[] = {"grid", "sobol", NULL};       /* as ls_study_search */

const ls_option ls__study_keys[] = {
    KEY("name", LS_OPTION_TEXT, name, "study", "what reports and exports call the study"),
    KEY("dataset", LS_OPTION_TEXT, dataset, "data", "what exports call the data"),
    KEY("model", LS_OPTION_TEXT, model, "model", "what exports call the model"),
    KEY("base", LS_OPTION_TEXT, base, NULL, "configuration of a run, beside this file, that every trial starts from",
        .resume = LS_FREE),
    KEY("set", LS_OPTION_NODE, set, "{}", "keys of the base that the study changes, as {optimizer.name: nesterov}",
        .resume = LS_FREE),
    KEY("sizes", LS_OPTION_NODE, sizes, NULL, "global batch sizes, a list"),
    KEY("targets", LS_OPTION_NODE, targets, NULL,
        "validation errors (of a regression: losses) to reach, a list; a run ends below the smallest"),
    KEY("seeds.n", LS_OPTION_INT, n_seeds, "5", "scoring runs of a batch size", .min = 1, .max = LS_STUDY_MAX_SEEDS),
    KEY("seeds.tuning", LS_OPTION_INT, tuning_seed, "1", "seed of tuning runs", .max = 1e9),
    KEY("seeds.scoring", LS_OPTION_INT, scoring_seed, "1001", "first seed of scoring runs", .max = 1e9),
    KEY("seeds.vary", LS_OPTION_CHOICE, vary, "both", "what a scoring seed changes: start values, sample order, both",
        .choices = varied),
    KEY("search.method", LS_OPTION_CHOICE, search, "grid",
        "grid: learning rates in ratio 2 until both sides get worse, then sqrt 2; sobol: a fixed number of points",
        .choices = searches),
    KEY("search.lr_start", LS_OPTION_REAL, lr_start, "0.0625", "first learning rate of the first batch size",
        .above_min = true, .max = 1e6),
    KEY("search.lr_min", LS_OPTION_REAL, lr_min, "9.5367431640625e-07", "smallest learning rate", .above_min = true,
        .max = 1e6),
    KEY("search.lr_max", LS_OPTION_REAL, lr_max, "64", "largest learning rate", .above_min = true, .max = 1e6),
    KEY("search.trials", LS_OPTION_INT, sobol_trials, "16", "sobol: points of a batch size", .min = 1, .max = 4096),
    KEY("search.momentum_min", LS_OPTION_REAL, momentum_min, "~", "sobol: smallest momentum; ~: the base's alone",
        .max = 1),
    KEY("search.momentum_max", LS_OPTION_REAL, momentum_max, "~", "sobol: largest momentum", .max = 1),
    KEY("arms", LS_OPTION_NODE, arms, "[]",
        "control arms beside the tuned one: a list of fixed, linear, sqrt (the rule for the learning rate)"),
    KEY("base_size", LS_OPTION_INT, base_size, "0",
        "batch size whose tuned learning rate the rules scale; 0: a small one, a quarter of the way up the list",
        .max = 1e9),
    KEY("caps.factor", LS_OPTION_REAL, cap_factor, "4", "a run's cap: so many times what the running fit expects",
        .min = 1, .max = 1e3),
    KEY("caps.race", LS_OPTION_REAL, race_factor, "1.6", "a tuning run ends at so many times the best one's steps",
        .min = 1, .max = 1e3),
    KEY("caps.diverge", LS_OPTION_REAL, diverge_factor, "10", "diverged: a loss so many times the initial one",
        .min = 1, .max = 1e6),
    KEY("caps.max_iterations", LS_OPTION_INT, max_iterations, "0", "of any run; 0: no such limit", .max = 1e9),
    KEY("caps.max_epochs", LS_OPTION_INT, max_epochs, "400", "of any run; 0: no such limit", .max = 1e9),
    KEY("looks.aim", LS_OPTION_INT, looks, "64", "evaluations up to the target that are aimed at", .min = 1,
        .max = 1e4),
    KEY("looks.min", LS_OPTION_INT, min_looks, "16", "fewer up to the target are warned of", .max = 1e4),
    KEY("looks.first_epochs", LS_OPTION_REAL, first_epochs, "4",
        "epochs to the target, as guessed until a batch size is tuned: gives its looks", .above_min = true, .max = 1e6),
    KEY("budget", LS_OPTION_TEXT, budget, "~", "time for all trials, as 90s, 20m, 1.5h", .resume = LS_FREE),
    KEY("ranks_per_trial", LS_OPTION_INT, ranks_per_trial, "auto",
        "ranks that work on one trial; auto: groups of 1, 1, 2, 4 and again, large batches for large groups", .min = 1,
        .max = 1e6, .automatic = true, .resume = LS_FREE),
    KEY("claim_expiry_s", LS_OPTION_REAL, claim_expiry_s, "60", "a worker silent for so long is taken for dead",
        .min = 1, .max = 1e6, .resume = LS_FREE),
    KEY("keep_every_s", LS_OPTION_REAL, keep_every_s, "60",
        "a trial under way is saved so often: after a kill it goes on from there", .max = 1e6, .resume = LS_FREE),
    KEY("times.repeats", LS_OPTION_INT, time_repeats, "5", "measurements of an iteration's time", .min = 1, .max = 1e3,
        .resume = LS_FREE),
    KEY("times.seconds", LS_OPTION_REAL, time_repeat_s, "0.2", "at least so long each", .max = 1e3, .resume = LS_FREE),
    {0}};

void ls_study_keys_print(ls_text *out)
{
    ls_text_printf(out, "keys of a study file, type and range, default (~: none), and what the same study may do with "
                        "it:\n  identity: must stay; free: may change\n\n");
    ls_options_print(ls__study_keys, "", out);
}

static bool is_part(const ls_option *row, bool identity)
{
    return (row->resume == LS_IDENTITY) == identity;
}

/* Rows of one section stand together in the table. */
void ls_study_file_json(const ls_study_file *file, bool identity, ls_text *out)
{
    char section[64] = "";
    bool first = true;
    ls_text_printf(out, "{");
    for (const ls_option *row = ls__study_keys; row->key != NULL; row++) {
        if (!is_part(row, identity)) continue;
        const char *dot = strchr(row->key, '.'), *name = dot ? dot + 1 : row->key;
        char own[64] = "";
        if (dot != NULL) snprintf(own, sizeof own, "%.*s", (int)(dot - row->key), row->key);
        const bool stays = strcmp(own, section) == 0;
        if (!stays && section[0] != 0) ls_text_printf(out, "}");
        ls_text_printf(out, first ? "" : ", ");
        if (!stays && own[0] != 0) ls_text_printf(out, "\"%s\": {", own);
        ls_text_printf(out, "\"%s\": ", name);
        ls_node_json(ls_node_at(file->root, row->key), out);
        snprintf(section, sizeof section, "%s", own);
        first = false;
    }
    ls_text_printf(out, section[0] != 0 ? "}}" : "}");
}

ls_status ls_study_differs(const char *path, const char *key, const ls_node *mine, const ls_node *theirs)
{
    ls_text a = {0}, b = {0};
    if (mine != NULL) ls_node_json(mine, &a);
    if (theirs != NULL) ls_node_json(theirs, &b);
    const ls_status status = ls_status_fail(
        LS_EUSAGE, __FILE__, __LINE__,
        "%s belongs to another study: '%s' is %s there and %s here; give another --run-dir, or repeat that study", path,
        key, b.data ? b.data : "missing", a.data ? a.data : "missing");
    ls_text_free(&a);
    ls_text_free(&b);
    return status;
}

/* Files may move: what they hold is compared by its hash.  How a run is carried out changes no bit. */
static bool may_change(const char *key)
{
    static const char *const keys[] = {"data.train", "data.test", "data.validation", "runtime"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

/* Sections of the base as wholes, but for `data`, key by key. */
static ls_status same_base(const ls_node *base, const ls_node *stored, const char *path)
{
    for (int i = 0; i < base->n; i++) {
        const ls_node *mine = base->child[i], *theirs = stored != NULL ? ls_node_child(stored, mine->key) : NULL;
        const bool parts = strcmp(mine->key, "data") == 0;
        for (int k = 0; k < (parts ? mine->n : 1); k++) {
            char key[128];
            const ls_node *a = parts ? mine->child[k] : mine, *b = theirs;
            snprintf(key, sizeof key, "%s%s%s", mine->key, parts ? "." : "", parts ? a->key : "");
            if (parts) b = theirs != NULL ? ls_node_child(theirs, a->key) : NULL;
            if (!may_change(key) && !ls_node_equal(a, b)) return ls_study_differs(path, key, a, b);
        }
    }
    return LS_OK;
}

ls_status ls_study_file_same(const ls_study_file *file, const ls_node *stored_settings, const ls_node *stored_base,
                             const char *path)
{
    for (const ls_option *row = ls__study_keys; row->key != NULL; row++) {
        const ls_node *mine = ls_node_at(file->root, row->key);
        const ls_node *theirs = stored_settings != NULL ? ls_node_at(stored_settings, row->key) : NULL;
        if (is_part(row, true) && !ls_node_equal(mine, theirs)) return ls_study_differs(path, row->key, mine, theirs);
    }
    return same_base(file->base->root, stored_base, path);
}
