/* Silent corruption: every runtime.verify_every iterations the nodes' copies of the parameters are compared.  It
 * happens between the gradients and the update: later, each owner would have sent its slice over whatever differed. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "train/trainer_internal.h"

enum { MAX_NAMED = 4 };

ls_status ls__verify_create(ls_trainer *t)
{
    if (t->config->runtime.verify_every == 0) return LS_OK;
    if (ls_exchange_n_copies(t->exchange) == 1) {
        ls_notice("runtime.verify_every: one node has one copy of the parameters, there is nothing to compare");
        return LS_OK;
    }
    t->verify = ls_calloc(ls_exchange_compare_words(t->exchange), sizeof *t->verify);
    LS_REQUIRE(t->verify != NULL, LS_ENOMEM, "out of memory to compare parameters");
    return LS_OK;
}

static int votes_of(const uint64_t *hash, int n, uint64_t value)
{
    int votes = 0;
    for (int i = 0; i < n; i++) votes += hash[i] == value;
    return votes;
}

/* The copy that most others are like; *sure: more than half are. */
static int find_model(const uint64_t *hash, int n, bool *sure)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (votes_of(hash, n, hash[i]) > votes_of(hash, n, hash[best])) best = i;
    *sure = 2 * votes_of(hash, n, hash[best]) > n;
    return best;
}

static void add_copy(ls_trainer *t, int copy, ls_text *out)
{
    char host[64];
    const bool ranks = t->config->exchange.method == LS_MPI_ALLREDUCE;
    ls_job_host_name(t->job, ranks ? copy : ls_job_node_first(t->job, copy), host);
    ls_text_printf(out, "%s %d (host %s)", ranks ? "rank" : "node", copy, host);
}

/* "node 3 (host c) differs from the majority", or "node 1 (host b) differs from node 0 (host a), ..."  Collective. */
static void name_copies(ls_trainer *t, const ls_difference *d, ls_text *out)
{
    bool sure;
    const int n = ls_exchange_n_copies(t->exchange), model = find_model(d->hash, n, &sure);
    int named = 0;
    for (int i = 0; i < n; i++) {
        if (d->hash[i] == d->hash[model] || named++ >= MAX_NAMED) continue;
        if (named > 1) ls_text_printf(out, ", ");
        add_copy(t, i, out);
    }
    if (named > MAX_NAMED) ls_text_printf(out, " and %d more", named - MAX_NAMED);
    ls_text_printf(out, named > 1 ? " differ from " : " differs from ");
    if (sure)
        ls_text_printf(out, "the majority");
    else
        add_copy(t, model, out);
    if (!sure) ls_text_printf(out, " (which is right cannot be told)");
}

static ls_status tell(ls_trainer *t, const ls_difference *d)
{
    ls_text copies = {0};
    char owner[64] = "";
    const ls_tensor *tensor = ls_network_tensor(t->network, d->tensor);
    const int64_t from = d->first - tensor->first;
    name_copies(t, d, &copies);
    if (d->owner >= 0) snprintf(owner, sizeof owner, " (slice of rank %d)", d->owner);
    const ls_status status = ls_status_fail(
        LS_EREPLICA, __FILE__, __LINE__,
        "replicas disagree after %" PRId64 " iterations: %s in tensor '%s', elements %" PRId64 " to %" PRId64
        "%s; %" PRId64 " of %" PRId64 " blocks differ; %s; go on from the last checkpoint with --resume auto",
        t->state.iteration, copies.data ? copies.data : "a copy", tensor->name, from, from + d->n - 1, owner,
        d->n_blocks, ls_exchange_n_blocks(t->exchange),
        d->owner >= 0 ? "suspect memory or network there"
                      : "the MPI library gave ranks different sums, or memory is at fault");
    ls_text_free(&copies);
    return status;
}

ls_status ls__verify(ls_trainer *t)
{
    if (t->verify == NULL) return LS_OK;
    ls_difference difference;
    ls_exchange_compare(t->exchange, t->verify, &difference);
    return difference.n_blocks == 0 ? LS_OK : tell(t, &difference);
}

ls_status ls__verify_when_due(ls_trainer *t)
{
    if (t->verify == NULL || t->state.iteration % t->config->runtime.verify_every != 0) return LS_OK;
    return ls__verify(t);
}
