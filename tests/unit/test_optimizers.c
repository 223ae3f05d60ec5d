/* The conformance suite of the optimizer registry: trajectories against PyTorch's documented formulas in double. */
#include "model_bench.h"
#include "optim/registry.h"

enum { N_STEPS = 50, MAX_N = 4096, PLACES = 3 };

/* What a case says, as PyTorch's constructor would be told. */
typedef struct optimizer_case {
    const char *yaml, *name;
    double lr, weight_decay, momentum, beta1, beta2, eps;
} optimizer_case;

static const optimizer_case cases[] = {
    {"{name: sgd, lr: 0.05}", "sgd", 0.05, 0, 0, 0, 0, 0},
    {"{name: sgd, lr: 0.05, weight_decay: 0.1}", "sgd", 0.05, 0.1, 0, 0, 0, 0},
    {"{name: momentum, lr: 0.02}", "momentum", 0.02, 0, 0.9, 0, 0, 0},
    {"{name: momentum, lr: 0.02, momentum: 0.5, weight_decay: 0.1}", "momentum", 0.02, 0.1, 0.5, 0, 0, 0},
    {"{lr: 0.02}", "momentum", 0.02, 0, 0.9, 0, 0, 0},
    {"{name: nesterov, lr: 0.02}", "nesterov", 0.02, 0, 0.9, 0, 0, 0},
    {"{name: nesterov, lr: 0.02, momentum: 0.5, weight_decay: 0.1}", "nesterov", 0.02, 0.1, 0.5, 0, 0, 0},
    {"{name: adam, lr: 0.01}", "adam", 0.01, 0, 0, 0.9, 0.999, 1e-8},
    {"{name: adam, lr: 0.01, beta1: 0.7, beta2: 0.9, eps: 0.1, weight_decay: 0.1}", "adam", 0.01, 0.1, 0, 0.7, 0.9,
     0.1},
    /* PyTorch decays by 0.01 unless told otherwise */
    {"{name: adamw, lr: 0.01}", "adamw", 0.01, 0.01, 0, 0.9, 0.999, 1e-8},
    {"{name: adamw, lr: 0.01, beta1: 0.7, beta2: 0.9, eps: 0.1, weight_decay: 0.1}", "adamw", 0.01, 0.1, 0, 0.7, 0.9,
     0.1},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

/* One element: p and its state a, b after step t (from 1) with gradient g.  The documentation's names: theta, b, m, v.
 */
typedef void twin_step(const optimizer_case *c, double lr, double decay, int64_t t, double g, double *p, double *a,
                       double *b);

static void sgd_step(const optimizer_case *c, double lr, double decay, int64_t t, double g, double *p, double *a,
                     double *b)
{
    (void)c, (void)t, (void)a, (void)b;
    *p -= lr * (g + decay * *p);
}

/* torch.optim.SGD: b_1 = g_1 and b_t = mu b_(t-1) + g_t, dampening 0 */
static void momentum_step(const optimizer_case *c, double lr, double decay, int64_t t, double g, double *p, double *a,
                          double *b)
{
    (void)b;
    g += decay * *p;
    *a = t > 1 ? c->momentum * *a + g : g;
    *p -= lr * *a;
}

static void nesterov_step(const optimizer_case *c, double lr, double decay, int64_t t, double g, double *p, double *a,
                          double *b)
{
    (void)b;
    g += decay * *p;
    *a = t > 1 ? c->momentum * *a + g : g;
    *p -= lr * (g + c->momentum * *a);
}

static void adam_step(const optimizer_case *c, double lr, double decay, int64_t t, double g, double *p, double *a,
                      double *b)
{
    g += decay * *p;
    *a = c->beta1 * *a + (1.0 - c->beta1) * g;
    *b = c->beta2 * *b + (1.0 - c->beta2) * g * g;
    const double m = *a / (1.0 - pow(c->beta1, (double)t)), v = *b / (1.0 - pow(c->beta2, (double)t));
    *p -= lr * m / (sqrt(v) + c->eps);
}

static void adamw_step(const optimizer_case *c, double lr, double decay, int64_t t, double g, double *p, double *a,
                       double *b)
{
    *p -= lr * decay * *p;
    adam_step(c, lr, 0.0, t, g, p, a, b);
}

static const struct {
    const char *name;
    twin_step *step;
    int n_slots;
    const char *slot_name[2];
} optimizer_twins[] = {
    {"sgd", sgd_step, 0, {NULL, NULL}},
    {"momentum", momentum_step, 1, {"momentum_buffer", NULL}},
    {"nesterov", nesterov_step, 1, {"momentum_buffer", NULL}},
    {"adam", adam_step, 2, {"exp_avg", "exp_avg_sq"}},
    {"adamw", adamw_step, 2, {"exp_avg", "exp_avg_sq"}},
};
enum { N_OPTIMIZER_TWINS = sizeof optimizer_twins / sizeof optimizer_twins[0] };

static int twin_of(const char *name)
{
    for (int i = 0; i < N_OPTIMIZER_TWINS; i++)
        if (strcmp(optimizer_twins[i].name, name) == 0) return i;
    fail_msg("optimizer %s has no twin", name);
    return -1;
}

typedef struct bench {
    ls_node *spec;
    ls_optimizer *optimizer;
} bench;

static bench bench_create(const char *yaml)
{
    bench b = {.spec = parse(yaml)};
    if (ls_optimizer_create(b.spec, &b.optimizer) != LS_OK) fail_msg("%s: %s", yaml, ls_status_message());
    return b;
}

static void bench_destroy(bench *b)
{
    ls_optimizer_destroy(&b->optimizer);
    ls_node_destroy(&b->spec);
}

/* p and two slots of n elements, each with a guard behind it that nobody may write. */
typedef struct vectors {
    float *place[PLACES];
} vectors;

static const float guard = 77.0f;

static vectors vectors_create(int64_t n)
{
    vectors v;
    for (int i = 0; i < PLACES; i++) {
        v.place[i] = floats(n + 1);
        if (i == 0) fill(v.place[i], n, 5);
        v.place[i][n] = guard;
    }
    return v;
}

static void vectors_destroy(vectors *v)
{
    for (int i = 0; i < PLACES; i++) ls_free(v->place[i]);
}

static double lr_of(const optimizer_case *c, int64_t step)
{
    return c->lr * (1.0 + 0.3 * sin((double)step));
}

/* Gradients with a common direction per element, of sizes from 0.05 to 2, and exact zeros now and then. */
static void gradient(int64_t n, int64_t step, float *g)
{
    fill(g, n, 1000 + (uint64_t)step);
    for (int64_t i = 0; i < n; i++) g[i] = (i + step) % 13 == 0 ? 0.0f : g[i] + (float)(i % 3 - 1);
}

static void update_tile(const bench *b, bool is_bias, double lr, int64_t step, int64_t first, int64_t n, vectors *v,
                        const float *g)
{
    float *copy = floats(n);
    memcpy(copy, g + first, (size_t)n * sizeof *copy);
    ls_update update = {.n = n, .p = v->place[0] + first, .g = copy, .iteration = step, .lr = lr};
    for (int s = 0; s < b->optimizer->ops->n_slots; s++) update.slot[s] = v->place[1 + s] + first;
    ls_optimizer_update(b->optimizer, is_bias, &update);
    ls_free(copy);
}

/* N_STEPS updates in tiles of `tile` elements. */
static void run_product(const optimizer_case *c, const char *yaml, bool is_bias, int64_t n, int64_t tile, vectors *v)
{
    bench b = bench_create(yaml);
    float *g = floats(n);
    for (int64_t step = 0; step < N_STEPS; step++) {
        gradient(n, step, g);
        for (int64_t at = 0; at < n || at == 0; at += tile)
            update_tile(&b, is_bias, lr_of(c, step), step, at, at + tile < n ? tile : n - at, v, g);
    }
    ls_free(g);
    bench_destroy(&b);
}

/* The same updates by the twin, in double from the same start. */
static void run_twin(const optimizer_case *c, double decay, int64_t n, double *const place[PLACES])
{
    float *g = floats(n), *start = filled(n, 5);
    for (int64_t i = 0; i < n; i++) place[0][i] = start[i];
    for (int64_t step = 0; step < N_STEPS; step++) {
        gradient(n, step, g);
        for (int64_t i = 0; i < n; i++)
            optimizer_twins[twin_of(c->name)].step(c, lr_of(c, step), decay, step + 1, g[i], &place[0][i], &place[1][i],
                                                   &place[2][i]);
    }
    ls_free(g);
    ls_free(start);
}

/* Each of 50 steps rounds p, the state and up to six intermediates to half a unit: 4 units of their size a step, added
 * up as if all fell to one side. */
static void check_trajectory(const optimizer_case *c, const char *yaml, bool is_bias, double decay, int64_t n)
{
    vectors v = vectors_create(n);
    double *place[PLACES];
    for (int i = 0; i < PLACES; i++) place[i] = ls_calloc((size_t)n, sizeof **place);
    run_product(c, yaml, is_bias, n, MAX_N, &v);
    run_twin(c, decay, n, place);
    for (int i = 0; i < PLACES; i++) {
        for (int64_t j = 0; j < n; j++)
            assert_close(yaml, j, v.place[i][j], place[i][j], N_STEPS * 4.0 * FLT_EPSILON * (1.0 + fabs(place[i][j])));
        assert_true(v.place[i][n] == guard);
        ls_free(place[i]);
    }
    vectors_destroy(&v);
}

static void test_every_optimizer_has_twin_and_case(void **state)
{
    (void)state;
    for (int i = 0; ls__optimizers[i] != NULL; i++) {
        const ls_optimizer_ops *ops = ls__optimizers[i];
        const int row = twin_of(ops->name);
        bool seen = false, decays = false;
        for (int c = 0; c < N_CASES; c++)
            if (strcmp(cases[c].name, ops->name) == 0) seen = true, decays = decays || cases[c].weight_decay > 0;
        if (!seen || !decays) fail_msg("optimizer %s has no case with weight decay", ops->name);
        assert_non_null(ops->help);
        assert_int_equal(ops->n_slots, optimizer_twins[row].n_slots);
        for (int s = 0; s < ops->n_slots; s++)
            assert_string_equal(ops->slot_name[s], optimizer_twins[row].slot_name[s]);
    }
}

static void test_trajectory_equals_twin(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 15, MAX_N};
    for (int c = 0; c < N_CASES; c++)
        for (int i = 0; i < 4; i++) {
            check_trajectory(&cases[c], cases[c].yaml, false, cases[c].weight_decay, sizes[i]);
            check_trajectory(&cases[c], cases[c].yaml, true, cases[c].weight_decay, sizes[i]);
        }
}

