#include <math.h>

#include "unit/data_files.h"

static ls_dataset_info info_of(int64_t n, int64_t channels, int64_t height, int64_t width, ls_feature_type type)
{
    ls_dataset_info info = {.n_samples = n, .n_features = channels * height * width, .n_dim = 3};
    info.feature_type = (int32_t)type;
    info.dim[0] = channels;
    info.dim[1] = height;
    info.dim[2] = width;
    return info;
}

static ls_status make_normalizer(const char *yaml, const ls_dataset_info *info, ls_normalizer **out)
{
    ls_node *spec;
    assert_int_equal(ls_node_parse(yaml, strlen(yaml), "test.yaml", &spec), LS_OK);
    const ls_status status = ls_normalizer_create(spec, info, out);
    if (status == LS_OK) {
        assert_non_null(ls_node_child(spec, "scale"));
        assert_non_null(ls_node_child(spec, "mean"));
        assert_non_null(ls_node_child(spec, "std"));
    }
    ls_node_destroy(&spec);
    return status;
}

/* What every feature of a test has: the entry of a list for all, for the channel, or for the feature. */
static double entry(const double *list, int n, int64_t feature, const ls_dataset_info *info)
{
    return list[n == 1 ? 0 : n == info->n_features ? feature : feature / (info->dim[1] * info->dim[2])];
}

enum { N = 5, C = 2, H = 2, W = 3, F = C * H * W };

static const char *const specs[] = {
    "{}",
    "{scale: 0.00392156862745098}",
    "{scale: 0.00392156862745098, mean: 0.286, std: 0.353}",
    "{scale: [0.1, 0.2], mean: 3, std: [7, 0.3]}",
    "{scale: 0.5, mean: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], std: [3]}",
    "{scale: [2, 3], mean: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], std: [3, 7]}",
};

