/* The conformance suite of the layer registry: each layer against its double-precision twin, and the promises of
 * ls_layer_ops about runs, leaves, places and missing buffers. */
#include "layer_cases.h"
#include "model/registry.h"

enum { N_RUNS = 4, N_LEAVES = 3 };

/* Leaf 1 has two runs, leaf 2 goes on from an earlier pass. */
static const ls_run four_runs[N_RUNS] = {
    {0, 4, 100, 1, true}, {4, 1, 104, 1, false}, {5, 3, 220, 0, true}, {8, 3, 7, 2, false}};
static const int64_t batch_rows[ROWS] = {100, 101, 102, 103, 104, 220, 221, 222, 7, 8, 9};
static const bool leaf_is_fresh[N_LEAVES] = {true, true, false};

/* What stands in buffers before; a fresh leaf holds NaN, so that an addition to it shows. */
static const float untouched = 77.0f, earlier = 0.5f;

/* One forward and backward: which runs, on rows from where, in which buffers. */
typedef struct trial {
    const ls_run *runs;
    int n_runs;
    int64_t n_rows, from_row; /* of the bench's x and dy */
    int64_t shift;            /* floats between a 64-byte boundary and the buffers */
    bool in_place, without_dx, evaluates;
} trial;

static const trial plain = {.runs = four_runs, .n_runs = N_RUNS, .n_rows = ROWS};

typedef struct result {
    float *block[8];
    float *y, *dx, *grad[N_LEAVES]; /* y and dx [ROWS + 1, ...] */
} result;

static float *copy_at(result *r, int i, const float *from, int64_t n, int64_t room, int64_t shift)
{
    r->block[i] = floats(room + shift);
    set_all(r->block[i], room + shift, untouched);
    if (n > 0) memcpy(r->block[i] + shift, from, (size_t)n * sizeof *from);
    return r->block[i] + shift;
}

static void result_destroy(result *r)
{
    for (int i = 0; i < 8; i++) ls_free(r->block[i]);
}

static result run_layer(const bench *b, const trial *t)
{
    const int64_t in = b->l->n_in, out = b->l->n_out, n_in = t->n_rows * in, n_out = t->n_rows * out;
    const float *from_x = b->x + t->from_row * in, *from_dy = b->dy + t->from_row * out;
    result r = {0};
    float *x = copy_at(&r, 0, from_x, n_in, (ROWS + 1) * in, t->shift);
    float *dy = copy_at(&r, 1, from_dy, n_out, (ROWS + 1) * out, t->shift);
    float *params = copy_at(&r, 2, b->params, b->n_floats, b->n_floats, 0), *scratch = floats(b->l->scratch_floats);
    set_all(scratch, b->l->scratch_floats, NAN);
    r.y = t->in_place ? x : copy_at(&r, 3, NULL, 0, (ROWS + 1) * out, t->shift);
    r.dx = t->in_place ? dy : copy_at(&r, 4, NULL, 0, (ROWS + 1) * in, t->shift);
    for (int i = 0; i < N_LEAVES; i++) {
        r.grad[i] = copy_at(&r, 5 + i, NULL, 0, b->n_floats, 0);
        set_all(r.grad[i], b->n_floats, leaf_is_fresh[i] ? NAN : earlier);
    }
    const ls_pass pass = {.training = !t->evaluates,
                          .runs = t->runs,
                          .n_runs = t->n_runs,
                          .n_rows = t->n_rows,
                          .params = params,
                          .scratch = scratch,
                          .grad = r.grad,
                          .seed = 99,
                          .iteration = 5000000000};
    b->l->ops->forward(b->l, &pass, x, r.y);
    float *y_before = floats(n_out);
    memcpy(y_before, r.y, (size_t)n_out * sizeof *y_before);
    b->l->ops->backward(b->l, &pass, b->l->ops->in_place ? NULL : x, r.y, dy, t->without_dx ? NULL : r.dx);
    assert_same_bits("params are borrowed", params, b->params, b->n_floats);
    assert_same_bits("y is borrowed by backward", r.y, y_before, n_out);
    if (!t->in_place) assert_same_bits("x is borrowed", x, from_x, n_in);
    if (!t->in_place) assert_same_bits("dy is borrowed", dy, from_dy, n_out);
    ls_free(y_before);
    ls_free(scratch);
    return r;
}