static void test_bias_is_spared_weight_decay(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        ls_text yaml = {0};
        ls_text_printf(&yaml, "%.*s, decay_exclude: [bias]}", (int)strlen(cases[c].yaml) - 1, cases[c].yaml);
        check_trajectory(&cases[c], yaml.data, false, cases[c].weight_decay, 15);
        check_trajectory(&cases[c], yaml.data, true, 0.0, 15);
        ls_text_free(&yaml);
    }
}

/* Owners differ with the number of ranks, and with them the tiles: the bits must not (P2). */
static void test_tiles_do_not_change_bits(void **state)
{
    (void)state;
    static const int64_t tiles[] = {1, 16, 37, 1000};
    enum { N = 1003 };
    for (int c = 0; c < N_CASES; c++) {
        vectors whole = vectors_create(N);
        run_product(&cases[c], cases[c].yaml, false, N, MAX_N, &whole);
        for (int i = 0; i < 4; i++) {
            vectors parts = vectors_create(N);
            run_product(&cases[c], cases[c].yaml, false, N, tiles[i], &parts);
            for (int s = 0; s < PLACES; s++) assert_same_bits(cases[c].yaml, parts.place[s], whole.place[s], N + 1);
            vectors_destroy(&parts);
        }
        vectors_destroy(&whole);
    }
}

