#include "lockstep/scale.h"

#include <jansson.h>
#include <limits.h>

#include "base/mem.h"
#include "comm/tree.h"
#include "lockstep/exchange.h"

static ls_status read_key(const json_t *object, const char *path, const char *key, double scale, double *out)
{
    const json_t *value = json_object_get(object, key);
    LS_REQUIRE(json_is_number(value), LS_EUSAGE,
               "%s: the key '%s' is missing; write the file by 'lockstep bench --json'", path, key);
    *out = scale * json_number_value(value);
    return LS_OK;
}

static ls_status read_count(const json_t *object, const char *path, const char *key, int *out)
{
    double value = 0;
    LS_TRY(read_key(object, path, key, 1, &value));
    LS_REQUIRE(value >= 1 && value <= INT_MAX, LS_EUSAGE, "%s: '%s' is %g, expected a number from 1 to %d", path, key,
               value, INT_MAX);
    *out = (int)value;
    return LS_OK;
}

static ls_status read_keys(const json_t *object, const char *path, ls_measured *m)
{
    int batch = 0;
    double whole = 0;
    LS_TRY(read_count(object, path, "ranks", &m->ranks));
    LS_TRY(read_count(object, path, "global_batch_size", &batch));
    LS_TRY(read_key(object, path, "iteration_ms", 1e-3, &whole));
    LS_TRY(read_key(object, path, "data_ms", 1e-3, &m->data_s));
    LS_TRY(read_key(object, path, "forward_ms", 1e-3, &m->forward_s));
    LS_TRY(read_key(object, path, "backward_ms", 1e-3, &m->backward_s));
    LS_TRY(read_key(object, path, "add_ms", 1e-3, &m->add_s));
    LS_TRY(read_key(object, path, "update_ms", 1e-3, &m->update_s));
    LS_TRY(read_count(object, path, "shards", &m->shards));
    m->global_batch_size = batch;
    const double parts = m->data_s + m->forward_s + m->backward_s + m->add_s + m->update_s;
    m->overhead_s = whole > parts ? whole - parts : 0.0;
    return LS_OK;
}

ls_status ls_measured_read(const char *path, ls_measured *out)
{
    json_error_t error;
    *out = (ls_measured){0};
    json_t *object = json_load_file(path, JSON_DISABLE_EOF_CHECK, &error);
    LS_REQUIRE(json_is_object(object), LS_EUSAGE, "%s: not a JSON object: %s", path,
               object ? "another type" : error.text);
    const ls_status status = read_keys(object, path, out);
    json_decref(object);
    return status;
}

static double count_sources(const ls_plan *plan, const ls_machine *m)
{
    const int per_node = m->ranks < m->ranks_per_node ? m->ranks : m->ranks_per_node;
    return ls_exchange_n_subtrees((int)plan->n_shards, m->ranks, 0, per_node);
}

/* Adding one more vector to a sum: as measured, or, where one source was all, the fifth part of a momentum update,
 * which moves five vectors. */
static double seconds_per_source(const ls_measured *m, double sources)
{
    return sources > 1 ? m->add_s / (sources - 1) : m->update_s / 5;
}

static int count_nodes(const ls_machine *m)
{
    return (m->ranks + m->ranks_per_node - 1) / m->ranks_per_node;
}

/* Bytes that the busiest node sends in an iteration on such a machine, and its subtrees. */
static double exchange_volume(const ls_plan *plan, int64_t n_floats, const ls_machine *m, int *subtrees)
{
    const int nodes = count_nodes(m), n = (int)plan->n_shards;
    ls_leaves cover[64];
    *subtrees = 0;
    for (int node = 0; node < nodes; node++) {
        const int first = node * m->ranks_per_node, end = (node + 1) * m->ranks_per_node;
        const ls_leaves part = {(int)ls_shard_first(n, m->ranks, first),
                                (int)ls_shard_first(n, m->ranks, end < m->ranks ? end : m->ranks)};
        const int k = ls_tree_cover(n, part, cover);
        if (k > *subtrees) *subtrees = k;
    }
    return 4.0 * (double)n_floats * (nodes - 1) / nodes * (*subtrees + 1);
}

/* One bucket of the simulation: a layer's share of computing and of messages. */
typedef struct stage {
    double forward_s, backward_s, reduce_s, update_s, gather_s;
    double ready, arrived; /* when its gradient, and then its sum, is complete; when its parameters are there */
} stage;

