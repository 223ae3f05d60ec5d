/* The conformance suite of the loss registry: each loss against a double-precision twin of one row. */
#include "model/registry.h"
#include "model_bench.h"

enum { N = 9, MAX_K = 17 };

typedef struct loss_twin {
    const char *name, *spec;
    double smoothing;
    double (*value)(int64_t k, const double *out, int32_t label, const float *target, double smoothing);
    void (*predict)(int64_t k, const double *out, double *prediction); /* NULL: the outputs themselves */
} loss_twin;

static void softmax(int64_t k, const double *z, double *p)
{
    double max = z[0], sum = 0.0;
    for (int64_t j = 1; j < k; j++) max = fmax(max, z[j]);
    for (int64_t j = 0; j < k; j++) sum += exp(z[j] - max);
    for (int64_t j = 0; j < k; j++) p[j] = exp(z[j] - max) / sum;
}

/* The cross entropy of softmax(z) with the label's distribution, part of which is spread over all classes. */
static double cross_entropy_value(int64_t k, const double *z, int32_t label, const float *target, double smoothing)
{
    (void)target;
    double max = z[0], sum = 0.0, value = 0.0;
    for (int64_t j = 1; j < k; j++) max = fmax(max, z[j]);
    for (int64_t j = 0; j < k; j++) sum += exp(z[j] - max);
    for (int64_t j = 0; j < k; j++) {
        const double q = (j == label ? 1.0 - smoothing : 0.0) + smoothing / (double)k;
        value += q * (log(sum) + max - z[j]);
    }
    return value;
}

static double mse_value(int64_t k, const double *y, int32_t label, const float *target, double smoothing)
{
    (void)label;
    (void)smoothing;
    double sum = 0.0;
    for (int64_t j = 0; j < k; j++) sum += (y[j] - target[j]) * (y[j] - target[j]);
    return sum / (double)k;
}

#define SOFTMAX "softmax_cross_entropy"
static const loss_twin loss_twins[] = {
    {SOFTMAX, SOFTMAX, 0.0, cross_entropy_value, softmax},
    {SOFTMAX, SOFTMAX ": {label_smoothing: 0.1}", 0.1, cross_entropy_value, softmax},
    {SOFTMAX, SOFTMAX ": {label_smoothing: 1}", 1.0, cross_entropy_value, softmax},
    {"mse", "mse", 0.0, mse_value, NULL},
};
enum { N_LOSS_TWINS = sizeof loss_twins / sizeof loss_twins[0] };
static const int64_t widths[] = {1, 2, 10, MAX_K};

static const loss_twin *twin_of(const ls_loss_ops *ops)
{
    for (int i = 0; i < N_LOSS_TWINS; i++)
        if (strcmp(loss_twins[i].name, ops->name) == 0) return &loss_twins[i];
    fail_msg("loss %s has no twin", ops->name);
    return NULL;
}

typedef struct bench {
    const ls_loss_ops *ops;
    const loss_twin *twin;
    ls_node *spec;
    ls_loss *loss;
    int64_t k;
    float out[N * MAX_K], targets[N * MAX_K];
    int32_t labels[N];
} bench;

static bench bench_create(const char *spec, int64_t k)
{
    bench b = {.spec = parse(spec), .k = k};
    if (ls_loss_create(b.spec, &b.loss) != LS_OK) fail_msg("%s", ls_status_message());
    b.ops = b.loss->ops;
    b.twin = twin_of(b.ops);
    fill(b.out, N * k, 1);
    fill(b.targets, N * k, 2);
    for (int i = 0; i < N; i++) b.labels[i] = (int32_t)(i * 7 % k);
    return b;
}

static void bench_destroy(bench *b)
{
    ls_loss_destroy(&b->loss);
    ls_node_destroy(&b->spec);
}

/* The data that the loss does not compare with is NULL, as the trainer hands it over. */
static ls_loss_rows rows_of(const bench *b, int64_t first, int64_t n)
{
    return (ls_loss_rows){.n = n,
                          .k = b->k,
                          .out = b->out + first * b->k,
                          .labels = b->ops->classifies ? b->labels + first : NULL,
                          .targets = b->ops->classifies ? NULL : b->targets + first * b->k};
}

