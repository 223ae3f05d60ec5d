#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lockstep/status.h"

/* Before any other test: main runs it first. */
static void nothing_has_failed_yet(void **state)
{
    (void)state;
    assert_string_equal(ls_status_message(), "");
    assert_string_equal(ls_status_where(), "");
}

/* The codes that scripts rely on. */
static void exit_codes(void **state)
{
    (void)state;
    static const struct {
        ls_status status;
        int code;
        const char *name;
    } cases[] = {
        {LS_OK, 0, "LS_OK"},           {LS_EINTERNAL, 1, "LS_EINTERNAL"}, {LS_ENOMEM, 1, "LS_ENOMEM"},
        {LS_EUSAGE, 2, "LS_EUSAGE"},   {LS_EDATA, 3, "LS_EDATA"},         {LS_ECHECKPOINT, 3, "LS_ECHECKPOINT"},
        {LS_ETARGET, 4, "LS_ETARGET"}, {LS_EDIVERGED, 5, "LS_EDIVERGED"}, {LS_EREPLICA, 6, "LS_EREPLICA"},
        {LS_ESTALL, 7, "LS_ESTALL"},   {LS_EOUTPUT, 8, "LS_EOUTPUT"},     {LS_ESTOPPED, 75, "LS_ESTOPPED"}};
    assert_int_equal(sizeof cases / sizeof *cases, LS_STATUS_COUNT);
    for (int i = 0; i < LS_STATUS_COUNT; i++) {
        assert_int_equal(ls_status_exit_code(cases[i].status), cases[i].code);
        assert_string_equal(ls_status_name(cases[i].status), cases[i].name);
        assert_true(strlen(ls_status_meaning(cases[i].status)) > 5);
    }
    assert_int_equal(LS_OK, 0); /* so that "if (status)" and agreement by maximum work */
}

static void values_outside_the_list(void **state)
{
    (void)state;
    const int outside[] = {-1, LS_STATUS_COUNT, 1000, INT32_MIN, INT32_MAX};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ls_status_exit_code((ls_status)outside[i]), 1);
        assert_non_null(ls_status_name((ls_status)outside[i]));
        assert_non_null(ls_status_meaning((ls_status)outside[i]));
    }
}

static ls_status require(int value)
{
    LS_REQUIRE(value > 0, LS_EDATA, "value = %d", value);
    return LS_OK;
}

static ls_status forward(int value, int *reached)
{
    LS_TRY(require(value));
    *reached = 1;
    return LS_OK;
}

static void require_and_try(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(forward(-7, &reached), LS_EDATA);
    assert_int_equal(reached, 0);
    assert_string_equal(ls_status_message(), "value = -7");
    assert_int_equal(forward(7, &reached), LS_OK);
    assert_int_equal(reached, 1);
    assert_string_equal(ls_status_message(), "value = -7"); /* valid until the next failure */
}

static void the_place_is_the_file_name(void **state)
{
    (void)state;
    char expected[64];
    require(0);
    assert_non_null(strstr(ls_status_where(), "test_status.c:"));
    assert_int_equal(strncmp(ls_status_where(), "test_status.c:", 14), 0);
    const ls_status status = ls_status_fail(LS_EINTERNAL, "/a/b/name.c", 12, "x");
    assert_int_equal(status, LS_EINTERNAL);
    assert_string_equal(ls_status_where(), "name.c:12");
    assert_int_equal(ls_status_fail(LS_EINTERNAL, "bare.c", 3, "x"), LS_EINTERNAL);
    assert_string_equal(ls_status_where(), "bare.c:3");
    const int line = __LINE__ + 1;
    assert_int_equal(require(0), LS_EDATA);
    snprintf(expected, sizeof expected, "test_status.c:%d", line);
    assert_string_not_equal(ls_status_where(), expected); /* where it failed, not where it was called */
}

static void arguments_may_be_the_message_itself(void **state)
{
    (void)state;
    ls_status_fail(LS_EDATA, "f.c", 1, "inner");
    assert_int_equal(ls_status_fail(LS_EUSAGE, "f.c", 2, "<%s>", ls_status_message()), LS_EUSAGE);
    assert_string_equal(ls_status_message(), "<inner>");
    assert_int_equal(ls_status_prefix(LS_EDATA, "%s", ls_status_message()), LS_EDATA);
    assert_string_equal(ls_status_message(), "<inner>: <inner>");
    assert_string_equal(ls_status_where(), "f.c:2");
}

static void prefixes_add_up(void **state)
{
    (void)state;
    ls_status_fail(LS_EDATA, "f.c", 1, "bad byte");
    ls_status_prefix(LS_EDATA, "line %d", 3);
    assert_int_equal(ls_status_prefix(LS_EDATA, "%s", "file.csv"), LS_EDATA);
    assert_string_equal(ls_status_message(), "file.csv: line 3: bad byte");
}

/* Longer than any message: cut, never written beyond. */
static void long_sentences_are_cut(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 0;
    ls_status_fail(LS_EDATA, "f.c", 1, "%s", text);
    const size_t n = strlen(ls_status_message());
    assert_true(n >= 500 && n < sizeof text);
    assert_int_equal(strspn(ls_status_message(), "a"), n);
    ls_status_prefix(LS_EDATA, "where");
    assert_int_equal(strncmp(ls_status_message(), "where: aaa", 10), 0);
    assert_true(strlen(ls_status_message()) <= n);
    for (size_t length = n - 3; length <= n + 3; length++) { /* the ": " around the end of the buffer */
        ls_status_fail(LS_EDATA, "f.c", 1, "tail");
        ls_status_prefix(LS_EDATA, "%.*s", (int)length, text);
        assert_true(strlen(ls_status_message()) <= n);
    }
    ls_status_fail(LS_EDATA, text, 1, "a long file name");
    assert_true(strlen(ls_status_where()) < 200);
}

static void *fails_elsewhere(void *argument)
{
    (void)argument;
    if (ls_status_message()[0] != 0) return NULL;
    ls_status_fail(LS_EDATA, "g.c", 9, "elsewhere");
    return strcmp(ls_status_message(), "elsewhere") == 0 ? "good" : NULL;
}

static void threads_do_not_share(void **state)
{
    (void)state;
    pthread_t thread;
    void *verdict = NULL;
    ls_status_fail(LS_EDATA, "f.c", 1, "here");
    assert_int_equal(pthread_create(&thread, NULL, fails_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, &verdict), 0);
    assert_non_null(verdict);
    assert_string_equal(ls_status_message(), "here");
    assert_string_equal(ls_status_where(), "f.c:1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_has_failed_yet),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(values_outside_the_list),
        cmocka_unit_test(require_and_try),
        cmocka_unit_test(the_place_is_the_file_name),
        cmocka_unit_test(arguments_may_be_the_message_itself),
        cmocka_unit_test(prefixes_add_up),
        cmocka_unit_test(long_sentences_are_cut),
        cmocka_unit_test(threads_do_not_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
