/* The IDX format of MNIST: 0, 0, element type, number of dimensions, then each dimension in 4 bytes, big-endian.
 * Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits". */

#include "base/mem.h"
#include "data/array.h"

enum { TYPE_U8 = 0x08 };

typedef struct idx_options {
    const char *images, *labels;
} idx_options;

static const ls_option idx_table[] = {
    {.key = "images",
     .kind = LS_OPTION_TEXT,
     .offset = offsetof(idx_options, images),
     .resume = LS_FREE,
     .help = "IDX file of bytes, plain or gzip: [n, features], [n, height, width] or [n, channels, height, width]"},
    {.key = "labels",
     .kind = LS_OPTION_TEXT,
     .offset = offsetof(idx_options, labels),
     .fallback = "~",
     .resume = LS_FREE,
     .help = "IDX file of one byte per image; null: no labels"},
    {0}};

static const char *type_name(uint8_t type)
{
    switch (type) {
    case 0x09:
        return "signed bytes";
    case 0x0B:
        return "16-bit integers";
    case 0x0C:
        return "32-bit integers";
    case 0x0D:
        return "32-bit floats";
    case 0x0E:
        return "64-bit floats";
    default:
        return "an unknown type";
    }
}

static ls_status read_dimensions(ls_array *array)
{
    for (int i = 0; i < array->n_dim; i++) {
        uint8_t b[4];
        LS_TRY(ls__input_read(array->input, b, sizeof b, "the IDX header"));
        array->dim[i] = (int64_t)b[0] << 24 | (int64_t)b[1] << 16 | (int64_t)b[2] << 8 | b[3];
    }
    return ls__array_check(array);
}

static ls_status idx_open_array(const ls_reader_paths *paths, const char *name, const char *what, int max_dim,
                                ls_array *array)
{
    array->what = what;
    LS_TRY(ls__input_open(paths, name, &array->input));
    const char *file = array->input->name;
    uint8_t magic[4];
    LS_TRY(ls__input_read(array->input, magic, sizeof magic, "the IDX header"));
    LS_REQUIRE(magic[0] == 0 && magic[1] == 0 && magic[2] >= TYPE_U8 && magic[2] <= 0x0E, LS_EDATA,
               "%s: byte 0: expected an IDX header (00 00 08 and the number of dimensions), found %02x %02x %02x %02x",
               file, magic[0], magic[1], magic[2], magic[3]);
    LS_REQUIRE(magic[2] == TYPE_U8, LS_EDATA, "%s: byte 2: expected unsigned bytes (08), found %s (%02x)", file,
               type_name(magic[2]), magic[2]);
    LS_REQUIRE(magic[3] >= 1 && magic[3] <= max_dim, LS_EDATA,
               "%s: byte 3: expected 1 to %d dimensions of the %s, found %d", file, max_dim, what, magic[3]);
    array->n_dim = magic[3];
    return read_dimensions(array);
}

static ls_status idx_open(const void *options, const ls_reader_paths *paths, ls_dataset_info *info, void **state)
{
    const idx_options *o = options;
    LS_REQUIRE(o->images != NULL, LS_EUSAGE, "the format idx needs the file 'images'");
    ls_arrays *arrays = *state = ls_calloc(1, sizeof *arrays);
    LS_REQUIRE(arrays != NULL, LS_ENOMEM, "out of memory for a reader");
    LS_TRY(idx_open_array(paths, o->images, "images", LS_ARRAY_MAX_DIM, &arrays->features));
    if (o->labels != NULL) LS_TRY(idx_open_array(paths, o->labels, "labels", 1, &arrays->labels));
    return ls__arrays_info(arrays, info);
}

const ls_reader_ops ls__reader_idx = {.name = "idx",
                                      .help = "images and labels as MNIST and Fashion-MNIST have them",
                                      .options = idx_table,
                                      .options_size = sizeof(idx_options),
                                      .open = idx_open,
                                      .place = ls__arrays_place,
                                      .load = ls__arrays_load,
                                      .close = ls__arrays_close};
