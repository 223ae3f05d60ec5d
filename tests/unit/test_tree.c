#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "comm/tree.h"
#include "lockstep/rng.h"

enum { MAX_LEAVES = 64, ELEMENTS = 131 };

static uint64_t draws;

static uint64_t draw(void)
{
    return ls_mix64(++draws);
}

/* Every bit of the mantissa counts, magnitudes spread over 2^30: another order of additions gives other bits. */
static double wild(void)
{
    return ldexp((double)(int64_t)draw(), (int)(draw() % 30) - 60);
}

/* RFC 6962: the largest power of two smaller than n; searched from above, unlike the product. */
static int naive_split(int n)
{
    int half = 1 << 20;
    while (half >= n) half /= 2;
    return half;
}

static float naive_sum(const float *leaf, int n)
{
    if (n == 1) return leaf[0];
    const int half = naive_split(n);
    const float left = naive_sum(leaf, half), right = naive_sum(leaf + half, n - half);
    return left + right;
}

static bool is_node(ls_leaves node, ls_leaves range)
{
    if (node.first == range.first && node.end == range.end) return true;
    if (node.end - node.first < 2) return false;
    const int middle = node.first + naive_split(node.end - node.first);
    return is_node((ls_leaves){node.first, middle}, range) || is_node((ls_leaves){middle, node.end}, range);
}

/* Fewest tree nodes that tile `part`, by dynamic programming over where they end. */
static int fewest(int n, ls_leaves part)
{
    int best[MAX_LEAVES + 1] = {0};
    for (int end = part.first + 1; end <= part.end; end++) {
        best[end] = MAX_LEAVES + 1;
        for (int first = part.first; first < end; first++)
            if (best[first] + 1 < best[end] && is_node((ls_leaves){0, n}, (ls_leaves){first, end}))
                best[end] = best[first] + 1;
    }
    return best[part.end];
}

static void split_is_the_largest_power_of_two_below(void **state)
{
    (void)state;
    for (int n = 2; n <= 5000; n++) assert_int_equal(ls_tree_split(n), naive_split(n));
}

static void check_cover(int n, ls_leaves part)
{
    ls_leaves out[64];
    const int n_out = ls_tree_cover(n, part, out);
    int at = part.first;
    for (int i = 0; i < n_out; i++) {
        assert_int_equal(out[i].first, at);
        assert_true(out[i].end > out[i].first);
        assert_true(is_node((ls_leaves){0, n}, out[i]));
        at = out[i].end;
    }
    assert_int_equal(at, part.end);
    assert_int_equal(n_out, fewest(n, part));
}

static void cover_is_the_fewest_nodes_in_order(void **state)
{
    (void)state;
    for (int n = 1; n <= 20; n++)
        for (int first = 0; first <= n; first++)
            for (int end = first; end <= n; end++) check_cover(n, (ls_leaves){first, end});
    ls_leaves out[64];
    assert_int_equal(ls_tree_cover(0, (ls_leaves){0, 0}, out), 0);
}

static void covers_of_the_largest_tree_fit(void **state)
{
    (void)state;
    for (int n = 4090; n <= 4096; n++)
        for (int i = 0; i < 2000; i++) {
            const int a = (int)(draw() % (uint64_t)n), b = (int)(draw() % (uint64_t)n);
            const ls_leaves part = {a < b ? a : b, a < b ? b : a};
            ls_leaves out[64];
            const int n_out = ls_tree_cover(n, part, out);
            assert_in_range(n_out, 0, 24);
            for (int j = 0, at = part.first; j < n_out; at = out[j++].end) assert_int_equal(out[j].first, at);
            if (n_out > 0) assert_int_equal(out[n_out - 1].end, part.end);
        }
}

static double naive_sum_doubles(const double *leaf, int n, int stride)
{
    if (n == 1) return leaf[0];
    const int half = naive_split(n);
    const double right = naive_sum_doubles(leaf + half * stride, n - half, stride);
    return naive_sum_doubles(leaf, half, stride) + right;
}

