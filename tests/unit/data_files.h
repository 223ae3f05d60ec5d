/** For tests of data readers: files in a temporary directory, and data sets opened from one line of YAML. */
#ifndef LOCKSTEP_TEST_DATA_FILES_H
#define LOCKSTEP_TEST_DATA_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/node.h"
#include "lockstep/dataset.h"
#include "unit/directory.h"

static inline const char *test_path(const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", test_directory, name);
    return out;
}

static inline void put_bytes(const char *name, const void *bytes, size_t n)
{
    char path[128];
    FILE *file = fopen(test_path(name, path), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static inline void put_text(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

static inline void put_gzip(const char *name, const void *bytes, size_t n)
{
    char path[128];
    gzFile file = gzopen(test_path(name, path), "wb9");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)n), (int)n);
    assert_int_equal(gzclose(file), Z_OK);
}

/** Bytes of a file of at most `capacity`. */
static inline size_t get_bytes(const char *name, uint8_t *out, size_t capacity)
{
    char path[128];
    FILE *file = fopen(test_path(name, path), "rb");
    assert_non_null(file);
    const size_t n = fread(out, 1, capacity, file);
    fclose(file);
    return n;
}

typedef struct loaded {
    ls_node *spec;
    ls_dataset_source *source;
    void *block;
    ls_dataset set;
} loaded;

/** Parses and opens; what is left is owned by *l also after a failure. */
static inline ls_status open_source(loaded *l, const char *yaml)
{
    *l = (loaded){0};
    assert_int_equal(ls_node_parse(yaml, strlen(yaml), "test.yaml", &l->spec), LS_OK);
    return ls_dataset_open(l->spec, test_directory, NULL, &l->source);
}

static inline ls_status load_source(loaded *l)
{
    size_t features, labels;
    LS_TRY(ls_dataset_bytes(ls_dataset_source_info(l->source), &features, &labels));
    ls_free(l->block);
    l->block = ls_calloc(features + labels, 1);
    assert_non_null(l->block);
    void *behind = (char *)l->block + features;
    LS_TRY(ls_dataset_load(l->source, l->block, behind));
    ls_dataset_attach(ls_dataset_source_info(l->source), l->block, behind, &l->set);
    return LS_OK;
}

static inline void close_set(loaded *l)
{
    ls_dataset_source_destroy(&l->source);
    ls_node_destroy(&l->spec);
    ls_free(l->block);
    *l = (loaded){0};
}

static inline loaded load_set(const char *yaml)
{
    loaded l;
    ls_status status = open_source(&l, yaml);
    if (status == LS_OK) status = load_source(&l);
    if (status != LS_OK) fail_msg("%s: %s", yaml, ls_status_message());
    return l;
}

static inline void assert_message(const char *word)
{
    if (strstr(ls_status_message(), word) == NULL) fail_msg("no '%s' in: %s", word, ls_status_message());
}

/** Opening or loading fails with this status and with both words in the message. */
static inline void assert_refused(const char *yaml, ls_status expected, const char *word, const char *other)
{
    loaded l;
    ls_status status = open_source(&l, yaml);
    if (status != LS_OK) assert_null(l.source);
    if (status == LS_OK) status = load_source(&l);
    if (status != expected) fail_msg("%s: status %d: %s", yaml, status, ls_status_message());
    assert_message(word);
    assert_message(other);
    close_set(&l);
}

/** The same while opening, before the caller allocates anything. */
static inline void assert_not_opened(const char *yaml, ls_status expected, const char *word, const char *other)
{
    loaded l;
    const ls_status status = open_source(&l, yaml);
    if (status != expected) fail_msg("%s: status %d: %s", yaml, status, ls_status_message());
    assert_message(word);
    assert_message(other);
    close_set(&l);
}

#endif
