/* Records of trials and claims of workers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "study/record.h"
#include "study/store.h"
#include "study/trial.h"
#include "unit/directory.h"

static ls_look looks[] = {{0, 0.9, 2.302585092994046, NAN, NAN, NAN},
                          {10, 1.0 / 3.0, 0.1 + 0.2, 0.35, 123.456, 0.1},
                          {20, 5e-324, 1e300, NAN, NAN, NAN}};

static ls_trial sample(int64_t iterations, int n_looks)
{
    return (ls_trial){.key = {64, 0.0625 * sqrt(2.0), 0.9, 1, 2, 10},
                      .iterations = iterations,
                      .n_looks = n_looks,
                      .look = looks,
                      .seconds = 1.25,
                      .n_ranks = 2};
}

static void assert_same_look(const ls_look *a, const ls_look *b)
{
    assert_int_equal(a->iteration, b->iteration);
    assert_true(a->error == b->error && a->loss == b->loss);
    assert_true(a->test_error == b->test_error || (isnan(a->test_error) && isnan(b->test_error)));
    assert_true(a->noise_scale == b->noise_scale || (isnan(a->noise_scale) && isnan(b->noise_scale)));
    assert_true(a->noise_se == b->noise_se || (isnan(a->noise_se) && isnan(b->noise_se)));
}

/* Every bit comes back from the text. */
static void test_record_comes_back(void **state)
{
    ls_store *store;
    int n;
    (void)state;
    const ls_trial trial = sample(20, 3);
    assert_int_equal(ls_store_create(test_directory, 60, &store), LS_OK);
    assert_int_equal(ls_store_put(store, &trial), LS_OK);
    assert_int_equal(ls_store_refresh(store, NULL), LS_OK);
    const ls_trial *back = ls_store_trials(store, &n);
    assert_int_equal(n, 1);
    assert_true(back->key.lr == trial.key.lr && back->key.momentum == 0.9 && back->key.order_seed == 2);
    assert_int_equal(back->iterations, 20);
    assert_int_equal(back->n_looks, 3);
    for (int i = 0; i < 3; i++) assert_same_look(&back->look[i], &looks[i]);
    ls_store_destroy(&store);
}

/* A longer record of the same key replaces a shorter one, and never the other way. */
static void test_longer_record_stays(void **state)
{
    ls_store *store;
    int n;
    bool changed;
    (void)state;
    const ls_trial shorter = sample(10, 2), longer = sample(20, 3);
    assert_int_equal(ls_store_create(test_directory, 60, &store), LS_OK);
    assert_int_equal(ls_store_put(store, &shorter), LS_OK);
    assert_int_equal(ls_store_put(store, &longer), LS_OK);
    assert_int_equal(ls_store_put(store, &shorter), LS_OK);
    assert_int_equal(ls_store_refresh(store, &changed), LS_OK);
    assert_int_equal(ls_store_trials(store, &n)->iterations, 20);
    assert_int_equal(n, 1);
    assert_int_equal(ls_store_refresh(store, &changed), LS_OK);
    assert_false(changed);
    ls_store_destroy(&store);
}

#define RECORD(size, iterations, ranks, looks)                                                                         \
    "{\"size\": " size                                                                                                 \
    ", \"lr\": 0.1, \"init_seed\": 1, \"order_seed\": 2, \"look_every\": 10, \"iterations\": " iterations              \
    ", \"diverged\": false, \"seconds\": 1.5, \"ranks\": " ranks ", \"looks\": [" looks "]}"