/* Layers with parameters as stages; time by their share of the parameters. */
static int fill_stages(const ls_network *network, const ls_prediction *p, double forward_s, double backward_s,
                       const ls_machine *m, stage *stages)
{
    const double total = (double)ls_network_n_params(network), beta = m->link_gbps * 1e9 / 8, alpha = m->link_us * 1e-6;
    int n = 0;
    for (int i = 0; i < ls_network_n_layers(network); i++) {
        const ls_layer *layer = ls_network_layer(network, i);
        double own = 0;
        for (int t = 0; t < layer->n_tensors; t++) own += (double)layer->tensor[t].n;
        if (own == 0) continue;
        const double share = own / total, bytes = p->node_bytes * share / (p->subtrees + 1);
        const bool network_used = p->nodes > 1;
        stages[n++] = (stage){.forward_s = forward_s * share,
                              .backward_s = backward_s * share,
                              .update_s = p->add_update_s * share,
                              .reduce_s = network_used ? alpha + bytes * p->subtrees / beta : 0,
                              .gather_s = network_used ? alpha + bytes / beta : 0};
    }
    return n;
}

static double later(double a, double b)
{
    return a > b ? a : b;
}

/* One iteration from `now`; returns its end.  The link is busy until *link. */
static double simulate(stage *s, int n, double other_s, double now, double *link)
{
    now += other_s;
    for (int i = 0; i < n; i++) now = later(now, s[i].arrived) + s[i].forward_s;
    double processor = now;
    for (int i = n - 1; i >= 0; i--) s[i].ready = processor += s[i].backward_s;
    for (int i = n - 1; i >= 0; i--) {
        *link = later(*link, s[i].ready) + s[i].reduce_s;
        s[i].ready = processor = later(processor, *link) + s[i].update_s;
    }
    for (int i = n - 1; i >= 0; i--) s[i].arrived = *link = later(*link, s[i].ready) + s[i].gather_s;
    return processor;
}

static double period(stage *stages, int n, double other_s)
{
    double now = 0, link = 0, before = 0;
    for (int i = 0; i < 6; i++) {
        before = now;
        now = simulate(stages, n, other_s, now, &link);
    }
    return now - before;
}

/* Rows of the busiest rank. */
static double busiest_rows(const ls_plan *plan, int ranks)
{
    return (double)ls_plan_max_rows(plan, ranks);
}

static void predict_parts(const ls_plan *plan, const ls_network *network, const ls_measured *m,
                          const ls_machine *machine, ls_prediction *p, double *rows_ratio)
{
    const ls_plan measured_plan = {.n_samples = plan->n_samples,
                                   .global_batch_size = m->global_batch_size,
                                   .n_shards = m->shards,
                                   .course = {.n_phases = 1,
                                              .phase = {{.batch_size = m->global_batch_size,
                                                         .iterations_per_epoch = 2,
                                                         .last_batch_size = m->global_batch_size}}}};
    const ls_machine then = {.ranks = m->ranks, .ranks_per_node = m->ranks};
    const double owned = (double)m->ranks / machine->ranks;
    const double before = count_sources(&measured_plan, &then), more = count_sources(plan, machine) - before;
    *rows_ratio = busiest_rows(plan, machine->ranks) / busiest_rows(&measured_plan, m->ranks);
    p->nodes = count_nodes(machine);
    p->node_bytes = exchange_volume(plan, ls_network_n_floats(network), machine, &p->subtrees);
    p->compute_s = *rows_ratio * (m->data_s + m->forward_s + m->backward_s) + m->overhead_s;
    p->add_update_s = owned * (m->add_s + more * seconds_per_source(m, before) + m->update_s);
}

static const char *limit_of(const ls_plan *plan, const ls_machine *machine, const ls_prediction *p)
{
    if (p->exposed_s > p->compute_s) return "link";
    if (p->add_update_s > p->compute_s) return "exchange";
    return machine->ranks > plan->n_shards ? "shards" : "compute";
}

ls_status ls_predict_scale(const ls_plan *plan, const ls_network *network, const ls_measured *m,
                           const ls_machine *machine, ls_prediction *p)
{
    double rows;
    *p = (ls_prediction){0};
    stage *stages = ls_calloc((size_t)ls_network_n_layers(network), sizeof *stages);
    LS_REQUIRE(stages != NULL, LS_ENOMEM, "out of memory for a prediction");
    predict_parts(plan, network, m, machine, p, &rows);
    const int n = fill_stages(network, p, rows * m->forward_s, rows * m->backward_s, machine, stages);
    for (int i = 0; i < n; i++) p->communication_s += stages[i].reduce_s + stages[i].gather_s;
    p->iteration_s = period(stages, n, rows * m->data_s + m->overhead_s);
    p->exposed_s = p->iteration_s - p->compute_s - p->add_update_s;
    if (p->exposed_s < 1e-12) p->exposed_s = 0;
    p->limited_by = limit_of(plan, machine, p);
    ls_free(stages);
    return LS_OK;
}
