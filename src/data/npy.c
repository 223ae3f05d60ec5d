/* NumPy's .npy, versions 1.0, 2.0 and 3.0: magic, version, length of the header, the header as a Python dictionary, the
 * array.  Source: NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays". */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "data/array.h"

enum { MAX_HEADER = 1 << 16, MAX_WORD = 32 };

typedef struct npy_options {
    const char *features, *labels, *targets;
} npy_options;

static const ls_option npy_table[] = {
    {.key = "features",
     .kind = LS_OPTION_TEXT,
     .offset = offsetof(npy_options, features),
     .resume = LS_FREE,
     .help = ".npy file of uint8, int32, int64, float32 or float64: [n, features], [n, height, width] or [n, channels, "
             "height, width]"},
    {.key = "labels",
     .kind = LS_OPTION_TEXT,
     .offset = offsetof(npy_options, labels),
     .fallback = "~",
     .resume = LS_FREE,
     .help = ".npy file of uint8, int32 or int64: the class of each sample; null: none"},
    {.key = "targets",
     .kind = LS_OPTION_TEXT,
     .offset = offsetof(npy_options, targets),
     .fallback = "~",
     .resume = LS_FREE,
     .help = ".npy file: [n] or [n, values] numbers to predict; null: none"},
    {0}};

/* The header text while it is read. */
typedef struct header {
    const char *text, *at, *file;
    uint64_t first_byte;
    ls_array *array;
    bool has_type, has_order, has_shape;
} header;

static ls_status unexpected(const header *h, const char *expected)
{
    LS_FAIL(LS_EDATA, "%s: byte %" PRIu64 " (NPY header): expected %s, found '%.16s'", h->file,
            h->first_byte + (uint64_t)(h->at - h->text), expected, h->at);
}

static void skip_spaces(header *h)
{
    while (isspace((unsigned char)*h->at)) h->at++;
}

/* Goes past spaces and then past `c`, if it stands there. */
static bool take(header *h, char c)
{
    skip_spaces(h);
    if (*h->at != c) return false;
    h->at++;
    return true;
}

static ls_status read_quoted(header *h, const char *what, char out[MAX_WORD])
{
    char quote = '\'';
    if (!take(h, quote) && !take(h, quote = '"')) return unexpected(h, what);
    const char *end = strchr(h->at, quote);
    if (end == NULL || end - h->at >= MAX_WORD) return unexpected(h, what);
    memcpy(out, h->at, (size_t)(end - h->at));
    out[end - h->at] = 0;
    h->at = end + 1;
    return LS_OK;
}

static ls_status read_type(header *h)
{
    static const struct {
        const char *name;
        ls_element element;
    } types[] = {{"|u1", LS_ELEMENT_U8},  {"<u1", LS_ELEMENT_U8},  {"<i4", LS_ELEMENT_I32},
                 {"<i8", LS_ELEMENT_I64}, {"<f4", LS_ELEMENT_F32}, {"<f8", LS_ELEMENT_F64}};
    char name[MAX_WORD];
    LS_TRY(read_quoted(h, "a plain type such as '<f4'", name));
    h->has_type = true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) {
            h->array->element = types[i].element;
            return LS_OK;
        }
    LS_FAIL(LS_EDATA, "%s: byte %" PRIu64 " (NPY header): the elements are '%s'; expected |u1, <i4, <i8, <f4 or <f8",
            h->file, h->first_byte + (uint64_t)(h->at - h->text), name);
}

static ls_status read_order(header *h)
{
    skip_spaces(h);
    const bool fortran = strncmp(h->at, "True", 4) == 0;
    LS_REQUIRE(!fortran, LS_EDATA,
               "%s: byte %" PRIu64 " (NPY header): the array is in Fortran order; save it with np.ascontiguousarray",
               h->file, h->first_byte + (uint64_t)(h->at - h->text));
    if (strncmp(h->at, "False", 5) != 0) return unexpected(h, "True or False");
    h->at += 5;
    h->has_order = true;
    return LS_OK;
}

static ls_status read_count(header *h, int64_t *out)
{
    if (!isdigit((unsigned char)*h->at)) return unexpected(h, "a dimension");
    int64_t value = 0;
    for (; isdigit((unsigned char)*h->at); h->at++)
        if (!ls_mul_i64(value, 10, &value) || __builtin_add_overflow(value, *h->at - '0', &value))
            return unexpected(h, "a dimension below 2^63");
    *out = value;
    return LS_OK;
}

static ls_status read_shape(header *h)
{
    if (!take(h, '(')) return unexpected(h, "a shape such as (100, 784)");
    int n = 0;
    while (!take(h, ')')) {
        if (n == LS_ARRAY_MAX_DIM) return unexpected(h, "at most 4 dimensions");
        LS_TRY(read_count(h, &h->array->dim[n++]));
        if (!take(h, ',') && *h->at != ')') return unexpected(h, "',' or ')'");
    }
    if (n == 0) return unexpected(h, "at least 1 dimension before this");
    h->array->n_dim = n;
    h->has_shape = true;
    return LS_OK;
}

