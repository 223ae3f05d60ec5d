#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "train/pace.h"

static double scratch[8];

/* The others' times a row are 9, 10, 11 and 12 ms, so their median is 10.5 ms. */
static void the_slowest_is_measured_by_the_others(void **state)
{
    (void)state;
    const double all[] = {9.0, 1000, 2 * 12.0, 2000, 21.0, 1000, 10.0, 1000, 11.0, 1000};
    const ls_slow_rank slow = ls_pace_find(all, 5, 40.0, scratch);
    assert_int_equal(slow.rank, 2);
    assert_float_equal(slow.factor, 2.0, 1e-12);
    assert_float_equal(slow.lost_s, 10.5, 1e-12);
}

/* A rank with twice the rows is not slow; nor is one without, and it is no measure for others. */
static void work_that_is_dealt_unevenly_is_no_slowness(void **state)
{
    (void)state;
    const double uneven[] = {20.0, 2000, 10.0, 1000, 0.0, 0};
    assert_int_equal(ls_pace_find(uneven, 3, 20.0, scratch).rank, -1);
    const double alone[] = {20.0, 2000, 0.0, 0};
    assert_int_equal(ls_pace_find(alone, 2, 20.0, scratch).rank, -1);
    assert_int_equal(ls_pace_find(alone, 1, 20.0, scratch).rank, -1);
    const double nothing[] = {0.0, 0, 0.0, 0};
    assert_int_equal(ls_pace_find(nothing, 2, 20.0, scratch).rank, -1);
}

static void small_differences_are_not_told(void **state)
{
    (void)state;
    const double slow[] = {10.0, 1000, 12.6, 1000}, even[] = {10.0, 1000, 12.4, 1000};
    assert_int_equal(ls_pace_find(slow, 2, 20.0, scratch).rank, 1);
    assert_int_equal(ls_pace_find(even, 2, 20.0, scratch).rank, -1);
    assert_int_equal(ls_pace_find(slow, 2, 27.0, scratch).rank, -1); /* 2.6 s of 27 */
    const double brief[] = {0.2, 1000, 0.9, 1000};
    assert_int_equal(ls_pace_find(brief, 2, 0.95, scratch).rank, -1);
    assert_true(isnan(ls_pace_find(brief, 2, 0.95, scratch).factor));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slowest_is_measured_by_the_others),
        cmocka_unit_test(work_that_is_dealt_unevenly_is_no_slowness),
        cmocka_unit_test(small_differences_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