static void for_all(void (*check)(bench *))
{
    for (int i = 0; ls__losses[i] != NULL; i++) twin_of(ls__losses[i]);
    for (int i = 0; i < N_LOSS_TWINS; i++)
        for (int w = 0; w < 4; w++) {
            bench b = bench_create(loss_twins[i].spec, widths[w]);
            b.twin = &loss_twins[i];
            check(&b);
            bench_destroy(&b);
        }
}

static double row_value(const bench *b, int64_t row, const double *out)
{
    return b->twin->value(b->k, out, b->labels[row], b->targets + row * b->k, b->twin->smoothing);
}

static void check_value(bench *b)
{
    ls_loss_sums sums = {.loss = 100.0, .correct = 3.0, .rows = 50.0};
    const ls_loss_rows rows = rows_of(b, 0, N);
    double *out = widened(b->out, N * b->k), expected = 100.0, correct = 3.0;
    b->ops->rows(b->loss, &rows, NULL, &sums);
    for (int64_t i = 0; i < N; i++) {
        int64_t top = 0;
        for (int64_t j = 1; j < b->k; j++)
            if (out[i * b->k + j] > out[i * b->k + top]) top = j;
        expected += row_value(b, i, out + i * b->k);
        correct += b->ops->classifies && top == b->labels[i];
    }
    assert_close(b->ops->name, -1, sums.loss, expected, N * float_tolerance(b->k, 2.0));
    assert_true(sums.correct == correct && sums.rows == 50.0 + N);
    ls_free(out);
}

static void check_gradient(bench *b)
{
    ls_loss_sums with = {0}, without = {0};
    float dout[N * MAX_K + 1];
    set_all(dout, N * MAX_K + 1, NAN);
    const ls_loss_rows rows = rows_of(b, 0, N);
    b->ops->rows(b->loss, &rows, dout, &with);
    b->ops->rows(b->loss, &rows, NULL, &without);
    assert_memory_equal(&with, &without, sizeof with);
    assert_true(isnan(dout[N * b->k]));
    double *out = widened(b->out, N * b->k);
    const double h = 1e-5;
    for (int64_t i = 0; i < N * b->k; i++) {
        const double kept = out[i], *row = out + i / b->k * b->k;
        out[i] = kept + h;
        const double up = row_value(b, i / b->k, row);
        out[i] = kept - h;
        const double slope = (up - row_value(b, i / b->k, row)) / (2.0 * h);
        out[i] = kept;
        assert_close(b->ops->name, i, dout[i], slope, float_tolerance(b->k, slope));
    }
    ls_free(out);
}

static void check_prediction(bench *b)
{
    assert_non_null(b->ops->prediction);
    assert_int_equal(b->ops->predict != NULL, b->twin->predict != NULL);
    if (b->ops->predict == NULL) return;
    double *out = widened(b->out, N * b->k), expected[MAX_K];
    b->ops->predict(b->loss, N, b->k, b->out);
    for (int64_t i = 0; i < N; i++) {
        b->twin->predict(b->k, out + i * b->k, expected);
        for (int64_t j = 0; j < b->k; j++)
            assert_close(b->ops->name, i, b->out[i * b->k + j], expected[j], float_tolerance(b->k, 0.0));
    }
    ls_free(out);
}

/* One call over all rows, or calls over parts: the same bits, as micro-batches need; no rows change nothing. */
static void check_sequence(bench *b)
{
    ls_loss_sums whole = {0}, parts = {0};
    float dout[N * MAX_K], part[N * MAX_K];
    ls_loss_rows rows = rows_of(b, 0, N);
    b->ops->rows(b->loss, &rows, dout, &whole);
    static const int64_t cut[] = {0, 0, 1, 4, 4, N};
    for (int i = 0; i < 5; i++) {
        rows = rows_of(b, cut[i], cut[i + 1] - cut[i]);
        b->ops->rows(b->loss, &rows, part + cut[i] * b->k, &parts);
    }
    assert_memory_equal(&whole, &parts, sizeof whole);
    assert_same_bits(b->ops->name, part, dout, N * b->k);
}

/* A NaN in any place of a row shows in the loss. */
static void check_nan(bench *b)
{
    for (int64_t j = 0; j < b->k; j++) {
        ls_loss_sums sums = {0};
        const float kept = b->out[3 * b->k + j];
        b->out[3 * b->k + j] = NAN;
        const ls_loss_rows rows = rows_of(b, 0, N);
        b->ops->rows(b->loss, &rows, NULL, &sums);
        assert_true(isnan(sums.loss));
        b->out[3 * b->k + j] = kept;
    }
}

