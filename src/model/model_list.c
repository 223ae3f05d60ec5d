#include "model/model_list.h"

#include <stdio.h>
#include <string.h>

#include "base/entry.h"
#include "base/mem.h"
#include "model/residual.h"

enum { MAX_LAYERS = 1024, PLACE = 256 };

#define AT(node) ls_node_place(node, (char[PLACE]){0}, PLACE)

/* Where a list stands: its layers' paths are "<path><index>". */
typedef struct list_place {
    const char *path;  /* "", or as "3.body." */
    const char *what;  /* "model", "body" */
    const ls_node *at; /* for messages */
    int depth;         /* residual blocks around it */
} list_place;

static ls_status read_list(ls_node *list, const list_place *place, ls_layer_list *out);

static const ls_layer_ops *find_layer(const char *name)
{
    for (int i = 0; ls__layers[i] != NULL; i++)
        if (strcmp(ls__layers[i]->name, name) == 0) return ls__layers[i];
    return NULL;
}

static ls_status unknown_layer(const ls_node *entry, const char *name)
{
    const char *names[MAX_LAYERS];
    int n = 0;
    for (; ls__layers[n] != NULL; n++) names[n] = ls__layers[n]->name;
    return ls_entry_unknown(entry, "layer", name, names, n);
}

static ls_status add_layer(ls_layer_list *list, const ls_layer *layer)
{
    LS_REQUIRE(list->n < MAX_LAYERS, LS_EUSAGE, "%s: more than %d layers, those in residual blocks counted",
               AT(layer->entry), MAX_LAYERS);
    ls_layer *grown = ls_realloc(list->layer, (size_t)list->n, (size_t)list->n + 1, sizeof *grown);
    LS_REQUIRE(grown != NULL, LS_ENOMEM, "out of memory for a network");
    list->layer = grown;
    list->layer[list->n] = *layer;
    list->layer[list->n].position = list->n;
    list->n++;
    return LS_OK;
}

/* begin, body, [branch, shortcut,] residual; see residual.h */
static ls_status read_block(ls_layer_list *list, ls_layer *end)
{
    const ls_residual_options *o = end->options;
    const int depth = end->depth, begin = list->n;
    char path[LS_PATH + 16];
    LS_REQUIRE(depth < LS_MAX_NESTED, LS_EUSAGE, "%s: residual blocks nested deeper than %d", AT(end->entry),
               LS_MAX_NESTED);
    ls_layer marker = *end;
    marker.ops = &ls__residual_begin;
    marker.options = NULL;
    LS_TRY(add_layer(list, &marker));
    snprintf(path, sizeof path, "%s.body.", end->path);
    LS_TRY(read_list(o->body, &(list_place){path, "body", end->entry, depth + 1}, list));
    end->skip = begin;
    if (o->shortcut != NULL) {
        end->skip = list->n - 1;
        marker.ops = &ls__residual_branch;
        marker.skip = begin;
        LS_TRY(add_layer(list, &marker));
        snprintf(path, sizeof path, "%s.shortcut.", end->path);
        LS_TRY(read_list(o->shortcut, &(list_place){path, "shortcut", end->entry, depth + 1}, list));
    }
    return LS_OK;
}

static ls_status read_layer(ls_node *entry, const list_place *place, int index, ls_layer_list *list)
{
    const char *name;
    ls_layer layer = {.entry = entry, .skip = -1, .depth = place->depth};
    snprintf(layer.path, sizeof layer.path, "%s%d", place->path, index);
    LS_TRY(ls_entry_name(entry, "layer", &name));
    layer.ops = find_layer(name);
    if (layer.ops == NULL) return unknown_layer(entry, name);
    LS_TRY(ls_entry_read(entry, layer.ops->options, layer.ops->options_size, layer.ops->shorthand, &layer.options));
    ls_status status = layer.ops == &ls__layer_residual ? read_block(list, &layer) : LS_OK;
    if (status == LS_OK) status = add_layer(list, &layer);
    if (status != LS_OK) ls_free(layer.options);
    return status;
}

static ls_status read_list(ls_node *list, const list_place *place, ls_layer_list *out)
{
    LS_REQUIRE(list != NULL && list->kind == LS_NODE_LIST && list->n >= 1 && list->n <= MAX_LAYERS, LS_EUSAGE,
               "%s: '%s' must be a list of 1 to %d layers, as in '- dense: 10'", AT(list ? list : place->at),
               place->what, MAX_LAYERS);
    for (int i = 0; i < list->n; i++) LS_TRY(read_layer(list->child[i], place, i, out));
    return LS_OK;
}

ls_status ls__model_list_read(ls_node *model, ls_layer_list *list)
{
    return read_list(model, &(list_place){"", "model", model, 0}, list);
}

void ls__model_list_destroy(ls_layer_list *list)
{
    for (int i = 0; i < list->n; i++) ls_free(list->layer[i].options);
    ls_free(list->layer);
    *list = (ls_layer_list){0};
}
