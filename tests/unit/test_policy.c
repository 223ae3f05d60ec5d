/* The policy against what the protocol says of a world whose truth is known. */
#include "policy_world.h"

/* Steps of the tuning run at a rate, without the policy: the first look on a grid of single iterations. */
static int64_t true_steps(const world *w, int64_t size, double lr, int64_t seed, double target)
{
    const ls_trial_key key = {
        .global_batch_size = size, .lr = lr, .momentum = NAN, .init_seed = seed, .order_seed = seed, .look_every = 1};
    int64_t i = 0;
    while (world_error(w, &key, i) >= target) i++;
    return i;
}

static void the_optimum_of_every_size_is_found(void **state)
{
    (void)state;
    for (int start = -8; start <= 3; start++) {
        world w = world_default();
        ls_study_settings s = world_settings();
        s.lr_start = 0.1 * pow(4, start) / 4;
        if (s.lr_start < s.lr_min) continue;
        ls_study_state study = world_study(&w, &s);
        for (int i = 0; i < s.n_sizes; i++) {
            const ls_size_result *r = &study.size[LS_ARM_TUNED][i];
            assert_true(r->tuned && r->done && r->n_scores == 5);
            assert_true(fabs(log2(r->lr / world_optimum(&w, r->size))) < 0.51);
        }
        ls_study_state_destroy(&study);
        world_clear(&w);
    }
}

/* Two worse points on both sides at ratio 2 and two at sqrt(2) beside the best. */
static void the_grid_brackets_and_refines(void **state)
{
    (void)state;
    world w = world_default();
    const ls_study_settings s = world_settings();
    ls_study_state study = world_study(&w, &s);
    for (int i = 0; i < s.n_sizes; i++) {
        const ls_size_result *r = &study.size[LS_ARM_TUNED][i];
        int best = 0, near = 0;
        for (int k = 0; k < r->n_probes; k++)
            if (r->probe[k].lr == r->lr) best = k;
        for (int k = 0; k < r->n_probes; k++) {
            const double u = fabs(log2(r->probe[k].lr / r->lr));
            near += fabs(u - 0.5) < 1e-9;
            assert_true(k == best || r->probe[k].status != LS_TRIAL_COMPLETE ||
                        r->probe[k].steps >= r->probe[best].steps);
            assert_true(k == 0 || r->probe[k].lr > r->probe[k - 1].lr);
        }
        assert_true(near == 2 || near == 1); /* 1: the best is itself one of the two refinements */
        assert_true(best >= 2 && r->n_probes - 1 - best >= 2);
        assert_true(r->probe[0].lr < r->lr / 2.8 && r->probe[r->n_probes - 1].lr > r->lr * 2.8 / 1.42);
    }
    ls_study_state_destroy(&study);
    world_clear(&w);
}

static void scores_are_first_looks_below_each_target(void **state)
{
    (void)state;
    world w = world_default();
    const ls_study_settings s = world_settings();
    ls_study_state study = world_study(&w, &s);
    for (int i = 0; i < s.n_sizes; i++) {
        const ls_size_result *r = &study.size[LS_ARM_TUNED][i];
        for (int k = 0; k < r->n_scores; k++) {
            const ls_score *score = &r->score[k];
            assert_int_equal(score->status, LS_TRIAL_COMPLETE);
            assert_true(score->init_seed == 1 + k && score->order_seed == 1 + k);
            for (int t = 0; t < s.n_targets; t++) {
                const int64_t exact = true_steps(&w, r->size, r->lr, 1 + k, s.target[t]);
                const int64_t every = r->look_every, first = (exact + every - 1) / every * every;
                assert_int_equal(score->steps[t], first);
            }
            assert_true(score->test_error < 0.11 + 0.01);
        }
    }
    assert_true(fabs(log(study.s_min / w.s_min)) < 0.15 && fabs(log(study.b_crit / w.b_crit)) < 0.25);
    ls_study_state_destroy(&study);
    world_clear(&w);
}

