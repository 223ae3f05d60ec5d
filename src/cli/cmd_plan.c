/* plan: the arithmetic of a run, from the configuration and the headers of the data files; no MPI. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/plan_view.h"
#include "lockstep/augment.h"
#include "lockstep/checkpoint.h"
#include "lockstep/exchange.h"
#include "lockstep/loss.h"
#include "lockstep/sampler.h"
#include "train/data.h"
#include "train/statistics.h"
#include "train/watch.h"

enum { MAX_LISTED = 100000 }; /* checkpoints in JSON; the last always stands */

typedef ls_plan_view view;

static ls_status add_set_bytes(view *v, const ls_dataset_info *info)
{
    size_t features, labels;
    LS_TRY(ls_dataset_bytes(info, &features, &labels));
    v->data_bytes += features + labels;
    return LS_OK;
}

static ls_status read_sets(const ls_args *args, view *v)
{
    ls_dataset_info info;
    int64_t n_train;
    LS_TRY(ls_data_info(v->config, args->data_dir, LS_TRAIN, &v->info));
    LS_TRY(add_set_bytes(v, &v->info));
    if (v->config->data.test != NULL) {
        LS_TRY(ls_data_info(v->config, args->data_dir, LS_TEST, &info));
        LS_TRY(add_set_bytes(v, &info));
        v->n_test = info.n_samples;
    }
    LS_TRY(ls_data_split(v->config, v->info.n_samples, &n_train, &v->n_validation));
    if (v->n_validation == 0 && v->config->data.validation != NULL) {
        LS_TRY(ls_data_info(v->config, args->data_dir, LS_VALIDATION, &info));
        LS_TRY(add_set_bytes(v, &info));
        v->n_validation = info.n_samples;
    }
    return ls_plan_create(v->config, n_train, &v->plan);
}

/* What training would refuse about its rows. */
static ls_status check_rows(const view *v)
{
    ls_normalizer *normalizer;
    ls_augment *augment;
    LS_TRY(ls_normalizer_create(v->config->data.normalize, &v->info, &normalizer));
    const ls_status status = ls_augment_create(v->config->data.augment, &v->info, normalizer, &augment);
    ls_augment_destroy(&augment);
    ls_normalizer_destroy(&normalizer);
    return status;
}

/* What training would refuse about its loss and the metrics that it goes by. */
static ls_status check_goal(const view *v)
{
    ls_loss *loss;
    ls_watch watch;
    const bool present[LS_N_SETS] = {true, v->n_validation > 0, v->n_test > 0};
    LS_TRY(ls_loss_create(v->config->loss, &loss));
    const ls_status status =
        ls_watch_create(v->config, present, loss->ops->classifies, !isnan(v->optimizer->common.ema), &watch);
    ls_loss_destroy(&loss);
    return status;
}

static ls_status build(const ls_args *args, view *v)
{
    LS_TRY(ls_config_read(args->positional[0], args->overrides, args->n_overrides, &v->config));
    LS_TRY(read_sets(args, v));
    LS_TRY(check_rows(v));
    const ls_shape in = ls_data_shape(&v->info);
    LS_TRY(ls_network_create(v->config->model, &in, &v->network));
    LS_TRY(ls_statistics_check(&v->plan, v->network));
    if (v->n_ranks > 0) /* --scale: of no one rank count */
        LS_TRY(ls_statistics_check_memory(&v->plan, v->network, v->config->runtime.memory_limit, (int)v->n_ranks));
    LS_TRY(ls_optimizer_create(v->config->optimizer, &v->optimizer));
    LS_TRY(check_goal(v));
    return ls_schedule_create(v->config->schedule, v->optimizer->common.lr, &v->plan.course, v->plan.total_iterations,
                              &v->schedule);
}

static void release(view *v)
{
    ls_schedule_destroy(&v->schedule);
    ls_optimizer_destroy(&v->optimizer);
    ls_network_destroy(&v->network);
    ls_config_destroy(&v->config);
}

static int64_t rank_rows(const view *v, int64_t rank, int64_t *first_shard, int64_t *end_shard)
{
    const int64_t rows = ls_phase_largest(&v->plan.course.phase[0]);
    const int n = (int)v->plan.n_shards;
    *first_shard = ls_shard_first(n, (int)v->n_ranks, (int)rank);
    *end_shard = ls_shard_first(n, (int)v->n_ranks, (int)rank + 1);
    return ls_shard_first(rows, n, (int)*end_shard) - ls_shard_first(rows, n, (int)*first_shard);
}

