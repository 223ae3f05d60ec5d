/* Batch normalisation against its formulas in double: forward, derivatives by central differences, running statistics,
 * both kinds of statistics, over several shards of one process; and a pass over no rows. */
#include "lockstep/network.h"
#include "model/registry.h"
#include "model_bench.h"

enum { ROWS = 11, N_RUNS = 4, N_LEAVES = 4, MAX_RUN = 5 };

/* Leaf 0 has two runs with batch statistics; leaf 3 has no rows. */
static const ls_run batch_runs[N_RUNS] = {
    {0, 4, 0, 0, true}, {4, 1, 4, 0, false}, {5, 3, 5, 1, true}, {8, 3, 8, 2, false}};
static const ls_run shard_runs[3] = {{0, 5, 0, 0, true}, {5, 3, 5, 1, true}, {8, 3, 8, 2, false}};
static const float earlier = 0.5f;

typedef struct bench {
    ls_node *model;
    ls_network *network;
    const ls_layer *l;
    bool shard;
    int64_t n, k, span, n_sums; /* numbers of a row, channels */
    float *params, *x, *dy, *y, *dx, *grad[N_LEAVES];
    double *sums[N_LEAVES], *total;
    int n_meetings;
    int64_t batch_rows;
} bench;

static bench bench_create(const char *yaml, ls_shape in)
{
    bench b = {.model = parse(yaml)};
    b.network = build_network(b.model, &in);
    b.l = ls_network_layer(b.network, 0);
    b.shard = !b.l->meets;
    b.n = b.l->n_in;
    b.k = in.dim[0];
    b.span = b.n / b.k;
    b.n_sums = ls_network_n_sums(b.network);
    b.params = filled(ls_network_n_floats(b.network), 1);
    b.x = filled(ROWS * b.n, 2);
    b.dy = filled(ROWS * b.n, 3);
    b.y = floats(ROWS * b.n);
    b.dx = floats(ROWS * b.n);
    b.batch_rows = ROWS;
    b.total = ls_calloc((size_t)b.n_sums, sizeof *b.total);
    for (int i = 0; i < N_LEAVES; i++) {
        b.grad[i] = floats(ls_network_n_floats(b.network));
        set_all(b.grad[i], ls_network_n_floats(b.network), i < 2 ? NAN : earlier);
        b.sums[i] = ls_calloc((size_t)b.n_sums, sizeof *b.sums[i]);
    }
    return b;
}

static void bench_destroy(bench *b)
{
    float *blocks[] = {b->params, b->x, b->dy, b->y, b->dx};
    for (int i = 0; i < 5; i++) ls_free(blocks[i]);
    for (int i = 0; i < N_LEAVES; i++) {
        ls_free(b->grad[i]);
        ls_free(b->sums[i]);
    }
    ls_free(b->total);
    ls_network_destroy(&b->network);
    ls_node_destroy(&b->model);
}

static void meet(void *context, int64_t first, int64_t n, double *total)
{
    bench *b = context;
    for (int64_t i = 0; i < n; i++) {
        total[i] = 0.0;
        for (int leaf = 0; leaf < N_LEAVES; leaf++) total[i] += b->sums[leaf][first + i];
    }
    b->n_meetings++;
}

/* A forward, and a backward when it trains, over n_runs runs. */
static void run(bench *b, const ls_run *runs, int n_runs, bool training, bool with_dx)
{
    const int64_t n_rows = n_runs > 0 ? runs[n_runs - 1].first + runs[n_runs - 1].n : 0;
    float *scratch = floats(b->l->scratch_floats);
    set_all(scratch, b->l->scratch_floats, NAN);
    const ls_pass_sums sums = {
        .leaf = b->sums, .total = b->total, .batch_rows = b->batch_rows, .meet = meet, .context = b};
    const ls_pass pass = {.training = training,
                          .runs = runs,
                          .n_runs = n_runs,
                          .n_rows = n_rows,
                          .params = b->params,
                          .grad = b->grad,
                          .scratch = scratch,
                          .buffers = ls_network_buffers(b->network),
                          .sums = training ? &sums : NULL};
    b->l->ops->forward(b->l, &pass, b->x, b->y);
    set_all(scratch, b->l->scratch_floats, NAN);
    if (training) b->l->ops->backward(b->l, &pass, b->x, b->y, b->dy, with_dx ? b->dx : NULL);
    ls_free(scratch);
}

static void run_all(bench *b)
{
    run(b, b->shard ? shard_runs : batch_runs, b->shard ? 3 : N_RUNS, true, true);
}

/* Rows [first, end) that share their moments with row r. */
static void rows_with(const bench *b, int64_t r, int64_t *first, int64_t *end)
{
    *first = !b->shard || r < 5 ? 0 : r < 8 ? 5 : 8;
    *end = !b->shard || r >= 8 ? ROWS : r < 5 ? 5 : 8;
}

