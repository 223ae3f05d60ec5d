/* Steps of augmentation against naive twins on raw images.  The tests know nothing of how numbers are drawn: they find
 * the shift, the mirror or the square by trying all, and judge their statistics. */
#include <math.h>

#include "lockstep/augment.h"
#include "unit/data_files.h"

enum { C = 2, H = 6, W = 5, PLANE = H * W, F = C * PLANE, N = 4, PADDING = 2, SIZE = 3, EPOCHS = 5000 };

/* What may happen to an image. */
typedef struct change {
    int dy, dx;
    bool flip;
    int top, left; /* of the square; SIZE * SIZE pixels, less what is outside */
} change;

static const change nothing = {.top = -SIZE, .left = -SIZE};

/* Every pixel of every image is another number, and none is 0. */
static void raw_images(float raw[N * F])
{
    for (int i = 0; i < N * F; i++) raw[i] = (float)(1 + i * 7 % 251);
}

static ls_dataset make_set(const float *raw, int64_t n, ls_feature_type type, uint8_t *bytes)
{
    ls_dataset set = {
        .info = {.n_samples = n, .n_features = F, .dim = {C, H, W}, .n_dim = 3, .feature_type = (int32_t)type}};
    for (int i = 0; i < n * F; i++) bytes[i] = (uint8_t)raw[i];
    set.features = type == LS_FEATURE_U8 ? (const void *)bytes : (const void *)raw;
    return set;
}

static ls_node *parse(const char *yaml)
{
    ls_node *spec;
    assert_int_equal(ls_node_parse(yaml, strlen(yaml), "test.yaml", &spec), LS_OK);
    return spec;
}

static float pixel(const float *image, int c, int y, int x)
{
    return y < 0 || y >= H || x < 0 || x >= W ? 0.0f : image[(c * H + y) * W + x];
}

/* Crop, then mirror, of a raw image: pixel by pixel from where it comes. */
static void move_raw(const float *image, change ch, float out[F])
{
    for (int c = 0; c < C; c++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                out[(c * H + y) * W + x] = pixel(image, c, y + ch.dy, (ch.flip ? W - 1 - x : x) + ch.dx);
}

/* The row that data.normalize makes of the changed raw image, with a square of zeros. */
static void expected_row(const float *image, change ch, const ls_normalizer *normalizer, ls_feature_type type,
                         float out[F])
{
    float moved[F];
    uint8_t bytes[F];
    move_raw(image, ch, moved);
    const ls_dataset set = make_set(moved, 1, type, bytes);
    ls_dataset_rows(&set, normalizer, &(int64_t){0}, 1, out);
    for (int c = 0; c < C; c++)
        for (int y = ch.top; y < ch.top + SIZE; y++)
            for (int x = ch.left; x < ch.left + SIZE; x++)
                if (y >= 0 && y < H && x >= 0 && x < W) out[(c * H + y) * W + x] = 0.0f;
}

typedef struct bench {
    float raw[N * F];
    uint8_t bytes[N * F];
    ls_feature_type type;
    ls_dataset set;
    ls_node *normalize, *list;
    ls_normalizer *normalizer;
    ls_augment *augment;
} bench;

static void open_bench(const char *list, ls_feature_type type, bench *b)
{
    raw_images(b->raw);
    b->type = type;
    b->set = make_set(b->raw, N, type, b->bytes);
    b->normalize = parse("{scale: 0.01, mean: [0.3, 0.7], std: [0.25, 0.5]}");
    b->list = parse(list);
    assert_int_equal(ls_normalizer_create(b->normalize, &b->set.info, &b->normalizer), LS_OK);
    assert_int_equal(ls_augment_create(b->list, &b->set.info, b->normalizer, &b->augment), LS_OK);
}

static void close_bench(bench *b)
{
    ls_augment_destroy(&b->augment);
    assert_null(b->augment);
    ls_augment_destroy(&b->augment);
    ls_normalizer_destroy(&b->normalizer);
    ls_node_destroy(&b->list);
    ls_node_destroy(&b->normalize);
}

static void rows_of(const bench *b, uint64_t seed, int64_t epoch, const int64_t *ids, int64_t n, float *out)
{
    ls_dataset_rows(&b->set, b->normalizer, ids, n, out);
    ls_augment_rows(b->augment, seed, epoch, ids, n, out);
}

static bool explains(const bench *b, int64_t id, change ch, const float row[F])
{
    float twin[F];
    expected_row(b->raw + id * F, ch, b->normalizer, b->type, twin);
    return memcmp(twin, row, sizeof twin) == 0;
}

/* A count of n trials of probability p, by 5 standard deviations: one in two million would fail by chance. */
static void assert_rate(const char *what, int64_t count, int64_t n, double p)
{
    const double rate = (double)count / (double)n, allowed = 5 * sqrt(p * (1 - p) / (double)n);
    if (!(fabs(rate - p) <= allowed)) fail_msg("%s: %.4f, expected %.4f +- %.4f", what, rate, p, allowed);
}

static void crops_are_uniform_shifts(void **state)
{
    (void)state;
    enum { SIDE = 2 * PADDING + 1 };
    bench b;
    float row[F];
    for (int type = LS_FEATURE_U8; type <= LS_FEATURE_F32; type++) {
        int64_t count[SIDE][SIDE] = {{0}};
        open_bench("[{random_crop: {padding: 2}}]", (ls_feature_type)type, &b);
        for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
            const int64_t id = epoch % N;
            int found = 0;
            rows_of(&b, 3, epoch, &id, 1, row);
            for (int dy = -PADDING; dy <= PADDING; dy++)
                for (int dx = -PADDING; dx <= PADDING; dx++) {
                    change ch = nothing;
                    ch.dy = dy, ch.dx = dx;
                    if (!explains(&b, id, ch, row)) continue;
                    found++;
                    count[dy + PADDING][dx + PADDING]++;
                }
            assert_int_equal(found, 1);
        }
        for (int i = 0; i < SIDE * SIDE; i++)
            assert_rate("a shift", count[i / SIDE][i % SIDE], EPOCHS, 1.0 / (SIDE * SIDE));
        close_bench(&b);
    }
}

