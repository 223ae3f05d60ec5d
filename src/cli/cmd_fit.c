/* `lockstep fit`: a table of steps to target, its fit in words and numbers. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/command.h"
#include "lockstep/fit.h"
#include "study/fit_table.h"

enum { NUMBER = 24, RANGE = 2 * NUMBER + 4 };

/* Four digits, or all of a number that has more before the point. */
static const char *number(double value, char out[NUMBER])
{
    const double size = fabs(value);
    if (isnan(value))
        (void)snprintf(out, NUMBER, "-");
    else if (isinf(value))
        (void)snprintf(out, NUMBER, "not reached");
    else if (size >= 1000 && size < 1e9)
        (void)snprintf(out, NUMBER, "%.0f", value);
    else
        (void)snprintf(out, NUMBER, "%.4g", value);
    return out;
}

static const char *range(double low, double high, char out[RANGE])
{
    char a[NUMBER], b[NUMBER];
    if (isnan(low) || isnan(high))
        (void)snprintf(out, RANGE, "-");
    else
        (void)snprintf(out, RANGE, "[%s, %s]", number(low, a), number(high, b));
    return out;
}

static void print_batches(const ls_fit *fit)
{
    char text[4][NUMBER], interval[RANGE];
    printf("  %12s %5s %8s %12s  %-26s %8s %12s %12s\n", "B", "runs", "censored", "median S", "order statistics",
           "coverage", "geom. mean", "curve");
    for (int i = 0; i < fit->n_batches; i++) {
        const ls_fit_batch *b = &fit->batches[i];
        printf("  %12" PRId64 " %5d %8d %12s  %-26s %8.3g %12s %12s\n", b->batch_size, b->n, b->n_censored,
               number(b->median.value, text[0]), range(b->median.low, b->median.high, interval), b->coverage,
               number(exp(b->mean_log), text[1]), number(b->fitted, text[2]));
    }
}

static void line(const char *what, const ls_estimate *e, const char *note)
{
    char text[NUMBER], interval[RANGE];
    printf("  %-52s %12s  %-26s %s\n", what, number(e->value, text), range(e->low, e->high, interval), note);
}

static void print_checks(const ls_fit *fit)
{
    char note[64] = "";
    const ls_estimate left_out = {NAN, fit->leave_one_out_low, fit->leave_one_out_high};
    if (fit->leave_one_out_batch > 0)
        (void)snprintf(note, sizeof note, "furthest without B = %" PRId64, fit->leave_one_out_batch);
    line("B_crit, range with one batch size left out", &left_out, note);
    note[0] = 0;
    if (!isnan(fit->alpha_p))
        (void)snprintf(note, sizeof note, "p = %.2g%s", fit->alpha_p, fit->alpha_p < 0.05 ? ": not 1" : "");
    line("alpha of S = a + b/B^alpha (lack of fit: not 1)", &fit->alpha, note);
    if (fit->n_bootstrap == 0) return;
    (void)snprintf(note, sizeof note, "%d resamples, percentiles", fit->n_bootstrap);
    line("S_min,  seed bootstrap (cross-check)", &fit->boot_s_min, note);
    line("B_crit, seed bootstrap (cross-check)", &fit->boot_b_crit, "");
    line("E_min,  seed bootstrap (cross-check)", &fit->boot_e_min, "");
}

static void print_fit(const char *name, const ls_fit *fit)
{
    printf("%s%s%" PRId64 " runs at %d batch sizes, %" PRId64 " censored\n", name, name[0] != 0 ? ": " : "",
           fit->n_points, fit->n_batches, fit->n_censored);
    print_batches(fit);
    if (fit->estimated) {
        printf("  %-52s %12s  95 %% interval\n", "S(B) = S_min (1 + B_crit/B) = a + b/B, on log S", "estimate");
        line("S_min = a: steps of an infinite batch", &fit->s_min, "");
        line("E_min = b: samples of a small batch", &fit->e_min, "");
        line("B_crit = E_min/S_min (McCandlish)", &fit->b_crit, "");
        line("B 20 % above linear from 256, b/(5a) + 307.2 (Zhang)", &fit->b_linear, "");
        line("B 10 % above S_min, 10 B_crit", &fit->b_near_min, "");
        print_checks(fit);
        printf("  a = %.7g, b = %.7g; a run's log S has sd %.3g, %s; intervals: Student t, %.0f degrees of freedom\n",
               fit->s_min.value, fit->e_min.value, fit->sigma,
               fit->pooled ? "pooled within batch sizes" : "from residuals about the curve (few repeats)", fit->df);
    }
    printf("  %s\n", fit->verdict);
}

static ls_status print_text(const ls_fit_table *table)
{
    if (table->ignored[0] != 0) printf("columns not used: %s\n", table->ignored);
    for (int i = 0; i < table->n_series; i++) {
        ls_fit *fit;
        LS_TRY(ls_fit_create(table->series[i].points, table->series[i].n, NULL, &fit));
        if (i > 0) printf("\n");
        print_fit(table->series[i].name, fit);
        ls_fit_destroy(&fit);
    }
    return LS_OK;
}

static ls_status add_series(const ls_fit_series *series, ls_text *out)
{
    ls_fit *fit;
    LS_TRY(ls_fit_create(series->points, series->n, NULL, &fit));
    ls_text_printf(out, "{\"series\": ");
    ls_text_json_string(out, series->name);
    ls_text_printf(out, ", \"fit\": ");
    ls_fit_json(fit, out);
    ls_text_printf(out, "}");
    ls_fit_destroy(&fit);
    return LS_OK;
}

static ls_status print_json(const char *path, const ls_fit_table *table)
{
    ls_text out = {0};
    ls_status status = LS_OK;
    ls_text_printf(&out, "{\"file\": ");
    ls_text_json_string(&out, path);
    ls_text_printf(&out, ", \"columns_not_used\": ");
    ls_text_json_string(&out, table->ignored);
    ls_text_printf(&out, ", \"fits\": [");
    for (int i = 0; i < table->n_series && status == LS_OK; i++) {
        ls_text_printf(&out, "%s", i > 0 ? ", " : "");
        status = add_series(&table->series[i], &out);
    }
    ls_text_printf(&out, "]}\n");
    if (status == LS_OK) status = ls_text_status(&out);
    if (status == LS_OK) fputs(out.data, stdout);
    ls_text_free(&out);
    return status;
}

ls_status ls__cmd_fit(const ls_args *args, const ls_job *world)
{
    (void)world;
    ls_fit_table *table;
    LS_TRY(ls__need_argument(args, "a CSV file with columns B and steps"));
    LS_TRY(ls__fit_table_read(args->positional[0], &table));
    const ls_status status = args->json ? print_json(args->positional[0], table) : print_text(table);
    ls__fit_table_destroy(&table);
    return status;
}