static void moments(const bench *b, const double *x, int64_t first, int64_t end, int64_t c, double *mean, double *var)
{
    const double n = (double)((end - first) * b->span);
    *mean = *var = 0.0;
    for (int64_t r = first; r < end; r++)
        for (int64_t i = 0; i < b->span; i++) *mean += x[r * b->n + c * b->span + i] / n;
    for (int64_t r = first; r < end; r++)
        for (int64_t i = 0; i < b->span; i++) *var += pow(x[r * b->n + c * b->span + i] - *mean, 2.0) / n;
}

static double eps_of(const bench *b)
{
    return strtod(ls_node_child(b->l->entry->child[0], "eps")->text, NULL);
}

/* The formula for channel c of row r; xhat when w is 1 and b 0. */
static double formula(const bench *b, const double *x, int64_t r, int64_t c, int64_t i, bool affine)
{
    double mean, var;
    int64_t first, end;
    rows_with(b, r, &first, &end);
    moments(b, x, first, end, c, &mean, &var);
    const double xhat = (x[r * b->n + c * b->span + i] - mean) / sqrt(var + eps_of(b));
    if (!affine || b->l->n_tensors == 0) return xhat;
    return xhat * b->params[b->l->tensor[0].first + c] + b->params[b->l->tensor[1].first + c];
}

/* sum dy y of channel c, the only one that x[.., c, ..] moves */
static double objective(const bench *b, const double *x, int64_t c)
{
    double sum = 0.0;
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t i = 0; i < b->span; i++) sum += b->dy[r * b->n + c * b->span + i] * formula(b, x, r, c, i, true);
    return sum;
}

static double tolerance(const bench *b, double scale)
{
    return float_tolerance(b->span * ROWS, scale);
}

static void check_forward_and_dx(bench *b, const char *yaml)
{
    double *x = widened(b->x, ROWS * b->n);
    run_all(b);
    for (int64_t at = 0; at < ROWS * b->n; at++) {
        const int64_t r = at / b->n, c = at % b->n / b->span, i = at % b->span;
        const double y = formula(b, x, r, c, i, true), h = 1e-5, kept = x[at];
        assert_close(yaml, at, b->y[at], y, tolerance(b, y));
        x[at] = kept + h;
        const double up = objective(b, x, c);
        x[at] = kept - h;
        const double slope = (up - objective(b, x, c)) / (2.0 * h);
        x[at] = kept;
        assert_close(yaml, at, b->dx[at], slope, tolerance(b, slope));
    }
    ls_free(x);
}

/* dw = sum dy xhat and db = sum dy over the rows of a leaf; leaf 2 goes on from what it held, leaf 3 has no rows. */
static void check_gradients(const bench *b, const char *yaml)
{
    static const int64_t first[] = {0, 5, 8}, end[] = {5, 8, 11};
    double *x = widened(b->x, ROWS * b->n);
    for (int leaf = 0; leaf < 3 && b->l->n_tensors > 0; leaf++)
        for (int64_t c = 0; c < b->k; c++) {
            double dw = leaf == 2 ? (double)earlier : 0.0, db = dw;
            for (int64_t r = first[leaf]; r < end[leaf]; r++)
                for (int64_t i = 0; i < b->span; i++) {
                    const double dy = b->dy[r * b->n + c * b->span + i];
                    dw += dy * formula(b, x, r, c, i, false);
                    db += dy;
                }
            assert_close(yaml, c, b->grad[leaf][b->l->tensor[0].first + c], dw, tolerance(b, dw));
            assert_close(yaml, c, b->grad[leaf][b->l->tensor[1].first + c], db, tolerance(b, db));
        }
    for (int64_t i = 0; i < ls_network_n_floats(b->network); i++) assert_true(b->grad[3][i] == earlier);
    ls_free(x);
}

