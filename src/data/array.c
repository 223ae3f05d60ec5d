#include "data/array.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { CHUNK = 2048 }; /* elements converted at a time */

typedef union chunk {
    uint8_t u8[CHUNK];
    int32_t i32[CHUNK];
    int64_t i64[CHUNK];
    float f32[CHUNK];
    double f64[CHUNK];
} chunk;

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays are read as they lie in the file");

static size_t element_bytes(ls_element element)
{
    static const size_t bytes[] = {1, 4, 8, 4, 8};
    return bytes[element];
}

static float float_at(ls_element element, const chunk *values, int64_t i)
{
    switch (element) {
    case LS_ELEMENT_U8:
        return values->u8[i];
    case LS_ELEMENT_I32:
        return (float)values->i32[i];
    case LS_ELEMENT_I64:
        return (float)values->i64[i];
    case LS_ELEMENT_F32:
        return values->f32[i];
    case LS_ELEMENT_F64:
        return (float)values->f64[i];
    }
    return NAN;
}

/* Labels are of an integer type (ls__arrays_info). */
static int64_t integer_at(ls_element element, const chunk *values, int64_t i)
{
    if (element == LS_ELEMENT_U8) return values->u8[i];
    return element == LS_ELEMENT_I32 ? values->i32[i] : values->i64[i];
}

ls_status ls__array_check(ls_array *array)
{
    array->first_byte = array->input->offset;
    array->n_elements = 1;
    int64_t bytes = 0;
    for (int i = 0; i < array->n_dim; i++) {
        LS_REQUIRE(array->dim[i] > 0, LS_EDATA, "%s: dimension %d of the %s is %" PRId64 ", expected at least 1",
                   array->input->name, i, array->what, array->dim[i]);
        LS_REQUIRE(ls_mul_i64(array->n_elements, array->dim[i], &array->n_elements), LS_EDATA,
                   "%s: the dimensions of the %s overflow", array->input->name, array->what);
    }
    LS_REQUIRE(ls_mul_i64(array->n_elements, (int64_t)element_bytes(array->element), &bytes), LS_EDATA,
               "%s: the dimensions of the %s overflow", array->input->name, array->what);
    return ls__input_expect(array->input, (uint64_t)bytes, array->what);
}

static ls_status same_count(const ls_array *features, const ls_array *other)
{
    LS_REQUIRE(other->dim[0] == features->dim[0], LS_EDATA,
               "%s holds %" PRId64 " %s, but %s holds %" PRId64 " %s: the counts must be equal", other->input->name,
               other->dim[0], other->what, features->input->name, features->dim[0], features->what);
    return LS_OK;
}

/* [n, f] is {f}, [n, h, w] is {1, h, w}, [n, c, h, w] is {c, h, w}. */
static ls_status feature_info(const ls_array *features, ls_dataset_info *info)
{
    const int64_t *dim = features->dim;
    LS_REQUIRE(features->n_dim >= 2, LS_EDATA,
               "%s: the %s have %d dimensions, expected 2 to 4: [n, features], [n, height, width] or "
               "[n, channels, height, width]",
               features->input->name, features->what, features->n_dim);
    *info = (ls_dataset_info){.n_samples = dim[0], .n_features = features->n_elements / dim[0]};
    info->n_dim = features->n_dim == 2 ? 1 : 3;
    info->dim[0] = 1;
    for (int i = 1; i < features->n_dim; i++) info->dim[info->n_dim - features->n_dim + i] = dim[i];
    info->feature_type = features->element == LS_ELEMENT_U8 ? LS_FEATURE_U8 : LS_FEATURE_F32;
    return LS_OK;
}

static ls_status label_info(const ls_arrays *arrays, ls_dataset_info *info)
{
    const ls_array *labels = &arrays->labels;
    LS_REQUIRE(labels->n_dim == 1, LS_EDATA, "%s: the %s have %d dimensions, expected 1", labels->input->name,
               labels->what, labels->n_dim);
    LS_REQUIRE(labels->element != LS_ELEMENT_F32 && labels->element != LS_ELEMENT_F64, LS_EDATA,
               "%s: the %s are floating numbers, expected integers (for regression, give them as targets)",
               labels->input->name, labels->what);
    info->label_kind = LS_LABEL_CLASS;
    return same_count(&arrays->features, labels);
}

static ls_status target_info(const ls_arrays *arrays, ls_dataset_info *info)
{
    const ls_array *targets = &arrays->targets;
    LS_REQUIRE(targets->n_dim == 1 || targets->n_dim == 2, LS_EDATA,
               "%s: the %s have %d dimensions, expected [n] or [n, values]", targets->input->name, targets->what,
               targets->n_dim);
    info->label_kind = LS_LABEL_VALUES;
    info->n_targets = targets->n_elements / targets->dim[0];
    return same_count(&arrays->features, targets);
}

