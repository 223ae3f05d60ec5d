/* The literal allreduce: this rank's sums into one vector, MPI_Allreduce over it, every rank updates its replica. */
#include <string.h>

#include "base/mem.h"
#include "comm/exchange_internal.h"
#include "math/vec.h"

ls_status ls__replica_create(ls_exchange *ex)
{
    ls_replica *r = &ex->replica;
    r->params = ls_calloc((size_t)ex->n_floats, sizeof(float));
    r->sum = ls_calloc((size_t)ex->n_floats, sizeof(float));
    LS_REQUIRE(r->params && r->sum, LS_ENOMEM, "out of memory for a replica of the parameters");
    ex->params = r->params;
    return ls__records_create(ex);
}

void ls__replica_destroy(ls_exchange *ex)
{
    ls_free(ex->replica.params);
    ls_free(ex->replica.sum);
}

/* Own buffers one after the other; a rank without shards gives zeros. */
void ls__replica_allreduce(ls_exchange *ex)
{
    float *sum = ex->replica.sum;
    memset(sum, 0, (size_t)ex->n_floats * sizeof *sum);
    for (int s = ex->first_shard; s < ex->end_shard; s++)
        if (ls_exchange_gradient(ex, s) != NULL) ls_vec_add(ex->n_floats, sum, ls_exchange_gradient(ex, s), sum);
    ls_job_allreduce(ex->job, sum, ex->n_floats);
}
