#include "train/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/timeline.h"

enum { CAPACITY = 1 << 18, ROUNDS = 32, FLUSH_BYTES = 1 << 20 };

static const char *const names[] = {
#define NAME(identifier, name) name,
    LS_EVENT_LIST(NAME)
#undef NAME
};

ls_status ls_trace_start(const ls_job *job)
{
    return ls_job_agree(job, ls_timeline_start(CAPACITY));
}

/* Rank 0's clock less that of rank r; called by these two. */
static double offset_of(const ls_job *job, int r)
{
    double best = 0.0, quickest = 1e300;
    for (int i = 0; i < ROUNDS; i++) {
        double theirs = 0.0;
        const double sent = ls_clock_s();
        ls_job_send_from_root(job, r, &theirs, sizeof theirs);
        theirs = ls_clock_s();
        ls_job_send_to_root(job, r, &theirs, sizeof theirs);
        const double came = ls_clock_s();
        if (came - sent >= quickest) continue;
        quickest = came - sent;
        best = (sent + came) / 2 - theirs;
    }
    return r == 0 ? 0.0 : best;
}

/* By their start; what holds another comes before it. */
static int compare(const void *a, const void *b)
{
    const ls_event *x = a, *y = b;
    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end);
}

static void put_event(ls_text *out, int rank, const ls_event *e, double shift)
{
    const bool of_layer = e->kind == LS_EVENT_LAYER_FORWARD || e->kind == LS_EVENT_LAYER_BACKWARD;
    ls_text_printf(out, ",\n{\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"name\":\"%s", rank,
                   e->kind == LS_EVENT_WRITE, (e->start + shift) * 1e6, (e->end - e->start) * 1e6, names[e->kind]);
    if (of_layer) ls_text_printf(out, " %d", e->index);
    ls_text_printf(out, "\"");
    if (!of_layer && e->index >= 0) ls_text_printf(out, ",\"args\":{\"iteration\":%d}", e->index);
    ls_text_printf(out, "}");
}

static ls_status put_rank(ls_file_writer *file, int rank, ls_event *events, size_t n, double shift)
{
    ls_text out = {0};
    ls_status status = LS_OK;
    qsort(events, n, sizeof *events, compare);
    ls_text_printf(&out, "%s{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_name\",\"args\":{\"name\":\"rank %d\"}}",
                   rank ? ",\n" : "{\"traceEvents\":[\n", rank, rank);
    for (size_t i = 0; i < n && status == LS_OK; i++) {
        put_event(&out, rank, &events[i], shift);
        status = ls_text_status(&out);
        if (out.n < FLUSH_BYTES || status != LS_OK) continue;
        status = ls_file_writer_add(file, out.data, out.n);
        ls_text_clear(&out);
    }
    if (status == LS_OK) status = ls_text_status(&out);
    if (status == LS_OK) status = ls_file_writer_add(file, out.data, out.n);
    ls_text_free(&out);
    return status;
}

/* One rank after the other; the messages are sent whatever happens to the file. */
static ls_status gather(const ls_job *job, ls_file_writer *file, ls_event *buffer, ls_status status)
{
    const int rank = ls_job_rank(job);
    double origin = 0.0;
    for (int r = 0; r < ls_job_size(job); r++) {
        if (rank != 0 && rank != r) continue;
        const double offset = offset_of(job, r);
        size_t n;
        ls_event *events = ls_timeline_events(&n);
        ls_job_send_to_root(job, r, &n, sizeof n);
        if (rank == 0 && r > 0) events = buffer;
        ls_job_send_to_root(job, r, events, n * sizeof *events);
        if (r == 0 && n > 0) origin = events[0].start;
        if (rank == 0 && status == LS_OK) status = put_rank(file, r, events, n, offset - origin);
    }
    return status;
}

ls_status ls_trace_write(const ls_job *job, const char *path)
{
    static const char end[] = "\n],\"displayTimeUnit\":\"ms\"}\n";
    const bool writes = ls_job_rank(job) == 0;
    ls_file_writer *file = NULL;
    ls_event *buffer = writes ? ls_calloc(CAPACITY, sizeof *buffer) : NULL;
    ls_status status = !writes || buffer != NULL
                           ? LS_OK
                           : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for the timeline");
    ls_timeline_on = false;
    if (writes && status == LS_OK) status = ls_file_writer_create(path, &file);
    status = ls_job_agree(job, status);
    if (status == LS_OK) status = gather(job, file, buffer, status);
    if (writes && status == LS_OK) status = ls_file_writer_add(file, end, sizeof end - 1);
    if (writes && status == LS_OK) status = ls_file_writer_commit(file);
    ls_file_writer_destroy(&file);
    ls_free(buffer);
    ls_timeline_stop();
    return ls_job_agree(job, status);
}
