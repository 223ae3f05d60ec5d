/* eval: loss and accuracy of a checkpoint over a set, as a whole and by class. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/command.h"
#include "math/blas.h"
#include "train/model.h"

enum { MAX_LINES = 20 }; /* classes that are told one by one as text */

/* NaN for a class without samples */
static double class_accuracy(const ls_classes *c, int64_t i)
{
    return c->n[i] > 0 ? (double)c->correct[i] / (double)c->n[i] : NAN;
}

static double top5_accuracy(const ls_classes *c, const ls_evaluation *e)
{
    return (double)c->top5[0] / (double)e->n;
}

static void print_text(const char *name, const ls_evaluation *e, const ls_classes *c)
{
    char loss[32];
    ls_real_text(e->loss, loss);
    printf("%s loss %s", name, loss);
    if (c != NULL) printf(" | accuracy %.6f | top-5 accuracy %.6f", e->accuracy, top5_accuracy(c, e));
    printf(" | n %" PRId64 "\n", e->n);
    for (int64_t i = 0; c != NULL && c->k <= MAX_LINES && i < c->k; i++)
        if (c->n[i] > 0)
            printf("class %" PRId64 " accuracy %.6f | n %" PRId64 "\n", i, class_accuracy(c, i), c->n[i]);
        else
            printf("class %" PRId64 " has no samples\n", i);
}

static void add_classes(ls_text *out, const ls_classes *c, const ls_evaluation *e)
{
    ls_text_printf(out, ", \"top5_accuracy\": ");
    ls_text_json_real(out, top5_accuracy(c, e));
    ls_text_printf(out, ", \"per_class_accuracy\": [");
    for (int64_t i = 0; i < c->k; i++) {
        ls_text_printf(out, i > 0 ? ", " : "");
        ls_text_json_real(out, class_accuracy(c, i));
    }
    ls_text_printf(out, "]");
    if (c->confusion == NULL) return;
    ls_text_printf(out, ", \"confusion\": [");
    for (int64_t i = 0; i < c->k; i++)
        for (int64_t j = 0; j < c->k; j++)
            ls_text_printf(out, "%s%" PRId64 "%s",
                           j > 0   ? ", "
                           : i > 0 ? ", ["
                                   : "[",
                           c->confusion[i * c->k + j], j == c->k - 1 ? "]" : "");
    ls_text_printf(out, "]");
}

static ls_status print_json(const char *name, int64_t iteration, const ls_evaluation *e, const ls_classes *c)
{
    ls_text out = {0};
    ls_text_printf(&out, "{\"set\": ");
    ls_text_json_string(&out, name);
    ls_text_printf(&out, ", \"iteration\": %" PRId64 ", \"loss\": ", iteration);
    ls_text_json_real(&out, e->loss);
    ls_text_printf(&out, ", \"accuracy\": ");
    ls_text_json_real(&out, e->accuracy);
    ls_text_printf(&out, ", \"n\": %" PRId64, e->n);
    if (c != NULL) add_classes(&out, c, e);
    ls_text_printf(&out, "}\n");
    const ls_status status = ls_text_status(&out);
    if (status == LS_OK) fputs(out.data, stdout);
    ls_text_free(&out);
    return status;
}

/* Means, and for classes their counts on rank 0: else *classes is NULL. */
static ls_status evaluate(const ls_job *world, ls_model *m, ls_evaluation *e, ls_classes **classes)
{
    ls_status status = LS_OK;
    if (m->loss->ops->classifies) status = ls_classes_create(ls_shape_size(ls_network_output(m->network)), classes);
    LS_TRY(ls_job_agree(world, status));
    m->scorer->classes = *classes;
    LS_TRY(ls_scorer_evaluate(m->scorer, ls_exchange_params(m->exchange), &m->set, e));
    return *classes ? ls_classes_collect(*classes, world) : LS_OK;
}

ls_status ls__cmd_eval(const ls_args *args, const ls_job *world)
{
    LS_TRY(ls__need_argument(args, "a checkpoint"));
    LS_TRY(ls_trainer_check_ranks(world));
    const ls_model_source source = {.checkpoint = args->positional[0],
                                    .config = args->config,
                                    .data_directory = args->data_dir,
                                    .split = args->split,
                                    .ema = args->ema};
    ls_model *model;
    LS_TRY(ls_model_create(world, &source, true, &model));
    ls_blas_set_threads((int)model->config->runtime.blas_threads);
    ls_evaluation e;
    ls_classes *classes = NULL;
    ls_status status = evaluate(world, model, &e, &classes);
    if (status == LS_OK && ls_job_rank(world) == 0) {
        const char *name = ls_model_set_name(model, &source);
        if (args->json)
            status = print_json(name, model->iteration, &e, classes);
        else
            print_text(name, &e, classes);
    }
    ls_model_destroy(&model);
    ls_classes_destroy(&classes);
    return ls_job_agree(world, status);
}
