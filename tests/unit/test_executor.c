/* The executor against a naive double network: every triple of registered layers, so that no sharing of buffers can
 * overwrite what a backward still reads; and the same bits for any grouping of the runs. */
#include "model_bench.h"

enum { ROWS = 7, N_RUNS = 3, N_LEAVES = 2 };

static const ls_run three_runs[N_RUNS] = {{0, 3, 40, 0, true}, {3, 2, 43, 0, false}, {5, 2, 90, 1, true}};
static const int64_t batch_rows[ROWS] = {40, 41, 42, 43, 44, 90, 91};
static const ls_shape image = {3, {2, 2, 3}};

typedef struct bench {
    ls_node *model;
    ls_network *network;
    int64_t n_in, n_out, n_floats;
    float *params, *x, *dy;
} bench;

static bench bench_create(const char *yaml)
{
    bench b = {.model = parse(yaml)};
    b.network = build_network(b.model, &image);
    b.n_in = ls_shape_size(&image);
    b.n_out = ls_shape_size(ls_network_output(b.network));
    b.n_floats = ls_network_n_floats(b.network);
    b.params = filled(b.n_floats, 1);
    for (int64_t i = 0; i < b.n_floats; i++) b.params[i] *= 0.5f; /* sums of a dozen terms stay of order 1 */
    b.x = filled(ROWS * b.n_in, 2);
    b.dy = filled(ROWS * b.n_out, 3);
    return b;
}

static void bench_destroy(bench *b)
{
    ls_free(b->params);
    ls_free(b->x);
    ls_free(b->dy);
    ls_network_destroy(&b->network);
    ls_node_destroy(&b->model);
}

typedef struct result {
    float *y, *grad[N_LEAVES];
} result;

static result result_create(const bench *b)
{
    result r = {.y = floats(ROWS * b->n_out)};
    for (int i = 0; i < N_LEAVES; i++) r.grad[i] = floats(b->n_floats);
    return r;
}

static void result_destroy(result *r)
{
    ls_free(r->y);
    for (int i = 0; i < N_LEAVES; i++) ls_free(r->grad[i]);
}

static ls_pass pass_of(const bench *b, const ls_run *runs, int n_runs, int64_t n_rows, float *const *grad)
{
    return (ls_pass){.training = true,
                     .runs = runs,
                     .n_runs = n_runs,
                     .n_rows = n_rows,
                     .params = b->params,
                     .grad = grad,
                     .seed = 9,
                     .iteration = 3};
}

/* Runs [from, to) of the three as one group. */
static void run_group(const bench *b, ls_executor *ex, int from, int to, result *r)
{
    ls_run runs[N_RUNS];
    const int64_t first = three_runs[from].first;
    int64_t n_rows = 0;
    for (int i = from; i < to; i++) {
        runs[i - from] = three_runs[i];
        runs[i - from].first = n_rows;
        n_rows += three_runs[i].n;
    }
    const ls_pass pass = pass_of(b, runs, to - from, n_rows, r->grad);
    memcpy(ls_executor_input(ex), b->x + first * b->n_in, (size_t)(n_rows * b->n_in) * sizeof(float));
    const float *y = ls_executor_forward(ex, &pass);
    memcpy(r->y + first * b->n_out, y, (size_t)(n_rows * b->n_out) * sizeof(float));
    memcpy(ls_executor_output_gradient(ex), b->dy + first * b->n_out, (size_t)(n_rows * b->n_out) * sizeof(float));
    ls_executor_backward(ex, &pass);
}

static ls_executor *executor(const bench *b, int64_t max_rows)
{
    ls_executor *ex;
    assert_int_equal(ls_executor_create(b->network, max_rows, &ex), LS_OK);
    return ex;
}

static twin_problem problem_create(const bench *b, int64_t first, int64_t end)
{
    twin_problem p = {.network = b->network, .to = ls_network_n_layers(b->network)};
    p.rows = (twin_rows){.n = ROWS, .batch_row = batch_rows, .training = true, .seed = 9, .iteration = 3};
    p.params = widened(b->params, b->n_floats);
    p.x = widened(b->x, ROWS * b->n_in);
    p.dy = widened(b->dy, ROWS * b->n_out);
    for (int64_t i = 0; i < ROWS * b->n_out; i++)
        if (i < first * b->n_out || i >= end * b->n_out) p.dy[i] = 0.0;
    return p;
}

static void problem_destroy(twin_problem *p)
{
    ls_free(p->params);
    ls_free(p->x);
    ls_free(p->dy);
}

/* Some five layers of sums of at most 12 terms, each with weights that can double the error of the one before it: the
 * bound of one sum, 64 terms long. */
