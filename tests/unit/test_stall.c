#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "comm/stall.h"

enum { N = 4, ALL = 15 };

static const double period_s = 0.5;

/* A node of ranks 4 to 7, and a watcher that looks twice a second. */
typedef struct node {
    ls_place place[N];
    ls_seen seen[N];
    ls_stall stall;
    char text[2048];
} node;

static void begin(node *n, int n_nodes)
{
    memset(n, 0, sizeof *n);
    n->stall = (ls_stall){.place = n->place,
                          .seen = n->seen,
                          .n = N,
                          .first_rank = 4,
                          .node = 1,
                          .n_nodes = n_nodes,
                          .period_s = period_s};
}

/* Rank r (from 0) comes to a place, at time 100. */
static void put(node *n, int r, ls_board_phase phase, int64_t iteration, ls_wait wait)
{
    ls_board_use(&n->place[r]);
    ls_board_mark(phase, iteration, 100.0);
    if (wait != LS_WAIT_NONE) ls_board_wait(wait, 100.0);
    ls_board_use(NULL);
}

/* Looks for so many seconds; the processes of the set bits beat meanwhile. */
static void pass(node *n, double seconds, int beating)
{
    for (double t = 0; t < seconds; t += period_s) {
        for (int r = 0; r < N; r++)
            if (beating >> r & 1) atomic_fetch_add(&n->place[r].beats, 1);
        ls_stall_look(&n->stall, period_s);
    }
}

static const char *text_of(node *n)
{
    const size_t length = ls_stall_text(&n->stall, 112.0, n->text, sizeof n->text);
    assert_int_equal(length, strlen(n->text));
    return n->text;
}

static void has(node *n, const char *part)
{
    if (strstr(text_of(n), part) == NULL) fail_msg("no '%s' in: %s", part, n->text);
}

static void any_step_is_movement(void **state)
{
    (void)state;
    node n;
    begin(&n, 1);
    for (int r = 0; r < N; r++) put(&n, r, LS_PHASE_FORWARD, 7, LS_WAIT_NONE);
    pass(&n, 0.5, ALL);
    assert_true(ls_stall_seconds(&n.stall) == 0.0);
    pass(&n, 10.0, ALL);
    assert_true(ls_stall_seconds(&n.stall) == 10.0);
    ls_board_use(&n.place[3]);
    ls_board_step();
    ls_board_use(NULL);
    pass(&n, 0.5, ALL);
    assert_true(ls_stall_seconds(&n.stall) == 0.0);
}

/* Time in which the watcher itself was stopped does not count. */
static void a_suspended_job_has_not_stalled(void **state)
{
    (void)state;
    node n;
    begin(&n, 1);
    for (int r = 0; r < N; r++) put(&n, r, LS_PHASE_FORWARD, 7, LS_WAIT_NONE);
    pass(&n, 0.5, ALL);
    ls_stall_look(&n.stall, 3600.0);
    assert_true(n.stall.still_s == 2 * period_s);
    assert_int_equal(ls_stall_speaker(&n.stall), 0);
}

static void a_stuck_rank_is_named(void **state)
{
    (void)state;
    node n;
    begin(&n, 2);
    put(&n, 0, LS_PHASE_EXCHANGE, 8, LS_WAIT_NODE);
    put(&n, 1, LS_PHASE_EXCHANGE, 8, LS_WAIT_NODE);
    put(&n, 2, LS_PHASE_BACKWARD, 8, LS_WAIT_NONE);
    put(&n, 3, LS_PHASE_EXCHANGE, 8, LS_WAIT_NODE);
    pass(&n, 12.0, ALL);
    assert_true(ls_stall_seconds(&n.stall) == 11.5);
    assert_int_equal(ls_stall_speaker(&n.stall), 0);
    has(&n, "nothing has moved on node 1 (");
    has(&n, "for 12 s; it waits for rank 6\n");
    has(&n, "\nlockstep:   ranks 4-5, 7: exchange and update of iteration 8, waiting for ranks of this node, for 12 s");
    has(&n, "\nlockstep:   rank 6: backward of iteration 8, for 12 s");
    assert_null(strstr(n.text, "does not run"));
}

/* Whatever it was doing, even waiting; and in a phase that may take any time. */
static void a_stopped_rank_is_named_and_does_not_speak(void **state)
{
    (void)state;
    static const ls_board_phase phases[] = {LS_PHASE_EXCHANGE, LS_PHASE_SAVE};
    for (int i = 0; i < 2; i++) {
        node n;
        begin(&n, 1);
        for (int r = 0; r < N; r++) put(&n, r, phases[i], 9, LS_WAIT_NODE);
        pass(&n, 2.0, ALL);
        assert_true(i == 0 || ls_stall_seconds(&n.stall) == 0.0);
        pass(&n, 10.0, ALL & ~1);
        assert_int_equal(ls_stall_speaker(&n.stall), 1);
        assert_true(ls_stall_seconds(&n.stall) == 11.5);
        has(&n, "it waits for rank 4\n");
        has(&n, "for 12 s; the process does not run");
        has(&n, "ranks 5-7: ");
        pass(&n, 10.0, 0);
        assert_int_equal(ls_stall_speaker(&n.stall), -1);
    }
}