/* Equal looks: all scores of a size share look_every, and about `looks` of them reach the target at every size; tuning
 * has between min_looks and four times looks. */
static void looks_to_the_target_are_equal(void **state)
{
    (void)state;
    world w = world_default();
    w.noise = 0.02;
    const ls_study_settings s = world_settings();
    ls_study_state study = world_study(&w, &s);
    for (int i = 0; i < s.n_sizes; i++) {
        const ls_size_result *r = &study.size[LS_ARM_TUNED][i];
        for (int k = 0; k < r->n_scores; k++) {
            const double looks = (double)r->score[k].steps[s.n_targets - 1] / (double)r->look_every;
            assert_true(r->score[k].trial->key.look_every == r->look_every && looks > 50 && looks < 80);
        }
        for (int k = 0; k < r->n_probes; k++) {
            const double looks = (double)r->probe[k].steps / (double)r->probe[k].trial->key.look_every;
            assert_true(r->probe[k].lr != r->lr || (looks >= 16 && looks <= 256));
        }
    }
    ls_study_state_destroy(&study);
    world_clear(&w);
}

/* A target that is reached within a few of the first search's looks is searched again with finer ones. */
static void coarse_looks_are_repaired(void **state)
{
    (void)state;
    world w = world_default();
    w.s_min = 20;
    w.lr_scale = 0.001;
    ls_study_settings s = world_settings();
    s.n_samples = 1000000; /* 4 epochs are 15625 iterations of 256, the target takes 40 */
    ls_study_state study = world_study(&w, &s);
    const ls_size_result *r = size_of(&study, LS_ARM_TUNED, 256);
    assert_int_equal(r->look_every, 1);
    for (int k = 0; k < r->n_probes; k++) assert_true(r->probe[k].trial->key.look_every < 4);
    assert_true(r->tuned && fabs(log2(r->lr / world_optimum(&w, 256))) < 0.51);
    bool coarse = false;
    for (int k = 0; k < w.n; k++) coarse = coarse || w.trial[k].key.look_every > 200;
    assert_true(coarse);
    ls_study_state_destroy(&study);
    world_clear(&w);
}

static void an_optimum_at_the_edge_is_untuned(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        world w = world_default();
        w.limit = 8;
        ls_study_settings s = world_settings();
        if (side == 0)
            s.lr_max = 0.1; /* optima from 256 on lie above: 0.11, 0.14, 0.15, 0.15 */
        else
            s.lr_min = 0.05; /* below: 4 and 16 */
        ls_study_state study = world_study(&w, &s);
        for (int i = 0; i < s.n_sizes; i++) {
            const ls_size_result *r = &study.size[LS_ARM_TUNED][i];
            const double u = log2(world_optimum(&w, r->size) / (side == 0 ? s.lr_max : s.lr_min));
            if (side == 0 ? u > 0.1 : u < -0.1) {
                assert_true(!r->tuned && r->n_scores == 5);
                assert_true(side == 0 ? r->lr > s.lr_max / 2 && r->lr <= s.lr_max : r->lr < 2 * s.lr_min);
            }
            if (side == 0 ? u < -1.1 : u > 1.1) assert_true(r->tuned);
            for (int k = 0; k < r->n_probes; k++)
                assert_true(r->probe[k].lr >= s.lr_min * 0.999 && r->probe[k].lr <= s.lr_max * 1.001);
        }
        ls_study_state_destroy(&study);
        world_clear(&w);
    }
}

/* Seven sizes are scored, two of them at most tuned: too few for the running fit. */
static void untuned_sizes_stay_out_of_the_fit(void **state)
{
    (void)state;
    world w = world_default();
    ls_study_settings s = world_settings();
    s.lr_start = s.lr_max = 0.05; /* optima are 0.02, 0.04, 0.07, ... */
    ls_study_state study = world_study(&w, &s);
    for (int i = 0; i < s.n_sizes; i++) assert_int_equal(study.size[LS_ARM_TUNED][i].n_scores, 5);
    assert_true(study.size[LS_ARM_TUNED][0].tuned && isnan(study.s_min) && isnan(study.b_crit));
    ls_study_state_destroy(&study);
    world_clear(&w);
}

