/** A model of scale: what an iteration would cost on more ranks and nodes, from rates measured on a few.
 *
 * Computing scales with the rows of the busiest rank; adding and updating with the elements a rank owns; messages by an
 * alpha-beta model of a full-duplex link per node: a bucket's message of n bytes takes alpha + n / beta.  A bucket's
 * reduce-scatter waits for its backward, its all-gather for its update, the next forward for its all-gather; the link
 * serves one direction in order.  The period of the sixth iteration so simulated is the prediction.  Source of the
 * alpha-beta form: R. Hockney, Parallel Computing 20 (1994).  Not collective, no MPI. */
#ifndef LOCKSTEP_SCALE_H
#define LOCKSTEP_SCALE_H

#include <stdint.h>

#include "lockstep/linkage.h"
#include "lockstep/network.h"
#include "lockstep/plan.h"

LS_BEGIN_DECLS

/** What `lockstep bench --json` measured. */
typedef struct ls_measured {
    int ranks;
    int64_t global_batch_size;
    int shards;
    double data_s, forward_s, backward_s, add_s, update_s, overhead_s; /* an iteration, of rank 0 */
} ls_measured;

/** Reads the JSON line of a bench.  LS_EUSAGE names the file and the key that is missing. */
ls_status ls_measured_read(const char *path, ls_measured *out);

typedef struct ls_machine {
    int ranks, ranks_per_node;
    double link_gbps, link_us;
} ls_machine;

/** One line of the prediction; seconds and bytes an iteration. */
typedef struct ls_prediction {
    int nodes;
    double compute_s, add_update_s, communication_s, exposed_s, iteration_s;
    double node_bytes;      /* sent by a node: 4 N (M - 1) / M (k + 1) */
    int subtrees;           /* k: complete subtrees of a node, the most of any */
    const char *limited_by; /* "compute", "shards", "link" or "exchange" */
} ls_prediction;

/** Predicts an iteration of a plan.  LS_ENOMEM. */
ls_status ls_predict_scale(const ls_plan *plan, const ls_network *network, const ls_measured *measured,
                           const ls_machine *machine, ls_prediction *out);

LS_END_DECLS

#endif
