#include <math.h>

#include "lockstep/rng.h"
#include "unit/data_files.h"

static const float *features(const loaded *l)
{
    return l->set.features;
}

static void defaults(void **state)
{
    (void)state;
    loaded l = load_set("{format: synthetic, samples: 3}");
    assert_int_equal(l.set.info.n_samples, 3);
    assert_int_equal(l.set.info.n_features, 784);
    assert_int_equal(l.set.info.n_dim, 1);
    assert_int_equal(l.set.info.dim[0], 784);
    assert_int_equal(l.set.info.feature_type, LS_FEATURE_F32);
    assert_int_equal(l.set.info.label_kind, LS_LABEL_CLASS);
    assert_int_equal(l.set.info.n_targets, 0);
    close_set(&l);
}

/* Samples [first, first + n) are the same whichever range they are made in. */
static void a_sample_depends_on_its_index_alone(void **state)
{
    (void)state;
    loaded all = load_set("{format: synthetic, samples: 100, features: 7, noise: 0.3}");
    loaded tail = load_set("{format: synthetic, samples: 40, first: 60, features: 7, noise: 0.3}");
    loaded limited = load_set("{format: synthetic, samples: 100, limit: 30, features: 7, noise: 0.3}");
    assert_memory_equal(tail.set.features, features(&all) + 60 * 7, 40 * 7 * sizeof(float));
    assert_memory_equal(tail.set.labels, all.set.labels + 60, 40 * sizeof(int32_t));
    assert_memory_equal(limited.set.features, all.set.features, 30 * 7 * sizeof(float));
    assert_memory_equal(limited.set.labels, all.set.labels, 30 * sizeof(int32_t));
    assert_int_equal(load_source(&tail), LS_OK); /* again: the same */
    assert_memory_equal(tail.set.features, features(&all) + 60 * 7, 40 * 7 * sizeof(float));
    close_set(&all);
    close_set(&tail);
    close_set(&limited);
}

static void seeds_differ(void **state)
{
    (void)state;
    loaded a = load_set("{format: synthetic, samples: 200, features: 5, seed: 1}");
    loaded b = load_set("{format: synthetic, samples: 200, features: 5, seed: 2}");
    int equal = 0;
    for (int i = 0; i < 1000; i++) equal += features(&a)[i] == features(&b)[i];
    assert_int_equal(equal, 0);
    assert_true(ls_dataset_hash(&a.set) != ls_dataset_hash(&b.set));
    close_set(&a);
    close_set(&b);
}

/* Moments of 200000 normals within 5 standard errors, and no correlation between neighbours or samples. */
static void features_are_standard_normal(void **state)
{
    (void)state;
    enum { N = 10000, F = 20 };
    loaded l = load_set("{format: synthetic, samples: 10000, features: 20}");
    const float *x = features(&l);
    double sum = 0, squares = 0, fourth = 0, neighbours = 0, samples = 0;
    for (int i = 0; i < N * F; i++) {
        const double v = x[i];
        sum += v;
        squares += v * v;
        fourth += v * v * v * v;
        if (i % F > 0) neighbours += v * x[i - 1];
        if (i >= F) samples += v * x[i - F];
    }
    const double error = 1 / sqrt((double)N * F);
    assert_true(fabs(sum / (N * F)) < 5 * error);
    assert_true(fabs(squares / (N * F) - 1) < 5 * sqrt(2) * error);
    assert_true(fabs(fourth / (N * F) - 3) < 5 * sqrt(96) * error);
    assert_true(fabs(neighbours / (N * F)) < 5 * error);
    assert_true(fabs(samples / (N * F)) < 5 * error);
    close_set(&l);
}

/* The generator of the headers, used as they say. */
static void features_come_from_the_stream(void **state)
{
    (void)state;
    loaded l = load_set("{format: synthetic, samples: 4, features: 9, first: 1000, seed: 77}");
    const uint64_t key = ls_mix64(ls_rng_key(77, LS_STREAM_SYNTHETIC));
    for (uint64_t i = 0; i < 4; i++)
        for (uint64_t j = 0; j < 9; j++) assert_true(features(&l)[i * 9 + j] == (float)ls_rng_normal(key, 1000 + i, j));
    close_set(&l);
}

static void check_balance(const char *spec, int n_classes)
{
    loaded l = load_set(spec);
    int64_t count[16] = {0};
    for (int64_t i = 0; i < l.set.info.n_samples; i++) count[l.set.labels[i]]++;
    for (int c = 0; c < n_classes; c++) {
        const double share = (double)count[c] * n_classes / (double)l.set.info.n_samples;
        if (!(share > 0.5 && share < 1.8)) fail_msg("%s: class %d has %g times its share", spec, c, share);
    }
    assert_int_equal(ls_dataset_check_labels(&l.set, "synthetic", n_classes), LS_OK);
    close_set(&l);
}

