/* Networks as descriptions: shapes, names, places in the flat vector, completed YAML, start values, refusals. */
#include "model_bench.h"

static const ls_shape image = {3, {1, 28, 28}};
static const char *const digits = "[dense: 512, relu, dense: 512, relu, dense: 10]";

typedef struct built {
    ls_node *model;
    ls_network *network;
} built;

static built build(const char *yaml, const ls_shape *in)
{
    built b = {.model = parse(yaml)};
    b.network = build_network(b.model, in);
    return b;
}

static void built_destroy(built *b)
{
    ls_network_destroy(&b->network);
    ls_node_destroy(&b->model);
}

static void test_counts_of_the_digit_network(void **state)
{
    (void)state;
    built b = build(digits, &image);
    assert_int_equal(ls_network_n_layers(b.network), 5);
    assert_int_equal(ls_network_n_tensors(b.network), 6);
    assert_int_equal(ls_network_n_params(b.network), 669706);
    assert_int_equal(ls_network_n_floats(b.network), 669706 + 6); /* the last bias: 10 of 16 floats */
    assert_int_equal(ls_network_output(b.network)->n_dim, 1);
    assert_int_equal(ls_network_output(b.network)->dim[0], 10);
    built_destroy(&b);
}

static const char *const simple_cnn =
    "[conv: {filters: 32, kernel: 5, padding: same}, relu, maxpool: 2, conv: {filters: 64, kernel: 5, padding: same}, "
    "relu, maxpool: 2, dense: 1024, relu, dense: 10]";

static void test_counts_and_shapes_of_the_simple_cnn(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{32, 28, 28}, {32, 28, 28}, {32, 14, 14},
                                        {64, 14, 14}, {64, 14, 14}, {64, 7, 7}};
    static const int64_t weight[] = {64, 32, 5, 5};
    built b = build(simple_cnn, &(ls_shape){3, {1, 28, 28}});
    for (int i = 0; i < 6; i++)
        for (int d = 0; d < 3; d++) assert_int_equal(ls_network_layer(b.network, i)->out.dim[d], shapes[i][d]);
    const ls_tensor *t = ls_network_tensor(b.network, 2);
    assert_string_equal(t->name, "3.weight");
    assert_int_equal(t->n_dim, 4);
    for (int d = 0; d < 4; d++) assert_int_equal(t->dim[d], weight[d]);
    assert_true(t->init.kind == LS_INIT_NORMAL && fabs(t->init.scale - sqrt(2.0 / 800.0)) < 1e-15);
    assert_int_equal(ls_network_n_params(b.network), 832 + 51264 + 3212288 + 10250);
    built_destroy(&b);
}

static void test_tensors_are_named_and_aligned(void **state)
{
    (void)state;
    static const char *const names[] = {"1.weight", "1.bias", "3.weight", "4.weight", "4.bias"};
    static const int64_t dims[5][2] = {{5, 6}, {5, 0}, {3, 5}, {7, 3}, {7, 0}};
    const ls_shape in = {3, {1, 2, 3}};
    built b = build("[flatten, dense: 5, tanh, dense: {units: 3, bias: false}, dense: 7]", &in);
    int64_t end = 0, n = 0;
    assert_int_equal(ls_network_n_tensors(b.network), 5);
    for (int i = 0; i < 5; i++) {
        const ls_tensor *t = ls_network_tensor(b.network, i);
        assert_string_equal(t->name, names[i]);
        assert_int_equal(t->n_dim, dims[i][1] ? 2 : 1);
        for (int d = 0; d < t->n_dim; d++) assert_int_equal(t->dim[d], dims[i][d]);
        assert_int_equal(t->n, dims[i][0] * (dims[i][1] ? dims[i][1] : 1));
        assert_int_equal(t->is_bias, strstr(t->name, "bias") != NULL);
        assert_int_equal(t->first % (64 / (int64_t)sizeof(float)), 0);
        assert_in_range(t->first - end, 0, 15);
        end = t->first + t->n;
        n += t->n;
    }
    assert_int_equal(ls_network_n_params(b.network), n);
    assert_in_range(ls_network_n_floats(b.network) - end, 0, 15);
    built_destroy(&b);
}

