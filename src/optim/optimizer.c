/* What all optimizers share: the keys of `optimizer`, weight decay, and which tensors are spared. */
#include <string.h>

#include "base/entry.h"
#include "base/mem.h"
#include "optim/registry.h"

static const ls_option common_table[] = {
    {.key = "name",
     .kind = LS_OPTION_TEXT,
     .offset = offsetof(ls_optimizer_common, name),
     .fallback = "momentum",
     .help = "see 'lockstep info optimizers'"},
    {.key = "lr",
     .kind = LS_OPTION_REAL,
     .offset = offsetof(ls_optimizer_common, lr),
     .max = 1e6,
     .help = "learning rate, before the schedule"},
    {.key = "weight_decay",
     .kind = LS_OPTION_REAL,
     .offset = offsetof(ls_optimizer_common, weight_decay),
     .fallback = "0.0",
     .max = 1e6,
     .help = "lambda; in adamw and lamb 0.01 unless given"},
    {.key = "decoupled_weight_decay",
     .kind = LS_OPTION_BOOL,
     .offset = offsetof(ls_optimizer_common, decoupled),
     .fallback = "false",
     .help = "false: lambda p is added to the gradient; true: p shrinks by lr lambda (lamb: lambda p is added to the "
             "step).  true in adamw and lamb unless given"},
    {.key = "decay_exclude",
     .kind = LS_OPTION_NODE,
     .offset = offsetof(ls_optimizer_common, decay_exclude),
     .fallback = "[]",
     .help = "tensors that weight decay spares: a list of bias, norm"},
    {.key = "clip_norm",
     .kind = LS_OPTION_REAL,
     .offset = offsetof(ls_optimizer_common, clip_norm),
     .fallback = "~",
     .above_min = true,
     .max = 1e30,
     .help = "gradients whose norm over all parameters is larger are scaled down to it, as by clip_grad_norm_"},
    {.key = "ema",
     .kind = LS_OPTION_REAL,
     .offset = offsetof(ls_optimizer_common, ema),
     .fallback = "~",
     .max = 0.9999999,
     .help = "decay of an exponential moving average of the parameters, which is evaluated beside them"},
    {0}};

static ls_status find(const ls_node *spec, const ls_optimizer_ops **out)
{
    const ls_node *entry = ls_node_child(spec, "name");
    const char *name = entry != NULL && entry->kind == LS_NODE_SCALAR ? entry->text : "momentum", *names[64];
    int n = 0;
    for (; ls__optimizers[n] != NULL; n++) {
        names[n] = ls__optimizers[n]->name;
        if (strcmp(names[n], name) == 0) *out = ls__optimizers[n];
    }
    return *out != NULL ? LS_OK : ls_entry_unknown(entry ? entry : spec, "optimizer", name, names, n);
}

ls_status ls__kinds_read(const ls_node *list, const char *key, ls_kinds *out)
{
    char place[256];
    *out = (ls_kinds){0};
    LS_REQUIRE(list == NULL || list->kind == LS_NODE_LIST, LS_EUSAGE, "%s: '%s' must be a list, as [bias]",
               ls_node_place(list, place, sizeof place), key);
    for (int i = 0; list != NULL && i < list->n; i++) {
        const ls_node *item = list->child[i];
        const char *name = item->kind == LS_NODE_SCALAR ? item->text : "";
        const bool bias = strcmp(name, "bias") == 0, norm = strcmp(name, "norm") == 0;
        LS_REQUIRE(bias || norm, LS_EUSAGE, "%s: '%s' may name: bias, norm", ls_node_place(item, place, sizeof place),
                   key);
        out->bias = out->bias || bias;
        out->norm = out->norm || norm;
    }
    return LS_OK;
}

/* A default of the optimizer's own goes before that of the common table. */
static ls_status put_default(ls_node *spec, const char *key, const char *yaml)
{
    if (yaml == NULL || spec->kind != LS_NODE_MAP || ls_node_child(spec, key) != NULL) return LS_OK;
    return ls_node_put(spec, key, yaml, "default");
}

static ls_status build(ls_optimizer *optimizer, ls_node *spec)
{
    static const ls_option none[] = {{0}};
    LS_TRY(find(spec, &optimizer->ops));
    const size_t size = optimizer->ops->options_size;
    LS_TRY(put_default(spec, "weight_decay", optimizer->ops->weight_decay));
    LS_TRY(put_default(spec, "decoupled_weight_decay", optimizer->ops->decoupled));
    optimizer->options = ls_calloc(1, size > 0 ? size : 1);
    LS_REQUIRE(optimizer->options != NULL, LS_ENOMEM, "out of memory for an optimizer");
    LS_TRY(ls_options_read_two(common_table, &optimizer->common,
                               optimizer->ops->options ? optimizer->ops->options : none, optimizer->options, spec,
                               "optimizer"));
    LS_TRY(ls__kinds_read(optimizer->common.decay_exclude, "decay_exclude", &optimizer->common.spared));
    optimizer->n_slots = optimizer->ops->n_slots;
    for (int s = 0; s < optimizer->n_slots; s++) optimizer->slot_name[s] = optimizer->ops->slot_name[s];
    return optimizer->ops->finish != NULL ? optimizer->ops->finish(optimizer) : LS_OK;
}

ls_status ls_optimizer_create(ls_node *spec, ls_optimizer **out)
{
    *out = NULL;
    ls_optimizer *optimizer = ls_calloc(1, sizeof *optimizer);
    LS_REQUIRE(optimizer != NULL, LS_ENOMEM, "out of memory for an optimizer");
    const ls_status status = build(optimizer, spec);
    if (status != LS_OK) ls_optimizer_destroy(&optimizer);
    *out = optimizer;
    return status;
}

void ls_optimizer_destroy(ls_optimizer **optimizer)
{
    if (optimizer == NULL || *optimizer == NULL) return;
    ls_free((*optimizer)->options);
    ls_free(*optimizer);
    *optimizer = NULL;
}

bool ls_optimizer_prepares(const ls_optimizer *optimizer)
{
    return optimizer->ops->prepare != NULL;
}

static void set_decay(const ls_optimizer *optimizer, ls_update *update)
{
    const ls_optimizer_common *c = &optimizer->common;
    const double decay = ls__kinds_match(c->spared, update->kind) ? 0.0 : c->weight_decay;
    update->coupled = c->decoupled ? 0.0 : decay;
    update->decoupled = c->decoupled ? decay : 0.0;
}

void ls_optimizer_prepare(const ls_optimizer *optimizer, ls_update *update, ls_squares *squares)
{
    set_decay(optimizer, update);
    optimizer->ops->prepare(optimizer, update, squares);
}

void ls_optimizer_update(const ls_optimizer *optimizer, ls_update *update)
{
    set_decay(optimizer, update);
    optimizer->ops->update(optimizer, update);
}

double ls_optimizer_clip(const ls_optimizer *optimizer, double norm)
{
    const double factor = optimizer->common.clip_norm / (norm + 1e-6);
    return factor < 1.0 ? factor : 1.0;
}

void ls_optimizers_print(ls_text *out)
{
    ls_text_printf(out, "every optimizer\n");
    ls_options_print(common_table, "    ", out);
    for (int i = 0; ls__optimizers[i] != NULL; i++) {
        ls_text_printf(out, "%-24s %s\n", ls__optimizers[i]->name, ls__optimizers[i]->help);
        if (ls__optimizers[i]->options != NULL) ls_options_print(ls__optimizers[i]->options, "    ", out);
    }
}
