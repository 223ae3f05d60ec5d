#include <math.h>

#include "unit/data_files.h"

/* Writes an NPY file: magic, version, length, dictionary padded to 64 bytes, data. */
static void put_npy_version(const char *name, int version, const char *dictionary, const void *data, size_t n)
{
    uint8_t file[4096] = {0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)version, 0};
    const size_t start = version == 1 ? 10 : 12, used = start + strlen(dictionary) + 1, end = (used + 63) / 64 * 64;
    assert_true(end + n <= sizeof file);
    file[8] = (uint8_t)(end - start);
    file[9] = (uint8_t)((end - start) >> 8);
    memset(file + start, ' ', end - start);
    memcpy(file + start, dictionary, strlen(dictionary));
    file[end - 1] = '\n';
    memcpy(file + end, data, n);
    put_bytes(name, file, end + n);
}

static void put_npy(const char *name, const char *descr, const char *shape, const void *data, size_t n)
{
    char dictionary[256];
    snprintf(dictionary, sizeof dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);
    put_npy_version(name, 1, dictionary, data, n);
}

static const float values[] = {1.5f, -2, 0.1f, 4, 5, -6.25f};

static void floats_and_labels(void **state)
{
    (void)state;
    const int64_t labels[] = {4, 0};
    put_npy("x", "<f4", "(2, 3)", values, sizeof values);
    put_npy("y", "<i8", "(2,)", labels, sizeof labels);
    loaded l = load_set("{format: npy, features: x, labels: y}");
    assert_int_equal(l.set.info.n_samples, 2);
    assert_int_equal(l.set.info.n_dim, 1);
    assert_int_equal(l.set.info.dim[0], 3);
    assert_int_equal(l.set.info.feature_type, LS_FEATURE_F32);
    assert_int_equal(l.set.info.label_kind, LS_LABEL_CLASS);
    assert_memory_equal(l.set.features, values, sizeof values);
    assert_int_equal(l.set.labels[0], 4);
    assert_int_equal(l.set.labels[1], 0);
    assert_int_equal((uintptr_t)l.set.labels % 64, 0);
    close_set(&l);
}

static void element_types(void **state)
{
    (void)state;
    const uint8_t u1[] = {0, 128, 255, 1};
    const int32_t i4[] = {-7, 16777216, INT32_MIN, 1};
    const int64_t i8[] = {-7, INT64_MAX, 3, INT64_C(-9007199254740993)};
    const double f8[] = {0.1, -1e30, 3, 0};
    put_npy("u1", "|u1", "(2, 2)", u1, sizeof u1);
    put_npy("i4", "<i4", "(2, 2)", i4, sizeof i4);
    put_npy("i8", "<i8", "(2, 2)", i8, sizeof i8);
    put_npy("f8", "<f8", "(2, 2)", f8, sizeof f8);
    loaded l = load_set("{format: npy, features: u1}");
    assert_int_equal(l.set.info.feature_type, LS_FEATURE_U8);
    assert_int_equal(l.set.info.label_kind, LS_LABEL_NONE);
    assert_memory_equal(l.set.features, u1, sizeof u1);
    close_set(&l);
    l = load_set("{format: npy, features: i4}");
    for (int i = 0; i < 4; i++) assert_true(((const float *)l.set.features)[i] == (float)i4[i]);
    close_set(&l);
    l = load_set("{format: npy, features: i8}");
    for (int i = 0; i < 4; i++) assert_true(((const float *)l.set.features)[i] == (float)i8[i]);
    close_set(&l);
    l = load_set("{format: npy, features: f8}");
    for (int i = 0; i < 4; i++) assert_true(((const float *)l.set.features)[i] == (float)f8[i]);
    close_set(&l);
}

static void label_types(void **state)
{
    (void)state;
    const uint8_t u1[] = {255, 1};
    const int32_t i4[] = {INT32_MAX, 0};
    put_npy("x", "<f4", "(2, 3)", values, sizeof values);
    put_npy("u1", "|u1", "(2,)", u1, sizeof u1);
    put_npy("i4", "<i4", "(2,)", i4, sizeof i4);
    loaded l = load_set("{format: npy, features: x, labels: u1}");
    assert_int_equal(l.set.labels[0], 255);
    close_set(&l);
    l = load_set("{format: npy, features: x, labels: i4}");
    assert_int_equal(l.set.labels[0], INT32_MAX);
    close_set(&l);
}

