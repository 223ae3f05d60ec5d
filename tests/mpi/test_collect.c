#include "mpi_test.h"

#include "base/mem.h"
#include "lockstep/exchange.h"

/* Three tensors; the first is long enough for several pieces of 64 blocks from one owner. */
enum { N_TENSORS = 3, LONG = 131 * 4096 + 5, N_SHARDS = 3 };

typedef struct bench {
    ls_job *job;
    ls_exchange *exchange;
    ls_span tensor[N_TENSORS];
    int64_t n_floats;
    float *slice;
    int64_t *place; /* [n_floats] where an element lies in the slice; -1: not here */
    /* rank 0's side of a transfer */
    int64_t at, end; /* where the next piece must begin, and the tensor ends */
    int n_pieces, fail_at;
    bool ok;
} bench;

static float value(int64_t element)
{
    return (float)(element % 1000003) + 0.25f;
}

static void note_place(void *context, const ls_tile *tile)
{
    const bench *b = context;
    for (int64_t i = 0; i < tile->n; i++) b->place[tile->first + i] = tile->slice_first + i;
}

static void set_up(bench *b, int per_node)
{
    static const int64_t sizes[N_TENSORS] = {LONG, 17, 2 * 4096};
    *b = (bench){.ok = true, .fail_at = -1};
    for (int t = 0; t < N_TENSORS; t++) {
        b->tensor[t] = (ls_span){.first = b->n_floats, .n = sizes[t]};
        b->n_floats += ls_pad_floats(sizes[t]);
    }
    LS_CHECK(ls_job_split(ls_world, 0, per_node, &b->job) == LS_OK);
    const ls_exchange_options options = {.n_shards = N_SHARDS, .bucket_floats = per_node % 2 * 4096};
    LS_CHECK(ls_exchange_create(b->job, b->tensor, N_TENSORS, b->n_floats, &options, &b->exchange) == LS_OK);
    b->slice = ls_calloc((size_t)ls_exchange_slice_size(b->exchange), sizeof(float));
    b->place = ls_calloc((size_t)b->n_floats, sizeof *b->place);
    for (int64_t i = 0; i < b->n_floats; i++) b->place[i] = -1;
    ls_exchange_each(b->exchange, note_place, b);
}

static void tear_down(bench *b)
{
    ls_free(b->slice);
    ls_free(b->place);
    ls_exchange_destroy(&b->exchange);
    ls_job_destroy(&b->job);
}

/* Pieces come in order and without gaps, on rank 0 only. */
static ls_status next(bench *b, int64_t first, int64_t n)
{
    b->ok = b->ok && first == b->at && n > 0 && first + n <= b->end && ls_job_rank(b->job) == 0;
    b->at = first + n;
    if (b->n_pieces++ == b->fail_at) return ls_status_fail(LS_EOUTPUT, __FILE__, __LINE__, "no room");
    return LS_OK;
}

static ls_status give(void *context, int64_t first, int64_t n, float *data)
{
    for (int64_t i = 0; i < n; i++) data[i] = value(first + i);
    return next(context, first, n);
}

static ls_status take(void *context, int64_t first, int64_t n, float *data)
{
    bench *b = context;
    for (int64_t i = 0; i < n; i++) b->ok = b->ok && data[i] == value(first + i);
    return next(b, first, n);
}

static void begin(bench *b, int tensor)
{
    b->at = b->tensor[tensor].first;
    b->end = b->at + b->tensor[tensor].n;
    b->n_pieces = 0;
}

static bool all_came(const bench *b)
{
    return b->ok && (ls_job_rank(b->job) == 0 ? b->at == b->end : b->n_pieces == 0);
}

/* Every element of the slice that belongs to a tensor has its value. */
static bool slice_is_right(const bench *b)
{
    bool ok = true;
    for (int t = 0; t < N_TENSORS; t++)
        for (int64_t e = b->tensor[t].first; e < b->tensor[t].first + b->tensor[t].n; e++)
            ok = ok && (b->place[e] < 0 || b->slice[b->place[e]] == value(e));
    return ok;
}

static void dealt_and_collected_again(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 3; per_node++) {
        bench b;
        set_up(&b, per_node);
        for (int t = 0; t < N_TENSORS; t++) {
            begin(&b, t);
            LS_CHECK(ls_exchange_deal(b.exchange, t, b.slice, give, &b) == LS_OK);
            LS_CHECK(all_came(&b));
        }
        LS_CHECK(slice_is_right(&b));
        for (int t = N_TENSORS - 1; t >= 0; t--) {
            begin(&b, t);
            LS_CHECK(ls_exchange_collect(b.exchange, t, b.slice, take, &b) == LS_OK);
            LS_CHECK(all_came(&b));
        }
        tear_down(&b);
    }
}

/* A sink or source that fails is not called again, and no rank is left waiting. */
static void failures_leave_nobody_waiting(void **state)
{
    (void)state;
    bench b;
    set_up(&b, 2);
    const ls_status expected = ls_job_rank(b.job) == 0 ? LS_EOUTPUT : LS_OK;
    for (int fail_at = 0; fail_at <= 2; fail_at++) {
        b.fail_at = fail_at;
        begin(&b, 0);
        LS_CHECK(ls_exchange_deal(b.exchange, 0, b.slice, give, &b) == expected);
        LS_CHECK(b.n_pieces == (ls_job_rank(b.job) == 0 ? fail_at + 1 : 0));
        b.fail_at = -1;
        begin(&b, 0);
        LS_CHECK(ls_exchange_deal(b.exchange, 0, b.slice, give, &b) == LS_OK && all_came(&b));
        b.fail_at = fail_at;
        begin(&b, 0);
        LS_CHECK(ls_exchange_collect(b.exchange, 0, b.slice, take, &b) == expected);
    }
    tear_down(&b);
}

static bool params_are_everywhere(const bench *b, float shift)
{
    const float *params = ls_exchange_params(b->exchange);
    bool ok = true;
    for (int t = 0; t < N_TENSORS; t++)
        for (int64_t e = b->tensor[t].first; e < b->tensor[t].first + b->tensor[t].n; e++)
            ok = ok && params[e] == value(e) + shift;
    return ok;
}

static void owners_publish(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 3; per_node++) {
        bench b;
        set_up(&b, per_node);
        float *params = ls_exchange_params(b.exchange);
        for (int i = 0; i < 3; i++) {
            for (int64_t e = 0; e < b.n_floats; e++)
                if (b.place[e] >= 0) params[e] = value(e) + (float)i;
            ls_exchange_publish(b.exchange);
            LS_CHECK(params_are_everywhere(&b, (float)i));
        }
        tear_down(&b);
    }
}

static void root_publishes(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 3; per_node++) {
        bench b;
        set_up(&b, per_node);
        float *params = ls_exchange_params(b.exchange);
        for (int i = 0; i < 3; i++) {
            for (int64_t e = 0; ls_job_rank(b.job) == 0 && e < b.n_floats; e++) params[e] = value(e) + (float)i;
            ls_exchange_publish_root(b.exchange);
            LS_CHECK(params_are_everywhere(&b, (float)i));
        }
        tear_down(&b);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(dealt_and_collected_again),
    cmocka_unit_test(failures_leave_nobody_waiting),
    cmocka_unit_test(owners_publish),
    cmocka_unit_test(root_publishes),
};

LS_TEST_MAIN(tests)
