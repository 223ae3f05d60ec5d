#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/node.h"
#include "lockstep/rng.h"
#include "model/executor_internal.h"

enum { MAX_RUNS = 16, PASSES = 40 };

static float number(uint64_t a, int64_t i)
{
    return (float)ls_rng_normal(17, a, (uint64_t)i);
}

/* dense: out, dense: 3 over `in` features. */
static ls_network *make_network(int64_t in, int64_t out)
{
    char yaml[64];
    ls_node *model;
    ls_network *network;
    snprintf(yaml, sizeof yaml, "[dense: %d, dense: 3]", (int)out);
    assert_int_equal(ls_node_parse(yaml, strlen(yaml), "test", &model), LS_OK);
    assert_int_equal(ls_network_create(model, &(ls_shape){.n_dim = 1, .dim = {in}}, &network), LS_OK);
    ls_node_destroy(&model); /* dense keeps nothing but its numbers once it is planned */
    return network;
}

/* Runs of a micro-batch size over shards of `rows` rows. */
static int cut(int64_t rows, int64_t shards, int64_t micro, ls_run *runs)
{
    int n = 0;
    int64_t at = 0;
    for (int64_t s = 0; s < shards; s++)
        for (int64_t left = rows; left > 0; left -= micro, n++) {
            runs[n] = (ls_run){.first = at, .n = left < micro ? left : micro, .leaf = (int)s, .fresh = left == rows};
            at += runs[n].n;
        }
    return n;
}

/* Outputs and input gradients of one pass; the executor's verdicts in force or not. */
static void pass_once(ls_executor *ex, const ls_pass *pass, uint64_t a, float *out, float *dx)
{
    const ls_layer *last = ls_network_layer(ex->network, 1), *first = ls_network_layer(ex->network, 0);
    for (int64_t i = 0; i < pass->n_rows * first->n_in; i++) ls_executor_input(ex)[i] = number(a, i);
    memcpy(out, ls_executor_forward(ex, pass), (size_t)(pass->n_rows * last->n_out) * sizeof *out);
    float *dy = ls_executor_output_gradient(ex);
    for (int64_t i = 0; i < pass->n_rows * last->n_out; i++) dy[i] = number(a + 1, i);
    ls_executor_backward(ex, pass);
    memcpy(dx, ex->gradient[ex->side], (size_t)(pass->n_rows * last->n_in) * sizeof *dx);
}

static void check_partition(const ls_network *network, const ls_run *runs, int n_runs)
{
    const int64_t n_rows = runs[n_runs - 1].first + runs[n_runs - 1].n, width = ls_network_layer(network, 0)->n_out;
    ls_executor *shared, *separate;
    assert_int_equal(ls_executor_create(network, n_rows, &shared), LS_OK);
    assert_int_equal(ls_executor_create(network, n_rows, &separate), LS_OK);
    assert_int_equal(ls_executor_try_sharing(shared, runs, n_runs), LS_OK);
    float *params = ls_calloc((size_t)ls_network_n_floats(network), sizeof *params);
    float *out = ls_calloc((size_t)(2 * n_rows * (width + 3)), sizeof *out), *dx = out + 2 * n_rows * 3;
    const ls_pass pass = {.runs = runs, .n_runs = n_runs, .n_rows = n_rows, .params = params};
    for (uint64_t a = 0; a < PASSES; a++) {
        for (int64_t i = 0; i < ls_network_n_floats(network); i++) params[i] = number(1000 + a, i);
        pass_once(shared, &pass, 2 * a, out, dx);
        pass_once(separate, &pass, 2 * a, out + n_rows * 3, dx + n_rows * width);
        assert_memory_equal(out, out + n_rows * 3, (size_t)(n_rows * 3) * sizeof *out);
        assert_memory_equal(dx, dx + n_rows * width, (size_t)(n_rows * width) * sizeof *dx);
    }
    ls_free(params);
    ls_free(out);
    ls_executor_destroy(&shared);
    ls_executor_destroy(&separate);
}

/* Whatever the trial accepts has the bits of separate products, for numbers of every day. */
static void accepted_sharing_has_equal_bits(void **state)
{
    (void)state;
    static const int64_t widths[][2] = {{60, 150}, {150, 100}, {100, 5}, {7, 33}, {128, 64}, {1, 1}};
    static const int64_t cuts[][3] = {{3, 2, 5}, {2, 3, 2}, {5, 2, 3}, {1, 4, 1}, {16, 2, 16}, {13, 3, 5}, {32, 2, 32}};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        ls_network *network = make_network(widths[w][0], widths[w][1]);
        for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
            ls_run runs[MAX_RUNS];
            check_partition(network, runs, cut(cuts[c][0], cuts[c][1], cuts[c][2], runs));
        }
        ls_network_destroy(&network);
    }
}

/* The gradient of a run added onto random numbers, against the same gradient added afterwards. */
static void check_adding(const ls_network *network, int64_t n_rows)
{
    const int64_t n = ls_network_n_floats(network), in = ls_network_layer(network, 0)->n_in;
    ls_executor *ex;
    assert_int_equal(ls_executor_create(network, n_rows, &ex), LS_OK);
    float *params = ls_calloc((size_t)(4 * n), sizeof *params), *added = params + n, *own = added + n, *start = own + n;
    ls_run run = {.n = n_rows};
    float *grad[1];
    const ls_pass pass = {.runs = &run, .n_runs = 1, .n_rows = n_rows, .params = params, .grad = grad};
    for (uint64_t a = 0; a < PASSES; a++) {
        for (int64_t i = 0; i < n; i++) params[i] = number(a, i), start[i] = added[i] = number(a + 500, i);
        for (int onto = 0; onto < 2; onto++) {
            for (int64_t i = 0; i < n_rows * in; i++) ls_executor_input(ex)[i] = number(a + 900, i);
            grad[0] = onto ? added : own;
            run.fresh = !onto;
            ls_executor_forward(ex, &pass);
            for (int64_t i = 0; i < n_rows * 3; i++) ls_executor_output_gradient(ex)[i] = number(a + 901, i);
            ls_executor_backward(ex, &pass);
        }
        for (int t = 0; t < ls_network_n_tensors(network); t++)
            for (int64_t i = ls_network_tensor(network, t)->first, j = 0; j < ls_network_tensor(network, t)->n;
                 i++, j++)
                assert_true(start[i] + own[i] == added[i]);
    }
    ls_free(params);
    ls_executor_destroy(&ex);
}

static void accepted_adding_has_equal_bits(void **state)
{
    (void)state;
    int accepted = 0;
    for (int64_t rows = 1; rows <= 40; rows += 3) {
        ls_network *network = make_network(10 + 7 * rows % 50, 64 - rows);
        bool equal;
        assert_int_equal(ls_network_try_adding(network, rows, &equal), LS_OK);
        if (equal) check_adding(network, rows);
        accepted += equal;
        ls_network_destroy(&network);
    }
    printf("%d of 14 sizes accepted\n", accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(accepted_sharing_has_equal_bits),
                                       cmocka_unit_test(accepted_adding_has_equal_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
