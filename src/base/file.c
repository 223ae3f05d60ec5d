#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct ls_file_writer {
    char *path, *temporary;
    int fd;
    bool opened, committed;
};

/* Reads into data until it is full or the file ends. */
static ls_status fill(int fd, const char *path, char *data, size_t capacity, size_t *n)
{
    while (*n < capacity) {
        const ssize_t got = read(fd, data + *n, capacity - *n);
        if (got < 0 && errno == EINTR) continue;
        LS_REQUIRE(got >= 0, LS_EUSAGE, "%s: %s", path, strerror(errno));
        if (got == 0) break;
        *n += (size_t)got;
    }
    return LS_OK;
}

/* A regular file has its size; a pipe is read in growing steps until it ends. */
static ls_status read_open(int fd, const char *path, size_t max_bytes, char **out, size_t *n_bytes)
{
    struct stat info;
    LS_REQUIRE(fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode), LS_EUSAGE,
               "%s: not a readable file but a directory; name the file in it", path);
    const bool regular = S_ISREG(info.st_mode);
    size_t capacity = regular ? (size_t)info.st_size : 1 << 16;
    LS_REQUIRE(!regular || capacity <= max_bytes, LS_EUSAGE, "%s: %zu bytes, at most %zu are expected here", path,
               capacity, max_bytes);
    *out = ls_calloc(capacity + 1, 1);
    LS_REQUIRE(*out != NULL, LS_ENOMEM, "%s: out of memory for %zu bytes", path, capacity);
    LS_TRY(fill(fd, path, *out, capacity, n_bytes));
    while (!regular && *n_bytes == capacity && capacity <= max_bytes) {
        char *grown = ls_realloc(*out, capacity + 1, 2 * capacity + 1, 1);
        LS_REQUIRE(grown != NULL, LS_ENOMEM, "%s: out of memory for %zu bytes", path, 2 * capacity);
        *out = grown;
        capacity *= 2;
        LS_TRY(fill(fd, path, *out, capacity, n_bytes));
    }
    LS_REQUIRE(*n_bytes <= max_bytes, LS_EUSAGE, "%s: more than the %zu bytes that are expected here", path, max_bytes);
    return LS_OK;
}

/* Where one looked is half of the answer. */
static ls_status cannot_open(const char *path, int cause)
{
    char here[4096];
    const bool relative = cause == ENOENT && path[0] != '/' && getcwd(here, sizeof here) != NULL;
    LS_FAIL(LS_EUSAGE, "%s: %s%s%s", path, strerror(cause), relative ? "; the name begins in " : "",
            relative ? here : "");
}

ls_status ls_file_read(const char *path, size_t max_bytes, char **out, size_t *n_bytes)
{
    *out = NULL;
    *n_bytes = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cannot_open(path, errno);
    const ls_status status = read_open(fd, path, max_bytes, out, n_bytes);
    close(fd);
    if (status == LS_OK) return LS_OK;
    ls_free(*out);
    *out = NULL;
    *n_bytes = 0;
    return status;
}

ls_status ls_make_directory(const char *path)
{
    char *copy = ls_strdup(path);
    LS_REQUIRE(copy != NULL, LS_ENOMEM, "out of memory");
    int cause = 0; /* of the first part that could not be made: the later ones only miss it */
    for (char *at = copy + 1;; at++) {
        if (*at != '/' && *at != 0) continue;
        const char kept = *at;
        *at = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST && cause == 0) cause = errno;
        *at = kept;
        if (kept == 0) break;
    }
    ls_free(copy);
    struct stat info;
    LS_REQUIRE(stat(path, &info) == 0, LS_EOUTPUT, "%s: the directory cannot be made: %s", path,
               strerror(cause != 0 ? cause : ENOENT));
    LS_REQUIRE(S_ISDIR(info.st_mode), LS_EOUTPUT, "%s: exists and is not a directory", path);
    return LS_OK;
}

char *ls_path_join(const char *directory, const char *name)
{
    if (name[0] == '/' || directory[0] == 0) return ls_strdup(name);
    const size_t n = strlen(directory), bytes = n + strlen(name) + 2;
    char *path = ls_calloc(bytes, 1);
    if (path != NULL) snprintf(path, bytes, "%s%s%s", directory, directory[n - 1] == '/' ? "" : "/", name);
    return path;
}

char *ls_path_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return ls_strdup(".");
    return slash == path ? ls_strdup("/") : ls_strndup(path, (size_t)(slash - path));
}