static const struct {
    double scale[F], mean[F], std[F];
    int n_scale, n_mean, n_std;
} lists[] = {
    {{1}, {0}, {1}, 1, 1, 1},
    {{0.00392156862745098}, {0}, {1}, 1, 1, 1},
    {{0.00392156862745098}, {0.286}, {0.353}, 1, 1, 1},
    {{0.1, 0.2}, {3}, {7, 0.3}, 2, 1, 2},
    {{0.5}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {3}, 1, 12, 1},
    {{2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {3, 7}, 2, 12, 2},
};

static const int64_t ids[] = {4, 0, 0, 3, 2, 1, 4};

static void check_rows(const ls_dataset *set, int s)
{
    enum { ROWS = sizeof ids / sizeof *ids };
    ls_normalizer *normalizer;
    float out[ROWS * F + 1];
    assert_int_equal(make_normalizer(specs[s], &set->info, &normalizer), LS_OK);
    out[ROWS * F] = 77;
    const uint64_t allocations = ls_mem_allocations();
    ls_dataset_rows(set, normalizer, ids, ROWS, out);
    assert_int_equal(ls_mem_allocations(), allocations);
    assert_true(out[ROWS * F] == 77);
    for (int r = 0; r < ROWS; r++)
        for (int64_t f = 0; f < F; f++) {
            const int64_t at = ids[r] * F + f;
            const bool bytes = set->info.feature_type == LS_FEATURE_U8;
            const double x = bytes ? ((const uint8_t *)set->features)[at] : ((const float *)set->features)[at];
            const double scale = entry(lists[s].scale, lists[s].n_scale, f, &set->info);
            const double mean = entry(lists[s].mean, lists[s].n_mean, f, &set->info);
            const double std = entry(lists[s].std, lists[s].n_std, f, &set->info);
            const double expected = (x * scale - mean) / std;
            /* bytes: rounded once; floats: 3 roundings of parameters and 3 of operations, relative to the terms */
            const double size = (fabs(x * scale) + fabs(mean)) / std;
            if (bytes ? out[r * F + f] != (float)expected : fabs(out[r * F + f] - expected) > 6 * 0x1p-24 * size)
                fail_msg("%s: row %d feature %d: %.9g, expected %.9g", specs[s], r, (int)f, out[r * F + f], expected);
        }
    ls_normalizer_destroy(&normalizer);
    assert_null(normalizer);
}

static void rows_are_normalized(void **state)
{
    (void)state;
    uint8_t bytes[N * F];
    float floats[N * F];
    for (int i = 0; i < N * F; i++) bytes[i] = (uint8_t)(i * 37 + 200), floats[i] = (float)(i * 0.37 - 5);
    const ls_dataset u8 = {.info = info_of(N, C, H, W, LS_FEATURE_U8), .features = bytes};
    const ls_dataset f32 = {.info = info_of(N, C, H, W, LS_FEATURE_F32), .features = floats};
    for (size_t s = 0; s < sizeof specs / sizeof *specs; s++) {
        check_rows(&u8, (int)s);
        check_rows(&f32, (int)s);
    }
    ls_normalizer *normalizer;
    float out[N * F];
    const int64_t all[] = {0, 1, 2, 3, 4};
    assert_int_equal(make_normalizer("{}", &f32.info, &normalizer), LS_OK);
    ls_dataset_rows(&f32, normalizer, all, N, out);
    assert_memory_equal(out, floats, sizeof floats); /* the defaults change no bit */
    ls_dataset_rows(&f32, normalizer, all, 0, NULL);
    ls_normalizer_destroy(&normalizer);
    ls_normalizer_destroy(&normalizer);
    ls_normalizer_destroy(NULL);
}

/* One number for all, or the same number for each feature: the same bits. */
static void long_lists_give_the_bits_of_short_ones(void **state)
{
    (void)state;
    uint8_t bytes[256];
    float one[256], each[256];
    ls_text list = {0};
    ls_normalizer *a, *b;
    for (int i = 0; i < 256; i++) bytes[i] = (uint8_t)i;
    ls_text_printf(&list, "{scale: 0.00392156862745098, std: 0.353, mean: [");
    for (int i = 0; i < 256; i++) ls_text_printf(&list, "%s0.286", i ? ", " : "");
    ls_text_printf(&list, "]}");
    const ls_dataset set = {.info = info_of(1, 1, 16, 16, LS_FEATURE_U8), .features = bytes};
    assert_int_equal(make_normalizer(specs[2], &set.info, &a), LS_OK);
    assert_int_equal(make_normalizer(list.data, &set.info, &b), LS_OK);
    ls_dataset_rows(&set, a, (int64_t[]){0}, 1, one);
    ls_dataset_rows(&set, b, (int64_t[]){0}, 1, each);
    assert_memory_equal(one, each, sizeof one);
    ls_text_free(&list);
    ls_normalizer_destroy(&a);
    ls_normalizer_destroy(&b);
}

static void wrong_normalizers(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *word;
    } cases[] = {
        {"{std: 0}", "'std' is 0; it must be above 0"},
        {"{std: -1}", "'std' is -1"},
        {"{std: 1e-60}", "'std' is"},
        {"{std: [1, 0]}", "'std' is 0"},
        {"{mean: [1, 2, 3]}", "'mean' has 3 numbers; the samples have 2 channels and 12 features"},
        {"{scale: []}", "'scale' has 0 numbers"},
        {"{scale: ~}", "'scale' has 0 numbers"},
        {"{scale: 1e39}", "a number that a float can hold"},
        {"{mean: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]}", "at most 12 numbers"},
        {"{mean: abc}", "'mean' must be a number"},
        {"{means: 1}", "did you mean 'mean'?"},
        {"[1]", "must be keys and values"},
    };
    const ls_dataset_info info = info_of(N, C, H, W, LS_FEATURE_U8);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ls_normalizer *normalizer;
        assert_int_equal(make_normalizer(cases[c].spec, &info, &normalizer), LS_EUSAGE);
        assert_null(normalizer);
        assert_message("test.yaml:1");
        assert_message(cases[c].word);
    }
    ls_dataset_info flat = {.n_features = 12, .n_dim = 1, .dim = {12}};
    ls_normalizer *normalizer;
    assert_int_equal(make_normalizer("{mean: [1, 2]}", &flat, &normalizer), LS_EUSAGE);
    assert_message("1 channels and 12 features");
}

