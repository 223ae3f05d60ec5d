/* `lockstep info doctor`: what of this machine, and of the way the ranks were started, costs speed or keeps training
 * from running. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpus.h"
#include "base/mem.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "cli/doctor.h"
#include "lockstep/trainer.h"
#include "ls_version.h"
#include "math/blas.h"

enum { DOUBLES = sizeof(ls_checkup) / sizeof(double), SMALL_SHM_MB = 256 };

_Static_assert(sizeof(ls_checkup) % sizeof(double) == 0, "a checkup travels as doubles");

static const double slow_share = 0.6, slow_barrier_s = 1e-3;

typedef struct doctor {
    const ls_job *world;
    ls_checkup *all; /* [ranks]; on every rank */
    double barrier_s;
    char launcher[256], launcher_version[128];
    int n_slower;
} doctor;

/* The ranks [first, last) of a host. */
typedef struct host {
    char name[64];
    int first, last;
    cpu_set_t cpus, cores; /* of all its ranks */
    const ls_checkup *of;  /* its first rank's */
} host;

static __attribute__((format(printf, 2, 3))) void slower(doctor *d, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("slower: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    d->n_slower++;
}

static int n_hosts(const doctor *d)
{
    return ls_job_n_nodes(d->world);
}

static host host_of(const doctor *d, int i)
{
    host h = {.first = ls_job_node_first(d->world, i), .last = ls_job_node_first(d->world, i + 1)};
    h.of = &d->all[h.first];
    for (int r = h.first; r < h.last; r++) {
        CPU_OR(&h.cpus, &h.cpus, &d->all[r].cpus);
        CPU_OR(&h.cores, &h.cores, &d->all[r].cores);
    }
    return h;
}

/* 1e9 floating operations a second of a product as training has them: it fits the caches of a core. */
static ls_status measure(double *rate)
{
    static const ls_gemm_shape shape = {
        .m = 128, .n = 256, .k = 256, .stride_a = 256, .stride_b = 256, .stride_c = 256};
    double seconds = 1.0;
    const ls_status status = ls_bench_shape(&shape, &seconds);
    *rate = 2e-9 * (double)(shape.m * shape.n * shape.k) / seconds;
    return status;
}

/* First one rank of each host computes, while the others sleep; then all do. */
static ls_status examine(doctor *d)
{
    ls_checkup mine;
    ls_checkup_take(&mine);
    ls_blas_set_threads(1);
    ls_status status = ls_blas_reserve();
    if (status == LS_OK && ls_job_local_rank(d->world) == 0) status = measure(&mine.alone);
    ls_job_wait_all(d->world, INFINITY);
    if (status == LS_OK) status = measure(&mine.together);
    LS_TRY(ls_job_agree(d->world, status));
    d->barrier_s = ls_bench_barrier(d->world);
    const int n = ls_job_size(d->world);
    int *counts = ls_calloc((size_t)n, sizeof *counts);
    d->all = ls_calloc((size_t)n, sizeof *d->all);
    const bool there = counts != NULL && d->all != NULL;
    status = ls_job_agree(d->world, there ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory"));
    for (int r = 0; r < n && there; r++) counts[r] = DOUBLES;
    if (status == LS_OK) ls_job_gather_all(d->world, (double *)&mine, counts, (double *)d->all);
    ls_free(counts);
    return status;
}

static void print_host(const host *h)
{
    printf("host %s: %.0f processors, of which the ranks may use %d (%d core%s); ", h->name, h->of->n_online,
           CPU_COUNT(&h->cpus), CPU_COUNT(&h->cores), CPU_COUNT(&h->cores) == 1 ? "" : "s");
    if (isfinite(h->of->quota)) printf("a quota of %.4g processors; ", h->of->quota);
    printf("/dev/shm of %.0f MB, %.0f MB free\n  matrix product: %.1f GFLOP/s when one rank computes\n",
           h->of->shm_bytes / 1e6, h->of->shm_free / 1e6, h->of->alone);
}

/* Ranks on the same processors in one line. */
static void print_ranks(const doctor *d, const host *h)
{
    for (int r = h->first, end; r < h->last; r = end) {
        char text[LS_CPUS_TEXT];
        double least = INFINITY;
        for (end = r; end < h->last && CPU_EQUAL(&d->all[end].cpus, &d->all[r].cpus); end++)
            least = fmin(least, d->all[end].together);
        printf("  rank%s %d", end - r > 1 ? "s" : "", r);
        if (end - r > 1) printf("-%d", end - 1);
        printf(" on processors %s: %.1f GFLOP/s when all compute%s\n", ls_cpus_text(&d->all[r].cpus, text), least,
               end - r > 1 ? " (the slowest)" : "");
    }
}

static void print_facts(const doctor *d, const host *hosts)
{
    const int n = ls_job_size(d->world);
    const char *mpi = ls_job_mpi_version();
    printf("lockstep %s: %d rank%s on %d host%s\nMPI: %.*s\n", LS_VERSION, n, n == 1 ? "" : "s", n_hosts(d),
           n_hosts(d) == 1 ? "" : "s", (int)strcspn(mpi, "\n"), mpi);
    if (d->launcher[0] != 0) printf("launcher: %s, %s\n", d->launcher, d->launcher_version);
    printf("BLAS: %s; kernel type %s (%s), processor %s\n", ls_blas_build(), ls_blas_core(),
           ls_vector_name(ls_vector_of_kernel(ls_blas_core())), ls_vector_name((ls_vector_level)d->all[0].processor));
    for (int i = 0; i < n_hosts(d); i++) {
        print_host(&hosts[i]);
        print_ranks(d, &hosts[i]);
    }
    if (n > 1) printf("MPI barrier: %.1f us\n", 1e6 * d->barrier_s);
}

/* A rank that has more ranks on its processors (or cores) alone than there are; -1: none. */
static int crowded(const doctor *d, const host *h, bool cores, int *n_ranks)
{
    for (int r = h->first; r < h->last; r++) {
        const cpu_set_t *mine = cores ? &d->all[r].cores : &d->all[r].cpus;
        *n_ranks = 0;
        for (int other = h->first; other < h->last; other++) {
            cpu_set_t both;
            const cpu_set_t *theirs = cores ? &d->all[other].cores : &d->all[other].cpus;
            CPU_AND(&both, mine, theirs);
            *n_ranks += CPU_EQUAL(&both, theirs) != 0;
        }
        if (*n_ranks > CPU_COUNT(mine)) return r;
    }
    return -1;
}

static void judge_placement(doctor *d, const host *h)
{
    const int n = h->last - h->first, cpus = CPU_COUNT(&h->cpus), cores = CPU_COUNT(&h->cores);
    const bool idle = h->of->n_online > cpus;
    char text[LS_CPUS_TEXT];
    int together, r;
    if (n > cpus && !idle) {
        slower(d, "%d ranks take turns on %d processor%s of host %s; start %d (mpirun -np), or use more hosts", n, cpus,
               cpus == 1 ? "" : "s", h->name, cores);
    } else if ((r = crowded(d, h, false, &together)) >= 0) {
        slower(
            d,
            "%d ranks of host %s are bound to processor%s %s and take turns there, while others stand idle; bind each "
            "to its own (mpirun --bind-to core), or none (--bind-to none)",
            together, h->name, CPU_COUNT(&d->all[r].cpus) == 1 ? "" : "s", ls_cpus_text(&d->all[r].cpus, text));
    } else if (n > cores && !idle) {
        slower(d,
               "%d ranks on %d cores of host %s: two threads of a core share what multiplies matrices; start %d "
               "(mpirun -np)",
               n, cores, h->name, cores);
    } else if ((r = crowded(d, h, true, &together)) >= 0) {
        slower(d,
               "%d ranks of host %s are bound to threads of the same core%s; map them by core (mpirun --map-by core)",
               together, h->name, CPU_COUNT(&d->all[r].cores) == 1 ? "" : "s");
    }
    if (h->of->quota < n)
        slower(
            d,
            "a quota gives the %d ranks of host %s the time of %.4g processors (cgroup: a container's --cpus, a batch "
            "system's limit); raise it, or start fewer ranks",
            n, h->name, h->of->quota);
}

/* What the causes above do not explain. */
static void judge_rates(doctor *d, const host *h)
{
    for (int r = h->first; r < h->last && h->last - h->first > 1; r++) {
        if (d->all[r].together >= slow_share * h->of->alone) continue;
        slower(
            d,
            "rank %d of host %s computes %.1f GFLOP/s when all do, and one alone %.1f: other processes, the clock or "
            "memory hold it back; look at the host's load (top), start fewer ranks",
            r, h->name, d->all[r].together, h->of->alone);
        return;
    }
}

static void judge_host(doctor *d, const host *h)
{
    const int before = d->n_slower;
    judge_placement(d, h);
    if (h->of->powersave != 0.0)
        slower(
            d,
            "the frequency governor of host %s is powersave; set performance (cpupower frequency-set -g performance)",
            h->name);
    if (d->n_slower == before) judge_rates(d, h);
    if (h->of->shm_bytes < SMALL_SHM_MB * 1e6)
        printf(
            "note: /dev/shm of host %s has %.0f MB; data, parameters and gradients of its ranks lie there, and a run "
            "that needs more is refused ('lockstep plan CONFIG' tells how much): enlarge it (mount -o "
            "remount,size=..., a container's --shm-size)\n",
            h->name, h->of->shm_bytes / 1e6);
}

static void judge_blas(doctor *d)
{
    const ls_vector_level kernel = ls_vector_of_kernel(ls_blas_core());
    const ls_vector_level processor = (ls_vector_level)d->all[0].processor;
    const char *forced = getenv("OPENBLAS_CORETYPE");
    if (kernel != LS_VECTOR_UNKNOWN && kernel < processor)
        slower(d, "OpenBLAS uses %s kernels (%s) on a processor with %s; %s", ls_blas_core(), ls_vector_name(kernel),
               ls_vector_name(processor),
               forced != NULL ? "unset OPENBLAS_CORETYPE" : "install an OpenBLAS that knows it (DYNAMIC_ARCH, newer)");
    if (d->all[0].pool > 1)
        printf("note: OPENBLAS_NUM_THREADS is %.0f, but a run uses runtime.blas_threads (1 unless set); give each rank "
               "as many cores as that\n",
               d->all[0].pool);
}

static void judge_start(doctor *d)
{
    const int n = ls_job_size(d->world), cores = CPU_COUNT(&d->all[0].cores);
    if (n_hosts(d) == 1 && d->barrier_s > slow_barrier_s)
        slower(d,
               "an MPI barrier takes %.1f us on one host: ranks that wait do not leave their processor to the others "
               "(mpirun --mca mpi_yield_when_idle 1), or the host is busy",
               1e6 * d->barrier_s);
    if (n == 1 && d->launcher[0] == 0)
        slower(d,
               "there is no mpirun on the PATH, so only one rank can be started; install Open MPI, or load its module");
    else if (n == 1 && cores > 1)
        printf("note: this is one rank; 'mpirun -np %d lockstep info doctor' looks at as many as there are cores\n",
               cores);
}

static void speak(doctor *d, const host *hosts)
{
    print_facts(d, hosts);
    for (int i = 0; i < n_hosts(d); i++) judge_host(d, &hosts[i]);
    judge_blas(d);
    judge_start(d);
    if (d->n_slower == 0) printf("nothing was found that costs speed\n");
    fflush(stdout);
}

/* Node memory that one rank writes and the others read. */
static ls_status try_window(const ls_job *job)
{
    enum { BYTES = 1 << 20, MARK = 42 };
    ls_window *window;
    LS_TRY(ls_window_create(job, BYTES, "a trial", &window));
    volatile char *memory = ls_window_memory(window);
    if (ls_job_local_rank(job) == 0) memory[BYTES - 1] = MARK;
    ls_job_barrier(job);
    const bool seen = memory[BYTES - 1] == MARK;
    ls_window_destroy(&window);
    return ls_job_agree(job, seen ? LS_OK
                                  : ls_status_fail(LS_EINTERNAL, __FILE__, __LINE__,
                                                   "node memory: what one rank writes another does not read"));
}

/* What keeps training from running; the same on all ranks. */
static ls_status find_broken(const doctor *d)
{
    const bool other = ls_job_size(d->world) == 1 && ls_mpi_differs(d->launcher_version, ls_job_mpi_version());
    LS_TRY(ls_job_agree(d->world, !other
                                      ? LS_OK
                                      : ls_status_fail(LS_EUSAGE, __FILE__, __LINE__,
                                                       "%s (%s) belongs to another MPI than lockstep was built with: "
                                                       "each of its ranks would train alone; put the mpirun of that "
                                                       "MPI first on the PATH",
                                                       d->launcher, d->launcher_version)));
    LS_TRY(ls_trainer_check_ranks(d->world));
    return try_window(d->world);
}

static ls_status run(doctor *d)
{
    host *hosts = ls_calloc((size_t)n_hosts(d), sizeof *hosts);
    LS_TRY(ls_job_agree(d->world, hosts ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    for (int i = 0; i < n_hosts(d); i++) {
        hosts[i] = host_of(d, i);
        ls_job_host_name(d->world, hosts[i].first, hosts[i].name);
    }
    if (ls_job_rank(d->world) == 0) ls_launcher_find(d->launcher, d->launcher_version);
    if (ls_job_rank(d->world) == 0) speak(d, hosts);
    ls_free(hosts);
    return find_broken(d);
}

ls_status ls__info_doctor(const ls_args *args, const ls_job *world)
{
    doctor d = {.world = world};
    LS_REQUIRE(args->n_positional == 1, LS_EUSAGE, "unexpected argument '%s'; doctor takes none", args->positional[1]);
    ls_status status = examine(&d);
    if (status == LS_OK) status = run(&d);
    ls_free(d.all);
    return status;
}
