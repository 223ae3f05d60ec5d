#include "unit/data_files.h"

enum { PIXELS = 3072, RECORD = 1 + PIXELS, FINE_RECORD = 2 + PIXELS, MAX_RECORDS = 4 };

/* Pixel i of record r of a generated file. */
static uint8_t pixel(int64_t r, int64_t i)
{
    return (uint8_t)(r * 91 + i * 7 + i / 1024 * 50 + i / 32 % 32);
}

/* n records: labels first, first + 1, ...; with two label bytes the coarse one is the fine one less 1, from 0. */
static size_t make_records(uint8_t *out, int n, int label_bytes, int first_label, int first_record)
{
    size_t at = 0;
    for (int r = 0; r < n; r++) {
        if (label_bytes == 2) out[at++] = (uint8_t)(first_label + r - 1);
        out[at++] = (uint8_t)(first_label + r);
        for (int i = 0; i < PIXELS; i++) out[at++] = pixel(first_record + r, i);
    }
    return at;
}

static uint8_t bytes[MAX_RECORDS * FINE_RECORD + 16];

static void put_records(const char *name, int n, int label_bytes, int first_label, int first_record)
{
    put_bytes(name, bytes, make_records(bytes, n, label_bytes, first_label, first_record));
}

static void check_pixels(const ls_dataset *set)
{
    const uint8_t *features = set->features;
    for (int64_t r = 0; r < set->info.n_samples; r++)
        for (int64_t i = 0; i < PIXELS; i++) assert_int_equal(features[r * PIXELS + i], pixel(r, i));
}

static void files_follow_one_another(void **state)
{
    (void)state;
    put_records("a.bin", 2, 1, 3, 0);
    put_records("b.bin", 1, 1, 9, 2);
    loaded l = load_set("{format: cifar, files: [a.bin, b.bin]}");
    const ls_dataset_info *info = &l.set.info;
    assert_int_equal(info->n_samples, 3);
    assert_int_equal(info->n_features, PIXELS);
    assert_int_equal(info->n_dim, 3);
    assert_int_equal(info->dim[0], 3);
    assert_int_equal(info->dim[1], 32);
    assert_int_equal(info->dim[2], 32);
    assert_int_equal(info->feature_type, LS_FEATURE_U8);
    assert_int_equal(info->label_kind, LS_LABEL_CLASS);
    const int32_t labels[] = {3, 4, 9};
    assert_memory_equal(l.set.labels, labels, sizeof labels);
    check_pixels(&l.set);
    assert_int_equal(load_source(&l), LS_OK); /* a source loads again */
    assert_memory_equal(l.set.labels, labels, sizeof labels);
    check_pixels(&l.set);
    close_set(&l);
}

static void limit_takes_the_first(void **state)
{
    (void)state;
    put_records("a.bin", 2, 1, 0, 0);
    put_records("b.bin", 2, 1, 5, 2);
    for (int limit = 1; limit <= 4; limit++) {
        char spec[64];
        snprintf(spec, sizeof spec, "{format: cifar, files: [a.bin, b.bin], limit: %d}", limit);
        loaded l = load_set(spec);
        assert_int_equal(l.set.info.n_samples, limit);
        const int32_t labels[] = {0, 1, 5, 6};
        assert_memory_equal(l.set.labels, labels, (size_t)limit * sizeof *labels);
        check_pixels(&l.set);
        close_set(&l);
    }
}

static void two_label_bytes(void **state)
{
    (void)state;
    put_records("a.bin", 3, 2, 17, 0);
    loaded fine = load_set("{format: cifar, files: [a.bin], variant: cifar100}"),
           coarse = load_set("{format: cifar, files: [a.bin], variant: cifar100_coarse}");
    const int32_t fine_labels[] = {17, 18, 19}, coarse_labels[] = {16, 17, 18};
    assert_memory_equal(fine.set.labels, fine_labels, sizeof fine_labels);
    assert_memory_equal(coarse.set.labels, coarse_labels, sizeof coarse_labels);
    check_pixels(&fine.set);
    check_pixels(&coarse.set);
    close_set(&fine);
    close_set(&coarse);
    put_records("a.bin", 1, 2, 99, 0); /* fine label 99 is the last; coarse label 98 is none */
    fine = load_set("{format: cifar, files: [a.bin], variant: cifar100}");
    assert_int_equal(fine.set.labels[0], 99);
    close_set(&fine);
    assert_refused("{format: cifar, files: [a.bin], variant: cifar100_coarse}", LS_EDATA, "/a.bin: byte 0",
                   "label from 0 to 19, found 98");
}

