#include "train/scorer.h"

#include <math.h>

#include "base/board.h"
#include "base/mem.h"

ls_status ls_scorer_create(const ls_job *job, const ls_network *network, ls_executor *executor, const ls_loss *loss,
                           const ls_normalizer *normalizer, int64_t chunk, ls_scorer **out)
{
    *out = NULL;
    ls_scorer *scorer = ls_calloc(1, sizeof *scorer);
    LS_REQUIRE(scorer != NULL, LS_ENOMEM, "out of memory for evaluation");
    *scorer = (ls_scorer){.job = job,
                          .network = network,
                          .executor = executor,
                          .loss = loss,
                          .normalizer = normalizer,
                          .chunk = chunk,
                          .ids = ls_calloc((size_t)chunk, sizeof(int64_t))};
    if (scorer->ids == NULL) {
        ls_scorer_destroy(&scorer);
        LS_FAIL(LS_ENOMEM, "out of memory for evaluation");
    }
    *out = scorer;
    return LS_OK;
}

void ls_scorer_destroy(ls_scorer **scorer)
{
    if (scorer == NULL || *scorer == NULL) return;
    ls_free((*scorer)->ids);
    ls_free(*scorer);
    *scorer = NULL;
}

const float *ls_scorer_forward(ls_scorer *s, const float *params, const ls_dataset *set, int64_t first, int64_t n)
{
    const ls_run run = {.n = n, .fresh = true};
    const ls_pass pass = {.runs = &run, .n_runs = 1, .n_rows = n, .params = params};
    for (int64_t i = 0; i < n; i++) s->ids[i] = first + i;
    ls_dataset_rows(set, s->normalizer, s->ids, n, ls_executor_input(s->executor));
    return ls_executor_forward(s->executor, &pass);
}

/* Sums of this rank's chunks, three doubles each. */
static void score_chunks(ls_scorer *s, const float *params, const ls_dataset *set, int64_t first_chunk,
                         int64_t end_chunk, ls_loss_sums *sums)
{
    const int64_t k = ls_shape_size(ls_network_output(s->network));
    for (int64_t c = first_chunk; c < end_chunk; c++) {
        const int64_t first = c * s->chunk, rest = set->info.n_samples - first, n = rest < s->chunk ? rest : s->chunk;
        const ls_loss_rows rows = {.n = n,
                                   .k = k,
                                   .out = ls_scorer_forward(s, params, set, first, n),
                                   .labels = set->labels ? set->labels + first : NULL,
                                   .targets = set->targets ? set->targets + first * k : NULL};
        s->loss->ops->rows(s->loss, &rows, NULL, &sums[c - first_chunk]);
        if (s->classes != NULL) ls_classes_add(s->classes, &rows);
        ls_board_step();
    }
}

static void means(const ls_scorer *s, const ls_loss_sums *chunks, int64_t n_chunks, ls_evaluation *out)
{
    ls_loss_sums total = {0};
    for (int64_t c = 0; c < n_chunks; c++) {
        total.loss += chunks[c].loss;
        total.correct += chunks[c].correct;
        total.rows += chunks[c].rows;
    }
    *out = (ls_evaluation){.present = true,
                           .n = (int64_t)total.rows,
                           .loss = total.loss / total.rows,
                           .accuracy = s->loss->ops->classifies ? total.correct / total.rows : NAN};
}

ls_status ls_scorer_evaluate(ls_scorer *s, const float *params, const ls_dataset *set, ls_evaluation *out)
{
    enum { PER_CHUNK = sizeof(ls_loss_sums) / sizeof(double) };
    const int size = ls_job_size(s->job), rank = ls_job_rank(s->job);
    const int64_t n_chunks = (set->info.n_samples + s->chunk - 1) / s->chunk;
    const int64_t first = ls_shard_first(n_chunks, size, rank), end = ls_shard_first(n_chunks, size, rank + 1);
    ls_loss_sums *mine = ls_calloc((size_t)(end - first), sizeof *mine),
                 *all = ls_calloc((size_t)n_chunks, sizeof *all);
    int *counts = ls_calloc((size_t)size, sizeof *counts);
    ls_status status = mine && all && counts ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    status = ls_job_agree(s->job, status);
    if (status == LS_OK) {
        score_chunks(s, params, set, first, end, mine);
        for (int r = 0; r < size; r++)
            counts[r] = PER_CHUNK * (int)(ls_shard_first(n_chunks, size, r + 1) - ls_shard_first(n_chunks, size, r));
        ls_job_gather_all(s->job, (const double *)mine, counts, (double *)all);
        means(s, all, n_chunks, out);
        if (out->n != set->info.n_samples)
            status = ls_status_fail(LS_EINTERNAL, __FILE__, __LINE__, "evaluated %lld of %lld samples",
                                    (long long)out->n, (long long)set->info.n_samples);
    }
    ls_free(mine);
    ls_free(all);
    ls_free(counts);
    return status;
}
