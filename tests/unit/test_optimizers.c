/* The conformance suite of the optimizer registry: trajectories against twins in double. */
#include "optim/registry.h"
#include "optimizer_cases.h"

enum { N_STEPS = 50, MAX_N = 4096, PLACES = 1 + TWIN_SLOTS };

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

/* p and three slots of n elements, each with a guard behind it that nobody may write. */
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

/* The second pass gets norms as the exchange would add them, but from whole vectors, whatever the tiles. */
static double norm_of_floats(const float *x, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sqrt(sum);
}

static ls_update tile_of(const bench *b, ls_kinds kind, double lr, int64_t step, int64_t first, int64_t n, vectors *v,
                         float *g)
{
    ls_update update = {.n = n, .p = v->place[0] + first, .g = g + first, .iteration = step, .lr = lr, .kind = kind};
    for (int s = 0; s < b->optimizer->n_slots; s++) update.slot[s] = v->place[1 + s] + first;
    return update;
}

/* One update of n elements in tiles; g is overwritten. */
static void step_tiles(const bench *b, ls_kinds kind, double lr, int64_t step, int64_t n, int64_t tile, vectors *v,
                       float *g)
{
    double p_norm = 0.0, step_norm = 0.0;
    if (ls_optimizer_prepares(b->optimizer)) {
        const double before = norm_of_floats(v->place[0], n);
        ls_squares squares, sum = {0};
        for (int64_t at = 0; at < n || at == 0; at += tile) {
            ls_update u = tile_of(b, kind, lr, step, at, at + tile < n ? tile : n - at, v, g);
            ls_optimizer_prepare(b->optimizer, &u, &squares);
            sum.p += squares.p;
            sum.step += squares.step;
        }
        p_norm = norm_of_floats(v->place[0], n);
        step_norm = norm_of_floats(g, n);
        assert_true(p_norm == before); /* parameters wait for the second pass */
        assert_close("|p|", step, sqrt(sum.p), p_norm, 1e-12 * p_norm);
        assert_close("|step|", step, sqrt(sum.step), step_norm, 1e-12 * step_norm);
    }
    for (int64_t at = 0; at < n || at == 0; at += tile) {
        ls_update u = tile_of(b, kind, lr, step, at, at + tile < n ? tile : n - at, v, g);
        u.p_norm = p_norm;
        u.step_norm = step_norm;
        ls_optimizer_update(b->optimizer, &u);
    }
}

/* N_STEPS updates in tiles of `tile` elements. */
static void run_product(const optimizer_case *c, const char *yaml, ls_kinds kind, int64_t n, int64_t tile, vectors *v)
{
    bench b = bench_create(yaml);
    float *g = floats(n);
    for (int64_t step = 0; step < N_STEPS; step++) {
        gradient(n, step, g);
        step_tiles(&b, kind, lr_of(c, step), step, n, tile, v, g);
    }
    ls_free(g);
    bench_destroy(&b);
}

/* The same updates by the twin, in double from the same start. */
static void run_twin(const optimizer_case *c, double decay, bool adapts, int64_t n, double *place[PLACES])
{
    float *g = floats(n), *start = filled(n, 5);
    double *wide = ls_calloc((size_t)n, sizeof *wide);
    for (int64_t i = 0; i < n; i++) place[0][i] = start[i];
    for (int64_t step = 0; step < N_STEPS; step++) {
        gradient(n, step, g);
        for (int64_t i = 0; i < n; i++) wide[i] = g[i];
        const twin_step s = {c, lr_of(c, step), decay, step + 1, n, wide, place[0], place + 1, adapts};
        optimizer_twins[twin_of(c->name)].step(&s);
    }
    ls_free(g);
    ls_free(wide);
    ls_free(start);
}

/* Each of 50 steps rounds p, the state and up to six intermediates to half a unit: 4 units of their size a step, added
 * up as if all fell to one side. */
