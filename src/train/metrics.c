#include "lockstep/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

enum { FLUSH_BYTES = 1 << 16, MAX_WAITING = 16 << 20, MAX_LINE = 16 << 20 };

struct ls_metrics {
    int fd;
    char *path;
    double start_s, flushed_s;
    bool failed; /* the last write: its lines wait in the buffer for the next */
    int cause;
    ls_text buffer; /* reserved once: lines of the loop do not allocate */
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

static ls_status cut(ls_metrics *m, int64_t keep_iteration)
{
    FILE *file = fopen(m->path, "r");
    if (file == NULL && errno == ENOENT) return LS_OK;
    LS_REQUIRE(file != NULL, LS_EOUTPUT, "%s: cannot be read: %s", m->path, strerror(errno));
    char *line = ls_calloc(MAX_LINE, 1);
    const size_t kept = line != NULL ? kept_bytes(file, line, keep_iteration) : 0;
    const int cause = ferror(file) ? errno : 0;
    fclose(file);
    ls_free(line);
    LS_REQUIRE(line != NULL, LS_ENOMEM, "out of memory for metrics");
    LS_REQUIRE(cause == 0, LS_EOUTPUT, "%s: cannot be read: %s", m->path, strerror(cause));
    LS_REQUIRE(truncate(m->path, (off_t)kept) == 0, LS_EOUTPUT, "%s: cannot be written: %s", m->path, strerror(errno));
    return LS_OK;
}

static ls_status open_file(ls_metrics *m, const char *directory, bool resume, int64_t keep_iteration)
{
    m->path = ls_path_join(directory, "metrics.jsonl");
    LS_REQUIRE(m->path != NULL, LS_ENOMEM, "out of memory for metrics");
    if (resume) LS_TRY(cut(m, keep_iteration));
    m->fd = open(m->path, O_WRONLY | O_CREAT | O_CLOEXEC | (resume ? O_APPEND : O_TRUNC), 0666);
    LS_REQUIRE(m->fd >= 0, LS_EOUTPUT, "%s: cannot be written: %s", m->path, strerror(errno));
    static const char blank[2 * FLUSH_BYTES];
    ls_text_add(&m->buffer, blank, sizeof blank);
    ls_text_clear(&m->buffer);
    return ls_text_status(&m->buffer);
}

ls_status ls_metrics_open(const char *directory, bool resume, int64_t keep_iteration, ls_metrics **out)
{
    *out = NULL;
    ls_metrics *m = ls_calloc(1, sizeof *m);
    LS_REQUIRE(m != NULL, LS_ENOMEM, "out of memory for metrics");
    m->fd = -1;
    m->start_s = m->flushed_s = ls_clock_s();
    const ls_status status = open_file(m, directory, resume, keep_iteration);
    if (status != LS_OK) ls_metrics_close(&m);
    *out = m;
    return status;
}

void ls_metrics_close(ls_metrics **metrics)
{
    if (metrics == NULL || *metrics == NULL) return;
    ls_metrics_flush(*metrics);
    if ((*metrics)->fd >= 0) close((*metrics)->fd);
    ls_text_free(&(*metrics)->buffer);
    ls_free((*metrics)->path);
    ls_free(*metrics);
    *metrics = NULL;
}

void ls_metrics_begin(ls_metrics *m, const char *event)
{
    if (m == NULL) return;
    ls_text_printf(&m->buffer, "{\"event\": \"%s\"", event);
}

void ls_metrics_int(ls_metrics *m, const char *key, int64_t value)
{
    if (m != NULL) ls_text_printf(&m->buffer, ", \"%s\": %lld", key, (long long)value);
}

void ls_metrics_real(ls_metrics *m, const char *key, double value)
{
    if (m == NULL) return;
    ls_text_printf(&m->buffer, ", \"%s\": ", key);
    ls_text_json_real(&m->buffer, value);
}

void ls_metrics_text(ls_metrics *m, const char *key, const char *value)
{
    if (m == NULL) return;
    ls_text_printf(&m->buffer, ", \"%s\": ", key);
    ls_text_json_string(&m->buffer, value);
}

void ls_metrics_json(ls_metrics *m, const char *key, const char *json)
{
    if (m != NULL) ls_text_printf(&m->buffer, ", \"%s\": %s", key, json);
}

/* What the file does not take stays in the buffer, from the first byte that is missing on. */
static void write_out(ls_metrics *m)
{
    size_t done = 0;
    const bool failed_before = m->failed;
    m->failed = false;
    while (done < m->buffer.n && !m->failed) {
        const ssize_t n = write(m->fd, m->buffer.data + done, m->buffer.n - done);
        if (n < 0 && errno == EINTR) continue;
        m->failed = n <= 0;
        m->cause = n < 0 ? errno : EIO;
        if (n > 0) done += (size_t)n;
    }
    if (m->failed && !failed_before)
        ls_warn("%s: cannot be written: %s; its lines wait in memory", m->path, strerror(m->cause));
    const size_t left = m->buffer.n - done;
    if (left > 0) memmove(m->buffer.data, m->buffer.data + done, left);
    m->buffer.n = left;
    m->flushed_s = ls_clock_s();
}

void ls_metrics_end(ls_metrics *m)
{
    if (m == NULL) return;
    const double now = ls_clock_s();
    ls_text_printf(&m->buffer, ", \"wall_s\": %.6f}\n", now - m->start_s);
    if ((m->buffer.n > FLUSH_BYTES && !m->failed) || now - m->flushed_s > 1.0) write_out(m);
}

static ls_status cannot_write(const ls_metrics *m)
{
    LS_FAIL(LS_EOUTPUT, "%s: cannot be written: %s", m->path, strerror(m->cause));
}

ls_status ls_metrics_status(const ls_metrics *m)
{
    LS_TRY(ls_text_status(&m->buffer));
    return m->failed && m->buffer.n > MAX_WAITING ? cannot_write(m) : LS_OK;
}

ls_status ls_metrics_flush(ls_metrics *m)
{
    if (m == NULL || m->fd < 0) return LS_OK;
    write_out(m);
    return m->failed ? cannot_write(m) : ls_text_status(&m->buffer);
}
