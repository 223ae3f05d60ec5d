/* predict: outputs for a data set, computed by all ranks chunk by chunk and written by rank 0 in order. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "math/blas.h"
#include "train/model.h"

typedef struct writer {
    ls_file_writer *file;
    bool csv, classes, raw; /* raw: what the last layer gives */
    int64_t k, row;
    ls_text line;
} writer;

/* NumPy's format 1.0: magic, version, header length, a Python dictionary padded to 64 bytes. */
static void npy_header(ls_text *out, int64_t n, int64_t k)
{
    char dictionary[128];
    const int used = snprintf(dictionary, sizeof dictionary,
                              "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRId64 ", %" PRId64 "), }", n, k);
    const int length = (10 + used + 1 + 63) / 64 * 64 - 10;
    const char head[10] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(length & 255), (char)(length >> 8)};
    ls_text_add(out, head, sizeof head);
    ls_text_printf(out, "%-*s\n", length - 1, dictionary);
}

static void csv_header(const writer *w, ls_text *out)
{
    ls_text_printf(out, w->classes ? "row,class" : "row");
    for (int64_t j = 0; j < w->k; j++) ls_text_printf(out, ",%s_%" PRId64, w->classes && !w->raw ? "p" : "y", j);
    ls_text_printf(out, "\n");
}

static void csv_rows(writer *w, const float *rows, int64_t n)
{
    for (int64_t i = 0; i < n; i++, w->row++) {
        const float *row = rows + i * w->k;
        int64_t top = 0;
        for (int64_t j = 1; j < w->k; j++)
            if (row[j] > row[top]) top = j;
        ls_text_printf(&w->line, "%" PRId64, w->row);
        if (w->classes) ls_text_printf(&w->line, ",%" PRId64, top);
        for (int64_t j = 0; j < w->k; j++) ls_text_printf(&w->line, ",%.9g", (double)row[j]);
        ls_text_printf(&w->line, "\n");
    }
}

static ls_status write_rows(writer *w, const float *rows, int64_t n)
{
    if (!w->csv) return ls_file_writer_add(w->file, rows, (size_t)(n * w->k) * sizeof *rows);
    ls_text_clear(&w->line);
    csv_rows(w, rows, n);
    LS_TRY(ls_text_status(&w->line));
    return ls_file_writer_add(w->file, w->line.data, w->line.n);
}

static ls_status open_writer(const ls_model *m, const char *path, writer *w)
{
    w->csv = ls_ends_with(path, ".csv");
    LS_REQUIRE(w->csv || ls_ends_with(path, ".npy"), LS_EUSAGE, "--out %s: the name must end in .npy or .csv", path);
    w->k = ls_shape_size(ls_network_output(m->network));
    w->classes = m->loss->ops->classifies;
    if (w->csv)
        csv_header(w, &w->line);
    else
        npy_header(&w->line, m->set.info.n_samples, w->k);
    LS_TRY(ls_text_status(&w->line));
    LS_TRY(ls_file_writer_create(path, &w->file));
    return ls_file_writer_add(w->file, w->line.data, w->line.n);
}

/* Chunks go round the ranks, so that all compute; rank 0 takes them in order.  After a failure the messages go on. */
static ls_status write_chunks(const ls_job *job, ls_model *m, writer *w, float *rows)
{
    const int size = ls_job_size(job), rank = ls_job_rank(job);
    const int64_t n = m->set.info.n_samples, chunk = m->scorer->chunk, n_chunks = (n + chunk - 1) / chunk;
    const int64_t k = ls_shape_size(ls_network_output(m->network));
    ls_status status = LS_OK;
    for (int64_t c = 0; c < n_chunks; c++) {
        const int owner = (int)(c % size);
        const int64_t first = c * chunk, count = n - first < chunk ? n - first : chunk;
        if (rank != 0 && rank != owner) continue;
        if (rank == owner) {
            const float *out = ls_scorer_forward(m->scorer, ls_exchange_params(m->exchange), &m->set, first, count);
            memcpy(rows, out, (size_t)(count * k) * sizeof *rows);
            if (!w->raw && m->loss->ops->predict != NULL) m->loss->ops->predict(m->loss, count, k, rows);
        }
        ls_job_send_to_root(job, owner, rows, (size_t)(count * k) * sizeof *rows);
        if (rank == 0 && status == LS_OK) status = write_rows(w, rows, count);
    }
    return status;
}

static ls_status predict(const ls_job *job, ls_model *m, const char *path, bool raw)
{
    writer w = {.raw = raw};
    const int64_t k = ls_shape_size(ls_network_output(m->network));
    float *rows = ls_calloc((size_t)(m->scorer->chunk * k), sizeof *rows);
    ls_status status = rows ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    if (status == LS_OK && ls_job_rank(job) == 0) status = open_writer(m, path, &w);
    status = ls_job_agree(job, status);
    if (status == LS_OK) {
        status = write_chunks(job, m, &w, rows);
        if (status == LS_OK && ls_job_rank(job) == 0) status = ls_file_writer_commit(w.file);
        status = ls_job_agree(job, status);
    }
    ls_file_writer_destroy(&w.file);
    ls_text_free(&w.line);
    ls_free(rows);
    return status;
}

ls_status ls__cmd_predict(const ls_args *args, const ls_job *world)
{
    LS_TRY(ls__need_argument(args, "a checkpoint"));
    LS_REQUIRE(args->out != NULL, LS_EUSAGE, "predict needs --out FILE.npy or FILE.csv");
    LS_TRY(ls_trainer_check_ranks(world));
    const ls_model_source source = {.checkpoint = args->positional[0],
                                    .config = args->config,
                                    .data_directory = args->data_dir,
                                    .split = args->split,
                                    .data = args->data,
                                    .ema = args->ema};
    ls_model *model;
    LS_TRY(ls_model_create(world, &source, false, &model));
    ls_blas_set_threads((int)model->config->runtime.blas_threads);
    const ls_status status = predict(world, model, args->out, args->logits);
    if (status == LS_OK && ls_job_rank(world) == 0)
        printf("%s: %s of %" PRId64 " samples\n", args->out,
               args->logits ? "outputs of the last layer" : model->loss->ops->prediction, model->set.info.n_samples);
    ls_model_destroy(&model);
    return status;
}
