/* The main property of the policy: whatever the order, the speculation, the losses and the caps of the trials that were
 * run, the finished study is the one of the canonical sequence. */
#include "policy_world.h"

#include <time.h>

static uint64_t dice;

static int roll(int n)
{
    dice = ls_mix64(dice + 1);
    return (int)(dice % (uint64_t)n);
}

static bool same_probe(const ls_probe *a, const ls_probe *b)
{
    return same_real(a->lr, b->lr) && same_real(a->momentum, b->momentum) && a->status == b->status &&
           a->steps == b->steps && a->cap == b->cap && same_real(a->best_error, b->best_error) &&
           same_key(&a->trial->key, &b->trial->key);
}

static bool same_score(const ls_score *a, const ls_score *b)
{
    return a->init_seed == b->init_seed && a->order_seed == b->order_seed && a->cap == b->cap &&
           a->status == b->status && memcmp(a->steps, b->steps, sizeof a->steps) == 0 &&
           same_real(a->test_error, b->test_error) && same_key(&a->trial->key, &b->trial->key);
}

static bool same_size(const ls_size_result *a, const ls_size_result *b)
{
    bool same = a->size == b->size && a->look_every == b->look_every && same_real(a->lr, b->lr) &&
                same_real(a->momentum, b->momentum) && a->tuned == b->tuned && a->n_probes == b->n_probes &&
                a->n_scores == b->n_scores && same_real(a->best_error, b->best_error) && a->done == b->done;
    for (int i = 0; same && i < a->n_probes; i++) same = same_probe(&a->probe[i], &b->probe[i]);
    for (int i = 0; same && i < a->n_scores; i++) same = same_score(&a->score[i], &b->score[i]);
    return same;
}

static void assert_same(const ls_study_state *a, const ls_study_state *b)
{
    assert_true(a->done && b->done && a->n_wants == 0 && b->n_wants == 0);
    assert_true(same_real(a->s_min, b->s_min) && same_real(a->b_crit, b->b_crit));
    for (int arm = 0; arm < LS_N_ARMS; arm++) {
        assert_int_equal(a->n_sizes[arm], b->n_sizes[arm]);
        for (int i = 0; i < a->n_sizes[arm]; i++)
            if (!same_size(&a->size[arm][i], &b->size[arm][i]))
                fail_msg("arm %d, batch size %d differ", arm, (int)a->size[arm][i].size);
    }
}

static void shuffle(world *w)
{
    for (int i = w->n - 1; i > 0; i--) {
        const int j = roll(i + 1);
        const ls_trial other = w->trial[i];
        w->trial[i] = w->trial[j];
        w->trial[j] = other;
    }
}

/* A trial that no study asks for, or asks for in another arm, or with other looks. */
static void run_stray(world *w, const ls_study_settings *s)
{
    if (w->n == 0) return;
    ls_trial_key key = w->trial[roll(w->n)].key;
    if (roll(2)) key.lr *= roll(2) ? 2 : sqrt(2);
    if (roll(2)) key.init_seed = key.order_seed = roll(8);
    if (roll(4) == 0) key.look_every++;
    world_record(w, s, &key, 1 + roll(3000));
}

/* Up to `workers` of the wants, in any order, each with another cap than asked; some records are lost. */
static void round_of_chaos(world *w, const ls_study_settings *s, const ls_study_state *state, int workers)
{
    for (int k = 0; k < workers; k++) {
        const ls_want *want = &state->want[roll(3) == 0 ? 0 : roll(state->n_wants)];
        const int64_t cap = roll(4) == 0   ? 1 + want->cap / (1 + roll(4)) /* killed at any iteration, and recorded */
                            : roll(3) == 0 ? want->cap * (1 + roll(5))
                                           : want->cap;
        world_record(w, s, &want->key, cap);
    }
    if (roll(8) == 0) run_stray(w, s);
    if (roll(10) == 0 && w->n > 0) world_forget(w, roll(w->n));
    shuffle(w);
}

static ls_study_state chaotic_study(world *w, const ls_study_settings *s, int workers)
{
    for (int round = 0; round < 20000; round++) {
        ls_study_state state = world_replay(w, s, 1 + roll(16));
        if (state.done) return state;
        round_of_chaos(w, s, &state, workers);
        ls_study_state_destroy(&state);
    }
    fail_msg("the study does not end");
    return (ls_study_state){0};
}

static void check_world(const world *model, const ls_study_settings *s, int repeats)
{
    world canonical = *model;
    ls_study_state expected = world_study(&canonical, s);
    for (int i = 0; i < repeats; i++) {
        world w = *model;
        ls_study_state state = chaotic_study(&w, s, 1 + i % 8);
        assert_same(&expected, &state);
        ls_study_state_destroy(&state);
        for (int lost = roll(w.n); lost > 0; lost--) world_forget(&w, roll(w.n));
        state = i % 2 ? world_study(&w, s) : chaotic_study(&w, s, 3);
        assert_same(&expected, &state);
        ls_study_state_destroy(&state);
        world_clear(&w);
    }
    ls_study_state_destroy(&expected);
    world_clear(&canonical);
}

static void any_execution_gives_the_canonical_study(void **state)
{
    (void)state;
    world w = world_default();
    ls_study_settings s = world_settings();
    check_world(&w, &s, 10);
    for (int arm = 0; arm < LS_N_ARMS; arm++) s.arm[arm] = true;
    check_world(&w, &s, 10);
    w.noise = 0.9; /* caps bind, optima move, arms need more than the tuned arm's caps */
    check_world(&w, &s, 10);
    s.lr_max = 0.12; /* edges */
    check_world(&w, &s, 8);
    s.lr_start = 1e-5; /* infeasible and censored starts */
    s.max_epochs = 20;
    check_world(&w, &s, 8);
}

