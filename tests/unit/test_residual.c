/* Residual blocks: their place in the flat list, names, refusals, start values; an identity and a projection by hand.
 * Forward and backward of nested blocks are in test_executor.c. */
#include "model/residual.h"
#include "model_bench.h"

static void refused(const char *yaml, const ls_shape *in, const char *word, const char *other)
{
    ls_network *network;
    ls_node *model = parse(yaml);
    if (ls_network_create(model, in, &network) != LS_EUSAGE) fail_msg("%s: not refused", yaml);
    assert_null(network);
    assert_message(word);
    assert_message(other);
    ls_node_destroy(&model);
}

static void test_flat_list_and_names(void **state)
{
    (void)state;
    static const char *const names[] = {"0.weight",
                                        "0.bias",
                                        "1.body.0.weight",
                                        "1.body.0.bias",
                                        "1.body.2.body.1.weight",
                                        "1.body.2.body.1.bias",
                                        "1.shortcut.0.weight",
                                        "3.weight",
                                        "3.bias"};
    static const char *const paths[] = {"0",
                                        "1",
                                        "1.body.0",
                                        "1.body.1",
                                        "1.body.2",
                                        "1.body.2.body.0",
                                        "1.body.2.body.1",
                                        "1.body.2",
                                        "1",
                                        "1.shortcut.0",
                                        "1",
                                        "2",
                                        "3"};
    static const int skips[] = {-1, -1, -1, -1, -1, -1, -1, 4, 1, -1, 7, -1, -1};
    const ls_shape in = {1, {4}};
    ls_node *model = parse("[dense: 6, residual: {body: [dense: 5, relu, residual: [tanh, dense: 5]], "
                           "shortcut: [dense: {units: 5, bias: false}]}, relu, dense: 3]");
    ls_network *network = build_network(model, &in);
    assert_int_equal(ls_network_n_layers(network), 13);
    for (int i = 0; i < 13; i++) {
        assert_string_equal(ls_network_layer(network, i)->path, paths[i]);
        assert_int_equal(ls_network_layer(network, i)->skip, skips[i]);
        assert_int_equal(ls_network_layer(network, i)->position, i);
    }
    assert_int_equal(ls_network_n_tensors(network), 9);
    for (int i = 0; i < 9; i++) assert_string_equal(ls_network_tensor(network, i)->name, names[i]);
    assert_string_equal(ls_network_layer(network, 9)->ops->name, "dense");
    assert_int_equal(ls_network_layer(network, 9)->n_in, 6); /* the block's input */
    ls_network_destroy(&network);
    ls_node_destroy(&model);
}

static void test_model_is_completed(void **state)
{
    (void)state;
    const ls_shape in = {1, {4}};
    ls_text text = {0};
    ls_node *model = parse("[residual: [relu, dropout: 0.5]]");
    ls_network *network = build_network(model, &in);
    ls_node_json(model, &text);
    assert_string_equal(
        text.data, "[{\"residual\": {\"body\": [{\"relu\": {}}, {\"dropout\": {\"p\": 0.5}}], \"shortcut\": null}}]");
    ls_text_free(&text);
    ls_network_destroy(&network);
    ls_node_destroy(&model);
}

static void test_refusals_name_place_and_reason(void **state)
{
    (void)state;
    const ls_shape in = {1, {4}}, image = {3, {2, 3, 4}};
    refused("- dense: 3\n- residual:\n  - dense: 5\n", &in, "test.yaml:2:3: layer 1 (residual) with input [5]",
            "the body gives [5], the block's input [3]");
    refused("- residual: {body: [dense: 5], shortcut: [dense: 6]}", &in, "the body gives [5], the shortcut [6]",
            "one shape");
    refused("- residual: [flatten]", &image, "the body gives [24], the block's input [2, 3, 4]", "'shortcut'");
    refused("- relu\n- residual:\n  - relu\n  - groupnorm: 3\n", &in, "test.yaml:4:5: layer 1.body.1 (groupnorm)",
            "3 groups do not divide 4 channels");
    refused("[flatten, groupnorm: 16]", &(ls_shape){3, {4, 2, 2}}, "layer 1 (groupnorm)",
            "a group of one number has no variance; take fewer groups than 16");
    refused("- residual:\n  - rleu\n", &in, "test.yaml:2:5: unknown layer 'rleu'", "did you mean 'relu'?");
    refused("- residual: {bdoy: [relu]}\n", &in, "unknown key 'bdoy'", "'body'");
    refused("- residual: 3\n", &in, "test.yaml:1:3", "'body' must be a list");
    refused("- residual: []\n", &in, "test.yaml:1:3", "'body' must be a list");
    refused("- residual: {body: ~}\n", &in, "test.yaml:1:3", "'body' must be a list");
    refused("- residual: {body: [relu], shortcut: []}\n", &in, "test.yaml:1:", "'shortcut' must be a list");
    refused("- residual\n", &in, "test.yaml:1:3", "needs the key 'body'");
    refused("[residual: [residual: [residual: [residual: [residual: [relu]]]]]]", &in, "nested deeper than 4",
            "test.yaml:1");
}

