/* inspect: a checkpoint's metadata and tensors, and the hash of its parameters; no MPI. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "cli/command.h"
#include "lockstep/checkpoint.h"
#include "train/safetensors.h"

static const char *const shown[] = {
    "format_version", "lockstep_version", "commit",           "blas_core",  "iteration",  "epoch",
    "shards",         "micro_batch_size", "input_shape",      "best_value", "best_saved", "stale_evaluations",
    "target_reached", "data_hash",        "config_directory", "config"};

enum { N_SHOWN = sizeof shown / sizeof shown[0] };

static void print_text(const ls_checkpoint *c, const char *hash)
{
    char shape[128];
    printf("%s\n  %-18s %s\n", c->path, "params_hash", hash);
    for (int i = 0; i < N_SHOWN; i++)
        if (ls_safetensors_metadata(c->file, shown[i]) != NULL)
            printf("  %-18s %s\n", shown[i], ls_safetensors_metadata(c->file, shown[i]));
    printf("tensors\n");
    for (int i = 0; i < ls_safetensors_n_tensors(c->file); i++) {
        const ls_stored_tensor *tensor = ls_safetensors_tensor(c->file, i);
        printf("  %-40s %s\n", tensor->name, ls_stored_text(tensor, shape));
    }
}

static ls_status print_json(const ls_checkpoint *c, const char *hash)
{
    char shape[128];
    ls_text out = {0};
    ls_text_printf(&out, "{\"path\": ");
    ls_text_json_string(&out, c->path);
    ls_text_printf(&out, ", \"params_hash\": \"%s\", \"metadata\": {", hash);
    for (int i = 0, n = 0; i < N_SHOWN; i++) {
        const char *value = ls_safetensors_metadata(c->file, shown[i]);
        if (value == NULL) continue;
        ls_text_printf(&out, "%s\"%s\": ", n++ ? ", " : "", shown[i]);
        ls_text_json_string(&out, value);
    }
    ls_text_printf(&out, "}, \"tensors\": {");
    for (int i = 0; i < ls_safetensors_n_tensors(c->file); i++) {
        const ls_stored_tensor *tensor = ls_safetensors_tensor(c->file, i);
        ls_text_printf(&out, "%s", i ? ", " : "");
        ls_text_json_string(&out, tensor->name);
        ls_text_printf(&out, ": %s", strchr(ls_stored_text(tensor, shape), '['));
    }
    ls_text_printf(&out, "}}\n");
    const ls_status status = ls_text_status(&out);
    if (status == LS_OK) fputs(out.data, stdout);
    ls_text_free(&out);
    return status;
}

ls_status ls__cmd_inspect(const ls_args *args, const ls_job *world)
{
    (void)world;
    LS_TRY(ls__need_argument(args, "a checkpoint"));
    ls_checkpoint *c;
    LS_TRY(ls_checkpoint_open(args->positional[0], &c));
    char hash[LS_HASH_DIGITS + 1];
    ls_hash_text(ls_checkpoint_params_hash(c), hash);
    ls_status status = LS_OK;
    if (args->hash)
        printf("%s\n", hash);
    else if (args->json)
        status = print_json(c, hash);
    else
        print_text(c, hash);
    ls_checkpoint_close(&c);
    return status;
}
