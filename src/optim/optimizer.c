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
     .help = "coupled (added to the gradient); in adamw decoupled and 0.01 unless given, as in PyTorch"},
    {.key = "decay_exclude",
     .kind = LS_OPTION_NODE,
     .offset = offsetof(ls_optimizer_common, decay_exclude),
     .fallback = "[]",
     .help = "tensors that weight decay spares: a list of 'bias'"},
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

static ls_status read_exclude(ls_optimizer_common *common)
{
    const ls_node *list = common->decay_exclude;
    char place[256];
    LS_REQUIRE(list == NULL || list->kind == LS_NODE_LIST, LS_EUSAGE, "%s: 'decay_exclude' must be a list, as [bias]",
               ls_node_place(list, place, sizeof place));
    for (int i = 0; list != NULL && i < list->n; i++) {
        const ls_node *item = list->child[i];
        LS_REQUIRE(item->kind == LS_NODE_SCALAR && strcmp(item->text, "bias") == 0, LS_EUSAGE,
                   "%s: 'decay_exclude' may name: bias", ls_node_place(item, place, sizeof place));
        common->spare_bias = true;
    }
    return LS_OK;
}

static ls_status build(ls_optimizer *optimizer, ls_node *spec)
{
    static const ls_option none[] = {{0}};
    LS_TRY(find(spec, &optimizer->ops));
    const size_t size = optimizer->ops->options_size;
    if (optimizer->ops->weight_decay != NULL && ls_node_child(spec, "weight_decay") == NULL)
        LS_TRY(ls_node_put(spec, "weight_decay", optimizer->ops->weight_decay, "default"));
    optimizer->options = ls_calloc(1, size > 0 ? size : 1);
    LS_REQUIRE(optimizer->options != NULL, LS_ENOMEM, "out of memory for an optimizer");
    LS_TRY(ls_options_read_two(common_table, &optimizer->common,
                               optimizer->ops->options ? optimizer->ops->options : none, optimizer->options, spec,
                               "optimizer"));
    return read_exclude(&optimizer->common);
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

void ls_optimizer_update(const ls_optimizer *optimizer, bool is_bias, ls_update *update)
{
    update->weight_decay = is_bias && optimizer->common.spare_bias ? 0.0 : optimizer->common.weight_decay;
    optimizer->ops->update(optimizer, update);
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
