/** A YAML document as a tree of nodes, each knowing where it was written.
 *
 * Read by libyaml; refused: duplicate keys, aliases and anchors, nesting deeper than 32, more than 100000 values or
 * 1024 keys of a map, more than one document, keys that are not plain text.  Not collective.  Errors are LS_EUSAGE and
 * begin with "file:line:column: ". */
#ifndef LOCKSTEP_BASE_NODE_H
#define LOCKSTEP_BASE_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "lockstep/status.h"

typedef enum ls_node_kind { LS_NODE_SCALAR, LS_NODE_LIST, LS_NODE_MAP } ls_node_kind;

typedef struct ls_node {
    ls_node_kind kind;
    bool quoted; /* a scalar that is text whatever it looks like */
    char *key;   /* in a map; else NULL */
    char *text;  /* of a scalar */
    struct ls_node **child;
    int n;              /* children */
    const char *source; /* file name or flag; static or owned by the root */
    int line, column;   /* from 1; 0: not from a file */
    char *owned_source; /* of a root */
} ls_node;

/** Parses n bytes as one YAML document; an empty one gives an empty map.  The caller destroys the tree. */
ls_status ls_node_parse(const char *bytes, size_t n, const char *source, ls_node **out);
void ls_node_destroy(ls_node **node);

/** Child of a map by key; NULL when absent or not a map. */
ls_node *ls_node_child(const ls_node *map, const char *key);

/** Node at a dotted path below a map; NULL when absent. */
ls_node *ls_node_at(const ls_node *root, const char *path);

/** Puts the YAML value `yaml` at a dotted path, making maps on the way and replacing what stood there.  `source` names
 *  it in messages and must outlive the tree. */
ls_status ls_node_put(ls_node *root, const char *path, const char *yaml, const char *source);

/** True for a scalar that is empty, ~ or null, not quoted. */
bool ls_node_is_null(const ls_node *node);

/** A scalar as number; false when it is quoted or not a finite number, and *out is left alone. */
bool ls_node_real(const ls_node *node, double *out);

/** Same shape and same values: numbers compare as numbers, maps by key. */
bool ls_node_equal(const ls_node *a, const ls_node *b);

/** Adds the node as JSON (which is YAML too): numbers, true, false and null plain, all else quoted. */
void ls_node_json(const ls_node *node, ls_text *out);

/** "file:line:column" of a node, or its source alone; into out, which is returned. */
const char *ls_node_place(const ls_node *node, char *out, size_t n);

#endif
