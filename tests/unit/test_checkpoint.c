#include "unit/data_files.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "lockstep/checkpoint.h"
#include "lockstep/network.h"
#include "train/safetensors.h"

typedef struct field {
    const char *key, *value;
} field;

/* What a checkpoint of this format must have. */
static const field whole[] = {
    {"format_version", "1"},      {"iteration", "400"},     {"stale_evaluations", "2"},
    {"target_reached", "-1"},     {"best_value", "0.0625"}, {"best_saved", "none"},
    {"input_shape", "[1, 2, 2]"}, {"config", "{}"},         {"noise_readings", "0.5 -2 1e-3 4"}};
enum { N_FIELDS = sizeof whole / sizeof *whole };

static const float weight[8] = {1, 2, 3, 4, 5, 6, 7, 8}, bias[2] = {-1, -2}, slot[8] = {9};

static ls_safetensors_header header_of(const field *fields, int n, int64_t rows, int64_t columns)
{
    ls_safetensors_header h;
    ls_safetensors_begin(&h);
    for (int i = 0; i < n; i++)
        if (fields[i].value != NULL) ls_safetensors_put_metadata(&h, fields[i].key, fields[i].value);
    ls_safetensors_put_tensor(&h, "0.weight", 2, (int64_t[]){rows, columns});
    ls_safetensors_put_tensor(&h, "0.bias", 1, (int64_t[]){2});
    ls_safetensors_put_tensor(&h, "optimizer.momentum.0.weight", 2, (int64_t[]){2, 4});
    assert_int_equal(ls_safetensors_end(&h), LS_OK);
    return h;
}

/* A checkpoint with a right hash, whatever its fields say. */
static void put_checkpoint(const char *name, const field *fields, int n, int64_t rows, int64_t columns)
{
    ls_safetensors_header h = header_of(fields, n, rows, columns);
    char digits[LS_HASH_DIGITS + 1];
    ls_text_add(&h.text, (const char *)weight, sizeof weight);
    ls_text_add(&h.text, (const char *)bias, sizeof bias);
    ls_text_add(&h.text, (const char *)slot, sizeof slot);
    ls_hash_text(ls_hash_bytes(h.text.data, h.text.n), digits);
    memcpy(h.text.data + h.hash_at, digits, LS_HASH_DIGITS);
    put_bytes(name, h.text.data, h.text.n);
    ls_text_free(&h.text);
}

/* A whole checkpoint under the name of its number. */
static void put_numbered(int64_t iteration)
{
    char name[64], number[32];
    field fields[N_FIELDS];
    memcpy(fields, whole, sizeof whole);
    snprintf(number, sizeof number, "%lld", (long long)iteration);
    snprintf(name, sizeof name, "ckpt-%08lld.safetensors", (long long)iteration);
    fields[1].value = number;
    put_checkpoint(name, fields, N_FIELDS, 2, 4);
}

static void damage(const char *name)
{
    char path[128];
    const int fd = open(test_path(name, path), O_WRONLY);
    struct stat info;
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    assert_int_equal(pwrite(fd, "\x55", 1, info.st_size - 3), 1);
    close(fd);
}

static ls_checkpoint *open_good(const char *name)
{
    char path[128];
    ls_checkpoint *c;
    if (ls_checkpoint_open(test_path(name, path), &c) != LS_OK) fail_msg("%s", ls_status_message());
    return c;
}

static void what_is_read(void **state)
{
    (void)state;
    put_checkpoint("c", whole, N_FIELDS, 2, 4);
    ls_checkpoint *c = open_good("c");
    assert_int_equal(c->state.iteration, 400);
    assert_int_equal(c->state.stale_evaluations, 2);
    assert_int_equal(c->state.target_reached, -1);
    assert_true(c->state.best_value == 0.0625);
    assert_true(isnan(c->state.best_saved));
    assert_int_equal(c->state.noise.n, 2);
    assert_true(c->state.noise.reading[0].g2 == -2 && c->state.noise.reading[1].trace == 1e-3);
    assert_int_equal(c->input.n_dim, 3);
    assert_int_equal(c->input.dim[0], 1);
    assert_int_equal(c->input.dim[1], 2);
    assert_int_equal(c->input.dim[2], 2);
    assert_non_null(strstr(c->path, "/c"));
    /* parameters alone, in the order of their bytes */
    uint8_t params[sizeof weight + sizeof bias];
    memcpy(params, weight, sizeof weight);
    memcpy(params + sizeof weight, bias, sizeof bias);
    assert_int_equal(ls_checkpoint_params_hash(c), ls_hash_bytes(params, sizeof params));
    ls_checkpoint_close(&c);
    assert_null(c);
    ls_checkpoint_close(&c);
    ls_checkpoint_close(NULL);
    assert_true(ls_checkpoint_is_slot("optimizer.momentum.0.weight"));
    assert_false(ls_checkpoint_is_slot("0.weight"));
    assert_true(ls_checkpoint_is_ema("ema.0.weight"));
    assert_false(ls_checkpoint_is_ema("0.weight"));
    assert_false(ls_checkpoint_is_slot("optimizer"));
}