/* The same rows as a problem of the twin; dy counts in rows [first, end) only. */
static twin_problem problem_create(const bench *b, int64_t first, int64_t end, bool training)
{
    const int last = ls_network_n_layers(b->network);
    twin_problem p = {.network = b->network, .from = last - 1, .to = last};
    p.rows = (twin_rows){.n = ROWS, .batch_row = batch_rows, .training = training, .seed = 99, .iteration = 5000000000};
    p.params = widened(b->params, b->n_floats);
    p.x = widened(b->x, ROWS * b->l->n_in);
    p.dy = widened(b->dy, ROWS * b->l->n_out);
    for (int64_t i = 0; i < ROWS * b->l->n_out; i++)
        if (i < first * b->l->n_out || i >= end * b->l->n_out) p.dy[i] = 0.0;
    return p;
}

static void problem_destroy(twin_problem *p)
{
    ls_free(p->params);
    ls_free(p->x);
    ls_free(p->dy);
}

/* Finite differences evaluate the twin twice for a number: of a large layer, a few numbers are judged. */
static int64_t stride_of(const bench *b, int64_t n)
{
    enum { FEW = 11 };
    return b->l->n_in * b->l->n_out <= 4000 || n <= FEW ? 1 : n / FEW;
}

/* A layer without parameters is taken to compute each number from few others. */
static double tolerance(const bench *b, double scale)
{
    return float_tolerance(b->l->n_tensors > 0 ? largest(b->l->n_in, b->l->n_out, ROWS) : 1, scale);
}

/* What is more than a function of each of its rows: test_residual.c, test_batchnorm.c. */
static bool has_own_test(const ls_layer_ops *ops)
{
    return ops == &ls__layer_residual || ops == &ls__layer_batchnorm;
}

static void test_every_layer_has_twin_and_case(void **state)
{
    (void)state;
    bool seen[64] = {false};
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(&cases[c]);
        for (int i = 0; ls__layers[i] != NULL; i++) seen[i] = seen[i] || ls__layers[i] == b.l->ops;
        bench_destroy(&b);
    }
    for (int i = 0; ls__layers[i] != NULL; i++) {
        if (has_own_test(ls__layers[i])) continue;
        if (find_twin(ls__layers[i]->name) == NULL) fail_msg("layer %s has no twin", ls__layers[i]->name);
        if (!seen[i]) fail_msg("layer %s has no case", ls__layers[i]->name);
        assert_non_null(ls__layers[i]->help);
    }
}

static void check_forward(const bench *b, bool training)
{
    trial t = plain;
    t.evaluates = !training;
    result r = run_layer(b, &t);
    twin_problem p = problem_create(b, 0, ROWS, training);
    double *y = twin_output(&p);
    for (int64_t i = 0; i < ROWS * b->l->n_out; i++) assert_close(b->l->ops->name, i, r.y[i], y[i], tolerance(b, y[i]));
    ls_free(y);
    problem_destroy(&p);
    result_destroy(&r);
}

static void check_dx(const bench *b, bool training)
{
    trial t = plain;
    t.evaluates = !training;
    result r = run_layer(b, &t);
    twin_problem p = problem_create(b, 0, ROWS, training);
    for (int64_t i = 0; i < ROWS * b->l->n_in; i += stride_of(b, ROWS * b->l->n_in)) {
        const double slope = twin_slope(&p, &p.x[i]);
        assert_close(b->l->ops->name, i, r.dx[i], slope, tolerance(b, slope));
    }
    problem_destroy(&p);
    result_destroy(&r);
}

