#include "lockstep/dataset.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "data/reader.h"

enum { PLACE = 256 };

#define AT(node) ls_node_place(node, (char[PLACE]){0}, PLACE)

typedef struct common_options {
    int format;
    double limit; /* not a number: all */
} common_options;

static const ls_option common_table[] = {{.key = "format",
                                          .kind = LS_OPTION_CHOICE,
                                          .offset = offsetof(common_options, format),
                                          .choices = ls__reader_names,
                                          .help = "how the samples are stored"},
                                         {.key = "limit",
                                          .kind = LS_OPTION_REAL,
                                          .offset = offsetof(common_options, limit),
                                          .fallback = "~",
                                          .min = 1,
                                          .max = LS_OPTION_MAX,
                                          .help = "use the first samples only, so many; null: all"},
                                         {0}};

/* Where the reader's options begin behind the common ones. */
enum { READER_OFFSET = (sizeof(common_options) + 15) / 16 * 16 };

struct ls_dataset_source {
    const ls_reader_ops *reader;
    ls_dataset_info info;
    char *options; /* common_options, then the reader's own */
    void *state;
};

static ls_status find_reader(const ls_node *spec, const ls_reader_ops **out)
{
    const ls_node *format = ls_node_child(spec, "format");
    LS_REQUIRE(spec->kind == LS_NODE_MAP && format != NULL && format->kind == LS_NODE_SCALAR, LS_EUSAGE,
               "%s: a data set needs the key 'format', as in {format: idx, images: ...}", AT(spec));
    int n = 0;
    for (; ls__readers[n] != NULL; n++)
        if (strcmp(ls__reader_names[n], format->text) == 0) {
            *out = ls__readers[n];
            return LS_OK;
        }
    ls_text known = {0};
    for (int i = 0; i < n; i++) ls_text_printf(&known, "%s%s", i ? ", " : "", ls__reader_names[i]);
    const int nearest = ls_nearest_name(format->text, ls__reader_names, n);
    const ls_status status = ls_status_fail(
        LS_EUSAGE, __FILE__, __LINE__, "%s: unknown data format '%s'%s%s%s; known: %s", AT(format), format->text,
        nearest < 0 ? "" : "; did you mean '", nearest < 0 ? "" : ls__reader_names[nearest], nearest < 0 ? "" : "'?",
        known.data != NULL ? known.data : "");
    ls_text_free(&known);
    return status;
}

static size_t count_rows(const ls_option *table)
{
    size_t n = 0;
    while (table != NULL && table[n].key != NULL) n++;
    return n;
}

/* One table of the common rows and the reader's, as ls_options_read refuses keys that its table has not. */
static ls_status read_options(ls_node *spec, const ls_reader_ops *reader, char *out)
{
    const size_t n_common = count_rows(common_table), n_own = count_rows(reader->options);
    ls_option *table = ls_calloc(n_common + n_own + 1, sizeof *table);
    LS_REQUIRE(table != NULL, LS_ENOMEM, "out of memory for options");
    memcpy(table, common_table, n_common * sizeof *table);
    if (n_own > 0) memcpy(table + n_common, reader->options, n_own * sizeof *table);
    for (size_t i = n_common; i < n_common + n_own; i++) table[i].offset += READER_OFFSET;
    char what[64];
    snprintf(what, sizeof what, "data format %s", reader->name);
    const ls_status status = ls_options_read(table, spec, what, out);
    ls_free(table);
    return status;
}

static ls_status apply_limit(const ls_node *spec, double limit, ls_dataset_info *info)
{
    if (isnan(limit)) return LS_OK;
    const ls_node *node = ls_node_child(spec, "limit");
    LS_REQUIRE(limit == floor(limit), LS_EUSAGE, "%s: 'limit' must be a whole number, not '%s'", AT(node), node->text);
    LS_REQUIRE((int64_t)limit <= info->n_samples, LS_EUSAGE, "%s: 'limit' is %s; the data set has %" PRId64 " samples",
               AT(node), node->text, info->n_samples);
    info->n_samples = (int64_t)limit;
    return LS_OK;
}

static ls_status open_source(ls_node *spec, const ls_reader_paths *paths, ls_dataset_source *s)
{
    LS_TRY(find_reader(spec, &s->reader));
    s->options = ls_calloc(READER_OFFSET + s->reader->options_size, 1);
    LS_REQUIRE(s->options != NULL, LS_ENOMEM, "out of memory for options");
    LS_TRY(read_options(spec, s->reader, s->options));
    const ls_status status = s->reader->open(s->options + READER_OFFSET, paths, &s->info, &s->state);
    if (status == LS_EUSAGE) return ls_status_prefix(status, "%s", AT(spec));
    LS_TRY(status);
    LS_TRY(apply_limit(spec, ((const common_options *)s->options)->limit, &s->info));
    size_t features, labels;
    return ls_dataset_bytes(&s->info, &features, &labels);
}

ls_status ls_dataset_open(ls_node *spec, const char *config_directory, const char *data_directory,
                          ls_dataset_source **out)
{
    *out = NULL;
    ls_dataset_source *source = ls_calloc(1, sizeof *source);
    LS_REQUIRE(source != NULL, LS_ENOMEM, "out of memory for a data source");
    const ls_reader_paths paths = {config_directory, data_directory};
    const ls_status status = open_source(spec, &paths, source);
    if (status != LS_OK) ls_dataset_source_destroy(&source);
    *out = source;
    return status;
}