static void any_execution_gives_the_canonical_sobol_study(void **state)
{
    (void)state;
    world w = world_default();
    ls_study_settings s = world_settings();
    s.search = LS_SEARCH_SOBOL;
    s.momentum_min = 0;
    s.momentum_max = 0.99;
    s.arm[LS_ARM_SQRT] = true;
    check_world(&w, &s, 12);
}

static void any_execution_of_random_worlds(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        world w = world_default();
        w.s_min = 5 + roll(600);
        w.b_crit = 1 + roll(2000);
        w.noise = 0.02 * roll(20);
        w.lr_scale = pow(10, -roll(4));
        w.curvature = 0.05 * (1 + roll(10));
        w.limit = 1.2 + roll(8);
        w.stuck = roll(4) == 0;
        w.never = roll(12) == 0;
        ls_study_settings s = world_settings();
        s.n_sizes = 1 + roll(7);
        s.n_seeds = 1 + roll(5);
        s.looks = 8 << roll(4);
        s.min_looks = roll(2) ? 16 : 4;
        s.max_iterations = roll(2) ? 500 + roll(20000) : 0;
        for (int arm = 1; arm < LS_N_ARMS; arm++) s.arm[arm] = roll(2);
        s.base_size = roll(2) ? 0 : s.size[roll(s.n_sizes)];
        check_world(&w, &s, 3);
    }
}

/* Workers that take the next want as they become free, in simulated time; returns the time of the last one. */
static int64_t makespan(world *w, const ls_study_settings *s, int workers)
{
    struct job {
        ls_trial_key key;
        int64_t cap, end;
    } job[8] = {{.end = 0}};
    bool busy[8] = {false};
    int64_t now = 0;
    for (;;) {
        ls_study_state state = world_replay(w, s, 64);
        const bool done = state.done;
        for (int k = 0, next = 0; k < workers && !done; k++) {
            for (bool taken = true; !busy[k] && taken && next < state.n_wants; next++) {
                taken = false;
                for (int other = 0; other < workers; other++)
                    taken = taken || (busy[other] && same_key(&job[other].key, &state.want[next].key));
                if (taken) continue;
                const ls_want *want = &state.want[next];
                ls_trial trial = world_run(w, &want->key, s->target[s->n_targets - 1], want->cap);
                free(trial.look);
                job[k] = (struct job){want->key, want->cap, now + trial.iterations * want->key.global_batch_size};
                busy[k] = true;
            }
        }
        ls_study_state_destroy(&state);
        if (done) return now;
        int first = -1;
        for (int k = 0; k < workers; k++)
            if (busy[k] && (first < 0 || job[k].end < job[first].end)) first = k;
        assert_true(first >= 0);
        now = job[first].end;
        busy[first] = false;
        world_record(w, s, &job[first].key, job[first].cap);
    }
}

/* Speculation keeps ranks busy and wastes little: in units of samples trained, four workers end well before half the
 * time of one. */
static void speculation_keeps_workers_busy(void **state)
{
    (void)state;
    ls_study_settings s = world_settings();
    int64_t time[5];
    for (int workers = 1; workers <= 4; workers++) {
        world w = world_default();
        time[workers] = makespan(&w, &s, workers);
        world_clear(&w);
    }
    print_message("workers 1 2 3 4: speed-up 1 %.2f %.2f %.2f\n", (double)time[1] / (double)time[2],
                  (double)time[1] / (double)time[3], (double)time[1] / (double)time[4]);
    assert_true((double)time[2] < 0.65 * (double)time[1]);
    assert_true((double)time[4] < 0.45 * (double)time[1]);
}

/* A replay of many records takes milliseconds. */
static void replay_is_fast(void **state)
{
    (void)state;
    world w = world_default();
    ls_study_settings s = world_settings();
    s.n_sizes = LS_STUDY_MAX_SIZES;
    s.n_seeds = LS_STUDY_MAX_SEEDS;
    for (int i = 0; i < s.n_sizes; i++) s.size[i] = i < 8 ? i + 1 : s.size[i - 1] + s.size[i - 1] / 8;
    ls_study_state full;
    for (bool done = false; !done;) {
        full = world_replay(&w, &s, 128);
        done = full.done;
        for (int i = 0; i < full.n_wants; i++) world_record(&w, &s, &full.want[i].key, full.want[i].cap);
        ls_study_state_destroy(&full);
    }
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    full = world_replay(&w, &s, 128);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    const double ms = 1e3 * (double)(to.tv_sec - from.tv_sec) + 1e-6 * (double)(to.tv_nsec - from.tv_nsec);
    print_message("replay of %d trials: %.1f ms\n", w.n, ms);
    assert_true(full.done && w.n > 3000 && ms < 2000); /* also under sanitizers on a busy machine */
    ls_study_state_destroy(&full);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_execution_gives_the_canonical_study),
        cmocka_unit_test(any_execution_gives_the_canonical_sobol_study),
        cmocka_unit_test(any_execution_of_random_worlds),
        cmocka_unit_test(speculation_keeps_workers_busy),
        cmocka_unit_test(replay_is_fast),
    };
    return cmocka_run_group_tests_name("policy_replay", tests, NULL, NULL);
}