static int64_t n_blocks(const view *v)
{
    int64_t n = 0;
    for (int i = 0; i < ls_network_n_tensors(v->network); i++)
        n += (ls_network_tensor(v->network, i)->n + LS_BLOCK - 1) / LS_BLOCK;
    return n;
}

static double node_mb(const view *v)
{
    const int shards = (int)v->plan.n_shards, ranks = (int)v->n_ranks;
    return (double)(ls_exchange_node_bytes(ls_network_n_floats(v->network), n_blocks(v),
                                           ls_exchange_n_subtrees(shards, ranks, 0, ranks), shards, ranks) +
                    v->data_bytes) /
           1e6;
}

static double rank_mb(const view *v)
{
    const double rows = (double)ls_plan_max_rows(&v->plan, (int)v->n_ranks),
                 limit = (double)v->config->runtime.memory_limit;
    const double activations = rows * (double)ls_network_row_floats(v->network) * 4e-6;
    const int kept = v->optimizer->n_slots + !isnan(v->optimizer->common.ema);
    const int shards = (int)v->plan.n_shards, ranks = (int)v->n_ranks;
    const int gradients = (shards + ranks - 1) / ranks - ls_exchange_n_subtrees(shards, ranks, 0, 1);
    const double vector_mb = (double)ls_network_n_floats(v->network) * 4e-6;
    return (activations < limit ? activations : limit) + vector_mb * (gradients + (double)kept / ranks);
}

/* The copy of the state that checkpoints are written from; the final one alone needs none. */
static double copy_mb(const view *v)
{
    const bool several = v->config->checkpoint.every_iterations > 0 || v->config->checkpoint.best != NULL;
    const int kept = v->optimizer->n_slots + !isnan(v->optimizer->common.ema);
    if (!several || !v->config->checkpoint.background) return 0.0;
    return (double)ls_checkpoint_data_bytes(v->network, kept) / 1e6;
}

/* Learning rates worth a look: first, end of warm-up, quarters, last. */
static int corners(const view *v, int64_t out[8])
{
    const int64_t total = v->plan.total_iterations;
    const int64_t wanted[] = {0, ls_schedule_warmup_end(v->schedule), total / 4, total / 2, total / 4 * 3, total - 1};
    int n = 0;
    for (int i = 0; i < 6; i++) {
        bool fresh = wanted[i] >= 0 && wanted[i] < total;
        for (int j = 0; j < n; j++) fresh = fresh && out[j] != wanted[i];
        if (fresh) out[n++] = wanted[i];
    }
    return n;
}

static void print_checkpoints(const view *v, const char *separator, int64_t most, ls_text *out)
{
    const int64_t every = v->config->checkpoint.every_iterations, total = v->plan.total_iterations;
    int64_t n = 0;
    if (v->config->checkpoint.initial) ls_text_printf(out, "0"), n++;
    for (int64_t i = every; every > 0 && i < total && n < most; i += every, n++)
        ls_text_printf(out, "%s%" PRId64, n ? separator : "", i);
    ls_text_printf(out, "%s%" PRId64, n ? (n < most || most == MAX_LISTED ? separator : " ... ") : "", total);
}

static void print_sizes(const view *v, int64_t rows, ls_text *out)
{
    const int n = (int)v->plan.n_shards;
    for (int s = 0; s < n; s++)
        ls_text_printf(out, "%s%" PRId64, s ? ", " : "", ls_shard_first(rows, n, s + 1) - ls_shard_first(rows, n, s));
}

static void print_ranks(const view *v)
{
    for (int64_t r = 0; r < v->n_ranks && r < 64; r++) {
        int64_t first, end;
        const int64_t rows = rank_rows(v, r, &first, &end);
        if (end == first + 1)
            printf("  rank %-3" PRId64 " shard %" PRId64 ", %" PRId64 " samples of each full batch\n", r, first, rows);
        else if (end > first)
            printf("  rank %-3" PRId64 " shards %" PRId64 " to %" PRId64 ", %" PRId64 " samples of each full batch\n",
                   r, first, end - 1, rows);
        else
            printf("  rank %-3" PRId64 " no shard: owns parameters and evaluates; set batch.shards to use it\n", r);
    }
}

