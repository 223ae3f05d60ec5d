#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/command.h"
#include "math/blas.h"
#include "train/model.h"

static void print_text(const char *name, const ls_evaluation *e)
{
    char loss[32];
    ls_real_text(e->loss, loss);
    printf("%s loss %s", name, loss);
    if (!isnan(e->accuracy)) printf(" | accuracy %.6f", e->accuracy);
    printf(" | n %" PRId64 "\n", e->n);
}

static ls_status print_json(const char *name, int64_t iteration, const ls_evaluation *e)
{
    ls_text out = {0};
    ls_text_printf(&out, "{\"set\": ");
    ls_text_json_string(&out, name);
    ls_text_printf(&out, ", \"iteration\": %" PRId64 ", \"loss\": ", iteration);
    ls_text_json_real(&out, e->loss);
    ls_text_printf(&out, ", \"accuracy\": ");
    ls_text_json_real(&out, e->accuracy);
    ls_text_printf(&out, ", \"n\": %" PRId64 "}\n", e->n);
    const ls_status status = ls_text_status(&out);
    if (status == LS_OK) fputs(out.data, stdout);
    ls_text_free(&out);
    return status;
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
    ls_status status = ls_scorer_evaluate(model->scorer, ls_exchange_params(model->exchange), &model->set, &e);
    if (status == LS_OK && ls_job_rank(world) == 0) {
        const char *name = ls_model_set_name(model, &source);
        if (args->json)
            status = print_json(name, model->iteration, &e);
        else
            print_text(name, &e);
    }
    ls_model_destroy(&model);
    return ls_job_agree(world, status);
}