static void a_node_that_waits_for_another_is_patient(void **state)
{
    (void)state;
    node n;
    begin(&n, 2);
    for (int r = 0; r < N; r++) put(&n, r, LS_PHASE_FORWARD, 5, r == 1 ? LS_WAIT_MESSAGES : LS_WAIT_NODE);
    pass(&n, 10.5, ALL);
    assert_true(ls_stall_seconds(&n.stall) == 7.5); /* as long as a rank of the node may be silent, and a quarter */
    pass(&n, 10.0, ALL);
    assert_true(ls_stall_seconds(&n.stall) == 16.0);
    has(&n, "it waits for another node\n");
    has(&n, "rank 5: forward of iteration 5, waiting for messages");
    n.stall.n_nodes = 1;
    has(&n, "it waits for nobody: every rank waits\n");
}

/* One at work that may take any time, or all in such phases; and never when the job is ending already. */
static void loading_and_saving_may_take_any_time(void **state)
{
    (void)state;
    node n;
    begin(&n, 1);
    put(&n, 0, LS_PHASE_SAVE, 5, LS_WAIT_NONE);
    for (int r = 1; r < N; r++) put(&n, r, LS_PHASE_EXCHANGE, 6, LS_WAIT_NODE);
    pass(&n, 50.0, ALL);
    assert_true(ls_stall_seconds(&n.stall) == 0.0);
    for (int r = 0; r < N; r++) put(&n, r, LS_PHASE_LOAD, 0, r > 0 ? LS_WAIT_MESSAGES : LS_WAIT_NONE);
    pass(&n, 50.0, ALL);
    assert_true(ls_stall_seconds(&n.stall) == 0.0);
    has(&n, "rank 4: loading data, for 12 s");
    for (int r = 0; r < N; r++) put(&n, r, r == 2 ? LS_PHASE_ABORT : LS_PHASE_EXCHANGE, 0, LS_WAIT_NONE);
    pass(&n, 50.0, 0);
    assert_true(ls_stall_seconds(&n.stall) == 0.0);
}

static void who_has_left_is_not_waited_for(void **state)
{
    (void)state;
    node n;
    begin(&n, 1);
    put(&n, 0, LS_PHASE_END, 0, LS_WAIT_NONE);
    put(&n, 1, LS_PHASE_END, 0, LS_WAIT_NONE);
    put(&n, 2, LS_PHASE_EXCHANGE, 6, LS_WAIT_NODE);
    put(&n, 3, LS_PHASE_FORWARD, 6, LS_WAIT_NONE);
    pass(&n, 10.5, 12);
    assert_int_equal(ls_stall_speaker(&n.stall), 2);
    assert_true(ls_stall_seconds(&n.stall) == 10.0);
    has(&n, "it waits for rank 7\n");
    assert_null(strstr(n.text, "at the end"));
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    node n;
    char small[40];
    begin(&n, 1);
    for (int r = 0; r < N; r++) put(&n, r, LS_PHASE_FORWARD, 1 + r, LS_WAIT_NONE);
    memset(small, 'x', sizeof small);
    assert_int_equal(ls_stall_text(&n.stall, 112.0, small, 30), 29);
    assert_int_equal(strlen(small), 29);
    assert_true(small[30] == 'x');
}

static void waits_are_added_up(void **state)
{
    (void)state;
    node n;
    begin(&n, 1);
    const double before = ls_board_waited_s;
    ls_board_use(&n.place[0]);
    ls_board_mark(LS_PHASE_FORWARD, 3, 10.0);
    ls_board_wait(LS_WAIT_MESSAGES, 11.0);
    ls_board_go(13.0);
    ls_board_use(NULL);
    const uint64_t where = atomic_load(&n.place[0].where);
    assert_true(fabs(ls_board_waited_s - before - 2.0) < 1e-6); /* times are kept in ns */
    assert_int_equal(ls_place_phase(where), LS_PHASE_FORWARD);
    assert_int_equal(ls_place_wait(where), LS_WAIT_NONE);
    assert_int_equal(ls_place_iteration(where), 3);
    assert_int_equal(atomic_load(&n.place[0].steps), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_step_is_movement),
        cmocka_unit_test(a_suspended_job_has_not_stalled),
        cmocka_unit_test(a_stuck_rank_is_named),
        cmocka_unit_test(a_stopped_rank_is_named_and_does_not_speak),
        cmocka_unit_test(a_node_that_waits_for_another_is_patient),
        cmocka_unit_test(loading_and_saving_may_take_any_time),
        cmocka_unit_test(who_has_left_is_not_waited_for),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(waits_are_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
