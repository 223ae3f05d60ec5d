#include "lockstep/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sink.h"
#include "base/text.h"
#include "train/events.h"

enum { MAX_LINE = 16 << 20 };

struct ls_metrics {
    ls_sink lines;
    ls_events *events; /* the same numbers for TensorBoard; NULL: not asked */
    double start_s;
    const char *prefix; /* of the tags of the line at hand; NULL: no scalars */
    int64_t iteration;
};

/* The iteration of a line; -1 when it has none, -2 when it is not a whole line of JSON. */
static int64_t iteration_of(const char *line, size_t n)
{
    json_t *object = json_loadb(line, n, 0, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return -2;
    }
    const json_t *iteration = json_object_get(object, "iteration");
    const int64_t value = json_is_integer(iteration) ? (int64_t)json_integer_value(iteration) : -1;
    json_decref(object);
    return value;
}

/* Bytes of the lines up to the first that is later than keep_iteration or broken, as one longer than `line` is. */
static size_t kept_bytes(FILE *file, char line[MAX_LINE], int64_t keep_iteration)
{
    size_t at = 0;
    while (fgets(line, MAX_LINE, file) != NULL) {
        const size_t n = strlen(line);
        if (n == 0 || line[n - 1] != '\n') break;
        const int64_t iteration = iteration_of(line, n - 1);
        if (iteration == -2 || iteration > keep_iteration) break;
        at += n;
    }
    return at;
}

static ls_status cut(const char *path, int64_t keep_iteration)
{
    FILE *file = fopen(path, "r");
    if (file == NULL && errno == ENOENT) return LS_OK;
    LS_REQUIRE(file != NULL, LS_EOUTPUT, "%s: cannot be read: %s", path, strerror(errno));
    char *line = ls_calloc(MAX_LINE, 1);
    const size_t kept = line != NULL ? kept_bytes(file, line, keep_iteration) : 0;
    const int cause = ferror(file) ? errno : 0;
    fclose(file);
    ls_free(line);
    LS_REQUIRE(line != NULL, LS_ENOMEM, "out of memory for metrics");
    LS_REQUIRE(cause == 0, LS_EOUTPUT, "%s: cannot be read: %s", path, strerror(cause));
    LS_REQUIRE(truncate(path, (off_t)kept) == 0, LS_EOUTPUT, "%s: cannot be written: %s", path, strerror(errno));
    return LS_OK;
}

static ls_status open_lines(ls_metrics *m, const char *directory, bool resume, int64_t keep_iteration)
{
    char *path = ls_path_join(directory, "metrics.jsonl");
    const ls_status status = path != NULL && resume ? cut(path, keep_iteration) : LS_OK;
    if (status == LS_OK) return ls_sink_open(&m->lines, path, resume ? O_APPEND : O_TRUNC);
    ls_free(path);
    return status;
}

static ls_status open_events(ls_metrics *m, const char *directory, int64_t keep_iteration)
{
    m->events = ls_calloc(1, sizeof *m->events);
    LS_REQUIRE(m->events != NULL, LS_ENOMEM, "out of memory for metrics");
    return ls_events_open(m->events, directory, keep_iteration);
}

ls_status ls_metrics_open(const char *directory, const ls_metrics_options *options, ls_metrics **out)
{
    *out = NULL;
    ls_metrics *m = ls_calloc(1, sizeof *m);
    LS_REQUIRE(m != NULL, LS_ENOMEM, "out of memory for metrics");
    m->lines.fd = -1;
    m->start_s = ls_clock_s();
    ls_status status = open_lines(m, directory, options->resume, options->keep_iteration);
    if (status == LS_OK && options->tensorboard)
        status = open_events(m, directory, options->resume ? options->keep_iteration : 0);
    if (status != LS_OK) ls_metrics_close(&m);
    *out = m;
    return status;
}

void ls_metrics_close(ls_metrics **metrics)
{
    if (metrics == NULL || *metrics == NULL) return;
    ls_sink_close(&(*metrics)->lines);
    if ((*metrics)->events != NULL) ls_sink_close(&(*metrics)->events->sink);
    ls_free((*metrics)->events);
    ls_free(*metrics);
    *metrics = NULL;
}

/* Scalars are those of training and evaluations, whose tags begin with the set. */
void ls_metrics_begin(ls_metrics *m, const char *event)
{
    if (m == NULL) return;
    m->prefix = strcmp(event, "train") == 0 ? event : NULL;
    if (m->events != NULL) m->events->n = 0;
    ls_text_printf(&m->lines.buffer, "{\"event\": \"%s\"", event);
}

static void add_scalar(ls_metrics *m, const char *key, double value)
{
    if (m->events != NULL) ls_events_scalar(m->events, key, value);
}

void ls_metrics_int(ls_metrics *m, const char *key, int64_t value)
{
    if (m == NULL) return;
    ls_text_printf(&m->lines.buffer, ", \"%s\": %lld", key, (long long)value);
    if (strcmp(key, "iteration") == 0)
        m->iteration = value;
    else
        add_scalar(m, key, (double)value);
}

void ls_metrics_real(ls_metrics *m, const char *key, double value)
{
    if (m == NULL) return;
    ls_text_printf(&m->lines.buffer, ", \"%s\": ", key);
    ls_text_json_real(&m->lines.buffer, value);
    add_scalar(m, key, value);
}

void ls_metrics_text(ls_metrics *m, const char *key, const char *value)
{
    if (m == NULL) return;
    if (strcmp(key, "set") == 0) m->prefix = value;
    ls_text_printf(&m->lines.buffer, ", \"%s\": ", key);
    ls_text_json_string(&m->lines.buffer, value);
}

void ls_metrics_json(ls_metrics *m, const char *key, const char *json)
{
    if (m != NULL) ls_text_printf(&m->lines.buffer, ", \"%s\": %s", key, json);
}

void ls_metrics_end(ls_metrics *m)
{
    if (m == NULL) return;
    const double now = ls_clock_s();
    ls_text_printf(&m->lines.buffer, ", \"wall_s\": %.6f}\n", now - m->start_s);
    ls_sink_tick(&m->lines, now);
    if (m->events != NULL && m->prefix != NULL) ls_events_end(m->events, m->prefix, m->iteration, now);
}

ls_status ls_metrics_status(const ls_metrics *m)
{
    LS_TRY(ls_sink_status(&m->lines));
    return m->events != NULL ? ls_sink_status(&m->events->sink) : LS_OK;
}

ls_status ls_metrics_flush(ls_metrics *m)
{
    if (m == NULL) return LS_OK;
    const ls_status events = m->events != NULL ? ls_sink_flush(&m->events->sink) : LS_OK;
    const ls_status lines = ls_sink_flush(&m->lines);
    return lines != LS_OK ? lines : events;
}