/* Probes after the incumbent are cut at 1.6 times its steps: faster ones are complete, slower ones incomplete. */
static void slow_rates_are_abandoned(void **state)
{
    (void)state;
    world w = world_default();
    const ls_study_settings s = world_settings();
    ls_study_state study = world_study(&w, &s);
    int incomplete = 0, infeasible = 0;
    for (int i = 0; i < s.n_sizes; i++) {
        const ls_size_result *r = &study.size[LS_ARM_TUNED][i];
        for (int k = 0; k < r->n_probes; k++) {
            const ls_probe *p = &r->probe[k];
            const bool diverges = p->lr > w.limit * world_optimum(&w, r->size);
            const double steps = diverges ? 0 : (double)true_steps(&w, r->size, p->lr, s.tuning_seed, 0.1);
            incomplete += p->status == LS_TRIAL_INCOMPLETE;
            infeasible += p->status == LS_TRIAL_INFEASIBLE;
            assert_true((p->status == LS_TRIAL_INFEASIBLE) == diverges);
            if (p->status == LS_TRIAL_INCOMPLETE) assert_true(p->steps == -1 && steps > (double)p->cap);
            if (p->status == LS_TRIAL_COMPLETE) assert_true((double)p->steps >= steps && p->steps <= p->cap);
            assert_true(p->status != LS_TRIAL_CENSORED);
        }
    }
    assert_true(incomplete >= 4 && infeasible >= 4);
    ls_study_state_destroy(&study);
    world_clear(&w);
}

/* Before three sizes are done caps come from max_epochs; then from the running fit, four times its curve. */
static void caps_follow_the_running_fit(void **state)
{
    (void)state;
    world w = world_default();
    const ls_study_settings s = world_settings();
    ls_study_state study = world_study(&w, &s);
    static const int64_t order[] = {256, 1024, 64, 4096, 16, 16384, 4};
    for (int n = 0; n < 7; n++) {
        const ls_size_result *r = size_of(&study, LS_ARM_TUNED, order[n]);
        const double epochs = (double)(s.max_epochs * s.n_samples) / (double)r->size;
        const double curve = 4 * w.s_min * (1 + w.b_crit / (double)r->size);
        const double cap = (double)r->score[0].cap, look = (double)r->look_every;
        if (n < 3)
            assert_true(cap <= epochs && cap > epochs - look);
        else
            assert_true(cap > 0.7 * fmin(curve, epochs) && cap < 1.5 * curve && cap <= epochs);
    }
    ls_study_state_destroy(&study);
    world_clear(&w);
}

static void the_middle_is_done_first(void **state)
{
    (void)state;
    static const int64_t order[] = {256, 1024, 64, 4096, 16, 16384, 4};
    world w = world_default();
    const ls_study_settings s = world_settings();
    int n = 0;
    for (bool done = false; !done;) {
        ls_study_state study = world_replay(&w, &s, 1);
        done = study.done;
        if (!done) {
            const ls_want want = study.want[0];
            while (n < 7 && order[n] != want.key.global_batch_size) n++;
            assert_true(n < 7);
            for (int i = 0; i < 7; i++) assert_true(size_of(&study, LS_ARM_TUNED, order[i])->done == (i < n));
            world_record(&w, &s, &want.key, want.cap);
        }
        ls_study_state_destroy(&study);
    }
    assert_int_equal(n, 6);
    world_clear(&w);
}