static void records_that_are_not_whole(void **state)
{
    (void)state;
    const size_t n = make_records(bytes, 2, 1, 0, 0);
    const size_t cuts[] = {1, 17, RECORD - 1, RECORD + 1, n - 1};
    for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        char word[128];
        put_bytes("a.bin", bytes, cuts[c]);
        snprintf(word, sizeof word, "/a.bin: byte %zu: expected a whole record of 3073 bytes, found %zu ",
                 cuts[c] / RECORD * RECORD, cuts[c] % RECORD);
        assert_not_opened("{format: cifar, files: [a.bin]}", LS_EDATA, word, "variant");
    }
    put_bytes("a.bin", bytes, n + 3); /* bytes behind the last record */
    assert_not_opened("{format: cifar, files: [a.bin]}", LS_EDATA, "/a.bin: byte 6146", "found 3 (2 records before");
    put_bytes("a.bin", bytes, n);
    assert_not_opened("{format: cifar, files: [a.bin], variant: cifar100}", LS_EDATA, "of 3074 bytes", "'variant'");
    put_bytes("a.bin", bytes, 0);
    assert_not_opened("{format: cifar, files: [a.bin]}", LS_EDATA, "/a.bin: holds no records", "");
    put_bytes("a.bin", bytes, n);
    put_bytes("b.bin", bytes, n - 1);
    assert_not_opened("{format: cifar, files: [a.bin, b.bin]}", LS_EDATA, "/b.bin: byte 3073", "");
}

static void labels_beyond_the_classes(void **state)
{
    (void)state;
    put_records("a.bin", 1, 1, 9, 0);
    put_records("b.bin", 3, 1, 8, 0); /* 8, 9, 10 */
    assert_refused("{format: cifar, files: [a.bin, b.bin]}", LS_EDATA, "/b.bin: byte 6146",
                   "label from 0 to 9, found 10");
    assert_refused("{format: cifar, files: [a.bin, b.bin], limit: 1}", LS_EDATA, "/b.bin: byte 6146", "found 10");
}

static void packed_files_are_refused(void **state)
{
    (void)state;
    put_gzip("a.gz", bytes, make_records(bytes, 2, 1, 0, 0));
    assert_not_opened("{format: cifar, files: [a.gz]}", LS_EDATA, "/a.gz (unpacked): is packed", "unpack it first");
}

static void bad_descriptions(void **state)
{
    (void)state;
    put_records("a.bin", 1, 1, 0, 0);
    assert_not_opened("{format: cifar, files: a.bin}", LS_EUSAGE, "test.yaml:1:1", "needs 'files', a list");
    assert_not_opened("{format: cifar, files: []}", LS_EUSAGE, "needs 'files', a list", "");
    assert_not_opened("{format: cifar, files: ~}", LS_EUSAGE, "needs 'files', a list", "");
    assert_not_opened("{format: cifar}", LS_EUSAGE, "needs the key 'files'", "");
    assert_not_opened("{format: cifar, files: [a.bin, [b]]}", LS_EUSAGE, "entry 1 of 'files'", "not a file name");
    assert_not_opened("{format: cifar, files: [~]}", LS_EUSAGE, "entry 0 of 'files'", "not a file name");
    assert_not_opened("{format: cifar, files: [a.bin, c.bin]}", LS_EDATA, "'c.bin' was not found", "");
    assert_not_opened("{format: cifar, files: [.]}", LS_EDATA, "not a regular file", "");
    assert_not_opened("{format: cifar, files: [a.bin], variant: cifar1000}", LS_EUSAGE, "cifar100", "variant");
}

static void a_file_that_changes_is_an_error(void **state)
{
    (void)state;
    enum { N = 200 }; /* more bytes than the buffer holds after opening */
    static uint8_t big[N * RECORD];
    char path[128];
    loaded l;
    put_bytes("big", big, sizeof big);
    assert_int_equal(open_source(&l, "{format: cifar, files: [big]}"), LS_OK);
    assert_int_equal(truncate(test_path("big", path), 500000), 0);
    assert_int_equal(load_source(&l), LS_EDATA);
    assert_message("/big: byte 500000: expected");
    close_set(&l);
    put_bytes("big", big, sizeof big);
    assert_int_equal(open_source(&l, "{format: cifar, files: [big]}"), LS_OK);
    assert_int_equal(truncate(test_path("big", path), sizeof big + 1), 0);
    assert_int_equal(load_source(&l), LS_EDATA);
    assert_message("expected the end of the file, found more bytes");
    close_set(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_follow_one_another),  cmocka_unit_test(limit_takes_the_first),
        cmocka_unit_test(two_label_bytes),           cmocka_unit_test(records_that_are_not_whole),
        cmocka_unit_test(labels_beyond_the_classes), cmocka_unit_test(packed_files_are_refused),
        cmocka_unit_test(bad_descriptions),          cmocka_unit_test(a_file_that_changes_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
