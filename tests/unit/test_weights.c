/* Weights of any safetensors file as start values: conversions of element types, and what does not fit. */
#include "unit/data_files.h"

#include <math.h>

#include "lockstep/checkpoint.h"
#include "lockstep/network.h"
#include "train/safetensors.h"

/* A file of this JSON header and these bytes; the header may have any length. */
static void put_file(const char *name, const char *json, const void *data, size_t n_data)
{
    static char bytes[8192];
    const size_t n = strlen(json);
    assert_true(8 + n + n_data <= sizeof bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (char)(n >> (8 * i));
    memcpy(bytes + 8, json, n);
    memcpy(bytes + 8 + n, data, n_data);
    put_bytes(name, bytes, 8 + n + n_data);
}

typedef struct model {
    ls_node *list;
    ls_network *network;
    float *params;
} model;

static model make_model(const char *yaml)
{
    model m = {0};
    const ls_shape in = {.n_dim = 1, .dim = {2}};
    assert_int_equal(ls_node_parse(yaml, strlen(yaml), "test.yaml", &m.list), LS_OK);
    assert_int_equal(ls_network_create(m.list, &in, &m.network), LS_OK);
    m.params = ls_calloc((size_t)ls_network_n_floats(m.network), sizeof *m.params);
    return m;
}

static void close_model(model *m)
{
    ls_network_destroy(&m->network);
    ls_node_destroy(&m->list);
    ls_free(m->params);
}

static ls_status read_weights(const model *m, const char *name)
{
    char path[128];
    return ls_checkpoint_read_weights(test_path(name, path), m->network, m->params);
}

static const float *tensor(const model *m, int i)
{
    return m->params + ls_network_tensor(m->network, i)->first;
}

/* The bits of every half-precision number, against its definition computed by halving and doubling alone. */
static double half_by_definition(int bits)
{
    const int exponent = bits >> 10 & 31;
    double value = exponent == 0 ? (bits & 1023) / 1024.0 : 1 + (bits & 1023) / 1024.0;
    for (int e = exponent == 0 ? 1 : exponent; e < 15; e++) value /= 2;
    for (int e = exponent; e > 15; e--) value *= 2;
    return bits & 0x8000 ? -value : value;
}

static void half_precision(void **state)
{
    (void)state;
    for (int bits = 0; bits < 1 << 16; bits++) {
        const uint16_t half = (uint16_t)bits;
        const ls_stored_tensor stored = {.type = "F16", .n = 1, .bytes = (const char *)&half, .n_bytes = 2};
        float value;
        assert_true(ls_stored_floats(&stored, &value));
        if ((bits >> 10 & 31) < 31)
            assert_true((double)value == half_by_definition(bits) && !signbit(value) == !(bits & 0x8000));
        else if (bits & 1023)
            assert_true(isnan(value));
        else
            assert_true(isinf(value) && (value < 0) == (bits >> 15));
    }
}

/* dense 2 x 2 and its bias, each of another type, behind a header that aligns nothing. */
static void other_types(void **state)
{
    (void)state;
    const double wide[] = {1.5, -0.1, 1e-300, 16777217};
    const uint16_t brain[] = {0x3F80, 0xC020}; /* 1, -2.5 */
    uint8_t data[sizeof wide + sizeof brain];
    memcpy(data, wide, sizeof wide);
    memcpy(data + sizeof wide, brain, sizeof brain);
    const char *json = "{\"0.weight\":{\"dtype\":\"F64\",\"shape\":[2,2],\"data_offsets\":[0,32]}, "
                       "\"0.bias\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[32,36]}}";
    for (int spaces = 0; spaces < 4; spaces++) {
        char padded[512];
        snprintf(padded, sizeof padded, "%s%.*s", json, spaces, "   ");
        put_file("w", padded, data, sizeof data);
        model m = make_model("[dense: 2]");
        assert_int_equal(read_weights(&m, "w"), LS_OK);
        const float weight[] = {1.5f, -0.1f, 0, 16777216}, bias[] = {1, -2.5f};
        assert_memory_equal(tensor(&m, 0), weight, sizeof weight);
        assert_memory_equal(tensor(&m, 1), bias, sizeof bias);
        close_model(&m);
    }
}

#define F32(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void bookkeeping_is_passed_over(void **state)
{
    (void)state;
    const float data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    put_file(
        "w",
        "{\"0.weight\":" F32("[1,2]", "[0,8]") ",\"0.bias\":" F32("[1]", "[8,12]") ",\"optimizer.exp_avg.0.bias\":" F32(
            "[1]", "[12,16]") ",\"ema.0.bias\":" F32("[1]", "[16,20]") ",\"1.num_batches_tracked\":{\"dtype\":"
                                                                       "\"I64\",\"shape\":[],\"data_offsets\":[20,"
                                                                       "28]}}",
        data, 28);
    model m = make_model("[dense: 1]");
    assert_int_equal(read_weights(&m, "w"), LS_OK);
    assert_true(tensor(&m, 0)[0] == 1 && tensor(&m, 0)[1] == 2 && tensor(&m, 1)[0] == 3);
    close_model(&m);
}

static void assert_misfit(const char *yaml, const char *json, size_t n_data, const char *const *words)
{
    static const float data[64] = {1};
    model m = make_model(yaml);
    put_file("w", json, data, n_data);
    if (read_weights(&m, "w") != LS_ECHECKPOINT) fail_msg("accepted: %s", json);
    for (; *words != NULL; words++) assert_message(*words);
    close_model(&m);
}

#define WORDS(...)                                                                                                     \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }

static void misfits_are_named(void **state)
{
    (void)state;
    const char *good = "{\"0.weight\":" F32("[1,2]", "[0,8]") ",\"0.bias\":" F32("[1]", "[8,12]") "}";
    assert_misfit("[dense: 2]", good, 12,
                  WORDS("/w: its tensors do not fit the model: 0.weight is F32 [1, 2], expected F32 [2, 2], ",
                        "0.bias is F32 [1], expected F32 [2] (they must be"));
    assert_misfit("[dense: 1, relu, dense: {units: 3, bias: false}]", good, 12, WORDS("missing 2.weight (they"));
    assert_misfit("[dense: {units: 1, bias: false}]", good, 12, WORDS("unexpected 0.bias (they"));
    assert_misfit("[relu, dense: 1]", good, 12, WORDS("missing 1.weight, 1.bias; unexpected 0.weight, 0.bias (they"));
    assert_misfit("[dense: 1]",
                  "{\"0.weight\":" F32("[2]", "[0,8]") ",\"0.bias\":{\"dtype\":\"I32\",\"shape\":[1],"
                                                       "\"data_offsets\":[8,12]}}",
                  12, WORDS("0.weight is F32 [2], expected F32 [1, 2], 0.bias is I32 [1], expected F32 [1]"));
    assert_misfit("[dense: 1]", "{}", 0, WORDS("missing 0.weight, 0.bias ("));
    assert_misfit("[dense: 1, dense: 1, dense: 1, dense: 1]", "{}", 0, WORDS("2.bias and 2 more ("));
}

static void values_must_be_finite(void **state)
{
    (void)state;
    model m = make_model("[dense: 1]");
    const char *json = "{\"0.weight\":{\"dtype\":\"F64\",\"shape\":[1,2],\"data_offsets\":[0,16]},\"0.bias\":" F32(
        "[1]", "[16,20]") "}";
    double data[3] = {1, 1e40, 0};
    put_file("w", json, data, 20);
    assert_int_equal(read_weights(&m, "w"), LS_ECHECKPOINT);
    assert_message("tensor '0.weight': element 1 is not a finite float32 number");
    data[1] = 1e38;
    put_file("w", json, data, 20);
    assert_int_equal(read_weights(&m, "w"), LS_OK);
    close_model(&m);
}

static void files_that_are_none(void **state)
{
    (void)state;
    model m = make_model("[dense: 1]");
    assert_int_equal(read_weights(&m, "nowhere"), LS_ECHECKPOINT);
    assert_message("/nowhere: No such file");
    put_text("w", "PK\3\4 a file of torch.save");
    assert_int_equal(read_weights(&m, "w"), LS_ECHECKPOINT);
    assert_message("not a safetensors file");
    close_model(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_precision),
        cmocka_unit_test(other_types),
        cmocka_unit_test(bookkeeping_is_passed_over),
        cmocka_unit_test(misfits_are_named),
        cmocka_unit_test(values_must_be_finite),
        cmocka_unit_test(files_that_are_none),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
