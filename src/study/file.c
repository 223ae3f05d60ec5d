#include "study/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "lockstep/schedule.h"

const char *ls_study_arm_name(ls_study_arm arm)
{
    static const char *const names[LS_N_ARMS] = {"tuned", "fixed", "linear", "sqrt"};
    return names[arm];
}

ls_status ls_study_budget(const char *text, double *seconds)
{
    char *end;
    const double value = strtod(text, &end);
    const double unit = strcmp(end, "") == 0 || strcmp(end, "s") == 0 ? 1.0
                        : strcmp(end, "m") == 0                       ? 60.0
                        : strcmp(end, "h") == 0                       ? 3600.0
                                                                      : 0.0;
    LS_REQUIRE(end != text && unit > 0 && isfinite(value) && value > 0, LS_EUSAGE,
               "the budget is '%s'; expected a time as 90s, 20m or 1.5h", text);
    *seconds = value * unit;
    return LS_OK;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The distinct numbers of a list, ascending. */
static ls_status read_list(const ls_node *node, const char *what, int capacity, double *values, int *n)
{
    char place[256];
    int64_t count;
    *n = 0;
    LS_TRY(ls_reals_read(node, what, capacity, values, &count));
    LS_REQUIRE(count > 0, LS_EUSAGE, "'%s' needs at least one number", what);
    qsort(values, (size_t)count, sizeof *values, ascending);
    for (int64_t i = 0; i < count; i++) {
        LS_REQUIRE(values[i] > 0, LS_EUSAGE, "%s: '%s' has %g; all must be above 0",
                   ls_node_place(node, place, sizeof place), what, values[i]);
        if (i == 0 || values[i] != values[i - 1]) values[(*n)++] = values[i];
    }
    return LS_OK;
}

static ls_status read_sizes(const ls_node *node, ls_study_settings *s)
{
    double values[LS_STUDY_MAX_SIZES];
    char place[256];
    LS_TRY(read_list(node, "sizes", LS_STUDY_MAX_SIZES, values, &s->n_sizes));
    for (int i = 0; i < s->n_sizes; i++) {
        LS_REQUIRE(values[i] == floor(values[i]) && values[i] <= 1e9, LS_EUSAGE,
                   "%s: 'sizes' has %g; expected whole numbers of samples", ls_node_place(node, place, sizeof place),
                   values[i]);
        s->size[i] = (int64_t)values[i];
    }
    return LS_OK;
}

static ls_status read_targets(const ls_node *node, ls_study_settings *s)
{
    double values[LS_STUDY_MAX_TARGETS];
    LS_TRY(read_list(node, "targets", LS_STUDY_MAX_TARGETS, values, &s->n_targets));
    for (int i = 0; i < s->n_targets; i++) s->target[i] = values[s->n_targets - 1 - i];
    return LS_OK;
}

static ls_status read_arms(const ls_node *node, ls_study_settings *s)
{
    char place[256];
    s->arm[LS_ARM_TUNED] = true;
    if (node == NULL) return LS_OK;
    LS_REQUIRE(node->kind == LS_NODE_LIST, LS_EUSAGE, "%s: 'arms' must be a list of fixed, linear, sqrt",
               ls_node_place(node, place, sizeof place));
    for (int i = 0; i < node->n; i++) {
        int arm = 0;
        while (arm < LS_N_ARMS && (node->child[i]->kind != LS_NODE_SCALAR ||
                                   strcmp(node->child[i]->text, ls_study_arm_name((ls_study_arm)arm)) != 0))
            arm++;
        LS_REQUIRE(arm < LS_N_ARMS, LS_EUSAGE, "%s: 'arms' knows fixed, linear, sqrt",
                   ls_node_place(node->child[i], place, sizeof place));
        s->arm[arm] = true;
    }
    return LS_OK;
}

static ls_status fill_settings(ls_study_file *f)
{
    const ls_study_keys *k = &f->keys;
    f->settings = (ls_study_settings){.n_seeds = k->n_seeds,
                                      .tuning_seed = k->tuning_seed,
                                      .scoring_seed = k->scoring_seed,
                                      .vary_init = k->vary != LS_VARY_ORDER,
                                      .vary_order = k->vary != LS_VARY_INIT,
                                      .search = (ls_study_search)k->search,
                                      .lr_start = k->lr_start,
                                      .lr_min = k->lr_min,
                                      .lr_max = k->lr_max,
                                      .sobol_trials = k->sobol_trials,
                                      .momentum_min = k->momentum_min,
                                      .momentum_max = k->momentum_max,
                                      .base_size = k->base_size,
                                      .cap_factor = k->cap_factor,
                                      .race_factor = k->race_factor,
                                      .diverge_factor = k->diverge_factor,
                                      .max_iterations = k->max_iterations,
                                      .max_epochs = k->max_epochs,
                                      .looks = k->looks,
                                      .min_looks = k->min_looks,
                                      .first_epochs = k->first_epochs};
    LS_TRY(read_sizes(k->sizes, &f->settings));
    LS_TRY(read_targets(k->targets, &f->settings));
    LS_TRY(read_arms(k->arms, &f->settings));
    f->budget_s = INFINITY;
    return k->budget != NULL ? ls_study_budget(k->budget, &f->budget_s) : LS_OK;
}

static ls_status check_text(const char *key, const char *text)
{
    LS_REQUIRE(text != NULL && text[0] != 0, LS_EUSAGE, "'%s' of a study is empty: give a name, or leave the key out",
               key);
    return LS_OK;
}

static ls_status check_settings(const ls_study_file *f)
{
    const ls_study_keys *k = &f->keys;
    LS_TRY(check_text("name", k->name));
    LS_TRY(check_text("dataset", k->dataset));
    LS_TRY(check_text("model", k->model));
    LS_REQUIRE(k->max_iterations > 0 || k->max_epochs > 0, LS_EUSAGE,
               "a run that never reaches the target must end: give 'caps.max_iterations' or 'caps.max_epochs'");
    LS_REQUIRE(k->lr_min <= k->lr_start && k->lr_start <= k->lr_max, LS_EUSAGE,
               "'search.lr_start' is %g, outside of lr_min %g to lr_max %g", k->lr_start, k->lr_min, k->lr_max);
    const bool lowest = !isnan(k->momentum_min), highest = !isnan(k->momentum_max);
    LS_REQUIRE(lowest == highest && (!lowest || k->momentum_min <= k->momentum_max), LS_EUSAGE,
               "'search.momentum_min' and 'search.momentum_max' go together, the smaller first");
    LS_REQUIRE(!lowest || k->search == LS_SEARCH_SOBOL, LS_EUSAGE, "a momentum is searched by 'search.method: sobol'");
    LS_REQUIRE(k->momentum_max < 1 || !highest, LS_EUSAGE, "'search.momentum_max' must be below 1");
    const int64_t gap = llabs((long long)(k->scoring_seed - k->tuning_seed));
    LS_REQUIRE(k->tuning_seed < k->scoring_seed || gap >= k->n_seeds, LS_EUSAGE,
               "'seeds.tuning' is one of the scoring seeds: tuning and scoring must not share runs");
    return LS_OK;
}

/* What a trial must not inherit: ends, lines and looks of its own. */
static const ls_override neutral[] = {
    {"train.epochs", "~", "study"},       {"train.max_iterations", "1000000000", "study"},
    {"train.max_time_s", "~", "study"},   {"target", "{}", "study"},
    {"eval.every_epochs", "0", "study"},  {"eval.every_iterations", "0", "study"},
    {"checkpoint", "{keep: 1}", "study"}, {"metrics.every_iterations", "1000000000000000", "study"}};

enum { N_NEUTRAL = sizeof neutral / sizeof neutral[0], MAX_SET = 64 };

static ls_status check_schedule(const ls_config *base)
{
    const ls_course one = {.n_phases = 1,
                           .phase = {{.batch_size = 1, .iterations_per_epoch = 1, .last_batch_size = 1}}};
    ls_schedule *schedule;
    LS_TRY(ls_schedule_create(base->schedule, 1.0, &one, 1, &schedule));
    const bool by_length = ls_schedule_needs_length(schedule);
    ls_schedule_destroy(&schedule);
    LS_REQUIRE(
        !by_length, LS_EUSAGE,
        "'schedule' of the base depends on the length of the run, which a study does not know: take constant, or "
        "give the schedule a 'duration'");
    return LS_OK;
}

static ls_status check_base(const ls_config *base)
{
    LS_REQUIRE(base->data.validation != NULL, LS_EUSAGE,
               "a study reads its target from a validation set: give the base 'data.validation', as {last: 5000}");
    LS_REQUIRE(base->batch.n_phases == 0, LS_EUSAGE, "the base has a 'batch.schedule': a study sets the batch size");
    LS_TRY(check_schedule(base));
    const ls_node *rule = ls_node_at(base->schedule, "lr_scaling.rule");
    LS_REQUIRE(
        rule == NULL || strcmp(rule->text, "none") == 0, LS_EUSAGE,
        "the base scales its learning rate by 'schedule.lr_scaling': a study tunes it at every batch size; 'arms' "
        "are for rules");
    return LS_OK;
}

/* The file that `base` names, with the keys of `set`. */
static ls_status read_base(ls_study_file *f, const char *directory)
{
    ls_override overrides[MAX_SET + N_NEUTRAL];
    ls_text values[MAX_SET] = {{0}};
    char place[256];
    int n = 0;
    const ls_node *set = f->keys.set;
    LS_REQUIRE(f->keys.base != NULL, LS_EUSAGE, "'base' needs the path of a configuration");
    LS_REQUIRE(set == NULL || (set->kind == LS_NODE_MAP && set->n <= MAX_SET), LS_EUSAGE,
               "%s: 'set' holds keys of the base, as {optimizer.name: nesterov}",
               ls_node_place(set, place, sizeof place));
    ls_status status = LS_OK;
    for (int i = 0; set != NULL && i < set->n && status == LS_OK; i++) {
        ls_node_json(set->child[i], &values[i]);
        status = ls_text_status(&values[i]);
        overrides[n++] = (ls_override){set->child[i]->key, values[i].data, "set"};
    }
    for (int i = 0; i < N_NEUTRAL; i++) overrides[n++] = neutral[i];
    char *path = ls_path_join(directory, f->keys.base);
    if (path == NULL) status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    if (status == LS_OK) status = ls_config_read(path, overrides, n, &f->base);
    ls_free(path);
    for (int i = 0; i < MAX_SET; i++) ls_text_free(&values[i]);
    return status;
}

static ls_status fill(ls_study_file *f, const ls_override *overrides, int n_overrides)
{
    for (int i = 0; i < n_overrides; i++)
        LS_TRY(ls_node_put(f->root, overrides[i].key, overrides[i].value, overrides[i].source));
    LS_TRY(ls_options_read(ls__study_keys, f->root, "the study", &f->keys));
    LS_TRY(fill_settings(f));
    return check_settings(f);
}

/* A study without a name has its file's. */
static ls_status put_name(ls_study_file *f, const char *path)
{
    if (ls_node_child(f->root, "name") != NULL) return LS_OK;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    char plain[251];
    snprintf(plain, sizeof plain, "%.*s", (int)(dot != NULL && dot != name && dot - name < 250 ? dot - name : 250),
             name);
    ls_text quoted = {0};
    ls_text_json_string(&quoted, plain);
    ls_status status = ls_text_status(&quoted);
    if (status == LS_OK) status = ls_node_put(f->root, "name", quoted.data, "file name");
    ls_text_free(&quoted);
    return status;
}

ls_status ls_study_file_read(const char *path, const ls_override *overrides, int n_overrides, ls_study_file **out)
{
    enum { MAX_BYTES = 1 << 20 };
    char *text, *directory = ls_path_directory(path);
    size_t n;
    *out = NULL;
    ls_study_file *f = ls_calloc(1, sizeof *f);
    ls_status status =
        f && directory ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a study");
    if (status == LS_OK) status = ls_file_read(path, MAX_BYTES, &text, &n);
    if (status == LS_OK) {
        status = ls_node_parse(text, n, path, &f->root);
        ls_free(text);
    }
    if (status == LS_OK && f->root->kind != LS_NODE_MAP)
        status = ls_status_fail(LS_EUSAGE, __FILE__, __LINE__, "%s: a study must be keys and values", path);
    if (status == LS_OK) status = put_name(f, path);
    if (status == LS_OK) status = fill(f, overrides, n_overrides);
    if (status == LS_OK) status = read_base(f, directory);
    if (status == LS_OK) status = check_base(f->base);
    if (status != LS_OK) ls_study_file_destroy(&f);
    ls_free(directory);
    *out = f;
    return status;
}

ls_status ls_study_file_parse(const char *study, const char *base, const char *directory, ls_study_file **out)
{
    *out = NULL;
    ls_study_file *f = ls_calloc(1, sizeof *f);
    LS_REQUIRE(f != NULL, LS_ENOMEM, "out of memory for a study");
    ls_status status = ls_node_parse(study, strlen(study), "study", &f->root);
    if (status == LS_OK) status = fill(f, NULL, 0);
    if (status == LS_OK) status = ls_config_parse(base, strlen(base), "configuration", directory, NULL, 0, &f->base);
    if (status != LS_OK) ls_study_file_destroy(&f);
    *out = f;
    return status;
}

void ls_study_file_destroy(ls_study_file **file)
{
    if (file == NULL || *file == NULL) return;
    ls_node_destroy(&(*file)->root);
    ls_config_destroy(&(*file)->base);
    ls_free(*file);
    *file = NULL;
}

ls_status ls_study_file_fit_data(ls_study_file *f, int64_t n_samples)
{
    ls_study_settings *s = &f->settings;
    s->n_samples = n_samples;
    const int64_t smallest = s->size[0];
    while (s->n_sizes > 0 && s->size[s->n_sizes - 1] > n_samples) {
        s->n_sizes--;
        ls_warn("batch size %" PRId64 " is left out: the training set has %" PRId64 " samples", s->size[s->n_sizes],
                n_samples);
    }
    LS_REQUIRE(s->n_sizes > 0, LS_EUSAGE,
               "no batch size fits the data: the smallest is %" PRId64 ", the training set has %" PRId64
               " samples; give smaller 'sizes'",
               smallest, n_samples);
    bool known = s->base_size == 0;
    for (int i = 0; i < s->n_sizes; i++) known = known || s->size[i] == s->base_size;
    LS_REQUIRE(known, LS_EUSAGE, "'base_size' is %" PRId64 ", which is none of 'sizes'", s->base_size);
    return LS_OK;
}

ls_status ls_study_file_trial(const ls_study_file *file, const ls_trial_key *key, ls_config **out)
{
    char size[32], lr[32], momentum[32], init[32], order[32];
    snprintf(size, sizeof size, "%" PRId64, key->global_batch_size);
    snprintf(init, sizeof init, "%" PRId64, key->init_seed);
    snprintf(order, sizeof order, "%" PRId64, key->order_seed);
    ls_real_text(key->lr, lr);
    ls_real_text(key->momentum, momentum);
    /* the general seed serves dropout and all else that is drawn while samples pass: it goes with their order */
    const ls_override overrides[] = {{"batch.global_batch_size", size, "study"},
                                     {"optimizer.lr", lr, "study"},
                                     {"train.seed", order, "study"},
                                     {"train.seeds.init", init, "study"},
                                     {"train.seeds.order", order, "study"},
                                     {"optimizer.momentum", momentum, "study"}};
    const int n = (int)(sizeof overrides / sizeof overrides[0]) - (isnan(key->momentum) ? 1 : 0);
    ls_text base = {0};
    ls_config_text(file->base, &base);
    ls_status status = ls_text_status(&base);
    if (status == LS_OK) status = ls_config_parse(base.data, base.n, "base", file->base->directory, overrides, n, out);
    ls_text_free(&base);
    return status;
}
