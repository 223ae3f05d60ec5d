/* A figure as a gnuplot script.  Texts stand in single quotes, where gnuplot neither substitutes commands nor macros.
 */
#include <math.h>

#include "study/figure.h"

/* The page's light colours; the last is neutral. */
static const char *const colors[LS_N_COLORS + 1] = {"#0072B2", "#D55E00", "#008A64", "#A0569A",
                                                    "#A87400", "#3B8FC2", "#5B4AA0", "#666666"};
static const int points[LS_N_COLORS] = {7, 5, 13, 9, 11, 1, 15}; /* gnuplot's numbers of the markers' shapes */

static void quoted(const char *text, ls_text *out)
{
    ls_text_add(out, "'", 1);
    for (; *text != 0; text++) {
        if (*text == '\'') ls_text_add(out, "'", 1);
        ls_text_add(out, (unsigned char)*text < ' ' ? " " : text, 1);
    }
    ls_text_add(out, "'", 1);
}

static void add_number(double v, ls_text *out)
{
    if (isfinite(v))
        ls_text_printf(out, " %.10g", v);
    else
        ls_text_printf(out, " NaN");
}

static void add_data(const ls_figure *f, int series, ls_text *out)
{
    const ls_series *s = &f->series[series];
    ls_text_printf(out, "$d%d << END\n", series);
    for (int i = 0; i < s->n; i++) {
        const ls_point *p = &s->point[i];
        double x = p->x, width = 0;
        if (s->mark == LS_MARK_BAR) ls_figure_bar(f, series, p->x, &x, &width);
        add_number(x + width / 2, out);
        add_number(p->y, out);
        add_number(p->low, out);
        add_number(p->high, out);
        ls_text_printf(out, "\n");
    }
    if (s->n == 0) ls_text_printf(out, "NaN NaN NaN NaN\n");
    ls_text_printf(out, "END\n");
}

static void add_axis(char name, const ls_axis *a, ls_text *out)
{
    char text[LS_TICK_TEXT];
    ls_text_printf(out, "set %clabel ", name);
    quoted(a->label, out);
    if (name == 'x') ls_text_printf(out, " offset 0,0.5");
    ls_text_printf(out, "\nset %crange [%.10g:%.10g]\n", name, a->low, a->high);
    if (a->scale != LS_LINEAR) ls_text_printf(out, "set logscale %c %d\n", name, a->scale == LS_LOG2 ? 2 : 10);
    ls_text_printf(out, "set %ctics (", name);
    for (int i = 0; i < a->n_ticks; i++) {
        ls_tick_text(a->scale, a->tick[i], text);
        ls_text_printf(out, "%s'%s' %.10g", i > 0 ? ", " : "", text, a->tick[i]);
    }
    ls_text_printf(out, ")\n");
}

static void add_categories(const ls_figure *f, ls_text *out)
{
    double left, width;
    if (f->category == NULL) return;
    ls_figure_bar(f, 0, 0, &left, &width);
    ls_text_printf(out, "set boxwidth %.10g\nset style fill solid 0.9\nset xtics (", width);
    for (int i = 0; i < f->n_categories; i++) {
        if (i > 0) ls_text_printf(out, ", ");
        quoted(f->category[i], out);
        ls_text_printf(out, " %d", i);
    }
    ls_text_printf(out, ")\n");
}

/* How one series is plotted: columns 1 to 4 are x, y, low, high. */
static void add_plot(const ls_figure *f, int series, ls_text *out)
{
    const ls_series *s = &f->series[series];
    const int hue = s->color < 0 ? LS_N_COLORS : s->color % LS_N_COLORS;
    const char *color = colors[hue];
    const int dash = s->color < 0 ? 1 : 1 + s->color / LS_N_COLORS % 4, point = points[hue % LS_N_COLORS];
    ls_text_printf(out, "$d%d ", series);
    switch (s->mark) {
    case LS_MARK_LINE:
        ls_text_printf(out, "using 1:2 with lines lw 2 dt %d", dash);
        break;
    case LS_MARK_RUN:
        ls_text_printf(out, "using 1:2 with linespoints lw 2 dt %d pt %d pointnumber 3", dash, point);
        break;
    case LS_MARK_DASH:
        ls_text_printf(out, "using 1:2 with lines lw 1.5 dt 2");
        break;
    case LS_MARK_LINE_DOTS:
        ls_text_printf(out, "using 1:2 with linespoints lw 2 dt %d pt %d", dash, point);
        break;
    case LS_MARK_BAND:
        ls_text_printf(out, "using 1:3:4 with filledcurves fs transparent solid 0.18");
        break;
    case LS_MARK_BAR:
        ls_text_printf(out, "using 1:2 with boxes");
        break;
    case LS_MARK_SMALL:
        ls_text_printf(out, "using 1:2 with points pt 7 ps 0.4");
        break;
    case LS_MARK_HOLLOW:
        ls_text_printf(out, "using 1:2 with points pt 6 ps 1.2");
        break;
    case LS_MARK_CROSS:
        ls_text_printf(out, "using 1:2 with points pt 2 ps 1.2");
        break;
    case LS_MARK_ARROW:
        ls_text_printf(out, "using 1:2 with points pt 8 ps 1.4");
        break;
    default:
        ls_text_printf(out, "using 1:2 with points pt %d ps 1.1", point);
    }
    ls_text_printf(out, " lc rgb '%s'", color);
    if (s->listed && s->n > 0) {
        ls_text_printf(out, " title ");
        quoted(s->name, out);
    } else {
        ls_text_printf(out, " notitle");
    }
}

void ls_figure_gnuplot(const ls_figure *f, ls_text *out)
{
    ls_axis x, y;
    ls_figure_fit_axes(f, &x, &y);
    ls_text_printf(out, "# 'gnuplot %s.gp' writes %s.svg and %s.png; arrows up: not reached within the cap\n", f->id,
                   f->id, f->id);
    for (int s = 0; s < f->n_series; s++) add_data(f, s, out);
    ls_text_printf(
        out,
        "set encoding utf8\nset datafile missing 'NaN'\nset border 3\nset tics nomirror\nset grid lc rgb '#dddddd'\n"
        "set key below\nset title ");
    quoted(f->title, out);
    ls_text_printf(out, "\n");
    add_axis('x', &x, out);
    add_axis('y', &y, out);
    add_categories(f, out);
    ls_text_printf(
        out, "set terminal svg noenhanced size 720,560 dynamic background rgb 'white'\nset output '%s.svg'\nplot ",
        f->id);
    for (int s = 0; s < f->n_series; s++) {
        if (s > 0) ls_text_printf(out, ", \\\n ");
        add_plot(f, s, out);
    }
    ls_text_printf(out,
                   "\nset terminal pngcairo noenhanced size 1440,1120 fontscale 1.6 linewidth 2 pointscale 2\n"
                   "set output '%s.png'\nreplot\n",
                   f->id);
}