static double epochs_of(const ls_plan *p)
{
    const int64_t n = p->total_iterations;
    return (double)ls_course_epochs(&p->course, n) +
           (double)ls_course_in_epoch(&p->course, n) / (double)ls_course_phase(&p->course, n)->iterations_per_epoch;
}

/* Of a batch-size schedule: what changes with its later sizes. */
static void print_phases(const ls_plan *p)
{
    for (const ls_phase *phase = p->course.phase + 1; phase < p->course.phase + p->course.n_phases; phase++)
        printf("from epoch %-10" PRId64 " (iteration %" PRId64 ") global batch size %" PRId64 ", %" PRId64
               " iterations per epoch, the last of %" PRId64 " samples\n",
               phase->first_epoch, phase->first_iteration, phase->batch_size, phase->iterations_per_epoch,
               phase->last_batch_size);
}

static ls_status print_text(const view *v)
{
    const ls_plan *p = &v->plan;
    int64_t corner[8];
    ls_text sizes = {0}, saves = {0};
    print_sizes(v, p->global_batch_size, &sizes);
    print_checkpoints(v, ", ", 12, &saves);
    LS_TRY(ls_text_status(&sizes));
    LS_TRY(ls_text_status(&saves));
    printf("training samples      %" PRId64 " (validation %" PRId64 ", test %" PRId64 ")\n", p->n_samples,
           v->n_validation, v->n_test);
    printf("global batch size     %" PRId64 " = shards of %s\n", p->global_batch_size, sizes.data);
    printf("micro-batch size      %" PRId64 "\n", p->micro_batch_size);
    printf("iterations per epoch  %" PRId64 ", the last of %" PRId64 " samples\n", p->iterations_per_epoch,
           p->last_batch_size);
    print_phases(p);
    printf("total iterations      %" PRId64 " (%.4g epochs)\n", p->total_iterations, epochs_of(p));
    printf("parameters            %" PRId64 "\n", ls_network_n_params(v->network));
    printf("memory                %.3g MB a node (data, parameters, gradients), %.3g MB a rank; %.3g MB on rank 0 to "
           "write "
           "checkpoints from\n",
           node_mb(v), rank_mb(v), copy_mb(v));
    const int n = corners(v, corner);
    printf("learning rate        ");
    for (int i = 0; i < n; i++)
        printf(" %.4g at %" PRId64 "%s", ls_schedule_lr(v->schedule, corner[i]), corner[i], i + 1 < n ? "," : "\n");
    if (n == 0) printf(" -\n");
    printf("checkpoints at        %s\n", saves.data);
    print_ranks(v);
    ls_text_free(&sizes);
    ls_text_free(&saves);
    return LS_OK;
}

static void json_ranks(const view *v, ls_text *out)
{
    for (int64_t r = 0; r < v->n_ranks; r++) {
        int64_t first, end;
        const int64_t rows = rank_rows(v, r, &first, &end);
        ls_text_printf(out,
                       "%s{\"rank\": %" PRId64 ", \"first_shard\": %" PRId64 ", \"end_shard\": %" PRId64
                       ", \"samples\": %" PRId64 "}",
                       r ? ", " : "", r, first, end, rows);
    }
}

static void json_phases(const ls_plan *p, ls_text *out)
{
    for (int k = 0; k < p->course.n_phases; k++) {
        const ls_phase *phase = &p->course.phase[k];
        ls_text_printf(out,
                       "%s{\"first_epoch\": %" PRId64 ", \"first_iteration\": %" PRId64 ", \"batch_size\": %" PRId64
                       ", \"iterations_per_epoch\": %" PRId64 ", \"last_batch_size\": %" PRId64 "}",
                       k ? ", " : "", phase->first_epoch, phase->first_iteration, phase->batch_size,
                       phase->iterations_per_epoch, phase->last_batch_size);
    }
}

static void json_rates(const view *v, ls_text *out)
{
    int64_t corner[8];
    const int n = corners(v, corner);
    for (int i = 0; i < n; i++) {
        ls_text_printf(out, "%s{\"iteration\": %" PRId64 ", \"lr\": ", i ? ", " : "", corner[i]);
        ls_text_json_real(out, ls_schedule_lr(v->schedule, corner[i]));
        ls_text_printf(out, "}");
    }
}

