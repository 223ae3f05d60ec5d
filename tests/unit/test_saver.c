#include "unit/data_files.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "lockstep/checkpoint.h"
#include "train/saver.h"

enum { N = 100000 };

static float numbers[N];

static ls_safetensors_header header_of(void)
{
    ls_safetensors_header h;
    ls_safetensors_begin(&h);
    ls_safetensors_put_tensor(&h, "0.weight", 1, (int64_t[]){N});
    assert_int_equal(ls_safetensors_end(&h), LS_OK);
    return h;
}

/* Puts numbers that all begin with `first`, in pieces. */
static void save(ls_saver *saver, float first, int64_t iteration, bool best, bool numbered)
{
    ls_safetensors_header h = header_of();
    for (int i = 0; i < N; i++) numbers[i] = first + (float)i;
    ls_saver_begin(saver, &(ls_save){test_directory, best, numbered, iteration, 2}, &h);
    assert_null(h.text.data);
    for (int i = 0; i < N; i += N / 4) ls_saver_put(saver, numbers + i, N / 4 * sizeof *numbers);
    ls_saver_end(saver);
    memset(numbers, 0xff, sizeof numbers); /* what was put is no longer needed */
}

static void check_file(const char *name, float first)
{
    char path[128];
    ls_safetensors *file;
    float found[N];
    if (ls_safetensors_open(test_path(name, path), &file) != LS_OK) fail_msg("%s", ls_status_message());
    assert_int_equal(ls_safetensors_check_hash(file, path), LS_OK);
    assert_true(ls_stored_floats(ls_safetensors_find(file, "0.weight"), found));
    for (int i = 0; i < N; i++)
        if (found[i] != first + (float)i) fail_msg("%s: element %d", name, i);
    ls_safetensors_close(&file);
}

static bool is_there(const char *name)
{
    char path[128];
    struct stat info;
    return lstat(test_path(name, path), &info) == 0;
}

static void files_and_their_bytes(void **state)
{
    (void)state;
    for (int copies = 0; copies <= 1; copies++) {
        ls_saver *saver;
        assert_int_equal(ls_saver_create(copies ? sizeof numbers : 0, &saver), LS_OK);
        assert_int_equal(ls_saver_copies(saver), copies);
        for (int i = 1; i <= 5; i++) {
            save(saver, (float)i, i, false, true); /* the one before is waited for */
            if (i == 3) save(saver, 30, i, true, false);
        }
        assert_int_equal(ls_saver_wait(saver)->status, LS_OK);
        assert_true(ls_saver_has_ended(saver));
        assert_false(ls_saver_has_failed(saver));
        check_file("ckpt-00000005.safetensors", 5);
        check_file("latest", 5);
        check_file("ckpt-00000004.safetensors", 4);
        assert_false(is_there("ckpt-00000003.safetensors"));
        check_file(LS_BEST_NAME, 30);
        save(saver, 6, 6, true, copies);
        ls_saver_destroy(&saver); /* waits */
        assert_null(saver);
        check_file(LS_BEST_NAME, 6);
        if (copies) check_file("latest", 6);
        ls_checkpoint_clear(test_directory);
    }
    ls_saver_destroy(NULL);
}

static void failures_are_kept(void **state)
{
    (void)state;
    char path[128];
    for (int copies = 0; copies <= 1; copies++) {
        ls_saver *saver;
        assert_int_equal(ls_saver_create(copies ? sizeof numbers : 0, &saver), LS_OK);
        assert_int_equal(mkdir(test_path("ckpt-00000001.safetensors", path), 0777), 0); /* in its place */
        save(saver, 1, 1, copies, true);
        const ls_saved *saved = ls_saver_wait(saver);
        assert_int_equal(saved->status, LS_EOUTPUT);
        assert_non_null(strstr(saved->message, "ckpt-00000001.safetensors: cannot be written: Is a directory"));
        assert_int_equal(saved->best_written, copies);
        assert_true(ls_saver_has_failed(saver));
        assert_false(is_there("latest") || is_there("ckpt-00000001.safetensors.tmp"));
        assert_int_equal(rmdir(path), 0);
        save(saver, 2, 2, false, true); /* and the next is as if nothing had been */
        assert_int_equal(ls_saver_wait(saver)->status, LS_OK);
        assert_false(ls_saver_has_failed(saver));
        check_file("latest", 2);
        ls_saver_destroy(&saver);
        ls_checkpoint_clear(test_directory);
    }
}

static void no_memory_for_a_copy(void **state)
{
    (void)state;
    ls_saver *saver;
    assert_int_equal(ls_saver_create(SIZE_MAX, &saver), LS_OK);
    assert_false(ls_saver_copies(saver));
    save(saver, 7, 7, false, true);
    assert_int_equal(ls_saver_wait(saver)->status, LS_OK);
    check_file("latest", 7);
    ls_saver_destroy(&saver);
    assert_int_equal(ls_saver_create(sizeof numbers - 4, &saver), LS_OK); /* a plan that was wrong */
    save(saver, 8, 8, false, true);
    assert_int_equal(ls_saver_wait(saver)->status, LS_EINTERNAL);
    assert_false(is_there("ckpt-00000008.safetensors"));
    ls_saver_destroy(&saver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_and_their_bytes), cmocka_unit_test(failures_are_kept),
                                       cmocka_unit_test(no_memory_for_a_copy)};
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
