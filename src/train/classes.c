#include "train/classes.h"

#include "base/mem.h"

ls_status ls_classes_create(int64_t k, ls_classes **out)
{
    *out = NULL;
    ls_classes *c = ls_calloc(1, sizeof *c);
    LS_REQUIRE(c != NULL, LS_ENOMEM, "out of memory for an evaluation's counts");
    c->k = k;
    c->n_memory = 1 + 2 * k + (k <= LS_CONFUSION_MAX ? k * k : 0);
    c->memory = ls_calloc((size_t)c->n_memory, sizeof *c->memory);
    if (c->memory == NULL) {
        ls_classes_destroy(&c);
        LS_FAIL(LS_ENOMEM, "out of memory for an evaluation's counts");
    }
    c->top5 = c->memory;
    c->n = c->top5 + 1;
    c->correct = c->n + k;
    c->confusion = k <= LS_CONFUSION_MAX ? c->correct + k : NULL;
    *out = c;
    return LS_OK;
}

void ls_classes_destroy(ls_classes **classes)
{
    if (classes == NULL || *classes == NULL) return;
    ls_free((*classes)->memory);
    ls_free(*classes);
    *classes = NULL;
}

/* As the losses count what is correct: the first of equals. */
static int64_t predicted(int64_t k, const float *z)
{
    int64_t top = 0;
    for (int64_t j = 1; j < k; j++)
        if (z[j] > z[top]) top = j;
    return top;
}

/* Classes before `label` in the order of falling outputs; a NaN comes before all others, so it never helps. */
static int64_t n_before(int64_t k, const float *z, int64_t label)
{
    int64_t n = 0;
    for (int64_t j = 0; j < k; j++)
        if (j != label && !(z[j] < z[label] || (z[j] == z[label] && j > label))) n++;
    return n;
}

void ls_classes_add(ls_classes *c, const ls_loss_rows *rows)
{
    for (int64_t i = 0; i < rows->n; i++) {
        const float *z = rows->out + i * c->k;
        const int64_t label = rows->labels[i], top = predicted(c->k, z);
        c->top5[0] += n_before(c->k, z, label) < 5;
        c->n[label]++;
        c->correct[label] += top == label;
        if (c->confusion != NULL) c->confusion[label * c->k + top]++;
    }
}

ls_status ls_classes_collect(ls_classes *c, const ls_job *job)
{
    const int size = ls_job_size(job), rank = ls_job_rank(job);
    const size_t bytes = (size_t)c->n_memory * sizeof *c->memory;
    int64_t *theirs = rank == 0 && size > 1 ? ls_calloc(1, bytes) : NULL;
    ls_status status = LS_OK;
    if (rank == 0 && size > 1 && theirs == NULL)
        status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for an evaluation's counts");
    status = ls_job_agree(job, status);
    for (int r = 1; r < size && status == LS_OK; r++) {
        if (rank != 0 && rank != r) continue;
        ls_job_send_to_root(job, r, rank == 0 ? theirs : c->memory, bytes);
        for (int64_t i = 0; rank == 0 && i < c->n_memory; i++) c->memory[i] += theirs[i];
    }
    ls_free(theirs);
    return status;
}
