#include "study/fit_table.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "data/csv_text.h"

enum { MAX_COLUMNS = 256, MAX_SERIES = 10000, FIRST_CAPACITY = 64 };

#define WHOLE_MAX 9007199254740992.0

typedef enum column { BATCH, STEPS, SEED, CENSORED, SERIES, N_NAMED, OTHER = N_NAMED } column;

/* Names of each column; the first is the one that messages use. */
static const char *const names[N_NAMED][5] = {{"B", "batch", "batch_size", "global_batch_size"},
                                              {"steps", "steps_to_target"},
                                              {"seed"},
                                              {"censored"},
                                              {"series", "label", "model"}};

typedef struct reader {
    ls_csv_text text;
    ls_fit_table *table;
    ls_text ignored;
    column kind[MAX_COLUMNS];
    int n_columns;
    bool has[N_NAMED];
} reader;

#define AT       "%s:%" PRId64 ": "
#define PLACE(r) (r)->text.path, (r)->text.line_number

/* Without blanks at both ends, in place. */
static char *trim(char *field)
{
    field += strspn(field, " \t");
    size_t n = strlen(field);
    while (n > 0 && (field[n - 1] == ' ' || field[n - 1] == '\t')) field[--n] = 0;
    return field;
}

static column column_of(const char *name)
{
    for (int c = 0; c < N_NAMED; c++)
        for (int i = 0; names[c][i] != NULL; i++)
            if (strcasecmp(name, names[c][i]) == 0) return (column)c;
    return OTHER;
}

static ls_status take_column(reader *r, const char *name)
{
    const column c = column_of(name);
    LS_REQUIRE(r->n_columns < MAX_COLUMNS, LS_EDATA, AT "more than %d columns", PLACE(r), MAX_COLUMNS);
    r->kind[r->n_columns++] = c;
    if (c == OTHER) {
        ls_text_printf(&r->ignored, "%s%s", r->ignored.n > 0 ? ", " : "", name);
        return LS_OK;
    }
    LS_REQUIRE(!r->has[c], LS_EDATA, AT "'%s' is a second column for %s; rename or remove one", PLACE(r), name,
               names[c][0]);
    r->has[c] = true;
    return LS_OK;
}

static ls_status read_header(reader *r)
{
    bool found;
    LS_TRY(ls__csv_next_row(&r->text, &found));
    LS_REQUIRE(found, LS_EDATA, "%s:1: the file is empty; expected a header with columns B and steps", r->text.path);
    for (char *at = r->text.line, *field; at != NULL;) {
        LS_TRY(ls__csv_next_field(&r->text, &at, &field));
        LS_TRY(take_column(r, trim(field)));
    }
    LS_REQUIRE(r->has[BATCH], LS_EDATA,
               AT "expected a column B (or batch, batch_size, global_batch_size) in the header", PLACE(r));
    LS_REQUIRE(r->has[STEPS], LS_EDATA, AT "expected a column steps (or steps_to_target) in the header", PLACE(r));
    LS_TRY(ls_text_status(&r->ignored));
    r->table->has_seeds = r->has[SEED];
    r->table->ignored = ls_strdup(r->ignored.n > 0 ? r->ignored.data : "");
    LS_REQUIRE(r->table->ignored != NULL, LS_ENOMEM, "out of memory for column names");
    return LS_OK;
}

static ls_status read_whole(const reader *r, const char *field, column c, double min, int64_t *out)
{
    double value;
    LS_REQUIRE(ls__csv_number(field, &value) && value >= min && value <= WHOLE_MAX && value == floor(value), LS_EDATA,
               AT "%s: expected a whole number from %.0f, found '%s'", PLACE(r), names[c][0], min, field);
    *out = (int64_t)value;
    return LS_OK;
}

static ls_status read_steps(const reader *r, const char *field, double *out)
{
    LS_REQUIRE(ls__csv_number(field, out) && isfinite(*out) && *out > 0, LS_EDATA,
               AT "steps: expected a number above 0 (of a censored run its cap), found '%s'", PLACE(r), field);
    return LS_OK;
}

static ls_status read_censored(const reader *r, const char *field, bool *out)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "", NULL};
    int i = 0;
    while (words[i] != NULL && strcasecmp(field, words[i]) != 0) i++;
    LS_REQUIRE(words[i] != NULL, LS_EDATA, AT "censored: expected 0, 1, true, false, yes or no, found '%s'", PLACE(r),
               field);
    *out = i % 2 == 1;
    return LS_OK;
}

/* A series by its name, the last one first: tables tend to be sorted. */
static ls_status find_series(ls_fit_table *table, const char *name, ls_fit_series **out)
{
    for (int i = table->n_series - 1; i >= 0; i--)
        if (strcmp(table->series[i].name, name) == 0) {
            *out = &table->series[i];
            return LS_OK;
        }
    LS_REQUIRE(table->n_series < MAX_SERIES, LS_EDATA, "more than %d series", MAX_SERIES);
    const size_t n = (size_t)table->n_series;
    ls_fit_series *grown = ls_realloc(table->series, n, n + 1, sizeof *grown);
    LS_REQUIRE(grown != NULL, LS_ENOMEM, "out of memory for a series");
    table->series = grown;
    grown[n].name = ls_strdup(name);
    LS_REQUIRE(grown[n].name != NULL, LS_ENOMEM, "out of memory for a series");
    table->n_series++;
    *out = &grown[n];
    return LS_OK;
}

