/* Node memory: a POSIX shared-memory segment made and reserved by the node's first rank, mapped by all, unlinked at
 * once.  Reserving makes a small /dev/shm an error here instead of a SIGBUS later.
 *
 * A rank that is killed between making and unlinking leaves the segment.  Its maker holds a file lock on it as long as
 * it has a name, and locks end with the process: so a segment with a name and without a lock is stale, whoever made it,
 * in whatever container, and the next rank that makes one removes it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "comm/job_internal.h"

struct ls_window {
    void *memory;
    size_t bytes;
};

enum { NAME = 64 };

static const char prefix[] = "lockstep-";

static ls_status no_room(size_t bytes, const char *what, int cause)
{
    struct statvfs fs;
    double free_mb = 0.0;
    if (statvfs("/dev/shm", &fs) == 0) free_mb = (double)fs.f_bavail * (double)fs.f_frsize / 1e6;
    LS_FAIL(LS_ENOMEM,
            "node memory for %s: %.1f MB are needed in /dev/shm, which has %.1f MB free (%s); enlarge it (mount -o "
            "remount,size=..., or the container's --shm-size), or use more nodes or fewer batch.shards",
            what, (double)bytes / 1e6, free_mb, strerror(cause));
}

/* A name as make_locked() gives, not that of somebody's data. */
static bool is_segment(const char *name)
{
    int pid, end = 0;
    unsigned counter;
    unsigned long long time;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return false;
    name += sizeof prefix - 1;
    return sscanf(name, "%d-%u-%llx%n", &pid, &counter, &time, &end) == 3 && name[end] == 0;
}

static void remove_stale(void)
{
    DIR *directory = opendir("/dev/shm");
    if (directory == NULL) return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (!is_segment(entry->d_name)) continue;
        const int fd = openat(dirfd(directory), entry->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) continue; /* somebody else's */
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlinkat(dirfd(directory), entry->d_name, 0);
        close(fd);
    }
    closedir(directory);
}

/* Made and locked; once more, if somebody took it for stale in between. */
static ls_status make_locked(const char *what, char name[NAME], int *fd)
{
    static unsigned counter;
    struct stat info = {0};
    for (*fd = -1; info.st_nlink == 0;) {
        if (*fd >= 0) close(*fd);
        snprintf(name, NAME, "/%s%d-%u-%llx", prefix, (int)getpid(), counter++,
                 (unsigned long long)(ls_clock_s() * 1e9));
        *fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        LS_REQUIRE(*fd >= 0, LS_ENOMEM, "node memory for %s: /dev/shm cannot be used: %s", what, strerror(errno));
        while (flock(*fd, LOCK_EX) != 0 && errno == EINTR) continue;
        LS_REQUIRE(fstat(*fd, &info) == 0, LS_ENOMEM, "node memory for %s: %s", what, strerror(errno));
    }
    return LS_OK;
}

static ls_status make_segment(size_t bytes, const char *what, char name[NAME], int *fd)
{
    int cause;
    remove_stale();
    LS_TRY(make_locked(what, name, fd));
    do cause = posix_fallocate(*fd, 0, (off_t)bytes);
    while (cause == EINTR);
    return cause == 0 ? LS_OK : no_room(bytes, what, cause);
}

static ls_status map_segment(int fd, size_t bytes, const char *what, void **memory)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    LS_REQUIRE(at != MAP_FAILED, LS_ENOMEM, "node memory for %s: cannot be mapped: %s", what, strerror(errno));
    *memory = at;
    return LS_OK;
}

/* The first rank makes it; then, with its name known to the node, the others open it. */
static ls_status open_segment(const ls_job *job, size_t bytes, const char *what, char name[NAME], int *fd)
{
    const bool first = ls_job_local_rank(job) == 0;
    LS_TRY(ls_job_agree(job, first ? make_segment(bytes, what, name, fd) : LS_OK));
    MPI_Bcast(name, NAME, MPI_CHAR, 0, job->node_comm);
    if (first) return LS_OK;
    *fd = shm_open(name, O_RDWR, 0);
    LS_REQUIRE(*fd >= 0, LS_ENOMEM, "node memory for %s: cannot be opened: %s", what, strerror(errno));
    return LS_OK;
}

ls_status ls_window_create(const ls_job *job, size_t bytes, const char *what, ls_window **out)
{
    *out = NULL;
    bytes = (bytes + 4095) / 4096 * 4096 + (bytes == 0 ? 4096 : 0);
    ls_window *window = ls_calloc(1, sizeof *window);
    LS_TRY(ls_job_agree(job, window ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    char name[NAME] = "";
    int fd = -1;
    window->bytes = bytes;
    ls_status status = open_segment(job, bytes, what, name, &fd);
    if (status == LS_OK) status = map_segment(fd, bytes, what, &window->memory);
    status = ls_job_agree(job, status);
    if (ls_job_local_rank(job) == 0 && name[0] != 0) shm_unlink(name);
    if (fd >= 0) close(fd);
    if (status != LS_OK) ls_window_destroy(&window);
    *out = window;
    return status;
}

void *ls_window_memory(const ls_window *window)
{
    return window->memory;
}

void ls_window_destroy(ls_window **window)
{
    if (window == NULL || *window == NULL) return;
    if ((*window)->memory != NULL) munmap((*window)->memory, (*window)->bytes);
    ls_free(*window);
    *window = NULL;
}
