/* info: the build and the machine, and what a configuration may name. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "lockstep/augment.h"
#include "lockstep/config.h"
#include "lockstep/dataset.h"
#include "lockstep/loss.h"
#include "lockstep/network.h"
#include "lockstep/optimizer.h"
#include "lockstep/schedule.h"
#include "ls_version.h"
#include "math/blas.h"
#include "study/file.h"

static const struct {
    const char *name;
    void (*print)(ls_text *out);
} topics[] = {
    {"keys", ls_config_keys_print},        {"study", ls_study_keys_print},      {"layers", ls_layers_print},
    {"losses", ls_losses_print},           {"optimizers", ls_optimizers_print}, {"schedules", ls_schedules_print},
    {"formats", ls_dataset_formats_print}, {"augmentations", ls_augment_print}, {"man", ls__man_print},
    {"completion", ls__completion_print}};

static void print_build(void)
{
    printf("lockstep %s (commit %s)\ncompiler     %s\nMPI          %s\nOpenBLAS     %s\nkernel type  %s\nthreads      "
           "%d a rank\n"
           "\n'lockstep info keys|study|layers|losses|optimizers|schedules|formats|augmentations' lists what a "
           "configuration "
           "may name,\n"
           "'lockstep info model CONFIG' the layers of a model, 'lockstep info doctor' what of this machine costs "
           "speed;\n'info man' and 'info completion' are texts for man and bash.\n",
           LS_VERSION, LS_COMMIT, __VERSION__, ls_job_mpi_version(), ls_blas_build(), ls_blas_core(),
           ls_blas_threads());
}

ls_status ls__cmd_info(const ls_args *args, const ls_job *world)
{
    if (args->n_positional == 0) {
        print_build();
        return LS_OK;
    }
    if (strcmp(args->positional[0], "model") == 0) return ls__info_model(args);
    if (strcmp(args->positional[0], "doctor") == 0) return ls__info_doctor(args, world);
    LS_REQUIRE(args->n_positional == 1, LS_EUSAGE, "unexpected argument '%s'", args->positional[1]);
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        if (strcmp(topics[i].name, args->positional[0]) != 0) continue;
        ls_text text = {0};
        topics[i].print(&text);
        LS_TRY(ls_text_status(&text));
        fputs(text.data, stdout);
        ls_text_free(&text);
        return LS_OK;
    }
    LS_FAIL(LS_EUSAGE,
            "unknown topic '%s'; known: keys, study, layers, losses, optimizers, schedules, formats, augmentations, "
            "man, completion, model CONFIG, doctor",
            args->positional[0]);
}
