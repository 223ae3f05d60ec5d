#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/node.h"

static ls_node *parse(const char *yaml)
{
    ls_node *node = NULL;
    if (ls_node_parse(yaml, strlen(yaml), "f.yaml", &node) != LS_OK) fail_msg("%s: %s", yaml, ls_status_message());
    return node;
}

static void assert_refused_bytes(const char *yaml, size_t n, const char *word)
{
    ls_node *node = (ls_node *)yaml;
    if (ls_node_parse(yaml, n, "f.yaml", &node) != LS_EUSAGE) fail_msg("accepted: %s", yaml);
    assert_null(node);
    if (strstr(ls_status_message(), word) == NULL) fail_msg("no '%s' in: %s", word, ls_status_message());
}

static void assert_refused(const char *yaml, const char *word)
{
    assert_refused_bytes(yaml, strlen(yaml), word);
}

static void assert_json(const ls_node *node, const char *expected)
{
    ls_text text = {0};
    ls_node_json(node, &text);
    assert_string_equal(text.data, expected);
    json_t *json = json_loadb(text.data, text.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    json_decref(json);
    ls_text_free(&text);
}

/* The node as JSON, which is YAML, read back: the way of a configuration through a checkpoint. */
static ls_status read_back(const ls_node *node, ls_node **out)
{
    ls_text text = {0};
    ls_node_json(node, &text);
    const ls_status status = ls_node_parse(text.data, text.n, "", out);
    ls_text_free(&text);
    return status;
}

static void assert_yaml_json(const char *yaml, const char *expected)
{
    ls_node *node = parse(yaml), *copy = NULL;
    assert_json(node, expected);
    assert_int_equal(read_back(node, &copy), LS_OK);
    assert_json(copy, expected);
    assert_true(ls_node_equal(node, copy));
    ls_node_destroy(&copy);
    ls_node_destroy(&node);
    assert_null(node);
}

static void documents(void **state)
{
    (void)state;
    assert_yaml_json("", "{}");
    assert_yaml_json("# nothing\n", "{}");
    assert_yaml_json("a: 1\nb: [x, 2.50, ~, true, 'true', \"5\"]\nc:\n  d:\n    - e: {}\n    - []\n",
                     "{\"a\": 1, \"b\": [\"x\", 2.5, null, true, \"true\", \"5\"], \"c\": {\"d\": [{\"e\": {}}, []]}}");
    assert_yaml_json("--- {a: ''}\n...\n", "{\"a\": \"\"}");
    assert_yaml_json("a:\nb: null\nc: 'null'\nd: ~\ne: '~'", "{\"a\": null, \"b\": null, \"c\": \"null\", \"d\": null, "
                                                             "\"e\": \"~\"}");
    assert_yaml_json("a: |\n  two\n  lines\nb: >-\n  5\n", "{\"a\": \"two\\u000alines\\u000a\", \"b\": \"5\"}");
    assert_yaml_json("[1e3, -0.5, .5, 1., +7, 1e400, 0x10, 1_000, inf, nan, 1-2, '', -, .]",
                     "[1000, -0.5, 0.5, 1, 7, \"1e400\", \"0x10\", \"1_000\", \"inf\", \"nan\", \"1-2\", \"\", \"-\", "
                     "\".\"]");
    assert_yaml_json("False: True", "{\"False\": \"True\"}"); /* only true and false are boolean */
    assert_yaml_json("\"k\\\"\\n\": \"\\x07 \\u00e9\"", "{\"k\\\"\\u000a\": \"\\u0007 \xC3\xA9\"}");
}

static void places(void **state)
{
    (void)state;
    char place[64];
    ls_node *root = parse("a: 1\nb:\n  - x\n  - {c: 5,\n     d: 6}\n");
    assert_string_equal(ls_node_place(root, place, sizeof place), "f.yaml:1:1");
    assert_string_equal(ls_node_place(ls_node_child(root, "b"), place, sizeof place), "f.yaml:2:1");
    assert_string_equal(ls_node_place(ls_node_child(root, "b")->child[0], place, sizeof place), "f.yaml:3:5");
    assert_string_equal(ls_node_place(ls_node_child(ls_node_child(root, "b")->child[1], "d"), place, sizeof place),
                        "f.yaml:5:6");
    assert_int_equal(ls_node_put(root, "z.y", "[1,\n 2]", "--set"), LS_OK);
    assert_string_equal(ls_node_place(ls_node_at(root, "z.y"), place, sizeof place), "--set");
    assert_string_equal(ls_node_place(ls_node_at(root, "z.y")->child[1], place, sizeof place), "--set");
    assert_string_equal(ls_node_place(&(ls_node){0}, place, sizeof place), "configuration");
    assert_string_equal(ls_node_place(root, place, 5), "f.ya"); /* cut */
    ls_node_destroy(&root);
}

static void refused(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' stands here twice");
    assert_refused("{a: 1, 'a': 2}", "f.yaml:1:8: the key 'a' stands here twice");
    assert_refused("a: &x 1\nb: *x\n", "f.yaml:");
    assert_refused("b: *x\n", "f.yaml:1:4: ");
    assert_refused("a: &x 1\n", "f.yaml:1:4: anchors");
    assert_refused("a: &x [1]\n", "f.yaml:1:4: anchors");
    assert_refused("a: &x {b: 1}\n", "f.yaml:1:4: anchors");
    assert_refused("&x a: 1\n", "f.yaml:1:1: anchors");
    assert_refused("a: 1\n---\nb: 2\n", "f.yaml:2: a second document");
    assert_refused("---\n---\n", "a second document");
    assert_refused("[a, b]: 1\n", "f.yaml:1:1: a key must be plain text");
    assert_refused("? {a: 1}\n: 2\n", "a key must be plain text");
    assert_refused("*x : 1\n", "f.yaml:1:1");
    assert_refused("a: 1\n<<: *x\n", "f.yaml:2:5");
    assert_refused("a: [1, 2\n", "not valid YAML");
    assert_refused("a: \"unterminated\n", "not valid YAML");
    assert_refused("a: 'unterminated", "not valid YAML");
    assert_refused("a: {b: 1\nc: 2\n", "not valid YAML");
    assert_refused("a: 1\n b: 2\n", "f.yaml:2:");
    assert_refused("a:\n\t- 1\n", "f.yaml:2:");
    assert_refused("a: %\n@: 1", "not valid YAML");
    assert_refused("%YAML 3.0\n---\na: 1\n", "not valid YAML");
    assert_refused("a: \"\\q\"", "not valid YAML");
    assert_refused("a: \"\\ud800\"", "not valid YAML"); /* half a surrogate pair */
}

static void zero_bytes(void **state)
{
    (void)state;
    assert_refused_bytes("a: 1\0b", 6, "f.yaml:1");
    assert_refused_bytes("\0", 1, "f.yaml:1");
    assert_refused("a: \"x\\0y\"", "f.yaml:1:4: a text with a zero byte");
    assert_refused("\"a\\0b\": 1", "f.yaml:1:1: a text with a zero byte"); /* not the key 'a' */
}

/* The reader's errors have no mark of their own; the place is found from the byte. */
static void bad_bytes_are_placed(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\nc: caf\xE9\nd: 4\n", "f.yaml:3:8: not valid YAML");
    assert_refused("a: 1\nbell: \x07\n", "f.yaml:2:7: not valid YAML");
    assert_refused("\xFF", "f.yaml:1:1: not valid YAML");
}

static void nesting(void **state)
{
    (void)state;
    char yaml[4096];
    for (int depth = 1; depth <= 60; depth++) {
        ls_node *node = NULL;
        memset(yaml, '[', (size_t)depth);
        memset(yaml + depth, ']', (size_t)depth);
        yaml[2 * depth] = 0;
        const ls_status status = ls_node_parse(yaml, strlen(yaml), "f.yaml", &node);
        assert_int_equal(status, depth <= 33 ? LS_OK : LS_EUSAGE); /* the root, and 32 below it */
        ls_node_destroy(&node);
    }
    assert_non_null(strstr(ls_status_message(), "f.yaml:1:34: nested deeper than 32"));
    for (int i = 0; i < 1000; i++) memcpy(yaml + 4 * i, "{a: ", 5);
    assert_refused(yaml, "nested deeper than 32");
    memset(yaml, '[', 4000);
    yaml[4000] = 0;
    assert_refused(yaml, "nested deeper than 32");
}

static void many_values(void **state)
{
    (void)state;
    ls_text text = {0};
    ls_node *node;
    ls_text_printf(&text, "[0");
    for (int i = 2; i < 100000; i++) ls_text_printf(&text, ",%d", i % 10);
    ls_text_printf(&text, "]");
    assert_int_equal(ls_node_parse(text.data, text.n, "f.yaml", &node), LS_OK); /* 99999 and the list */
    assert_int_equal(node->n, 99999);
    ls_node_destroy(&node);
    text.data[text.n - 1] = ',';
    ls_text_printf(&text, "1]");
    assert_refused(text.data, "more than 100000 values");
    ls_text_clear(&text);
    for (int i = 0; i < 1024; i++) ls_text_printf(&text, "key%d: %d\n", i, i);
    assert_int_equal(ls_node_parse(text.data, text.n, "f.yaml", &node), LS_OK);
    assert_string_equal(ls_node_child(node, "key1023")->text, "1023");
    ls_node_destroy(&node);
    for (int i = 1024; i < 90000; i++) ls_text_printf(&text, "key%d: %d\n", i, i); /* minutes to look for twins */
    assert_refused(text.data, "f.yaml:1025:1: more than 1024 keys");
    ls_text_free(&text);
}

/* Whatever comes, it is a tree or an error with its place; the sanitizer build sees all else. */
static void random_input(void **state)
{
    (void)state;
    static const char *const words[] = {"a", ": ",  "\n",  "- ",  "{", "}",   "[",  "]",    ", ",  "\"",
                                        "'", "&x ", "*x",  "? ",  "#", "|\n", ">",  "  ",   "\t",  "~",
                                        "1", "---", "...", "!t ", "%", "\\",  "\0", "\xC3", "\xA9"};
    uint32_t seed = 20261;
    int accepted = 0;
    for (int round = 0; round < 20000; round++) {
        char bytes[160];
        size_t n = 0;
        const uint32_t length = (seed = seed * 1664525u + 1013904223u) >> 26;
        for (uint32_t i = 0; i < length; i++) {
            seed = seed * 1664525u + 1013904223u;
            const char *word = words[(seed >> 16) % 29];
            if (round % 2 == 0)
                bytes[n++] = (char)(seed >> 24);
            else
                n += (size_t)snprintf(bytes + n, 8, "%s", word[0] ? word : " ");
        }
        ls_node *node = NULL;
        const ls_status status = ls_node_parse(bytes, n, "f.yaml", &node);
        assert_true(status == LS_OK ? node != NULL : node == NULL);
        if (status != LS_OK) assert_int_equal(strncmp(ls_status_message(), "f.yaml:", 7), 0);
        if (status == LS_OK) {
            ls_node *copy = NULL;
            accepted++;
            if (read_back(node, &copy) != LS_OK || !ls_node_equal(node, copy))
                fail_msg("round %d: the copy differs: %.*s", round, (int)n, bytes);
            ls_node_destroy(&copy);
        }
        ls_node_destroy(&node);
    }
    assert_true(accepted > 100);
}

static void children_and_paths(void **state)
{
    (void)state;
    ls_node *root = parse("a: {b: {c: 5}}\nlist: [1]\ntext: t\n");
    assert_string_equal(ls_node_at(root, "a.b.c")->text, "5");
    assert_ptr_equal(ls_node_at(root, ""), root);
    static const char *const absent[] = {"x", "a.x", "a.b.c.d", "list.0", "text.x", "a..b", ".a", "a.b.c."};
    for (int i = 0; i < 7; i++) assert_null(ls_node_at(root, absent[i]));
    assert_null(ls_node_child(NULL, "a"));
    assert_null(ls_node_child(ls_node_child(root, "list"), "0"));
    assert_null(ls_node_at(NULL, "a"));
    ls_node_destroy(&root);
    ls_node_destroy(NULL);
}

static void put(void **state)
{
    (void)state;
    ls_node *root = parse("a: {b: 1}\nt: x\n");
    assert_int_equal(ls_node_put(root, "a.b", "2", "--set"), LS_OK);
    assert_int_equal(ls_node_put(root, "a.c.d", "[1, {e: f}]", "--set"), LS_OK);
    assert_int_equal(ls_node_put(root, "t", "{u: 'v'}", "--set"), LS_OK);
    assert_int_equal(ls_node_put(root, "n", "", "--set"), LS_OK);
    assert_int_equal(ls_node_put(root, "m", "   ", "--set"), LS_OK);
    assert_json(root, "{\"a\": {\"b\": 2, \"c\": {\"d\": [1, {\"e\": \"f\"}]}}, \"t\": {\"u\": \"v\"}, \"n\": null, "
                      "\"m\": null}");
    static const char *const wrong[] = {
        "",     ".",     "a.",  ".a",
        "a..b", "a.b.c", "n.x", "a.0123456789012345678901234567890123456789012345678901234567890123456789"};
    for (int i = 0; i < 8; i++) {
        assert_int_equal(ls_node_put(root, wrong[i], "1", "--set"), LS_EUSAGE);
        assert_int_equal(strncmp(ls_status_message(), "--set: ", 7), 0);
    }
    assert_int_equal(ls_node_put(root, "a.b", "[", "--set"), LS_EUSAGE);
    assert_non_null(strstr(ls_status_message(), "--set:2:1: not valid YAML"));
    assert_string_equal(ls_node_at(root, "a.b")->text, "2");
    ls_node_destroy(&root);
}

static void reals(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        bool ok;
        double value;
    } cases[] = {{"1", true, 1},       {"-2.5e-3", true, -2.5e-3}, {".5", true, 0.5}, {"'1'", false, 0},
                 {"abc", false, 0},    {"1e999", false, 0},        {"~", false, 0},   {"[1]", false, 0},
                 {"1 2", false, 0},    {"0x1", false, 0},          {"1e", false, 0},  {"e1", false, 0},
                 {"{a: 1}", false, 0}, {"''", false, 0},           {"+", false, 0},   {"00012", true, 12},
                 {"1e-400", true, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ls_node *node = parse(cases[i].yaml);
        double value = 77;
        if (ls_node_real(node, &value) != cases[i].ok) fail_msg("%s", cases[i].yaml);
        assert_true(value == (cases[i].ok ? cases[i].value : 77)); /* untouched when it is none */
        ls_node_destroy(&node);
    }
    ls_node *empty = parse("a:");
    double value = 77;
    assert_false(ls_node_real(empty->child[0], &value));
    assert_true(value == 77);
    assert_true(ls_node_is_null(empty->child[0]));
    ls_node_destroy(&empty);
}

static void equality(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {{"{a: 1, b: 2}", "{b: 2.0, a: 1e0}", true},
                 {"[1, 2]", "[2, 1]", false},
                 {"{a: 1}", "{a: 1, b: 2}", false},
                 {"{a: 1}", "{b: 1}", false},
                 {"~", "null", true},
                 {"~", "'~'", false},
                 {"'null'", "null", false},
                 {"x", "'x'", true},
                 {"x", "y", false},
                 {"[x]", "x", false},
                 {"[]", "{}", false},
                 {"0.1", "0.1000", true},
                 {"0.1", "0.10000001", false},
                 {"true", "false", false},
                 {"[[1], [2]]", "[[1], [3]]", false},
                 {"-0", "0", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ls_node *a = parse(cases[i].a), *b = parse(cases[i].b);
        if (ls_node_equal(a, b) != cases[i].equal || ls_node_equal(b, a) != cases[i].equal)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        assert_true(ls_node_equal(a, a));
        assert_false(ls_node_equal(a, NULL));
        ls_node_destroy(&a);
        ls_node_destroy(&b);
    }
    assert_true(ls_node_equal(NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents),
        cmocka_unit_test(places),
        cmocka_unit_test(refused),
        cmocka_unit_test(zero_bytes),
        cmocka_unit_test(bad_bytes_are_placed),
        cmocka_unit_test(nesting),
        cmocka_unit_test(many_values),
        cmocka_unit_test(random_input),
        cmocka_unit_test(children_and_paths),
        cmocka_unit_test(put),
        cmocka_unit_test(reals),
        cmocka_unit_test(equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
