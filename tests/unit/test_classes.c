#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "train/classes.h"

static ls_classes *counted(int64_t k, int64_t n, const float *out, const int32_t *labels)
{
    ls_classes *c;
    assert_int_equal(ls_classes_create(k, &c), LS_OK);
    const ls_loss_rows rows = {.n = n, .k = k, .out = out, .labels = labels};
    ls_classes_add(c, &rows);
    return c;
}

/* Whether one row with this label is among the first five. */
static int64_t in_top5(int64_t k, const float *out, int32_t label)
{
    ls_classes *c = counted(k, 1, out, &label);
    const int64_t top5 = c->top5[0];
    ls_classes_destroy(&c);
    assert_null(c);
    return top5;
}

static void test_counts(void **state)
{
    (void)state;
    static const float out[] = {1, 5, 2, 9, 0, 1, 7, 7, 3, 0, 8, 8};
    static const int32_t labels[] = {1, 1, 0, 2};
    ls_classes *c = counted(3, 4, out, labels);
    static const int64_t n[] = {1, 2, 1}, correct[] = {1, 1, 0}, confusion[] = {1, 0, 0, 1, 1, 0, 0, 1, 0};
    assert_memory_equal(c->n, n, sizeof n);
    assert_memory_equal(c->correct, correct, sizeof correct);
    assert_memory_equal(c->confusion, confusion, sizeof confusion);
    assert_int_equal(c->top5[0], 4);
    ls_classes_destroy(&c);
}

static void test_top5_takes_equals_by_index(void **state)
{
    (void)state;
    static const float falling[] = {9, 8, 7, 6, 5, 4, 3}, equal[7] = {0}, mixed[] = {1, 2, 3, 3, 3, 2, 2};
    for (int32_t j = 0; j < 7; j++) {
        assert_int_equal(in_top5(7, falling, j), j < 5);
        assert_int_equal(in_top5(7, equal, j), j < 5);
        assert_int_equal(in_top5(7, mixed, j), j >= 1 && j <= 5);
    }
    for (int32_t j = 0; j < 5; j++) assert_int_equal(in_top5(5, equal, j), 1);
}

static void test_nan_never_helps(void **state)
{
    (void)state;
    static const float all[] = {NAN, NAN, NAN, NAN, NAN, NAN}, one[] = {5, 4, 3, 2, 1, 0, NAN};
    for (int32_t j = 0; j < 6; j++) assert_int_equal(in_top5(6, all, j), 0);
    for (int32_t j = 0; j < 7; j++) assert_int_equal(in_top5(7, one, j), j < 4);
}

static void test_many_classes_have_no_matrix(void **state)
{
    (void)state;
    ls_classes *c;
    assert_int_equal(ls_classes_create(LS_CONFUSION_MAX, &c), LS_OK);
    assert_non_null(c->confusion);
    ls_classes_destroy(&c);
    assert_int_equal(ls_classes_create(LS_CONFUSION_MAX + 1, &c), LS_OK);
    assert_null(c->confusion);
    static float out[LS_CONFUSION_MAX + 1];
    const int32_t label = LS_CONFUSION_MAX;
    out[label] = 1;
    const ls_loss_rows rows = {.n = 1, .k = LS_CONFUSION_MAX + 1, .out = out, .labels = &label};
    ls_classes_add(c, &rows);
    assert_true(c->n[label] == 1 && c->correct[label] == 1 && c->top5[0] == 1);
    ls_classes_destroy(&c);
    ls_classes_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_top5_takes_equals_by_index),
        cmocka_unit_test(test_nan_never_helps),
        cmocka_unit_test(test_many_classes_have_no_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