static bool belongs_to(const ls_layer *l, int64_t i)
{
    for (int t = 0; t < l->n_tensors; t++)
        if (i >= l->tensor[t].first && i < l->tensor[t].first + l->tensor[t].n) return true;
    return false;
}

/* Gradient of one leaf, whose rows are [first, end); all else in its vector keeps what it held. */
static void check_leaf(const bench *b, const float *grad, int leaf, int64_t first, int64_t end)
{
    twin_problem p = problem_create(b, first, end, true);
    for (int64_t i = 0; i < b->n_floats; i += stride_of(b, b->n_floats)) {
        if (!belongs_to(b->l, i)) {
            assert_true(leaf_is_fresh[leaf] ? isnan(grad[i]) : grad[i] == earlier);
            continue;
        }
        const double slope = twin_slope(&p, &p.params[i]);
        const double expected = slope + (leaf_is_fresh[leaf] ? 0.0 : (double)earlier);
        assert_close(b->l->ops->name, i, grad[i], expected, tolerance(b, slope));
    }
    problem_destroy(&p);
}

static void check_leaves(const bench *b)
{
    result r = run_layer(b, &plain);
    check_leaf(b, r.grad[1], 1, 0, 5);
    check_leaf(b, r.grad[0], 0, 5, 8);
    check_leaf(b, r.grad[2], 2, 8, 11);
    result_destroy(&r);
}

static void test_forward_equals_twin(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(&cases[c]);
        check_forward(&b, true);
        check_forward(&b, false);
        bench_destroy(&b);
    }
}

static void test_dx_equals_finite_differences(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(&cases[c]);
        check_dx(&b, true);
        check_dx(&b, false);
        bench_destroy(&b);
    }
}

static void test_leaves_equal_finite_differences(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(&cases[c]);
        check_leaves(&b);
        bench_destroy(&b);
    }
}

static void assert_all(const char *what, const float *x, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != value) fail_msg("%s: element %" PRId64 " was written", what, i);
}

static void test_only_rows_are_written(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(&cases[c]);
        result none = run_layer(&b, &(trial){.runs = NULL}), all = run_layer(&b, &plain);
        assert_all("y", none.y, (ROWS + 1) * b.l->n_out, untouched);
        assert_all("dx", none.dx, (ROWS + 1) * b.l->n_in, untouched);
        assert_all("gradient", none.grad[2], b.n_floats, earlier);
        assert_all("y", all.y + ROWS * b.l->n_out, b.l->n_out, untouched);
        assert_all("dx", all.dx + ROWS * b.l->n_in, b.l->n_in, untouched);
        result_destroy(&none);
        result_destroy(&all);
        bench_destroy(&b);
    }
}

/* Run i of the four in a pass of its own gives the rows that it gives among the others. */
static void check_run_alone(const bench *b, int i)
{
    const ls_run *run = &four_runs[i], alone = {0, run->n, run->batch_row, run->leaf, run->fresh};
    result all = run_layer(b, &plain);
    result one = run_layer(b, &(trial){.runs = &alone, .n_runs = 1, .n_rows = run->n, .from_row = run->first});
    assert_same_bits("y alone", one.y, all.y + run->first * b->l->n_out, run->n * b->l->n_out);
    assert_same_bits("dx alone", one.dx, all.dx + run->first * b->l->n_in, run->n * b->l->n_in);
    if (run->leaf != 1) assert_same_bits("gradient alone", one.grad[run->leaf], all.grad[run->leaf], b->n_floats);
    result_destroy(&one);
    result_destroy(&all);
}

static void test_run_alone_has_same_bits(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(&cases[c]);
        for (int i = 0; i < N_RUNS; i++) check_run_alone(&b, i);
        bench_destroy(&b);
    }
}