static void flips_happen_with_p(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        double p;
    } cases[] = {{"[random_flip]", 0.5},
                 {"[{random_flip: 0.25}]", 0.25},
                 {"[{random_flip: {p: 0}}]", 0},
                 {"[{random_flip: {p: 1}}]", 1}};
    bench b;
    float row[F];
    for (int c = 0; c < 4; c++) {
        int64_t flipped = 0;
        open_bench(cases[c].list, LS_FEATURE_U8, &b);
        for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
            const int64_t id = epoch % N;
            change ch = nothing;
            rows_of(&b, 3, epoch, &id, 1, row);
            ch.flip = !explains(&b, id, ch, row);
            assert_true(explains(&b, id, ch, row));
            flipped += ch.flip;
        }
        assert_rate(cases[c].list, flipped, EPOCHS, cases[c].p);
        close_bench(&b);
    }
}

static void cutouts_are_around_any_pixel(void **state)
{
    (void)state;
    int64_t count[H][W] = {{0}};
    bench b;
    float row[F];
    open_bench("[{cutout: 3}]", LS_FEATURE_F32, &b);
    for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
        const int64_t id = epoch % N;
        int found = 0;
        rows_of(&b, 3, epoch, &id, 1, row);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                change ch = nothing;
                ch.top = y - SIZE / 2, ch.left = x - SIZE / 2;
                if (!explains(&b, id, ch, row)) continue;
                found++;
                count[y][x]++;
            }
        assert_int_equal(found, 1);
    }
    for (int i = 0; i < H * W; i++) assert_rate("a square", count[i / W][i % W], EPOCHS, 1.0 / (H * W));
    close_bench(&b);
}

/* Some crop, mirror and square, in this order, make the row. */
static bool explained_by_all(const bench *b, int64_t id, const float row[F])
{
    for (int dy = -PADDING; dy <= PADDING; dy++)
        for (int dx = -PADDING; dx <= PADDING; dx++)
            for (int flip = 0; flip < 2; flip++)
                for (int i = 0; i < H * W; i++)
                    if (explains(b, id, (change){dy, dx, flip != 0, i / W - SIZE / 2, i % W - SIZE / 2}, row))
                        return true;
    return false;
}

static void steps_follow_one_another(void **state)
{
    (void)state;
    bench b;
    float row[F];
    open_bench("[{random_crop: 2}, random_flip, {cutout: 3}]", LS_FEATURE_U8, &b);
    for (int64_t epoch = 0; epoch < 200; epoch++) {
        const int64_t id = epoch % N;
        rows_of(&b, 3, epoch, &id, 1, row);
        assert_true(explained_by_all(&b, id, row));
    }
    close_bench(&b);
}

/* Two steps of the same kind draw independently: the second of two mirrors does not undo the first one. */
static void steps_draw_apart(void **state)
{
    (void)state;
    bench b;
    float row[F];
    int64_t flipped = 0;
    open_bench("[random_flip, random_flip]", LS_FEATURE_U8, &b);
    for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
        const int64_t id = 0;
        rows_of(&b, 3, epoch, &id, 1, row);
        flipped += !explains(&b, id, nothing, row);
    }
    assert_rate("one mirror of two", flipped, EPOCHS, 0.5);
    close_bench(&b);
}

