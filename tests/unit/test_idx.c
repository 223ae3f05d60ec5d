#include "unit/data_files.h"

/* 2 images of 2 x 3 bytes and their labels, written by hand. */
static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0,   0,   0,   2,   0,   0,
                                 0, 3, 1, 2, 3, 4, 5, 6, 250, 251, 252, 253, 254, 255};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 3};

#define SPEC "{format: idx, images: i, labels: l}"

static void put_pair(void)
{
    put_bytes("i", images, sizeof images);
    put_bytes("l", labels, sizeof labels);
}

static void check_pair(const ls_dataset *set)
{
    const ls_dataset_info *info = &set->info;
    assert_int_equal(info->n_samples, 2);
    assert_int_equal(info->n_features, 6);
    assert_int_equal(info->n_dim, 3);
    assert_int_equal(info->dim[0], 1);
    assert_int_equal(info->dim[1], 2);
    assert_int_equal(info->dim[2], 3);
    assert_int_equal(info->feature_type, LS_FEATURE_U8);
    assert_int_equal(info->label_kind, LS_LABEL_CLASS);
    assert_memory_equal(set->features, images + 16, 12);
    assert_int_equal(set->labels[0], 7);
    assert_int_equal(set->labels[1], 3);
}

static void plain_and_gzip_are_equal(void **state)
{
    (void)state;
    put_pair();
    put_gzip("i.gz", images, sizeof images);
    put_gzip("l.gz", labels, sizeof labels);
    loaded plain = load_set(SPEC), packed = load_set("{format: idx, images: i.gz, labels: l.gz}");
    check_pair(&plain.set);
    check_pair(&packed.set);
    assert_int_equal(ls_dataset_hash(&plain.set), ls_dataset_hash(&packed.set));
    close_set(&plain);
    close_set(&packed);
}

static void a_source_loads_again(void **state)
{
    (void)state;
    put_pair();
    put_gzip("i.gz", images, sizeof images);
    loaded l = load_set("{format: idx, images: i.gz, labels: l}");
    assert_int_equal(load_source(&l), LS_OK);
    check_pair(&l.set);
    close_set(&l);
}

static void no_labels(void **state)
{
    (void)state;
    put_pair();
    loaded l = load_set("{format: idx, images: i}");
    assert_int_equal(l.set.info.label_kind, LS_LABEL_NONE);
    assert_null(l.set.labels);
    assert_null(l.set.targets);
    assert_memory_equal(l.set.features, images + 16, 12);
    close_set(&l);
}

