/* What is read of results.json and of lines of JSON; what is missing is NaN or empty. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "study/report_internal.h"

double ls_json_number(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

double ls_json_real(const json_t *object, const char *key)
{
    return ls_json_number(json_object_get(object, key));
}

const char *ls_json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

ls_status ls_json_lines(const char *path, void (*visit)(void *, json_t *), void *context, int *n_broken)
{
    char *data;
    size_t n;
    *n_broken = 0;
    LS_TRY(ls_file_read(path, (size_t)1 << 32, &data, &n));
    for (size_t at = 0; at < n;) {
        const char *end = memchr(data + at, '\n', n - at);
        const size_t length = end != NULL ? (size_t)(end - data) - at : n - at;
        json_t *object = json_loadb(data + at, length, 0, NULL);
        if (json_is_object(object))
            visit(context, object);
        else
            *n_broken += length > 0;
        json_decref(object);
        at += length + 1;
    }
    ls_free(data);
    return LS_OK;
}
