/* Layers and data formats that a program adds through the public headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/node.h"
#include "lockstep/network.h"
#include "lockstep/reader.h"

static ls_node *parse(const char *yaml)
{
    ls_node *node;
    if (ls_node_parse(yaml, strlen(yaml), "test.yaml", &node) != LS_OK) fail_msg("%s", ls_status_message());
    return node;
}

static void assert_refused(ls_status status, const char *word)
{
    assert_int_equal(status, LS_EUSAGE);
    if (strstr(ls_status_message(), word) == NULL) fail_msg("no '%s' in: %s", word, ls_status_message());
}

static ls_status twin_plan(ls_layer *layer)
{
    layer->out = (ls_shape){1, {2 * ls_shape_size(&layer->in)}};
    return LS_OK;
}

static void no_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    (void)l, (void)pass, (void)x, (void)y;
}

static void no_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                        float *dx)
{
    (void)l, (void)pass, (void)x, (void)y, (void)dy, (void)dx;
}

static const ls_layer_ops twin = {
    .name = "twin", .help = "twice as wide", .plan = twin_plan, .forward = no_forward, .backward = no_backward};

static void a_layer_is_named_once_added(void **state)
{
    (void)state;
    const ls_shape in = {1, {5}};
    ls_node *model = parse("[twin]");
    ls_network *network;
    assert_refused(ls_network_create(model, &in, &network), "unknown layer 'twin'");
    assert_int_equal(ls_layer_register(&twin), LS_OK);
    assert_int_equal(ls_network_create(model, &in, &network), LS_OK);
    assert_int_equal(ls_network_output(network)->dim[0], 10);
    ls_network_destroy(&network);
    ls_node_destroy(&model);
    ls_text text = {0};
    ls_layers_print(&text);
    assert_non_null(strstr(text.data, "twice as wide"));
    ls_text_free(&text);
}

static void bad_layers_are_refused(void **state)
{
    (void)state;
    ls_layer_ops ops = twin;
    assert_refused(ls_layer_register(NULL), "no name");
    assert_refused(ls_layer_register(&twin), "a layer 'twin' already");
    ops.name = "dense";
    assert_refused(ls_layer_register(&ops), "a layer 'dense' already");
    ops.name = "half";
    ops.backward = NULL;
    assert_refused(ls_layer_register(&ops), "'half' lacks");
}

static void layers_have_a_limit(void **state)
{
    (void)state;
    static ls_layer_ops ops[LS_MAX_MORE_LAYERS];
    static char name[LS_MAX_MORE_LAYERS][16];
    for (int i = 0; i < LS_MAX_MORE_LAYERS; i++) { /* `twin` is there already */
        snprintf(name[i], sizeof name[i], "more%d", i);
        ops[i] = twin;
        ops[i].name = name[i];
        if (i < LS_MAX_MORE_LAYERS - 1)
            assert_int_equal(ls_layer_register(&ops[i]), LS_OK);
        else
            assert_refused(ls_layer_register(&ops[i]), "no room for the layer");
    }
}

static ls_status count_open(const void *options, const ls_reader_paths *paths, ls_dataset_info *info, void **state)
{
    (void)options, (void)paths, (void)state;
    *info = (ls_dataset_info){.n_samples = 4,
                              .n_features = 2,
                              .dim = {2},
                              .n_dim = 1,
                              .feature_type = LS_FEATURE_F32,
                              .label_kind = LS_LABEL_CLASS};
    return LS_OK;
}

static ls_status count_load(void *state, const ls_dataset_info *info, void *features, int32_t *labels, float *targets)
{
    (void)state, (void)targets;
    for (int64_t i = 0; i < info->n_samples * info->n_features; i++) ((float *)features)[i] = (float)i;
    for (int64_t i = 0; i < info->n_samples; i++) labels[i] = (int32_t)i % 2;
    return LS_OK;
}

static const ls_reader_ops count = {.name = "count", .help = "0, 1, 2, ...", .open = count_open, .load = count_load};

static void a_format_is_read_once_added(void **state)
{
    (void)state;
    ls_node *spec = parse("{format: count, limit: 3}");
    ls_dataset_source *source;
    assert_refused(ls_dataset_open(spec, NULL, NULL, &source), "unknown data format 'count'");
    assert_int_equal(ls_reader_register(&count), LS_OK);
    assert_int_equal(ls_dataset_open(spec, NULL, NULL, &source), LS_OK);
    float features[16] = {0};
    int32_t labels[16] = {0};
    assert_int_equal(ls_dataset_load(source, features, labels), LS_OK);
    assert_int_equal(ls_dataset_source_info(source)->n_samples, 3);
    assert_true(features[5] == 5.0f && features[6] == 0.0f && labels[1] == 1 && labels[2] == 0);
    ls_dataset_source_destroy(&source);
    ls_node_destroy(&spec);
    ls_text text = {0};
    ls_dataset_formats_print(&text);
    assert_non_null(strstr(text.data, "count: 0, 1, 2"));
    ls_text_free(&text);
}

static void bad_formats_are_refused(void **state)
{
    (void)state;
    ls_reader_ops ops = count;
    assert_refused(ls_reader_register(NULL), "no name");
    assert_refused(ls_reader_register(&count), "a data format 'count' already");
    ops.name = "idx";
    assert_refused(ls_reader_register(&ops), "a data format 'idx' already");
    ops.name = "half";
    ops.load = NULL;
    assert_refused(ls_reader_register(&ops), "'half' lacks");
}

static void formats_have_a_limit(void **state)
{
    (void)state;
    static ls_reader_ops ops[LS_MAX_MORE_READERS];
    static char name[LS_MAX_MORE_READERS][16];
    for (int i = 0; i < LS_MAX_MORE_READERS; i++) { /* `count` is there already */
        snprintf(name[i], sizeof name[i], "more%d", i);
        ops[i] = count;
        ops[i].name = name[i];
        if (i < LS_MAX_MORE_READERS - 1)
            assert_int_equal(ls_reader_register(&ops[i]), LS_OK);
        else
            assert_refused(ls_reader_register(&ops[i]), "no room for the data format");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_is_named_once_added), cmocka_unit_test(bad_layers_are_refused),
        cmocka_unit_test(layers_have_a_limit),         cmocka_unit_test(a_format_is_read_once_added),
        cmocka_unit_test(bad_formats_are_refused),     cmocka_unit_test(formats_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
