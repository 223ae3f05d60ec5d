/* The bytes of an event file, taken apart by hand; tests/oracle/tensorboard_events.py reads whole runs. */
#include "unit/data_files.h"

#include <dirent.h>
#include <math.h>

#include "base/clock.h"
#include "train/events.h"

enum { CAPACITY = 1 << 16 };

static uint8_t bytes[CAPACITY];

/* Event files in the test's directory; the name of the last in their order into `name`. */
static int n_files(char name[256])
{
    DIR *d = opendir(test_directory);
    int n = 0;
    name[0] = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (strstr(entry->d_name, "tfevents") == NULL) continue;
        n++;
        if (strcmp(entry->d_name, name) > 0) snprintf(name, 256, "%s", entry->d_name);
    }
    closedir(d);
    return n;
}

static void start(ls_events *events, int64_t keep)
{
    *events = (ls_events){.sink.fd = -1};
    assert_int_equal(ls_events_open(events, test_directory, keep), LS_OK);
}

/* CRC-32C bit by bit. */
static uint32_t masked_crc(const uint8_t *at, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    }
    crc = ~crc;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static uint64_t little(const uint8_t *at, int n)
{
    uint64_t value = 0;
    while (n-- > 0) value = value << 8 | at[n];
    return value;
}

/* The next record behind *at, its sums checked; its length. */
static size_t next(const uint8_t **at, const uint8_t **record)
{
    const size_t n = little(*at, 8);
    assert_int_equal(little(*at + 8, 4), masked_crc(*at, 8));
    *record = *at + 12;
    assert_int_equal(little(*record + n, 4), masked_crc(*record, n));
    *at += 12 + n + 4;
    return n;
}

static void the_oracle_knows_the_published_sum(void **state)
{
    (void)state;
    const uint32_t masked = masked_crc((const uint8_t *)"123456789", 9) - 0xa282ead8u;
    assert_int_equal((masked << 15) | (masked >> 17), 0xe3069283); /* RFC 3720 and the CRC catalogue */
}

static void records(void **state)
{
    (void)state;
    char name[256];
    ls_events events;
    const uint8_t *at = bytes, *record;
    start(&events, 6);
    ls_events_scalar(&events, "loss", 0.5);
    ls_events_scalar(&events, "bnoise", NAN);
    ls_events_scalar(&events, "huge", 1e300);
    ls_events_end(&events, "train", 300, ls_clock_s());
    ls_sink_close(&events.sink);
    assert_int_equal(n_files(name), 1);
    const uint8_t *end = bytes + get_bytes(name, bytes, CAPACITY);
    /* field 1: double; field 2: varint; then what the record is about */
    assert_int_equal(next(&at, &record), 9 + 2 + 15);
    assert_memory_equal(record + 9,
                        "\x10\x00\x1a\x0d"
                        "brain.Event:2",
                        17);
    double wall;
    memcpy(&wall, record + 1, sizeof wall);
    assert_true(fabs(wall - (double)time(NULL)) < 60);
    assert_int_equal(next(&at, &record), 9 + 2 + 4);
    assert_memory_equal(record + 9, "\x10\x07\x3a\x02\x08\x01", 6); /* SessionLog.START at iteration 7 */
    assert_int_equal(next(&at, &record), 9 + 3 + 2 + 19);
    assert_memory_equal(record + 9,
                        "\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0a"
                        "train/loss"
                        "\x15\x00\x00\x00\x3f",
                        24);
    assert_ptr_equal(at, end);
}

/* A long summary has a length of two bytes, and nothing is allocated for it. */
static void many_scalars(void **state)
{
    (void)state;
    char name[256];
    ls_events events;
    const uint8_t *at = bytes, *record;
    start(&events, 0);
    const uint64_t allocations = ls_mem_allocations();
    for (int i = 0; i < 100; i++) {
        for (int k = 0; k < LS_MAX_SCALARS + 1; k++) ls_events_scalar(&events, "number", k);
        ls_events_end(&events, "train", i, ls_clock_s());
    }
    assert_int_equal(ls_mem_allocations(), allocations);
    ls_sink_close(&events.sink);
    n_files(name);
    const uint8_t *end = bytes + get_bytes(name, bytes, CAPACITY);
    next(&at, &record);
    next(&at, &record);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(next(&at, &record), 9 + 2 + 3 + LS_MAX_SCALARS * (2 + 2 + 12 + 5));
        assert_int_equal(record[10], i);
    }
    assert_ptr_equal(at, end);
}

/* Names rise, whatever the clock says; only our own files go. */
static void names(void **state)
{
    (void)state;
    char first[256], second[256], third[256], path[512];
    ls_events events;
    put_text("events.out.tfevents.4000000000.elsewhere.7.0", "theirs");
    start(&events, 0);
    ls_sink_close(&events.sink);
    assert_int_equal(n_files(first), 2);
    assert_non_null(strstr(first, "events.out.tfevents.4000000001."));
    start(&events, 0);
    ls_sink_close(&events.sink);
    assert_int_equal(n_files(second), 3);
    assert_true(strcmp(first, second) < 0);
    ls_events_remove(test_directory);
    assert_int_equal(n_files(third), 1);
    assert_string_equal(third, "events.out.tfevents.4000000000.elsewhere.7.0");
    unlink(test_path(third, path));
}

static void a_directory_that_is_not_there(void **state)
{
    (void)state;
    char path[512];
    ls_events events = {.sink.fd = -1};
    assert_int_equal(ls_events_open(&events, test_path("missing", path), 0), LS_EOUTPUT);
    assert_message("missing/events.out.tfevents.");
    ls_sink_close(&events.sink);
    ls_events_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oracle_knows_the_published_sum),
        cmocka_unit_test_setup_teardown(records, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(many_scalars, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(names, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_directory_that_is_not_there, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
