/* Tables as text: a line is a sample, a column is a feature, the label or a target.  Two passes: open counts the
 * lines, load reads the numbers. */
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/csv_text.h"

enum { HEADER_AUTO, HEADER_TRUE };

static const char *const header_names[] = {"auto", "true", "false", NULL};

typedef struct csv_options {
    const char *file, *label, *delimiter;
    const ls_node *targets, *ignore;
    int header;
} csv_options;

static const ls_option csv_table[] = {{.key = "file",
                                       .kind = LS_OPTION_TEXT,
                                       .offset = offsetof(csv_options, file),
                                       .resume = LS_FREE,
                                       .help = "text file, one sample a line"},
                                      {.key = "label",
                                       .kind = LS_OPTION_TEXT,
                                       .offset = offsetof(csv_options, label),
                                       .fallback = "~",
                                       .help = "column of the class: its name or its number from 0; null: none"},
                                      {.key = "targets",
                                       .kind = LS_OPTION_NODE,
                                       .offset = offsetof(csv_options, targets),
                                       .fallback = "~",
                                       .help = "column or list of columns of the values to predict; null: none"},
                                      {.key = "ignore",
                                       .kind = LS_OPTION_NODE,
                                       .offset = offsetof(csv_options, ignore),
                                       .fallback = "~",
                                       .help = "column or list of columns to leave out; null: none"},
                                      {.key = "header",
                                       .kind = LS_OPTION_CHOICE,
                                       .offset = offsetof(csv_options, header),
                                       .fallback = "auto",
                                       .choices = header_names,
                                       .help = "does the first line name the columns; auto: if a field is no number"},
                                      {.key = "delimiter",
                                       .kind = LS_OPTION_TEXT,
                                       .offset = offsetof(csv_options, delimiter),
                                       .fallback = "','",
                                       .help = "one character, or tab"},
                                      {0}};

/* What a column is for; from 0: which target. */
enum { COLUMN_IGNORED = -3, COLUMN_LABEL = -2, COLUMN_FEATURE = -1 };

typedef struct csv_state {
    ls_csv_text text;
    char *first_line; /* names points into it */
    char **names;     /* [n_columns]; the fields of the first line */
    int32_t *role;    /* [n_columns] */
    int64_t n_columns, n_features, n_targets, n_rows;
    float *features, *targets; /* one sample */
    int32_t label;
    bool header, labelled;
} csv_state;

static ls_status split_first_line(csv_state *s)
{
    bool found;
    LS_TRY(ls__csv_next_row(&s->text, &found));
    LS_REQUIRE(found, LS_EDATA, "%s:1: expected a line of fields, found an empty file", s->text.path);
    size_t most = 1;
    for (const char *at = s->text.line; *at != 0; at++) most += *at == s->text.delimiter;
    LS_REQUIRE(most <= INT_MAX, LS_EDATA, "%s:1: more columns than %d", s->text.path, INT_MAX);
    s->first_line = ls_strdup(s->text.line);
    s->names = ls_calloc(most, sizeof *s->names);
    s->role = ls_calloc(most, sizeof *s->role);
    LS_REQUIRE(s->first_line != NULL && s->names != NULL && s->role != NULL, LS_ENOMEM,
               "%s: out of memory for %zu columns", s->text.path, most);
    for (char *at = s->first_line; at != NULL; s->n_columns++) {
        LS_TRY(ls__csv_next_field(&s->text, &at, &s->names[s->n_columns]));
        s->role[s->n_columns] = COLUMN_FEATURE;
    }
    return LS_OK;
}

static bool is_header(const csv_state *s, int choice)
{
    double ignored;
    if (choice != HEADER_AUTO) return choice == HEADER_TRUE;
    for (int64_t c = 0; c < s->n_columns; c++)
        if (!ls__csv_number(s->names[c], &ignored)) return true;
    return false;
}

static ls_status find_name(const csv_state *s, const char *column, int64_t *out)
{
    *out = -1;
    for (int64_t c = 0; s->header && c < s->n_columns; c++) {
        if (strcmp(s->names[c], column) != 0) continue;
        LS_REQUIRE(*out < 0, LS_EUSAGE, "%s has two columns '%s'; give the number of the column", s->text.path, column);
        *out = c;
    }
    return LS_OK;
}

