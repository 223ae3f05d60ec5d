#include "unit/data_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"
#include "lockstep/metrics.h"

enum { CAPACITY = 1 << 20 };

static char text[CAPACITY];

static size_t content(void)
{
    const size_t n = get_bytes("metrics.jsonl", (uint8_t *)text, CAPACITY - 1);
    text[n] = 0;
    return n;
}

static ls_metrics *open_metrics(bool resume, int64_t keep)
{
    const ls_metrics_options options = {.resume = resume, .keep_iteration = keep};
    ls_metrics *m;
    if (ls_metrics_open(test_directory, &options, &m) != LS_OK) fail_msg("%s", ls_status_message());
    return m;
}

static void train_line(ls_metrics *m, int64_t iteration)
{
    ls_metrics_begin(m, "train");
    ls_metrics_int(m, "iteration", iteration);
    ls_metrics_real(m, "loss", 0.1);
    ls_metrics_end(m);
}

/* Line i of the file as JSON; owned by the caller, NULL behind the last. */
static json_t *line(int i)
{
    char *at = text;
    for (; i > 0 && at != NULL; i--) at = (at = strchr(at, '\n')) ? at + 1 : NULL;
    if (at == NULL || *at == 0) return NULL;
    json_error_t error;
    json_t *object = json_loadb(at, strcspn(at, "\n"), JSON_REJECT_DUPLICATES, &error);
    if (object == NULL) fail_msg("%s: %.100s", error.text, at);
    return object;
}

static void all_kinds_of_values(void **state)
{
    (void)state;
    ls_metrics *m = open_metrics(false, 0);
    ls_metrics_begin(m, "train");
    ls_metrics_int(m, "iteration", INT64_C(9007199254740993));
    ls_metrics_real(m, "loss", NAN);
    ls_metrics_real(m, "gnorm", INFINITY);
    ls_metrics_real(m, "lr", 0.1);
    ls_metrics_text(m, "file", "a \"b\"\n\x01 caf\xE9");
    ls_metrics_json(m, "config", "{\"a\": [1, null]}");
    ls_metrics_end(m);
    assert_int_equal(ls_metrics_flush(m), LS_OK);
    content();
    json_t *object = line(0);
    assert_string_equal(json_string_value(json_object_get(object, "event")), "train");
    assert_true(json_integer_value(json_object_get(object, "iteration")) == INT64_C(9007199254740993));
    assert_true(json_is_null(json_object_get(object, "loss")));
    assert_true(json_is_null(json_object_get(object, "gnorm")));
    assert_true(json_real_value(json_object_get(object, "lr")) == 0.1);
    assert_string_equal(json_string_value(json_object_get(object, "file")), "a \"b\"\n\x01 caf\xEF\xBF\xBD");
    assert_int_equal(json_array_size(json_object_get(json_object_get(object, "config"), "a")), 2);
    const double wall = json_real_value(json_object_get(object, "wall_s"));
    assert_true(wall >= 0 && wall < 60);
    json_decref(object);
    assert_null(line(1));
    assert_int_equal(ls_metrics_status(m), LS_OK);
    ls_metrics_close(&m);
    assert_null(m);
    ls_metrics_close(&m);
    ls_metrics_close(NULL);
}

/* More than one buffer; close hands out the rest; a line of the loop does not allocate. */
static void many_lines(void **state)
{
    (void)state;
    ls_metrics *m = open_metrics(false, 0);
    const uint64_t allocations = ls_mem_allocations();
    for (int i = 0; i < 5000; i++) train_line(m, i);
    assert_int_equal(ls_mem_allocations(), allocations);
    ls_metrics_close(&m);
    content();
    const char *at = text;
    for (int i = 0; i < 5000; i++) {
        char expected[64];
        const int n = snprintf(expected, sizeof expected, "{\"event\": \"train\", \"iteration\": %d, \"loss\": 0.1", i);
        assert_int_equal(strncmp(at, expected, (size_t)n), 0);
        at = strchr(at, '\n') + 1;
    }
    assert_int_equal(*at, 0);
}

static void a_new_run_replaces(void **state)
{
    (void)state;
    put_text("metrics.jsonl", "{\"event\": \"old\"}\n");
    ls_metrics *m = open_metrics(false, 0);
    train_line(m, 1);
    ls_metrics_close(&m);
    content();
    json_t *object = line(0);
    assert_string_equal(json_string_value(json_object_get(object, "event")), "train");
    json_decref(object);
    assert_null(line(1));
}