static void check_trajectory(const optimizer_case *c, const char *yaml, ls_kinds kind, double decay, bool adapts,
                             int64_t n)
{
    vectors v = vectors_create(n);
    double *place[PLACES];
    for (int i = 0; i < PLACES; i++) place[i] = ls_calloc((size_t)n, sizeof **place);
    run_product(c, yaml, kind, n, MAX_N, &v);
    run_twin(c, decay, adapts, n, place);
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
        bool seen = false, decays = false;
        twin_of(ops->name);
        for (int c = 0; c < N_CASES; c++)
            if (strcmp(cases[c].name, ops->name) == 0) seen = true, decays = decays || cases[c].weight_decay > 0;
        if (!seen || !decays) fail_msg("optimizer %s has no case with weight decay", ops->name);
        assert_non_null(ops->help);
    }
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_create(cases[c].yaml);
        char slots[128] = "";
        for (int s = 0; s < b.optimizer->n_slots; s++)
            snprintf(slots + strlen(slots), sizeof slots - strlen(slots), "%s%s", s ? " " : "",
                     b.optimizer->slot_name[s]);
        assert_string_equal(slots, cases[c].slots);
        bench_destroy(&b);
    }
}

static const ls_kinds weight, bias = {.bias = true}, norm = {.norm = true}, shift = {.bias = true, .norm = true};

static void test_trajectory_equals_twin(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 15, MAX_N};
    for (int c = 0; c < N_CASES; c++)
        for (int i = 0; i < 4; i++) {
            check_trajectory(&cases[c], cases[c].yaml, weight, cases[c].weight_decay, true, sizes[i]);
            check_trajectory(&cases[c], cases[c].yaml, shift, cases[c].weight_decay, true, sizes[i]);
        }
}

static void test_kinds_are_spared_weight_decay(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        ls_text yaml = {0}, both = {0};
        const double decay = cases[c].weight_decay;
        ls_text_printf(&yaml, "%.*s, decay_exclude: [bias]}", (int)strlen(cases[c].yaml) - 1, cases[c].yaml);
        check_trajectory(&cases[c], yaml.data, weight, decay, true, 15);
        check_trajectory(&cases[c], yaml.data, norm, decay, true, 15);
        check_trajectory(&cases[c], yaml.data, bias, 0.0, true, 15);
        check_trajectory(&cases[c], yaml.data, shift, 0.0, true, 15);
        ls_text_printf(&both, "%.*s, decay_exclude: [norm, bias]}", (int)strlen(cases[c].yaml) - 1, cases[c].yaml);
        check_trajectory(&cases[c], both.data, weight, decay, true, 15);
        check_trajectory(&cases[c], both.data, norm, 0.0, true, 15);
        check_trajectory(&cases[c], both.data, bias, 0.0, true, 15);
        ls_text_free(&yaml);
        ls_text_free(&both);
    }
}

static void test_kinds_are_spared_the_trust_ratio(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        const bool has_ratio = strcmp(cases[c].name, "lars") == 0 || strcmp(cases[c].name, "lamb") == 0;
        if (!has_ratio || cases[c].lr > 1) continue; /* without the ratio such a rate diverges */
        ls_text yaml = {0};
        ls_text_printf(&yaml, "%.*s, ratio_exclude: [norm]}", (int)strlen(cases[c].yaml) - 1, cases[c].yaml);
        check_trajectory(&cases[c], yaml.data, weight, cases[c].weight_decay, true, 15);
        check_trajectory(&cases[c], yaml.data, bias, cases[c].weight_decay, true, 15);
        check_trajectory(&cases[c], yaml.data, norm, cases[c].weight_decay, false, 15);
        ls_text_free(&yaml);
    }
}

/* A tensor of zeros, as a bias at the start, moves by the rate itself. */
static void test_zeros_are_left(void **state)
{
    (void)state;
    bench b = bench_create("{name: lars, lr: 0.25, momentum: 0}");
    vectors v = vectors_create(4);
    float g[4] = {1, 2, 3, 4};
    memset(v.place[0], 0, 4 * sizeof(float));
    step_tiles(&b, bias, 0.25, 0, 4, 4, &v, g);
    for (int i = 0; i < 4; i++) assert_true(v.place[0][i] == -0.25f * (float)(i + 1));
    vectors_destroy(&v);
    bench_destroy(&b);
}