/* A name of the header comes first, then a number. */
static ls_status find_column(const csv_state *s, const char *key, const char *column, int64_t *out)
{
    LS_TRY(find_name(s, column, out));
    if (*out >= 0) return LS_OK;
    const size_t digits = strspn(column, "0123456789");
    if (digits > 0 && digits <= 10 && column[digits] == 0) *out = strtoll(column, NULL, 10);
    if (*out >= 0 && *out < s->n_columns) return LS_OK;
    LS_REQUIRE(s->header && *out < 0, LS_EUSAGE, "'%s': %s has no column '%s'; it has the columns 0 to %" PRId64, key,
               s->text.path, column, s->n_columns - 1);
    const int nearest = ls_nearest_name(column, (const char *const *)s->names, (int)s->n_columns);
    LS_REQUIRE(nearest < 0, LS_EUSAGE, "'%s': %s has no column '%s'; did you mean '%s'?", key, s->text.path, column,
               s->names[nearest]);
    LS_FAIL(LS_EUSAGE, "'%s': %s has no column '%s'; the first is '%s'", key, s->text.path, column, s->names[0]);
}

static ls_status claim_column(csv_state *s, const char *key, const char *column, int32_t role)
{
    int64_t c;
    LS_TRY(find_column(s, key, column, &c));
    LS_REQUIRE(s->role[c] == COLUMN_FEATURE, LS_EUSAGE, "'%s': the column '%s' is used twice", key, column);
    s->role[c] = role;
    s->n_features--;
    return LS_OK;
}

/* A column or a list of columns, all with the same role or (targets) with the roles 0, 1, ... */
static ls_status claim_columns(csv_state *s, const char *key, const ls_node *node, bool targets)
{
    const bool list = node->kind == LS_NODE_LIST;
    LS_REQUIRE(node->kind != LS_NODE_MAP && (!list || node->n > 0), LS_EUSAGE,
               "'%s' must be a column or a list of columns", key);
    for (int i = 0; i < (list ? node->n : 1); i++) {
        const ls_node *item = list ? node->child[i] : node;
        LS_REQUIRE(item->kind == LS_NODE_SCALAR, LS_EUSAGE, "'%s' must be a column or a list of columns", key);
        LS_TRY(claim_column(s, key, item->text, targets ? i : COLUMN_IGNORED));
        s->n_targets += targets;
    }
    return LS_OK;
}

static ls_status assign_roles(csv_state *s, const csv_options *o)
{
    s->n_features = s->n_columns;
    s->labelled = o->label != NULL;
    if (o->label != NULL) LS_TRY(claim_column(s, "label", o->label, COLUMN_LABEL));
    if (o->targets != NULL) LS_TRY(claim_columns(s, "targets", o->targets, true));
    if (o->ignore != NULL) LS_TRY(claim_columns(s, "ignore", o->ignore, false));
    LS_REQUIRE(s->n_features > 0, LS_EUSAGE, "%s: no column is left as a feature", s->text.path);
    s->features = ls_calloc((size_t)s->n_features, sizeof *s->features);
    s->targets = ls_calloc((size_t)s->n_targets, sizeof *s->targets);
    LS_REQUIRE(s->features != NULL && s->targets != NULL, LS_ENOMEM, "%s: out of memory for a sample", s->text.path);
    return LS_OK;
}

static ls_status wrong_count(const csv_state *s, int64_t found)
{
    LS_FAIL(LS_EDATA, "%s:%" PRId64 ": expected %" PRId64 " fields, found %" PRId64, s->text.path, s->text.line_number,
            s->n_columns, found);
}

/* Counts the lines after the first, which is read.  Their fields are counted too, so that a short line cannot ask for
 * more memory than the file could fill. */
static ls_status count_rows(csv_state *s)
{
    for (s->n_rows = s->header ? 0 : 1;; s->n_rows++) {
        bool found;
        LS_TRY(ls__csv_next_row(&s->text, &found));
        if (!found) break;
        int64_t n = 0;
        for (char *at = s->text.line, *field; at != NULL; n++) LS_TRY(ls__csv_next_field(&s->text, &at, &field));
        if (n != s->n_columns) return wrong_count(s, n);
    }
    LS_REQUIRE(s->n_rows > 0, LS_EDATA, "%s:2: expected a sample after the header, found the end of the file",
               s->text.path);
    return LS_OK;
}

static ls_status read_delimiter(const char *name, char *out)
{
    const bool tab = name != NULL && strcmp(name, "tab") == 0;
    *out = (char)(tab ? '\t' : name != NULL ? name[0] : 0);
    const bool single = tab || (name != NULL && strlen(name) == 1);
    LS_REQUIRE(single && !isalnum((unsigned char)*out) && strchr("\"\r\n+-.", *out) == NULL, LS_EUSAGE,
               "'delimiter' must be one character that is no part of a number, or tab; found '%s'",
               name ? name : "null");
    return LS_OK;
}