static ls_status read_text(const char *text)
{
    char path[128];
    ls_trial trial;
    snprintf(path, sizeof path, "%s/record.json", test_directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
    const ls_status status = ls_trial_read(path, &trial);
    ls_trial_destroy(&trial);
    return status;
}

/* Counts that no trial has, and looks that do not follow one another. */
static void test_impossible_records_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        RECORD("0", "20", "2", "[0, 1, 1, 1, 1, 1]"),
        RECORD("64", "-1", "2", "[0, 1, 1, 1, 1, 1]"),
        RECORD("64", "20", "1152921504606846976", "[0, 1, 1, 1, 1, 1]"),
        RECORD("64", "20", "-2", "[0, 1, 1, 1, 1, 1]"),
        RECORD("1e300", "20", "2", "[0, 1, 1, 1, 1, 1]"),
        RECORD("9223372036854775808", "20", "2", "[0, 1, 1, 1, 1, 1]"),
        RECORD("64", "20", "2", "[-10, 1, 1, 1, 1, 1]"),
        RECORD("64", "20", "2", "[10, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]"),
        RECORD("64", "20", "2", "[1e18, 1, 1, 1, 1, 1]"),
        RECORD("64", "20", "2", "[0, 1, 1, 1]"),
        RECORD("64", "20", "2", ""),
    };
    assert_int_equal(read_text(RECORD("64", "20", "2", "[0, 1, 1, 1, 1, 1], [10, 1, null, 1, 1, 1]")), LS_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (read_text(wrong[i]) != LS_EDATA) fail_msg("taken: %s", wrong[i]);
    assert_non_null(strstr(ls_status_message(), "record.json is not the record of a trial"));
}

static bool claims(ls_store *store, const char *name)
{
    bool mine;
    assert_int_equal(ls_store_claim(store, name, &mine), LS_OK);
    return mine;
}

/* A claim has one holder, who may renew it for ever; one that stands still is taken over. */
static void test_claims(void **state)
{
    ls_store *a, *b;
    (void)state;
    assert_int_equal(ls_store_create(test_directory, 0.4, &a), LS_OK);
    assert_int_equal(ls_store_create(test_directory, 0.4, &b), LS_OK);
    assert_true(claims(a, "x"));
    assert_false(claims(b, "x"));
    assert_int_equal(ls_store_n_claims(b), 1);
    for (int i = 0; i < 10; i++) {
        usleep(100000);
        ls_store_renew(a);
        assert_false(claims(b, "x"));
    }
    usleep(500000); /* a is silent */
    assert_true(claims(b, "x"));
    ls_store_release(b);
    assert_int_equal(ls_store_n_claims(a), 0);
    ls_store_destroy(&a);
    ls_store_destroy(&b);
}

/* Who was silent for too long and comes back neither renews nor removes what another holds now. */
static void test_a_lost_claim_is_left_alone(void **state)
{
    ls_store *a, *b, *c;
    (void)state;
    assert_int_equal(ls_store_create(test_directory, 0.4, &a), LS_OK);
    assert_int_equal(ls_store_create(test_directory, 0.4, &b), LS_OK);
    assert_int_equal(ls_store_create(test_directory, 0.4, &c), LS_OK);
    assert_true(claims(a, "x"));
    assert_false(claims(b, "x"));
    usleep(500000); /* a is silent */
    assert_true(claims(b, "x"));
    assert_false(claims(c, "x"));
    usleep(250000);
    ls_store_renew(a);
    usleep(250000); /* b is silent, whatever a does */
    assert_true(claims(c, "x"));
    ls_store_release(a);
    ls_store_destroy(&b);
    assert_int_equal(ls_store_n_claims(c), 1);
    ls_store_release(c);
    assert_int_equal(ls_store_n_claims(c), 0);
    ls_store_destroy(&a);
    ls_store_destroy(&c);
}

/* A thread renews while its holder is busy, and ends with the claim. */
static void test_a_claim_is_kept_renewed(void **state)
{
    ls_store *a, *b;
    (void)state;
    assert_int_equal(ls_store_create(test_directory, 1.0, &a), LS_OK);
    assert_int_equal(ls_store_create(test_directory, 1.0, &b), LS_OK);
    assert_int_equal(ls_store_keep_renewed(a), LS_EINTERNAL);
    for (int round = 0; round < 2; round++) {
        assert_true(claims(a, "results"));
        assert_int_equal(ls_store_keep_renewed(a), LS_OK);
        for (int i = 0; i < 7; i++) {
            assert_false(claims(b, "results"));
            usleep(200000);
        }
        ls_store_release(a);
    }
    assert_true(claims(b, "results"));
    ls_store_destroy(&b);
    ls_store_destroy(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_record_comes_back, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_longer_record_stays, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_impossible_records_are_refused, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_claims, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_a_lost_claim_is_left_alone, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_a_claim_is_kept_renewed, make_directory, remove_directory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
