/* What only dropout promises: the statistics of its mask and what the mask depends on. */
#include "model_bench.h"

enum { ROWS = 64, WIDTH = 103, N = ROWS * WIDTH };

typedef struct mask_key {
    uint64_t seed;
    int64_t iteration, batch_row;
} mask_key;

/* Mask of ROWS rows in runs of `step` rows, by the layer at the end of the model. */
static void mask(const char *yaml, mask_key key, bool training, int64_t step, float *out)
{
    const ls_shape in = {1, {WIDTH}};
    ls_node *model = parse(yaml);
    ls_network *network = build_network(model, &in);
    const ls_layer *l = ls_network_layer(network, ls_network_n_layers(network) - 1);
    ls_run runs[ROWS];
    int n_runs = 0;
    for (int64_t row = 0; row < ROWS; row += step, n_runs++)
        runs[n_runs] = (ls_run){row, row + step < ROWS ? step : ROWS - row, key.batch_row + row, n_runs, true};
    const ls_pass pass = {.training = training,
                          .runs = runs,
                          .n_runs = n_runs,
                          .n_rows = ROWS,
                          .seed = key.seed,
                          .iteration = key.iteration};
    float *ones = floats(N);
    set_all(ones, N, 1.0f);
    l->ops->forward(l, &pass, ones, out);
    ls_free(ones);
    ls_network_destroy(&network);
    ls_node_destroy(&model);
}

static int64_t kept(const float *m, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += m[i] != 0.0f;
    return count;
}

static void test_keep_rate_and_scale(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        double p;
    } cases[] = {{"[dropout: 0.1]", 0.1}, {"[dropout: 0.5]", 0.5}, {"[dropout: {p: 0.8}]", 0.8}};
    float m[N];
    for (int c = 0; c < 3; c++) {
        const double p = cases[c].p;
        mask(cases[c].yaml, (mask_key){1, 2, 0}, true, ROWS, m);
        /* 5 standard deviations of a binomial count: one run in two million would fail by chance, and this one is fixed
         */
        assert_close("keep rate", c, (double)kept(m, N) / N, 1.0 - p, 5.0 * sqrt(p * (1.0 - p) / N));
        for (int i = 0; i < N; i++) assert_true(m[i] == 0.0f || fabs((double)m[i] * (1.0 - p) - 1.0) <= FLT_EPSILON);
    }
}

/* Two masks of p = 0.5 that have nothing to do with each other agree in half of their places. */
static void assert_unrelated(const float *a, const float *b, int64_t n)
{
    int64_t same = 0;
    for (int64_t i = 0; i < n; i++) same += (a[i] != 0.0f) == (b[i] != 0.0f);
    assert_close("agreement of masks", 0, (double)same / (double)n, 0.5, 2.5 / sqrt((double)n));
}

static void test_mask_depends_on_its_key(void **state)
{
    (void)state;
    static const mask_key others[] = {{2, 0, 0}, {1, 1, 0}, {1, INT64_C(1) << 32, 0}, {1, 0, ROWS}};
    float m[N], other[N];
    mask("[dropout: 0.5]", (mask_key){1, 0, 0}, true, ROWS, m);
    for (int i = 0; i < 4; i++) {
        mask("[dropout: 0.5]", others[i], true, ROWS, other);
        assert_unrelated(m, other, N);
    }
    mask("[flatten, dropout: 0.5]", (mask_key){1, 0, 0}, true, ROWS, other);
    assert_unrelated(m, other, N);
    assert_unrelated(m, m + WIDTH, N - WIDTH);
    assert_unrelated(m, m + 4, N - 4);
    assert_unrelated(m, m + 1, N - 1);
}

static void test_mask_belongs_to_the_row_in_the_batch(void **state)
{
    (void)state;
    float whole[N], other[N];
    mask("[dropout: 0.3]", (mask_key){5, 6, 10}, true, ROWS, whole);
    for (int64_t step = 1; step < ROWS; step += 7) {
        mask("[dropout: 0.3]", (mask_key){5, 6, 10}, true, step, other);
        assert_same_bits("other runs", other, whole, N);
    }
    mask("[dropout: 0.3]", (mask_key){5, 6, 13}, true, 5, other);
    assert_same_bits("rows from 13 on", other, whole + 3 * WIDTH, N - 3 * WIDTH);
}

static void test_evaluation_is_identity(void **state)
{
    (void)state;
    float m[N];
    mask("[dropout: 0.7]", (mask_key){1, 2, 3}, false, 9, m);
    for (int i = 0; i < N; i++) assert_true(m[i] == 1.0f);
    mask("[dropout: 0]", (mask_key){1, 2, 3}, true, 9, m);
    for (int i = 0; i < N; i++) assert_true(m[i] == 1.0f);
}

static void test_refuses_no_probability(void **state)
{
    (void)state;
    static const char *const wrong[] = {"[dropout: 1]", "[dropout: -0.1]", "[dropout]", "[dropout: {q: 0.1}]",
                                        "[dropout: half]"};
    const ls_shape in = {1, {4}};
    for (int i = 0; i < 5; i++) {
        ls_node *model = parse(wrong[i]);
        ls_network *network;
        assert_int_equal(ls_network_create(model, &in, &network), LS_EUSAGE);
        assert_null(network);
        assert_message("test.yaml:1:");
        ls_node_destroy(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_rate_and_scale),
        cmocka_unit_test(test_mask_depends_on_its_key),
        cmocka_unit_test(test_mask_belongs_to_the_row_in_the_batch),
        cmocka_unit_test(test_evaluation_is_identity),
        cmocka_unit_test(test_refuses_no_probability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