/* A file of n bytes is refused. */
static void check_refused(const char *bytes, size_t n, const char *what, size_t at)
{
    char path[128];
    ls_checkpoint *c;
    put_bytes("d", bytes, n);
    if (ls_checkpoint_open(test_path("d", path), &c) != LS_ECHECKPOINT) fail_msg("accepted: %s %zu", what, at);
    assert_null(c);
}

/* Every single bit of a checkpoint matters: of the header's length, its JSON, the hash, the padding, the tensors.  And
 * it has one length. */
static void every_bit_and_every_length(void **state)
{
    (void)state;
    char path[128], *bytes;
    size_t n;
    put_checkpoint("c", whole, N_FIELDS, 2, 4);
    assert_int_equal(ls_file_read(test_path("c", path), 1 << 20, &bytes, &n), LS_OK);
    assert_true(n > 500);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        check_refused(bytes, n, "bit", bit);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t length = 0; length < n; length++) check_refused(bytes, length, "length", length);
    char *longer = ls_realloc(bytes, n, n + 64, 1);
    for (size_t more = 1; more <= 64; more++) check_refused(longer, n + more, "length", n + more);
    put_bytes("d", longer, n);
    ls_checkpoint *c = open_good("d");
    ls_checkpoint_close(&c);
    ls_free(longer);
}

/* Checkpoints of before there were readings. */
static void no_readings(void **state)
{
    (void)state;
    field fields[N_FIELDS];
    memcpy(fields, whole, sizeof whole);
    fields[N_FIELDS - 1].value = NULL;
    put_checkpoint("c", fields, N_FIELDS, 2, 4);
    ls_checkpoint *c = open_good("c");
    assert_int_equal(c->state.iteration, 400);
    assert_int_equal(c->state.noise.n, 0);
    ls_checkpoint_close(&c);
}

static void check_field(const char *key, const char *value)
{
    char path[128];
    field fields[N_FIELDS];
    ls_checkpoint *c;
    memcpy(fields, whole, sizeof whole);
    for (int i = 0; i < N_FIELDS; i++)
        if (strcmp(fields[i].key, key) == 0) fields[i].value = value;
    put_checkpoint("c", fields, N_FIELDS, 2, 4);
    if (ls_checkpoint_open(test_path("c", path), &c) != LS_ECHECKPOINT)
        fail_msg("accepted: %s = %s", key, value ? value : "(missing)");
    assert_null(c);
    assert_message("/c: ");
}

/* The hash is no seal: a file may be made with any content and a right hash. */
static void wrong_fields(void **state)
{
    (void)state;
    static const field cases[] = {{"format_version", "2"},
                                  {"format_version", ""},
                                  {"iteration", "-1"},
                                  {"iteration", "x"},
                                  {"iteration", "1.5"},
                                  {"iteration", ""},
                                  {"iteration", "4 "},
                                  {"noise_readings", "0.5"},
                                  {"noise_readings", "0.5 nan"},
                                  {"stale_evaluations", "-1"},
                                  {"stale_evaluations", "many"},
                                  {"target_reached", "-2"},
                                  {"best_value", ""},
                                  {"best_value", "good"},
                                  {"best_saved", "1x"},
                                  {"input_shape", "[]"},
                                  {"input_shape", "[0]"},
                                  {"input_shape", "[1, 2]"},
                                  {"input_shape", "[1, 0, 2]"},
                                  {"input_shape", "[1, -2, 2]"},
                                  {"input_shape", "[-1, 2, 2]"},
                                  {"input_shape", "[1, 2, 0]"},
                                  {"input_shape", "4"},
                                  {"input_shape", "[4294967296, 4294967296, 4294967296]"},
                                  {"iteration", "99999999999999999999"}};
    for (int i = 0; i < N_FIELDS - 1; i++) check_field(whole[i].key, NULL); /* the last may be missing */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_field(cases[i].key, cases[i].value);
}