static ls_status read_item(header *h)
{
    char key[MAX_WORD];
    LS_TRY(read_quoted(h, "a key in quotes", key));
    if (!take(h, ':')) return unexpected(h, "':'");
    if (strcmp(key, "descr") == 0 && !h->has_type) return read_type(h);
    if (strcmp(key, "fortran_order") == 0 && !h->has_order) return read_order(h);
    if (strcmp(key, "shape") == 0 && !h->has_shape) return read_shape(h);
    LS_FAIL(LS_EDATA, "%s: NPY header: the key '%s' is unknown or stands there twice", h->file, key);
}

static ls_status read_dictionary(header *h)
{
    if (!take(h, '{')) return unexpected(h, "'{'");
    while (!take(h, '}')) {
        LS_TRY(read_item(h));
        if (!take(h, ',') && *h->at != '}') return unexpected(h, "',' or '}'");
    }
    skip_spaces(h);
    if (*h->at != 0) return unexpected(h, "nothing after '}'");
    LS_REQUIRE(h->has_type && h->has_order && h->has_shape, LS_EDATA,
               "%s: NPY header: expected descr, fortran_order and shape, found '%.100s'", h->file, h->text);
    return LS_OK;
}

/* Magic, version and the length of the dictionary. */
static ls_status read_prefix(ls_input *input, size_t *n)
{
    uint8_t start[8], length[4] = {0};
    LS_TRY(ls__input_read(input, start, sizeof start, "the NPY header"));
    LS_REQUIRE(memcmp(start, "\x93NUMPY", 6) == 0, LS_EDATA,
               "%s: byte 0: expected the NPY magic 93 'NUMPY', found %02x %02x %02x %02x %02x %02x", input->name,
               start[0], start[1], start[2], start[3], start[4], start[5]);
    LS_REQUIRE(start[6] >= 1 && start[6] <= 3 && start[7] == 0, LS_EDATA,
               "%s: byte 6: expected NPY version 1.0, 2.0 or 3.0, found %d.%d", input->name, start[6], start[7]);
    LS_TRY(ls__input_read(input, length, start[6] == 1 ? 2 : 4, "the NPY header"));
    *n = (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
    LS_REQUIRE(*n <= MAX_HEADER, LS_EDATA, "%s: byte 8: expected an NPY header of at most %d bytes, found %zu",
               input->name, MAX_HEADER, *n);
    return LS_OK;
}

static ls_status read_header(ls_array *array, char *text, size_t n)
{
    header h = {.text = text, .at = text, .file = array->input->name, .array = array};
    h.first_byte = array->input->offset;
    LS_TRY(ls__input_read(array->input, text, n, "the NPY header"));
    LS_REQUIRE(memchr(text, 0, n) == NULL, LS_EDATA, "%s: a zero byte in the NPY header", h.file);
    LS_TRY(read_dictionary(&h));
    return ls__array_check(array);
}

static ls_status npy_open_array(const ls_reader_paths *paths, const char *name, const char *what, ls_array *array)
{
    array->what = what;
    LS_TRY(ls__input_open(paths, name, &array->input));
    size_t n = 0;
    LS_TRY(read_prefix(array->input, &n));
    char *text = ls_calloc(n + 1, 1);
    LS_REQUIRE(text != NULL, LS_ENOMEM, "out of memory for an NPY header");
    const ls_status status = read_header(array, text, n);
    ls_free(text);
    return status;
}

static ls_status npy_open(const void *options, const ls_reader_paths *paths, ls_dataset_info *info, void **state)
{
    const npy_options *o = options;
    LS_REQUIRE(o->features != NULL, LS_EUSAGE, "the format npy needs the file 'features'");
    LS_REQUIRE(o->labels == NULL || o->targets == NULL, LS_EUSAGE,
               "the format npy takes 'labels' (classes) or 'targets' (values), not both");
    ls_arrays *arrays = *state = ls_calloc(1, sizeof *arrays);
    LS_REQUIRE(arrays != NULL, LS_ENOMEM, "out of memory for a reader");
    LS_TRY(npy_open_array(paths, o->features, "features", &arrays->features));
    if (o->labels != NULL) LS_TRY(npy_open_array(paths, o->labels, "labels", &arrays->labels));
    if (o->targets != NULL) LS_TRY(npy_open_array(paths, o->targets, "targets", &arrays->targets));
    return ls__arrays_info(arrays, info);
}

const ls_reader_ops ls__reader_npy = {.name = "npy",
                                      .help = "arrays that numpy.save wrote",
                                      .options = npy_table,
                                      .options_size = sizeof(npy_options),
                                      .open = npy_open,
                                      .place = ls__arrays_place,
                                      .load = ls__arrays_load,
                                      .close = ls__arrays_close};
