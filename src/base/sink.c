#include "base/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { FLUSH_BYTES = 1 << 16, MAX_WAITING = 16 << 20 };

static ls_status cannot_write(const ls_sink *s)
{
    LS_FAIL(LS_EOUTPUT, "%s: cannot be written: %s", s->path, strerror(s->cause));
}

ls_status ls_sink_open(ls_sink *s, char *path, int flags)
{
    static const char blank[2 * FLUSH_BYTES];
    *s = (ls_sink){.fd = -1, .path = path, .flushed_s = ls_clock_s()};
    LS_REQUIRE(path != NULL, LS_ENOMEM, "out of memory for the path of an output file");
    s->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
    s->cause = errno;
    if (s->fd < 0) return cannot_write(s);
    ls_text_add(&s->buffer, blank, sizeof blank);
    ls_text_clear(&s->buffer);
    return ls_text_status(&s->buffer);
}

/* What the file does not take stays in the buffer, from the first byte that is missing on. */
static void write_out(ls_sink *s)
{
    size_t done = 0;
    const bool failed_before = s->failed;
    s->failed = false;
    while (done < s->buffer.n && !s->failed) {
        const ssize_t n = write(s->fd, s->buffer.data + done, s->buffer.n - done);
        if (n < 0 && errno == EINTR) continue;
        s->failed = n <= 0;
        s->cause = n < 0 ? errno : EIO;
        if (n > 0) done += (size_t)n;
    }
    if (s->failed && !failed_before)
        ls_warn("%s: cannot be written: %s; its lines wait in memory", s->path, strerror(s->cause));
    const size_t left = s->buffer.n - done;
    if (left > 0) memmove(s->buffer.data, s->buffer.data + done, left);
    s->buffer.n = left;
    s->flushed_s = ls_clock_s();
}

void ls_sink_tick(ls_sink *s, double now_s)
{
    if ((s->buffer.n > FLUSH_BYTES && !s->failed) || now_s - s->flushed_s > 1.0) write_out(s);
}

ls_status ls_sink_flush(ls_sink *s)
{
    if (s->fd < 0) return LS_OK;
    write_out(s);
    return s->failed ? cannot_write(s) : ls_text_status(&s->buffer);
}

ls_status ls_sink_status(const ls_sink *s)
{
    LS_TRY(ls_text_status(&s->buffer));
    return s->failed && s->buffer.n > MAX_WAITING ? cannot_write(s) : LS_OK;
}

void ls_sink_close(ls_sink *s)
{
    ls_sink_flush(s);
    if (s->fd >= 0) close(s->fd);
    ls_text_free(&s->buffer);
    ls_free(s->path);
    *s = (ls_sink){.fd = -1};
}