static void input_shapes(void **state)
{
    (void)state;
    field fields[N_FIELDS];
    memcpy(fields, whole, sizeof whole);
    fields[6].value = "[784]";
    put_checkpoint("c", fields, N_FIELDS, 2, 4);
    ls_checkpoint *c = open_good("c");
    assert_int_equal(c->input.n_dim, 1);
    assert_int_equal(c->input.dim[0], 784);
    ls_checkpoint_close(&c);
}

static void loading_parameters(void **state)
{
    (void)state;
    static const char yaml[] = "[{dense: 2}]", wider[] = "[{dense: 2}, {dense: 3}]";
    ls_node *model, *other;
    ls_network *network, *larger;
    const ls_shape in = {3, {1, 2, 2}};
    assert_int_equal(ls_node_parse(yaml, strlen(yaml), "t", &model), LS_OK);
    assert_int_equal(ls_node_parse(wider, strlen(wider), "t", &other), LS_OK);
    assert_int_equal(ls_network_create(model, &in, &network), LS_OK);
    assert_int_equal(ls_network_create(other, &in, &larger), LS_OK);
    put_checkpoint("c", whole, N_FIELDS, 2, 4);
    ls_checkpoint *c = open_good("c");
    float params[256] = {0};
    assert_int_equal(ls_checkpoint_load_params(c, network, params), LS_OK);
    assert_memory_equal(params + ls_network_tensor(network, 0)->first, weight, sizeof weight);
    assert_memory_equal(params + ls_network_tensor(network, 1)->first, bias, sizeof bias);
    assert_int_equal(ls_checkpoint_load_params(c, larger, params), LS_ECHECKPOINT);
    assert_message("tensor '1.weight' is missing");
    ls_checkpoint_close(&c);
    put_checkpoint("c", whole, N_FIELDS, 4, 2); /* as many numbers, another shape */
    c = open_good("c");
    assert_int_equal(ls_checkpoint_load_params(c, network, params), LS_ECHECKPOINT);
    assert_message("tensor '0.weight' is missing or has another shape");
    ls_checkpoint_close(&c);
    ls_network_destroy(&network);
    ls_network_destroy(&larger);
    ls_node_destroy(&model);
    ls_node_destroy(&other);
}

/* Iteration of what is found; -1 for none. */
static int64_t find(const char *which, ls_status expected)
{
    ls_checkpoint *c;
    const ls_status status = ls_checkpoint_find(test_directory, which, &c);
    if (status != expected) fail_msg("status %d: %s", status, ls_status_message());
    const int64_t iteration = c ? c->state.iteration : -1;
    ls_checkpoint_close(&c);
    return iteration;
}

static int clean(void **state)
{
    remove_directory(state);
    return make_directory(state);
}

static void the_newest_whole_one(void **state)
{
    (void)state;
    char path[128];
    ls_checkpoint *c;
    assert_int_equal(find("auto", LS_OK), -1);
    assert_int_equal(ls_checkpoint_find(test_path("missing", path), "auto", &c), LS_OK);
    assert_null(c);
    const int64_t numbers[] = {0, 99, 100, 1000, 100000001}; /* 9 digits sort before 8 as text */
    for (int i = 0; i < 5; i++) put_numbered(numbers[i]);
    put_text("ckpt-00000200.safetensors.tmp", "half");
    put_text("ckpt-x.safetensors", "");
    put_text("best.safetensors", "");
    assert_int_equal(find("auto", LS_OK), 100000001);
    damage("ckpt-100000001.safetensors");
    assert_int_equal(find("auto", LS_OK), 1000);
    put_text("ckpt-00001000.safetensors", "");
    assert_int_equal(find("auto", LS_OK), 100);
    damage("ckpt-00000100.safetensors");
    damage("ckpt-00000099.safetensors");
    assert_int_equal(find("auto", LS_OK), 0);
    damage("ckpt-00000000.safetensors");
    assert_int_equal(find("auto", LS_ECHECKPOINT), -1); /* damaged ones only: not a fresh start */
    put_numbered(7);
    assert_int_equal(find(test_path("ckpt-00000007.safetensors", path), LS_OK), 7);
    assert_int_equal(find(test_path("ckpt-00000099.safetensors", path), LS_ECHECKPOINT), -1);
    assert_message("damaged");
    assert_int_equal(find(test_path("ckpt-00000008.safetensors", path), LS_ECHECKPOINT), -1);
}

