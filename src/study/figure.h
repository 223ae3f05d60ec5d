/** A figure: series of points over two axes, described once and rendered as SVG for the page, as CSV, and as a gnuplot
 *  script.  Points that are not finite, or not positive on a log axis, are no marks; in CSV they are empty fields.
 *
 *  Running out of memory is remembered in `failed`.  Not collective. */
#ifndef LOCKSTEP_STUDY_FIGURE_H
#define LOCKSTEP_STUDY_FIGURE_H

#include <stdbool.h>

#include "base/text.h"

typedef enum ls_mark {
    LS_MARK_DOTS,
    LS_MARK_SMALL,  /* small pale dots: single runs behind a median */
    LS_MARK_HOLLOW, /* a dot that does not count: untuned */
    LS_MARK_CROSS,  /* diverged */
    LS_MARK_ARROW,  /* pointing up: not reached, the value is at least this */
    LS_MARK_LINE,
    LS_MARK_LINE_DOTS,
    LS_MARK_RUN,  /* a line with its marker at the end */
    LS_MARK_DASH, /* a reference line; does not stretch the axes */
    LS_MARK_BAND, /* from low to high; does not stretch the axes */
    LS_MARK_BAR,  /* over categories: x is the number of one, from 0 */
    LS_N_MARKS
} ls_mark;

typedef enum ls_scale { LS_LINEAR, LS_LOG2, LS_LOG10 } ls_scale;

enum { LS_N_COLORS = 7, LS_NEUTRAL = -1, LS_MAX_TICKS = 16, LS_TICK_TEXT = 24, LS_NUMBER_TEXT = 32 };

typedef struct ls_point {
    double x, y, low, high; /* low and high NaN: no interval */
} ls_point;

typedef struct ls_series {
    char *name;
    ls_mark mark;
    int color;   /* 0, 1, ...: hue and marker repeat after LS_N_COLORS, then lines are broken; or LS_NEUTRAL */
    bool listed; /* in the legend */
    int n, capacity;
    ls_point *point;
} ls_series;

/** One axis with its ends and ticks. */
typedef struct ls_axis {
    const char *label;
    ls_scale scale;
    double low, high;
    int n_ticks;
    double tick[LS_MAX_TICKS];
} ls_axis;

/** Texts that are not owned are static. */
typedef struct ls_figure {
    const char *id, *title; /* id: letters, digits, '_' */
    ls_text caption;        /* plain text */
    ls_axis x, y;
    const char *const *category; /* names along x of bars; NULL: numbers */
    int n_categories;
    int n_series, capacity;
    ls_series *series;
    bool failed;
} ls_figure;

ls_figure ls_figure_begin(const char *id, const char *title, const char *x_label, ls_scale x_scale, const char *y_label,
                          ls_scale y_scale);
void ls_figure_free(ls_figure *figure);

/** Begins a series; the points that follow belong to it. */
void ls_figure_series(ls_figure *figure, ls_mark mark, int color, const char *name, ...)
    __attribute__((format(printf, 4, 5)));
/** Begins a series that the legend leaves out. */
void ls_figure_series_unlisted(ls_figure *figure, ls_mark mark, int color, const char *name);
void ls_figure_point(ls_figure *figure, double x, double y);
void ls_figure_interval(ls_figure *figure, double x, double y, double low, double high);

/** Nothing would be seen besides reference lines and bands. */
bool ls_figure_empty(const ls_figure *figure);

/** Ends and ticks of both axes from the points; every renderer calls it. */
void ls_figure_fit_axes(const ls_figure *figure, ls_axis *x, ls_axis *y);

/** An axis around [low, high]; `from_zero`: a linear axis begins at 0. */
void ls_axis_fit(ls_axis *axis, double low, double high, bool from_zero);
/** The place of a value, 0 at the axis's low end and 1 at its high end; NaN where there is none. */
double ls_axis_at(const ls_axis *axis, double value);
/** "250", "20k", "1.5M", "1e-05"; powers of two are written out. */
void ls_tick_text(ls_scale scale, double value, char out[LS_TICK_TEXT]);

/** A number for people: four digits, or a whole number in full from 1000 on; "–" when not finite. */
void ls_number_text(double value, char out[LS_NUMBER_TEXT]);

/** The place of a bar among others: its left end and its width in units of x. */
void ls_figure_bar(const ls_figure *figure, int series, double x, double *left, double *width);

/** An <svg> element of 480 x 330 units, without colours: those are of the page's style.  A <title> at every mark tells
 *  its values. */
void ls_figure_svg(const ls_figure *figure, ls_text *out);
/** The legend as HTML: <span class="k">. */
void ls_figure_legend(const ls_figure *figure, ls_text *out);
/** A header and a line per point: series, x, y, low, high. */
void ls_figure_csv(const ls_figure *figure, ls_text *out);
/** A script that holds the numbers and writes ID.svg and ID.png into the working directory. */
void ls_figure_gnuplot(const ls_figure *figure, ls_text *out);

#endif
