/* P4 in a study: a trial that is cut goes on from its state, and is the trial that was never cut. */
#include <math.h>

#include "mpi_train.h"

#include "base/mem.h"
#include "study/partial.h"
#include "study/trial.h"

enum { CAP = 40, CUT = 15 };

static const char *const base = "data:\n"
                                "  train: {format: synthetic, samples: 300, features: 20, classes: 5, hidden: 8}\n"
                                "  validation: {last: 41}\n"
                                "model: [{dense: 31}, relu, {dense: 5}]\n"
                                "batch: {shards: 3}\n"
                                "optimizer: {name: nesterov, momentum: 0.9}\n"
                                "train: {max_iterations: 1000000}\n"
                                "checkpoint: {keep: 1}\n";
static const ls_trial_key key = {24, 0.01, NAN, 3, 4, 5};

typedef struct seen {
    int steps;
    int64_t cut; /* a look at which the trial is to end */
} seen;

static void tick(void *context, const ls_trial *so_far, ls_trial_moment moment, ls_trial_turn *turn)
{
    seen *s = context;
    s->steps++;
    if (moment != LS_TRIAL_LOOK || so_far->iterations != s->cut) return;
    turn->cap = s->cut;
    turn->keep = true;
}

static bool same_looks(const ls_trial *a, const ls_trial *b)
{
    bool same = a->iterations == b->iterations && a->n_looks == b->n_looks;
    for (int i = 0; same && i < a->n_looks; i++)
        same = a->look[i].iteration == b->look[i].iteration && a->look[i].loss == b->look[i].loss &&
               memcmp(&a->look[i].noise_scale, &b->look[i].noise_scale, sizeof(double)) == 0;
    return same;
}

static void a_cut_trial_goes_on(void **state)
{
    ls_study_file *file = NULL;
    ls_test_run run;
    ls_trial whole = {0}, cut = {0}, rest = {0};
    seen s = {.cut = -1};
    bool is_cut = false;
    char directory[64] = "/tmp/lockstep-trial-XXXXXX";
    (void)state;
    if (ls_job_rank(ls_world) == 0 && mkdtemp(directory) == NULL) ls_job_abort(ls_world, 1);
    ls_job_broadcast(ls_world, 0, directory, sizeof directory);
    bool ok = ls_test_open_data(ls_world, base, NULL, &run) == LS_OK &&
              ls_study_file_parse("{base: x, sizes: [24], targets: [0.0001]}", base, ".", &file) == LS_OK;
    ls_trial_place place = {.job = ls_world, .file = file, .data = run.data, .tick = tick, .context = &s};
    ok = ok && ls_trial_run(&place, &key, CAP, &whole, NULL) == LS_OK && whole.n_looks == CAP / 5 + 1;
    place.directory = directory;
    s.cut = CUT;
    ok = ok && ls_trial_run(&place, &key, CAP, &cut, &is_cut) == LS_OK && is_cut && cut.iterations == CUT;
    char *kept = ls_partial_place(directory, &key);
    if (ls_job_rank(ls_world) == 0) place.record = &cut;
    s = (seen){.cut = -1};
    ok = ok && access(kept, F_OK) == 0;
    ls_job_barrier(ls_world);
    ok = ok && ls_trial_run(&place, &key, CAP, &rest, &is_cut) == LS_OK && !is_cut;
    LS_CHECK(ok && same_looks(&whole, &rest));
    LS_CHECK(ls_job_rank(ls_world) != 0 || s.steps == CAP - CUT); /* nothing was done twice */
    ls_job_barrier(ls_world);
    LS_CHECK(access(kept, F_OK) == 0); /* until the record is stored, nothing is lost */
    ls_job_barrier(ls_world);
    ls_partial_clear(directory);
    ls_job_barrier(ls_world);
    LS_CHECK(ls_job_rank(ls_world) != 0 || rmdir(directory) == 0);
    ls_free(kept);
    ls_trial_destroy(&whole);
    ls_trial_destroy(&cut);
    ls_trial_destroy(&rest);
    ls_study_file_destroy(&file);
    ls_test_close(&run);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(a_cut_trial_goes_on)};
LS_TEST_MAIN(tests)
