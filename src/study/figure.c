#include "study/figure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

ls_figure ls_figure_begin(const char *id, const char *title, const char *x_label, ls_scale x_scale, const char *y_label,
                          ls_scale y_scale)
{
    return (ls_figure){
        .id = id, .title = title, .x = {.label = x_label, .scale = x_scale}, .y = {.label = y_label, .scale = y_scale}};
}

void ls_figure_free(ls_figure *figure)
{
    for (int s = 0; s < figure->n_series; s++) {
        ls_free(figure->series[s].name);
        ls_free(figure->series[s].point);
    }
    ls_free(figure->series);
    ls_text_free(&figure->caption);
    *figure = (ls_figure){0};
}

/* Room for one more element behind n; false when out of memory. */
static bool grow(void **block, int n, int *capacity, size_t size)
{
    if (n < *capacity) return true;
    const int wanted = 2 * *capacity + 8;
    void *more = ls_realloc(*block, (size_t)*capacity, (size_t)wanted, size);
    if (more == NULL) return false;
    *block = more;
    *capacity = wanted;
    return true;
}

static void add_series(ls_figure *f, ls_mark mark, int color, bool listed, const char *name)
{
    void *block = f->series;
    if (!grow(&block, f->n_series, &f->capacity, sizeof *f->series)) {
        f->failed = true;
        return;
    }
    f->series = block;
    ls_series *s = &f->series[f->n_series];
    *s = (ls_series){.name = ls_strdup(name), .mark = mark, .color = color, .listed = listed};
    f->failed |= s->name == NULL;
    f->n_series += s->name != NULL;
}

void ls_figure_series(ls_figure *f, ls_mark mark, int color, const char *format, ...)
{
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    add_series(f, mark, color, true, name);
}

void ls_figure_series_unlisted(ls_figure *f, ls_mark mark, int color, const char *name)
{
    add_series(f, mark, color, false, name);
}

void ls_figure_interval(ls_figure *f, double x, double y, double low, double high)
{
    if (f->failed || f->n_series == 0) return;
    ls_series *s = &f->series[f->n_series - 1];
    void *block = s->point;
    if (!grow(&block, s->n, &s->capacity, sizeof *s->point)) {
        f->failed = true;
        return;
    }
    s->point = block;
    s->point[s->n++] = (ls_point){x, y, low, high};
}

void ls_figure_point(ls_figure *f, double x, double y)
{
    ls_figure_interval(f, x, y, NAN, NAN);
}

static bool stretches(const ls_series *s)
{
    return s->mark != LS_MARK_DASH && s->mark != LS_MARK_BAND;
}

/* Can be drawn on an axis of this scale; the bounds keep the arithmetic of axes finite. */
static bool drawable(ls_scale scale, double v)
{
    return isfinite(v) && fabs(v) < 1e200 && (scale == LS_LINEAR || v > 1e-200);
}

static bool has_place(const ls_figure *f, const ls_point *p)
{
    return drawable(f->x.scale, p->x) && drawable(f->y.scale, p->y);
}

bool ls_figure_empty(const ls_figure *f)
{
    for (int s = 0; s < f->n_series; s++)
        for (int i = 0; i < f->series[s].n && stretches(&f->series[s]); i++)
            if (has_place(f, &f->series[s].point[i])) return false;
    return true;
}

typedef struct range {
    double low, high;
} range;

static void take(range *r, ls_scale scale, double v)
{
    if (!drawable(scale, v)) return;
    r->low = fmin(r->low, v);
    r->high = fmax(r->high, v);
}

void ls_figure_fit_axes(const ls_figure *f, ls_axis *x, ls_axis *y)
{
    range rx = {INFINITY, -INFINITY}, ry = rx;
    for (int s = 0; s < f->n_series; s++) {
        for (int i = 0; i < f->series[s].n && stretches(&f->series[s]); i++) {
            const ls_point *p = &f->series[s].point[i];
            if (!has_place(f, p)) continue;
            take(&rx, f->x.scale, p->x);
            take(&ry, f->y.scale, p->y);
        }
    }
    *x = f->x;
    *y = f->y;
    ls_axis_fit(x, rx.low, rx.high, false);
    ls_axis_fit(y, ry.low, ry.high, f->category != NULL || (ry.low >= 0 && ry.low < 0.5 * ry.high));
    if (f->category == NULL) return;
    x->low = -0.5;
    x->high = f->n_categories - 0.5;
    x->n_ticks = f->n_categories < LS_MAX_TICKS ? f->n_categories : LS_MAX_TICKS;
    for (int i = 0; i < x->n_ticks; i++) x->tick[i] = i;
}

void ls_figure_bar(const ls_figure *f, int series, double x, double *left, double *width)
{
    int n = 0, before = 0;
    for (int s = 0; s < f->n_series; s++) {
        if (f->series[s].mark != LS_MARK_BAR) continue;
        n++;
        before += s < series;
    }
    *width = 0.8 / (n > 0 ? n : 1);
    *left = x - 0.4 + *width * before;
}

static void csv_text(const char *text, ls_text *out)
{
    ls_text_add(out, "\"", 1);
    for (; *text != 0; text++) {
        if (*text == '"') ls_text_add(out, "\"", 1);
        ls_text_add(out, (unsigned char)*text < ' ' ? " " : text, 1);
    }
    ls_text_add(out, "\"", 1);
}

static void csv_number(double v, ls_text *out)
{
    char text[32] = "";
    if (isfinite(v)) ls_real_text(v, text);
    ls_text_printf(out, ",%s", text);
}

void ls_figure_csv(const ls_figure *f, ls_text *out)
{
    ls_text_printf(out, "series,");
    csv_text(f->x.label, out);
    ls_text_add(out, ",", 1);
    csv_text(f->y.label, out);
    ls_text_printf(out, ",low,high\n");
    for (int s = 0; s < f->n_series; s++) {
        for (int i = 0; i < f->series[s].n; i++) {
            const ls_point *p = &f->series[s].point[i];
            csv_text(f->series[s].name, out);
            if (f->category != NULL && p->x >= 0 && p->x < f->n_categories) {
                ls_text_add(out, ",", 1);
                csv_text(f->category[(int)p->x], out);
            } else {
                csv_number(p->x, out);
            }
            csv_number(p->y, out);
            csv_number(p->low, out);
            csv_number(p->high, out);
            ls_text_add(out, "\n", 1);
        }
    }
}
