#include "lockstep/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum { INTERRUPTED = 128 + SIGINT };

static const int numbers[LS_N_SIGNALS] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT};

/* Lock-free: a signal may come to any thread. */
static atomic_int actions[LS_N_SIGNALS] = {LS_SIGNAL_STOP, LS_SIGNAL_SAVE, LS_SIGNAL_STOP, LS_SIGNAL_STOP};
static atomic_uint came[LS_N_SIGNALS], taken[LS_N_SIGNALS];

static void note(int number)
{
    for (int i = 0; i < LS_N_SIGNALS; i++) {
        if (numbers[i] != number) continue;
        const bool again = atomic_fetch_add(&came[i], 1) > 0;
        if (number == SIGINT && again && atomic_load(&actions[i]) == LS_SIGNAL_STOP) _exit(INTERRUPTED);
    }
}

void ls_stop_install(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < LS_N_SIGNALS; i++) sigaction(numbers[i], &action, NULL);
}

void ls_stop_choose(const int chosen[LS_N_SIGNALS])
{
    for (int i = 0; i < LS_N_SIGNALS; i++) atomic_store(&actions[i], chosen[i]);
}

bool ls_stop_requested(void)
{
    bool requested = false;
    for (int i = 0; i < LS_N_SIGNALS; i++)
        requested |= atomic_load(&actions[i]) == LS_SIGNAL_STOP && atomic_load(&came[i]) > 0;
    return requested;
}

bool ls_stop_save_requested(void)
{
    bool requested = false;
    for (int i = 0; i < LS_N_SIGNALS; i++) {
        if (atomic_load(&actions[i]) != LS_SIGNAL_SAVE) continue;
        const unsigned now = atomic_load(&came[i]);
        requested |= atomic_exchange(&taken[i], now) != now;
    }
    return requested;
}
