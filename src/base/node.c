#include "base/node.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"

enum { MAX_DEPTH = 32, MAX_NODES = 100000, MAX_KEYS = 1024 };

typedef struct reader {
    yaml_parser_t yaml;
    const char *bytes, *source;
    size_t n_bytes;
    int n_nodes;
} reader;

/* Where the parser found an error.  Of a byte that is no text it knows the offset alone. */
static yaml_mark_t problem_place(const reader *r)
{
    yaml_mark_t at = r->yaml.problem_mark;
    if (r->yaml.error != YAML_READER_ERROR) return at;
    at = (yaml_mark_t){0};
    for (size_t i = 0; i < r->yaml.problem_offset && i < r->n_bytes; i++) {
        at.column++;
        if (r->bytes[i] == '\n') at.line++, at.column = 0;
    }
    return at;
}

static ls_status next_event(reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->yaml, event)) return LS_OK;
    const yaml_mark_t at = problem_place(r);
    LS_FAIL(r->yaml.error == YAML_MEMORY_ERROR ? LS_ENOMEM : LS_EUSAGE, "%s:%zu:%zu: not valid YAML: %s", r->source,
            at.line + 1, at.column + 1, r->yaml.problem ? r->yaml.problem : "unreadable");
}

static ls_node *node_new(reader *r, const yaml_event_t *event, ls_node_kind kind)
{
    ls_node *node = ls_calloc(1, sizeof *node);
    if (node == NULL) return NULL;
    *node = (ls_node){.kind = kind,
                      .source = r->source,
                      .line = (int)event->start_mark.line + 1,
                      .column = (int)event->start_mark.column + 1};
    return node;
}

static ls_status append(ls_node *parent, ls_node *child)
{
    if ((parent->n & (parent->n - 1)) == 0) { /* sizes 0, 1, 2, 4, ...: grow */
        const size_t old_n = (size_t)parent->n, n = old_n == 0 ? 1 : 2 * old_n;
        ls_node **grown = ls_realloc(parent->child, old_n, n, sizeof *grown);
        LS_REQUIRE(grown != NULL, LS_ENOMEM, "out of memory for a configuration");
        parent->child = grown;
    }
    parent->child[parent->n++] = child;
    return LS_OK;
}

static ls_status read_value(reader *r, const yaml_event_t *event, int depth, ls_node **out);

static bool has_anchor(const yaml_event_t *event)
{
    return (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor != NULL) ||
           (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor != NULL) ||
           (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor != NULL);
}

/* What keys and values have in common. */
static ls_status check_event(const reader *r, const yaml_event_t *event)
{
    const size_t line = event->start_mark.line + 1, column = event->start_mark.column + 1;
    LS_REQUIRE(event->type != YAML_ALIAS_EVENT, LS_EUSAGE,
               "%s:%zu:%zu: aliases (*name) are not supported; write the value out, or quote a text with '*'",
               r->source, line, column);
    LS_REQUIRE(!has_anchor(event), LS_EUSAGE, "%s:%zu:%zu: anchors (&name) are not supported; quote a text with '&'",
               r->source, line, column);
    LS_REQUIRE(event->type != YAML_SCALAR_EVENT ||
                   strlen((const char *)event->data.scalar.value) == event->data.scalar.length,
               LS_EUSAGE, "%s:%zu:%zu: a text with a zero byte", r->source, line, column);
    return LS_OK;
}

static ls_status read_scalar(reader *r, const yaml_event_t *event, ls_node **out)
{
    const char *bytes = (const char *)event->data.scalar.value;
    ls_node *node = *out = node_new(r, event, LS_NODE_SCALAR);
    LS_REQUIRE(node != NULL && (node->text = ls_strdup(bytes)) != NULL, LS_ENOMEM, "out of memory for a configuration");
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return LS_OK;
}

/* Reads the key that `event` holds, then its value, into `map`. */
static ls_status read_pair(reader *r, const yaml_event_t *event, int depth, ls_node *map)
{
    const size_t line = event->start_mark.line + 1, column = event->start_mark.column + 1;
    LS_TRY(check_event(r, event));
    LS_REQUIRE(event->type == YAML_SCALAR_EVENT, LS_EUSAGE, "%s:%zu:%zu: a key must be plain text", r->source, line,
               column);
    LS_REQUIRE(map->n < MAX_KEYS, LS_EUSAGE, "%s:%zu:%zu: more than %d keys", r->source, line, column, MAX_KEYS);
    const char *key = (const char *)event->data.scalar.value;
    LS_REQUIRE(ls_node_child(map, key) == NULL, LS_EUSAGE,
               "%s:%zu:%zu: the key '%s' stands here twice; keep one of them", r->source, line, column, key);
    yaml_event_t value;
    LS_TRY(next_event(r, &value));
    ls_node *child = NULL;
    ls_status status = read_value(r, &value, depth + 1, &child);
    yaml_event_delete(&value);
    if (status == LS_OK && (child->key = ls_strdup(key)) == NULL)
        status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a configuration");
    if (status == LS_OK) status = append(map, child);
    if (status != LS_OK) ls_node_destroy(&child);
    if (status == LS_OK) child->line = (int)line, child->column = (int)column;
    return status;
}