static void versions_and_spellings(void **state)
{
    (void)state;
    const char *const same[] = {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1, 2), }",
                                "{'shape': (3, 1, 2), 'fortran_order': False, 'descr': '<f4'}",
                                "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(3,1,2)}",
                                "  { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 3 , 1 , 2 , ) }  "};
    for (int version = 1; version <= 3; version++)
        for (size_t c = 0; c < sizeof same / sizeof *same; c++) {
            put_npy_version("x", version, same[c], values, sizeof values);
            loaded l = load_set("{format: npy, features: x}");
            assert_int_equal(l.set.info.n_samples, 3);
            assert_int_equal(l.set.info.n_dim, 3);
            assert_int_equal(l.set.info.dim[0], 1);
            assert_int_equal(l.set.info.dim[1], 1);
            assert_int_equal(l.set.info.dim[2], 2);
            assert_memory_equal(l.set.features, values, sizeof values);
            close_set(&l);
        }
}

static void targets(void **state)
{
    (void)state;
    const int32_t whole[] = {10, -3};
    put_npy("x", "<f4", "(2, 3)", values, sizeof values);
    put_npy("t", "<f4", "(2, 2)", values, 16);
    put_npy("w", "<i4", "(2,)", whole, sizeof whole);
    loaded l = load_set("{format: npy, features: x, targets: t}");
    assert_int_equal(l.set.info.label_kind, LS_LABEL_VALUES);
    assert_int_equal(l.set.info.n_targets, 2);
    assert_null(l.set.labels);
    assert_memory_equal(l.set.targets, values, 16);
    close_set(&l);
    l = load_set("{format: npy, features: x, targets: w, limit: 1}");
    assert_int_equal(l.set.info.n_targets, 1);
    assert_int_equal(l.set.info.n_samples, 1);
    assert_true(l.set.targets[0] == 10);
    close_set(&l);
    assert_not_opened("{format: npy, features: x, targets: t, labels: w}", LS_EUSAGE, "not both", "test.yaml:1:1");
    put_npy("t", "<f4", "(1, 1, 2)", values, 8);
    assert_not_opened("{format: npy, features: x, targets: t}", LS_EDATA, "/t: the targets have 3 dimensions", "");
    put_npy("t", "<f4", "(3,)", values, 12);
    assert_not_opened("{format: npy, features: x, targets: t}", LS_EDATA, "/t holds 3 targets", "/x holds 2 features");
}

static void wrong_labels(void **state)
{
    (void)state;
    const int32_t negative[] = {0, -1};
    const int64_t large[] = {INT64_C(1) << 31, 0};
    put_npy("x", "<f4", "(2, 3)", values, sizeof values);
    put_npy("y", "<i4", "(2,)", negative, sizeof negative);
    assert_refused("{format: npy, features: x, labels: y}", LS_EDATA, "/y: byte 132: sample 1 of the labels",
                   "found -1");
    assert_refused("{format: npy, features: x, labels: y, limit: 1}", LS_EDATA, "sample 1 of the labels", "found -1");
    put_npy("y", "<i8", "(2,)", large, sizeof large);
    assert_refused("{format: npy, features: x, labels: y}", LS_EDATA, "sample 0", "found 2147483648");
    put_npy("y", "<f4", "(2,)", values, 8);
    assert_not_opened("{format: npy, features: x, labels: y}", LS_EDATA, "/y: the labels are floating", "targets");
    put_npy("y", "<i4", "(2, 1)", negative, sizeof negative);
    assert_not_opened("{format: npy, features: x, labels: y}", LS_EDATA, "/y: the labels have 2 dimensions",
                      "expected 1");
    put_npy("y", "<i4", "(1,)", negative, 4);
    assert_not_opened("{format: npy, features: x, labels: y}", LS_EDATA, "/y holds 1 labels", "/x holds 2 features");
}

static void not_finite(void **state)
{
    (void)state;
    float bad[6];
    memcpy(bad, values, sizeof bad);
    bad[4] = NAN;
    put_npy("x", "<f4", "(2, 3)", bad, sizeof bad);
    assert_refused("{format: npy, features: x}", LS_EDATA, "/x: byte 144: sample 1 of the features", "finite");
    const double big[] = {1, 1e300};
    put_npy("x", "<f8", "(2, 1)", big, sizeof big);
    assert_refused("{format: npy, features: x}", LS_EDATA, "sample 1 of the features", "found inf");
    put_npy("x", "<f4", "(2, 3)", values, sizeof values);
    bad[1] = -INFINITY;
    put_npy("t", "<f4", "(2, 1)", bad, 8);
    assert_refused("{format: npy, features: x, targets: t}", LS_EDATA, "/t", "sample 1 of the targets");
}

