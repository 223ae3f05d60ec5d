#include "train/stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

enum { INTERRUPTED = 128 + SIGINT };

static volatile sig_atomic_t requested, interrupts;

static void note(int signal_number)
{
    if (signal_number == SIGINT && ++interrupts > 1) _exit(INTERRUPTED);
    requested = 1;
}

void ls_stop_install(void)
{
    static const int signals[] = {SIGUSR1, SIGTERM, SIGINT};
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, NULL);
}

bool ls_stop_requested(void)
{
    return requested != 0;
}
