/* A disk that fails: preloaded into the program, it makes calls on files fail whose name holds LS_FAULT_NAME.
 *   LS_FAULT    full   write: ENOSPC once LS_FAULT_AFTER bytes are there
 *               short  write: at most 1000 bytes a call (no failure)
 *               tear   write: half of the bytes, and the next call EIO
 *               write  write: EIO            sync  fsync: EIO       close  close: EIO
 *               open   open: EROFS           link  rename: EROFS
 *               slow   fsync: half a second, then as it is (no failure)
 *               memory aligned_alloc: NULL for exactly LS_FAULT_AFTER bytes
 *   LS_FAULT_COUNT  so many faults, then none (default: for ever) */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int faults, torn;

static int is(const char *fault)
{
    const char *wanted = getenv("LS_FAULT");
    return wanted != NULL && strcmp(wanted, fault) == 0;
}

/* One fault more is allowed */
static int strikes(void)
{
    const char *count = getenv("LS_FAULT_COUNT");
    return count == NULL || atomic_fetch_add(&faults, 1) < atoi(count);
}

static long after(void)
{
    const char *bytes = getenv("LS_FAULT_AFTER");
    return bytes ? atol(bytes) : 0;
}

static int concerns(const char *path)
{
    const char *name = getenv("LS_FAULT_NAME");
    return path != NULL && name != NULL && strstr(path, name) != NULL;
}

static int concerns_open(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    return concerns(path);
}

static int fails(int cause)
{
    errno = cause;
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    static ssize_t (*next)(int, const void *, size_t);
    if (next == NULL) next = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (n == 0 || !concerns_open(fd)) return next(fd, bytes, n);
    if (is("short")) return next(fd, bytes, n < 1000 ? n : 1000);
    if (is("full") && lseek(fd, 0, SEEK_CUR) + (long)n > after() && strikes()) return fails(ENOSPC);
    if (is("write") && strikes()) return fails(EIO);
    if (is("tear") && atomic_exchange(&torn, 0)) return fails(EIO);
    if (is("tear") && n > 1 && strikes()) {
        atomic_store(&torn, 1);
        return next(fd, bytes, n / 2);
    }
    return next(fd, bytes, n);
}

int fsync(int fd)
{
    static int (*next)(int);
    if (next == NULL) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (concerns_open(fd) && is("slow")) usleep(500000);
    if (concerns_open(fd) && is("sync") && strikes()) return fails(EIO);
    return next(fd);
}

int close(int fd)
{
    static int (*next)(int);
    if (next == NULL) next = (int (*)(int))dlsym(RTLD_NEXT, "close");
    const int strike = is("close") && concerns_open(fd) && strikes();
    const int result = next(fd);
    return strike ? fails(EIO) : result;
}

int open(const char *path, int flags, ...)
{
    static int (*next)(const char *, int, ...);
    if (next == NULL) next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    va_list args;
    va_start(args, flags);
    const int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    if (flags & O_CREAT && is("open") && concerns(path) && strikes()) return fails(EROFS);
    return next(path, flags, mode);
}

int rename(const char *from, const char *to)
{
    static int (*next)(const char *, const char *);
    if (next == NULL) next = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    if (is("link") && concerns(to) && strikes()) return fails(EROFS);
    return next(from, to);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    static void *(*next)(size_t, size_t);
    if (next == NULL) next = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
    return is("memory") && (long)n == after() ? NULL : next(alignment, n);
}