static ls_status print_json(const view *v)
{
    const ls_plan *p = &v->plan;
    ls_text out = {0};
    ls_text_printf(&out,
                   "{\"n_samples\": %" PRId64 ", \"n_validation\": %" PRId64 ", \"n_test\": %" PRId64
                   ", \"global_batch_size\": %" PRId64 ", \"drop_last\": %s, \"iterations_per_epoch\": %" PRId64
                   ", \"last_batch_size\": %" PRId64 ", \"total_iterations\": %" PRId64 ", \"shards\": %" PRId64
                   ", \"micro_batch_size\": %" PRId64 ", \"shard_sizes\": [",
                   p->n_samples, v->n_validation, v->n_test, p->global_batch_size, p->drop_last ? "true" : "false",
                   p->iterations_per_epoch, p->last_batch_size, p->total_iterations, p->n_shards, p->micro_batch_size);
    print_sizes(v, p->global_batch_size, &out);
    ls_text_printf(&out, "], \"last_shard_sizes\": [");
    print_sizes(v, p->last_batch_size, &out);
    ls_text_printf(
        &out, "], \"n_parameters\": %" PRId64 ", \"node_mb\": %.3f, \"rank_mb\": %.3f, \"copy_mb\": %.3f, \"ranks\": [",
        ls_network_n_params(v->network), node_mb(v), rank_mb(v), copy_mb(v));
    json_ranks(v, &out);
    ls_text_printf(&out, "], \"learning_rate\": [");
    json_rates(v, &out);
    ls_text_printf(&out, "], \"phases\": [");
    json_phases(p, &out);
    ls_text_printf(&out, "], \"checkpoints\": [");
    print_checkpoints(v, ", ", MAX_LISTED, &out);
    ls_text_printf(&out, "], \"config\": ");
    ls_config_text(v->config, &out);
    ls_text_printf(&out, "}\n");
    const ls_status status = ls_text_status(&out);
    if (status == LS_OK) fputs(out.data, stdout);
    ls_text_free(&out);
    return status;
}

/* One JSON line per iteration: exactly the samples that training will use, in the order of the batch's rows. */
static ls_status print_samples(const view *v, const char *range)
{
    int64_t from, to;
    int end = 0;
    const ls_plan *p = &v->plan;
    LS_REQUIRE(sscanf(range, "%" SCNd64 ":%" SCNd64 "%n", &from, &to, &end) == 2 && range[end] == 0 && from >= 0 &&
                   to >= from && to <= p->total_iterations,
               LS_EUSAGE, "--samples %s: expected A:B with 0 <= A <= B <= %" PRId64 ", the run's iterations", range,
               p->total_iterations);
    const int64_t order = v->config->train.seeds.order;
    const ls_sampler sampler = {.n_samples = p->n_samples,
                                .seed = (uint64_t)(order != LS_AUTO ? order : v->config->train.seed),
                                .shuffle = v->config->data.shuffle};
    for (int64_t i = from; i < to; i++) {
        const ls_batch batch = ls_plan_batch(p, i);
        printf("{\"iteration\": %" PRId64 ", \"epoch\": %" PRId64 ", \"ids\": [", i, batch.epoch);
        for (int64_t r = 0; r < batch.rows; r++)
            printf("%s%" PRId64, r ? ", " : "", ls_sampler_id(&sampler, batch.epoch, batch.first + r));
        printf("]}\n");
    }
    return LS_OK;
}

ls_status ls__cmd_plan(const ls_args *args, const ls_job *world)
{
    (void)world;
    view v = {0};
    ls_status status = ls__need_argument(args, "a configuration file");
    if (status == LS_OK && !args->scale) status = ls_args_int("--ranks", args->ranks, 1, 1, &v.n_ranks);
    if (status == LS_OK && v.n_ranks > 1000000)
        status = ls_status_fail(LS_EUSAGE, __FILE__, __LINE__, "--ranks: at most 1000000");
    if (status == LS_OK) status = build(args, &v);
    if (status == LS_OK && args->scale)
        status = ls_plan_print_scale(args, &v);
    else if (status == LS_OK && args->samples != NULL)
        status = print_samples(&v, args->samples);
    else if (status == LS_OK)
        status = args->json ? print_json(&v) : print_text(&v);
    release(&v);
    return status;
}
