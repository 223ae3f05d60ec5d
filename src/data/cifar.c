/* The binary version of CIFAR-10 and CIFAR-100: records of one label byte (CIFAR-100: coarse, then fine label) and 3 x
 * 32 x 32 bytes, red, green and blue planes, row by row.  Source: A. Krizhevsky, "Learning Multiple Layers of Features
 * from Tiny Images", 2009, and the data set's published description. */
#include <inttypes.h>

#include "base/mem.h"
#include "data/input.h"

enum { CHANNELS = 3, SIDE = 32, PIXELS = CHANNELS * SIDE * SIDE, MAX_FILES = 1024, PLACE = 256 };

typedef struct cifar_options {
    ls_node *files;
    int variant;
} cifar_options;

/* As the choices of `variant`. */
static const struct variant {
    int label_bytes, label_at, n_classes;
} variants[] = {{1, 0, 10}, {2, 1, 100}, {2, 0, 20}};

static const char *const variant_names[] = {"cifar10", "cifar100", "cifar100_coarse", NULL};

static const ls_option cifar_table[] = {
    {.key = "files",
     .kind = LS_OPTION_NODE,
     .offset = offsetof(cifar_options, files),
     .resume = LS_FREE,
     .help = "list of unpacked .bin files, read one after the other: [data_batch_1.bin, data_batch_2.bin, ...]"},
    {.key = "variant",
     .kind = LS_OPTION_CHOICE,
     .offset = offsetof(cifar_options, variant),
     .fallback = "cifar10",
     .choices = variant_names,
     .help = "one label byte and 10 classes; or two label bytes, of which the fine one (100 classes) or the coarse one "
             "(20 classes) counts"},
    {0}};

typedef struct cifar_state {
    const struct variant *variant;
    int n_files;
    ls_input **file;    /* [n_files] */
    int64_t *n_records; /* [n_files] */
} cifar_state;

static void cifar_close(void *state)
{
    cifar_state *s = state;
    for (int i = 0; s->file != NULL && i < s->n_files; i++) ls__input_close(&s->file[i]);
    ls_free(s->file);
    ls_free(s->n_records);
    ls_free(s);
}

static ls_status open_file(const cifar_state *s, const ls_reader_paths *paths, const char *name, int i)
{
    const uint64_t record = (uint64_t)s->variant->label_bytes + PIXELS;
    LS_TRY(ls__input_open(paths, name, &s->file[i]));
    const ls_input *file = s->file[i];
    LS_REQUIRE(!file->packed, LS_EDATA, "%s: is packed; unpack it first (tar -xzf, or gunzip) and name the .bin files",
               file->name);
    const uint64_t n = file->file_bytes / record, rest = file->file_bytes % record;
    LS_REQUIRE(rest == 0, LS_EDATA,
               "%s: byte %" PRIu64 ": expected a whole record of %" PRIu64 " bytes, found %" PRIu64 " (%" PRIu64
               " records before; is 'variant' right?)",
               file->name, n * record, record, rest, n);
    LS_REQUIRE(n > 0, LS_EDATA, "%s: holds no records", file->name);
    s->n_records[i] = (int64_t)n;
    return LS_OK;
}

static ls_status open_files(cifar_state *s, const ls_reader_paths *paths, const ls_node *files)
{
    char place[PLACE];
    LS_REQUIRE(files != NULL && files->kind == LS_NODE_LIST && files->n >= 1 && files->n <= MAX_FILES, LS_EUSAGE,
               "the format cifar needs 'files', a list of 1 to %d names, as in files: [data_batch_1.bin]", MAX_FILES);
    s->file = ls_calloc((size_t)files->n, sizeof *s->file);
    s->n_records = ls_calloc((size_t)files->n, sizeof *s->n_records);
    LS_REQUIRE(s->file != NULL && s->n_records != NULL, LS_ENOMEM, "out of memory for a reader");
    s->n_files = files->n;
    for (int i = 0; i < files->n; i++) {
        const ls_node *name = files->child[i];
        LS_REQUIRE(name->kind == LS_NODE_SCALAR && !ls_node_is_null(name), LS_EUSAGE,
                   "%s: entry %d of 'files' is not a file name", ls_node_place(name, place, sizeof place), i);
        LS_TRY(open_file(s, paths, name->text, i));
    }
    return LS_OK;
}

static ls_status cifar_open(const void *options, const ls_reader_paths *paths, ls_dataset_info *info, void **state)
{
    const cifar_options *o = options;
    cifar_state *s = *state = ls_calloc(1, sizeof *s);
    LS_REQUIRE(s != NULL, LS_ENOMEM, "out of memory for a reader");
    s->variant = &variants[o->variant];
    LS_TRY(open_files(s, paths, o->files));
    *info = (ls_dataset_info){.n_features = PIXELS,
                              .n_dim = 3,
                              .dim = {CHANNELS, SIDE, SIDE},
                              .feature_type = LS_FEATURE_U8,
                              .label_kind = LS_LABEL_CLASS};
    for (int i = 0; i < s->n_files; i++) info->n_samples += s->n_records[i];
    return LS_OK;
}

/* One record: its label, and its pixels into out [PIXELS] (NULL: they are passed over). */
static ls_status read_record(const struct variant *v, ls_input *file, uint8_t *out, int32_t *label)
{
    uint8_t bytes[2], pixels[PIXELS];
    const uint64_t first = file->offset;
    LS_TRY(ls__input_read(file, bytes, (size_t)v->label_bytes, "a label"));
    *label = bytes[v->label_at];
    LS_REQUIRE(*label < v->n_classes, LS_EDATA, "%s: byte %" PRIu64 ": expected a label from 0 to %d, found %" PRId32,
               file->name, first + (uint64_t)v->label_at, v->n_classes - 1, *label);
    return ls__input_read(file, out != NULL ? out : pixels, PIXELS, "an image");
}

static ls_status cifar_load(void *state, const ls_dataset_info *info, void *features, int32_t *labels, float *targets)
{
    (void)targets;
    const cifar_state *s = state;
    int64_t sample = 0;
    for (int f = 0; f < s->n_files; f++) {
        LS_TRY(ls__input_seek(s->file[f], 0));
        for (int64_t r = 0; r < s->n_records[f]; r++, sample++) {
            const bool keep = sample < info->n_samples;
            int32_t label;
            LS_TRY(read_record(s->variant, s->file[f], keep ? (uint8_t *)features + sample * PIXELS : NULL, &label));
            if (keep) labels[sample] = label;
        }
        LS_TRY(ls__input_end(s->file[f]));
    }
    return LS_OK;
}

const ls_reader_ops ls__reader_cifar = {.name = "cifar",
                                        .help = "the binary version of CIFAR-10 or CIFAR-100, [3, 32, 32]",
                                        .options = cifar_table,
                                        .options_size = sizeof(cifar_options),
                                        .open = cifar_open,
                                        .load = cifar_load,
                                        .close = cifar_close};