static ls_status read_item(reader *r, const yaml_event_t *event, int depth, ls_node *list)
{
    ls_node *child = NULL;
    ls_status status = read_value(r, event, depth + 1, &child);
    if (status == LS_OK) status = append(list, child);
    if (status != LS_OK) ls_node_destroy(&child);
    return status;
}

static ls_status read_children(reader *r, int depth, ls_node *parent)
{
    const yaml_event_type_t end = parent->kind == LS_NODE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    for (;;) {
        yaml_event_t event;
        LS_TRY(next_event(r, &event));
        const bool done = event.type == end;
        ls_status status = LS_OK;
        if (!done) status = (parent->kind == LS_NODE_MAP ? read_pair : read_item)(r, &event, depth, parent);
        yaml_event_delete(&event);
        if (done || status != LS_OK) return status;
    }
}

static ls_status read_value(reader *r, const yaml_event_t *event, int depth, ls_node **out)
{
    const size_t line = event->start_mark.line + 1, column = event->start_mark.column + 1;
    LS_REQUIRE(depth <= MAX_DEPTH, LS_EUSAGE, "%s:%zu:%zu: nested deeper than %d", r->source, line, column, MAX_DEPTH);
    LS_REQUIRE(++r->n_nodes <= MAX_NODES, LS_EUSAGE, "%s:%zu:%zu: more than %d values", r->source, line, column,
               MAX_NODES);
    LS_TRY(check_event(r, event));
    if (event->type == YAML_SCALAR_EVENT) return read_scalar(r, event, out);
    *out = node_new(r, event, event->type == YAML_MAPPING_START_EVENT ? LS_NODE_MAP : LS_NODE_LIST);
    LS_REQUIRE(*out != NULL, LS_ENOMEM, "out of memory for a configuration");
    return read_children(r, depth, *out);
}

/* stream start, [document start, value, document end], stream end */
static ls_status read_document(reader *r, ls_node **out)
{
    for (;;) {
        yaml_event_t event;
        LS_TRY(next_event(r, &event));
        const yaml_event_type_t type = event.type;
        ls_status status = LS_OK;
        if (type == YAML_DOCUMENT_START_EVENT && *out != NULL)
            status = ls_status_fail(
                LS_EUSAGE, __FILE__, __LINE__,
                "%s:%zu: a second document begins here; a file holds one: remove this line and what follows", r->source,
                event.start_mark.line + 1);
        else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
                 type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT)
            status = read_value(r, &event, 0, out);
        yaml_event_delete(&event);
        if (status != LS_OK || type == YAML_STREAM_END_EVENT) return status;
    }
}

ls_status ls_node_parse(const char *bytes, size_t n, const char *source, ls_node **out)
{
    *out = NULL;
    char *name = ls_strdup(source);
    reader r = {.source = name, .bytes = bytes, .n_bytes = n};
    LS_REQUIRE(name != NULL && yaml_parser_initialize(&r.yaml), LS_ENOMEM, "out of memory for a configuration");
    yaml_parser_set_input_string(&r.yaml, (const unsigned char *)bytes, n);
    ls_node *root = NULL;
    ls_status status = read_document(&r, &root);
    yaml_parser_delete(&r.yaml);
    if (status == LS_OK && root == NULL) {
        root = node_new(&r, &(yaml_event_t){0}, LS_NODE_MAP);
        if (root == NULL) status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a configuration");
    }
    if (status != LS_OK) {
        ls_node_destroy(&root);
        ls_free(name);
        return status;
    }
    root->owned_source = name;
    *out = root;
    return LS_OK;
}

void ls_node_destroy(ls_node **node)
{
    if (node == NULL || *node == NULL) return;
    ls_node *n = *node;
    for (int i = 0; i < n->n; i++) ls_node_destroy(&n->child[i]);
    ls_free(n->child);
    ls_free(n->key);
    ls_free(n->text);
    ls_free(n->owned_source);
    ls_free(n);
    *node = NULL;
}

ls_node *ls_node_child(const ls_node *map, const char *key)
{
    if (map == NULL || map->kind != LS_NODE_MAP) return NULL;
    for (int i = 0; i < map->n; i++)
        if (strcmp(map->child[i]->key, key) == 0) return map->child[i];
    return NULL;
}

/* Splits the first part off a dotted path; false when it is empty or too long. */
static bool path_head(const char **path, char head[64])
{
    const char *dot = strchr(*path, '.');
    const size_t n = dot ? (size_t)(dot - *path) : strlen(*path);
    if (n == 0 || n >= 64 || (dot != NULL && dot[1] == 0)) return false;
    memcpy(head, *path, n);
    head[n] = 0;
    *path = dot ? dot + 1 : *path + n;
    return true;
}

