#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool reserve(ls_text *text, size_t more)
{
    if (text->failed) return false;
    if (text->capacity - text->n > more) return true;
    const size_t capacity = 2 * (text->n + more) + 64;
    char *data = ls_realloc(text->data, text->capacity, capacity, 1);
    text->failed = data == NULL;
    if (text->failed) return false;
    text->data = data;
    text->capacity = capacity;
    return true;
}

void ls_text_add(ls_text *text, const char *bytes, size_t n)
{
    if (!reserve(text, n + 1)) return;
    memcpy(text->data + text->n, bytes, n);
    text->n += n;
    text->data[text->n] = 0;
}

void ls_text_printf(ls_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && reserve(text, (size_t)n + 1)) {
        vsnprintf(text->data + text->n, (size_t)n + 1, format, again);
        text->n += (size_t)n;
    }
    va_end(again);
}

/* Bytes of the UTF-8 character at `at` and its code; 0 when it is none (overlong, a surrogate, cut, beyond 10FFFF). */
static int utf8_at(const unsigned char *at, unsigned *code)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    const int n = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    *code = n == 1 ? at[0] : at[0] & (0x7Fu >> n);
    for (int i = 1; i < n; i++) {
        if (at[i] >> 6 != 2) return 0;
        *code = *code << 6 | (at[i] & 0x3Fu);
    }
    if (n == 0 || *code < least[n] || *code > 0x10FFFF || *code >> 11 == 0x1B) return 0;
    return n;
}

/* YAML takes the character as it stands in quotes, neither refusing nor folding it. */
static bool is_plain(unsigned code)
{
    if (code < 0xA0) return code >= 0x20 && code < 0x7F && code != '"' && code != '\\';
    return code != 0x2028 && code != 0x2029 && code != 0xFEFF && code != 0xFFFE && code != 0xFFFF;
}

void ls_text_json_string(ls_text *text, const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    ls_text_add(text, "\"", 1);
    while (*at != 0) {
        unsigned code;
        const int n = utf8_at(at, &code);
        if (n == 0)
            ls_text_printf(text, "\\ufffd");
        else if (is_plain(code))
            ls_text_add(text, (const char *)at, (size_t)n);
        else if (code == '"' || code == '\\')
            ls_text_printf(text, "\\%c", (char)code);
        else
            ls_text_printf(text, "\\u%04x", code);
        at += n > 0 ? n : 1;
    }
    ls_text_add(text, "\"", 1);
}

/* What stands for a character in HTML and XML; NULL: itself. */
static const char *html_of(unsigned code)
{
    switch (code) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case 0xFFFE:
    case 0xFFFF:
        return "\xEF\xBF\xBD";
    default:
        return code < 0x20 || (code >= 0x7F && code < 0xA0) ? " " : NULL;
    }
}

void ls_text_html(ls_text *text, const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    while (*at != 0) {
        unsigned code;
        const int n = utf8_at(at, &code);
        const char *instead = n == 0 ? "\xEF\xBF\xBD" : html_of(code);
        if (instead != NULL)
            ls_text_add(text, instead, strlen(instead));
        else
            ls_text_add(text, (const char *)at, (size_t)n);
        at += n > 0 ? n : 1;
    }
}

void ls_real_text(double value, char out[32])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        if (strtod(out, NULL) == value) return;
    }
}

void ls_text_json_real(ls_text *text, double value)
{
    char number[32] = "null";
    if (isfinite(value)) ls_real_text(value, number);
    ls_text_add(text, number, strlen(number));
}

ls_status ls_text_status(const ls_text *text)
{
    LS_REQUIRE(!text->failed, LS_ENOMEM, "out of memory for text");
    return LS_OK;
}

void ls_text_clear(ls_text *text)
{
    text->n = 0;
    if (text->data != NULL) text->data[0] = 0;
}

void ls_text_free(ls_text *text)
{
    ls_free(text->data);
    *text = (ls_text){0};
}

bool ls_ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}
