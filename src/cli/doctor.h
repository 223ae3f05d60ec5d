/** What `info doctor` looks at: each rank fills a record of itself and its host, rank 0 judges all of them. */
#ifndef LOCKSTEP_CLI_DOCTOR_H
#define LOCKSTEP_CLI_DOCTOR_H

#include <sched.h>
#include <stdbool.h>

#include "lockstep/job.h"

/** Instruction sets by what they do for products of matrices. */
typedef enum ls_vector_level {
    LS_VECTOR_UNKNOWN,
    LS_VECTOR_SSE,
    LS_VECTOR_AVX,
    LS_VECTOR_AVX2,
    LS_VECTOR_AVX512
} ls_vector_level;

/** One rank's; it travels as doubles, so that it holds nothing smaller. */
typedef struct ls_checkup {
    cpu_set_t cpus, cores; /* that it may run on; of cores the first processor stands for all */
    double n_online;       /* processors of the host */
    double quota;          /* processors' time that its cgroup grants; INFINITY: no limit */
    double shm_bytes, shm_free;
    double powersave;       /* 1: a frequency governor that keeps the clock low */
    double processor;       /* ls_vector_level of the processor */
    double pool;            /* threads of OpenBLAS at the start */
    double alone, together; /* multiply-adds of a matrix product in 1e9 FLOP/s, one rank of a host computing or all */
} ls_checkup;

/** All but the rates, of this process.  Not collective. */
void ls_checkup_take(ls_checkup *out);

/** Instruction set of an OpenBLAS kernel type. */
ls_vector_level ls_vector_of_kernel(const char *core);
const char *ls_vector_name(ls_vector_level level);

/** The mpirun of the PATH and the first line that it says of its version; "" where there is none. */
void ls_launcher_find(char path[256], char version[128]);

/** Two version texts tell of different MPI libraries. */
bool ls_mpi_differs(const char *a, const char *b);

#endif