static void wrong_dictionaries(void **state)
{
    (void)state;
    static const struct {
        const char *dictionary, *word;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", "Fortran order"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", "the elements are '>f4'"},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }", "expected |u1, <i4, <i8, <f4 or <f8"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "a plain type"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "at least 1 dimension"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 2, 3), }", "at most 4 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3), }", "expected a dimension, found '-3"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", "',' or ')'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 6, }", "a shape such as"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", "dimension 0 of the features is 0"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", "the features have 1 dimensions"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3), }", "True or False"},
        {"{'descr': '<f4', 'shape': (2, 3), }", "expected descr, fortran_order and shape"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "'descr' is unknown or"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'colour': 1}", "'colour' is unknown"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)", "',' or '}'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} 7", "nothing after '}'"},
        {"{'descr': '<f4'", "',' or '}'"},
        {"{'descr", "a key in quotes"},
        {"", "'{'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808, 3)}", "below 2^63"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 3)}", "overflow"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3074457345618258602, 3)}", "overflow"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000)}", "found only 24"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3)}", "12 more bytes"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        put_npy_version("x", 1, cases[c].dictionary, values, sizeof values);
        assert_not_opened("{format: npy, features: x}", LS_EDATA, "/x: ", cases[c].word);
    }
}

/* 2^60 elements in a packed file of a hundred bytes, in each role. */
static void packed_absurd_sizes(void **state)
{
    (void)state;
    uint8_t bytes[512];
    put_npy("x", "<f4", "(1152921504606846976,)", values, sizeof values);
    const size_t n = get_bytes("x", bytes, sizeof bytes);
    put_gzip("x.gz", bytes, n);
    put_npy("good", "<f4", "(2, 3)", values, sizeof values);
    const char *const specs[] = {"{format: npy, features: x.gz}", "{format: npy, features: good, labels: x.gz}",
                                 "{format: npy, features: good, targets: x.gz}"};
    for (int i = 0; i < 3; i++)
        assert_not_opened(specs[i], LS_EDATA, "/x.gz (unpacked): byte 128: expected 4611686018427387904 bytes of",
                          "cannot unpack to so many");
}

static void wrong_beginnings(void **state)
{
    (void)state;
    uint8_t bytes[512];
    put_npy("x", "<f4", "(2, 3)", values, sizeof values);
    const size_t n = get_bytes("x", bytes, sizeof bytes);
    for (size_t cut = 0; cut < n; cut++) {
        put_bytes("x", bytes, cut);
        assert_not_opened("{format: npy, features: x}", LS_EDATA, "/x: byte ", "expected");
    }
    bytes[6] = 4;
    put_bytes("x", bytes, n);
    assert_not_opened("{format: npy, features: x}", LS_EDATA, "/x: byte 6", "found 4.0");
    bytes[6] = 2; /* a length of 4 bytes, the upper two of them text */
    put_bytes("x", bytes, n);
    assert_not_opened("{format: npy, features: x}", LS_EDATA, "/x: byte 8", "at most 65536 bytes");
    bytes[0] = 'P';
    put_bytes("x", bytes, n);
    assert_not_opened("{format: npy, features: x}", LS_EDATA, "/x: byte 0", "found 50 4e 55 4d 50 59");
}

static void every_changed_bit(void **state)
{
    (void)state;
    uint8_t bytes[512];
    put_npy("x", "<f4", "(2, 3)", values, sizeof values);
    const size_t n = get_bytes("x", bytes, sizeof bytes);
    for (size_t at = 0; at < n; at++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1 << bit);
            put_bytes("x", bytes, n);
            loaded l;
            if (open_source(&l, "{format: npy, features: x}") == LS_OK) (void)load_source(&l);
            close_set(&l);
            bytes[at] ^= (uint8_t)(1 << bit);
        }
}

/* More elements than one chunk of conversion. */
static void large_and_packed(void **state)
{
    (void)state;
    enum { N = 5000 };
    static uint8_t file[64 + N * 8];
    memcpy(file, "\x93NUMPY\1\0\x36\0{'descr':'<i8','fortran_order':False,'shape':(2500,2)}", 64);
    for (int64_t i = 0; i < N; i++) memcpy(file + 64 + i * 8, &(int64_t){i * 3 - 7}, 8);
    put_gzip("x.gz", file, sizeof file);
    loaded l = load_set("{format: npy, features: x.gz}");
    assert_int_equal(l.set.info.n_samples, 2500);
    for (int i = 0; i < N; i++) assert_true(((const float *)l.set.features)[i] == (float)(i * 3 - 7));
    close_set(&l);
    l = load_set("{format: npy, features: x.gz, limit: 1025}");
    for (int i = 0; i < 2050; i++) assert_true(((const float *)l.set.features)[i] == (float)(i * 3 - 7));
    assert_true(((const float *)l.set.features)[2050] == 0); /* nothing is written behind the limit */
    close_set(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_and_labels), cmocka_unit_test(element_types),
        cmocka_unit_test(label_types),       cmocka_unit_test(versions_and_spellings),
        cmocka_unit_test(targets),           cmocka_unit_test(wrong_labels),
        cmocka_unit_test(not_finite),        cmocka_unit_test(wrong_dictionaries),
        cmocka_unit_test(wrong_beginnings),  cmocka_unit_test(every_changed_bit),
        cmocka_unit_test(large_and_packed),  cmocka_unit_test(packed_absurd_sizes),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
