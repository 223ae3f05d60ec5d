#include "mpi_test.h"

#include "base/mem.h"

static int world_rank(void)
{
    return ls_job_rank(ls_world);
}

static int world_size(void)
{
    return ls_job_size(ls_world);
}

/* The arithmetic of nodes, and the same table on every rank. */
static bool nodes_are_consistent(const ls_job *job)
{
    const int size = ls_job_size(job), rank = ls_job_rank(job), node = ls_job_node(job), n = ls_job_n_nodes(job);
    bool ok = rank >= 0 && rank < size && node >= 0 && node < n && n <= size;
    ok = ok && ls_job_node_first(job, 0) == 0 && ls_job_node_first(job, n) == size;
    for (int i = 0; i < n; i++) {
        ok = ok && ls_job_local_size(job, i) >= 1;
        ok = ok && ls_job_local_size(job, i) == ls_job_node_first(job, i + 1) - ls_job_node_first(job, i);
    }
    ok = ok && ls_job_node_first(job, node) <= rank && rank < ls_job_node_first(job, node + 1);
    ok = ok && ls_job_local_rank(job) == rank - ls_job_node_first(job, node);
    int table[64] = {0};
    for (int i = 0; i <= n; i++) table[i] = ls_job_node_first(job, i);
    return ls_job_same(job, table, sizeof table, LS_EINTERNAL, "tables of nodes") == LS_OK && ok;
}

static void world_is_one_node(void **state)
{
    (void)state;
    LS_CHECK(nodes_are_consistent(ls_world));
    LS_CHECK(ls_job_n_nodes(ls_world) == 1);
    LS_CHECK(ls_job_host_ranks(ls_world) == world_size());
    LS_CHECK(ls_job_host_cores(ls_world) >= 1);
}

static void split_makes_small_nodes(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 4; per_node++) {
        ls_job *job;
        LS_CHECK(ls_job_split(ls_world, 0, per_node, &job) == LS_OK);
        const int k = per_node > 0 ? per_node : world_size();
        LS_CHECK(nodes_are_consistent(job));
        LS_CHECK(ls_job_size(job) == world_size() && ls_job_rank(job) == world_rank());
        LS_CHECK(ls_job_n_nodes(job) == (world_size() + k - 1) / k);
        LS_CHECK(ls_job_node(job) == world_rank() / k && ls_job_local_rank(job) == world_rank() % k);
        LS_CHECK(ls_job_host_ranks(job) == world_size());
        ls_job_destroy(&job);
        LS_CHECK(job == NULL);
    }
}

/* Groups by rank modulo n_groups: interleaved, so that new numbers differ from old ones. */
static void check_groups(int n_groups, int per_node)
{
    const int group = world_rank() % n_groups;
    const int size = (world_size() - group + n_groups - 1) / n_groups;
    ls_job *job;
    LS_CHECK(ls_job_split(ls_world, group, per_node, &job) == LS_OK);
    LS_CHECK(nodes_are_consistent(job));
    LS_CHECK(ls_job_size(job) == size && ls_job_rank(job) == world_rank() / n_groups);
    LS_CHECK(ls_job_host_ranks(job) == world_size());
    LS_CHECK(ls_job_max(job, world_rank()) == group + (size - 1) * n_groups);
    ls_job *inner; /* groups split again, as a study does */
    LS_CHECK(ls_job_split(job, ls_job_rank(job) / 2, 1, &inner) == LS_OK);
    LS_CHECK(ls_job_size(inner) <= 2 && ls_job_n_nodes(inner) == ls_job_size(inner));
    LS_CHECK(nodes_are_consistent(inner));
    ls_job_destroy(&inner);
    ls_job_destroy(&job);
}

static void groups_are_jobs_of_their_own(void **state)
{
    (void)state;
    for (int n_groups = 1; n_groups <= 3; n_groups++)
        for (int per_node = 0; per_node <= 3; per_node++) check_groups(n_groups, per_node);
}

static ls_status fail_here(void)
{
    return ls_status_fail(LS_EDATA, __FILE__, __LINE__, "sentence of %d", world_rank());
}