static ls_status sync_directory_of(const char *path)
{
    char *directory = ls_path_directory(path);
    LS_REQUIRE(directory != NULL, LS_ENOMEM, "out of memory");
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ls_free(directory);
    if (fd < 0) return LS_OK; /* a directory that may be searched but not read: the rename is done all the same */
    fsync(fd);
    close(fd);
    return LS_OK;
}

ls_status ls_link_replace(const char *directory, const char *name, const char *target)
{
    char *path = ls_path_join(directory, name), *temporary = path ? ls_calloc(strlen(path) + 5, 1) : NULL;
    ls_status status = temporary != NULL ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    if (status == LS_OK) {
        sprintf(temporary, "%s.tmp", path);
        unlink(temporary);
        if (symlink(target, temporary) != 0 || rename(temporary, path) != 0)
            status = ls_status_fail(LS_EOUTPUT, __FILE__, __LINE__, "%s: cannot be linked: %s", path, strerror(errno));
        else
            status = sync_directory_of(path);
    }
    ls_free(temporary);
    ls_free(path);
    return status;
}

ls_status ls_file_writer_create(const char *path, ls_file_writer **out)
{
    *out = NULL;
    ls_file_writer *writer = ls_calloc(1, sizeof *writer);
    LS_REQUIRE(writer != NULL, LS_ENOMEM, "out of memory");
    writer->fd = -1;
    writer->path = ls_strdup(path);
    writer->temporary = ls_calloc(strlen(path) + 5, 1);
    if (writer->path == NULL || writer->temporary == NULL) {
        ls_file_writer_destroy(&writer);
        LS_FAIL(LS_ENOMEM, "out of memory");
    }
    sprintf(writer->temporary, "%s.tmp", path);
    writer->fd = open(writer->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (writer->fd < 0) {
        const int cause = errno;
        ls_file_writer_destroy(&writer);
        LS_FAIL(LS_EOUTPUT, "%s: cannot be written: %s", path, strerror(cause));
    }
    writer->opened = true;
    *out = writer;
    return LS_OK;
}

ls_status ls_file_writer_add(ls_file_writer *writer, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        const ssize_t written = write(writer->fd, at, n);
        if (written < 0 && errno == EINTR) continue;
        LS_REQUIRE(written > 0, LS_EOUTPUT, "%s: cannot be written: %s", writer->path,
                   written < 0 ? strerror(errno) : "short write");
        at += written;
        n -= (size_t)written;
    }
    return LS_OK;
}

ls_status ls_file_writer_patch(ls_file_writer *writer, uint64_t offset, const void *bytes, size_t n)
{
    const ssize_t written = pwrite(writer->fd, bytes, n, (off_t)offset);
    LS_REQUIRE(written == (ssize_t)n, LS_EOUTPUT, "%s: cannot be written: %s", writer->path,
               written < 0 ? strerror(errno) : "short write");
    return LS_OK;
}

ls_status ls_file_writer_commit(ls_file_writer *writer)
{
    LS_REQUIRE(fsync(writer->fd) == 0, LS_EOUTPUT, "%s: cannot be written: %s", writer->path, strerror(errno));
    const int closed = close(writer->fd);
    writer->fd = -1;
    LS_REQUIRE(closed == 0, LS_EOUTPUT, "%s: cannot be written: %s", writer->path, strerror(errno));
    LS_REQUIRE(rename(writer->temporary, writer->path) == 0, LS_EOUTPUT, "%s: cannot be written: %s", writer->path,
               strerror(errno));
    writer->committed = true;
    return sync_directory_of(writer->path);
}

void ls_file_writer_destroy(ls_file_writer **writer)
{
    if (writer == NULL || *writer == NULL) return;
    ls_file_writer *w = *writer;
    if (w->fd >= 0) close(w->fd);
    if (w->opened && !w->committed) unlink(w->temporary);
    ls_free(w->path);
    ls_free(w->temporary);
    ls_free(w);
    *writer = NULL;
}

ls_status ls_file_write(const char *path, const void *bytes, size_t n)
{
    ls_file_writer *writer;
    LS_TRY(ls_file_writer_create(path, &writer));
    ls_status status = ls_file_writer_add(writer, bytes, n);
    if (status == LS_OK) status = ls_file_writer_commit(writer);
    ls_file_writer_destroy(&writer);
    return status;
}
