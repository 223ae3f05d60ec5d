#include "model/registry.h"

#include <stddef.h>
#include <string.h>

/* The built-in ones are counted by an enumeration of their own. */
#define LS_LAYER(name) BUILT_IN_##name,
enum {
#include "model/layer_list.h"
    N_BUILT_IN
};
#undef LS_LAYER

const ls_layer_ops *ls__layers[N_BUILT_IN + LS_MAX_MORE_LAYERS + 1] = {
#define LS_LAYER(name) &ls__layer_##name,
#include "model/layer_list.h"
#undef LS_LAYER
};

const ls_loss_ops *const ls__losses[] = {
#define LS_LOSS(name) &ls__loss_##name,
#include "model/loss_list.h"
#undef LS_LOSS
    NULL};

ls_status ls_layer_register(const ls_layer_ops *layer)
{
    LS_REQUIRE(layer != NULL && layer->name != NULL && layer->name[0] != 0, LS_EUSAGE, "a layer has no name");
    LS_REQUIRE(layer->plan != NULL && layer->forward != NULL && layer->backward != NULL, LS_EUSAGE,
               "the layer '%s' lacks plan, forward or backward", layer->name);
    int n = 0;
    for (; ls__layers[n] != NULL; n++)
        LS_REQUIRE(strcmp(ls__layers[n]->name, layer->name) != 0, LS_EUSAGE, "there is a layer '%s' already",
                   layer->name);
    LS_REQUIRE(n < N_BUILT_IN + LS_MAX_MORE_LAYERS, LS_EUSAGE, "no room for the layer '%s': at most %d are added",
               layer->name, LS_MAX_MORE_LAYERS);
    ls__layers[n] = layer;
    return LS_OK;
}

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
