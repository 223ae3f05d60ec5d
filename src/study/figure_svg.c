/* A figure as SVG in the page.  Colours are classes (c0 ... c6, cn) of the page's style, so that light and dark need no
 * second drawing; every hue has a marker of its own shape. */
#include <math.h>
#include <stdio.h>

#include "study/figure.h"

enum { WIDTH = 480, HEIGHT = 330, LEFT = 66, RIGHT = 14, TOP = 16, BOTTOM = 48 };

static const char *const shapes[LS_N_COLORS] = {
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "M-4-4h8v8h-8z",
    "M0-5.5L5.5 0 0 5.5-5.5 0z",
    "M0-5L5 4H-5z",
    "M0 5L5-4H-5z",
    "M-1.7-5h3.4v3.3H5v3.4H1.7V5h-3.4V1.7H-5v-3.4h3.3z",
    "M-5-3.2L0-5.5 5-3.2V3.2L0 5.5-5 3.2z",
};
static const char cross[] = "M-4.5-4.5L4.5 4.5M-4.5 4.5L4.5-4.5";
static const char arrow[] = "M0 0V-13M-4.5-8L0-14L4.5-8";
static const char *const dashes[] = {"", "7 3", "2 3", "9 3 2 3"};

typedef struct drawing {
    const ls_figure *figure;
    ls_axis x, y;
    ls_text *out;
} drawing;

static double x_of(const drawing *d, double v)
{
    return LEFT + ls_axis_at(&d->x, v) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const drawing *d, double v)
{
    return HEIGHT - BOTTOM - ls_axis_at(&d->y, v) * (HEIGHT - TOP - BOTTOM);
}

/* A place that SVG can hold; far outside is cut off by the clip path. */
static bool place(const drawing *d, double vx, double vy, double *x, double *y)
{
    *x = fmin(fmax(x_of(d, vx), -1e4), 1e4);
    *y = fmin(fmax(y_of(d, vy), -1e4), 1e4);
    return isfinite(x_of(d, vx)) && isfinite(y_of(d, vy));
}

static void color_class(int color, char out[4])
{
    snprintf(out, 4, color < 0 ? "cn" : "c%d", color % LS_N_COLORS);
}

static const char *shape_of(const ls_series *s)
{
    if (s->mark == LS_MARK_CROSS) return cross;
    if (s->mark == LS_MARK_ARROW) return arrow;
    if (s->mark == LS_MARK_SMALL) return "M-2.4 0a2.4 2.4 0 1 0 4.8 0a2.4 2.4 0 1 0-4.8 0z";
    return shapes[s->color < 0 ? 0 : s->color % LS_N_COLORS];
}

/* Class of the element: d filled, s small and pale, o hollow, l line, b band, h unseen but with a title. */
static const char *class_of(ls_mark mark)
{
    static const char *const class[LS_N_MARKS] = {
        [LS_MARK_DOTS] = "d",  [LS_MARK_SMALL] = "s",     [LS_MARK_HOLLOW] = "o",
        [LS_MARK_CROSS] = "l", [LS_MARK_ARROW] = "l",     [LS_MARK_LINE] = "h",
        [LS_MARK_RUN] = "h",   [LS_MARK_LINE_DOTS] = "d", [LS_MARK_BAR] = "d"};
    return class[mark];
}

static bool is_lined(ls_mark mark)
{
    return mark == LS_MARK_LINE || mark == LS_MARK_LINE_DOTS || mark == LS_MARK_RUN || mark == LS_MARK_DASH;
}

static bool is_hidden(ls_mark mark)
{
    return mark == LS_MARK_LINE || mark == LS_MARK_RUN;
}

static void number(ls_text *out, double v)
{
    char text[LS_NUMBER_TEXT];
    ls_number_text(v, text);
    ls_text_printf(out, "%s", text);
}

/* The values of a point, for who hovers over it. */
static void title(const drawing *d, const ls_series *s, const ls_point *p)
{
    ls_text_printf(d->out, "<title>");
    ls_text_html(d->out, s->name);
    ls_text_printf(d->out, "\n");
    ls_text_html(d->out, d->figure->x.label);
    ls_text_printf(d->out, ": ");
    if (d->figure->category != NULL)
        ls_text_html(d->out, d->figure->category[(int)p->x]);
    else
        number(d->out, p->x);
    ls_text_printf(d->out, "\n");
    ls_text_html(d->out, d->figure->y.label);
    ls_text_printf(d->out, s->mark == LS_MARK_ARROW ? ": more than " : ": ");
    number(d->out, p->y);
    if (isfinite(p->low) && isfinite(p->high)) {
        ls_text_printf(d->out, " [");
        number(d->out, p->low);
        ls_text_printf(d->out, ", ");
        number(d->out, p->high);
        ls_text_printf(d->out, "]");
    }
    ls_text_printf(d->out, "</title>");
}

