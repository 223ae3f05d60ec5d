#include "unit/data_files.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"

static char text[4096];

static bool exists(const char *name)
{
    char path[128];
    struct stat info;
    return lstat(test_path(name, path), &info) == 0;
}

static void assert_content(const char *name, const char *expected)
{
    const size_t n = get_bytes(name, (uint8_t *)text, sizeof text);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(text, expected, n);
}

static void whole_reads(void **state)
{
    (void)state;
    char path[128], *data;
    size_t n;
    put_bytes("f", "a\0bc", 4);
    assert_int_equal(ls_file_read(test_path("f", path), 4, &data, &n), LS_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(data, "a\0bc\0", 5);
    ls_free(data);
    put_text("empty", "");
    assert_int_equal(ls_file_read(test_path("empty", path), 0, &data, &n), LS_OK);
    assert_int_equal(n, 0);
    assert_int_equal(data[0], 0);
    ls_free(data);
}

static void assert_not_read(const char *path, size_t limit, const char *word)
{
    char *data = text;
    size_t n = 7;
    assert_int_equal(ls_file_read(path, limit, &data, &n), LS_EUSAGE);
    assert_message(path);
    assert_message(word);
    assert_null(data);
    assert_int_equal(n, 0);
}

static void refused_reads(void **state)
{
    (void)state;
    char path[128];
    put_text("f", "abcd");
    assert_not_read(test_path("f", path), 3, "4 bytes, at most 3");
    assert_not_read(test_path("missing", path), 3, "No such file");
    assert_not_read(test_directory, 1000, "not a readable file");
    assert_not_read("", 1000, "");
}

/* A pipe with `n` bytes, read through its path as `--config <(...)` is. */
static ls_status read_pipe(size_t n, size_t limit, char **data, size_t *got)
{
    char path[64];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        signal(SIGPIPE, SIG_IGN);
        for (size_t i = 0; i < n; i++)
            if (write(ends[1], i % 2 == 0 ? "x" : "y", 1) != 1) break;
        _exit(0);
    }
    close(ends[1]);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    const ls_status status = ls_file_read(path, limit, data, got);
    close(ends[0]);
    waitpid(child, NULL, 0);
    return status;
}

/* Never a part in silence: all of it or an error. */
static void pipes_are_read_to_their_end(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, 65535, 65536, 65537, 200000};
    char *data;
    size_t n;
    for (int i = 0; i < 7; i++) {
        assert_int_equal(read_pipe(sizes[i], 200000, &data, &n), LS_OK);
        assert_int_equal(n, sizes[i]);
        for (size_t j = 0; j < n; j++) assert_int_equal(data[j], j % 2 == 0 ? 'x' : 'y');
        assert_int_equal(data[n], 0);
        ls_free(data);
    }
    assert_int_equal(read_pipe(100, 100, &data, &n), LS_OK);
    ls_free(data);
    assert_int_equal(read_pipe(101, 100, &data, &n), LS_EUSAGE);
    assert_null(data);
    assert_int_equal(read_pipe(100000, 99999, &data, &n), LS_EUSAGE);
    assert_null(data);
}

static void paths(void **state)
{
    (void)state;
    static const char *const joins[][3] = {{"a", "b", "a/b"},          {"a/", "b", "a/b"}, {"/", "b", "/b"},
                                           {"a", "/b/c", "/b/c"},      {"", "b", "b"},     {".", "b", "./b"},
                                           {"a/b", "../c", "a/b/../c"}};
    static const char *const directories[][2] = {{"a/b", "a"}, {"b", "."}, {"/b", "/"}, {"/a/b/c", "/a/b"}, {"", "."}};
    for (int i = 0; i < 7; i++) {
        char *path = ls_path_join(joins[i][0], joins[i][1]);
        assert_string_equal(path, joins[i][2]);
        ls_free(path);
    }
    for (int i = 0; i < 5; i++) {
        char *path = ls_path_directory(directories[i][0]);
        assert_string_equal(path, directories[i][1]);
        ls_free(path);
    }
}

static void a_file_appears_when_it_is_complete(void **state)
{
    (void)state;
    char path[128];
    ls_file_writer *writer;
    put_text("w", "old");
    put_text("w.tmp", "left by a killed writer, and longer");
    assert_int_equal(ls_file_writer_create(test_path("w", path), &writer), LS_OK);
    assert_int_equal(ls_file_writer_add(writer, "01234", 5), LS_OK);
    assert_int_equal(ls_file_writer_add(writer, "", 0), LS_OK);
    assert_int_equal(ls_file_writer_add(writer, "56789", 5), LS_OK);
    assert_int_equal(ls_file_writer_patch(writer, 3, "abc", 3), LS_OK);
    assert_int_equal(ls_file_writer_add(writer, "!", 1), LS_OK); /* behind the end, not behind the patch */
    assert_content("w", "old");
    assert_true(exists("w.tmp"));
    assert_int_equal(ls_file_writer_commit(writer), LS_OK);
    assert_content("w", "012abc6789!");
    assert_false(exists("w.tmp"));
    ls_file_writer_destroy(&writer);
    assert_null(writer);
    assert_content("w", "012abc6789!");
    ls_file_writer_destroy(&writer);
    ls_file_writer_destroy(NULL);
}

