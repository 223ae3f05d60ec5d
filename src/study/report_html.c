/* Text, tables and sections of the page. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "study/report_internal.h"

/* Escaped text from a format. */
static void escaped(ls_text *out, const char *format, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, args);
    ls_text_html(out, text);
}

void ls_html_printf(ls_text *out, const char *element, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ls_text_printf(out, "<%s>", element);
    escaped(out, format, args);
    ls_text_printf(out, "</%s>\n", element);
    va_end(args);
}

void ls_html_table(ls_text *out, const char *caption, const char *const *heads, int n)
{
    ls_text_printf(out, "<div class=\"scroll\"><table><caption>");
    ls_text_html(out, caption);
    ls_text_printf(out, "</caption><thead><tr>");
    for (int i = 0; i < n; i++) {
        ls_text_printf(out, "<th>");
        ls_text_html(out, heads[i]);
        ls_text_printf(out, "</th>");
    }
    ls_text_printf(out, "</tr></thead><tbody>\n");
}

void ls_html_row(ls_text *out)
{
    ls_text_printf(out, "<tr>");
}

void ls_html_cell(ls_text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ls_text_printf(out, "<td>");
    escaped(out, format, args);
    ls_text_printf(out, "</td>");
    va_end(args);
}

void ls_html_number(ls_text *out, double value)
{
    char text[LS_NUMBER_TEXT];
    ls_number_text(value, text);
    ls_html_cell(out, "%s", text);
}

void ls_html_estimate(ls_text *out, double value, double low, double high)
{
    char v[LS_NUMBER_TEXT], l[LS_NUMBER_TEXT], h[LS_NUMBER_TEXT];
    ls_number_text(value, v);
    ls_number_text(low, l);
    ls_number_text(high, h);
    if (isfinite(low) || isfinite(high))
        ls_html_cell(out, "%s [%s, %s]", v, l, h);
    else
        ls_html_cell(out, "%s", v);
}

void ls_html_row_end(ls_text *out)
{
    ls_text_printf(out, "</tr>\n");
}

void ls_html_table_end(ls_text *out)
{
    ls_text_printf(out, "</tbody></table></div>\n");
}

void ls_html_json(ls_text *out, const char *summary, const json_t *value)
{
    if (value == NULL) return;
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (text == NULL) return;
    ls_text_printf(out, "<details><summary>");
    ls_text_html(out, summary);
    ls_text_printf(out, "</summary><pre>");
    for (char *line = text; *line != 0;) { /* line by line: a line break is a control character */
        char *end = line;
        while (*end != '\n' && *end != 0) end++;
        const char last = *end;
        *end = 0;
        ls_text_html(out, line);
        ls_text_printf(out, "\n");
        line = last != 0 ? end + 1 : end;
    }
    ls_text_printf(out, "</pre></details>\n");
    free(text);
}