static void test_no_gradient_and_no_decay_change_nothing(void **state)
{
    (void)state;
    enum { N = 33 };
    for (int c = 0; c < N_CASES; c++) {
        if (cases[c].weight_decay > 0) continue;
        bench b = bench_create(cases[c].yaml);
        vectors v = vectors_create(N), before = vectors_create(N);
        float *zeros = floats(N);
        for (int64_t step = 0; step < 3; step++) update_tile(&b, false, 0.1, step, 0, N, &v, zeros);
        for (int s = 0; s < PLACES; s++) assert_same_bits(cases[c].yaml, v.place[s], before.place[s], N + 1);
        ls_free(zeros);
        vectors_destroy(&v);
        vectors_destroy(&before);
        bench_destroy(&b);
    }
}

static void refused(const char *yaml, const char *word, const char *other)
{
    ls_node *spec = parse(yaml);
    ls_optimizer *optimizer = (ls_optimizer *)spec;
    const ls_status status = ls_optimizer_create(spec, &optimizer);
    if (status != LS_EUSAGE) fail_msg("%s: status %d", yaml, status);
    assert_null(optimizer);
    assert_message(word);
    assert_message(other);
    ls_node_destroy(&spec);
}

static void test_refusals_name_place_and_reason(void **state)
{
    (void)state;
    refused("name: adma\nlr: 1\n", "test.yaml:1:1: unknown optimizer 'adma'", "did you mean 'adam'?");
    refused("name: sgd\nmomentum: 0.9\nlr: 0.1\n", "test.yaml:2:1: unknown key 'momentum'", "optimizer");
    refused("{name: adam, lr: 0.1, beta_1: 0.9}", "unknown key 'beta_1'", "did you mean 'beta1'?");
    refused("{name: sgd}", "needs the key 'lr'", "test.yaml:1:1");
    refused("{name: sgd, lr: -0.1}", "'lr' is -0.1", "from 0");
    refused("{name: sgd, lr: fast}", "'lr' must be a number", "fast");
    refused("{name: sgd, lr: nan}", "'lr' must be a number", "nan");
    refused("{name: sgd, lr: 0.1, weight_decay: -1}", "'weight_decay' is -1", "from 0");
    refused("{name: momentum, lr: 0.1, momentum: 1.5}", "'momentum' is 1.5", "to 1");
    refused("{name: adam, lr: 0.1, beta2: 1}", "'beta2' is 1", "allowed");
    refused("{name: sgd, lr: 0.1, decay_exclude: bias}", "must be a list", "[bias]");
    refused("{name: sgd, lr: 0.1, decay_exclude: [weight]}", "may name: bias", "test.yaml:1:");
    refused("[sgd]", "must be keys and values", "test.yaml:1:1");
    ls_optimizer_destroy(NULL);
}

static void test_specification_is_completed(void **state)
{
    (void)state;
    bench b = bench_create("{name: adam, lr: 0.1}");
    ls_node *expected = parse("{name: adam, lr: 0.1, weight_decay: 0, decay_exclude: [], beta1: 0.9, beta2: 0.999, "
                              "eps: 1e-8}");
    assert_true(ls_node_equal(b.spec, expected));
    ls_node_destroy(&expected);
    bench_destroy(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_optimizer_has_twin_and_case),
        cmocka_unit_test(test_trajectory_equals_twin),
        cmocka_unit_test(test_bias_is_spared_weight_decay),
        cmocka_unit_test(test_tiles_do_not_change_bits),
        cmocka_unit_test(test_no_gradient_and_no_decay_change_nothing),
        cmocka_unit_test(test_refusals_name_place_and_reason),
        cmocka_unit_test(test_specification_is_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
