/* Preloaded into the program: signal LS_EARLY_SIGNAL (a number) comes as MPI begins to start. */
#include <signal.h>
#include <stdlib.h>

int PMPI_Init_thread(int *argc, char ***argv, int required, int *provided);

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    raise(atoi(getenv("LS_EARLY_SIGNAL")));
    return PMPI_Init_thread(argc, argv, required, provided);
}