static void test_value_is_a_sum(void **state)
{
    (void)state;
    for_all(check_value);
}

static void test_gradient_equals_finite_differences(void **state)
{
    (void)state;
    for_all(check_gradient);
}

static void test_predictions(void **state)
{
    (void)state;
    for_all(check_prediction);
}

static void test_rows_add_one_after_the_other(void **state)
{
    (void)state;
    for_all(check_sequence);
}

static void test_nan_shows(void **state)
{
    (void)state;
    for_all(check_nan);
}

/* k outputs and a label through the cross entropy. */
static ls_loss_sums cross_entropy(int64_t k, const float *out, int32_t label, float *dout)
{
    bench b = bench_create("softmax_cross_entropy", k);
    ls_loss_sums sums = {0};
    const ls_loss_rows rows = {.n = 1, .k = k, .out = out, .labels = &label};
    b.ops->rows(b.loss, &rows, dout, &sums);
    bench_destroy(&b);
    return sums;
}

static void test_extreme_logits(void **state)
{
    (void)state;
    static const float out[] = {1e4f, -1e4f, 0.0f};
    float dout[3];
    ls_loss_sums sums = cross_entropy(3, out, 0, dout);
    assert_true(sums.loss == 0.0 && sums.correct == 1.0);
    assert_true(dout[0] == 0.0f && dout[1] == 0.0f && dout[2] == 0.0f);
    sums = cross_entropy(3, out, 1, dout);
    assert_true(sums.loss == 2e4 && sums.correct == 0.0);
    assert_true(dout[0] == 1.0f && dout[1] == -1.0f && dout[2] == 0.0f);
    static const float huge[] = {3e38f, -3e38f};
    sums = cross_entropy(2, huge, 1, dout);
    assert_close("loss", 0, sums.loss, 6e38, 1e32);
    static const float low[] = {-1e4f, -1e4f, -1e4f, -1e4f};
    assert_close("loss", 0, cross_entropy(4, low, 2, NULL).loss, log(4.0), 1e-12);
}

static void test_first_of_equal_classes_is_taken(void **state)
{
    (void)state;
    static const float out[] = {1.0f, 3.0f, 3.0f, 2.0f, 3.0f};
    for (int32_t label = 0; label < 5; label++) assert_true(cross_entropy(5, out, label, NULL).correct == (label == 1));
}

static void test_infinite_logits_show(void **state)
{
    (void)state;
    static const float out[] = {1.0f, INFINITY, 3.0f};
    for (int32_t label = 0; label < 3; label++) {
        const bool finite = isfinite(cross_entropy(3, out, label, NULL).loss);
        assert_false(finite);
    }
}

static void refused(const char *yaml, const char *word, const char *other)
{
    ls_node *spec = parse(yaml);
    ls_loss *loss = (ls_loss *)spec;
    assert_int_equal(ls_loss_create(spec, &loss), LS_EUSAGE);
    assert_null(loss);
    assert_message(word);
    assert_message(other);
    ls_node_destroy(&spec);
}

static void test_specifications(void **state)
{
    (void)state;
    refused("mze", "test.yaml:1:1: unknown loss 'mze'", "did you mean 'mse'?");
    refused("softmax_crossentropy", "unknown loss", "did you mean 'softmax_cross_entropy'?");
    refused("mse: {reduction: sum}", "unknown key 'reduction'", "mse");
    refused("softmax_cross_entropy: {label_smoothing: 1.5}", "label_smoothing", "test.yaml:1:");
    refused("softmax_cross_entropy: {label_smoothing: -0.1}", "label_smoothing", "test.yaml:1:");
    refused("mse: 3", "'mse' takes options", "test.yaml:1:1");
    refused("[mse]", "a loss is a name", "test.yaml:1:1");
    bench b = bench_create("{mse: {}}", 3);
    assert_string_equal(b.ops->name, "mse");
    bench_destroy(&b);
    ls_loss_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_is_a_sum),
        cmocka_unit_test(test_gradient_equals_finite_differences),
        cmocka_unit_test(test_predictions),
        cmocka_unit_test(test_rows_add_one_after_the_other),
        cmocka_unit_test(test_nan_shows),
        cmocka_unit_test(test_extreme_logits),
        cmocka_unit_test(test_first_of_equal_classes_is_taken),
        cmocka_unit_test(test_infinite_logits_show),
        cmocka_unit_test(test_specifications),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