static void draw_ticks(const drawing *d)
{
    char text[LS_TICK_TEXT];
    ls_text_printf(d->out, "<g class=\"a\">");
    for (int i = 0; i < d->x.n_ticks; i++) {
        const double x = x_of(d, d->x.tick[i]);
        if (d->figure->category == NULL)
            ls_text_printf(d->out, "<path class=\"g\" d=\"M%.1f %dV%d\"/>", x, TOP, HEIGHT - BOTTOM);
        ls_text_printf(d->out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", x, HEIGHT - BOTTOM + 16);
        ls_tick_text(d->x.scale, d->x.tick[i], text);
        ls_text_html(d->out, d->figure->category != NULL ? d->figure->category[i] : text);
        ls_text_printf(d->out, "</text>");
    }
    for (int i = 0; i < d->y.n_ticks; i++) {
        const double y = y_of(d, d->y.tick[i]);
        ls_tick_text(d->y.scale, d->y.tick[i], text);
        ls_text_printf(d->out, "<path class=\"g\" d=\"M%d %.1fH%d\"/>", LEFT, y, WIDTH - RIGHT);
        ls_text_printf(d->out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>", LEFT - 6, y + 4, text);
    }
    ls_text_printf(d->out, "<path class=\"x\" d=\"M%d %dV%dH%d\"/>", LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT);
    ls_text_printf(d->out, "<text class=\"n\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2,
                   HEIGHT - 8);
    ls_text_html(d->out, d->figure->x.label);
    ls_text_printf(d->out,
                   "</text><text class=\"n\" transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">",
                   (TOP + HEIGHT - BOTTOM) / 2);
    ls_text_html(d->out, d->figure->y.label);
    ls_text_printf(d->out, "</text></g>\n");
}

static void draw_path(const drawing *d, const ls_series *s)
{
    double x, y;
    bool pen_down = false;
    const char *dash = s->mark == LS_MARK_DASH ? "5 4" : dashes[s->color < 0 ? 0 : s->color / LS_N_COLORS % 4];
    ls_text_printf(d->out, "<path class=\"l\"");
    if (*dash != 0) ls_text_printf(d->out, " stroke-dasharray=\"%s\"", dash);
    ls_text_printf(d->out, " d=\"");
    for (int i = 0; i < s->n; i++) {
        const bool ok = place(d, s->point[i].x, s->point[i].y, &x, &y);
        if (ok) ls_text_printf(d->out, "%c%.1f %.1f", pen_down ? 'L' : 'M', x, y);
        pen_down = ok;
    }
    ls_text_printf(d->out, "\"/>");
}

/* Forth along the high ends, back along the low ones. */
static void draw_band(const drawing *d, const ls_series *s)
{
    double x, y, x2, y2;
    int n = 0;
    ls_text_printf(d->out, "<path class=\"b\" d=\"");
    for (int i = 0; i < 2 * s->n; i++) {
        const ls_point *p = &s->point[i < s->n ? i : 2 * s->n - 1 - i];
        if (!place(d, p->x, p->low, &x, &y) || !place(d, p->x, p->high, &x2, &y2)) continue;
        ls_text_printf(d->out, "%c%.1f %.1f", n++ > 0 ? 'L' : 'M', x, i < s->n ? y2 : y);
    }
    ls_text_printf(d->out, "\"/>");
}

static void draw_marks(const drawing *d, const ls_series *s)
{
    for (int i = 0; i < s->n; i++) {
        const ls_point *p = &s->point[i];
        double x, y, low, high;
        if (!place(d, p->x, p->y, &x, &y)) continue;
        if (!is_hidden(s->mark) && place(d, p->x, p->low, &x, &low) && place(d, p->x, p->high, &x, &high))
            ls_text_printf(d->out, "<path class=\"l\" d=\"M%.1f %.1fV%.1f\"/>", x, low, high);
        ls_text_printf(d->out, "<path class=\"%s\" transform=\"translate(%.1f %.1f)\" d=\"%s\">", class_of(s->mark), x,
                       y, is_hidden(s->mark) ? "M-4-4h8v8h-8z" : shape_of(s));
        title(d, s, p);
        ls_text_printf(d->out, "</path>");
    }
}

/* The marker of a run at its last point. */
static void draw_end(const drawing *d, const ls_series *s)
{
    double x, y;
    int i = s->n - 1;
    while (i >= 0 && !place(d, s->point[i].x, s->point[i].y, &x, &y)) i--;
    if (i >= 0)
        ls_text_printf(d->out, "<path class=\"d\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>", x, y, shape_of(s));
}

static void draw_bars(const drawing *d, int series)
{
    const ls_series *s = &d->figure->series[series];
    for (int i = 0; i < s->n; i++) {
        const ls_point *p = &s->point[i];
        double left, width, x, y;
        if (p->x < 0 || p->x >= d->figure->n_categories || !place(d, p->x, p->y, &x, &y)) continue;
        ls_figure_bar(d->figure, series, p->x, &left, &width);
        x = x_of(d, left);
        ls_text_printf(d->out, "<path class=\"d\" transform=\"translate(%.1f %.1f)\" d=\"M0 0h%.1fV%.1fH0z\">", x, y,
                       fmax(x_of(d, left + width) - x - 1, 1), fmax(y_of(d, 0) - y, 0.5));
        title(d, s, p);
        ls_text_printf(d->out, "</path>");
    }
}

static void draw_series(const drawing *d, int series)
{
    const ls_series *s = &d->figure->series[series];
    char color[4];
    color_class(s->color, color);
    ls_text_printf(d->out, "<g class=\"%s\">", color);
    if (s->mark == LS_MARK_BAND) draw_band(d, s);
    if (is_lined(s->mark)) draw_path(d, s);
    if (s->mark == LS_MARK_RUN) draw_end(d, s);
    if (s->mark == LS_MARK_BAR)
        draw_bars(d, series);
    else if (class_of(s->mark) != NULL)
        draw_marks(d, s);
    ls_text_printf(d->out, "</g>\n");
}

void ls_figure_svg(const ls_figure *f, ls_text *out)
{
    drawing d = {.figure = f, .out = out};
    ls_figure_fit_axes(f, &d.x, &d.y);
    ls_text_printf(out, "<svg class=\"fig\" id=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", f->id, WIDTH,
                   HEIGHT);
    ls_text_html(out, f->title);
    ls_text_printf(out,
                   "\" xmlns=\"http://www.w3.org/2000/svg\"><clipPath id=\"clip_%s\"><rect x=\"%d\" y=\"%d\" "
                   "width=\"%d\" height=\"%d\"/></clipPath>\n",
                   f->id, LEFT, 0, WIDTH - LEFT, HEIGHT - BOTTOM);
    draw_ticks(&d);
    ls_text_printf(out, "<g clip-path=\"url(#clip_%s)\">\n", f->id);
    for (int s = 0; s < f->n_series; s++) draw_series(&d, s);
    ls_text_printf(out, "</g></svg>\n");
}

static void swatch(const ls_series *s, ls_text *out)
{
    const char *dash = s->mark == LS_MARK_DASH ? "5 4" : dashes[s->color < 0 ? 0 : s->color / LS_N_COLORS % 4];
    if (s->mark == LS_MARK_BAND) ls_text_printf(out, "<path class=\"b\" d=\"M0 2h24v10H0z\"/>");
    if (is_lined(s->mark))
        ls_text_printf(out, "<path class=\"l\" stroke-dasharray=\"%s\" d=\"M0 7h24\"/>", *dash ? dash : "none");
    if (s->mark == LS_MARK_BAR) ls_text_printf(out, "<path class=\"d\" d=\"M5 1h14v12H5z\"/>");
    if (s->mark == LS_MARK_BAND || s->mark == LS_MARK_LINE || s->mark == LS_MARK_DASH || s->mark == LS_MARK_BAR) return;
    ls_text_printf(out, "<path class=\"%s\" transform=\"translate(12 %d)\" d=\"%s\"/>",
                   s->mark == LS_MARK_RUN ? "d" : class_of(s->mark), s->mark == LS_MARK_ARROW ? 14 : 7, shape_of(s));
}

void ls_figure_legend(const ls_figure *f, ls_text *out)
{
    for (int i = 0; i < f->n_series; i++) {
        const ls_series *s = &f->series[i];
        char color[4];
        if (!s->listed || s->n == 0) continue;
        color_class(s->color, color);
        ls_text_printf(out, "<span class=\"k\"><svg class=\"%s\" viewBox=\"0 0 24 14\" aria-hidden=\"true\">", color);
        swatch(s, out);
        ls_text_printf(out, "</svg> ");
        ls_text_html(out, s->name);
        ls_text_printf(out, "</span>\n");
    }
}
