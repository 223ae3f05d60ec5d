/* P4 in a study: a trial that is cut goes on from its state, and is the trial that was never cut. */
#include <dirent.h>
#include <math.h>

#include "mpi_train.h"

#include "base/file.h"
#include "base/mem.h"
#include "study/partial.h"
#include "study/trial.h"

enum { CAP = 40 };

#define BASE(seed)                                                                                                     \
    "data:\n"                                                                                                          \
    "  train: {format: synthetic, samples: 300, features: 20, classes: 5, hidden: 8, seed: " seed "}\n"                \
    "  validation: {last: 41}\n"                                                                                       \
    "model: [{dense: 31}, relu, {dense: 5}]\n"                                                                         \
    "batch: {shards: 3}\n"                                                                                             \
    "optimizer: {name: nesterov, momentum: 0.9}\n"                                                                     \
    "train: {max_iterations: 1000000}\n"                                                                               \
    "noise: {every: 3}\n"                                                                                              \
    "checkpoint: {keep: 1}\n"
static const char *const base = BASE("1"), *const other_base = BASE("2");
static const ls_trial_key key = {24, 0.01, NAN, 3, 4, 5};

typedef struct seen {
    int steps;
    int64_t cut; /* where the trial is to end: at a look, or where a save was asked for an iteration before */
} seen;

static void tick(void *context, const ls_trial *so_far, ls_trial_moment moment, ls_trial_turn *turn)
{
    seen *s = context;
    s->steps++;
    if (moment == LS_TRIAL_STEP) {
        turn->keep = so_far->iterations == s->cut - 1;
    } else if (so_far->iterations == s->cut) {
        turn->cap = s->cut;
        turn->keep = true;
    }
}