static void shapes(void **state)
{
    (void)state;
    const uint8_t flat[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
    const uint8_t deep[] = {0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6};
    put_bytes("flat", flat, sizeof flat);
    put_bytes("deep", deep, sizeof deep);
    loaded l = load_set("{format: idx, images: flat}");
    assert_int_equal(l.set.info.n_dim, 1);
    assert_int_equal(l.set.info.dim[0], 3);
    assert_int_equal(l.set.info.dim[1], 0);
    assert_int_equal(l.set.info.n_samples, 2);
    close_set(&l);
    l = load_set("{format: idx, images: deep}");
    assert_int_equal(l.set.info.n_dim, 3);
    assert_int_equal(l.set.info.dim[0], 3);
    assert_int_equal(l.set.info.dim[1], 1);
    assert_int_equal(l.set.info.dim[2], 2);
    assert_int_equal(l.set.info.n_features, 6);
    close_set(&l);
}

static void limit_takes_the_first(void **state)
{
    (void)state;
    put_pair();
    loaded l = load_set("{format: idx, images: i, labels: l, limit: 1}");
    assert_int_equal(l.set.info.n_samples, 1);
    assert_memory_equal(l.set.features, images + 16, 6);
    assert_int_equal(l.set.labels[0], 7);
    close_set(&l);
}

/* The first n bytes of the images, plain and packed. */
static void truncated_at(size_t n, const char *plain_word, const char *packed_word)
{
    put_pair();
    put_bytes("i", images, n);
    assert_refused(SPEC, LS_EDATA, "/i: ", plain_word);
    put_gzip("i.gz", images, n);
    assert_refused("{format: idx, images: i.gz, labels: l}", LS_EDATA, "/i.gz (unpacked): ", packed_word);
}

static void truncated_files(void **state)
{
    (void)state;
    truncated_at(0, "byte 0: expected 4 more bytes of the IDX header", "byte 0: expected 4 more");
    truncated_at(3, "byte 3: expected 1 more bytes of the IDX header", "byte 3: expected 1 more");
    truncated_at(14, "byte 14: expected 2 more bytes of the IDX header", "byte 14: expected 2 more");
    truncated_at(27, "byte 16: expected 12 bytes of images, found only 11", "byte 27: expected 1 more bytes of images");
    put_pair();
    put_bytes("l", labels, 9);
    assert_refused(SPEC, LS_EDATA, "/l: byte 8", "found only 1");
}

static void trailing_bytes(void **state)
{
    (void)state;
    uint8_t longer[sizeof images + 1] = {0};
    memcpy(longer, images, sizeof images);
    put_pair();
    put_bytes("i", longer, sizeof longer);
    assert_not_opened(SPEC, LS_EDATA, "/i: byte 28: expected the end of the file", "1 more bytes");
    put_gzip("i.gz", longer, sizeof longer);
    assert_refused("{format: idx, images: i.gz}", LS_EDATA, "/i.gz", "byte 28: expected the end of the file");
    assert_refused("{format: idx, images: i.gz, limit: 1}", LS_EDATA, "/i.gz", "byte 28: expected the end of the file");
}

static void wrong_headers(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        const char *word;
    } cases[] = {{0, 0x89, "byte 0: expected an IDX header"},
                 {1, 1, "found 00 01 08 03"},
                 {2, 7, "byte 0: expected an IDX header"},
                 {2, 0x0D, "byte 2: expected unsigned bytes (08), found 32-bit floats (0d)"},
                 {2, 0x0C, "32-bit integers"},
                 {2, 0x0B, "16-bit integers"},
                 {2, 0x09, "signed bytes"},
                 {2, 0x0E, "64-bit floats"},
                 {3, 0, "byte 3: expected 1 to 4 dimensions"},
                 {3, 5, "byte 3: expected 1 to 4 dimensions of the images, found 5"},
                 {3, 1, "byte 10: expected the end of the file after images, found 18"},
                 {7, 0, "dimension 0 of the images is 0"},
                 {15, 0, "dimension 2 of the images is 0"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        uint8_t bytes[sizeof images];
        memcpy(bytes, images, sizeof images);
        bytes[cases[c].at] = cases[c].value;
        put_pair();
        put_bytes("i", bytes, sizeof bytes);
        assert_not_opened(SPEC, LS_EDATA, "/i: ", cases[c].word);
    }
    put_pair();
    assert_not_opened("{format: idx, images: l}", LS_EDATA, "/l: the images have 1 dimensions", "expected 2 to 4");
    assert_not_opened("{format: idx, images: i, labels: i}", LS_EDATA, "/i: byte 3: expected 1 to 1",
                      "labels, found 3");
}

static void absurd_sizes(void **state)
{
    (void)state;
    uint8_t bytes[20 + 4] = {0, 0, 8, 4};
    memset(bytes + 4, 0xFF, 16); /* (2^32 - 1)^4 overflows */
    put_bytes("i", bytes, sizeof bytes);
    assert_not_opened("{format: idx, images: i}", LS_EDATA, "/i: the dimensions of the images overflow", "");
    memset(bytes + 12, 0, 8);
    bytes[15] = bytes[19] = 1; /* (2^32 - 1)^2 bytes overflow as well; 2^31 - 1 squared does not */
    bytes[4] = bytes[8] = 0x7F;
    put_bytes("i", bytes, sizeof bytes);
    assert_not_opened("{format: idx, images: i}", LS_EDATA, "/i: byte 20: expected 4611686014132420609 bytes",
                      "found only 4");
    put_gzip("i.gz", bytes, sizeof bytes);
    assert_not_opened("{format: idx, images: i.gz}", LS_EDATA, "/i.gz", "cannot unpack to so many");
}

static void counts_differ(void **state)
{
    (void)state;
    const uint8_t three[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 3, 1};
    put_pair();
    put_bytes("l", three, sizeof three);
    assert_not_opened(SPEC, LS_EDATA, "/l holds 3 labels", "/i holds 2 images");
}

static void missing_files(void **state)
{
    (void)state;
    loaded l = {0};
    char tried[200];
    const char *spec = "{format: idx, images: nowhere.idx}";
    assert_int_equal(ls_node_parse(spec, strlen(spec), "test.yaml", &l.spec), LS_OK);
    assert_int_equal(ls_dataset_open(l.spec, test_directory, "/data/sets", &l.source), LS_EDATA);
    snprintf(tried, sizeof tried, "%s/nowhere.idx", test_directory);
    assert_message(tried);
    assert_message("/data/sets/nowhere.idx");
    close_set(&l);
    assert_not_opened("{format: idx, images: /nowhere/at/all}", LS_EDATA, "/nowhere/at/all", "not found");
    assert_not_opened("{format: idx, images: .}", LS_EDATA, test_directory, "not a regular file");
    assert_not_opened("{format: idx, images: ~}", LS_EUSAGE, "test.yaml:1:1", "needs the file 'images'");
    assert_not_opened("{format: idx, images: ''}", LS_EUSAGE, "file name is empty", "");
    assert_not_opened("{format: idx}", LS_EUSAGE, "needs the key 'images'", "");
}

static void the_data_directory_is_second(void **state)
{
    (void)state;
    put_pair();
    loaded l = {0};
    const char *spec = "{format: idx, images: i, labels: l}";
    assert_int_equal(ls_node_parse(spec, strlen(spec), "test.yaml", &l.spec), LS_OK);
    assert_int_equal(ls_dataset_open(l.spec, "/nowhere", test_directory, &l.source), LS_OK);
    assert_int_equal(load_source(&l), LS_OK);
    check_pair(&l.set);
    close_set(&l);
}

static void corrupt_gzip(void **state)
{
    (void)state;
    uint8_t bytes[256];
    put_pair();
    put_gzip("i.gz", images, sizeof images);
    const size_t n = get_bytes("i.gz", bytes, sizeof bytes);
    bytes[n - 8] ^= 1; /* the CRC */
    put_bytes("crc.gz", bytes, n);
    assert_refused("{format: idx, images: crc.gz, labels: l}", LS_EDATA, "/crc.gz", "corrupt or truncated data");
    assert_refused("{format: idx, images: crc.gz, limit: 1}", LS_EDATA, "/crc.gz", "corrupt or truncated data");
    bytes[n - 8] ^= 1;
    put_bytes("cut.gz", bytes, n - 3);
    assert_refused("{format: idx, images: cut.gz, labels: l}", LS_EDATA, "/cut.gz", "corrupt or truncated data");
    put_bytes("short.gz", bytes, 12);
    assert_refused("{format: idx, images: short.gz}", LS_EDATA, "/short.gz", "corrupt or truncated data");
    bytes[10] ^= 0xFF;
    put_bytes("bits.gz", bytes, n);
    assert_refused("{format: idx, images: bits.gz}", LS_EDATA, "/bits.gz", "expected");
}

/* No single changed byte, and no shorter file, may crash; most must be refused. */
static void hostile_bytes(void **state)
{
    (void)state;
    put_pair();
    for (int packed = 0; packed < 2; packed++) {
        uint8_t bytes[256];
        (packed ? put_gzip : put_bytes)("h", images, sizeof images);
        const size_t n = get_bytes("h", bytes, sizeof bytes);
        for (size_t at = 0; at < n; at++)
            for (int bit = 0; bit < 8; bit++) {
                bytes[at] ^= (uint8_t)(1 << bit);
                put_bytes("h", bytes, n);
                loaded l;
                if (open_source(&l, "{format: idx, images: h, labels: l}") == LS_OK) (void)load_source(&l);
                close_set(&l);
                bytes[at] ^= (uint8_t)(1 << bit);
            }
        for (size_t cut = 0; cut < n; cut++) {
            put_bytes("h", bytes, cut);
            assert_refused("{format: idx, images: h, labels: l}", LS_EDATA, "/h", "");
        }
    }
}

static void a_file_that_shrinks_is_an_error(void **state)
{
    (void)state;
    enum { N = 800000 }; /* more than the buffer holds after opening */
    static uint8_t bytes[16 + N] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 2, 0x80, 0, 0, 2, 0x71}; /* 2 x 640 x 625 */
    char path[128];
    loaded l;
    put_bytes("big", bytes, sizeof bytes);
    assert_int_equal(open_source(&l, "{format: idx, images: big}"), LS_OK);
    assert_int_equal(truncate(test_path("big", path), 500000), 0);
    assert_int_equal(load_source(&l), LS_EDATA);
    assert_message("/big: byte 500000: expected 300016 more bytes of images");
    close_set(&l);
}