/* torch.nn.utils.clip_grad_norm_ */
static void test_clipping(void **state)
{
    (void)state;
    bench b = bench_create("{name: sgd, lr: 0.1, clip_norm: 2}");
    assert_true(ls_optimizer_clip(b.optimizer, 1.0) == 1.0);
    assert_true(ls_optimizer_clip(b.optimizer, 0.0) == 1.0);
    assert_close("clip", 0, ls_optimizer_clip(b.optimizer, 8.0), 2.0 / (8.0 + 1e-6), 1e-15);
    assert_true(ls_optimizer_clip(b.optimizer, INFINITY) == 0.0);
    bench_destroy(&b);
}

/* Owners differ with the number of ranks, and with them the tiles: the bits must not (P2). */
static void test_tiles_do_not_change_bits(void **state)
{
    (void)state;
    static const int64_t tiles[] = {1, 16, 37, 1000};
    enum { N = 1003 };
    for (int c = 0; c < N_CASES; c++) {
        vectors whole = vectors_create(N);
        run_product(&cases[c], cases[c].yaml, bias, N, MAX_N, &whole);
        for (int i = 0; i < 4; i++) {
            vectors parts = vectors_create(N);
            run_product(&cases[c], cases[c].yaml, bias, N, tiles[i], &parts);
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
        for (int64_t step = 0; step < 3; step++) step_tiles(&b, weight, 0.1, step, N, N, &v, zeros);
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
    refused("{name: sgd, lr: 0.1, decay_exclude: [weight]}", "may name: bias, norm", "test.yaml:1:");
    refused("{name: sgd, lr: 0.1, decay_exclude: [bias, [norm]]}", "'decay_exclude' may name", "test.yaml:1:");
    refused("{name: lars, lr: 0.1, ratio_exclude: [norms]}", "'ratio_exclude' may name", "test.yaml:1:");
    refused("{name: momentum, lr: 0.1, ratio_exclude: [norm]}", "unknown key 'ratio_exclude'", "test.yaml:1:");
    refused("{name: sgd, lr: 0.1, clip_norm: 0}", "'clip_norm' is 0", "above 0");
    refused("{name: sgd, lr: 0.1, ema: 1}", "'ema' is 1", "from 0");
    refused("{name: sgd, lr: 0.1, decoupled_weight_decay: 1}", "must be true or false", "test.yaml:1:");
    refused("{name: rmsprop, lr: 0.1, centred: true}", "unknown key 'centred'", "'centered'?");
    refused("{name: lars, lr: 0.1, trust: -1}", "'trust' is -1", "from 0");
    refused("[sgd]", "must be keys and values", "test.yaml:1:1");
    ls_optimizer_destroy(NULL);
}

static void test_specification_is_completed(void **state)
{
    (void)state;
    bench b = bench_create("{name: adam, lr: 0.1}");
    ls_node *expected = parse("{name: adam, lr: 0.1, weight_decay: 0, decoupled_weight_decay: false, "
                              "decay_exclude: [], clip_norm: ~, ema: ~, beta1: 0.9, beta2: 0.999, eps: 1e-8}");
    assert_true(ls_node_equal(b.spec, expected));
    ls_node_destroy(&expected);
    bench_destroy(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_optimizer_has_twin_and_case),
        cmocka_unit_test(test_trajectory_equals_twin),
        cmocka_unit_test(test_kinds_are_spared_weight_decay),
        cmocka_unit_test(test_kinds_are_spared_the_trust_ratio),
        cmocka_unit_test(test_zeros_are_left),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_tiles_do_not_change_bits),
        cmocka_unit_test(test_no_gradient_and_no_decay_change_nothing),
        cmocka_unit_test(test_refusals_name_place_and_reason),
        cmocka_unit_test(test_specification_is_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
