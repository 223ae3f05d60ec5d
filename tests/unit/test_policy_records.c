/* How the policy reads records, breaks ties, draws Sobol points, and refuses settings. */
#include "policy_world.h"

#include "lockstep/status.h"
#include "study/tune.h"

/* The first points of the sequence in index order (Bratley and Fox 1988, table for dimensions 1 and 2). */
static void sobol_points_are_the_published_ones(void **state)
{
    (void)state;
    static const double expected[][2] = {{0.5, 0.5},     {0.25, 0.75},   {0.75, 0.25},  {0.125, 0.625},
                                         {0.625, 0.125}, {0.375, 0.375}, {0.875, 0.875}};
    for (uint32_t i = 1; i <= 7; i++) {
        double x[2];
        ls__sobol_point(i, x);
        assert_true(x[0] == expected[i - 1][0] && x[1] == expected[i - 1][1]);
    }
}

/* Of 2^12 points every elementary interval of area 2^-12 holds exactly one: a (0, m, 2)-net, with point 0 at the
 * origin. */
static void sobol_points_are_a_net(void **state)
{
    (void)state;
    enum { M = 12, N = 1 << M };
    for (int split = 0; split <= M; split++) {
        static bool seen[N];
        memset(seen, 0, sizeof seen);
        for (uint32_t i = 0; i < N; i++) {
            double x[2];
            ls__sobol_point(i, x);
            const int cell = (int)ldexp(floor(ldexp(x[0], split)), M - split) + (int)ldexp(x[1], M - split);
            assert_false(seen[cell]);
            seen[cell] = true;
        }
    }
}

static void sobol_search_finds_rate_and_momentum(void **state)
{
    (void)state;
    world w = world_default();
    ls_study_settings s = world_settings();
    s.search = LS_SEARCH_SOBOL;
    s.sobol_trials = 64;
    s.lr_min = 1e-3;
    s.lr_max = 1;
    s.momentum_min = 0;
    s.momentum_max = 0.99;
    ls_study_state study = world_study(&w, &s);
    for (int i = 0; i < s.n_sizes; i++) {
        const ls_size_result *r = &study.size[LS_ARM_TUNED][i];
        assert_true(r->n_probes == 64 && r->tuned);
        const double u = log2(r->lr / world_optimum(&w, r->size)), mu = log2((1 - r->momentum) / 0.1);
        assert_true(w.curvature * u * u + 0.1 * mu * mu < 0.3); /* the best of 64 points over 10 by 6.6 doublings */
        for (int k = 0; k < r->n_probes; k++) {
            const ls_probe *p = &r->probe[k];
            assert_true(p->lr >= s.lr_min && p->lr <= s.lr_max && p->momentum >= 0 && p->momentum <= 0.99);
        }
        for (int k = 0; k < r->n_scores; k++) assert_true(r->score[k].trial->key.momentum == r->momentum);
    }
    ls_study_state_destroy(&study);
    world_clear(&w);
}

/* One size, bounds that leave three rates: the smallest complete world, with hand-made records. */
static ls_study_settings three_rates(void)
{
    ls_study_settings s = world_settings();
    s.n_sizes = 1;
    s.size[0] = 100;
    s.n_samples = 6400; /* 4 epochs: 256 iterations, looks every 4 */
    s.max_epochs = 0;
    s.max_iterations = 400;
    s.n_seeds = 1;
    s.n_targets = 1;
    s.target[0] = 0.1;
    s.lr_start = 0.5;
    s.lr_min = 0.25;
    s.lr_max = 1;
    return s;
}

/* Answers every want by a trial that reaches the target at `steps` with `loss`, which may depend on the rate. */
static ls_study_state answer(const ls_study_settings *s, ls_trial *trial, int *n, int64_t (*steps)(double lr),
                             double (*loss)(double lr))
{
    for (;;) {
        ls_study_state state;
        assert_int_equal(ls_study_replay(s, trial, *n, 1, &state), LS_OK);
        if (state.done) return state;
        assert_true(*n < 32);
        const ls_want want = state.want[0];
        ls_look *look = calloc(1, sizeof *look);
        *look =
            (ls_look){.iteration = steps(want.key.lr), .error = 0.05, .loss = loss(want.key.lr), .test_error = 0.06};
        trial[(*n)++] = (ls_trial){.key = want.key, .iterations = look->iteration, .n_looks = 1, .look = look};
        ls_study_state_destroy(&state);
    }
}

static int64_t always_100(double lr)
{
    return lr > 0 ? 100 : 0;
}

static double constant_loss(double lr)
{
    return lr > 0 ? 0.3 : 0;
}

static double loss_falls_towards_0_7(double lr)
{
    return 0.3 + fabs(log(lr / 0.7));
}

static void check_tie(double (*loss)(double lr), double expected, bool tuned)
{
    const ls_study_settings s = three_rates();
    ls_trial trial[32];
    int n = 0;
    ls_study_state study = answer(&s, trial, &n, always_100, loss);
    const ls_size_result *r = &study.size[LS_ARM_TUNED][0];
    assert_true(fabs(r->lr / expected - 1) < 1e-12 && r->tuned == tuned);
    assert_int_equal(r->look_every, 2); /* round(100 / 64) */
    ls_study_state_destroy(&study);
    for (int i = 0; i < n; i++) free(trial[i].look);
}

/* Equal steps: the lower loss at the crossing; equal losses too: the smaller rate. */
static void ties_go_to_the_lower_loss_then_the_smaller_rate(void **state)
{
    (void)state;
    check_tie(loss_falls_towards_0_7, 0.5 * sqrt(2), true);
    check_tie(constant_loss, 0.25, false);
}