ls_status ls__arrays_info(const ls_arrays *arrays, ls_dataset_info *info)
{
    LS_TRY(feature_info(&arrays->features, info));
    if (arrays->labels.input != NULL) LS_TRY(label_info(arrays, info));
    if (arrays->targets.input != NULL) LS_TRY(target_info(arrays, info));
    return LS_OK;
}

static ls_status read_chunk(const ls_array *array, int64_t first, chunk *values, int64_t *n)
{
    const int64_t left = array->n_elements - first;
    *n = left < CHUNK ? left : CHUNK;
    return ls__input_read(array->input, values, (size_t)*n * element_bytes(array->element), array->what);
}

static ls_status bad_value(const ls_array *array, int64_t i, double value, const char *expected)
{
    const int64_t per_sample = array->n_elements / array->dim[0];
    LS_FAIL(LS_EDATA, "%s: byte %" PRIu64 ": sample %" PRId64 " of the %s: expected %s, found %.17g",
            array->input->name, array->first_byte + (uint64_t)i * element_bytes(array->element), i / per_sample,
            array->what, expected, value);
}

/* Bytes of the first `keep` elements; any byte is a value. */
static ls_status read_bytes(const ls_array *array, int64_t keep, uint8_t *out)
{
    if (out == NULL) return ls__input_seek(array->input, array->first_byte + (uint64_t)array->n_elements);
    LS_TRY(ls__input_read(array->input, out, (size_t)keep, array->what));
    return ls__input_skip(array->input, (uint64_t)(array->n_elements - keep), array->what);
}

/* The first `keep` elements as floats, unless out is NULL; all of them are checked. */
static ls_status read_floats(const ls_array *array, int64_t keep, float *out)
{
    chunk values;
    for (int64_t first = 0, n; first < array->n_elements; first += n) {
        LS_TRY(read_chunk(array, first, &values, &n));
        for (int64_t i = 0; i < n; i++) {
            const float value = float_at(array->element, &values, i);
            if (!isfinite(value)) return bad_value(array, first + i, value, "a finite number");
            if (out != NULL && first + i < keep) out[first + i] = value;
        }
    }
    return LS_OK;
}

static ls_status read_labels(const ls_array *array, int64_t keep, int32_t *out)
{
    chunk values;
    for (int64_t first = 0, n; first < array->n_elements; first += n) {
        LS_TRY(read_chunk(array, first, &values, &n));
        for (int64_t i = 0; i < n; i++) {
            const int64_t value = integer_at(array->element, &values, i);
            if (value < 0 || value > INT32_MAX)
                return bad_value(array, first + i, (double)value, "a class from 0 to 2147483647");
            if (first + i < keep) out[first + i] = (int32_t)value;
        }
    }
    return LS_OK;
}

static ls_status load_features(const ls_array *array, const ls_dataset_info *info, void *out)
{
    const int64_t keep = info->n_samples * info->n_features;
    LS_TRY(ls__input_seek(array->input, array->first_byte));
    if (info->feature_type == LS_FEATURE_U8)
        LS_TRY(read_bytes(array, keep, out));
    else
        LS_TRY(read_floats(array, keep, out));
    return ls__input_end(array->input);
}

bool ls__arrays_place(const void *state, ls_dataset_place *out)
{
    const ls_array *f = &((const ls_arrays *)state)->features;
    const bool as_in_memory =
        f->element == LS_ELEMENT_U8 || (f->element == LS_ELEMENT_F32 && f->first_byte % sizeof(float) == 0);
    if (!as_in_memory || f->input->packed || strlen(f->input->name) >= sizeof out->path) return false;
    strcpy(out->path, f->input->name);
    out->offset = f->first_byte;
    return true;
}

ls_status ls__arrays_load(void *state, const ls_dataset_info *info, void *features, int32_t *labels, float *targets)
{
    const ls_arrays *arrays = state;
    LS_TRY(load_features(&arrays->features, info, features));
    if (info->label_kind == LS_LABEL_CLASS) {
        LS_TRY(ls__input_seek(arrays->labels.input, arrays->labels.first_byte));
        LS_TRY(read_labels(&arrays->labels, info->n_samples, labels));
        LS_TRY(ls__input_end(arrays->labels.input));
    }
    if (info->label_kind == LS_LABEL_VALUES) {
        LS_TRY(ls__input_seek(arrays->targets.input, arrays->targets.first_byte));
        LS_TRY(read_floats(&arrays->targets, info->n_samples * info->n_targets, targets));
        LS_TRY(ls__input_end(arrays->targets.input));
    }
    return LS_OK;
}

void ls__arrays_close(void *state)
{
    ls_arrays *arrays = state;
    if (arrays == NULL) return;
    ls__input_close(&arrays->features.input);
    ls__input_close(&arrays->labels.input);
    ls__input_close(&arrays->targets.input);
    ls_free(arrays);
}