static void an_abandoned_file_leaves_nothing(void **state)
{
    (void)state;
    char path[128];
    ls_file_writer *writer;
    put_text("w", "old");
    assert_int_equal(ls_file_writer_create(test_path("w", path), &writer), LS_OK);
    assert_int_equal(ls_file_writer_add(writer, "new", 3), LS_OK);
    ls_file_writer_destroy(&writer);
    assert_content("w", "old");
    assert_false(exists("w.tmp"));
    assert_int_equal(ls_file_writer_create(test_path("fresh", path), &writer), LS_OK);
    ls_file_writer_destroy(&writer);
    assert_false(exists("fresh"));
    assert_false(exists("fresh.tmp"));
}

static void writers_that_cannot(void **state)
{
    (void)state;
    char path[128];
    ls_file_writer *writer;
    assert_int_equal(ls_file_writer_create(test_path("missing/w", path), &writer), LS_EOUTPUT);
    assert_null(writer);
    assert_message(path);
    assert_message("No such file");
    assert_int_equal(mkdir(test_path("d", path), 0777), 0); /* a directory stands in the way */
    assert_int_equal(ls_file_writer_create(path, &writer), LS_OK);
    assert_int_equal(ls_file_writer_commit(writer), LS_EOUTPUT);
    assert_message(path);
    ls_file_writer_destroy(&writer);
    assert_false(exists("d.tmp"));
    assert_int_equal(rmdir(path), 0);
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(symlink("/dev/full", test_path("full.tmp", path)), 0);
        assert_int_equal(ls_file_writer_create(test_path("full", path), &writer), LS_OK);
        assert_int_equal(ls_file_writer_add(writer, "x", 1), LS_EOUTPUT);
        assert_message("No space left");
        ls_file_writer_destroy(&writer);
        assert_false(exists("full"));
    }
}

static void links(void **state)
{
    (void)state;
    char path[128];
    put_text("one", "1");
    put_text("two", "2");
    assert_int_equal(ls_link_replace(test_directory, "latest", "one"), LS_OK);
    assert_content("latest", "1");
    assert_int_equal(symlink("gone", test_path("latest.tmp", path)), 0); /* left by a killed process */
    assert_int_equal(ls_link_replace(test_directory, "latest", "two"), LS_OK);
    assert_content("latest", "2");
    assert_false(exists("latest.tmp"));
    const ssize_t n = readlink(test_path("latest", path), text, sizeof text);
    assert_int_equal(n, 3);
    assert_memory_equal(text, "two", 3); /* relative: the directory may be moved */
    assert_int_equal(ls_link_replace(test_path("missing", path), "latest", "one"), LS_EOUTPUT);
    assert_message("missing/latest");
}

static void directories(void **state)
{
    (void)state;
    char path[128];
    struct stat info;
    assert_int_equal(ls_make_directory(test_path("a/b//c", path)), LS_OK);
    assert_true(stat(path, &info) == 0 && S_ISDIR(info.st_mode));
    assert_int_equal(ls_make_directory(path), LS_OK); /* it exists */
    assert_int_equal(ls_make_directory("/"), LS_OK);
    assert_int_equal(ls_make_directory("."), LS_OK);
    assert_int_equal(ls_make_directory(""), LS_EOUTPUT);
    put_text("f", "");
    assert_int_equal(ls_make_directory(test_path("f", path)), LS_EOUTPUT);
    assert_message("is not a directory");
    assert_int_equal(ls_make_directory(test_path("f/sub", path)), LS_EOUTPUT);
    assert_message(path);
    assert_int_equal(rmdir(test_path("a/b/c", path)), 0);
    assert_int_equal(rmdir(test_path("a/b", path)), 0);
    assert_int_equal(rmdir(test_path("a", path)), 0);
}

/* What user nobody sees of a directory that only root may write; 0 when all is as expected. */
static int as_nobody(void)
{
    char path[128], *data;
    size_t n;
    ls_file_writer *writer;
    if (setgid(65534) != 0 || setuid(65534) != 0) return 1;
    if (ls_file_writer_create(test_path("w", path), &writer) != LS_EOUTPUT || writer != NULL) return 2;
    if (strstr(ls_status_message(), "Permission denied") == NULL) return 3;
    if (ls_link_replace(test_directory, "latest", "f") != LS_EOUTPUT) return 4;
    if (strstr(ls_status_message(), "Permission denied") == NULL) return 5;
    if (ls_make_directory(test_path("new/sub", path)) != LS_EOUTPUT) return 6;
    if (strstr(ls_status_message(), "Permission denied") == NULL) return 7;
    if (ls_make_directory(test_directory) != LS_OK) return 8;
    if (ls_file_read(test_path("secret", path), 100, &data, &n) != LS_EUSAGE) return 9;
    if (strstr(ls_status_message(), "Permission denied") == NULL) return 10;
    return 0;
}

static void unwritable_directories(void **state)
{
    (void)state;
    char path[128];
    int verdict;
    if (getuid() != 0) skip();
    put_text("secret", "x");
    assert_int_equal(chmod(test_path("secret", path), 0600), 0);
    assert_int_equal(chmod(test_directory, 0755), 0);
    const pid_t child = fork();
    if (child == 0) _exit(as_nobody());
    assert_int_equal(waitpid(child, &verdict, 0), child);
    assert_true(WIFEXITED(verdict));
    assert_int_equal(WEXITSTATUS(verdict), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_reads),
        cmocka_unit_test(refused_reads),
        cmocka_unit_test(pipes_are_read_to_their_end),
        cmocka_unit_test(paths),
        cmocka_unit_test(a_file_appears_when_it_is_complete),
        cmocka_unit_test(an_abandoned_file_leaves_nothing),
        cmocka_unit_test(writers_that_cannot),
        cmocka_unit_test(links),
        cmocka_unit_test(directories),
        cmocka_unit_test(unwritable_directories),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