static double tolerance(double scale)
{
    return float_tolerance(64, scale);
}

static void check_leaf(const bench *b, const char *yaml, const float *grad, int64_t first, int64_t end)
{
    twin_problem p = problem_create(b, first, end);
    for (int t = 0; t < ls_network_n_tensors(b->network); t++) {
        const ls_tensor *tensor = ls_network_tensor(b->network, t);
        for (int64_t i = tensor->first; i < tensor->first + tensor->n; i++) {
            const double slope = twin_slope(&p, &p.params[i]);
            assert_close(yaml, i, grad[i], slope, tolerance(slope));
        }
    }
    problem_destroy(&p);
}

static void check_network(const char *yaml)
{
    bench b = bench_create(yaml);
    ls_executor *ex = executor(&b, ROWS);
    result r = result_create(&b);
    run_group(&b, ex, 0, N_RUNS, &r);
    twin_problem p = problem_create(&b, 0, ROWS);
    double *y = twin_output(&p);
    for (int64_t i = 0; i < ROWS * b.n_out; i++) assert_close(yaml, i, r.y[i], y[i], tolerance(y[i]));
    ls_free(y);
    problem_destroy(&p);
    check_leaf(&b, yaml, r.grad[0], 0, 5);
    check_leaf(&b, yaml, r.grad[1], 5, 7);
    result_destroy(&r);
    ls_executor_destroy(&ex);
    bench_destroy(&b);
}

static void test_mixed_networks_equal_twin(void **state)
{
    (void)state;
    static const char *const models[] = {
        "[dense: 8, relu, dropout: 0.3, dense: 6, tanh, dense: 4, gelu, dense: 3]",
        "[dropout: 0.2, dense: 8, tanh, relu, dropout: 0.3, sigmoid, dense: 3]",
        "[flatten, dropout: 0.1, dense: 6, dropout: 0.2, tanh, flatten, relu, relu, dense: 3, dropout: 0.5]",
        "[tanh, relu, gelu, dropout: 0.3, gelu, sigmoid, tanh, dense: {units: 3, bias: false}, sigmoid]",
        "[dense: 1, dense: 9, dense: 1, dense: 5]",
        "[flatten, flatten, relu, flatten, tanh, flatten, dense: 5, flatten]",
        "[flatten, residual: [dense: 12], dense: 3]",
        "[residual: [relu], residual: [dropout: 0.2], relu, residual: [tanh], dense: 2]",
        "[dense: 6, relu, residual: [relu, dense: 5, relu, dense: 6], relu, dense: 3]",
        "[dense: 6, residual: [tanh, relu], tanh, residual: {body: [dense: 4, relu], shortcut: [dense: 4]}, relu]",
        "[residual: {body: [dense: 9, tanh], shortcut: [dense: 9, relu]}, layernorm: {eps: 0.1}, dense: 3]",
        "[residual: {body: [relu], shortcut: [relu]}, dense: 4, residual: {body: [dense: 3], shortcut: [dense: 3]}]",
        "[dense: 5, residual: [dense: 5, residual: [relu, dense: 5], relu, residual: [sigmoid]], relu, dense: 2]",
        ("[dense: 4, residual: {body: [residual: {body: [dense: 7], shortcut: [relu, dense: 7]}, relu, dense: 3], "
         "shortcut: [residual: [tanh], dense: 3]}, relu, residual: [residual: [residual: [residual: [gelu]]]]]"),
        "[conv: {filters: 3, kernel: 2, padding: 1}, relu, maxpool: 2, conv: {filters: 2, kernel: 1}, tanh, dense: 3]",
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) check_network(models[i]);
}

/* A layer of images behind features is refused. */
static bool is_possible(const char *yaml)
{
    ls_node *model = parse(yaml);
    ls_network *network;
    const bool possible = ls_network_create(model, &image, &network) == LS_OK;
    ls_network_destroy(&network);
    ls_node_destroy(&model);
    return possible;
}

static bool needs_image(const char *yaml)
{
    return strstr(yaml, "conv") != NULL || strstr(yaml, "pool") != NULL;
}

static const char *const first_conv = "conv: {filters: 2, kernel: 1}";

static void test_every_triple_of_layers_equals_twin(void **state)
{
    (void)state;
    for (int i = 0; i < N_TWINS * N_TWINS * N_TWINS; i++) {
        char yaml[256];
        const char *a = twins[i % N_TWINS].sample, *b = twins[i / N_TWINS % N_TWINS].sample,
                   *c = twins[i / N_TWINS / N_TWINS].sample;
        snprintf(yaml, sizeof yaml, "[%s, %s, %s]", a, b, c);
        if (!is_possible(yaml)) continue;
        check_network(yaml);
        snprintf(yaml, sizeof yaml, "[%s, %s, %s, %s, dense: 2]", needs_image(yaml) ? first_conv : "dense: 4", a, b, c);
        check_network(yaml);
    }
}

