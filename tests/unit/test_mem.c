#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"

static bool all_zero(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0) return false;
    return true;
}

static void blocks_are_aligned_and_zero(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 300; n++) {
        unsigned char *block = ls_calloc(n, 1);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        assert_true(all_zero(block, n));
        memset(block, 0xFF, n); /* the next one may get this memory again */
        ls_free(block);
    }
    unsigned char *block = ls_calloc(1000, 24);
    assert_true(all_zero(block, 24000));
    ls_free(block);
    ls_free(NULL);
}

static void sizes_that_overflow(void **state)
{
    (void)state;
    assert_null(ls_calloc(SIZE_MAX, 2));
    assert_null(ls_calloc(SIZE_MAX / 2 + 1, 2));
    assert_null(ls_calloc(1, SIZE_MAX));
    assert_null(ls_calloc(1, SIZE_MAX - 62));
    assert_null(ls_calloc(SIZE_MAX / 8, 8));
    void *empty = ls_calloc(0, SIZE_MAX);
    assert_non_null(empty);
    ls_free(empty);
}

static void strings(void **state)
{
    (void)state;
    char *copy = ls_strdup("text"), *part = ls_strndup("text", 2), *none = ls_strndup("text", 0);
    assert_string_equal(copy, "text");
    assert_string_equal(part, "te");
    assert_string_equal(none, "");
    ls_free(copy);
    ls_free(part);
    ls_free(none);
}

static void realloc_keeps_and_zeroes(void **state)
{
    (void)state;
    int32_t *block = ls_realloc(NULL, 0, 3, sizeof *block);
    assert_true(all_zero((unsigned char *)block, 12));
    for (int i = 0; i < 3; i++) block[i] = i + 1;
    block = ls_realloc(block, 3, 1000, sizeof *block);
    assert_int_equal((uintptr_t)block % 64, 0);
    for (int i = 0; i < 3; i++) assert_int_equal(block[i], i + 1);
    assert_true(all_zero((unsigned char *)(block + 3), 997 * sizeof *block));
    block = ls_realloc(block, 1000, 2, sizeof *block);
    assert_int_equal(block[0], 1);
    assert_int_equal(block[1], 2);
    assert_null(ls_realloc(block, 2, SIZE_MAX / 2, sizeof *block));
    assert_int_equal(block[1], 2); /* the old block is kept */
    ls_free(block);
}

static void allocations_are_counted(void **state)
{
    (void)state;
    const uint64_t before = ls_mem_allocations();
    void *a = ls_calloc(1, 1);
    assert_int_equal(ls_mem_allocations(), before + 1);
    char *b = ls_strdup("b");
    assert_int_equal(ls_mem_allocations(), before + 2);
    a = ls_realloc(a, 1, 2, 1);
    assert_int_equal(ls_mem_allocations(), before + 3);
    ls_free(a);
    ls_free(b);
    assert_int_equal(ls_mem_allocations(), before + 3);
    assert_null(ls_calloc(SIZE_MAX, 2));
    assert_int_equal(ls_mem_allocations(), before + 3);
}

static void checked_products(void **state)
{
    (void)state;
    size_t size;
    int64_t number;
    assert_true(ls_mul_size(0, SIZE_MAX, &size));
    assert_int_equal(size, 0);
    assert_true(ls_mul_size(UINT32_MAX, UINT32_MAX, &size));
    assert_int_equal(size, UINT64_C(0xFFFFFFFE00000001));
    assert_false(ls_mul_size(UINT64_C(1) << 32, UINT64_C(1) << 32, &size));
    assert_true(ls_mul_i64(INT64_C(1) << 31, INT64_C(1) << 31, &number));
    assert_int_equal(number, INT64_C(1) << 62);
    assert_false(ls_mul_i64(INT64_C(1) << 32, INT64_C(1) << 31, &number));
    assert_false(ls_mul_i64(INT64_MIN, -1, &number));
    assert_true(ls_mul_i64(-3, 5, &number));
    assert_int_equal(number, -15);
}

static void padding(void **state)
{
    (void)state;
    static const int64_t cases[][2] = {{0, 0}, {1, 16}, {15, 16}, {16, 16}, {17, 32}, {5120, 5120}, {5121, 5136}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_int_equal(ls_pad_floats(cases[i][0]), cases[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_zero),
        cmocka_unit_test(sizes_that_overflow),
        cmocka_unit_test(strings),
        cmocka_unit_test(realloc_keeps_and_zeroes),
        cmocka_unit_test(allocations_are_counted),
        cmocka_unit_test(checked_products),
        cmocka_unit_test(padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