static void tuning_and_scoring_seeds_are_disjoint(void **state)
{
    (void)state;
    world w = world_default();
    ls_study_settings s = world_settings();
    s.vary_order = false;
    for (bool done = false; !done;) {
        ls_study_state study = world_replay(&w, &s, 16);
        done = study.done;
        for (int i = 0; i < study.n_wants; i++) {
            const ls_want *want = &study.want[i];
            assert_true(want->scoring ? want->key.init_seed >= 1 && want->key.init_seed <= 5
                                      : want->key.init_seed == 1000);
            assert_true(want->key.order_seed == (want->scoring ? 1 : 1000));
            world_record(&w, &s, &want->key, want->cap);
        }
        ls_study_state_destroy(&study);
    }
    world_clear(&w);
}

/* The rate that rules carry is by default that of a small size. */
static void the_default_base_size_is_small(void **state)
{
    (void)state;
    world w = world_default();
    ls_study_settings s = world_settings();
    s.arm[LS_ARM_FIXED] = true;
    ls_study_state study = world_study(&w, &s);
    for (int i = 0; i < s.n_sizes; i++)
        assert_true(study.size[LS_ARM_FIXED][i].lr == size_of(&study, LS_ARM_TUNED, 16)->lr);
    ls_study_state_destroy(&study);
    world_clear(&w);
}

/* The rules carry the base size's rate; at the base size they are the tuned arm's own trials; slow ones are censored at
 * their cap, rates beyond the edge of stability infeasible. */
static void arms_follow_their_rules(void **state)
{
    (void)state;
    world w = world_default();
    ls_study_settings s = world_settings();
    for (int arm = 0; arm < LS_N_ARMS; arm++) s.arm[arm] = true;
    s.base_size = 4;
    w.curvature = 0.4;
    ls_study_state study = world_study(&w, &s);
    const ls_size_result *base = size_of(&study, LS_ARM_TUNED, 4);
    int seen[4] = {0};
    for (int arm = 1; arm < LS_N_ARMS; arm++)
        for (int i = 0; i < s.n_sizes; i++) {
            const ls_size_result *r = &study.size[arm][i], *tuned = &study.size[LS_ARM_TUNED][i];
            const double ratio = (double)r->size / 4;
            const double rule = arm == LS_ARM_FIXED ? 1 : arm == LS_ARM_LINEAR ? ratio : sqrt(ratio);
            assert_true(fabs(r->lr / (base->lr * rule) - 1) < 1e-12);
            assert_true(r->look_every == tuned->look_every && r->n_probes == 0 && r->n_scores == 5 && r->tuned);
            for (int k = 0; k < 5; k++) {
                const ls_score *score = &r->score[k];
                const bool diverges = r->lr > w.limit * world_optimum(&w, r->size);
                seen[score->status]++;
                assert_true(score->init_seed == 1 + k && diverges == (score->status == LS_TRIAL_INFEASIBLE));
                if (score->status == LS_TRIAL_CENSORED)
                    assert_true(true_steps(&w, r->size, r->lr, 1 + k, 0.1) > score->cap);
                if (r->size == 4) assert_ptr_equal(score->trial, base->score[k].trial);
            }
        }
    assert_true(seen[LS_TRIAL_COMPLETE] > 30 && seen[LS_TRIAL_CENSORED] > 0 && seen[LS_TRIAL_INFEASIBLE] > 0);
    ls_study_state_destroy(&study);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_optimum_of_every_size_is_found),
        cmocka_unit_test(the_grid_brackets_and_refines),
        cmocka_unit_test(scores_are_first_looks_below_each_target),
        cmocka_unit_test(looks_to_the_target_are_equal),
        cmocka_unit_test(coarse_looks_are_repaired),
        cmocka_unit_test(an_optimum_at_the_edge_is_untuned),
        cmocka_unit_test(untuned_sizes_stay_out_of_the_fit),
        cmocka_unit_test(slow_rates_are_abandoned),
        cmocka_unit_test(caps_follow_the_running_fit),
        cmocka_unit_test(the_middle_is_done_first),
        cmocka_unit_test(tuning_and_scoring_seeds_are_disjoint),
        cmocka_unit_test(the_default_base_size_is_small),
        cmocka_unit_test(arms_follow_their_rules),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
