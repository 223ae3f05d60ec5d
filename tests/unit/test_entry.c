#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/entry.h"
#include "base/mem.h"

typedef struct dense {
    int64_t units;
    bool bias;
} dense;

typedef struct scale {
    ls_node *values;
} scale;

static const ls_option dense_table[] = {
    {.key = "units", .kind = LS_OPTION_INT, .offset = offsetof(dense, units), .min = 1, .max = 100, .help = "outputs"},
    {.key = "bias", .kind = LS_OPTION_BOOL, .offset = offsetof(dense, bias), .fallback = "true", .help = "add a bias"},
    {0}};
static const ls_option scale_table[] = {
    {.key = "values", .kind = LS_OPTION_NODE, .offset = offsetof(scale, values), .fallback = "1", .help = "factors"},
    {0}};

static ls_node *parse(const char *yaml)
{
    ls_node *node = NULL;
    if (ls_node_parse(yaml, strlen(yaml), "f.yaml", &node) != LS_OK) fail_msg("%s: %s", yaml, ls_status_message());
    return node;
}

static void assert_json(const ls_node *node, const char *expected)
{
    ls_text text = {0};
    ls_node_json(node, &text);
    assert_string_equal(text.data, expected);
    ls_text_free(&text);
}

static void check_dense(const char *yaml, int64_t units, bool bias, const char *completed)
{
    ls_node *list = parse(yaml);
    const char *name;
    dense *options;
    assert_int_equal(ls_entry_name(list->child[0], "layer", &name), LS_OK);
    assert_string_equal(name, "dense");
    const ls_status status = ls_entry_read(list->child[0], dense_table, sizeof(dense), "units", (void **)&options);
    if (status != LS_OK) fail_msg("%s: %s", yaml, ls_status_message());
    assert_int_equal(options->units, units);
    assert_int_equal(options->bias, bias);
    assert_json(list, completed);
    ls_free(options);
    ls_node_destroy(&list);
}

static void forms_of_an_entry(void **state)
{
    (void)state;
    check_dense("- dense: 10", 10, true, "[{\"dense\": {\"units\": 10, \"bias\": true}}]");
    check_dense("- dense: {units: 10}", 10, true, "[{\"dense\": {\"units\": 10, \"bias\": true}}]");
    check_dense("- dense:\n    bias: false\n    units: 3\n", 3, false,
                "[{\"dense\": {\"bias\": false, \"units\": 3}}]");
    check_dense("[{dense: {\"units\": 10, \"bias\": true}}]", 10, true,
                "[{\"dense\": {\"units\": 10, \"bias\": true}}]");
}

static void entries_without_options(void **state)
{
    (void)state;
    static const char *const forms[] = {"- relu", "- relu:", "- relu: {}", "- relu: ~", "- 'relu'"};
    for (int i = 0; i < 5; i++) {
        ls_node *list = parse(forms[i]);
        const char *name;
        void *options;
        assert_int_equal(ls_entry_name(list->child[0], "layer", &name), LS_OK);
        assert_string_equal(name, "relu");
        assert_int_equal(ls_entry_name(list->child[0], "layer", &name), LS_OK); /* again: it is in form already */
        assert_string_equal(name, "relu");
        assert_int_equal(ls_entry_read(list->child[0], NULL, 0, NULL, &options), LS_OK);
        assert_non_null(options);
        assert_json(list, "[{\"relu\": {}}]");
        ls_free(options);
        ls_node_destroy(&list);
    }
}

/* An entry behind a key keeps its key, and its place. */
static void an_entry_behind_a_key(void **state)
{
    (void)state;
    ls_node *root = parse("a: 1\nloss: mse\n");
    const char *name;
    void *options;
    char place[64];
    ls_node *loss = ls_node_child(root, "loss");
    assert_int_equal(ls_entry_name(loss, "loss", &name), LS_OK);
    assert_string_equal(name, "mse");
    assert_int_equal(ls_entry_read(loss, NULL, 0, NULL, &options), LS_OK);
    assert_json(root, "{\"a\": 1, \"loss\": {\"mse\": {}}}");
    assert_ptr_equal(ls_node_child(root, "loss"), loss);
    assert_string_equal(ls_node_place(ls_node_at(root, "loss.mse"), place, sizeof place), "f.yaml:2:1");
    ls_free(options);
    ls_node_destroy(&root);
}