#define START "{\"event\": \"start\", \"iteration\": 0}\n"
#define AT(n) "{\"event\": \"train\", \"iteration\": " #n "}\n"
#define PLAIN "{\"event\": \"note\"}\n"

/* What resuming at iteration `keep` leaves of a file. */
static void check_cut(const char *before, size_t n, int64_t keep, const char *kept)
{
    put_bytes("metrics.jsonl", before, n);
    ls_metrics *m = open_metrics(true, keep);
    content();
    assert_string_equal(text, kept);
    train_line(m, keep + 1);
    ls_metrics_close(&m);
    content();
    assert_int_equal(strncmp(text, kept, strlen(kept)), 0); /* goes on behind it */
    assert_int_equal(strncmp(text + strlen(kept), "{\"event\": \"train\"", 17), 0);
}

static void cut(const char *before, int64_t keep, const char *kept)
{
    check_cut(before, strlen(before), keep, kept);
}

static void resuming_cuts_back(void **state)
{
    (void)state;
    cut(START AT(10) AT(20) AT(30), 20, START AT(10) AT(20));
    cut(START AT(10) AT(20) AT(30), 25, START AT(10) AT(20));
    cut(START AT(10) AT(20) AT(30), 30, START AT(10) AT(20) AT(30));
    cut(START AT(10) AT(20) AT(30), 9, START);
    cut(AT(10) AT(20), 0, "");
    cut(START PLAIN AT(10) PLAIN AT(20) PLAIN, 10, START PLAIN AT(10) PLAIN);
    cut("", 10, "");
    cut(START AT(10) AT(30) AT(20), 20, START AT(10)); /* from the first later one on */
}

static void a_broken_end_is_cut(void **state)
{
    (void)state;
    cut(START AT(10) "{\"event\": \"train\", \"iter", 20, START AT(10));
    cut(START AT(10) "{\"event\": \"train\", \"iteration\": 11}", 20, START AT(10)); /* no newline: not whole */
    cut(START AT(10) "{\"event\": \"tr\n", 20, START AT(10));
    cut(START AT(10) "\n" AT(11), 20, START AT(10));
    cut(START AT(10) "17\n", 20, START AT(10));
    cut("garbage", 20, "");
    check_cut(START AT(10) "\0\0\0\0\0\0\0\0\n", sizeof(START AT(10)) - 1 + 9, 20, START AT(10));
    check_cut(START AT(10) "\0\0\0", sizeof(START AT(10)) - 1 + 3, 20, START AT(10)); /* a hole after a power cut */
}

/* A terabyte that takes no room on the disk: read no further than to its first broken line. */
static void a_hole_is_cut(void **state)
{
    (void)state;
    char path[128];
    put_text("metrics.jsonl", START AT(10) "{\"event\": \"train\", \"iteration\": 1152921504606846976}\n");
    assert_int_equal(truncate(test_path("metrics.jsonl", path), (off_t)1 << 40), 0);
    ls_metrics *m = open_metrics(true, 20);
    ls_metrics_close(&m);
    content();
    assert_string_equal(text, START AT(10));
    put_text("metrics.jsonl", START);
    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    m = open_metrics(true, 20);
    ls_metrics_close(&m);
    content();
    assert_string_equal(text, START);
}

static void resuming_without_a_file(void **state)
{
    (void)state;
    char path[128];
    unlink(test_path("metrics.jsonl", path));
    ls_metrics *m = open_metrics(true, 10);
    train_line(m, 11);
    ls_metrics_close(&m);
    content();
    json_t *object = line(0);
    assert_int_equal(json_integer_value(json_object_get(object, "iteration")), 11);
    json_decref(object);
}

static void files_that_cannot_be_written(void **state)
{
    (void)state;
    char path[128], link[128];
    ls_metrics *m;
    for (int resume = 0; resume <= 1; resume++) {
        const ls_metrics_options options = {.resume = resume != 0};
        assert_int_equal(ls_metrics_open(test_path("missing", path), &options, &m), LS_EOUTPUT);
        assert_null(m);
        assert_message("missing/metrics.jsonl");
        unlink(test_path("metrics.jsonl", path));
        assert_int_equal(mkdir(path, 0777), 0); /* a directory in its place */
        assert_int_equal(ls_metrics_open(test_directory, &options, &m), LS_EOUTPUT);
        assert_null(m);
        assert_int_equal(rmdir(path), 0);
    }
    if (access("/dev/full", W_OK) != 0) return;
    assert_int_equal(symlink("/dev/full", test_path("metrics.jsonl", link)), 0);
    m = open_metrics(false, 0);
    train_line(m, 1);
    assert_int_equal(ls_metrics_flush(m), LS_EOUTPUT);
    assert_message("No space left");
    train_line(m, 2);
    assert_int_equal(ls_metrics_status(m), LS_OK); /* the lines wait for the disk */
    assert_int_equal(ls_metrics_flush(m), LS_EOUTPUT);
    for (int i = 0; i < 400000 && ls_metrics_status(m) == LS_OK; i++) train_line(m, i);
    assert_int_equal(ls_metrics_status(m), LS_EOUTPUT); /* but not without end */
    ls_metrics_close(&m);
    unlink(link);
}

