#include "study/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "lockstep/trainer.h"
#include "math/blas.h"
#include "math/vec.h"
#include "train/data.h"

ls_status ls_study_write_text(const char *directory, const char *name, const ls_text *text)
{
    LS_TRY(ls_text_status(text));
    char *path = ls_path_join(directory, name);
    LS_REQUIRE(path != NULL, LS_ENOMEM, "out of memory");
    const ls_status status = ls_file_write(path, text->data, text->n);
    ls_free(path);
    return status;
}

/* A lock ends with its process, however that ends; ranks of a job just killed may live a moment longer.  Who gets the
 * lock of one alone knows that all claims are of the dead. */
static ls_status lock_directory(const ls_study *study, int *lock, bool *alone)
{
    enum { TRIES = 50, PAUSE_US = 100000 };
    *alone = false;
    *lock = open(study->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0) return LS_OK; /* may be written but not read: no lock then */
    for (int i = 0; i < TRIES; i++) {
        *alone = flock(*lock, LOCK_EX | LOCK_NB) == 0;
        if (*alone || errno != EWOULDBLOCK) return LS_OK; /* no locks on this file system */
        if (study->worker && flock(*lock, LOCK_SH | LOCK_NB) == 0) return LS_OK;
        usleep(PAUSE_US);
    }
    LS_FAIL(LS_EUSAGE, "%s: another job is at work in this directory; stop it, or start both with --worker",
            study->directory);
}

static void describe_data(const ls_study *study, ls_text *out)
{
    char hash[LS_HASH_DIGITS + 1];
    bool first = true;
    for (int i = 0; i < LS_N_SETS; i++) {
        if (!study->data->present[i]) continue;
        ls_hash_text(study->data->hash[i], hash);
        ls_text_printf(out, "%s\"%s\": {\"n\": %lld, \"hash\": \"%s\"}", first ? "" : ", ", ls__set_names[i],
                       (long long)study->data->set[i].info.n_samples, hash);
        first = false;
    }
}

/* All that bits depend on besides the configuration (P2). */
static void describe_build(ls_text *out)
{
    char program[256];
    ls_trainer_build(program);
    ls_text_printf(out, "\"program\": ");
    ls_text_json_string(out, program);
    ls_text_printf(out, ", \"blas\": ");
    ls_text_json_string(out, ls_blas_build());
    ls_text_printf(out, ", \"blas_core\": ");
    ls_text_json_string(out, ls_blas_core());
    ls_text_printf(out, ", \"blas_threads\": %d, \"libm\": \"%016llx\"", ls_blas_threads(),
                   (unsigned long long)ls_vec_libm_fingerprint());
}

/* What makes the study what it is: its keys, the base, the data, and the build. */
static void describe(const ls_study *study, ls_text *out)
{
    ls_text_printf(out, "{\"format\": 1, \"name\": ");
    ls_text_json_string(out, study->file->keys.name);
    ls_text_printf(out, ",\n \"settings\": ");
    ls_study_file_json(study->file, true, out);
    ls_text_printf(out, ",\n \"data\": {");
    describe_data(study, out);
    ls_text_printf(out, "},\n \"build\": {");
    describe_build(out);
    ls_text_printf(out, "},\n \"base\": ");
    ls_config_text(study->file->base, out);
    ls_text_printf(out, "}\n");
}

/* Every key of a section of study.json is as it was, and none is gone. */
static ls_status same_section(const ls_node *own, const ls_node *stored, const char *section, const char *path)
{
    const ls_node *sides[2] = {ls_node_child(own, section), ls_node_child(stored, section)};
    for (int side = 0; side < 2; side++)
        for (int i = 0; sides[side] != NULL && i < sides[side]->n; i++) {
            const char *key = sides[side]->child[i]->key;
            const ls_node *mine = ls_node_child(sides[0], key);
            const ls_node *theirs = sides[1] ? ls_node_child(sides[1], key) : NULL;
            if (ls_node_equal(mine, theirs)) continue;
            char what[128];
            snprintf(what, sizeof what, "%s.%s", section, key);
            return ls_study_differs(path, what, mine, theirs);
        }
    return LS_OK;
}

static ls_status compare(const ls_study *study, const ls_text *mine, const char *path)
{
    enum { MAX_BYTES = 16 << 20 };
    char *text;
    size_t n;
    ls_node *stored = NULL, *own = NULL;
    LS_TRY(ls_file_read(path, MAX_BYTES, &text, &n));
    ls_status status = ls_node_parse(text, n, path, &stored);
    ls_free(text);
    if (status == LS_OK) status = ls_node_parse(mine->data, mine->n, "study", &own);
    const ls_node *settings = status == LS_OK ? ls_node_child(stored, "settings") : NULL;
    if (status == LS_OK) status = ls_study_file_same(study->file, settings, ls_node_child(stored, "base"), path);
    if (status == LS_OK) status = same_section(own, stored, "data", path);
    if (status == LS_OK) status = same_section(own, stored, "build", path);
    ls_node_destroy(&stored);
    ls_node_destroy(&own);
    return status;
}

static ls_status write_or_compare(const ls_study *study)
{
    ls_text text = {0};
    char *path = ls_path_join(study->directory, "study.json");
    describe(study, &text);
    ls_status status = path ? ls_text_status(&text) : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    if (status == LS_OK && access(path, F_OK) == 0)
        status = compare(study, &text, path);
    else if (status == LS_OK)
        status = ls_study_write_text(study->directory, "study.json", &text);
    ls_text_free(&text);
    ls_free(path);
    return status;
}

ls_status ls_study_open_directory(const ls_study *study, int *lock)
{
    bool alone;
    ls_store *store;
    LS_TRY(ls_make_directory(study->directory));
    LS_TRY(lock_directory(study, lock, &alone));
    LS_TRY(write_or_compare(study));
    LS_TRY(ls_store_create(study->directory, study->file->keys.claim_expiry_s, &store));
    if (alone) ls_store_clear_claims(store);
    const ls_status status = ls_store_refresh(store, NULL); /* a record that cannot be read is told once, by all */
    ls_store_destroy(&store);
    if (alone && study->worker) flock(*lock, LOCK_SH);
    return status;
}
