/* What signals ask, each case in a process of its own: what came is remembered for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lockstep/config.h"
#include "lockstep/stop.h"

static const int numbers[LS_N_SIGNALS] = {
    [LS_SIGNAL_USR1] = SIGUSR1, [LS_SIGNAL_USR2] = SIGUSR2, [LS_SIGNAL_TERM] = SIGTERM, [LS_SIGNAL_INT] = SIGINT};

/* The exit code of a process that installs the handlers and then does `work`. */
static int code_of(int (*work)(int), int argument)
{
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ls_stop_install();
        _exit(work(argument));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

enum { NOTHING, STOP, SAVE };

static int asked(void)
{
    const bool save = ls_stop_save_requested();
    return ls_stop_requested() ? STOP : save ? SAVE : NOTHING;
}

static int default_of(int i)
{
    raise(numbers[i]);
    return asked();
}

static void what_they_ask_by_default(void **state)
{
    (void)state;
    assert_int_equal(code_of(default_of, LS_SIGNAL_USR1), STOP);
    assert_int_equal(code_of(default_of, LS_SIGNAL_USR2), SAVE);
    assert_int_equal(code_of(default_of, LS_SIGNAL_TERM), STOP);
    assert_int_equal(code_of(default_of, LS_SIGNAL_INT), STOP);
}

static void choose(int i, int action)
{
    int actions[LS_N_SIGNALS];
    for (int k = 0; k < LS_N_SIGNALS; k++) actions[k] = k == i ? action : LS_SIGNAL_STOP;
    ls_stop_choose(actions);
}

/* The signal comes before the configuration is known. */
static int saves_once(int i)
{
    raise(numbers[i]);
    choose(i, LS_SIGNAL_SAVE);
    if (asked() != SAVE || asked() != NOTHING) return 1;
    raise(numbers[i]);
    raise(numbers[i]);
    return asked() != SAVE || asked() != NOTHING;
}

static int is_ignored(int i)
{
    raise(numbers[i]);
    choose(i, LS_SIGNAL_IGNORE);
    raise(numbers[i]);
    return asked() != NOTHING;
}

static int stops_for_ever(int i)
{
    choose(i, LS_SIGNAL_STOP);
    if (asked() != NOTHING) return 1;
    raise(numbers[i]);
    return asked() != STOP || asked() != STOP;
}

static void what_is_chosen(void **state)
{
    (void)state;
    for (int i = 0; i < LS_N_SIGNALS; i++) {
        assert_int_equal(code_of(saves_once, i), 0);
        assert_int_equal(code_of(is_ignored, i), 0);
        assert_int_equal(code_of(stops_for_ever, i), 0);
    }
}

static int second_of(int i)
{
    raise(numbers[i]);
    raise(numbers[i]);
    return 1;
}

static void a_second_interrupt_ends_at_once(void **state)
{
    (void)state;
    assert_int_equal(code_of(second_of, LS_SIGNAL_INT), 128 + SIGINT);
    assert_int_equal(code_of(second_of, LS_SIGNAL_TERM), 1);
    assert_int_equal(code_of(second_of, LS_SIGNAL_USR1), 1);
}

static ls_status parse(const char *value, ls_config **out)
{
    static const char least[] = "data: {train: {format: idx, images: i}}\nmodel: [{dense: 1}]\ntrain: {epochs: 1}\n";
    const ls_override change = {"runtime.on_signal", value, "--set"};
    return ls_config_parse(least, sizeof least - 1, "c.yaml", NULL, &change, 1, out);
}

static void the_configuration(void **state)
{
    (void)state;
    static const int some[LS_N_SIGNALS] = {LS_SIGNAL_SAVE, LS_SIGNAL_SAVE, LS_SIGNAL_STOP, LS_SIGNAL_IGNORE};
    static const int none[LS_N_SIGNALS] = {LS_SIGNAL_STOP, LS_SIGNAL_SAVE, LS_SIGNAL_STOP, LS_SIGNAL_STOP};
    ls_config *c, *plain;
    assert_int_equal(parse("{usr1: save, int: ignore}", &c), LS_OK);
    assert_memory_equal(c->runtime.on_signal, some, sizeof some);
    assert_int_equal(parse("{}", &plain), LS_OK);
    assert_memory_equal(plain->runtime.on_signal, none, sizeof none);
    assert_int_equal(ls_config_check_resume(c, plain, true), LS_OK);
    ls_config_destroy(&c);
    ls_config_destroy(&plain);
    assert_int_equal(parse("{usr1: halt}", &c), LS_EUSAGE);
    assert_non_null(strstr(ls_status_message(), "runtime.on_signal.usr1"));
    assert_int_equal(parse("{hup: stop}", &c), LS_EUSAGE);
    assert_non_null(strstr(ls_status_message(), "hup"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_they_ask_by_default),
    cmocka_unit_test(what_is_chosen),
    cmocka_unit_test(a_second_interrupt_ends_at_once),
    cmocka_unit_test(the_configuration),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