/* The root itself may be the entry; what it owns must survive. */
static void an_entry_that_is_the_root(void **state)
{
    (void)state;
    ls_node *root = parse("dense");
    const char *name;
    assert_int_equal(ls_entry_name(root, "layer", &name), LS_OK);
    assert_string_equal(name, "dense");
    assert_json(root, "{\"dense\": {}}");
    ls_node_destroy(&root);
}

static void a_list_may_stand_for_an_option(void **state)
{
    (void)state;
    ls_node *root = parse("- scale: [1, 2]");
    const char *name;
    scale *options;
    assert_int_equal(ls_entry_name(root->child[0], "layer", &name), LS_OK);
    assert_int_equal(ls_entry_read(root->child[0], scale_table, sizeof(scale), "values", (void **)&options), LS_OK);
    assert_int_equal(options->values->n, 2);
    assert_json(root, "[{\"scale\": {\"values\": [1, 2]}}]");
    ls_free(options);
    ls_node_destroy(&root);
}

static void wrong_names(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "- ~", "-", "- [relu]", "- []", "- {}", "- {relu: ~, dense: 3}", "- dense: 3\n  bias: true"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ls_node *list = parse(cases[i]);
        const char *name;
        if (ls_entry_name(list->child[0], "layer", &name) != LS_EUSAGE) fail_msg("accepted: %s", cases[i]);
        assert_int_equal(strncmp(ls_status_message(), "f.yaml:1:", 9), 0);
        assert_non_null(strstr(ls_status_message(), "a layer is a name or one 'name: options'"));
        ls_node_destroy(&list);
    }
}

static void check_refused(const char *yaml, const ls_option *table, const char *shorthand, const char *word)
{
    ls_node *list = parse(yaml);
    const char *name;
    void *options = list;
    assert_int_equal(ls_entry_name(list->child[0], "layer", &name), LS_OK);
    if (ls_entry_read(list->child[0], table, sizeof(dense), shorthand, &options) != LS_EUSAGE)
        fail_msg("accepted: %s", yaml);
    if (strstr(ls_status_message(), word) == NULL) fail_msg("no '%s' in: %s", word, ls_status_message());
    ls_node_destroy(&list);
}

static void wrong_options(void **state)
{
    (void)state;
    check_refused("- relu: 5", NULL, NULL, "f.yaml:1:3: 'relu' takes options as 'name: {key: value}'");
    check_refused("- relu: [5]", NULL, NULL, "'relu' takes options");
    check_refused("- relu: {slope: 5}", NULL, NULL, "unknown key 'slope' in relu; known: none");
    check_refused("- dense", dense_table, "units", "dense needs the key 'units' (outputs)");
    check_refused("- dense: {unit: 5}", dense_table, "units", "unknown key 'unit' in dense; did you mean 'units'?");
    check_refused("- dense: 0", dense_table, "units", "'units' is 0; allowed: from 1 to 100");
    check_refused("- dense: [5]", dense_table, "units", "'units' must be a whole number");
    check_refused("- dense: ten", dense_table, "units", "'units' must be a whole number, not 'ten'");
}

static void unknown_names(void **state)
{
    (void)state;
    static const char *const names[] = {"dense", "relu"};
    ls_node *list = parse("\n- dens: 3");
    assert_int_equal(ls_entry_unknown(list->child[0], "layer", "dens", names, 2), LS_EUSAGE);
    assert_string_equal(ls_status_message(), "f.yaml:2:3: unknown layer 'dens'; did you mean 'dense'?");
    assert_int_equal(ls_entry_unknown(list->child[0], "layer", "transformer", names, 2), LS_EUSAGE);
    assert_string_equal(ls_status_message(), "f.yaml:2:3: unknown layer 'transformer'; known: dense, relu");
    assert_int_equal(ls_entry_unknown(list->child[0], "layer", "x", names, 0), LS_EUSAGE);
    ls_node_destroy(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_an_entry),
        cmocka_unit_test(entries_without_options),
        cmocka_unit_test(an_entry_behind_a_key),
        cmocka_unit_test(an_entry_that_is_the_root),
        cmocka_unit_test(a_list_may_stand_for_an_option),
        cmocka_unit_test(wrong_names),
        cmocka_unit_test(wrong_options),
        cmocka_unit_test(unknown_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