/* P2, P5, P6: a row depends on seed, epoch and sample, not on the rows around it, and nothing is allocated. */
static void rows_depend_on_their_key_alone(void **state)
{
    (void)state;
    enum { ROWS = 7 };
    static const int64_t ids[ROWS] = {3, 0, 2, 2, 1, 0, 3};
    bench b;
    float whole[ROWS * F + 1], other[ROWS * F + 1], again[F];
    open_bench("[{random_crop: 2}, random_flip, {cutout: 3}]", LS_FEATURE_U8, &b);
    whole[ROWS * F] = 77;
    const uint64_t before = ls_mem_allocations();
    rows_of(&b, 5, 9, ids, ROWS, whole);
    assert_int_equal(ls_mem_allocations(), before);
    assert_true(whole[ROWS * F] == 77);
    for (int step = 1; step < ROWS; step++) {
        for (int r = 0; r < ROWS; r += step)
            rows_of(&b, 5, 9, ids + r, r + step < ROWS ? step : ROWS - r, other + r * F);
        assert_memory_equal(other, whole, ROWS * F * sizeof *whole);
    }
    for (int r = ROWS - 1; r >= 0; r--) {
        rows_of(&b, 5, 9, ids + r, 1, again);
        assert_memory_equal(again, whole + r * F, sizeof again);
    }
    close_bench(&b);
}

/* Mirrors under two keys that have nothing to do with each other agree half of the time. */
static void keys_are_unrelated(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        int64_t epoch, id;
    } others[] = {{4, 0, 0}, {3, 1, 0}, {3, 0, 1}, {3, INT64_C(1) << 32, 0}};
    bench b;
    float row[F];
    open_bench("[random_flip]", LS_FEATURE_U8, &b);
    for (int o = 0; o < 4; o++) {
        int64_t same = 0;
        for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
            bool flipped[2];
            for (int k = 0; k < 2; k++) {
                const int64_t id = k * others[o].id;
                rows_of(&b, k ? others[o].seed : 3, 2 * epoch + k * others[o].epoch, &id, 1, row);
                flipped[k] = !explains(&b, id, nothing, row);
            }
            same += flipped[0] == flipped[1];
        }
        assert_rate("agreement", same, EPOCHS, 0.5);
    }
    close_bench(&b);
}

static void no_steps_change_nothing(void **state)
{
    (void)state;
    bench b;
    float row[F], plain[F];
    const int64_t id = 2;
    open_bench("[]", LS_FEATURE_U8, &b);
    rows_of(&b, 3, 0, &id, 1, row);
    ls_dataset_rows(&b.set, b.normalizer, &id, 1, plain);
    assert_memory_equal(row, plain, sizeof row);
    ls_augment_destroy(&b.augment);
    assert_int_equal(ls_augment_create(NULL, &b.set.info, b.normalizer, &b.augment), LS_OK);
    rows_of(&b, 3, 0, &id, 1, row);
    assert_memory_equal(row, plain, sizeof row);
    close_bench(&b);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *list, *words;
        int n_dim;
    } cases[] = {
        {"[{random_crop: 5}]", "test.yaml:1:2: 'padding' of random_crop is 5; it must be smaller than the image, 6 x 5",
         3},
        {"[random_flip, {cutout: 6}]", "test.yaml:1:15: 'size' of cutout is 6; it must be at most the image, 6 x 5", 3},
        {"[random_crop]", "needs the key 'padding'", 3},
        {"[cutout]", "needs the key 'size'", 3},
        {"[{random_flip: 1.1}]", "'p' is 1.1; allowed: from 0 to 1", 3},
        {"[{random_flip: {q: 1}}]", "unknown key 'q'", 3},
        {"[{random_flop: 1}]", "unknown step of 'data.augment' 'random_flop'; did you mean 'random_flip'?", 3},
        {"random_flip", "'data.augment' must be a list", 3},
        {"[random_flip]", "works on images [channels, height, width]; the samples of data.train are [60]", 1}};
    bench b;
    open_bench("[]", LS_FEATURE_U8, &b);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ls_dataset_info info = b.set.info;
        ls_node *list = parse(cases[c].list);
        ls_augment *augment;
        info.n_dim = cases[c].n_dim;
        assert_int_equal(ls_augment_create(list, &info, b.normalizer, &augment), LS_EUSAGE);
        assert_null(augment);
        if (strstr(ls_status_message(), cases[c].words) == NULL) fail_msg("'%s'", ls_status_message());
        ls_node_destroy(&list);
    }
    close_bench(&b);
}

/* The tree is completed: it goes into checkpoints, and a resumed run is compared with it. */
static void the_list_is_completed(void **state)
{
    (void)state;
    bench b;
    ls_text text = {0};
    open_bench("[{random_crop: 2}, random_flip, {cutout: {size: 3}}]", LS_FEATURE_U8, &b);
    ls_node_json(b.list, &text);
    assert_string_equal(text.data, "[{\"random_crop\": {\"padding\": 2}}, {\"random_flip\": {\"p\": 0.5}}, "
                                   "{\"cutout\": {\"size\": 3}}]");
    ls_text_free(&text);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_are_uniform_shifts),
        cmocka_unit_test(flips_happen_with_p),
        cmocka_unit_test(cutouts_are_around_any_pixel),
        cmocka_unit_test(steps_follow_one_another),
        cmocka_unit_test(steps_draw_apart),
        cmocka_unit_test(rows_depend_on_their_key_alone),
        cmocka_unit_test(keys_are_unrelated),
        cmocka_unit_test(no_steps_change_nothing),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(the_list_is_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