static const char *const mixed = "[dropout: 0.1, dense: 33, relu, dropout: 0.3, dense: 17, tanh, dropout: 0.2, gelu, "
                                 "residual: {body: [groupnorm: 1, relu, dense: 9], shortcut: [dense: 9]}, layernorm, "
                                 "residual: [relu, dropout: 0.1], dense: 5]";

static void test_groups_give_the_same_bits(void **state)
{
    (void)state;
    bench b = bench_create(mixed);
    ls_executor *ex = executor(&b, ROWS), *small = executor(&b, 3);
    result whole = result_create(&b), parts = result_create(&b), halves = result_create(&b);
    run_group(&b, ex, 0, 3, &whole);
    for (int i = 0; i < N_RUNS; i++) run_group(&b, small, i, i + 1, &parts);
    run_group(&b, ex, 0, 1, &halves);
    run_group(&b, ex, 1, 3, &halves);
    assert_same_bits("y of one group a run", parts.y, whole.y, ROWS * b.n_out);
    assert_same_bits("y of two groups", halves.y, whole.y, ROWS * b.n_out);
    for (int i = 0; i < N_LEAVES; i++) {
        assert_same_bits("gradient of one group a run", parts.grad[i], whole.grad[i], b.n_floats);
        assert_same_bits("gradient of two groups", halves.grad[i], whole.grad[i], b.n_floats);
    }
    result_destroy(&whole);
    result_destroy(&parts);
    result_destroy(&halves);
    ls_executor_destroy(&ex);
    ls_executor_destroy(&small);
    bench_destroy(&b);
}

/* Other passes between (evaluation, fewer rows, none) leave no trace, and none of them allocates (P6). */
static void test_passes_leave_no_trace(void **state)
{
    (void)state;
    bench b = bench_create(mixed);
    ls_executor *ex = executor(&b, ROWS);
    result first = result_create(&b), second = result_create(&b), other = result_create(&b);
    run_group(&b, ex, 0, 3, &first);
    const uint64_t allocations = ls_mem_allocations();
    run_group(&b, ex, 2, 3, &other);
    ls_pass pass = pass_of(&b, three_runs, 2, 5, NULL);
    pass.training = false;
    ls_executor_forward(ex, &pass);
    pass = pass_of(&b, NULL, 0, 0, NULL);
    ls_executor_forward(ex, &pass);
    ls_executor_backward(ex, &pass);
    run_group(&b, ex, 0, 3, &second);
    assert_int_equal(ls_mem_allocations(), allocations);
    assert_same_bits("y", second.y, first.y, ROWS * b.n_out);
    for (int i = 0; i < N_LEAVES; i++) assert_same_bits("gradient", second.grad[i], first.grad[i], b.n_floats);
    result_destroy(&first);
    result_destroy(&second);
    result_destroy(&other);
    ls_executor_destroy(&ex);
    bench_destroy(&b);
}

static void test_buffers_are_aligned_and_disjoint(void **state)
{
    (void)state;
    bench b = bench_create("[dense: 3, tanh, dense: 5]");
    for (int64_t rows = 0; rows < 20; rows++) {
        ls_executor *ex = executor(&b, rows);
        assert_int_equal((uintptr_t)ls_executor_input(ex) % 64, 0);
        assert_int_equal((uintptr_t)ls_executor_output_gradient(ex) % 64, 0);
        ls_executor_destroy(&ex);
        assert_null(ex);
    }
    /* input 12, y of dense 3 (tanh shares it), y of dense 5, two gradients as wide as the widest activation */
    assert_int_equal(ls_network_row_floats(b.network), 12 + 3 + 5 + 2 * 5);
    bench_destroy(&b);
}

static void test_too_many_rows_are_refused(void **state)
{
    (void)state;
    bench b = bench_create("[dense: 3]");
    ls_executor *ex = NULL;
    assert_int_equal(ls_executor_create(b.network, INT64_MAX / 2, &ex), LS_ENOMEM);
    assert_null(ex);
    assert_message("runtime.memory_limit");
    ls_executor_destroy(&ex);
    ls_executor_destroy(NULL);
    bench_destroy(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixed_networks_equal_twin),
        cmocka_unit_test(test_every_triple_of_layers_equals_twin),
        cmocka_unit_test(test_groups_give_the_same_bits),
        cmocka_unit_test(test_passes_leave_no_trace),
        cmocka_unit_test(test_buffers_are_aligned_and_disjoint),
        cmocka_unit_test(test_too_many_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
