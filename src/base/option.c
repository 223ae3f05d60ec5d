#include "base/option.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { PLACE = 256, MAX_NAME = 64, MAX_NAMES = 256 };

#define AT(node) ls_node_place(node, (char[PLACE]){0}, PLACE)

/* Levenshtein distance, at most MAX_NAME characters of each. */
static int edit_distance(const char *a, const char *b)
{
    int row[MAX_NAME + 1];
    const int n = (int)strnlen(b, MAX_NAME);
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; i <= MAX_NAME && a[i - 1] != 0; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            const int replace = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            const int shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = replace < shift ? replace : shift;
        }
    }
    return row[n];
}

int ls_nearest_name(const char *text, const char *const *names, int n)
{
    int best = -1, best_distance = (int)strnlen(text, MAX_NAME) / 3 + 3;
    for (int i = 0; i < n; i++) {
        const int distance = edit_distance(text, names[i]);
        if (distance < best_distance) best = i, best_distance = distance;
    }
    return best;
}

const ls_option *ls_option_find(const ls_option *table, const char *key)
{
    for (const ls_option *row = table; row->key != NULL; row++)
        if (strcmp(row->key, key) == 0) return row;
    return NULL;
}

static bool is_section(const ls_option *table, const char *path)
{
    const size_t n = strlen(path);
    for (const ls_option *row = table; row->key != NULL; row++)
        if (strncmp(row->key, path, n) == 0 && row->key[n] == '.') return true;
    return false;
}

/* Fails for a key that no row has, naming the nearest full key, or the key of any section with the same last part. */
static ls_status unknown_key(const ls_option *table, const ls_node *node, const char *path, const char *what)
{
    const char *names[MAX_NAMES];
    int n = 0, best = -1;
    const char *last = strrchr(path, '.') ? strrchr(path, '.') + 1 : path;
    for (const ls_option *row = table; row->key != NULL && n < MAX_NAMES; row++) {
        const char *dot = strrchr(row->key, '.');
        if (best < 0 && strcmp(dot ? dot + 1 : row->key, last) == 0) best = n;
        names[n++] = row->key;
    }
    if (best < 0) best = ls_nearest_name(path, names, n);
    LS_REQUIRE(best < 0, LS_EUSAGE, "%s: unknown key '%s' in %s; did you mean '%s'?", AT(node), path, what,
               names[best]);
    ls_text all = {0};
    for (int i = 0; i < n && i < 20; i++) ls_text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    if (n > 20) ls_text_printf(&all, ", ...");
    const ls_status status = ls_status_fail(LS_EUSAGE, __FILE__, __LINE__, "%s: unknown key '%s' in %s; known: %s",
                                            AT(node), path, what, n > 0 && all.data ? all.data : "none");
    ls_text_free(&all);
    return status;
}

/* `target: ~` is a section without keys. */
static void clear_section(ls_node *node)
{
    ls_free(node->text);
    node->text = NULL;
    node->kind = LS_NODE_MAP;
}

static ls_status check_keys(const ls_option *table, const ls_node *map, const char *prefix, const char *what)
{
    for (int i = 0; i < map->n; i++) {
        ls_node *child = map->child[i];
        char path[256];
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", child->key);
        const bool known = ls_option_find(table, path) != NULL;
        if (!known && !is_section(table, path)) return unknown_key(table, child, path, what);
        LS_REQUIRE(strchr(child->key, '.') == NULL, LS_EUSAGE,
                   "%s: '%s' with its dots is for --set; here write '%.*s:' and the rest indented below it", AT(child),
                   child->key, (int)strcspn(child->key, "."), child->key);
        if (known) continue;
        if (ls_node_is_null(child)) clear_section(child);
        LS_REQUIRE(child->kind == LS_NODE_MAP, LS_EUSAGE, "%s: '%s' holds keys of its own, as in '%s: {...}'",
                   AT(child), path, path);
        LS_TRY(check_keys(table, child, path, what));
    }
    return LS_OK;
}