static void doubles_are_added_in_tree_order(void **state)
{
    (void)state;
    int differs_from_sequence = 0;
    for (int stride = 1; stride <= 4; stride++)
        for (int n = 1; n <= MAX_LEAVES; n++) {
            double leaf[4 * MAX_LEAVES], sequence = 0.0;
            for (int i = 0; i < stride * n; i++) leaf[i] = wild();
            for (int i = 0; i < n; i++) sequence += leaf[i * stride];
            const double sum = ls_tree_sum(leaf, n, stride), expected = naive_sum_doubles(leaf, n, stride);
            assert_memory_equal(&sum, &expected, sizeof sum);
            differs_from_sequence += sum != sequence;
        }
    assert_true(differs_from_sequence > 150); /* else the order was not tested */
    assert_true(ls_tree_sum(NULL, 0, 1) == 0.0);
}

/* A sum under test: leaves of the whole tree, and sources that are tree nodes. */
typedef struct fixture {
    ls_leaves node;
    float leaf[ELEMENTS][MAX_LEAVES];
    ls_leaves range[MAX_LEAVES];
    ls_source source[MAX_LEAVES];
    int n_sources;
} fixture;

/* Cuts a node into sources: always itself (whole), always leaves, or at random. */
typedef enum cut_kind { CUT_WHOLE, CUT_LEAVES, CUT_RANDOM } cut_kind;

static void cut(fixture *f, ls_leaves node, cut_kind kind)
{
    const int n = node.end - node.first;
    if (n == 1 || kind == CUT_WHOLE || (kind == CUT_RANDOM && draw() % 3 == 0)) {
        f->range[f->n_sources++] = node;
        return;
    }
    const int middle = node.first + naive_split(n);
    cut(f, (ls_leaves){node.first, middle}, kind);
    cut(f, (ls_leaves){middle, node.end}, kind);
}

static void shuffle_ranges(fixture *f)
{
    for (int i = f->n_sources - 1; i > 0; i--) {
        const int j = (int)(draw() % (uint64_t)(i + 1));
        const ls_leaves range = f->range[i];
        f->range[i] = f->range[j];
        f->range[j] = range;
    }
}

static void set_up(fixture *f, ls_leaves node, cut_kind kind)
{
    f->node = node;
    f->n_sources = 0;
    cut(f, node, kind);
    shuffle_ranges(f);
    for (int e = 0; e < ELEMENTS; e++)
        for (int s = node.first; s < node.end; s++) f->leaf[e][s] = (float)wild();
    for (int i = 0; i < f->n_sources; i++) {
        float *data = calloc(ELEMENTS, sizeof *data);
        assert_non_null(data);
        const int first = f->range[i].first, n = f->range[i].end - first;
        f->source[i].data = data;
        for (int e = 0; e < ELEMENTS; e++) data[e] = naive_sum(f->leaf[e] + first, n);
    }
}

static void tear_down(fixture *f)
{
    for (int i = 0; i < f->n_sources; i++) free(f->source[i].data);
}

/* Only base says where in the flat vector the data of a source begin. */
static void run(fixture *f, const ls_sum *sum, int64_t from, int64_t n)
{
    const float guard = 12345.0f;
    const int64_t n_floats = ls_sum_n_buffers(sum) * n, origin = 5000;
    float *buffers = calloc((size_t)n_floats + 1, sizeof *buffers);
    assert_non_null(buffers);
    buffers[n_floats] = guard;
    for (int i = 0; i < f->n_sources; i++) f->source[i].base = origin;
    const float *result = ls_sum_run(sum, f->source, origin + from, n, buffers);
    const int first = f->node.first, n_leaves = f->node.end - first;
    for (int64_t e = 0; e < n; e++) {
        const float expected = naive_sum(f->leaf[from + e] + first, n_leaves);
        assert_memory_equal(&result[e], &expected, sizeof expected);
    }
    if (f->n_sources == 1) assert_ptr_equal(result, f->source[0].data + from);
    assert_true(buffers[n_floats] == guard);
    free(buffers);
    for (int i = 0; i < f->n_sources; i++)
        for (int e = 0; e < ELEMENTS; e++) {
            const float kept = naive_sum(f->leaf[e] + f->range[i].first, f->range[i].end - f->range[i].first);
            assert_memory_equal(&f->source[i].data[e], &kept, sizeof kept);
        }
}

