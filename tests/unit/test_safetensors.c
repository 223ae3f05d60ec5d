#include "unit/data_files.h"

#include "base/file.h"
#include "train/safetensors.h"

enum { CAPACITY = 8192 };

static uint8_t bytes[CAPACITY];

static void assert_good(ls_status status)
{
    if (status != LS_OK) fail_msg("%s", ls_status_message());
}

/* Writes two tensors and some metadata as checkpoints are written; returns the size of the file. */
static size_t write_small(const char *name)
{
    static const float weights[] = {1, -2.5f, 3, 4, 5, 6}, bias[] = {0.5f, 0.25f};
    char path[128], digits[LS_HASH_DIGITS + 1];
    ls_safetensors_header h;
    ls_file_writer *writer;
    ls_hash *hash;
    ls_safetensors_begin(&h);
    ls_safetensors_put_metadata(&h, "note", "a \"b\"\n");
    ls_safetensors_put_tensor(&h, "0.weight", 2, (int64_t[]){3, 2});
    ls_safetensors_put_tensor(&h, "0.bias", 1, (int64_t[]){2});
    assert_good(ls_safetensors_end(&h));
    assert_int_equal(h.data_bytes, sizeof weights + sizeof bias);
    assert_good(ls_file_writer_create(test_path(name, path), &writer));
    assert_good(ls_file_writer_add(writer, h.text.data, h.text.n));
    assert_good(ls_file_writer_add(writer, weights, sizeof weights));
    assert_good(ls_file_writer_add(writer, bias, sizeof bias));
    assert_good(ls_hash_create(&hash));
    ls_hash_add(hash, h.text.data, h.text.n);
    ls_hash_add(hash, weights, sizeof weights);
    ls_hash_add(hash, bias, sizeof bias);
    ls_hash_text(ls_hash_value(hash), digits);
    assert_good(ls_file_writer_patch(writer, h.hash_at, digits, LS_HASH_DIGITS));
    assert_good(ls_file_writer_commit(writer));
    ls_hash_destroy(&hash);
    ls_file_writer_destroy(&writer);
    ls_text_free(&h.text);
    return get_bytes(name, bytes, sizeof bytes);
}

/* Every byte as the format's description and the header's comment say, put together by hand. */
static void the_layout(void **state)
{
    (void)state;
    static const char before[] = "{\"__metadata__\":{\"xxh3\":\"",
                      after[] = "\",\"note\":\"a \\\"b\\\"\\u000a\"},"
                                "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]},"
                                "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]}}";
    static const uint8_t data[] = {0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0, 0, 0, 0x40, 0x40, 0, 0, 0x80, 0x40,
                                   0, 0, 0xA0, 0x40, 0, 0, 0xC0, 0x40, 0, 0, 0,    0x3F, 0, 0, 0x80, 0x3E};
    const size_t used = 8 + strlen(before) + 16 + strlen(after), header = (used + 63) / 64 * 64;
    uint8_t expected[CAPACITY] = {(uint8_t)(header - 8), (uint8_t)((header - 8) >> 8)};
    memset(expected + 8, ' ', header - 8);
    memcpy(expected + 8, before, strlen(before));
    memset(expected + 8 + strlen(before), '0', 16);
    memcpy(expected + 8 + strlen(before) + 16, after, strlen(after));
    memcpy(expected + header, data, sizeof data);
    char digits[LS_HASH_DIGITS + 1];
    ls_hash_text(ls_hash_bytes(expected, header + sizeof data), digits);
    memcpy(expected + 8 + strlen(before), digits, 16);
    assert_int_equal(write_small("small"), header + sizeof data);
    assert_memory_equal(bytes, expected, header + sizeof data);
}