/* Two batches: running = 0.7 running + 0.3 (mean, unbiased variance) of all rows, of either kind. */
static void check_running(bench *b, const char *yaml, double momentum)
{
    double *x = widened(b->x, ROWS * b->n);
    const float *mean = ls_network_buffers(b->network) + b->l->buffer[0].first,
                *var = ls_network_buffers(b->network) + b->l->buffer[1].first;
    const double n = (double)(ROWS * b->span);
    for (int64_t c = 0; c < b->k; c++) assert_true(mean[c] == 0.0f && var[c] == 1.0f);
    for (int i = 0; i < 2; i++) {
        for (int leaf = 0; leaf < N_LEAVES; leaf++) memset(b->sums[leaf], 0, (size_t)b->n_sums * sizeof(double));
        run_all(b);
        if (b->shard) meet(b, 0, b->n_sums, b->total);
        ls_network_finish(b->network, b->total, ROWS);
    }
    for (int64_t c = 0; c < b->k; c++) {
        double m, v;
        const double keep = 1.0 - momentum;
        moments(b, x, 0, ROWS, c, &m, &v);
        assert_close(yaml, c, mean[c], (keep * momentum + momentum) * m, 1e-6);
        assert_close(yaml, c, var[c], keep * keep + (keep * momentum + momentum) * v * n / (n - 1.0), 1e-6 * (1.0 + v));
    }
    run(b, batch_runs, N_RUNS, false, false);
    for (int64_t at = 0; at < ROWS * b->n; at++) {
        const int64_t c = at % b->n / b->span;
        const bool affine = b->l->n_tensors > 0;
        const double w = affine ? b->params[b->l->tensor[0].first + c] : 1.0;
        const double y = (x[at] - mean[c]) / sqrt((double)var[c] + eps_of(b)) * w +
                         (affine ? b->params[b->l->tensor[1].first + c] : 0.0);
        assert_close(yaml, at, b->y[at], y, float_tolerance(1, y));
    }
    ls_free(x);
}

static void test_equals_formulas(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        ls_shape in;
        double momentum;
    } cases[] = {
        {"[batchnorm]", {1, {5}}, 0.1},
        {"[batchnorm: {statistics: shard, momentum: 0.3}]", {1, {17}}, 0.3},
        {"[batchnorm: {momentum: 0.3, eps: 0.1}]", {3, {3, 2, 5}}, 0.3},
        {"[batchnorm: {statistics: shard}]", {3, {2, 3, 3}}, 0.1},
        {"[batchnorm: {affine: false}]", {3, {2, 2, 2}}, 0.1},
        {"[batchnorm: {affine: false, statistics: shard}]", {1, {1}}, 0.1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bench b = bench_create(cases[i].yaml, cases[i].in);
        check_forward_and_dx(&b, cases[i].yaml);
        check_gradients(&b, cases[i].yaml);
        assert_int_equal(b.n_meetings, b.shard ? 0 : 2);
        bench_destroy(&b);
        b = bench_create(cases[i].yaml, cases[i].in);
        check_running(&b, cases[i].yaml, cases[i].momentum);
        bench_destroy(&b);
    }
}

/* A rank without rows comes to every meeting and touches nothing; a first layer needs none in backward. */
static void test_pass_over_no_rows_meets(void **state)
{
    (void)state;
    bench b = bench_create("[batchnorm]", (ls_shape){1, {5}});
    run(&b, NULL, 0, true, true);
    assert_int_equal(b.n_meetings, 2);
    for (int64_t i = 0; i < ROWS * b.n; i++) assert_true(b.y[i] == 0.0f && b.dx[i] == 0.0f);
    run(&b, batch_runs, N_RUNS, true, false);
    assert_int_equal(b.n_meetings, 3);
    for (int64_t i = 0; i < ROWS * b.n; i++) assert_true(b.dx[i] == 0.0f);
    bench_destroy(&b);
}

/* Sums of layers that do not meet come first; buffers are aligned, named and apart from the parameters. */
static void test_places_of_sums_and_buffers(void **state)
{
    (void)state;
    static const char *const names[] = {"0.running_mean", "0.running_var", "1.body.0.running_mean",
                                        "1.body.0.running_var"};
    ls_node *model = parse("[batchnorm, residual: [batchnorm: {statistics: shard}], dense: 2]");
    ls_network *network = build_network(model, &(ls_shape){3, {3, 2, 2}});
    const ls_layer *batch = ls_network_layer(network, 0), *shard = ls_network_layer(network, 2);
    assert_int_equal(ls_network_n_sums(network), 12);
    assert_int_equal(ls_network_n_shard_sums(network), 6);
    assert_true(batch->first_sum == 6 && shard->first_sum == 0 && batch->meets && !shard->meets);
    assert_int_equal(ls_network_n_tensors(network), 6);
    assert_int_equal(ls_network_n_params(network), 3 + 3 + 3 + 3 + 24 + 2);
    for (int i = 0; i < 4; i++) {
        const ls_tensor *buffer = ls_network_stored(network, 6 + i, NULL, NULL);
        assert_string_equal(buffer->name, names[i]);
        assert_true(buffer->n == 3 && buffer->n_dim == 1 && buffer->first == 16 * i);
    }
    assert_int_equal(ls_network_n_stored(network), 10);
    ls_network_destroy(&network);
    ls_node_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_formulas),
        cmocka_unit_test(test_pass_over_no_rows_meets),
        cmocka_unit_test(test_places_of_sums_and_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