/* What stands in a value's place, for messages. */
static const char *found(const ls_node *node)
{
    if (node->kind == LS_NODE_SCALAR) return node->text;
    return node->kind == LS_NODE_MAP ? "keys and values" : "a list";
}

static ls_status read_bool(const ls_option *row, const ls_node *node, bool *out)
{
    *out = node->kind == LS_NODE_SCALAR && strcmp(node->text, "true") == 0;
    LS_REQUIRE(*out || (node->kind == LS_NODE_SCALAR && strcmp(node->text, "false") == 0), LS_EUSAGE,
               "%s: '%s' must be true or false, not %s", AT(node), row->key, found(node));
    return LS_OK;
}

static ls_status read_number(const ls_option *row, const ls_node *node, double *out)
{
    const bool whole = row->kind == LS_OPTION_INT;
    const char *kind = whole ? "a whole number" : "a number", *or_auto = row->automatic ? " or auto" : "";
    LS_REQUIRE(ls_node_real(node, out) && (!whole || *out == floor(*out)), LS_EUSAGE, "%s: '%s' must be %s%s%s%s%s",
               AT(node), row->key, kind, or_auto, node->kind == LS_NODE_SCALAR ? ", not '" : "",
               node->kind == LS_NODE_SCALAR ? node->text : "", node->kind == LS_NODE_SCALAR ? "'" : "");
    const bool inside = (row->above_min ? *out > row->min : *out >= row->min) && *out <= row->max;
    LS_REQUIRE(inside, LS_EUSAGE, "%s: '%s' is %s; allowed: %s %.16g to %.16g%s", AT(node), row->key, node->text,
               row->above_min ? "above" : "from", row->min, row->max, or_auto);
    return LS_OK;
}

