/* Elements of stored tensors as numbers. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/safetensors.h"

bool ls_stored_is_f32(const ls_stored_tensor *tensor)
{
    return strcmp(tensor->type, "F32") == 0;
}

const char *ls_stored_text(const ls_stored_tensor *tensor, char out[128])
{
    int at = snprintf(out, 128, "%s [", tensor->type);
    for (int i = 0; i < tensor->n_dim; i++)
        at += snprintf(out + at, (size_t)(128 - at), "%s%" PRId64, i ? ", " : "", tensor->dim[i]);
    snprintf(out + at, (size_t)(128 - at), "]");
    return out;
}

static float f64_at(const char *bytes, int64_t i)
{
    double value;
    memcpy(&value, bytes + 8 * i, sizeof value);
    return (float)value;
}

/* The upper half of a float */
static float bf16_at(const char *bytes, int64_t i)
{
    uint16_t half;
    memcpy(&half, bytes + 2 * i, sizeof half);
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 bit sign, 5 bits exponent of bias 15, 10 bits fraction */
static float f16_at(const char *bytes, int64_t i)
{
    uint16_t half;
    memcpy(&half, bytes + 2 * i, sizeof half);
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    float size = exponent == 0 ? ldexpf((float)fraction, -24) : ldexpf((float)(1024 + fraction), exponent - 25);
    if (exponent == 31) size = fraction == 0 ? INFINITY : NAN;
    return half & 0x8000 ? -size : size;
}

bool ls_stored_floats(const ls_stored_tensor *tensor, float *out)
{
    static const struct {
        const char *type;
        float (*at)(const char *bytes, int64_t i);
    } wider[] = {{"F64", f64_at}, {"F16", f16_at}, {"BF16", bf16_at}};
    if (ls_stored_is_f32(tensor)) {
        memcpy(out, tensor->bytes, tensor->n_bytes);
        return true;
    }
    for (size_t t = 0; t < sizeof wider / sizeof *wider; t++)
        if (strcmp(wider[t].type, tensor->type) == 0) {
            for (int64_t i = 0; i < tensor->n; i++) out[i] = wider[t].at(tensor->bytes, i);
            return true;
        }
    return false;
}