static ls_status csv_open(const void *options, const ls_reader_paths *paths, ls_dataset_info *info, void **state)
{
    const csv_options *o = options;
    char delimiter;
    LS_REQUIRE(o->file != NULL, LS_EUSAGE, "the format csv needs the text file 'file'");
    LS_REQUIRE(o->label == NULL || o->targets == NULL, LS_EUSAGE,
               "the format csv takes 'label' (a class) or 'targets' (values), not both");
    LS_TRY(read_delimiter(o->delimiter, &delimiter));
    csv_state *s = *state = ls_calloc(1, sizeof *s);
    LS_REQUIRE(s != NULL, LS_ENOMEM, "out of memory for a reader");
    LS_TRY(ls__csv_text_open(&s->text, paths, o->file, delimiter));
    LS_TRY(split_first_line(s));
    s->header = is_header(s, o->header);
    LS_TRY(assign_roles(s, o));
    LS_TRY(count_rows(s));
    *info = (ls_dataset_info){.n_samples = s->n_rows,
                              .n_features = s->n_features,
                              .dim = {s->n_features},
                              .n_targets = s->n_targets,
                              .n_dim = 1,
                              .feature_type = LS_FEATURE_F32,
                              .label_kind = s->labelled        ? LS_LABEL_CLASS
                                            : s->n_targets > 0 ? LS_LABEL_VALUES
                                                               : LS_LABEL_NONE};
    return LS_OK;
}

static ls_status bad_field(const csv_state *s, int64_t column, const char *expected, const char *field)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRId64, column);
    LS_FAIL(LS_EDATA, "%s:%" PRId64 ": column '%s': expected %s, found '%.40s'", s->text.path, s->text.line_number,
            s->header ? s->names[column] : number, expected, field);
}

static ls_status store_field(csv_state *s, int64_t column, const char *field, int64_t *n_features)
{
    const int32_t role = s->role[column];
    double value;
    if (role == COLUMN_IGNORED) return LS_OK;
    const bool number = ls__csv_number(field, &value);
    if (role == COLUMN_LABEL) {
        if (!(number && value >= 0 && value <= INT32_MAX && value == floor(value)))
            return bad_field(s, column, "a class, a whole number from 0 (number classes that have names)", field);
        s->label = (int32_t)value;
        return LS_OK;
    }
    if (!number) return bad_field(s, column, "a number ('ignore' leaves columns out)", field);
    if (!isfinite((float)value)) return bad_field(s, column, "a finite number", field);
    if (role == COLUMN_FEATURE)
        s->features[(*n_features)++] = (float)value;
    else
        s->targets[role] = (float)value;
    return LS_OK;
}

/* The current line into the state's sample. */
static ls_status parse_row(csv_state *s)
{
    int64_t n = 0, n_features = 0;
    for (char *at = s->text.line, *field; at != NULL; n++) {
        LS_TRY(ls__csv_next_field(&s->text, &at, &field));
        if (n < s->n_columns) LS_TRY(store_field(s, n, field, &n_features));
    }
    return n == s->n_columns ? LS_OK : wrong_count(s, n);
}

static void store_row(const csv_state *s, int64_t row, float *features, int32_t *labels, float *targets)
{
    memcpy(features + row * s->n_features, s->features, (size_t)s->n_features * sizeof *features);
    if (labels != NULL) labels[row] = s->label;
    if (targets != NULL) memcpy(targets + row * s->n_targets, s->targets, (size_t)s->n_targets * sizeof *targets);
}

static ls_status csv_load(void *state, const ls_dataset_info *info, void *features, int32_t *labels, float *targets)
{
    csv_state *s = state;
    bool found;
    int64_t row = 0;
    LS_TRY(ls__csv_text_rewind(&s->text));
    if (s->header) LS_TRY(ls__csv_next_row(&s->text, &found));
    for (;; row++) {
        LS_TRY(ls__csv_next_row(&s->text, &found));
        if (!found || row == s->n_rows) break;
        LS_TRY(parse_row(s));
        if (row < info->n_samples) store_row(s, row, features, labels, targets);
    }
    LS_REQUIRE(!found && row == s->n_rows, LS_EDATA,
               "%s: the file changed while it was read: it had %" PRId64 " samples, now it has %s", s->text.path,
               s->n_rows, found ? "more" : "fewer");
    return LS_OK;
}

static void csv_close(void *state)
{
    csv_state *s = state;
    if (s == NULL) return;
    ls__csv_text_close(&s->text);
    ls_free(s->first_line);
    ls_free(s->names);
    ls_free(s->role);
    ls_free(s->features);
    ls_free(s->targets);
    ls_free(s);
}

const ls_reader_ops ls__reader_csv = {.name = "csv",
                                      .help = "a table as text: features, label and targets are columns",
                                      .options = csv_table,
                                      .options_size = sizeof(csv_options),
                                      .open = csv_open,
                                      .load = csv_load,
                                      .close = csv_close};