static void classes_are_balanced(void **state)
{
    (void)state;
    char spec[160];
    for (int seed = 0; seed < 6; seed++) {
        snprintf(spec, sizeof spec, "{format: synthetic, samples: 4000, features: 30, seed: %d}", seed);
        check_balance(spec, 10);
        snprintf(spec, sizeof spec, "{format: synthetic, samples: 2000, features: 784, classes: 4, seed: %d}", seed);
        check_balance(spec, 4);
        snprintf(spec, sizeof spec, "{format: synthetic, samples: 4000, features: 12, classes: 2, seed: %d}", seed);
        check_balance(spec, 2);
    }
}

/* With all labels replaced, 1 in 10 stays by chance; with a third, 0.3 of them are drawn and 0.27 differ. */
static void noise_replaces_its_fraction(void **state)
{
    (void)state;
    enum { N = 20000 };
    loaded clean = load_set("{format: synthetic, samples: 20000, features: 6}");
    loaded noisy = load_set("{format: synthetic, samples: 20000, features: 6, noise: 0.3}");
    loaded random = load_set("{format: synthetic, samples: 20000, features: 6, noise: 1}");
    int differ = 0, differ_all = 0;
    for (int i = 0; i < N; i++) {
        differ += clean.set.labels[i] != noisy.set.labels[i];
        differ_all += clean.set.labels[i] != random.set.labels[i];
    }
    assert_memory_equal(clean.set.features, noisy.set.features, N * 6 * sizeof(float));
    assert_true(fabs(differ - 0.27 * N) < 5 * sqrt(0.27 * 0.73 * N));
    assert_true(fabs(differ_all - 0.9 * N) < 5 * sqrt(0.09 * N));
    close_set(&clean);
    close_set(&noisy);
    close_set(&random);
}

/* A perceptron learns two classes of few features far better than chance, on samples that it has not seen. */
static void the_labels_can_be_learnt(void **state)
{
    (void)state;
    enum { F = 10 };
    loaded train = load_set("{format: synthetic, samples: 5000, features: 10, classes: 2}");
    loaded test = load_set("{format: synthetic, samples: 2000, first: 5000, features: 10, classes: 2}");
    double w[F] = {0};
    for (int i = 0; i < 5000; i++) /* mean of the samples of a class: the best linear rule for such features */
        for (int j = 0; j < F; j++) w[j] += (train.set.labels[i] ? 1 : -1) * features(&train)[i * F + j];
    int right = 0;
    for (int i = 0; i < 2000; i++) {
        double score = 0;
        for (int j = 0; j < F; j++) score += w[j] * features(&test)[i * F + j];
        right += (score > 0) == test.set.labels[i];
    }
    assert_true(right > 1500);
    close_set(&train);
    close_set(&test);
}

static void regression(void **state)
{
    (void)state;
    enum { N = 4000 };
    loaded l = load_set("{format: synthetic, kind: regression, samples: 4000, features: 10, targets: 3}");
    assert_int_equal(l.set.info.label_kind, LS_LABEL_VALUES);
    assert_int_equal(l.set.info.n_targets, 3);
    assert_null(l.set.labels);
    for (int k = 0; k < 3; k++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < N; i++) {
            sum += l.set.targets[i * 3 + k];
            squares += (double)l.set.targets[i * 3 + k] * l.set.targets[i * 3 + k];
        }
        assert_true(fabs(sum / N) < 0.1);
        assert_true(fabs(squares / N - 1) < 0.25); /* unit mean square by 512 probes: their error is about 0.06 */
    }
    close_set(&l);
    l = load_set("{format: synthetic, kind: regression, samples: 2}");
    assert_int_equal(l.set.info.n_targets, 1);
    close_set(&l);
}

static void wrong_options(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *word;
    } cases[] = {
        {"{format: synthetic}", "needs the key 'samples'"},
        {"{format: synthetic, samples: 0}", "'samples' is 0"},
        {"{format: synthetic, samples: 5, classes: 1}", "'classes' is 1"},
        {"{format: synthetic, samples: 5, noise: 1.5}", "'noise' is 1.5"},
        {"{format: synthetic, samples: 5, kind: clustering}", "must be one of: classification, regression"},
        {"{format: synthetic, samples: 5, kind: regression, noise: 0.1}", "needs kind: classification"},
        {"{format: synthetic, samples: 5, features: 100000, hidden: 100000}", "more than 134217728 weights"},
        {"{format: synthetic, samples: 5, seeds: 3}", "did you mean 'seed'?"},
        {"{format: synthetic, samples: 5, limit: 6}", "'limit' is 6; the data set has 5 samples"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        assert_not_opened(cases[c].spec, LS_EUSAGE, "test.yaml:1", cases[c].word);
    assert_not_opened("{format: synthetic, samples: 9007199254740992, features: 4096}", LS_EDATA,
                      "more bytes than can be addressed", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(a_sample_depends_on_its_index_alone),
        cmocka_unit_test(seeds_differ),
        cmocka_unit_test(features_are_standard_normal),
        cmocka_unit_test(features_come_from_the_stream),
        cmocka_unit_test(classes_are_balanced),
        cmocka_unit_test(noise_replaces_its_fraction),
        cmocka_unit_test(the_labels_can_be_learnt),
        cmocka_unit_test(regression),
        cmocka_unit_test(wrong_options),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
