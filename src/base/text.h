/** A growing text for messages, JSON and resolved configurations.  Running out of memory is remembered and reported
 *  once, by ls_text_status.  Not collective. */
#ifndef LOCKSTEP_BASE_TEXT_H
#define LOCKSTEP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/status.h"

typedef struct ls_text {
    char *data; /* n bytes and a zero byte, or NULL before the first addition */
    size_t n, capacity;
    bool failed;
} ls_text;

void ls_text_add(ls_text *text, const char *bytes, size_t n);
void ls_text_printf(ls_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** A JSON string with its quotes and escapes, which YAML reads as the same text; bytes that are not UTF-8 become
 * U+FFFD.
 */
void ls_text_json_string(ls_text *text, const char *value);
/** Text of HTML or XML, also inside quoted attributes: markup is escaped, control characters become spaces, bytes that
 *  are not UTF-8 U+FFFD. */
void ls_text_html(ls_text *text, const char *value);
/** The shortest JSON number that reads back as the same double; null when not finite. */
void ls_text_json_real(ls_text *text, double value);
/** LS_ENOMEM if any addition failed. */
ls_status ls_text_status(const ls_text *text);
/** Empties, keeping the memory. */
void ls_text_clear(ls_text *text);
void ls_text_free(ls_text *text);

bool ls_ends_with(const char *text, const char *end);

/** The shortest decimal text that strtod reads back as `value`. */
void ls_real_text(double value, char out[32]);

#endif