ls_node *ls_node_at(const ls_node *root, const char *path)
{
    char head[64];
    const ls_node *at = root;
    while (at != NULL && *path != 0) at = path_head(&path, head) ? ls_node_child(at, head) : NULL;
    return (ls_node *)at;
}

static ls_status put_child(ls_node *map, ls_node *child)
{
    for (int i = 0; i < map->n; i++)
        if (strcmp(map->child[i]->key, child->key) == 0) {
            ls_node_destroy(&map->child[i]);
            map->child[i] = child;
            return LS_OK;
        }
    return append(map, child);
}

ls_status ls_node_put(ls_node *root, const char *path, const char *yaml, const char *source)
{
    ls_node *value = NULL, *at = root;
    LS_TRY(ls_node_parse(yaml, strlen(yaml), source, &value));
    if (yaml[strspn(yaml, " ")] == 0) { /* an empty value is null, not an empty map */
        ls_node_destroy(&value);
        LS_TRY(ls_node_parse("~", 1, source, &value));
    }
    char head[64];
    const char *rest = path;
    ls_status status = path_head(&rest, head) ? LS_OK : LS_EUSAGE;
    while (status == LS_OK && *rest != 0) {
        ls_node *next = ls_node_child(at, head);
        if (next == NULL) {
            status = ls_node_put(at, head, "{}", source);
            next = ls_node_child(at, head);
        }
        if (status == LS_OK && (next == NULL || next->kind != LS_NODE_MAP)) status = LS_EUSAGE;
        at = next;
        if (status == LS_OK && !path_head(&rest, head)) status = LS_EUSAGE;
    }
    if (status == LS_OK) status = (value->key = ls_strdup(head)) != NULL ? put_child(at, value) : LS_ENOMEM;
    if (status == LS_OK) return LS_OK;
    ls_node_destroy(&value);
    LS_REQUIRE(status == LS_EUSAGE, LS_ENOMEM, "out of memory for a configuration");
    LS_FAIL(status, "%s: '%s' is not a path of keys (a list is set whole, as in --set 'model=[...]')", source, path);
}

bool ls_node_is_null(const ls_node *node)
{
    return node->kind == LS_NODE_SCALAR && !node->quoted &&
           (node->text[0] == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

bool ls_node_real(const ls_node *node, double *out)
{
    if (node->kind != LS_NODE_SCALAR || node->quoted) return false;
    const char *text = node->text;
    if (!isdigit((unsigned char)text[0]) && strchr("+-.", text[0]) == NULL) return false;
    if (text[strspn(text, "+-.0123456789eE")] != 0) return false;
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end != 0 || !isfinite(value)) return false;
    *out = value;
    return true;
}

bool ls_node_equal(const ls_node *a, const ls_node *b)
{
    if (a == NULL || b == NULL) return a == b;
    if (a->kind != b->kind || a->n != b->n) return false;
    if (a->kind == LS_NODE_SCALAR) {
        double x, y;
        if (ls_node_real(a, &x) && ls_node_real(b, &y)) return x == y;
        if (ls_node_is_null(a) || ls_node_is_null(b)) return ls_node_is_null(a) && ls_node_is_null(b);
        return strcmp(a->text, b->text) == 0;
    }
    for (int i = 0; i < a->n; i++) {
        const ls_node *other = a->kind == LS_NODE_LIST ? b->child[i] : ls_node_child(b, a->child[i]->key);
        if (!ls_node_equal(a->child[i], other)) return false;
    }
    return true;
}

static void scalar_json(const ls_node *node, ls_text *out)
{
    double value;
    if (ls_node_is_null(node))
        ls_text_add(out, "null", 4);
    else if (ls_node_real(node, &value))
        ls_text_json_real(out, value);
    else if (!node->quoted && (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0))
        ls_text_add(out, node->text, strlen(node->text));
    else
        ls_text_json_string(out, node->text);
}

void ls_node_json(const ls_node *node, ls_text *out)
{
    if (node->kind == LS_NODE_SCALAR) {
        scalar_json(node, out);
        return;
    }
    const bool map = node->kind == LS_NODE_MAP;
    ls_text_add(out, map ? "{" : "[", 1);
    for (int i = 0; i < node->n; i++) {
        if (i > 0) ls_text_add(out, ", ", 2);
        if (map) ls_text_json_string(out, node->child[i]->key);
        if (map) ls_text_add(out, ": ", 2);
        ls_node_json(node->child[i], out);
    }
    ls_text_add(out, map ? "}" : "]", 1);
}

const char *ls_node_place(const ls_node *node, char *out, size_t n)
{
    if (node->line > 0 && node->source != NULL && strncmp(node->source, "--", 2) != 0)
        snprintf(out, n, "%s:%d:%d", node->source, node->line, node->column);
    else
        snprintf(out, n, "%s", node->source ? node->source : "configuration");
    return out;
}
