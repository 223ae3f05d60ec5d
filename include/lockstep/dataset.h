/** Data sets: compact samples in memory (shared by a node), read from files, mapped or generated.
 *
 * A source is opened (shape known, nothing loaded), memory is allocated by the caller at the sizes asked for, and the
 * source fills it.  Other processes attach to the filled memory.  Nothing here is collective; train makes it so.
 * Errors: LS_EUSAGE for the description, LS_EDATA for the files; messages name file and byte, line or sample. */
#ifndef LOCKSTEP_DATASET_H
#define LOCKSTEP_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/linkage.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

struct ls_node;
struct ls_text;

enum { LS_MAX_DIM = 3 };

typedef enum ls_feature_type { LS_FEATURE_U8, LS_FEATURE_F32 } ls_feature_type;
typedef enum ls_label_kind { LS_LABEL_NONE, LS_LABEL_CLASS, LS_LABEL_VALUES } ls_label_kind;

/** Shape of a data set; plain bytes, so that it can be sent as it is. */
typedef struct ls_dataset_info {
    int64_t n_samples;
    int64_t n_features;      /* product of dim */
    int64_t dim[LS_MAX_DIM]; /* [features] or [channels, height, width] */
    int64_t n_targets;       /* LS_LABEL_VALUES: values per sample; else 0 */
    int32_t n_dim;           /* 1 or 3 */
    int32_t feature_type;    /* ls_feature_type */
    int32_t label_kind;      /* ls_label_kind */
    int32_t unused;          /* always 0 */
} ls_dataset_info;

/** A data set in memory, or a run of consecutive samples of one.  Borrows its memory. */
typedef struct ls_dataset {
    ls_dataset_info info;
    const void *features;  /* [n, n_features] uint8_t or float */
    const int32_t *labels; /* [n], LS_LABEL_CLASS; else NULL */
    const float *targets;  /* [n, n_targets], LS_LABEL_VALUES; else NULL */
} ls_dataset;

typedef struct ls_dataset_source ls_dataset_source;

/** Opens the source that the map `spec` describes ({format: idx, images: ...}; `limit: n` takes the first n samples).
 *  Completes `spec` with defaults.  Relative paths are looked up in config_directory, then in data_directory; either
 *  may be NULL.  `spec` is borrowed until the source is destroyed. */
ls_status ls_dataset_open(struct ls_node *spec, const char *config_directory, const char *data_directory,
                          ls_dataset_source **out);
/** What the opened source says of its samples; borrowed from the source. */
const ls_dataset_info *ls_dataset_source_info(const ls_dataset_source *source);
void ls_dataset_source_destroy(ls_dataset_source **source);

/** Bytes of the features, and of the labels or targets, of such a data set in memory, each a multiple of 64.
 *  LS_EDATA when the sizes overflow. */
ls_status ls_dataset_bytes(const ls_dataset_info *info, size_t *features, size_t *labels);

/** A run of bytes of a file. */
typedef struct ls_dataset_place {
    char path[4096 - 2 * sizeof(uint64_t)];
    uint64_t offset, bytes;
} ls_dataset_place;

/** Where the features lie in a file just as memory would have them, so that it can be mapped; false when they must be
 *  loaded (packed, converted, made).  Who shortens a mapped file under a run ends it by SIGBUS. */
bool ls_dataset_in_file(const ls_dataset_source *source, ls_dataset_place *out);

/** Fills zeroed memory of ls_dataset_bytes bytes, aligned to 64; all values are checked.  features == NULL: they stay
 *  where ls_dataset_in_file says. */
ls_status ls_dataset_load(ls_dataset_source *source, void *features, void *labels);

/** The data set in filled memory. */
void ls_dataset_attach(const ls_dataset_info *info, const void *features, const void *labels, ls_dataset *out);

/** Samples [first, first + n) of a data set. */
ls_dataset ls_dataset_slice(const ls_dataset *set, int64_t first, int64_t n);

/** Every class label lies in [0, n_classes): LS_EDATA naming the first sample that does not. */
ls_status ls_dataset_check_labels(const ls_dataset *set, const char *what, int64_t n_classes);

/** XXH3 of shape, features and labels: equal hashes, equal data. */
uint64_t ls_dataset_hash(const ls_dataset *set);

/** (value * scale - mean) / std per feature; lists have one entry for all, for each channel, or for each feature. */
typedef struct ls_normalizer ls_normalizer;

/** From the map {scale, mean, std} (completed with the defaults 1, 0, 1) for samples of such a shape. */
ls_status ls_normalizer_create(struct ls_node *spec, const ls_dataset_info *info, ls_normalizer **out);
void ls_normalizer_destroy(ls_normalizer **normalizer);

/** Writes samples ids[0..n) as rows of out [n, n_features]; bits depend on the samples alone. */
void ls_dataset_rows(const ls_dataset *set, const ls_normalizer *normalizer, const int64_t *ids, int64_t n, float *out);

/** Prints the registered formats with their options. */
void ls_dataset_formats_print(struct ls_text *out);

LS_END_DECLS

#endif