static void sizes_of_blocks(void **state)
{
    (void)state;
    size_t bytes, behind;
    ls_dataset_info info = info_of(3, 1, 1, 25, LS_FEATURE_U8);
    assert_int_equal(ls_dataset_bytes(&info, &bytes, &behind), LS_OK);
    assert_int_equal(bytes, 128); /* 75 */
    assert_int_equal(behind, 0);
    info.label_kind = LS_LABEL_CLASS;
    assert_int_equal(ls_dataset_bytes(&info, &bytes, &behind), LS_OK);
    assert_int_equal(bytes, 128);
    assert_int_equal(behind, 64); /* 12 */
    info.feature_type = LS_FEATURE_F32;
    info.label_kind = LS_LABEL_VALUES;
    info.n_targets = 6;
    assert_int_equal(ls_dataset_bytes(&info, &bytes, &behind), LS_OK);
    assert_int_equal(bytes, 320);  /* 300 */
    assert_int_equal(behind, 128); /* 72 */
    static const int64_t large[][3] = {{INT64_MAX, 2, 1}, {INT64_C(1) << 62, 1, 1}, {-1, 3, 1},
                                       {3, -1, 1},        {2, 2, INT64_MAX},        {INT64_C(1) << 60, 1, 1}};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        info.n_samples = large[i][0];
        info.n_features = large[i][1];
        info.n_targets = large[i][2];
        if (i == 5) info.n_targets = 1 << 10;
        assert_int_equal(ls_dataset_bytes(&info, &bytes, &behind), LS_EDATA);
        assert_message("more bytes than can be addressed");
    }
}

static void slices(void **state)
{
    (void)state;
    loaded l = load_set("{format: synthetic, kind: regression, samples: 10, features: 3, targets: 2}");
    loaded c = load_set("{format: synthetic, samples: 10, features: 3}");
    const ls_dataset values = ls_dataset_slice(&l.set, 4, 5), classes = ls_dataset_slice(&c.set, 7, 3);
    assert_int_equal(values.info.n_samples, 5);
    assert_ptr_equal(values.features, (const float *)l.set.features + 12);
    assert_ptr_equal(values.targets, l.set.targets + 8);
    assert_null(values.labels);
    assert_ptr_equal(classes.labels, c.set.labels + 7);
    assert_null(classes.targets);
    uint8_t bytes[30] = {0};
    ls_dataset u8 = {.info = {.n_samples = 10, .n_features = 3, .n_dim = 1}, .features = bytes};
    u8.info.feature_type = LS_FEATURE_U8;
    assert_ptr_equal(ls_dataset_slice(&u8, 9, 1).features, bytes + 27);
    close_set(&l);
    close_set(&c);
}

static void labels_are_checked(void **state)
{
    (void)state;
    const int32_t labels[] = {0, 2, 1, 3, -1};
    ls_dataset set = {.info = {.n_samples = 3, .label_kind = LS_LABEL_CLASS}, .labels = labels};
    assert_int_equal(ls_dataset_check_labels(&set, "train", 3), LS_OK);
    set.info.n_samples = 4;
    assert_int_equal(ls_dataset_check_labels(&set, "train", 3), LS_EDATA);
    assert_message("train: sample 3 has the label 3; the model has 3 classes, 0 to 2");
    set.info.n_samples = 5;
    assert_int_equal(ls_dataset_check_labels(&set, "train", 4), LS_EDATA);
    assert_message("sample 4 has the label -1");
    set.labels = NULL;
    assert_int_equal(ls_dataset_check_labels(&set, "train", 4), LS_EDATA);
}