static void test_shapes_go_from_layer_to_layer(void **state)
{
    (void)state;
    char text[96];
    const ls_shape in = {3, {2, 3, 4}};
    built b = build("[relu, dropout: 0.1, dense: 5, gelu, flatten]", &in);
    static const char *const out[] = {"[2, 3, 4]", "[2, 3, 4]", "[5]", "[5]", "[5]"};
    assert_string_equal(ls_shape_text(&ls_network_layer(b.network, 0)->in, text), "[2, 3, 4]");
    for (int i = 0; i < 5; i++) {
        const ls_layer *l = ls_network_layer(b.network, i);
        assert_int_equal(l->position, i);
        assert_string_equal(ls_shape_text(&l->out, text), out[i]);
        assert_int_equal(l->n_out, ls_shape_size(&l->out));
        assert_int_equal(l->n_in, i ? ls_network_layer(b.network, i - 1)->n_out : 24);
    }
    built_destroy(&b);
}

static void test_model_is_completed(void **state)
{
    (void)state;
    const ls_shape in = {1, {4}};
    ls_text text = {0};
    built b = build("[dense: 10, relu, dropout: 0.5, {dense: {units: 2, bias: false}}]", &in);
    ls_node_json(b.model, &text);
    assert_string_equal(text.data, "[{\"dense\": {\"units\": 10, \"bias\": true, \"init\": \"auto\"}}, {\"relu\": {}}, "
                                   "{\"dropout\": {\"p\": 0.5}}, "
                                   "{\"dense\": {\"units\": 2, \"bias\": false, \"init\": \"auto\"}}]");
    built again = build(text.data, &in);
    assert_true(ls_node_equal(b.model, again.model));
    built_destroy(&again);
    built_destroy(&b);
    ls_text_free(&text);
}

static void refused_with(const ls_shape *in, const char *yaml, const char *word, const char *other)
{
    ls_network *network = (ls_network *)yaml;
    ls_node *model = parse(yaml);
    const ls_status status = ls_network_create(model, in, &network);
    if (status != LS_EUSAGE) fail_msg("%s: status %d", yaml, status);
    assert_null(network);
    assert_message(word);
    assert_message(other);
    ls_node_destroy(&model);
}

static void refused(const char *yaml, const char *word, const char *other)
{
    refused_with(&(ls_shape){1, {4}}, yaml, word, other);
}

/* Shapes and layers whose sizes would overflow. */
static void test_absurd_sizes_are_refused(void **state)
{
    (void)state;
    const int64_t large = INT64_C(1) << 60;
    const ls_shape picture = {3, {1, 6, 5}};
    refused_with(&(ls_shape){1, {large}}, "[relu]", "a sample of [1152921504606846976]", "more than 2^31 numbers");
    refused_with(&(ls_shape){3, {large, 2, 8}}, "[maxpool: 2]", "a sample of [1152921504606846976, 2, 8]", "2^31");
    refused_with(&picture,
                 "[conv: {filters: 16777216, kernel: 1}, conv: {filters: 1, kernel: 1048576, padding: 1048576}]",
                 "layer 1 (conv) with input [16777216, 6, 5]", "an unfolded image of more than 2^31 numbers");
    refused_with(&picture, "[conv: {filters: 1, kernel: 3, padding: 1048576}]", "layer 0 (conv)", "2^31 numbers");
    refused_with(&picture, "[conv: {filters: 2147483647, kernel: 3}]", "layer 0 (conv)", "more than 2^31 weights");
    refused("[dense: 2147483647, dense: 2147483647, dense: 2147483647]", "layer 1 (dense) with input [2147483647]",
            "too many parameters");
}

static void test_refusals_name_place_and_reason(void **state)
{
    (void)state;
    refused("- dense: 3\n- rleu\n", "test.yaml:2:3: unknown layer 'rleu'", "did you mean 'relu'?");
    refused("- dense: 3\n- dens: 4\n", "test.yaml:2:", "did you mean 'dense'?");
    refused("- transformer_xl\n", "unknown layer 'transformer_xl'", "known: dense, flatten");
    refused("- dense:\n    units: 3\n    baas: true\n", "test.yaml:3:5: unknown key 'baas'", "did you mean 'bias'?");
    refused("- dense: {units: 3, init: orthogonal}\n", "test.yaml:1:3: layer 0 (dense) with input [4]", "he_normal");
    refused("- dense: {init: zeros}\n", "dense needs the key 'units'", "outputs");
    refused("- dense: 0\n", "'units' is 0", "from 1");
    refused("- dense: 2.5\n", "'units' must be a whole number", "2.5");
    refused("- dense: 1000000000000\n", "'units' is 1000000000000", "test.yaml:1:3");
    refused("- dense: 3\n- relu: 2\n", "test.yaml:2:3", "'relu'");
    refused("- {dense: 3, relu: 1}\n", "test.yaml:1:3", "a layer is a name");
    refused("- [dense, 3]\n", "test.yaml:1:3", "a layer is a name");
    refused("- ~\n", "test.yaml:1:3", "a layer is a name");
    refused("[]", "test.yaml:1:1: 'model' must be a list", "- dense: 10");
    refused("dense: 3", "'model' must be a list", "test.yaml:1:1");
}