static void reading_back(void **state)
{
    (void)state;
    char path[128];
    ls_safetensors *file;
    write_small("small");
    assert_good(ls_safetensors_open(test_path("small", path), &file));
    assert_good(ls_safetensors_check_hash(file, path));
    assert_int_equal(ls_safetensors_n_tensors(file), 2);
    const ls_stored_tensor *w = ls_safetensors_tensor(file, 0), *b = ls_safetensors_tensor(file, 1);
    assert_string_equal(w->name, "0.weight");
    assert_int_equal(w->n_dim, 2);
    assert_int_equal(w->dim[0], 3);
    assert_int_equal(w->dim[1], 2);
    assert_int_equal(w->n, 6);
    float values[6];
    assert_true(ls_stored_is_f32(w) && ls_stored_floats(w, values) && values[1] == -2.5f && values[5] == 6);
    assert_int_equal((uintptr_t)w->bytes % 64, 0);
    assert_string_equal(b->name, "0.bias");
    assert_int_equal(b->n, 2);
    assert_true(ls_stored_floats(b, values) && values[0] == 0.5f && values[1] == 0.25f);
    assert_ptr_equal(ls_safetensors_find(file, "0.bias"), b);
    assert_null(ls_safetensors_find(file, "0.bia"));
    assert_string_equal(ls_safetensors_metadata(file, "note"), "a \"b\"\n");
    assert_null(ls_safetensors_metadata(file, "other"));
    ls_safetensors_close(&file);
    assert_null(file);
    ls_safetensors_close(&file);
    ls_safetensors_close(NULL);
}

/* Opening, or the hash, finds it; LS_ECHECKPOINT names the path. */
static ls_status open_and_check(const char *path)
{
    ls_safetensors *file;
    ls_status status = ls_safetensors_open(path, &file);
    if (status == LS_OK) status = ls_safetensors_check_hash(file, path);
    ls_safetensors_close(&file);
    return status;
}

static void every_flipped_byte_is_found(void **state)
{
    (void)state;
    char path[128];
    const size_t n = write_small("small");
    test_path("flipped", path);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 9; bit++) {
            const uint8_t change = (uint8_t)(bit < 8 ? 1 << bit : 0xFF);
            bytes[i] ^= change;
            put_bytes("flipped", bytes, n);
            bytes[i] ^= change;
            if (open_and_check(path) != LS_ECHECKPOINT) fail_msg("byte %zu, change %02x", i, change);
            assert_message("/flipped: ");
        }
    put_bytes("flipped", bytes, n);
    assert_int_equal(open_and_check(path), LS_OK);
}

static void every_truncation_is_found(void **state)
{
    (void)state;
    char path[128];
    const size_t n = write_small("small");
    for (size_t i = 0; i < n; i++) {
        put_bytes("cut", bytes, i);
        assert_int_equal(open_and_check(test_path("cut", path)), LS_ECHECKPOINT);
        assert_message("/cut: ");
    }
    bytes[n] = 0;
    put_bytes("cut", bytes, n + 1);
    assert_int_equal(open_and_check(path), LS_ECHECKPOINT);
    assert_message("1 bytes behind the last tensor");
}

/* A file from a JSON header, padded to 64 bytes, and n_data zero bytes. */
static void put_header(const char *json, size_t n_data)
{
    const size_t length = (strlen(json) + 8 + 63) / 64 * 64 - 8;
    assert_true(8 + length + n_data <= sizeof bytes);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (uint8_t)length;
    bytes[1] = (uint8_t)(length >> 8);
    memset(bytes + 8, ' ', length);
    memcpy(bytes + 8, json, strlen(json));
    put_bytes("h", bytes, 8 + length + n_data);
}

static void assert_not_opened_header(const char *json, size_t n_data, const char *word)
{
    char path[128];
    ls_safetensors *file;
    put_header(json, n_data);
    if (ls_safetensors_open(test_path("h", path), &file) != LS_ECHECKPOINT) fail_msg("accepted: %s", json);
    assert_null(file);
    assert_message("/h: ");
    assert_message(word);
}

#define T(shape, offsets) "\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets

static void hostile_tensors(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        size_t n_data;
        const char *word;
    } cases[] = {
        {"{\"a\":{" T("[1]", "[0,4]") "}}", 0, "tensor 'a': bytes 0 to 4 do not fit"},
        {"{\"a\":{" T("[2]", "[0,4]") "}}", 4, "do not fit its shape"},
        {"{\"a\":{" T("[1]", "[0,8]") "}}", 8, "do not fit its shape"},
        {"{\"a\":{" T("[1]", "[4,8]") "}}", 8, "tensor 'a' leaves a gap"},
        {"{\"a\":{" T("[1]", "[2,6]") "}}", 8, "tensor 'a' leaves a gap"},
        {"{\"a\":{" T("[1]", "[4,0]") "}}", 4, "do not fit"},
        {"{\"a\":{" T("[1]", "[-4,0]") "}}", 4, "do not fit"},
        {"{\"a\":{" T("[1]", "[0.0,4.0]") "}}", 4, "do not fit"},
        {"{\"a\":{" T("[1]", "[\"0\",\"4\"]") "}}", 4, "do not fit"},
        {"{\"a\":{" T("[1]", "[0]") "}}", 4, "do not fit"},
        {"{\"a\":{" T("[1]", "[0,4,8]") "}}", 4, "do not fit"},
        {"{\"a\":{" T("[1]", "{}") "}}", 4, "do not fit"},
        {"{\"a\":{" T("[1]", "[0,4]") "},\"b\":{" T("[1]", "[0,4]") "}}", 4, "a gap or an overlap"},
        {"{\"a\":{" T("[2]", "[0,8]") "},\"b\":{" T("[1]", "[4,8]") "}}", 8, "a gap or an overlap"},
        {"{\"a\":{" T("[1]", "[0,4]") "},\"b\":{" T("[1]", "[8,12]") "}}", 12, "a gap or an overlap"},
        {"{\"a\":{" T("[1]", "[0,4]") "}}", 8, "4 bytes behind the last tensor"},
        {"{}", 4, "4 bytes behind the last tensor"},
        {"{\"a\":{" T("[576460752303423488]", "[0,2305843009213693952]") "}}", 4, "do not fit"},
        {"{\"a\":{" T("[4611686018427387904]", "[0,0]") "}}", 0, "impossible shape"},
        {"{\"a\":{" T("[1152921504606846976,16]", "[0,0]") "}}", 0, "impossible shape"},
        {"{\"a\":{" T("[4294967296,4294967296]", "[0,0]") "}}", 0, "impossible shape"},
        {"{\"a\":{" T("[-1]", "[0,0]") "}}", 0, "impossible shape"},
        {"{\"a\":{" T("[-1,-1]", "[0,4]") "}}", 4, "impossible shape"},
        {"{\"a\":{" T("[1.5]", "[0,4]") "}}", 4, "impossible shape"},
        {"{\"a\":{" T("[1,1,1,1,1]", "[0,4]") "}}", 4, "shape must be a list of at most 4"},
        {"{\"a\":{" T("4", "[0,4]") "}}", 4, "shape must be a list"},
        {"{\"a\":{" T("[99999999999999999999]", "[0,4]") "}}", 4, "not a JSON object"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor 'a': type missing"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "do not fit its shape"},
        {"{\"a\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "type C64, expected F32"},
        {"{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "type missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape must be a list"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "do not fit"},
        {"{\"a\":5}", 0, "tensor 'a': type missing"},
        {"{\"a\":{" T("[1]", "[0,4]") "},\"a\":{" T("[1]", "[4,8]") "}}", 8, "not a JSON object: duplicate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_not_opened_header(cases[i].json, cases[i].n_data, cases[i].word);
}

static void hostile_headers(void **state)
{
    (void)state;
    static const char *const texts[] = {"[]",
                                        "5",
                                        "null",
                                        "\"a\"",
                                        "",
                                        "{",
                                        "{}}",
                                        "{} x",
                                        "{\"a\":}",
                                        "{'a':1}",
                                        "{\"a\xFF\":{}}",
                                        "{\"a\\u0000b\":{}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_not_opened_header(texts[i], 0, "the header is not a JSON object");
    char deep[4000] = "{\"a\":";
    memset(deep + 5, '[', 3000);
    assert_not_opened_header(deep, 0, "not a JSON object");
    char path[128];
    ls_safetensors *file;
    put_header("{\"x\": 1}", 0);
    bytes[20] = 0; /* a zero byte in the header */
    put_bytes("h", bytes, 64);
    assert_int_equal(ls_safetensors_open(test_path("h", path), &file), LS_ECHECKPOINT);
    assert_int_equal(ls_safetensors_open(test_path("missing", path), &file), LS_ECHECKPOINT);
    assert_message("No such file");
    assert_int_equal(ls_safetensors_open(test_directory, &file), LS_ECHECKPOINT);
    assert_null(file);
}

static void hostile_lengths(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {57,
                                       58,
                                       64,
                                       1000,
                                       (uint64_t)100 << 20,
                                       UINT32_MAX,
                                       (uint64_t)1 << 32,
                                       INT64_MAX,
                                       UINT64_MAX,
                                       UINT64_MAX - 7,
                                       (uint64_t)1 << 60};
    char path[128];
    ls_safetensors *file;
    put_header("{}", 0);
    assert_good(ls_safetensors_open(test_path("h", path), &file)); /* 64 bytes, no tensors: legal */
    assert_int_equal(ls_safetensors_n_tensors(file), 0);
    assert_int_equal(ls_safetensors_check_hash(file, path), LS_ECHECKPOINT);
    assert_message("has no xxh3");
    ls_safetensors_close(&file);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int b = 0; b < 8; b++) bytes[b] = (uint8_t)(lengths[i] >> (8 * b));
        put_bytes("h", bytes, 64);
        assert_int_equal(ls_safetensors_open(path, &file), LS_ECHECKPOINT);
        assert_message("byte 0: a header of");
    }
    for (size_t n = 0; n < 8; n++) {
        put_bytes("h", bytes, n);
        assert_int_equal(ls_safetensors_open(path, &file), LS_ECHECKPOINT);
        assert_message("shorter than 8 bytes");
    }
}

/* Legal, though we do not write them so: any order in the header, tensors without elements, foreign metadata. */
static void foreign_files(void **state)
{
    (void)state;
    char path[128];
    ls_safetensors *file;
    put_header("{\"b\":{" T("[1]", "[8,12]") "},\"e\":{" T("[0,5]", "[8,8]") "},\"a\":{" T(
                   "[2]", "[0,8]") "},"
                                   "\"s\":{" T("[]", "[12,16]") "},\"__metadata__\":{\"format\":\"pt\"}}",
               16);
    assert_good(ls_safetensors_open(test_path("h", path), &file));
    static const char *const order[] = {"a", "e", "b", "s"};
    assert_int_equal(ls_safetensors_n_tensors(file), 4);
    for (int i = 0; i < 4; i++) assert_string_equal(ls_safetensors_tensor(file, i)->name, order[i]);
    assert_int_equal(ls_safetensors_find(file, "s")->n, 1);
    assert_int_equal(ls_safetensors_find(file, "e")->n, 0);
    assert_string_equal(ls_safetensors_metadata(file, "format"), "pt");
    ls_safetensors_close(&file);
    put_header("{\"__metadata__\":5}", 0);
    assert_good(ls_safetensors_open(path, &file));
    assert_null(ls_safetensors_metadata(file, "format"));
    ls_safetensors_close(&file);
}

/* A path with bytes that are no text goes into the metadata: the file must open again. */
static void metadata_of_any_bytes(void **state)
{
    (void)state;
    char path[128];
    ls_safetensors_header h;
    ls_safetensors *file;
    ls_safetensors_begin(&h);
    ls_safetensors_put_metadata(&h, "config_directory", "/home/caf\xE9/\x01");
    assert_good(ls_safetensors_end(&h));
    assert_int_equal(h.text.n % 64, 0);
    put_bytes("odd", h.text.data, h.text.n);
    ls_text_free(&h.text);
    assert_good(ls_safetensors_open(test_path("odd", path), &file));
    assert_string_equal(ls_safetensors_metadata(file, "config_directory"), "/home/caf\xEF\xBF\xBD/\x01");
    ls_safetensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout),
        cmocka_unit_test(reading_back),
        cmocka_unit_test(every_flipped_byte_is_found),
        cmocka_unit_test(every_truncation_is_found),
        cmocka_unit_test(hostile_tensors),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test(hostile_lengths),
        cmocka_unit_test(foreign_files),
        cmocka_unit_test(metadata_of_any_bytes),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