const ls_dataset_info *ls_dataset_source_info(const ls_dataset_source *source)
{
    return &source->info;
}

void ls_dataset_source_destroy(ls_dataset_source **source)
{
    if (source == NULL || *source == NULL) return;
    ls_dataset_source *s = *source;
    if (s->state != NULL) s->reader->close(s->state);
    ls_free(s->options);
    ls_free(s);
    *source = NULL;
}

/* n * count * size bytes; false when they overflow or a factor is negative. */
static bool array_bytes(int64_t n, int64_t count, size_t size, size_t *out)
{
    return n >= 0 && count >= 0 && ls_mul_size((size_t)n, (size_t)count, out) && ls_mul_size(*out, size, out) &&
           *out <= PTRDIFF_MAX - LS_ALIGNMENT;
}

static size_t pad(size_t bytes)
{
    return (bytes + LS_ALIGNMENT - 1) / LS_ALIGNMENT * LS_ALIGNMENT;
}

/* Bytes of the features and of the labels or targets. */
static bool block_parts(const ls_dataset_info *info, size_t *features, size_t *labels)
{
    const bool values = info->label_kind == LS_LABEL_VALUES;
    const int64_t n_labels = values ? info->n_targets : info->label_kind == LS_LABEL_CLASS;
    return array_bytes(info->n_samples, info->n_features, info->feature_type == LS_FEATURE_U8 ? 1 : sizeof(float),
                       features) &&
           array_bytes(info->n_samples, n_labels, values ? sizeof(float) : sizeof(int32_t), labels);
}

ls_status ls_dataset_bytes(const ls_dataset_info *info, size_t *features, size_t *labels)
{
    LS_REQUIRE(block_parts(info, features, labels) && pad(*features) <= PTRDIFF_MAX - pad(*labels), LS_EDATA,
               "%" PRId64 " samples of %" PRId64 " features and %" PRId64
               " targets are more bytes than can be addressed",
               info->n_samples, info->n_features, info->n_targets);
    *features = pad(*features);
    *labels = pad(*labels);
    return LS_OK;
}

bool ls_dataset_in_file(const ls_dataset_source *source, ls_dataset_place *out)
{
    size_t labels, bytes;
    *out = (ls_dataset_place){0};
    if (source->reader->place == NULL || !source->reader->place(source->state, out)) return false;
    if (!block_parts(&source->info, &bytes, &labels)) return false;
    out->bytes = bytes;
    return true;
}

ls_status ls_dataset_load(ls_dataset_source *source, void *features, void *labels)
{
    const int32_t kind = source->info.label_kind;
    return source->reader->load(source->state, &source->info, features, kind == LS_LABEL_CLASS ? labels : NULL,
                                kind == LS_LABEL_VALUES ? labels : NULL);
}

void ls_dataset_attach(const ls_dataset_info *info, const void *features, const void *labels, ls_dataset *out)
{
    *out = (ls_dataset){.info = *info, .features = features};
    if (info->label_kind == LS_LABEL_CLASS) out->labels = labels;
    if (info->label_kind == LS_LABEL_VALUES) out->targets = labels;
}

ls_dataset ls_dataset_slice(const ls_dataset *set, int64_t first, int64_t n)
{
    ls_dataset slice = *set;
    const int64_t width = set->info.feature_type == LS_FEATURE_U8 ? 1 : (int64_t)sizeof(float);
    slice.info.n_samples = n;
    slice.features = (const char *)set->features + first * set->info.n_features * width;
    if (set->labels != NULL) slice.labels = set->labels + first;
    if (set->targets != NULL) slice.targets = set->targets + first * set->info.n_targets;
    return slice;
}

ls_status ls_dataset_check_labels(const ls_dataset *set, const char *what, int64_t n_classes)
{
    LS_REQUIRE(set->labels != NULL, LS_EDATA, "%s: has no class labels; give it 'labels' (or 'label', a column)", what);
    for (int64_t i = 0; i < set->info.n_samples; i++)
        LS_REQUIRE(set->labels[i] >= 0 && set->labels[i] < n_classes, LS_EDATA,
                   "%s: sample %" PRId64 " has the label %" PRId32 "; the model has %" PRId64 " classes, 0 to %" PRId64
                   "; widen its last layer, or correct the label",
                   what, i, set->labels[i], n_classes, n_classes - 1);
    return LS_OK;
}

uint64_t ls_dataset_hash(const ls_dataset *set)
{
    size_t features = 0, labels = 0;
    block_parts(&set->info, &features, &labels);
    const void *behind = set->labels != NULL ? (const void *)set->labels : set->targets;
    const uint64_t parts[] = {ls_hash_bytes(&set->info, sizeof set->info), ls_hash_bytes(set->features, features),
                              labels > 0 ? ls_hash_bytes(behind, labels) : 0};
    return ls_hash_bytes(parts, sizeof parts);
}

void ls_dataset_formats_print(ls_text *out)
{
    ls_text_printf(out, "every format\n");
    ls_options_print(common_table, "    ", out);
    for (int i = 0; ls__readers[i] != NULL; i++) {
        ls_text_printf(out, "%s: %s\n", ls__readers[i]->name, ls__readers[i]->help);
        if (ls__readers[i]->options != NULL) ls_options_print(ls__readers[i]->options, "    ", out);
    }
}