/* The event file of the test's directory, into `text`. */
static size_t event_bytes(void)
{
    size_t n = 0;
    DIR *d = opendir(test_directory);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (strncmp(entry->d_name, "events.", 7) != 0) continue;
        const int fd = openat(dirfd(d), entry->d_name, O_RDONLY);
        const ssize_t got = read(fd, text, CAPACITY);
        n = got > 0 ? (size_t)got : 0;
        close(fd);
    }
    closedir(d);
    return n;
}

/* A file that may not grow for a while: no byte is lost or written twice. */
static void lines_wait_for_the_disk(void **state)
{
    (void)state;
    struct rlimit limit, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    ls_metrics *m = open_metrics(false, 0);
    train_line(m, 1);
    small = (struct rlimit){.rlim_cur = 20, .rlim_max = limit.rlim_max}; /* amid the first line */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const ls_status full = ls_metrics_flush(m);
    train_line(m, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(full, LS_EOUTPUT);
    assert_int_equal(ls_metrics_flush(m), LS_OK);
    assert_int_equal(ls_metrics_status(m), LS_OK);
    ls_metrics_close(&m);
    content();
    int n_lines = 0;
    for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, n_lines++) {
        json_t *object = json_loadb(at, (size_t)(end - at), 0, NULL);
        assert_int_equal(json_integer_value(json_object_get(object, "iteration")), n_lines + 1);
        json_decref(object);
    }
    assert_int_equal(n_lines, 2);
}

/* The same of an event file, which stays whole. */
static void events_wait_for_the_disk(void **state)
{
    (void)state;
    enum { RECORDS = 2 + 3 }; /* of a file's beginning, and lines */
    struct rlimit limit, small;
    const ls_metrics_options options = {.tensorboard = true};
    ls_metrics *m;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(ls_metrics_open(test_directory, &options, &m), LS_OK);
    small = (struct rlimit){.rlim_cur = 90, .rlim_max = limit.rlim_max}; /* holds a line, not the events */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    train_line(m, 1);
    const ls_status full = ls_metrics_flush(m), waits = ls_metrics_status(m);
    train_line(m, 2);
    train_line(m, 3);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(full, LS_EOUTPUT);
    assert_int_equal(waits, LS_OK);
    assert_message("events.out.tfevents.");
    assert_int_equal(ls_metrics_flush(m), LS_OK);
    ls_metrics_close(&m);
    const size_t n = event_bytes();
    size_t at = 0, n_records = 0;
    for (uint64_t length; at < n; at += 16 + length, n_records++) memcpy(&length, text + at, sizeof length);
    assert_int_equal(at, n);
    assert_int_equal(n_records, RECORDS);
}

static void no_metrics_are_legal(void **state)
{
    (void)state;
    ls_metrics_begin(NULL, "train");
    ls_metrics_int(NULL, "a", 1);
    ls_metrics_real(NULL, "a", 1);
    ls_metrics_text(NULL, "a", "b");
    ls_metrics_json(NULL, "a", "1");
    ls_metrics_end(NULL);
    assert_int_equal(ls_metrics_flush(NULL), LS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_of_values),
        cmocka_unit_test(many_lines),
        cmocka_unit_test(a_new_run_replaces),
        cmocka_unit_test(resuming_cuts_back),
        cmocka_unit_test(a_broken_end_is_cut),
        cmocka_unit_test(resuming_without_a_file),
        cmocka_unit_test(files_that_cannot_be_written),
        cmocka_unit_test(lines_wait_for_the_disk),
        cmocka_unit_test(events_wait_for_the_disk),
        cmocka_unit_test(no_metrics_are_legal),
        cmocka_unit_test(a_hole_is_cut),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