/* The first three runs in one pass, or in two: a group of micro-batches ends in the middle of leaf 1. */
static void test_leaf_over_two_passes_has_same_bits(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(&cases[c]);
        result all = run_layer(&b, &plain);
        const ls_run second = {0, 1, 104, 1, false};
        float *kept = floats(b.n_floats), *scratch = floats(b.l->scratch_floats);
        result one = run_layer(&b, &(trial){.runs = four_runs, .n_runs = 1, .n_rows = 4});
        memcpy(kept, one.grad[1], (size_t)b.n_floats * sizeof *kept);
        float *const grad[] = {NULL, kept};
        const ls_pass pass = {.training = true,
                              .runs = &second,
                              .n_runs = 1,
                              .n_rows = 1,
                              .params = b.params,
                              .scratch = scratch,
                              .grad = grad,
                              .seed = 99,
                              .iteration = 5000000000};
        b.l->ops->backward(b.l, &pass, b.l->ops->in_place ? NULL : b.x + 4 * b.l->n_in, all.y + 4 * b.l->n_out,
                           b.dy + 4 * b.l->n_out, NULL);
        assert_same_bits("leaf of two passes", kept, all.grad[1], b.n_floats);
        ls_free(kept);
        ls_free(scratch);
        result_destroy(&one);
        result_destroy(&all);
        bench_destroy(&b);
    }
}

/* What start-up takes for granted of a layer that says so: its gradient is complete before it is added, and every row
 * stands alone. */
static void check_rows_alone(const bench *b)
{
    const ls_run onto = {0, 4, 100, 2, false}, own = {0, 4, 100, 0, true};
    result added = run_layer(b, &(trial){.runs = &onto, .n_runs = 1, .n_rows = 4});
    result alone = run_layer(b, &(trial){.runs = &own, .n_runs = 1, .n_rows = 4});
    for (int64_t i = 0; i < b->n_floats; i++)
        if (belongs_to(b->l, i)) assert_true(added.grad[2][i] == earlier + alone.grad[0][i]);
    for (int64_t r = 0; r < 4; r++) {
        const ls_run one = {0, 1, 100 + r, 0, true};
        result row = run_layer(b, &(trial){.runs = &one, .n_runs = 1, .n_rows = 1, .from_row = r});
        assert_same_bits("y of a row", row.y, alone.y + r * b->l->n_out, b->l->n_out);
        assert_same_bits("dx of a row", row.dx, alone.dx + r * b->l->n_in, b->l->n_in);
        result_destroy(&row);
    }
    result_destroy(&added);
    result_destroy(&alone);
}

static void test_rows_alone_keep_their_word(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(&cases[c]);
        if (b.l->ops->rows_alone) check_rows_alone(&b);
        bench_destroy(&b);
    }
}

static void check_equal(const bench *b, const trial *t)
{
    result expected = run_layer(b, &plain), got = run_layer(b, t);
    assert_same_bits("y", got.y, expected.y, ROWS * b->l->n_out);
    if (!t->without_dx) assert_same_bits("dx", got.dx, expected.dx, ROWS * b->l->n_in);
    if (t->without_dx) assert_all("dx", got.dx, ROWS * b->l->n_in, untouched);
    for (int i = 0; i < N_LEAVES; i++) assert_same_bits("gradient", got.grad[i], expected.grad[i], b->n_floats);
    result_destroy(&got);
    result_destroy(&expected);
}

static void test_places_of_buffers_do_not_matter(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(&cases[c]);
        trial t = plain;
        for (t.shift = 0; t.shift <= 16; t.shift++) check_equal(&b, &t);
        t = plain;
        t.without_dx = true;
        check_equal(&b, &t);
        t = plain;
        t.in_place = b.l->ops->in_place;
        check_equal(&b, &t);
        bench_destroy(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layer_has_twin_and_case),
        cmocka_unit_test(test_forward_equals_twin),
        cmocka_unit_test(test_dx_equals_finite_differences),
        cmocka_unit_test(test_leaves_equal_finite_differences),
        cmocka_unit_test(test_only_rows_are_written),
        cmocka_unit_test(test_run_alone_has_same_bits),
        cmocka_unit_test(test_leaf_over_two_passes_has_same_bits),
        cmocka_unit_test(test_rows_alone_keep_their_word),
        cmocka_unit_test(test_places_of_buffers_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
