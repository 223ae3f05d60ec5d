#include "mpi_test.h"

#include "comm/barrier.h"

enum { STRIDE = 16 };

typedef struct arena {
    ls_barrier barrier, other;
    int line[]; /* [rank * STRIDE]: rounds that the rank has begun; plain memory, ordered by the barrier alone */
} arena;

static void delay(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    for (volatile uint32_t i = 0; i < *random >> 24; i++) continue;
}

/* Every rank counts, meets, and must see all counts equal to the round; it meets again before it counts on. */
static int64_t wrong_rounds(const ls_job *job, arena *a, int n_rounds, int spins)
{
    const unsigned n = (unsigned)ls_job_local_size(job, ls_job_node(job));
    const int me = ls_job_local_rank(job);
    uint32_t random = (uint32_t)me + 1;
    int64_t wrong = 0;
    for (int round = 1; round <= n_rounds; round++) {
        delay(&random);
        a->line[me * STRIDE] = round;
        ls_barrier_wait(&a->barrier, n, spins);
        for (unsigned r = 0; r < n; r++) wrong += a->line[r * STRIDE] != round;
        if (round % 3 == 0) delay(&random);
        ls_barrier_wait(round % 2 ? &a->other : &a->barrier, n, spins);
    }
    return wrong;
}

static void check_rounds(int per_node, int n_rounds, int spins)
{
    ls_job *job;
    ls_window *window;
    LS_CHECK(ls_job_split(ls_world, 0, per_node, &job) == LS_OK);
    const size_t bytes = sizeof(arena) + (size_t)ls_job_size(job) * STRIDE * sizeof(int);
    LS_CHECK(ls_window_create(job, bytes, "barriers", &window) == LS_OK);
    LS_CHECK(wrong_rounds(job, ls_window_memory(window), n_rounds, spins) == 0);
    ls_window_destroy(&window);
    ls_job_destroy(&job);
}

static void nobody_overtakes_when_yielding(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 3; per_node++) check_rounds(per_node, 2000, 0);
}

static void nobody_overtakes_when_spinning(void **state)
{
    (void)state;
    check_rounds(0, 2000, 50);
    check_rounds(0, ls_job_host_ranks(ls_world) > ls_job_host_cores(ls_world) ? 100 : 2000, 20000);
}

/* The counter of generations may wrap around. */
static void generations_wrap(void **state)
{
    (void)state;
    ls_window *window;
    const size_t bytes = sizeof(arena) + (size_t)ls_job_size(ls_world) * STRIDE * sizeof(int);
    LS_CHECK(ls_window_create(ls_world, bytes, "barriers", &window) == LS_OK);
    arena *a = ls_window_memory(window);
    if (ls_job_rank(ls_world) == 0) atomic_store(&a->barrier.generation, UINT32_MAX - 20);
    ls_job_barrier(ls_world);
    LS_CHECK(wrong_rounds(ls_world, a, 100, 0) == 0);
    ls_window_destroy(&window);
}

static void spins_only_when_every_rank_has_a_core(void **state)
{
    (void)state;
    LS_CHECK(ls_barrier_spins(3, 2) == 0);
    LS_CHECK(ls_barrier_spins(2, 2) > 0);
    LS_CHECK(ls_barrier_spins(1, 64) > 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nobody_overtakes_when_yielding),
    cmocka_unit_test(nobody_overtakes_when_spinning),
    cmocka_unit_test(generations_wrap),
    cmocka_unit_test(spins_only_when_every_rank_has_a_core),
};

LS_TEST_MAIN(tests)
