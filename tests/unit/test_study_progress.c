/* What the progress line counts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "study/progress.h"
#include "unit/directory.h"

static ls_trial record_of(int64_t size)
{
    static ls_look look = {0, 0.9, 2.3, NAN, NAN, NAN};
    return (ls_trial){
        .key = {size, 0.5, NAN, 1, 1, 10}, .iterations = 20, .n_looks = 1, .look = &look, .seconds = 3, .n_ranks = 2};
}

/* Three records, one of which is wanted for longer; another want has none. */
static void test_what_is_wanted_is_not_done(void **state)
{
    ls_store *store;
    ls_study_file file = {.settings = {.n_sizes = 3, .arm = {true}}};
    const ls_study study = {.file = &file};
    ls_progress_line line;
    (void)state;
    assert_int_equal(ls_store_create(test_directory, 60, &store), LS_OK);
    for (int64_t size = 4; size <= 16; size *= 2) {
        const ls_trial trial = record_of(size);
        assert_int_equal(ls_store_put(store, &trial), LS_OK);
    }
    assert_int_equal(ls_store_refresh(store, NULL), LS_OK);
    ls_want wants[] = {{.key = record_of(8).key, .cap = 40}, {.key = record_of(32).key, .cap = 40}};
    ls_study_state now = {.want = wants, .n_wants = 2, .s_min = NAN, .b_crit = NAN};
    ls_progress_start(&line, &study, false);
    ls_progress_take(&line, &now, store);
    assert_int_equal(line.n_trials, 2);
    assert_true(line.rank_seconds == 18); /* of all that was trained */
    now.n_wants = 0;
    ls_progress_take(&line, &now, store);
    assert_int_equal(line.n_trials, 3);
    ls_store_destroy(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_wanted_is_not_done, make_directory, remove_directory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