static void refused_init(const char *init)
{
    char yaml[128];
    snprintf(yaml, sizeof yaml, "[dense: {units: 3, init: '%s'}]", init);
    refused(yaml, init, "normal(STD)");
}

static void test_wrong_initialisers_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"normal",     "normal()",    "normal(1",    "normal(1)x",
                                        "normal(-1)", "normal(nan)", "normal(inf)", "He_normal"};
    for (int i = 0; i < 8; i++) refused_init(wrong[i]);
}

static void test_too_deep_is_refused(void **state)
{
    (void)state;
    ls_text list = {0}, nest = {0};
    for (int i = 0; i < 1025; i++) ls_text_printf(&list, "- relu\n");
    refused(list.data, "1 to 1024 layers", "test.yaml:1:1");
    for (int i = 0; i < 40; i++) ls_text_printf(&nest, "[");
    for (int i = 0; i < 40; i++) ls_text_printf(&nest, "]");
    ls_node *node;
    assert_int_equal(ls_node_parse(nest.data, nest.n, "test.yaml", &node), LS_EUSAGE);
    assert_message("nested deeper than 32");
    const ls_shape in = {1, {4}};
    list.data[1024 * strlen("- relu\n")] = 0;
    built b = build(list.data, &in);
    assert_int_equal(ls_network_n_layers(b.network), 1024);
    built_destroy(&b);
    ls_text_free(&list);
    ls_text_free(&nest);
}

static void test_destroy_accepts_null(void **state)
{
    (void)state;
    ls_network *none = NULL;
    ls_network_destroy(&none);
    ls_network_destroy(NULL);
}

static void test_default_init_follows_the_rectifier(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        bool he;
    } cases[] = {
        {"[dense: 5, relu]", true},
        {"[dense: 5, gelu]", true},
        {"[dense: 5, dropout: 0.1, relu]", true},
        {"[dense: 5, flatten, dropout: 0.1, relu]", true},
        {"[dense: 5]", false},
        {"[dense: 5, dropout: 0.1]", false},
        {"[dense: 5, tanh]", false},
        {"[dense: 5, sigmoid, relu]", false},
        {"[dense: 5, tanh, relu]", false},
        {"[dense: 5, dense: 5, relu]", false},
        {"[dense: {units: 5, init: he_normal}]", true},
        {"[dense: {units: 5, init: glorot_uniform}, relu]", false},
    };
    const ls_shape in = {1, {7}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        built b = build(cases[i].yaml, &in);
        const ls_init *init = &ls_network_tensor(b.network, 0)->init;
        if (init->kind != (cases[i].he ? LS_INIT_NORMAL : LS_INIT_UNIFORM)) fail_msg("%s", cases[i].yaml);
        assert_close(cases[i].yaml, 0, init->scale, cases[i].he ? sqrt(2.0 / 7) : sqrt(6.0 / (7 + 5)), 1e-15);
        assert_int_equal(ls_network_tensor(b.network, 1)->init.kind, LS_INIT_ZEROS);
        built_destroy(&b);
    }
}

/* Mean, standard deviation and largest size of n values within what 5 standard deviations of chance allow; the fourth
 * moment gives the error of the standard deviation: std * sqrt((kurtosis - 1) / 4n). */
static void check_moments(const float *x, int64_t n, double std, double kurtosis, double largest_size)
{
    double sum = 0.0, squares = 0.0, size = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        if (fabs((double)x[i]) > size) size = fabs((double)x[i]);
    }
    assert_close("mean", 0, sum / (double)n, 0.0, 5.0 * std / sqrt((double)n));
    assert_close("std", 0, sqrt(squares / (double)n), std, 5.0 * std * sqrt((kurtosis - 1.0) / (4.0 * (double)n)));
    assert_true(size <= largest_size);
    assert_true(size >= 0.99 * largest_size || kurtosis == 3.0);
}

