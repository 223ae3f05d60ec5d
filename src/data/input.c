#include "data/input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/mem.h"

enum {
    BUFFER_BYTES = 1 << 18,
    SKIP_BYTES = 1 << 14,
    READ_BYTES = 1 << 30, /* gzread counts in int */
    DEFLATE_RATIO = 1032, /* no deflate stream unpacks to more times its size */
    MAX_PLACES = 2
};

/* Adds the path to the places tried; true when it exists. */
static bool exists(const char *path, ls_text *tried)
{
    struct stat info;
    if (stat(path, &info) == 0) return true;
    ls_text_printf(tried, "%s%s (%s)", tried->n ? ", " : "", path, strerror(errno));
    return false;
}

static ls_status find_in(const char *const *places, int n, const char *name, ls_text *tried, char **out)
{
    for (int i = 0; i < n; i++) {
        char *path = ls_path_join(places[i], name);
        LS_REQUIRE(path != NULL, LS_ENOMEM, "out of memory for a path");
        if (exists(path, tried)) {
            *out = path;
            return LS_OK;
        }
        ls_free(path);
    }
    LS_TRY(ls_text_status(tried));
    LS_FAIL(LS_EDATA, "the file '%s' was not found; tried %s; --data-dir names another place", name, tried->data);
}

ls_status ls_reader_find_file(const ls_reader_paths *paths, const char *name, char **out)
{
    *out = NULL;
    LS_REQUIRE(name[0] != 0, LS_EUSAGE, "a file name is empty");
    const char *places[MAX_PLACES];
    int n = 0;
    if (name[0] != '/' && paths->config_directory != NULL) places[n++] = paths->config_directory;
    if (name[0] != '/' && paths->data_directory != NULL) places[n++] = paths->data_directory;
    if (n == 0) places[n++] = "";
    ls_text tried = {0};
    const ls_status status = find_in(places, n, name, &tried, out);
    ls_text_free(&tried);
    return status;
}

static ls_status open_regular(const char *path, int *fd, uint64_t *bytes)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block: it is refused below */
    LS_REQUIRE(*fd >= 0, LS_EDATA, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat info;
    if (fstat(*fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *bytes = (uint64_t)info.st_size;
        return LS_OK;
    }
    close(*fd);
    *fd = -1;
    LS_FAIL(LS_EDATA, "%s: is not a regular file", path);
}

ls_status ls__file_open(const ls_reader_paths *paths, const char *name, char **path, int *fd, uint64_t *bytes)
{
    LS_TRY(ls_reader_find_file(paths, name, path));
    const ls_status status = open_regular(*path, fd, bytes);
    if (status == LS_OK) return LS_OK;
    ls_free(*path);
    *path = NULL;
    return status;
}

static ls_status name_packed(ls_input *input)
{
    ls_text name = {0};
    ls_text_printf(&name, "%s (unpacked)", input->name);
    LS_TRY(ls_text_status(&name));
    ls_free(input->name);
    input->name = name.data;
    return LS_OK;
}

static ls_status attach_stream(ls_input *input, int fd)
{
    input->stream = gzdopen(fd, "rb");
    if (input->stream == NULL) close(fd);
    LS_REQUIRE(input->stream != NULL && gzbuffer(input->stream, BUFFER_BYTES) == 0, LS_ENOMEM,
               "%s: out of memory for a stream", input->name);
    input->packed = gzdirect(input->stream) == 0;
    return input->packed ? name_packed(input) : LS_OK;
}

ls_status ls__input_open(const ls_reader_paths *paths, const char *name, ls_input **out)
{
    *out = NULL;
    ls_input *input = ls_calloc(1, sizeof *input);
    LS_REQUIRE(input != NULL, LS_ENOMEM, "out of memory for a file");
    int fd;
    ls_status status = ls__file_open(paths, name, &input->name, &fd, &input->file_bytes);
    if (status == LS_OK) status = attach_stream(input, fd);
    if (status != LS_OK) ls__input_close(&input);
    *out = input;
    return status;
}

void ls__input_close(ls_input **input)
{
    if (input == NULL || *input == NULL) return;
    if ((*input)->stream != NULL) gzclose((*input)->stream);
    ls_free((*input)->name);
    ls_free(*input);
    *input = NULL;
}

/* Fails when the stream is broken, not merely at its end. */
static ls_status check_stream(const ls_input *input, const char *what)
{
    int code;
    const char *cause = gzerror(input->stream, &code);
    if (code == Z_OK || code == Z_STREAM_END) return LS_OK;
    LS_FAIL(LS_EDATA, "%s: byte %" PRIu64 ": expected %s, found corrupt or truncated data: %s", input->name,
            input->offset, what, code == Z_ERRNO ? strerror(errno) : cause);
}

ls_status ls__input_seek(ls_input *input, uint64_t offset)
{
    if (offset == input->offset) return LS_OK;
    LS_REQUIRE(gzseek(input->stream, (z_off_t)offset, SEEK_SET) == (z_off_t)offset, LS_EDATA,
               "%s: byte %" PRIu64 " cannot be reached", input->name, offset);
    input->offset = offset;
    return LS_OK;
}

ls_status ls__input_read(ls_input *input, void *out, size_t n, const char *what)
{
    char *at = out;
    for (size_t done = 0; done < n;) {
        const size_t left = n - done;
        const int got = gzread(input->stream, at + done, left < READ_BYTES ? (unsigned)left : READ_BYTES);
        if (got <= 0) {
            LS_TRY(check_stream(input, what));
            LS_FAIL(LS_EDATA, "%s: byte %" PRIu64 ": expected %zu more bytes of %s, found the end of the file",
                    input->name, input->offset, left, what);
        }
        done += (size_t)got;
        input->offset += (uint64_t)got;
    }
    return LS_OK;
}

ls_status ls__input_skip(ls_input *input, uint64_t n, const char *what)
{
    char sink[SKIP_BYTES];
    for (uint64_t done = 0; done < n;) {
        const uint64_t left = n - done, piece = left < sizeof sink ? left : sizeof sink;
        LS_TRY(ls__input_read(input, sink, piece, what));
        done += piece;
    }
    return LS_OK;
}

ls_status ls__input_expect(const ls_input *input, uint64_t n, const char *what)
{
    uint64_t most;
    if (!input->packed) {
        const uint64_t left = input->file_bytes > input->offset ? input->file_bytes - input->offset : 0;
        LS_REQUIRE(n <= left, LS_EDATA, "%s: byte %" PRIu64 ": expected %" PRIu64 " bytes of %s, found only %" PRIu64,
                   input->name, input->offset, n, what, left);
        LS_REQUIRE(n == left, LS_EDATA,
                   "%s: byte %" PRIu64 ": expected the end of the file after %s, found %" PRIu64 " more bytes",
                   input->name, input->offset + n, what, left - n);
    } else if (!__builtin_mul_overflow(input->file_bytes, DEFLATE_RATIO, &most))
        LS_REQUIRE(n <= most, LS_EDATA,
                   "%s: byte %" PRIu64 ": expected %" PRIu64 " bytes of %s, but a file of %" PRIu64
                   " bytes cannot unpack to so many",
                   input->name, input->offset, n, what, input->file_bytes);
    return LS_OK;
}

ls_status ls__input_end(ls_input *input)
{
    char extra;
    const int got = gzread(input->stream, &extra, 1);
    LS_REQUIRE(got <= 0, LS_EDATA, "%s: byte %" PRIu64 ": expected the end of the file, found more bytes", input->name,
               input->offset);
    return check_stream(input, "the end of the file");
}
