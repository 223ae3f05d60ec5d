#include "mpi_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>

/* Segments of this program that still have a name. */
static int n_segments(void)
{
    int n = 0;
    DIR *directory = opendir("/dev/shm");
    if (directory == NULL) return 0;
    char mine[32];
    snprintf(mine, sizeof mine, "lockstep-%d-", (int)getpid());
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        n += strncmp(entry->d_name, mine, strlen(mine)) == 0;
    closedir(directory);
    return n;
}

static bool is_zero(const unsigned char *memory, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memory[i] != 0) return false;
    return true;
}

/* Every rank writes its line; then every rank must see the lines of its node's ranks, and no others. */
static bool node_shares(const ls_job *job, int *lines)
{
    enum { STRIDE = 16 };
    const int rank = ls_job_rank(job), node = ls_job_node(job);
    lines[rank * STRIDE] = rank + 100;
    ls_job_barrier(job);
    bool ok = true;
    for (int r = 0; r < ls_job_size(job); r++) {
        const bool here = ls_job_node_first(job, node) <= r && r < ls_job_node_first(job, node + 1);
        ok = ok && lines[r * STRIDE] == (here ? r + 100 : 0);
    }
    ls_job_barrier(job);
    return ok;
}

static void nodes_share_and_others_do_not(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 3; per_node++) {
        ls_job *job;
        LS_CHECK(ls_job_split(ls_world, 0, per_node, &job) == LS_OK);
        const size_t n = (size_t)ls_job_size(job) * 64 + 3 * 4096;
        for (int i = 0; i < 2; i++) { /* memory of a window that is gone must not come back */
            ls_window *window;
            LS_CHECK(ls_window_create(job, n, "a test", &window) == LS_OK);
            unsigned char *memory = ls_window_memory(window);
            LS_CHECK((uintptr_t)memory % 64 == 0 && is_zero(memory, n));
            LS_CHECK(n_segments() == 0);
            LS_CHECK(node_shares(job, (int *)memory));
            memory[n - 1] = 1;
            ls_window_destroy(&window);
            LS_CHECK(window == NULL);
        }
        ls_job_destroy(&job);
    }
}

static void sizes_from_nothing_up(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ls_window *window;
        LS_CHECK(ls_window_create(ls_world, sizes[i], "a test", &window) == LS_OK);
        unsigned char *memory = ls_window_memory(window);
        LS_CHECK(memory != NULL && is_zero(memory, sizes[i]));
        if (sizes[i] > 0 && ls_job_rank(ls_world) == 0) memory[sizes[i] - 1] = 9;
        ls_job_barrier(ls_world);
        LS_CHECK(sizes[i] == 0 || memory[sizes[i] - 1] == 9);
        ls_window_destroy(&window);
    }
}

static bool same_sentence(const ls_job *job)
{
    char text[1024] = "";
    snprintf(text, sizeof text, "%s", ls_status_message());
    const bool named = strstr(text, "the huge thing") != NULL && strstr(text, "/dev/shm") != NULL;
    return ls_job_same(job, text, sizeof text, LS_EINTERNAL, "sentences differ") == LS_OK && named;
}

static void too_large_is_an_error_everywhere(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 3; per_node++) {
        ls_job *job;
        LS_CHECK(ls_job_split(ls_world, 0, per_node, &job) == LS_OK);
        ls_window *window = (ls_window *)job; /* must be nulled */
        LS_CHECK(ls_window_create(job, (size_t)1 << 50, "the huge thing", &window) == LS_ENOMEM);
        LS_CHECK(window == NULL && same_sentence(job));
        LS_CHECK(n_segments() == 0);
        LS_CHECK(ls_window_create(job, 100, "a small thing", &window) == LS_OK);
        ls_window_destroy(&window);
        ls_job_destroy(&job);
    }
}

/* Nodes ask for different sizes; the last one's is impossible: the others must give theirs back. */
static void one_node_without_memory_fails_all(void **state)
{
    (void)state;
    ls_job *job;
    LS_CHECK(ls_job_split(ls_world, 0, 1, &job) == LS_OK);
    const bool last = ls_job_rank(job) == ls_job_size(job) - 1;
    ls_window *window;
    LS_CHECK(ls_window_create(job, last ? (size_t)1 << 50 : 4096, "the huge thing", &window) == LS_ENOMEM);
    LS_CHECK(window == NULL && same_sentence(job) && n_segments() == 0);
    ls_job_destroy(&job);
}

/* In /dev/shm, by rank 0; with a lock, as its maker holds it. */
static int make_file(const char *name, bool locked)
{
    const int fd = shm_open(name, O_RDWR | O_CREAT, 0600);
    if (fd >= 0 && locked) flock(fd, LOCK_EX);
    return fd;
}

static bool is_there(const char *name)
{
    const int fd = shm_open(name, O_RDONLY, 0);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

/* What a killed maker left goes with the next window; what somebody holds, or a file of another name, stays. */
static void stale_segments_are_removed(void **state)
{
    (void)state;
    char stale[64], held[64], other[64];
    int fd[3] = {-1, -1, -1};
    const bool first = ls_job_rank(ls_world) == 0;
    snprintf(stale, sizeof stale, "/lockstep-%d-0-5ca1e", (int)getpid());
    snprintf(held, sizeof held, "/lockstep-%d-1-4e1d", (int)getpid());
    snprintf(other, sizeof other, "/lockstep-%d.npy", (int)getpid());
    if (first) fd[0] = make_file(stale, false);
    if (first) fd[1] = make_file(held, true);
    if (first) fd[2] = make_file(other, false);
    LS_CHECK(!first || (fd[0] >= 0 && fd[1] >= 0 && fd[2] >= 0));
    ls_window *window;
    LS_CHECK(ls_window_create(ls_world, 100, "a test", &window) == LS_OK);
    ls_window_destroy(&window);
    LS_CHECK(!first || (!is_there(stale) && is_there(held) && is_there(other)));
    for (int i = 0; first && i < 3; i++) close(fd[i]);
    LS_CHECK(ls_window_create(ls_world, 100, "a test", &window) == LS_OK); /* the lock has ended with its holder */
    ls_window_destroy(&window);
    LS_CHECK(!first || (!is_there(held) && is_there(other)));
    if (first) shm_unlink(other);
    ls_job_barrier(ls_world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nodes_share_and_others_do_not),    cmocka_unit_test(sizes_from_nothing_up),
    cmocka_unit_test(too_large_is_an_error_everywhere), cmocka_unit_test(one_node_without_memory_fails_all),
    cmocka_unit_test(stale_segments_are_removed),
};

LS_TEST_MAIN(tests)