static bool same_real(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static bool same_looks(const ls_trial *a, const ls_trial *b)
{
    bool same = a->iterations == b->iterations && a->n_looks == b->n_looks;
    for (int i = 0; same && i < a->n_looks; i++)
        same = a->look[i].iteration == b->look[i].iteration && a->look[i].loss == b->look[i].loss &&
               same_real(a->look[i].noise_scale, b->look[i].noise_scale) &&
               same_real(a->look[i].noise_se, b->look[i].noise_se);
    return same;
}

/* A study's directory, file and data, on all ranks. */
typedef struct stage {
    char directory[64], *kept;
    ls_study_file *file;
    ls_test_run run, other; /* the second has other data */
    seen seen;
    ls_trial_place place;
} stage;

static bool open_stage(stage *t)
{
    *t = (stage){.directory = "/tmp/lockstep-trial-XXXXXX", .seen = {.cut = -1}};
    if (ls_job_rank(ls_world) == 0 && mkdtemp(t->directory) == NULL) ls_job_abort(ls_world, 1);
    ls_job_broadcast(ls_world, 0, t->directory, sizeof t->directory);
    const bool ok = ls_test_open_data(ls_world, base, NULL, &t->run) == LS_OK &&
                    ls_test_open_data(ls_world, other_base, NULL, &t->other) == LS_OK &&
                    ls_study_file_parse("{base: x, sizes: [24], targets: [0.0001]}", base, ".", &t->file) == LS_OK;
    t->kept = ls_partial_place(t->directory, &key);
    t->place =
        (ls_trial_place){.job = ls_world, .file = t->file, .data = t->run.data, .tick = tick, .context = &t->seen};
    return ok && t->kept != NULL;
}

static void close_stage(stage *t)
{
    ls_job_barrier(ls_world);
    if (ls_job_rank(ls_world) == 0) ls_partial_clear(t->directory);
    LS_CHECK(ls_job_rank(ls_world) != 0 || rmdir(t->directory) == 0);
    ls_free(t->kept);
    ls_study_file_destroy(&t->file);
    ls_test_close(&t->run);
    ls_test_close(&t->other);
}

/* Without a directory: nothing to go on with. */
static bool run_whole(stage *t, const struct ls_data *data, ls_trial *out)
{
    ls_trial_place place = t->place;
    place.data = data;
    t->seen = (seen){.cut = -1};
    return ls_trial_run(&place, &key, CAP, out, NULL) == LS_OK && out->n_looks == CAP / 5 + 1;
}

static bool run_to_cut(stage *t, int64_t at, ls_trial *out)
{
    bool is_cut;
    ls_trial_place place = t->place;
    place.directory = t->directory;
    t->seen = (seen){.cut = at};
    const ls_status status = ls_trial_run(&place, &key, CAP, out, &is_cut);
    const bool ok = status == LS_OK && is_cut && out->iterations == at && access(t->kept, F_OK) == 0;
    ls_job_barrier(ls_world);
    return ok;
}

/* The state stays: it may go once the record is stored. */
static bool run_rest(stage *t, const struct ls_data *data, const ls_trial *cut, ls_trial *out)
{
    bool is_cut;
    ls_trial_place place = t->place;
    place.directory = t->directory;
    place.data = data;
    if (ls_job_rank(ls_world) == 0) place.record = cut;
    t->seen = (seen){.cut = -1};
    const ls_status status = ls_trial_run(&place, &key, CAP, out, &is_cut);
    const bool ok = status == LS_OK && !is_cut && access(t->kept, F_OK) == 0;
    ls_job_barrier(ls_world);
    return ok;
}

static bool did(const stage *t, int64_t steps)
{
    return ls_job_rank(ls_world) != 0 || t->seen.steps == steps;
}

static void a_cut_trial_goes_on(void **state)
{
    static const int64_t cuts[] = {2, 15, 17, 39}; /* the second is a look */
    stage t;
    ls_trial whole = {0};
    (void)state;
    bool ok = open_stage(&t) && run_whole(&t, t.run.data, &whole);
    for (int i = 0; i < 4; i++) {
        ls_trial cut = {0}, rest = {0};
        ok = ok && run_to_cut(&t, cuts[i], &cut) && run_rest(&t, t.run.data, &cut, &rest);
        LS_CHECK(ok && same_looks(&whole, &rest));
        LS_CHECK(did(&t, CAP - cuts[i])); /* nothing was done twice */
        if (ls_job_rank(ls_world) == 0) ls_partial_remove(t.kept);
        ls_job_barrier(ls_world);
        LS_CHECK(access(t.kept, F_OK) != 0);
        ls_trial_destroy(&cut);
        ls_trial_destroy(&rest);
    }
    ls_trial_destroy(&whole);
    close_stage(&t);
}

/* Cuts every file of the place short. */
static void shorten_states(const char *place)
{
    DIR *directory = opendir(place);
    for (struct dirent *one = readdir(directory); one != NULL; one = readdir(directory)) {
        char *path = ls_path_join(place, one->d_name);
        if (one->d_name[0] != '.' && truncate(path, 5000) != 0) ls_job_abort(ls_world, 1);
        ls_free(path);
    }
    closedir(directory);
}

/* States of other data, cut short, or gone: the trial begins anew, on all ranks. */
static void a_state_of_no_use_costs_the_work_again(void **state)
{
    enum { CUT = 17 };
    (void)state;
    for (int i = 0; i < 3; i++) {
        stage t;
        ls_trial whole = {0}, cut = {0}, rest = {0};
        bool ok = open_stage(&t);
        const struct ls_data *data = i == 0 ? t.other.data : t.run.data;
        ok = ok && run_whole(&t, data, &whole) && run_to_cut(&t, CUT, &cut);
        if (ok && i == 1 && ls_job_rank(ls_world) == 0) shorten_states(t.kept);
        if (ok && i == 2 && ls_job_rank(ls_world) == 0) ls_partial_remove(t.kept);
        ls_job_barrier(ls_world);
        ok = ok && run_rest(&t, data, &cut, &rest) == (i != 2); /* no state there */
        LS_CHECK(ok && same_looks(&whole, &rest) && rest.n_ranks == ls_job_size(ls_world));
        LS_CHECK(did(&t, CAP));
        ls_trial_destroy(&whole);
        ls_trial_destroy(&cut);
        ls_trial_destroy(&rest);
        close_stage(&t);
    }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(a_cut_trial_goes_on),
                                          cmocka_unit_test(a_state_of_no_use_costs_the_work_again)};
LS_TEST_MAIN(tests)