/* Any difference of shape, features or labels changes the hash; a copy elsewhere does not. */
static void hashes(void **state)
{
    (void)state;
    uint8_t bytes[12] = {1, 2, 3}, copy[12] = {1, 2, 3};
    int32_t labels[2] = {1, 0};
    ls_dataset a = {.info = info_of(2, 1, 2, 3, LS_FEATURE_U8), .features = bytes, .labels = labels}, b = a;
    a.info.label_kind = b.info.label_kind = LS_LABEL_CLASS;
    b.features = copy;
    const uint64_t hash = ls_dataset_hash(&a);
    assert_int_equal(ls_dataset_hash(&b), hash);
    copy[11] = 1;
    assert_true(ls_dataset_hash(&b) != hash);
    copy[11] = 0;
    b.info.dim[1] = 3, b.info.dim[2] = 2;
    assert_true(ls_dataset_hash(&b) != hash);
    b.info = a.info;
    labels[1] = 1;
    assert_true(ls_dataset_hash(&b) != hash);
    labels[1] = 0;
    b.info.label_kind = LS_LABEL_NONE;
    b.labels = NULL;
    assert_true(ls_dataset_hash(&b) != hash);
}

static void wrong_specs(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *word;
    } cases[] = {
        {"{images: i}", "needs the key 'format'"},
        {"{format: [idx]}", "needs the key 'format'"},
        {"[idx]", "needs the key 'format'"},
        {"{format: syntetic, samples: 3}", "unknown data format 'syntetic'; did you mean 'synthetic'?"},
        {"{format: parquet-of-tomorrow}", "known: idx, npy, csv, cifar, synthetic"},
        {"{format: synthetic, samples: 3, limit: 0}", "'limit' is 0"},
        {"{format: synthetic, samples: 3, limit: 1.5}", "'limit' must be a whole number"},
        {"{format: synthetic, samples: 3, limit: all}", "'limit' must be a number"},
        {"{format: synthetic, samples: 3, limits: 2}", "unknown key 'limits' in data format synthetic"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        assert_not_opened(cases[c].spec, LS_EUSAGE, "test.yaml:1", cases[c].word);
}

static void the_spec_is_completed(void **state)
{
    (void)state;
    loaded l = load_set("{format: synthetic, samples: 3, limit: null}");
    double features;
    assert_int_equal(l.set.info.n_samples, 3);
    assert_true(ls_node_real(ls_node_child(l.spec, "features"), &features) && features == 784);
    close_set(&l);
    l = load_set("{format: synthetic, samples: 3}");
    assert_true(ls_node_is_null(ls_node_child(l.spec, "limit")));
    close_set(&l);
    ls_dataset_source_destroy(NULL);
}

static void formats_are_printed(void **state)
{
    (void)state;
    static const char *const words[] = {"format",
                                        "limit",
                                        "idx: ",
                                        "images",
                                        "npy: ",
                                        "targets",
                                        "csv: ",
                                        "delimiter",
                                        "synthetic: ",
                                        "classes",
                                        "cifar: ",
                                        "variant",
                                        "idx|npy|csv|cifar|synthetic"};
    ls_text text = {0};
    ls_dataset_formats_print(&text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) assert_non_null(strstr(text.data, words[i]));
    ls_text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_normalized),
        cmocka_unit_test(long_lists_give_the_bits_of_short_ones),
        cmocka_unit_test(wrong_normalizers),
        cmocka_unit_test(sizes_of_blocks),
        cmocka_unit_test(slices),
        cmocka_unit_test(labels_are_checked),
        cmocka_unit_test(hashes),
        cmocka_unit_test(wrong_specs),
        cmocka_unit_test(the_spec_is_completed),
        cmocka_unit_test(formats_are_printed),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