static void test_start_values_have_their_moments(void **state)
{
    (void)state;
    built b = build("[dense: 512, relu, dense: 300, dense: {units: 100, init: normal(0.02)}, dense: {units: 9, init: "
                    "zeros}]",
                    &image);
    const int64_t n = ls_network_n_floats(b.network);
    float *p = floats(n);
    ls_network_init(b.network, 3, 0, n, p);
    const ls_tensor *he = ls_network_tensor(b.network, 0), *glorot = ls_network_tensor(b.network, 2);
    const ls_tensor *normal = ls_network_tensor(b.network, 4), *zeros = ls_network_tensor(b.network, 6);
    const double bound = sqrt(6.0 / (512 + 300));
    check_moments(p + he->first, he->n, sqrt(2.0 / 784), 3.0, 6.0 * sqrt(2.0 / 784));
    check_moments(p + glorot->first, glorot->n, bound / sqrt(3.0), 1.8, bound * (1.0 + FLT_EPSILON));
    check_moments(p + normal->first, normal->n, 0.02, 3.0, 6.0 * 0.02);
    for (int64_t i = 0; i < zeros->n; i++) assert_true(p[zeros->first + i] == 0.0f);
    for (int t = 1; t < ls_network_n_tensors(b.network); t += 2) {
        const ls_tensor *bias = ls_network_tensor(b.network, t);
        for (int64_t i = 0; i < bias->n; i++) assert_true(p[bias->first + i] == 0.0f);
    }
    ls_free(p);
    built_destroy(&b);
}

static void test_padding_starts_as_zero(void **state)
{
    (void)state;
    const ls_shape in = {1, {3}};
    built b = build("[dense: 3, dense: 7]", &in);
    const int64_t n = ls_network_n_floats(b.network);
    float *p = floats(n);
    set_all(p, n, 7.0f);
    ls_network_init(b.network, 1, 0, n, p);
    for (int t = 0; t < 4; t++) {
        const ls_tensor *tensor = ls_network_tensor(b.network, t);
        const int64_t end = t < 3 ? ls_network_tensor(b.network, t + 1)->first : n;
        for (int64_t i = tensor->first + tensor->n; i < end; i++) assert_true(p[i] == 0.0f);
    }
    ls_free(p);
    built_destroy(&b);
}

static void test_any_range_gives_the_same_start_values(void **state)
{
    (void)state;
    const ls_shape in = {1, {13}};
    built b = build("[dense: 11, relu, dense: 5]", &in);
    const int64_t n = ls_network_n_floats(b.network);
    float *whole = floats(n), *parts = floats(n + 1);
    ls_network_init(b.network, 12, 0, n, whole);
    for (int64_t step = 1; step <= n; step++) {
        set_all(parts, n + 1, 7.0f);
        for (int64_t at = 0; at < n; at += step) {
            const int64_t size = at + step < n ? step : n - at;
            ls_network_init(b.network, 12, at, size, parts + at);
            assert_true(parts[at + size] == 7.0f);
        }
        assert_same_bits("parts", parts, whole, n);
    }
    ls_network_init(b.network, 12, 5, 0, parts);
    ls_free(whole);
    ls_free(parts);
    built_destroy(&b);
}

static int64_t equal_elements(const float *a, const float *b, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += a[i] == b[i];
    return count;
}

static void test_seeds_and_tensors_have_numbers_of_their_own(void **state)
{
    (void)state;
    const ls_shape in = {1, {40}};
    built b = build("[dense: 40, tanh, dense: 40]", &in);
    const int64_t n = ls_network_n_floats(b.network), n_weight = 1600;
    const int64_t second = ls_network_tensor(b.network, 2)->first;
    float *one = floats(n), *two = floats(n);
    ls_network_init(b.network, 1, 0, n, one);
    ls_network_init(b.network, 2, 0, n, two);
    assert_true(equal_elements(one, two, n_weight) < 3);
    assert_true(equal_elements(one, one + second, n_weight) < 3);
    ls_network_init(b.network, 1, 0, n, two);
    assert_same_bits("same seed", one, two, n);
    ls_free(one);
    ls_free(two);
    built_destroy(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_of_the_digit_network),
        cmocka_unit_test(test_counts_and_shapes_of_the_simple_cnn),
        cmocka_unit_test(test_tensors_are_named_and_aligned),
        cmocka_unit_test(test_shapes_go_from_layer_to_layer),
        cmocka_unit_test(test_model_is_completed),
        cmocka_unit_test(test_refusals_name_place_and_reason),
        cmocka_unit_test(test_absurd_sizes_are_refused),
        cmocka_unit_test(test_wrong_initialisers_are_refused),
        cmocka_unit_test(test_too_deep_is_refused),
        cmocka_unit_test(test_destroy_accepts_null),
        cmocka_unit_test(test_default_init_follows_the_rectifier),
        cmocka_unit_test(test_start_values_have_their_moments),
        cmocka_unit_test(test_padding_starts_as_zero),
        cmocka_unit_test(test_any_range_gives_the_same_start_values),
        cmocka_unit_test(test_seeds_and_tensors_have_numbers_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