static ls_status read_choice(const ls_option *row, const ls_node *node, int *out)
{
    int n = 0;
    for (; row->choices[n] != NULL; n++)
        if (node->kind == LS_NODE_SCALAR && strcmp(node->text, row->choices[n]) == 0) {
            *out = n;
            return LS_OK;
        }
    char known[256] = "";
    for (int i = 0; i < n; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", row->choices[i]);
    LS_FAIL(LS_EUSAGE, "%s: '%s' must be one of: %s; not %s", AT(node), row->key, known, found(node));
}

static bool may_be_null(const ls_option *row, const ls_node *node)
{
    return row->fallback != NULL && row->fallback[0] == '~' && ls_node_is_null(node);
}

static ls_status read_row(const ls_option *row, ls_node *node, void *out)
{
    void *at = (char *)out + row->offset;
    double number;
    switch (row->kind) {
    case LS_OPTION_BOOL:
        return read_bool(row, node, at);
    case LS_OPTION_CHOICE:
        return read_choice(row, node, at);
    case LS_OPTION_INT:
        if (may_be_null(row, node) ||
            (row->automatic && node->kind == LS_NODE_SCALAR && strcmp(node->text, "auto") == 0)) {
            *(int64_t *)at = LS_AUTO;
            return LS_OK;
        }
        LS_TRY(read_number(row, node, &number));
        *(int64_t *)at = (int64_t)number;
        return LS_OK;
    case LS_OPTION_REAL:
        if (may_be_null(row, node)) {
            *(double *)at = NAN;
            return LS_OK;
        }
        LS_TRY(read_number(row, node, &number));
        *(double *)at = number;
        return LS_OK;
    case LS_OPTION_TEXT:
        LS_REQUIRE(node->kind == LS_NODE_SCALAR, LS_EUSAGE, "%s: '%s' must be a text", AT(node), row->key);
        *(const char **)at = ls_node_is_null(node) ? NULL : node->text;
        node->quoted = !ls_node_is_null(node);
        return LS_OK;
    case LS_OPTION_NODE:
        *(ls_node **)at = ls_node_is_null(node) ? NULL : node;
        return LS_OK;
    }
    LS_FAIL(LS_EINTERNAL, "option '%s' has no kind", row->key);
}

static ls_status read_rows(const ls_option *table, ls_node *node, const char *what, void *out)
{
    for (const ls_option *row = table; row->key != NULL; row++) {
        ls_node *value = ls_node_at(node, row->key);
        if (value == NULL) {
            LS_REQUIRE(row->fallback != NULL, LS_EUSAGE, "%s: %s needs the key '%s' (%s)", AT(node), what, row->key,
                       row->help);
            LS_TRY(ls_node_put(node, row->key, row->fallback, "default"));
            value = ls_node_at(node, row->key);
        }
        LS_TRY(read_row(row, value, out));
    }
    return LS_OK;
}

ls_status ls_options_read(const ls_option *table, ls_node *node, const char *what, void *out)
{
    LS_REQUIRE(node->kind == LS_NODE_MAP, LS_EUSAGE, "%s: %s must be keys and values", AT(node), what);
    LS_TRY(check_keys(table, node, "", what));
    return read_rows(table, node, what, out);
}

ls_status ls_options_read_two(const ls_option *table, void *out, const ls_option *more, void *more_out, ls_node *node,
                              const char *what)
{
    ls_option joined[MAX_NAMES + 1];
    int n = 0;
    for (const ls_option *row = table; row->key != NULL && n < MAX_NAMES; row++) joined[n++] = *row;
    for (const ls_option *row = more; row->key != NULL && n < MAX_NAMES; row++) joined[n++] = *row;
    joined[n] = (ls_option){0};
    LS_REQUIRE(node->kind == LS_NODE_MAP, LS_EUSAGE, "%s: %s must be keys and values", AT(node), what);
    LS_TRY(check_keys(joined, node, "", what));
    LS_TRY(read_rows(table, node, what, out));
    return read_rows(more, node, what, more_out);
}

ls_status ls_reals_read(const ls_node *node, const char *what, int64_t capacity, double *values, int64_t *n)
{
    *n = 0;
    if (node == NULL) return LS_OK;
    const bool list = node->kind == LS_NODE_LIST;
    const int64_t count = list ? node->n : 1;
    LS_REQUIRE(node->kind != LS_NODE_MAP && count <= capacity, LS_EUSAGE,
               "%s: '%s' must be a number or a list of at most %" PRId64 " numbers", AT(node), what, capacity);
    for (int64_t i = 0; i < count; i++)
        LS_REQUIRE(ls_node_real(list ? node->child[i] : node, &values[i]), LS_EUSAGE,
                   "%s: '%s' must be a number or a list of numbers", AT(node), what);
    *n = count;
    return LS_OK;
}

void ls_option_type(const ls_option *row, ls_text *out)
{
    static const char *const names[] = {"true|false", "integer", "number", "text", "", "keys of its own"};
    if (row->choices != NULL) {
        for (int i = 0; row->choices[i] != NULL; i++) ls_text_printf(out, "%s%s", i ? "|" : "", row->choices[i]);
        return;
    }
    ls_text_printf(out, "%s", names[row->kind]);
    if (row->kind != LS_OPTION_INT && row->kind != LS_OPTION_REAL) return;
    ls_text_printf(out, row->above_min ? " > %.12g" : " >= %.12g", row->min);
    if (row->max < LS_OPTION_MAX) ls_text_printf(out, " <= %.12g", row->max);
    if (row->automatic) ls_text_printf(out, ", auto");
}

void ls_options_print(const ls_option *table, const char *indent, ls_text *out)
{
    static const char *const classes[] = {"identity", "extend", "free"};
    for (const ls_option *row = table; row->key != NULL; row++) {
        ls_text_printf(out, "%s%-28s ", indent, row->key);
        ls_option_type(row, out);
        ls_text_printf(out, "; %s%s; %s\n%s    %s\n", row->fallback ? "default " : "required",
                       row->fallback ? row->fallback : "", classes[row->resume], indent, row->help);
    }
}