/* Which weight is he_normal: the first layer that decides may lie behind the block, or in it. */
static void test_init_looks_through_blocks_and_norms(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        int tensor;
        bool he;
    } cases[] = {
        {"[dense: 4, residual: [relu, dense: 4]]", 0, true},
        {"[dense: 4, residual: [tanh, dense: 4], relu]", 0, false},
        {"[residual: [dense: 4], relu]", 0, true},
        {"[residual: [dense: 4], tanh]", 0, false},
        {"[residual: {body: [dense: 4], shortcut: [tanh, dense: 4]}, relu]", 0, true},
        {"[residual: {body: [dense: 4], shortcut: [dense: 4, relu]}, tanh]", 0, false},
        {"[residual: {body: [dense: 4], shortcut: [dense: 4]}, relu]", 2, true},
        {"[dense: 4, layernorm, relu]", 0, true},
        {"[dense: 4, groupnorm: 2, dropout: 0.1, tanh]", 0, false},
    };
    const ls_shape in = {1, {4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ls_node *model = parse(cases[i].yaml);
        ls_network *network = build_network(model, &in);
        const ls_init_kind kind = ls_network_tensor(network, cases[i].tensor)->init.kind;
        if (kind != (cases[i].he ? LS_INIT_NORMAL : LS_INIT_UNIFORM)) fail_msg("%s", cases[i].yaml);
        ls_network_destroy(&network);
        ls_node_destroy(&model);
    }
}

static void test_norms_start_as_identity(void **state)
{
    (void)state;
    const ls_shape in = {3, {4, 2, 3}};
    ls_node *model = parse("[groupnorm: 2, layernorm, layernorm: {affine: false}]");
    ls_network *network = build_network(model, &in);
    float *p = floats(ls_network_n_floats(network));
    ls_network_init(network, 1, 0, ls_network_n_floats(network), p);
    assert_int_equal(ls_network_n_tensors(network), 4);
    for (int t = 0; t < 4; t++) {
        const ls_tensor *tensor = ls_network_tensor(network, t);
        assert_int_equal(tensor->n_dim, t < 2 ? 1 : 3);
        assert_int_equal(tensor->n, t < 2 ? 4 : 24);
        assert_true(tensor->is_norm && tensor->is_bias == (t % 2 == 1));
        for (int64_t i = 0; i < tensor->n; i++) assert_true(p[tensor->first + i] == (t % 2 ? 0.0f : 1.0f));
    }
    ls_free(p);
    ls_network_destroy(&network);
    ls_node_destroy(&model);
}

/* The input, the body's output, two gradients and one store; begin, branch and the sum need nothing of their own. */
static void test_memory_of_a_block(void **state)
{
    (void)state;
    const ls_shape in = {1, {8}};
    ls_node *model = parse("[residual: [dense: 8], residual: {body: [dense: 5], shortcut: [dense: 5]}]");
    ls_network *network = build_network(model, &in);
    assert_int_equal(ls_network_row_floats(network), 8 + 8 + 5 + 5 + 3 * 8);
    ls_network_destroy(&network);
    ls_node_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat_list_and_names),
        cmocka_unit_test(test_model_is_completed),
        cmocka_unit_test(test_refusals_name_place_and_reason),
        cmocka_unit_test(test_init_looks_through_blocks_and_norms),
        cmocka_unit_test(test_norms_start_as_identity),
        cmocka_unit_test(test_memory_of_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
