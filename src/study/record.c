#include "study/record.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "study/trial.h"

enum { LOOK_NUMBERS = 6 };

const char *ls_trial_name(const ls_trial_key *key, char out[LS_TRIAL_NAME])
{
    char lr[32], momentum[32] = "";
    ls_real_text(key->lr, lr);
    if (!isnan(key->momentum)) ls_real_text(key->momentum, momentum);
    snprintf(out, LS_TRIAL_NAME, "b%" PRId64 "_lr%s%s%s_i%" PRId64 "_o%" PRId64 "_e%" PRId64, key->global_batch_size,
             lr, momentum[0] ? "_m" : "", momentum, key->init_seed, key->order_seed, key->look_every);
    return out;
}

void ls_trial_key_json(const ls_trial_key *key, ls_text *out)
{
    ls_text_printf(out, "\"size\": %" PRId64 ", \"lr\": ", key->global_batch_size);
    ls_text_json_real(out, key->lr);
    ls_text_printf(out, ", \"momentum\": ");
    ls_text_json_real(out, key->momentum);
    ls_text_printf(out, ", \"init_seed\": %" PRId64 ", \"order_seed\": %" PRId64 ", \"look_every\": %" PRId64,
                   key->init_seed, key->order_seed, key->look_every);
}

void ls_trial_looks_json(const ls_trial *trial, int64_t cap, ls_text *out)
{
    ls_text_printf(out, "[");
    for (int i = 0; i < trial->n_looks && trial->look[i].iteration <= cap; i++) {
        const ls_look *look = &trial->look[i];
        const double numbers[] = {look->error, look->loss, look->noise_scale, look->test_error, look->noise_se};
        ls_text_printf(out, "%s[%" PRId64, i > 0 ? ", " : "", look->iteration);
        for (int k = 0; k < LOOK_NUMBERS - 1; k++) {
            ls_text_printf(out, ", ");
            ls_text_json_real(out, numbers[k]);
        }
        ls_text_printf(out, "]");
    }
    ls_text_printf(out, "]");
}

static void record_json(const ls_trial *trial, ls_text *out)
{
    ls_text_printf(out, "{");
    ls_trial_key_json(&trial->key, out);
    ls_text_printf(out, ", \"iterations\": %" PRId64 ", \"diverged\": %s, \"seconds\": ", trial->iterations,
                   trial->diverged ? "true" : "false");
    ls_text_json_real(out, trial->seconds);
    ls_text_printf(out, ", \"ranks\": %d, \"looks\": ", trial->n_ranks);
    ls_trial_looks_json(trial, INT64_MAX, out);
    ls_text_printf(out, "}\n");
}

/* Under a name of this process first: two workers may finish the same trial at once. */
static ls_status write_apart(const char *directory, const char *name, const ls_text *text)
{
    char host[64] = "", apart[LS_TRIAL_NAME + 128], final[LS_TRIAL_NAME + 8];
    gethostname(host, sizeof host - 1);
    snprintf(apart, sizeof apart, ".%s.%s.%d", name, host, (int)getpid());
    snprintf(final, sizeof final, "%s.json", name);
    char *from = ls_path_join(directory, apart), *to = ls_path_join(directory, final);
    ls_file_writer *writer = NULL;
    ls_status status = from && to ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    if (status == LS_OK) status = ls_file_writer_create(from, &writer);
    if (status == LS_OK) status = ls_file_writer_add(writer, text->data, text->n);
    if (status == LS_OK) status = ls_file_writer_commit(writer);
    if (status == LS_OK && rename(from, to) != 0)
        status = ls_status_fail(LS_EOUTPUT, __FILE__, __LINE__, "%s: cannot be written: %s", to, strerror(errno));
    ls_file_writer_destroy(&writer);
    ls_free(from);
    ls_free(to);
    return status;
}

ls_status ls_trial_write(const char *directory, const ls_trial *trial)
{
    char name[LS_TRIAL_NAME];
    ls_text text = {0};
    record_json(trial, &text);
    ls_status status = ls_text_status(&text);
    if (status == LS_OK) status = write_apart(directory, ls_trial_name(&trial->key, name), &text);
    ls_text_free(&text);
    return status;
}

/* null, as of a loss that is not finite, is NaN. */
static double real_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool take_look(const json_t *numbers, ls_look *out)
{
    if (json_array_size(numbers) != LOOK_NUMBERS || !json_is_integer(json_array_get(numbers, 0))) return false;
    *out = (ls_look){.iteration = json_integer_value(json_array_get(numbers, 0)),
                     .error = real_of(json_array_get(numbers, 1)),
                     .loss = real_of(json_array_get(numbers, 2)),
                     .noise_scale = real_of(json_array_get(numbers, 3)),
                     .test_error = real_of(json_array_get(numbers, 4)),
                     .noise_se = real_of(json_array_get(numbers, 5))};
    return true;
}

static bool take_looks(const json_t *looks, ls_trial *out)
{
    const size_t n = json_array_size(looks);
    out->look = ls_calloc(n + 1, sizeof *out->look);
    if (out->look == NULL || n > INT32_MAX) return false;
    for (size_t i = 0; i < n; i++) {
        if (!take_look(json_array_get(looks, i), &out->look[i])) return false;
        if (out->look[i].iteration < (i > 0 ? out->look[i - 1].iteration : 0)) return false;
    }
    out->n_looks = (int)n;
    return n > 0;
}

static bool take_record(const json_t *record, ls_trial *out)
{
    json_int_t size, init, order, every, iterations, ranks;
    double lr, seconds;
    int diverged;
    json_t *looks;
    const int bad =
        json_unpack((json_t *)record, "{s:I, s:F, s:I, s:I, s:I, s:I, s:b, s:F, s:I, s:o}", "size", &size, "lr", &lr,
                    "init_seed", &init, "order_seed", &order, "look_every", &every, "iterations", &iterations,
                    "diverged", &diverged, "seconds", &seconds, "ranks", &ranks, "looks", &looks);
    if (bad != 0 || size < 1 || every < 1 || iterations < 0 || ranks < 0 || ranks > INT32_MAX) return false;
    *out = (ls_trial){.key = {size, lr, real_of(json_object_get(record, "momentum")), init, order, every},
                      .iterations = iterations,
                      .diverged = diverged != 0,
                      .seconds = seconds,
                      .n_ranks = (int)ranks};
    return take_looks(looks, out);
}

ls_status ls_trial_read(const char *path, ls_trial *out)
{
    json_error_t error = {0};
    json_t *record = json_load_file(path, 0, &error);
    *out = (ls_trial){0};
    const bool good = json_is_object(record) && take_record(record, out);
    json_decref(record);
    if (!good) ls_trial_destroy(out);
    LS_REQUIRE(good, LS_EDATA, "%s is not the record of a trial (%s); remove it, and the trial is run again", path,
               error.text[0] ? error.text : "a key is missing or of another type");
    return LS_OK;
}