static bool sentence_is(int failed)
{
    char expected[64];
    if (failed == 0)
        snprintf(expected, sizeof expected, "sentence of 0");
    else
        snprintf(expected, sizeof expected, "rank %d: sentence of %d", failed, failed);
    return strcmp(ls_status_message(), expected) == 0;
}

static void agreement_on_success(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) LS_CHECK(ls_job_agree(ls_world, LS_OK) == LS_OK);
}

static void agreement_names_the_rank_that_failed(void **state)
{
    (void)state;
    for (int failed = 0; failed < world_size(); failed++) {
        const ls_status status = ls_job_agree(ls_world, world_rank() == failed ? fail_here() : LS_OK);
        LS_CHECK(status == LS_EDATA && sentence_is(failed));
    }
}

static void agreement_takes_the_lowest_rank(void **state)
{
    (void)state;
    for (int failed = 0; failed < world_size(); failed++) {
        ls_status mine = LS_OK;
        if (world_rank() >= failed) mine = fail_here();
        if (world_rank() > failed) mine = LS_EOUTPUT; /* a higher rank's other status does not count */
        LS_CHECK(ls_job_agree(ls_world, mine) == LS_EDATA && sentence_is(failed));
    }
}

/* The place of an error travels beside its sentence, also when it is agreed on twice. */
static void agreement_keeps_the_place_of_errors(void **state)
{
    (void)state;
    const int last = world_size() - 1;
    ls_status status = LS_OK;
    if (world_rank() == last) status = ls_status_fail(LS_EINTERNAL, "src/there.c", 42, "sentence of %d", last);
    for (int i = 0; i < 2; i++) {
        status = ls_job_agree(ls_world, status);
        LS_CHECK(status == LS_EINTERNAL && sentence_is(last));
        LS_CHECK(strcmp(ls_status_where(), "there.c:42") == 0);
    }
}

static void agreement_survives_long_sentences(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    const int last = world_size() - 1;
    ls_status status = LS_OK;
    if (world_rank() == last) status = ls_status_fail(LS_EUSAGE, __FILE__, __LINE__, "%s", text);
    LS_CHECK(ls_job_agree(ls_world, status) == LS_EUSAGE);
    LS_CHECK(strlen(ls_status_message()) > 900 && strlen(ls_status_message()) < 1024);
}

static unsigned char byte_at(int root, size_t i)
{
    return (unsigned char)(i * 31 + (i >> 8) + (unsigned)root * 7 + 1);
}

static bool holds(const unsigned char *bytes, size_t n, int root)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != byte_at(root, i)) return false;
    return true;
}

static void broadcast_copies_from_any_root(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 4097, (1 << 20) + 13};
    for (int root = 0; root < world_size(); root++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const size_t n = sizes[i];
            unsigned char *bytes = ls_calloc(n + 1, 1);
            for (size_t j = 0; world_rank() == root && j < n; j++) bytes[j] = byte_at(root, j);
            bytes[n] = 0xA5;
            ls_job_broadcast(ls_world, root, bytes, n);
            LS_CHECK(holds(bytes, n, root) && bytes[n] == 0xA5);
            ls_free(bytes);
        }
}

static void broadcast_block_brings_its_own_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, (3 << 20) + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *block = NULL;
        size_t n = world_rank() == 0 ? sizes[i] : 77;
        if (world_rank() == 0) block = ls_calloc(n + 1, 1);
        for (size_t j = 0; world_rank() == 0 && j < n; j++) block[j] = (char)byte_at(0, j);
        LS_CHECK(ls_job_broadcast_block(ls_world, &block, &n) == LS_OK);
        LS_CHECK(n == sizes[i] && block != NULL && holds((unsigned char *)block, n, 0) && block[n] == 0);
        ls_free(block);
    }
    char *none = NULL;
    size_t n = 0;
    LS_CHECK(ls_job_broadcast_block(ls_world, &none, &n) == LS_ENOMEM);
    ls_free(none);
}

