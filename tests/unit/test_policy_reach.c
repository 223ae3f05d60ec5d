/* What the policy does where runs do not reach the target, or their caps are in doubt. */
#include "policy_world.h"

/* A target that no rate reaches is a result: the runs of the rate that came nearest are censored at their cap; rules
 * have no rate to carry. */
static void a_target_out_of_reach_is_a_result(void **state)
{
    (void)state;
    world w = world_default();
    w.never = true;
    ls_study_settings s = world_settings();
    s.n_sizes = 3;
    s.max_epochs = 5;
    for (int arm = 0; arm < LS_N_ARMS; arm++) s.arm[arm] = true;
    ls_study_state study = world_study(&w, &s);
    for (int arm = 0; arm < LS_N_ARMS; arm++)
        for (int i = 0; i < 3; i++) {
            const ls_size_result *r = &study.size[arm][i];
            assert_true(r->done && r->look_every >= 1);
            assert_true(arm == LS_ARM_TUNED ? r->n_scores == 5 : isnan(r->lr) && !r->tuned && r->n_scores == 0);
            if (arm == LS_ARM_TUNED) assert_true(r->best_error >= 0.5 && r->best_error < 0.9 && r->n_probes >= 5);
            for (int k = 0; k < r->n_probes; k++)
                assert_true(r->probe[k].status == LS_TRIAL_CENSORED || r->probe[k].status == LS_TRIAL_INFEASIBLE);
            for (int k = 0; k < r->n_scores; k++) assert_int_equal(r->score[k].status, LS_TRIAL_CENSORED);
        }
    assert_true(isnan(study.s_min) && isnan(study.b_crit));
    ls_study_state_destroy(&study);
    world_clear(&w);
}

/* A batch size at which the target is out of reach stays in the results, censored at its cap and at the rate of the
 * lowest error; the fit of the others goes on. */
static void a_size_out_of_reach_is_censored(void **state)
{
    (void)state;
    world w = world_default();
    w.never_from = 16384;
    ls_study_settings s = world_settings();
    s.max_epochs = 100;
    ls_study_state study = world_study(&w, &s);
    const ls_size_result *r = size_of(&study, LS_ARM_TUNED, 16384);
    assert_true(r->done && r->tuned && r->n_scores == 5 && fabs(log2(r->lr / world_optimum(&w, 16384))) < 1.01);
    for (int k = 0; k < 5; k++) {
        const ls_score *score = &r->score[k];
        assert_true(score->status == LS_TRIAL_CENSORED && score->steps[2] == -1 && score->init_seed == 1 + k);
        assert_true(score->cap > 300 && score->trial->iterations >= score->cap);
    }
    assert_true(fabs(log(study.s_min / w.s_min)) < 0.15 && fabs(log(study.b_crit / w.b_crit)) < 0.25);
    ls_study_state_destroy(&study);
    world_clear(&w);
}

/* The first three sizes all lie on one branch: their fit knows nothing of the other, and must not cut its runs short.
 */
static void caps_beyond_one_branch_are_wide(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++)
        for (int seed = 1; seed < 12; seed++) {
            world w = world_default();
            ls_study_settings s = world_settings();
            w.noise = 0.4;
            w.b_crit = side == 0 ? 4000 : 30;
            w.s_min = side == 0 ? 50 : 100;
            s.scoring_seed = 2000 + 100 * seed;
            s.max_epochs = 100000;
            s.n_seeds = 3;
            ls_study_state study = world_study(&w, &s);
            for (int i = 0; i < s.n_sizes; i++) {
                const ls_size_result *r = &study.size[LS_ARM_TUNED][i];
                for (int k = 0; k < r->n_scores; k++) assert_int_equal(r->score[k].status, LS_TRIAL_COMPLETE);
                assert_int_equal(r->n_scores, 3);
            }
            ls_study_state_destroy(&study);
            world_clear(&w);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_out_of_reach_is_a_result),
        cmocka_unit_test(a_size_out_of_reach_is_censored),
        cmocka_unit_test(caps_beyond_one_branch_are_wide),
    };
    return cmocka_run_group_tests_name("policy_reach", tests, NULL, NULL);
}
