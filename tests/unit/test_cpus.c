#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cpus.h"

static void texts(void **state)
{
    (void)state;
    char text[LS_CPUS_TEXT];
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    assert_string_equal(ls_cpus_text(&cpus, text), "");
    for (size_t i = 0; i < 4; i++) CPU_SET(i, &cpus);
    assert_string_equal(ls_cpus_text(&cpus, text), "0-3");
    CPU_SET(8, &cpus);
    CPU_SET(CPU_SETSIZE - 1, &cpus);
    assert_string_equal(ls_cpus_text(&cpus, text), "0-3,8,1023");
}

/* One of every three: too long for the text, which stays one. */
static void long_texts_are_cut(void **state)
{
    (void)state;
    char text[LS_CPUS_TEXT];
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (size_t i = 0; i < CPU_SETSIZE; i += 3) CPU_SET(i, &cpus);
    assert_int_equal(strncmp(ls_cpus_text(&cpus, text), "0,3,6,", 6), 0);
    assert_in_range(strlen(text), 200, LS_CPUS_TEXT - 1);
    memset(&cpus, 0xff, sizeof cpus);
    assert_string_equal(ls_cpus_text(&cpus, text), "0-1023");
}

/* As many cores as processors at most, all of them first siblings; one that does not exist is its own core. */
static void cores(void **state)
{
    (void)state;
    cpu_set_t cpus, first, again;
    ls_cpus_mine(&cpus);
    assert_in_range(CPU_COUNT(&cpus), 1, CPU_SETSIZE);
    ls_cpus_cores(&cpus, &first);
    assert_in_range(CPU_COUNT(&first), 1, CPU_COUNT(&cpus));
    ls_cpus_cores(&first, &again);
    assert_true(CPU_EQUAL(&first, &again));
    CPU_ZERO(&cpus);
    CPU_SET(CPU_SETSIZE - 1, &cpus);
    ls_cpus_cores(&cpus, &first);
    assert_true(CPU_EQUAL(&cpus, &first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
