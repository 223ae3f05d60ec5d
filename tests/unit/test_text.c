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

#include "base/node.h"
#include "base/text.h"

static void texts_grow(void **state)
{
    (void)state;
    ls_text text = {0};
    char expected[40000] = "";
    for (int i = 0; i < 4000; i++) {
        char piece[16];
        snprintf(piece, sizeof piece, "%d,", i);
        strcat(expected, piece);
        if (i % 2 == 0)
            ls_text_printf(&text, "%d,", i);
        else
            ls_text_add(&text, piece, strlen(piece));
    }
    assert_int_equal(ls_text_status(&text), LS_OK);
    assert_int_equal(text.n, strlen(expected));
    assert_string_equal(text.data, expected);
    ls_text_clear(&text);
    assert_int_equal(text.n, 0);
    assert_string_equal(text.data, "");
    ls_text_add(&text, "a\0b", 3);
    assert_int_equal(text.n, 3);
    assert_memory_equal(text.data, "a\0b", 4);
    ls_text_free(&text);
    assert_null(text.data);
    ls_text_clear(&text);
    ls_text_free(&text);
}

/* Sizes around every border of the buffer; the sanitizer build sees a byte too much. */
static void every_length(void **state)
{
    (void)state;
    char bytes[300];
    memset(bytes, 'x', sizeof bytes);
    for (size_t first = 0; first < 140; first++)
        for (size_t second = 0; second < 140; second += 7) {
            ls_text text = {0};
            ls_text_add(&text, bytes, first);
            ls_text_printf(&text, "%.*s", (int)second, bytes);
            ls_text_add(&text, bytes, first);
            assert_int_equal(text.n, 2 * first + second);
            assert_int_equal(strlen(text.data), text.n);
            ls_text_free(&text);
        }
}

static void running_out_of_memory_is_remembered(void **state)
{
    (void)state;
    ls_text text = {0};
    ls_text_add(&text, "kept", 4);
    ls_text_add(&text, "", SIZE_MAX / 2 - 50); /* never read: so large a size is refused before anything is asked for */
    assert_true(text.failed);
    ls_text_add(&text, "more", 4);
    ls_text_printf(&text, "%d", 5);
    assert_int_equal(ls_text_status(&text), LS_ENOMEM);
    assert_string_equal(text.data, "kept");
    ls_text_free(&text);
}

/* The string as jansson reads it from JSON, and as our YAML reader does. */
static void assert_reads_back(const char *value, const char *expected)
{
    ls_text text = {0};
    ls_node *node = NULL;
    ls_text_json_string(&text, value);
    json_t *json = json_loadb(text.data, text.n, JSON_DECODE_ANY, NULL);
    if (json == NULL) fail_msg("not JSON: %s", text.data);
    assert_string_equal(json_string_value(json), expected);
    if (ls_node_parse(text.data, text.n, "text", &node) != LS_OK) fail_msg("%s: %s", text.data, ls_status_message());
    assert_string_equal(node->text, expected);
    ls_node_destroy(&node);
    json_decref(json);
    ls_text_free(&text);
}

static void json_strings(void **state)
{
    (void)state;
    static const char *const values[] = {"",
                                         "plain",
                                         "quote \" and \\ back",
                                         "tab\tline\nreturn\r",
                                         "\x01\x1f\x7f",
                                         "h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80",
                                         "a: [b, {c}] # d"};
    ls_text text = {0};
    ls_text_json_string(&text, "a\"b\\c\nd");
    assert_string_equal(text.data, "\"a\\\"b\\\\c\\u000ad\"");
    ls_text_free(&text);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) assert_reads_back(values[i], values[i]);
}

/* Characters that JSON allows bare and YAML folds or refuses: the configuration in a checkpoint is read as YAML. */
static void strings_that_yaml_would_change(void **state)
{
    (void)state;
    static const char *const values[] = {"del \x7f",
                                         "nel \xC2\x85 end",
                                         "c1 \xC2\x80\xC2\x9F",
                                         "separators \xE2\x80\xA8 and \xE2\x80\xA9",
                                         "bom \xEF\xBB\xBF",
                                         "no character \xEF\xBF\xBE\xEF\xBF\xBF"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) assert_reads_back(values[i], values[i]);
}

/* Paths may hold any bytes; a checkpoint's header must stay JSON.  Each wrong byte is U+FFFD. */
static void bytes_that_are_not_utf8(void **state)
{
    (void)state;
#define BAD "\xEF\xBF\xBD"
    assert_reads_back("caf\xE9", "caf" BAD);
    assert_reads_back("\xFF\xFE", BAD BAD);
    assert_reads_back("\xC3", BAD);                 /* cut */
    assert_reads_back("\xE2\x82", BAD BAD);         /* cut */
    assert_reads_back("\xC0\xAF", BAD BAD);         /* overlong */
    assert_reads_back("\xE0\x80\x80", BAD BAD BAD); /* overlong */
    assert_reads_back("\xED\xA0\x80", BAD BAD BAD); /* a surrogate */
    assert_reads_back("\xF4\x90\x80\x80", BAD BAD BAD BAD);
    assert_reads_back("\x80 end", BAD " end");
    assert_reads_back("\xE9t\xC3\xA9", BAD "t\xC3\xA9");
}

static void reals_read_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1, "1"},
                 {-2.5, "-2.5"},
                 {1e300, "1e+300"},
                 {9007199254740992.0, "9007199254740992"},
                 {0.05, "0.05"},
                 {1e-5, "1e-05"},
                 {-0.0, "-0"},
                 {123456789012345, "123456789012345"}};
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ls_real_text(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
    uint64_t bits = 0x123456789ABCDEF1u;
    for (int i = 0; i < 100000; i++) {
        double value, again;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        ls_real_text(value, text);
        again = strtod(text, NULL);
        if (memcmp(&again, &value, sizeof value) != 0) fail_msg("%a gives %s", value, text);
    }
}

static void json_reals(void **state)
{
    (void)state;
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    ls_text text = {0};
    for (int i = 0; i < 3; i++) {
        ls_text_clear(&text);
        ls_text_json_real(&text, odd[i]);
        assert_string_equal(text.data, "null");
    }
    ls_text_clear(&text);
    ls_text_json_real(&text, -1.5e-310); /* subnormal */
    json_t *json = json_loadb(text.data, text.n, JSON_DECODE_ANY, NULL);
    assert_true(json_real_value(json) == -1.5e-310);
    json_decref(json);
    ls_text_free(&text);
}

static void html_is_escaped(void **state)
{
    (void)state;
    ls_text text = {0};
    ls_text_html(&text, "<a href=\"x\">'&\x01\n\x7F\xC2\x85 \xC3\xA9 \xFF\xC3 \xEF\xBF\xBF");
    assert_string_equal(text.data,
                        "&lt;a href=&quot;x&quot;&gt;&#39;&amp;     \xC3\xA9 \xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD");
    ls_text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_grow),
        cmocka_unit_test(every_length),
        cmocka_unit_test(running_out_of_memory_is_remembered),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(strings_that_yaml_would_change),
        cmocka_unit_test(bytes_that_are_not_utf8),
        cmocka_unit_test(reals_read_back),
        cmocka_unit_test(json_reals),
        cmocka_unit_test(html_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
