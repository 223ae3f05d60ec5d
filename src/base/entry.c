#include "base/entry.h"

#include <string.h>

#include "base/mem.h"

enum { PLACE = 256 };

#define AT(node) ls_node_place(node, (char[PLACE]){0}, PLACE)

/* Puts what `entry` holds one level down: the entry becomes the map {key: former content}. */
static ls_status push_down(ls_node *entry, const char *key, ls_node_kind kind, char *text, bool quoted)
{
    ls_node *inner = ls_calloc(1, sizeof *inner), **child = ls_calloc(1, sizeof *child);
    char *name = ls_strdup(key);
    if (inner == NULL || child == NULL || name == NULL) {
        ls_free(inner);
        ls_free(child);
        ls_free(name);
        LS_FAIL(LS_ENOMEM, "out of memory for a configuration");
    }
    *inner = (ls_node){.kind = kind,
                       .key = name,
                       .text = text,
                       .quoted = quoted,
                       .child = kind == LS_NODE_SCALAR ? NULL : entry->child,
                       .n = kind == LS_NODE_SCALAR ? 0 : entry->n,
                       .source = entry->source,
                       .line = entry->line,
                       .column = entry->column};
    child[0] = inner;
    *entry = (ls_node){.kind = LS_NODE_MAP,
                       .key = entry->key,
                       .child = child,
                       .n = 1,
                       .source = entry->source,
                       .line = entry->line,
                       .column = entry->column,
                       .owned_source = entry->owned_source};
    return LS_OK;
}

ls_status ls_entry_name(ls_node *entry, const char *what, const char **name)
{
    if (entry->kind == LS_NODE_SCALAR && !ls_node_is_null(entry)) {
        char *text = entry->text;
        LS_TRY(push_down(entry, text, LS_NODE_MAP, NULL, false));
        ls_free(text);
    }
    LS_REQUIRE(entry->kind == LS_NODE_MAP && entry->n == 1, LS_EUSAGE,
               "%s: a %s is a name or one 'name: options' (indent the options below the name)", AT(entry), what);
    *name = entry->child[0]->key;
    return LS_OK;
}

ls_status ls_entry_read(ls_node *entry, const ls_option *table, size_t size, const char *shorthand, void **out)
{
    static const ls_option no_options[] = {{0}};
    ls_node *value = entry->child[0];
    if (ls_node_is_null(value)) {
        ls_free(value->text);
        value->text = NULL;
        value->kind = LS_NODE_MAP;
    } else if (value->kind != LS_NODE_MAP) {
        LS_REQUIRE(shorthand != NULL, LS_EUSAGE, "%s: '%s' takes options as 'name: {key: value}'", AT(value),
                   value->key);
        LS_TRY(push_down(value, shorthand, value->kind, value->text, value->quoted));
    }
    *out = ls_calloc(1, size > 0 ? size : 1);
    LS_REQUIRE(*out != NULL, LS_ENOMEM, "out of memory");
    const ls_status status = ls_options_read(table ? table : no_options, value, value->key, *out);
    if (status == LS_OK) return LS_OK;
    ls_free(*out);
    *out = NULL;
    return status;
}

ls_status ls_entry_unknown(const ls_node *entry, const char *what, const char *name, const char *const *names, int n)
{
    const int near = ls_nearest_name(name, names, n);
    LS_REQUIRE(near < 0, LS_EUSAGE, "%s: unknown %s '%s'; did you mean '%s'?", AT(entry), what, name, names[near]);
    ls_text known = {0};
    for (int i = 0; i < n; i++) ls_text_printf(&known, "%s%s", i ? ", " : "", names[i]);
    const ls_status status = ls_status_fail(LS_EUSAGE, __FILE__, __LINE__, "%s: unknown %s '%s'; known: %s", AT(entry),
                                            what, name, known.data ? known.data : "");
    ls_text_free(&known);
    return status;
}