static void check_missing(const fixture *f)
{
    for (int gone = 0; gone < f->n_sources; gone++) {
        ls_leaves rest[MAX_LEAVES];
        ls_sum *sum = (ls_sum *)&draws; /* must be nulled */
        for (int i = 0, n = 0; i < f->n_sources; i++)
            if (i != gone) rest[n++] = f->range[i];
        assert_int_equal(ls_sum_create(f->node, rest, f->n_sources - 1, &sum), LS_EINTERNAL);
        assert_null(sum);
    }
}

static void check_sum(ls_leaves node, cut_kind kind)
{
    static fixture f;
    ls_sum *sum;
    set_up(&f, node, kind);
    assert_int_equal(ls_sum_create(node, f.range, f.n_sources, &sum), LS_OK);
    assert_int_equal(ls_sum_n_buffers(sum) == 0, f.n_sources == 1);
    assert_in_range(ls_sum_n_buffers(sum), 0, 7); /* the tree's depth */
    run(&f, sum, 0, ELEMENTS);
    run(&f, sum, 7, 1);
    run(&f, sum, 3, ELEMENTS - 40);
    ls_sum_destroy(&sum);
    assert_null(sum);
    check_missing(&f);
    tear_down(&f);
}

static void vectors_are_added_in_tree_order(void **state)
{
    (void)state;
    for (int n = 1; n <= MAX_LEAVES; n += n < 20 ? 1 : 7) {
        check_sum((ls_leaves){0, n}, CUT_WHOLE);
        check_sum((ls_leaves){0, n}, CUT_LEAVES);
        for (int i = 0; i < 12; i++) check_sum((ls_leaves){0, n}, CUT_RANDOM);
    }
}

static void subtrees_can_be_summed_alone(void **state)
{
    (void)state;
    for (int n = 1; n <= 20; n++)
        for (int first = 0; first < n; first++)
            for (int end = first + 1; end <= n; end++)
                if (is_node((ls_leaves){0, n}, (ls_leaves){first, end})) {
                    check_sum((ls_leaves){first, end}, CUT_LEAVES);
                    check_sum((ls_leaves){first, end}, CUT_RANDOM);
                }
}

static void sources_that_are_no_tree_nodes_are_refused(void **state)
{
    (void)state;
    ls_sum *sum;
    assert_int_equal(ls_sum_create((ls_leaves){0, 4}, (ls_leaves[]){{0, 1}, {1, 3}, {3, 4}}, 3, &sum), LS_EINTERNAL);
    assert_int_equal(ls_sum_create((ls_leaves){0, 5}, (ls_leaves[]){{0, 3}, {3, 5}}, 2, &sum), LS_EINTERNAL);
    assert_int_equal(ls_sum_create((ls_leaves){0, 3}, NULL, 0, &sum), LS_EINTERNAL);
    assert_null(sum);
    ls_sum_destroy(&sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_is_the_largest_power_of_two_below),
        cmocka_unit_test(cover_is_the_fewest_nodes_in_order),
        cmocka_unit_test(covers_of_the_largest_tree_fit),
        cmocka_unit_test(doubles_are_added_in_tree_order),
        cmocka_unit_test(vectors_are_added_in_tree_order),
        cmocka_unit_test(subtrees_can_be_summed_alone),
        cmocka_unit_test(sources_that_are_no_tree_nodes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
