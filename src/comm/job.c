/* Jobs: ranks numbered node by node, and the communicators of a node and of the first ranks of the nodes. */
#include <stdlib.h>
#include <string.h>

#include "base/cpus.h"
#include "base/mem.h"
#include "comm/job_internal.h"

/* Processors that the ranks of a host may use, together: a job bound twice to one core has one. */
static int count_cores(MPI_Comm host)
{
    cpu_set_t mine, all;
    ls_cpus_mine(&mine);
    CPU_ZERO(&all);
    MPI_Allreduce(&mine, &all, (int)sizeof mine, MPI_BYTE, MPI_BOR, host);
    return CPU_COUNT(&all);
}

/* The node of this rank: its host's ranks in their order, cut into nodes of ranks_per_node.  node_id, by which nodes
 * are ordered, is the lowest old rank of the node. */
static void find_node(ls_job *job, MPI_Comm old, int ranks_per_node, int *node_id)
{
    MPI_Comm host;
    int old_rank, host_rank, node_rank;
    MPI_Comm_rank(old, &old_rank);
    MPI_Comm_split_type(old, MPI_COMM_TYPE_SHARED, old_rank, MPI_INFO_NULL, &host);
    MPI_Comm_rank(host, &host_rank);
    MPI_Comm_size(host, &job->host_ranks);
    job->host_cores = count_cores(host);
    MPI_Comm_split(host, ranks_per_node > 0 ? host_rank / ranks_per_node : 0, host_rank, &job->node_comm);
    MPI_Comm_rank(job->node_comm, &node_rank);
    MPI_Allreduce(&old_rank, node_id, 1, MPI_INT, MPI_MIN, job->node_comm);
    MPI_Comm_free(&host);
}

static int compare_ints(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* From the node id of every rank in the new order: where each node begins. */
static void lay_out_nodes(ls_job *job, int node_id)
{
    int *ids = ls_calloc((size_t)job->size, sizeof *ids);
    job->node_first = ls_calloc((size_t)job->size + 1, sizeof *job->node_first);
    if (ids == NULL || job->node_first == NULL) ls__end_without_memory(job->comm); /* there is no job yet to agree on */
    MPI_Allgather(&node_id, 1, MPI_INT, ids, 1, MPI_INT, job->comm);
    qsort(ids, (size_t)job->size, sizeof *ids, compare_ints);
    job->n_nodes = 0;
    for (int r = 0; r < job->size; r++) {
        if (r == 0 || ids[r] != ids[r - 1]) job->node_first[job->n_nodes++] = r;
        if (r == job->rank) job->node = job->n_nodes - 1;
    }
    job->node_first[job->n_nodes] = job->size;
    ls_free(ids);
}

static ls_status create(MPI_Comm old, int ranks_per_node, ls_job **out)
{
    *out = NULL;
    ls_job *job = ls_calloc(1, sizeof *job);
    if (job == NULL) ls__end_without_memory(old);
    int node_id, local_rank;
    find_node(job, old, ranks_per_node, &node_id);
    MPI_Comm_rank(job->node_comm, &local_rank);
    MPI_Comm_split(old, 0, node_id, &job->comm); /* ranks with equal keys keep their order */
    MPI_Comm_rank(job->comm, &job->rank);
    MPI_Comm_size(job->comm, &job->size);
    lay_out_nodes(job, node_id);
    MPI_Comm_split(job->comm, local_rank == 0 ? 0 : MPI_UNDEFINED, job->rank, &job->leaders);
    *out = job;
    return LS_OK;
}

ls_status ls_job_start(int *argc, char ***argv, ls_job **out)
{
    int provided;
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
    return create(MPI_COMM_WORLD, 0, out);
}

void ls_job_finish(ls_job **job)
{
    ls_job_destroy(job);
    MPI_Finalize();
}

ls_status ls_job_split(const ls_job *parent, int group, int ranks_per_node, ls_job **out)
{
    MPI_Comm comm;
    MPI_Comm_split(parent->comm, group, parent->rank, &comm);
    LS_TRY(create(comm, ranks_per_node, out));
    MPI_Comm_free(&comm);
    (*out)->host_ranks = parent->host_ranks; /* the whole host's: other groups compete for its cores too */
    (*out)->host_cores = parent->host_cores;
    return LS_OK;
}

void ls_job_destroy(ls_job **job)
{
    if (job == NULL || *job == NULL) return;
    if ((*job)->leaders != MPI_COMM_NULL) MPI_Comm_free(&(*job)->leaders);
    MPI_Comm_free(&(*job)->node_comm);
    MPI_Comm_free(&(*job)->comm);
    ls_free((*job)->node_first);
    ls_free(*job);
    *job = NULL;
}

int ls_job_rank(const ls_job *job)
{
    return job->rank;
}

int ls_job_size(const ls_job *job)
{
    return job->size;
}

int ls_job_node(const ls_job *job)
{
    return job->node;
}

int ls_job_n_nodes(const ls_job *job)
{
    return job->n_nodes;
}

int ls_job_local_rank(const ls_job *job)
{
    return job->rank - job->node_first[job->node];
}

int ls_job_local_size(const ls_job *job, int node)
{
    return job->node_first[node + 1] - job->node_first[node];
}

int ls_job_node_first(const ls_job *job, int node)
{
    return job->node_first[node];
}

int ls_job_host_ranks(const ls_job *job)
{
    return job->host_ranks;
}

int ls_job_host_cores(const ls_job *job)
{
    return job->host_cores;
}

const char *ls_job_binding(char out[256])
{
    cpu_set_t mine;
    ls_cpus_mine(&mine);
    return ls_cpus_text(&mine, out);
}
