#include "model/registry.h"

#include <stddef.h>

const ls_layer_ops *const ls__layers[] = {
#define LS_LAYER(name) &ls__layer_##name,
#include "model/layer_list.h"
#undef LS_LAYER
    NULL};

const ls_loss_ops *const ls__losses[] = {
#define LS_LOSS(name) &ls__loss_##name,
#include "model/loss_list.h"
#undef LS_LOSS
    NULL};

static void print_options(const ls_option *options, ls_text *out)
{
    if (options != NULL) ls_options_print(options, "    ", out);
}

void ls_layers_print(ls_text *out)
{
    for (int i = 0; ls__layers[i] != NULL; i++) {
        const ls_layer_ops *ops = ls__layers[i];
        ls_text_printf(out, "%-24s %s\n", ops->name, ops->help);
        if (ops->shorthand) ls_text_printf(out, "    '- %s: VALUE' sets '%s'\n", ops->name, ops->shorthand);
        print_options(ops->options, out);
    }
}

void ls_losses_print(ls_text *out)
{
    for (int i = 0; ls__losses[i] != NULL; i++) {
        ls_text_printf(out, "%-24s %s\n", ls__losses[i]->name, ls__losses[i]->help);
        print_options(ls__losses[i]->options, out);
    }
}
