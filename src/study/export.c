/* The layout in which Shallue et al. published their measurements (JMLR 20(112), batch_science_data):
 * dataset/model/optimizer/batch size/study.json, and below it trial/metadata.json and trial/measurements.csv. */
#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "study/directory.h"
#include "study/results.h"

typedef struct exporting {
    const ls_study *study;
    ls_status status;
    const ls_size_result *size; /* whose directory is open */
    char directory[4096];
    int n_trials; /* in it */
} exporting;

/* A run to its cap has done all that it was to do: complete in the words of the layout. */
static const char *status_name(ls_trial_status status)
{
    return ls_trial_status_name(status == LS_TRIAL_CENSORED ? LS_TRIAL_COMPLETE : status);
}

static const char *optimizer_of(const ls_study *s)
{
    const ls_node *name = ls_node_child(s->file->base->optimizer, "name");
    return name != NULL && name->kind == LS_NODE_SCALAR ? name->text : "momentum";
}

static void add_range(ls_text *out, const char *name, double low, double high, const char *scale)
{
    ls_text_printf(out, "\"%s\": {\"max_value\": ", name);
    ls_text_json_real(out, high);
    ls_text_printf(out, ", \"min_value\": ");
    ls_text_json_real(out, low);
    ls_text_printf(out, ", \"scale\": \"%s\", \"type\": \"DOUBLE\"}", scale);
}

static ls_status write_study(exporting *e, const ls_study_row *row)
{
    const ls_study *s = e->study;
    const ls_study_settings *settings = &s->file->settings;
    ls_text text = {0};
    ls_text_printf(&text, "{\"batch_size\": %" PRId64 ", \"dataset\": ", row->size->size);
    ls_text_json_string(&text, s->file->keys.dataset);
    ls_text_printf(&text, ", \"early_stopping\": true, \"model\": ");
    ls_text_json_string(&text, s->file->keys.model);
    ls_text_printf(&text, ", \"optimizer\": ");
    ls_text_json_string(&text, optimizer_of(s));
    ls_text_printf(&text, ", \"parameter_configs\": {");
    add_range(&text, "learning_rate", settings->lr_min, settings->lr_max, "LOG_SCALE");
    if (!isnan(settings->momentum_min)) {
        ls_text_printf(&text, ", ");
        add_range(&text, "momentum", settings->momentum_min, settings->momentum_max, "REVERSE_LOG_SCALE");
    }
    ls_text_printf(&text, "}, \"train_steps\": 0}\n"); /* trials end by caps of their own */
    const ls_status status = ls_study_write_text(e->directory, "study.json", &text);
    ls_text_free(&text);
    return status;
}

static ls_status open_size(exporting *e, const ls_study_row *row)
{
    const ls_study_keys *keys = &e->study->file->keys;
    const bool tuned = row->arm == LS_ARM_TUNED;
    e->size = row->size;
    e->n_trials = 0;
    const int n = snprintf(e->directory, sizeof e->directory, "%s/export/%s/%s/%s%s%s/%" PRId64, e->study->directory,
                           keys->dataset, keys->model, optimizer_of(e->study), tuned ? "" : "_",
                           tuned ? "" : ls_study_arm_name(row->arm), row->size->size);
    LS_REQUIRE(n < (int)sizeof e->directory, LS_EOUTPUT, "the path of an export is too long");
    LS_TRY(ls_make_directory(e->directory));
    return write_study(e, row);
}

static void add_parameters(const ls_trial_key *key, ls_text *out)
{
    ls_text_printf(out, "{\"learning_rate\": ");
    ls_text_json_real(out, key->lr);
    if (!isnan(key->momentum)) {
        ls_text_printf(out, ", \"momentum\": ");
        ls_text_json_real(out, key->momentum);
    }
    ls_text_printf(out, "}");
}

static void add_cell(double value, ls_text *out)
{
    char number[32] = "";
    if (isfinite(value)) ls_real_text(value, number);
    ls_text_printf(out, ",%s", number);
}

/* What was not measured is an empty cell: the training set never is, the test set at crossings alone. */
static void add_measurements(const ls_study_row *row, ls_text *out)
{
    ls_text_printf(out, "step,train/cross_entropy_error,train/classification_error,val/cross_entropy_error,"
                        "val/classification_error,test/cross_entropy_error,test/classification_error\n");
    for (int i = 0; i < row->trial->n_looks && row->trial->look[i].iteration <= row->cap; i++) {
        const ls_look *look = &row->trial->look[i];
        ls_text_printf(out, "%" PRId64 ",,", look->iteration);
        add_cell(look->loss, out);
        add_cell(look->error, out);
        ls_text_printf(out, ",");
        add_cell(look->test_error, out);
        ls_text_printf(out, "\n");
    }
}

static ls_status write_trial(exporting *e, const ls_study_row *row)
{
    char number[32];
    ls_text metadata = {0}, measurements = {0};
    snprintf(number, sizeof number, "%d", ++e->n_trials);
    char *directory = ls_path_join(e->directory, number);
    ls_text_printf(&metadata, "{\"parameters\": ");
    add_parameters(&row->trial->key, &metadata);
    ls_text_printf(&metadata, ", \"purpose\": \"%s\", \"init_seed\": %" PRId64 ", \"order_seed\": %" PRId64,
                   row->scoring ? "score" : "tune", row->trial->key.init_seed, row->trial->key.order_seed);
    ls_text_printf(&metadata, ", \"status\": \"%s\", \"steps\": %" PRId64 ", \"trial_id\": %d}\n",
                   status_name(row->status), row->iterations, e->n_trials);
    add_measurements(row, &measurements);
    ls_status status =
        directory ? ls_make_directory(directory) : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    if (status == LS_OK) status = ls_study_write_text(directory, "metadata.json", &metadata);
    if (status == LS_OK) status = ls_study_write_text(directory, "measurements.csv", &measurements);
    ls_text_free(&metadata);
    ls_text_free(&measurements);
    ls_free(directory);
    return status;
}

/* The authors' loader refuses a batch size without a complete trial: such a size is left out. */
static bool has_complete(const ls_size_result *r)
{
    bool any = false;
    for (int i = 0; i < r->n_probes; i++)
        any = any || (r->probe[i].trial != NULL && r->probe[i].status <= LS_TRIAL_CENSORED);
    for (int i = 0; i < r->n_scores; i++) any = any || r->score[i].status <= LS_TRIAL_CENSORED;
    return any;
}

static void export_row(void *context, const ls_study_row *row)
{
    exporting *e = context;
    if (e->status != LS_OK || !has_complete(row->size)) return;
    if (row->size != e->size) e->status = open_size(e, row);
    if (e->status == LS_OK) e->status = write_trial(e, row);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info, (void)type, (void)place;
    return remove(path);
}

ls_status ls_study_export(const ls_study *study, const ls_study_state *state)
{
    enum { OPEN_FILES = 16 };
    exporting e = {.study = study, .status = LS_OK};
    char *path = ls_path_join(study->directory, "export");
    LS_REQUIRE(path != NULL, LS_ENOMEM, "out of memory");
    nftw(path, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS); /* what an earlier end of the study left */
    ls_free(path);
    ls_study_each(study, state, export_row, &e);
    return e.status;
}