static bool exists(const char *name)
{
    char path[128];
    return access(test_path(name, path), F_OK) == 0;
}

/* Another element type of the same width: the structure and the hash are right. */
static void only_f32(void **state)
{
    (void)state;
    char path[128], digits[LS_HASH_DIGITS + 1];
    ls_checkpoint *c;
    ls_safetensors_header h = header_of(whole, N_FIELDS, 2, 4);
    char *type = strstr(h.text.data + 8, "F32");
    assert_non_null(type);
    *type = 'I';
    ls_text_add(&h.text, (const char *)weight, sizeof weight);
    ls_text_add(&h.text, (const char *)bias, sizeof bias);
    ls_text_add(&h.text, (const char *)slot, sizeof slot);
    ls_hash_text(ls_hash_bytes(h.text.data, h.text.n), digits);
    memcpy(h.text.data + h.hash_at, digits, LS_HASH_DIGITS);
    put_bytes("c", h.text.data, h.text.n);
    ls_text_free(&h.text);
    assert_int_equal(ls_checkpoint_open(test_path("c", path), &c), LS_ECHECKPOINT);
    assert_message("tensor '0.weight': type I32, expected F32");
}

static void pruning(void **state)
{
    (void)state;
    static const char *const others[] = {"ckpt-5.safetensors",         "ckpt-00000900.safetensors.tmp",
                                         "best.safetensors",           "ckpt-+0000009.safetensors",
                                         "xckpt-00000009.safetensors", "ckpt-.safetensors"};
    char name[64];
    for (int i = 1; i <= 6; i++) put_numbered(100 * i);
    for (int i = 0; i < 6; i++) put_text(others[i], "");
    ls_checkpoint_prune(test_directory, 0, INT64_MAX);
    for (int i = 1; i <= 6; i++) {
        snprintf(name, sizeof name, "ckpt-%08d.safetensors", 100 * i);
        assert_true(exists(name));
    }
    ls_checkpoint_prune(test_directory, 6, INT64_MAX);
    assert_true(exists("ckpt-00000100.safetensors"));
    ls_checkpoint_prune(test_directory, 2, INT64_MAX);
    for (int i = 1; i <= 6; i++) {
        snprintf(name, sizeof name, "ckpt-%08d.safetensors", 100 * i);
        assert_int_equal(exists(name), i >= 5);
    }
    assert_int_equal(find("auto", LS_OK), 600);
    ls_checkpoint_prune(test_directory, -1, INT64_MAX);
    assert_false(exists("ckpt-00000600.safetensors"));
    for (int i = 0; i < 6; i++) assert_true(exists(others[i])); /* only what the program itself names so */
    ls_checkpoint_prune("/nowhere/at/all", 1, INT64_MAX);
}

/* Names that the program does not write are no checkpoints of the run and do not hide one. */
static void foreign_names_do_not_count(void **state)
{
    (void)state;
    put_numbered(100);
    put_numbered(200);
    put_text("ckpt-900.safetensors", "");
    assert_int_equal(find("auto", LS_OK), 200);
    ls_checkpoint_prune(test_directory, 2, INT64_MAX);
    assert_true(exists("ckpt-00000100.safetensors"));
}

/* All that the program writes, also what a kill has left of it; files of others stay. */
static void clearing(void **state)
{
    (void)state;
    static const char *const names[] = {"ckpt-00000200.safetensors.tmp", "latest.tmp", "ckpt-9.safetensors.tmp"};
    put_numbered(100);
    for (int i = 0; i < 3; i++) put_text(names[i], "x");
    ls_checkpoint_clear(test_directory);
    assert_false(exists("ckpt-00000100.safetensors"));
    for (int i = 0; i < 3; i++) assert_int_equal(exists(names[i]), i == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(no_readings),
        cmocka_unit_test(every_bit_and_every_length),
        cmocka_unit_test(wrong_fields),
        cmocka_unit_test(input_shapes),
        cmocka_unit_test(loading_parameters),
        cmocka_unit_test(only_f32),
        cmocka_unit_test_setup(the_newest_whole_one, clean),
        cmocka_unit_test_setup(pruning, clean),
        cmocka_unit_test_setup(foreign_names_do_not_count, clean),
        cmocka_unit_test_setup(clearing, clean),
    };
    ls_log_quiet(true, true);
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
