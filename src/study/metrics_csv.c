/* Records of training runs as one table. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "lockstep/report.h"
#include "study/report_internal.h"

/* Keys of metrics.jsonl (lockstep/metrics.h), after `run`; of start lines only those that other lines have too. */
static const char *const columns[] = {
    "event",       "iteration",    "epoch",          "set",     "loss",         "accuracy",         "error",
    "ema_loss",    "ema_accuracy", "ema_error",      "lr",      "gnorm",        "bnoise",           "bnoise_se",
    "noise_trace", "noise_g2",     "noise_readings", "batch",   "iteration_ms", "samples_per_s",    "n",
    "seconds",     "file",         "stall_s",        "write_s", "text",         "reason",           "params_hash",
    "data_s",      "forward_s",    "backward_s",     "wait_s",  "network_s",    "combine_update_s", "evaluation_s",
    "saving_s",    "slow_rank",    "slow_factor",    "slow_s",  "wall_s"};

enum { N_COLUMNS = sizeof columns / sizeof *columns };

typedef struct table {
    const char *run;
    ls_text text;
} table;

/* RFC 4180: in quotes where a comma, a quote or the end of a line would break the row. */
static void put_text(const char *text, ls_text *out)
{
    const bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    if (quoted) ls_text_add(out, "\"", 1);
    for (; *text != 0; text++) {
        if (*text == '"') ls_text_add(out, "\"", 1);
        ls_text_add(out, text, 1);
    }
    if (quoted) ls_text_add(out, "\"", 1);
}

/* Null, and what is missing, are empty cells. */
static void put_cell(const json_t *value, ls_text *out)
{
    if (json_is_string(value)) put_text(json_string_value(value), out);
    if (json_is_integer(value)) ls_text_printf(out, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value)) ls_text_json_real(out, json_real_value(value));
}

static void put_row(void *context, json_t *object)
{
    table *t = context;
    put_text(t->run, &t->text);
    for (int i = 0; i < N_COLUMNS; i++) {
        ls_text_add(&t->text, ",", 1);
        put_cell(json_object_get(object, columns[i]), &t->text);
    }
    ls_text_add(&t->text, "\n", 1);
}

static void put_head(ls_text *out)
{
    ls_text_printf(out, "run");
    for (int i = 0; i < N_COLUMNS; i++) ls_text_printf(out, ",%s", columns[i]);
    ls_text_add(out, "\n", 1);
}

static ls_status put_run(table *t, const char *directory)
{
    int n_broken = 0;
    char *path = ls_path_join(directory, "metrics.jsonl");
    LS_REQUIRE(path != NULL, LS_ENOMEM, "out of memory for a table");
    t->run = directory;
    const ls_status status =
        access(path, R_OK) == 0
            ? ls_json_lines(path, put_row, t, &n_broken)
            : ls_status_fail(LS_EUSAGE, __FILE__, __LINE__,
                             "%s: expected the directory of a training run (metrics.jsonl in it); the table of a study "
                             "is the results.csv in its directory",
                             directory);
    ls_free(path);
    if (n_broken > 0)
        ls_warn("%s: lines of metrics.jsonl that are cut off or no JSON, and left out: %d", directory, n_broken);
    return status;
}

ls_status ls_report_csv(const char *const *directories, int n, const char *out)
{
    table t = {0};
    ls_status status = LS_OK;
    LS_REQUIRE(n > 0, LS_EUSAGE,
               "expected the directory of one or several training runs, as in: lockstep report runs/a --csv a.csv");
    put_head(&t.text);
    for (int i = 0; i < n && status == LS_OK; i++) status = put_run(&t, directories[i]);
    if (status == LS_OK) status = ls_text_status(&t.text);
    if (status == LS_OK) status = ls_file_write(out, t.text.data, t.text.n);
    if (status == LS_OK) ls_notice("table: %s", out);
    ls_text_free(&t.text);
    return status;
}