#define FASHION "/usr/share/datasets/fashion-mnist/"

static void fashion_mnist(void **state)
{
    (void)state;
    if (access(FASHION "train-images-idx3-ubyte.gz", R_OK) != 0) skip();
    loaded l = load_set("{format: idx, images: " FASHION "train-images-idx3-ubyte.gz, labels: " FASHION
                        "train-labels-idx1-ubyte.gz}");
    const int32_t first[] = {9, 0, 0, 3, 0};
    int64_t count[10] = {0};
    assert_int_equal(l.set.info.n_samples, 60000);
    assert_int_equal(l.set.info.n_features, 784);
    assert_int_equal(l.set.info.dim[1], 28);
    assert_memory_equal(l.set.labels, first, sizeof first);
    assert_int_equal(ls_dataset_check_labels(&l.set, "train", 10), LS_OK);
    for (int64_t i = 0; i < 60000; i++) count[l.set.labels[i]]++;
    for (int c = 0; c < 10; c++) assert_int_equal(count[c], 6000);
    double sum = 0; /* the published mean of the training pixels is 0.2860 */
    for (int64_t i = 0; i < 60000 * 784; i++) sum += ((const uint8_t *)l.set.features)[i];
    assert_true(sum / 255 / 60000 / 784 > 0.28595 && sum / 255 / 60000 / 784 < 0.28605);
    close_set(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_gzip_are_equal),
        cmocka_unit_test(a_source_loads_again),
        cmocka_unit_test(no_labels),
        cmocka_unit_test(shapes),
        cmocka_unit_test(limit_takes_the_first),
        cmocka_unit_test(truncated_files),
        cmocka_unit_test(trailing_bytes),
        cmocka_unit_test(wrong_headers),
        cmocka_unit_test(absurd_sizes),
        cmocka_unit_test(counts_differ),
        cmocka_unit_test(missing_files),
        cmocka_unit_test(the_data_directory_is_second),
        cmocka_unit_test(corrupt_gzip),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(fashion_mnist),
        cmocka_unit_test(a_file_that_shrinks_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
