/** Helper threads. */
#ifndef LOCKSTEP_BASE_THREAD_H
#define LOCKSTEP_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/** Starts a thread that takes no signal: they are for the thread that trains.  False when there is none to be had. */
bool ls_thread_start(pthread_t *thread, void *(*work)(void *), void *context);

#endif
