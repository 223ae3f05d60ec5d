/* Files into memory on any ranks and nodes: mapped where they lie as memory has them, else copied; the same samples. */
#include "mpi_test.h"

#include <math.h>

#include <zlib.h>

#include "base/node.h"
#include "train/sets.h"

enum { SAMPLES = 700, FEATURES = 33 };

static uint8_t pixels[SAMPLES * FEATURES];

static void put(const char *name, const void *head, size_t n_head, const void *body, size_t n_body)
{
    FILE *file = fopen(name, "wb");
    fwrite(head, 1, n_head, file);
    fwrite(body, 1, n_body, file);
    fclose(file);
}

/* "x" plain, "x.gz" packed, "y" labels, "f.npy" the pixels as floats; made by rank 0 in a directory of their own. */
static void make_files(void)
{
    const uint8_t head[] = {0, 0, 8, 2, 0, 0, SAMPLES >> 8, SAMPLES & 255, 0, 0, 0, FEATURES};
    const uint8_t label_head[] = {0, 0, 8, 1, 0, 0, SAMPLES >> 8, SAMPLES & 255};
    uint8_t labels[SAMPLES];
    float floats[SAMPLES * FEATURES];
    char npy[129];
    for (int i = 0; i < SAMPLES * FEATURES; i++) floats[i] = pixels[i] = (uint8_t)(i * 31 + i / 7);
    for (int i = 0; i < SAMPLES; i++) labels[i] = (uint8_t)(i % 10);
    put("x", head, sizeof head, pixels, sizeof pixels);
    put("y", label_head, sizeof label_head, labels, sizeof labels);
    gzFile packed = gzopen("x.gz", "wb");
    gzwrite(packed, head, sizeof head);
    gzwrite(packed, pixels, sizeof pixels);
    gzclose(packed);
    const int n =
        snprintf(npy, sizeof npy, "\x93NUMPY%c%cv%c{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d)}", 1, 0,
                 0, SAMPLES, FEATURES);
    memset(npy + n, ' ', sizeof npy - (size_t)n);
    npy[127] = '\n';
    put("f.npy", npy, 128, floats, sizeof floats);
}

static char directory[64];

static void enter_directory(void)
{
    const bool first = ls_job_rank(ls_world) == 0;
    strcpy(directory, "/tmp/lockstep-sets-XXXXXX");
    const bool made = !first || mkdtemp(directory) != NULL;
    ls_job_broadcast(ls_world, 0, directory, sizeof directory);
    LS_CHECK(made && chdir(directory) == 0);
    if (first) make_files();
    ls_job_barrier(ls_world);
}

static void unlink_in(const char *where, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", where, name);
    unlink(path);
}

static void leave_directory(void)
{
    ls_job_barrier(ls_world);
    LS_CHECK(chdir("/") == 0);
    for (int i = 0; i < 4 && ls_job_rank(ls_world) == 0; i++)
        unlink_in(directory, (const char *[]){"x", "y", "x.gz", "f.npy"}[i]);
    if (ls_job_rank(ls_world) == 0) rmdir(directory);
}

static bool same_pixels(const ls_dataset *set)
{
    if (set->info.n_samples != SAMPLES || set->info.n_features != FEATURES) return false;
    for (int i = 0; i < SAMPLES * FEATURES; i++) {
        const bool bytes = set->info.feature_type == LS_FEATURE_U8;
        const double value =
            bytes ? (double)((const uint8_t *)set->features)[i] : (double)((const float *)set->features)[i];
        if (value != (double)pixels[i]) return false;
    }
    for (int i = 0; set->labels != NULL && i < SAMPLES; i++)
        if (set->labels[i] != i % 10) return false;
    return true;
}

static void check_on(ls_job *job)
{
    static const char *const specs[LS_MAX_SETS] = {"{format: idx, images: x, labels: y}",
                                                   "{format: idx, images: x.gz, labels: y}",
                                                   "{format: npy, features: f.npy}"};
    ls_set_request requests[LS_MAX_SETS];
    ls_set sets[LS_MAX_SETS] = {0};
    for (int i = 0; i < LS_MAX_SETS; i++) {
        struct ls_node *spec = NULL;
        LS_CHECK(ls_node_parse(specs[i], strlen(specs[i]), "spec", &spec) == LS_OK);
        requests[i] = (ls_set_request){spec, "data.x"};
    }
    LS_CHECK(ls_sets_load(job, requests, LS_MAX_SETS, ".", NULL, sets) == LS_OK);
    LS_CHECK(sets[0].map != NULL && sets[1].map == NULL && sets[2].map != NULL);
    for (int i = 0; i < LS_MAX_SETS; i++) LS_CHECK(same_pixels(&sets[i].data));
    LS_CHECK(sets[0].hash == sets[1].hash && sets[0].hash == ls_dataset_hash(&sets[0].data));
    LS_CHECK(sets[2].hash != sets[0].hash && sets[2].hash == ls_dataset_hash(&sets[2].data));
    for (int i = 0; i < LS_MAX_SETS; i++) {
        ls_set_unload(&sets[i]);
        ls_node_destroy(&requests[i].spec);
    }
}

static void test_mapped_and_copied_sets_are_equal(void **state)
{
    (void)state;
    for (int i = 0; i < SAMPLES * FEATURES; i++) pixels[i] = (uint8_t)(i * 31 + i / 7);
    enter_directory();
    for (int ranks_per_node = 0; ranks_per_node <= 2; ranks_per_node++) {
        ls_job *job;
        LS_CHECK(ls_job_split(ls_world, 0, ranks_per_node, &job) == LS_OK);
        check_on(job);
        ls_job_destroy(&job);
    }
    leave_directory();
}

/* A float that is not finite is found in a mapped file too. */
static void test_mapped_values_are_checked(void **state)
{
    (void)state;
    enter_directory();
    const float bad = NAN;
    if (ls_job_rank(ls_world) == 0) {
        FILE *file = fopen("f.npy", "r+b");
        fseek(file, 128 + 4 * 50, SEEK_SET);
        fwrite(&bad, 1, sizeof bad, file);
        fclose(file);
    }
    ls_job_barrier(ls_world);
    struct ls_node *spec = NULL;
    const char *text = "{format: npy, features: f.npy}";
    LS_CHECK(ls_node_parse(text, strlen(text), "spec", &spec) == LS_OK);
    ls_set set = {0};
    LS_CHECK(ls_sets_load(ls_world, &(ls_set_request){spec, "data.train"}, 1, ".", NULL, &set) == LS_EDATA);
    LS_CHECK(strstr(ls_status_message(), "sample 1 of the features: expected a finite number") != NULL);
    ls_set_unload(&set);
    ls_node_destroy(&spec);
    leave_directory();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_mapped_and_copied_sets_are_equal),
    cmocka_unit_test(test_mapped_values_are_checked),
};

LS_TEST_MAIN(tests)