/* A record is read as its cut at the canonical cap: what lies beyond is as if it had not been run. */
static void a_record_is_cut_at_its_cap(void **state)
{
    (void)state;
    const ls_study_settings s = three_rates();
    ls_study_state study;
    assert_int_equal(ls_study_replay(&s, NULL, 0, 1, &study), LS_OK);
    const ls_want first = study.want[0];
    assert_true(first.cap == 400 && first.key.lr == 0.5 && first.key.look_every == 4 && !first.scoring);
    assert_true(study.n_wants == 1 && isnan(first.key.momentum) && first.expected == 256);
    ls_study_state_destroy(&study);

    ls_look look[] = {
        {.iteration = 0, .error = 0.9}, {.iteration = 400, .error = 0.2}, {.iteration = 404, .error = 0.05}};
    const struct {
        int64_t iterations;
        bool diverged;
        int n_looks;
        int n_known; /* probes */
        ls_trial_status status;
    } c[] = {
        {396, false, 1, 0, 0},                  /* too short: wanted again */
        {400, false, 2, 1, LS_TRIAL_CENSORED},  /* to the cap */
        {404, false, 3, 1, LS_TRIAL_CENSORED},  /* crossed after the cap */
        {500, true, 2, 1, LS_TRIAL_CENSORED},   /* diverged after it */
        {400, true, 1, 1, LS_TRIAL_INFEASIBLE}, /* at it */
        {37, true, 1, 1, LS_TRIAL_INFEASIBLE},
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        const ls_trial trial = {.key = first.key,
                                .iterations = c[i].iterations,
                                .diverged = c[i].diverged,
                                .n_looks = c[i].n_looks,
                                .look = look};
        assert_int_equal(ls_study_replay(&s, &trial, 1, 4, &study), LS_OK);
        const ls_size_result *r = &study.size[LS_ARM_TUNED][0];
        assert_true(!study.done && r->n_probes == c[i].n_known);
        assert_true((study.want[0].key.lr == 0.5) == (c[i].n_known == 0));
        if (r->n_probes == 1) {
            assert_true(r->probe[0].status == c[i].status && r->probe[0].steps == -1 && r->probe[0].trial == &trial);
            assert_true(r->probe[0].best_error == (c[i].n_looks > 1 ? 0.2 : 0.9) && r->probe[0].cap == 400);
        }
        ls_study_state_destroy(&study);
    }
}

/* All that speculation asks for at the start differs, and its caps are near what is expected. */
static void speculation_is_distinct_and_short(void **state)
{
    (void)state;
    ls_study_settings s = world_settings();
    ls_study_state study;
    assert_int_equal(ls_study_replay(&s, NULL, 0, 32, &study), LS_OK);
    assert_true(study.n_wants >= 4);
    for (int i = 0; i < study.n_wants; i++) {
        const ls_want *want = &study.want[i];
        assert_true(i == 0 ? want->cap > 10 * want->expected : want->cap <= 2 * want->expected);
        for (int k = 0; k < i; k++) assert_false(same_key(&want->key, &study.want[k].key));
    }
    ls_study_state_destroy(&study);
}

#define REFUSE(change, words)                                                                                          \
    do {                                                                                                               \
        ls_study_settings s = world_settings();                                                                        \
        ls_study_state study;                                                                                          \
        change;                                                                                                        \
        assert_int_equal(ls_study_replay(&s, NULL, 0, 1, &study), LS_EUSAGE);                                          \
        if (strstr(ls_status_message(), words) == NULL) fail_msg("%s", ls_status_message());                           \
        ls_study_state_destroy(&study);                                                                                \
    } while (0)

static void impossible_settings_are_refused(void **state)
{
    (void)state;
    REFUSE(s.n_sizes = 0, "1 to 64 batch sizes");
    REFUSE(s.size[2] = 16, "ascend");
    REFUSE(s.base_size = 5, "base size 5 is none");
    REFUSE(s.n_samples = 16000, "larger than the training set");
    REFUSE(s.target[1] = 0.35, "targets descend");
    REFUSE(s.looks = 0, "looks 0");
    REFUSE(s.n_seeds = 0, "1 to 64 seeds");
    REFUSE(s.tuning_seed = 5, "is one of the scoring seeds 1 to 5");
    REFUSE(s.vary_init = s.vary_order = false, "neither");
    REFUSE(s.lr_min = 0, "no range");
    REFUSE(s.lr_start = 31, "outside");
    REFUSE((s.search = LS_SEARCH_SOBOL, s.sobol_trials = 0), "sobol trials");
    REFUSE((s.search = LS_SEARCH_SOBOL, s.momentum_min = 0, s.momentum_max = 1), "momentum from 0 to 1");
    REFUSE(s.max_epochs = 0, "needs max_iterations or max_epochs");
    REFUSE(s.race_factor = 0.5, "race_factor 0.5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sobol_points_are_the_published_ones),
        cmocka_unit_test(sobol_points_are_a_net),
        cmocka_unit_test(sobol_search_finds_rate_and_momentum),
        cmocka_unit_test(ties_go_to_the_lower_loss_then_the_smaller_rate),
        cmocka_unit_test(a_record_is_cut_at_its_cap),
        cmocka_unit_test(speculation_is_distinct_and_short),
        cmocka_unit_test(impossible_settings_are_refused),
    };
    return cmocka_run_group_tests_name("policy_records", tests, NULL, NULL);
}