static void same_finds_one_other_byte(void **state)
{
    (void)state;
    unsigned char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = byte_at(0, i);
    LS_CHECK(ls_job_same(ls_world, bytes, sizeof bytes, LS_EREPLICA, "bytes") == LS_OK);
    LS_CHECK(ls_job_same(ls_world, bytes, 0, LS_EREPLICA, "nothing") == LS_OK);
    for (int odd = 1; odd < world_size(); odd++) {
        bytes[299] ^= (unsigned char)(world_rank() == odd);
        LS_CHECK(ls_job_same(ls_world, bytes, sizeof bytes, LS_EREPLICA, "the bytes differ") == LS_EREPLICA);
        char expected[64];
        snprintf(expected, sizeof expected, "rank %d: the bytes differ", odd);
        LS_CHECK(strcmp(ls_status_message(), expected) == 0);
        bytes[299] ^= (unsigned char)(world_rank() == odd);
    }
}

/* Rank r gives (r + shift) % 3 numbers: some ranks give none. */
static void gather_all_is_in_rank_order(void **state)
{
    (void)state;
    for (int shift = 0; shift < 3; shift++) {
        int counts[64], total = 0, before = 0;
        for (int r = 0; r < world_size(); r++) {
            counts[r] = (r + shift) % 3;
            if (r < world_rank()) before += counts[r];
            total += counts[r];
        }
        double mine[3], all[256];
        for (int i = 0; i < counts[world_rank()]; i++) mine[i] = 0.1 * (before + i);
        ls_job_gather_all(ls_world, mine, counts, all);
        bool ok = true;
        for (int i = 0; i < total; i++) ok = ok && all[i] == 0.1 * i;
        LS_CHECK(ok);
    }
}

static void max_of_all(void **state)
{
    (void)state;
    for (int top = 0; top < world_size(); top++)
        LS_CHECK(ls_job_max(ls_world, world_rank() == top ? -1.0 : -2.0) == -1.0);
}

/* The top bit counts: words are not signed. */
static void max_of_words(void **state)
{
    (void)state;
    const uint64_t r = (uint64_t)world_rank(), last = (uint64_t)world_size() - 1, top = UINT64_C(1) << 63;
    uint64_t words[] = {r, top + r, ~r, r == last ? top : 5, 0};
    ls_job_max_words(ls_world, words, 5);
    LS_CHECK(words[0] == last && words[1] == top + last && words[2] == UINT64_MAX && words[3] == top && words[4] == 0);
}

static void root_sends_and_receives(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 8, 1 << 20};
    for (int other = 0; other < world_size(); other++)
        for (size_t i = 0; i < 3; i++) {
            const size_t n = sizes[i];
            unsigned char *bytes = ls_calloc(n, 1);
            const bool mine = world_rank() == other, takes_part = mine || world_rank() == 0;
            for (size_t j = 0; mine && j < n; j++) bytes[j] = byte_at(other, j);
            if (takes_part) ls_job_send_to_root(ls_world, other, bytes, n);
            LS_CHECK(!takes_part || holds(bytes, n, other));
            for (size_t j = 0; world_rank() == 0 && j < n; j++) bytes[j] = byte_at(other + 1, j);
            if (takes_part) ls_job_send_from_root(ls_world, other, bytes, n);
            LS_CHECK(!takes_part || holds(bytes, n, other + 1));
            ls_free(bytes);
        }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(world_is_one_node),
    cmocka_unit_test(split_makes_small_nodes),
    cmocka_unit_test(groups_are_jobs_of_their_own),
    cmocka_unit_test(agreement_on_success),
    cmocka_unit_test(agreement_names_the_rank_that_failed),
    cmocka_unit_test(agreement_takes_the_lowest_rank),
    cmocka_unit_test(agreement_keeps_the_place_of_errors),
    cmocka_unit_test(agreement_survives_long_sentences),
    cmocka_unit_test(broadcast_copies_from_any_root),
    cmocka_unit_test(broadcast_block_brings_its_own_size),
    cmocka_unit_test(same_finds_one_other_byte),
    cmocka_unit_test(gather_all_is_in_rank_order),
    cmocka_unit_test(max_of_all),
    cmocka_unit_test(max_of_words),
    cmocka_unit_test(root_sends_and_receives),
};

LS_TEST_MAIN(tests)
