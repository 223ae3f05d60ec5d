/** The parts of a report: builders fill it, report.c writes it.  Not collective. */
#ifndef LOCKSTEP_STUDY_REPORT_INTERNAL_H
#define LOCKSTEP_STUDY_REPORT_INTERNAL_H

#include <jansson.h>
#include <stdint.h>

#include "study/figure.h"

enum { LS_REPORT_MAX_FIGURES = 24 };

typedef struct ls_report {
    ls_text title;    /* plain text */
    ls_text kind;     /* plain text, the line under the title */
    ls_text head;     /* HTML before the figures */
    ls_text tail;     /* HTML behind them */
    ls_text warnings; /* HTML, <li> elements */
    ls_text absent;   /* HTML, <li> elements: figures without data, and why */
    int n_figures;
    ls_figure figure[LS_REPORT_MAX_FIGURES];
    bool failed; /* out of memory in a figure */
} ls_report;

/** Adds a figure, which the report then owns; one that is empty is named among the absent with `reason`. */
void ls_report_figure(ls_report *report, ls_figure *figure, const char *reason);
/** Adds a warning, in plain text. */
void ls_report_warn(ls_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* report_html.c: elements */
void ls_html_printf(ls_text *out, const char *element, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Opens a table with a caption and n heads; rows are begun, get n cells, and end. */
void ls_html_table(ls_text *out, const char *caption, const char *const *heads, int n);
void ls_html_row(ls_text *out);
void ls_html_cell(ls_text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** A number as ls_number_text writes it. */
void ls_html_number(ls_text *out, double value);
/** Value and interval, "354 [340, 371]". */
void ls_html_estimate(ls_text *out, double value, double low, double high);
void ls_html_row_end(ls_text *out);
void ls_html_table_end(ls_text *out);
/** A JSON value, indented, folded away under `summary`. */
void ls_html_json(ls_text *out, const char *summary, const json_t *value);

/* report_page.c */
/** The page.  `gnuplot` is a sentence when figures/NAME.svg and .png were not made, else NULL. */
void ls_report_page(const ls_report *report, const char *gnuplot, ls_text *out);

/* report_json.c: reading without trust; whatever is missing or of another type is NaN, "" or NULL */
double ls_json_real(const json_t *object, const char *key);
double ls_json_number(const json_t *value);
const char *ls_json_text(const json_t *object, const char *key);
/** Calls visit for every object of a file of JSON lines and counts the other lines.  LS_EUSAGE: not readable. */
ls_status ls_json_lines(const char *path, void (*visit)(void *context, json_t *object), void *context, int *n_broken);

/* report_study.c and report_runs.c: builders of the two kinds */
ls_status ls_report_study(ls_report *report, const char *directory);
ls_status ls_report_runs(ls_report *report, const char *const *directories, int n);

/* study_view.c: what the figures and tables of a study look at */
/** The curve of a fit. */
typedef struct ls_curve_view {
    bool known, identified;
    double target, s_min, b_crit, b_crit_low, b_crit_high;
    double ss, cc, sc; /* variances of log S_min and log B_crit and their covariance, times t^2; NaN: no intervals */
} ls_curve_view;

/** One size of an arm, for one target. */
typedef struct ls_size_view {
    const json_t *json;
    double size, median, lowest, highest; /* steps; NaN: not reached */
    double cap;                           /* of the longest run that did not reach the target; NaN */
    int n_scores, n_reached;
    bool tuned;
} ls_size_view;

/** The fit of an arm for a target; NULL: none. */
const json_t *ls_study_fit(const json_t *arm, double target);
ls_curve_view ls_curve_read(const json_t *arm, double target);
/** Steps at a size with the pointwise 95 % band of the curve. */
double ls_curve_steps(const ls_curve_view *curve, double size, double *low, double *high);
ls_size_view ls_size_view_read(const json_t *size, int target);
const json_t *ls_study_arm_named(const json_t *results, const char *name);
/** The targets of results, descending; how many there are, at most LS_STUDY_MAX_TARGETS. */
int ls_study_targets(const json_t *results, double target[]);
/** The trial of the score of median length at a size of the tuned arm; NULL: none recorded. */
const json_t *ls_study_median_trial(const ls_size_view *view, int target, const json_t *trials);

/* study_figures.c, study_figures_search.c */
/** All figures; trials is an array of the lines of trials.jsonl, which may be empty. */
void ls_study_figures(ls_report *report, const json_t *results, const json_t *trials);
void ls_study_search_figures(ls_report *report, const json_t *tuned);
void ls_study_trajectory_figures(ls_report *report, const json_t *results, const json_t *trials);

#endif