static ls_status append(ls_fit_series *s, const ls_fit_point *point, int64_t line)
{
    if (s->n == s->capacity) {
        const int64_t capacity = s->capacity > 0 ? 2 * s->capacity : FIRST_CAPACITY;
        ls_fit_point *points = ls_realloc(s->points, (size_t)s->n, (size_t)capacity, sizeof *points);
        if (points != NULL) s->points = points;
        int64_t *lines = ls_realloc(s->line, (size_t)s->n, (size_t)capacity, sizeof *lines);
        if (lines != NULL) s->line = lines;
        LS_REQUIRE(points != NULL && lines != NULL, LS_ENOMEM, "out of memory for points");
        s->capacity = capacity;
    }
    s->points[s->n] = *point;
    s->line[s->n++] = line;
    return LS_OK;
}

static ls_status read_row(reader *r)
{
    ls_fit_point point = {0};
    const char *name = "";
    char *at = r->text.line, *field;
    int n = 0;
    for (; at != NULL && n < r->n_columns; n++) {
        LS_TRY(ls__csv_next_field(&r->text, &at, &field));
        field = trim(field);
        if (r->kind[n] == BATCH) LS_TRY(read_whole(r, field, BATCH, 1, &point.batch_size));
        if (r->kind[n] == STEPS) LS_TRY(read_steps(r, field, &point.steps));
        if (r->kind[n] == SEED) LS_TRY(read_whole(r, field, SEED, 0, &point.seed));
        if (r->kind[n] == CENSORED) LS_TRY(read_censored(r, field, &point.censored));
        if (r->kind[n] == SERIES) name = field;
    }
    LS_REQUIRE(at == NULL && n == r->n_columns, LS_EDATA, AT "expected %d fields as in the header, found %s", PLACE(r),
               r->n_columns, at == NULL ? "fewer" : "more");
    ls_fit_series *series = NULL;
    LS_TRY(find_series(r->table, name, &series));
    return append(series, &point, r->text.line_number);
}

static int by_run(const void *a, const void *b, void *points)
{
    const ls_fit_point *x = (ls_fit_point *)points + *(const int64_t *)a;
    const ls_fit_point *y = (ls_fit_point *)points + *(const int64_t *)b;
    if (x->batch_size != y->batch_size) return x->batch_size < y->batch_size ? -1 : 1;
    if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
    return *(const int64_t *)a < *(const int64_t *)b ? -1 : 1;
}

/* No run is counted twice. */
static ls_status check_seeds(const reader *r, const ls_fit_series *s)
{
    int64_t *order = ls_calloc((size_t)s->n, sizeof *order);
    LS_REQUIRE(order != NULL, LS_ENOMEM, "out of memory for %" PRId64 " points", s->n);
    for (int64_t i = 0; i < s->n; i++) order[i] = i;
    qsort_r(order, (size_t)s->n, sizeof *order, by_run, s->points);
    int64_t twice = -1, before = -1;
    for (int64_t i = 1; i < s->n && twice < 0; i++) {
        const ls_fit_point *x = &s->points[order[i - 1]], *y = &s->points[order[i]];
        if (x->batch_size != y->batch_size || x->seed != y->seed) continue;
        before = order[i - 1];
        twice = order[i];
    }
    ls_free(order);
    if (twice < 0) return LS_OK;
    LS_FAIL(LS_EDATA, AT "seed %" PRId64 " at B = %" PRId64 " was already on line %" PRId64 "%s%s; a run counts once",
            r->text.path, s->line[twice], s->points[twice].seed, s->points[twice].batch_size, s->line[before],
            s->name[0] != 0 ? " in series " : "", s->name);
}

static ls_status read_all(reader *r)
{
    bool found;
    LS_TRY(read_header(r));
    for (;;) {
        LS_TRY(ls__csv_next_row(&r->text, &found));
        if (!found) break;
        LS_TRY(read_row(r));
    }
    LS_REQUIRE(r->table->n_series > 0, LS_EDATA, AT "no run follows the header", PLACE(r));
    for (int i = 0; i < r->table->n_series && r->table->has_seeds; i++) LS_TRY(check_seeds(r, &r->table->series[i]));
    return LS_OK;
}

ls_status ls__fit_table_read(const char *path, ls_fit_table **out)
{
    *out = NULL;
    ls_fit_table *table = ls_calloc(1, sizeof *table);
    reader r = {.table = table, .text = {.delimiter = ',', .path = ls_strdup(path)}};
    ls_status status = LS_OK;
    if (table == NULL || r.text.path == NULL)
        status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a table");
    else if ((r.text.file = fopen(path, "r")) == NULL)
        status = ls_status_fail(LS_EDATA, __FILE__, __LINE__, "%s: cannot be opened: %s", path, strerror(errno));
    if (status == LS_OK) status = read_all(&r);
    ls__csv_text_close(&r.text);
    ls_text_free(&r.ignored);
    if (status != LS_OK) ls__fit_table_destroy(&table);
    *out = table;
    return status;
}

void ls__fit_table_destroy(ls_fit_table **table)
{
    if (table == NULL || *table == NULL) return;
    for (int i = 0; i < (*table)->n_series; i++) {
        ls_free((*table)->series[i].name);
        ls_free((*table)->series[i].points);
        ls_free((*table)->series[i].line);
    }
    ls_free((*table)->series);
    ls_free((*table)->ignored);
    ls_free(*table);
    *table = NULL;
}
