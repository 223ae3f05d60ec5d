/* How the ranks of a job talk: agreement, broadcast, gathering. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "comm/job_internal.h"

enum { PIECE = 1 << 30, SENTENCE = 1024, TAG = 7 };

static int piece_of(size_t n, size_t at)
{
    return (int)(n - at < PIECE ? n - at : PIECE);
}

ls_status ls_job_agree(const ls_job *job, ls_status mine)
{
    struct {
        int ok, rank;
    } vote = {mine == LS_OK, job->rank}, worst;
    LS_WAITING(MPI_Allreduce(&vote, &worst, 1, MPI_2INT, MPI_MINLOC, job->comm));
    if (worst.ok) return LS_OK;
    struct {
        ls_status status;
        char text[SENTENCE], where[SENTENCE];
    } report = {.status = mine};
    if (job->rank == worst.rank) {
        snprintf(report.text, sizeof report.text, "%s", ls_status_message());
        snprintf(report.where, sizeof report.where, "%s", ls_status_where());
    }
    LS_WAITING(MPI_Bcast(&report, (int)sizeof report, MPI_BYTE, worst.rank, job->comm));
    char prefix[32] = "", *colon = strrchr(report.where, ':');
    if (worst.rank != 0) snprintf(prefix, sizeof prefix, "rank %d: ", worst.rank);
    if (colon == NULL) LS_FAIL(report.status, "%s%s", prefix, report.text);
    *colon = 0; /* recorded here as it was there: "file.c:12" */
    return ls_status_fail(report.status, report.where, atoi(colon + 1), "%s%s", prefix, report.text);
}

void ls_job_broadcast(const ls_job *job, int root, void *bytes, size_t n)
{
    for (size_t at = 0; at < n; at += PIECE)
        LS_WAITING(MPI_Bcast((char *)bytes + at, piece_of(n, at), MPI_BYTE, root, job->comm));
}

ls_status ls_job_broadcast_block(const ls_job *job, char **bytes, size_t *n)
{
    uint64_t size = *n;
    ls_job_broadcast(job, 0, &size, sizeof size);
    if (job->rank != 0) *bytes = ls_calloc(size + 1, 1);
    LS_TRY(ls_job_agree(job, *bytes != NULL ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    *n = size;
    ls_job_broadcast(job, 0, *bytes, size);
    return LS_OK;
}

ls_status ls_job_same(const ls_job *job, const void *bytes, size_t n, ls_status status, const char *what)
{
    char *theirs = ls_calloc(n, 1);
    LS_TRY(ls_job_agree(job, theirs ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    memcpy(theirs, bytes, n);
    ls_job_broadcast(job, 0, theirs, n);
    const bool same = memcmp(theirs, bytes, n) == 0;
    ls_free(theirs);
    return ls_job_agree(job, same ? LS_OK : ls_status_fail(status, __FILE__, __LINE__, "%s", what));
}

void ls_job_gather_all(const ls_job *job, const double *mine, const int *counts, double *all)
{
    int *firsts = ls_calloc((size_t)job->size, sizeof *firsts);
    if (firsts == NULL) ls__end_without_memory(job->comm);
    for (int r = 1; r < job->size; r++) firsts[r] = firsts[r - 1] + counts[r - 1];
    LS_WAITING(MPI_Allgatherv(mine, counts[job->rank], MPI_DOUBLE, all, counts, firsts, MPI_DOUBLE, job->comm));
    ls_free(firsts);
}

double ls_job_max(const ls_job *job, double mine)
{
    double max;
    LS_WAITING(MPI_Allreduce(&mine, &max, 1, MPI_DOUBLE, MPI_MAX, job->comm));
    return max;
}

static void flip_top_bits(uint64_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++) words[i] ^= UINT64_C(1) << 63;
}

/* MPICH 4.0 takes unsigned words for signed ones in MPI_MAX: with the top bits flipped, the order of signed words is
 * that of unsigned ones. */
void ls_job_max_words(const ls_job *job, uint64_t *words, int64_t n)
{
    flip_top_bits(words, n);
    for (int64_t at = 0; at < n; at += PIECE)
        LS_WAITING(MPI_Allreduce(MPI_IN_PLACE, words + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_INT64_T, MPI_MAX,
                                 job->comm));
    flip_top_bits(words, n);
}

const char *ls_job_host_name(const ls_job *job, int rank, char out[64])
{
    gethostname(out, 64);
    out[63] = 0;
    ls_job_broadcast(job, rank, out, 64);
    return out;
}

void ls_job_allreduce(const ls_job *job, float *x, int64_t n)
{
    for (int64_t at = 0; at < n; at += PIECE)
        LS_WAITING(
            MPI_Allreduce(MPI_IN_PLACE, x + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_FLOAT, MPI_SUM, job->comm));
}

static void send(const ls_job *job, int to, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n; at += PIECE)
        LS_WAITING(MPI_Send((const char *)bytes + at, piece_of(n, at), MPI_BYTE, to, TAG, job->comm));
}

static void receive(const ls_job *job, int from, void *bytes, size_t n)
{
    for (size_t at = 0; at < n; at += PIECE)
        LS_WAITING(MPI_Recv((char *)bytes + at, piece_of(n, at), MPI_BYTE, from, TAG, job->comm, MPI_STATUS_IGNORE));
}

void ls_job_send_to_root(const ls_job *job, int from, void *bytes, size_t n)
{
    if (from == 0) return;
    if (job->rank == 0)
        receive(job, from, bytes, n);
    else
        send(job, 0, bytes, n);
}

void ls_job_send_from_root(const ls_job *job, int to, void *bytes, size_t n)
{
    if (to == 0) return;
    if (job->rank == 0)
        send(job, to, bytes, n);
    else
        receive(job, 0, bytes, n);
}

void ls_job_barrier(const ls_job *job)
{
    LS_WAITING(MPI_Barrier(job->comm));
}

bool ls_job_wait_all(const ls_job *job, double timeout_s)
{
    enum { NAP_US = 2000 };
    MPI_Request request;
    int all_here = 0;
    const double start = ls_clock_s();
    MPI_Ibarrier(job->comm, &request);
    for (MPI_Test(&request, &all_here, MPI_STATUS_IGNORE); !all_here;
         MPI_Test(&request, &all_here, MPI_STATUS_IGNORE)) {
        if (ls_clock_s() - start > timeout_s) return false;
        usleep(NAP_US);
    }
    return true;
}

_Noreturn void ls__end_without_memory(MPI_Comm comm)
{
    fprintf(stderr,
            "lockstep: error: out of memory for the ranks to talk; use fewer ranks a node or a smaller model\n");
    const ls_job alone = {.comm = comm};
    ls_job_abort(&alone, ls_status_exit_code(LS_ENOMEM));
}

_Noreturn void ls_job_abort(const ls_job *job, int exit_code)
{
    fflush(NULL);
    MPI_Abort(job->comm, exit_code);
    _Exit(exit_code);
}

const char *ls_job_mpi_version(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int n;
    MPI_Get_library_version(text, &n);
    text[strcspn(text, ",\n")] = 0;
    return text;
}
