/* A fit as JSON, for `lockstep fit --json` and results.json. */
#include <inttypes.h>
#include <math.h>

#include "base/text.h"
#include "lockstep/fit.h"

static void put_real(ls_text *out, const char *key, double value)
{
    ls_text_printf(out, "\"%s\": ", key);
    ls_text_json_real(out, value);
    ls_text_printf(out, ", ");
}

static void put_estimate(ls_text *out, const char *key, const ls_estimate *e)
{
    ls_text_printf(out, "\"%s\": {\"value\": ", key);
    ls_text_json_real(out, e->value);
    ls_text_printf(out, ", \"low\": ");
    ls_text_json_real(out, e->low);
    ls_text_printf(out, ", \"high\": ");
    ls_text_json_real(out, e->high);
    ls_text_printf(out, "}, ");
}

static void put_batch(ls_text *out, const ls_fit_batch *b)
{
    ls_text_printf(out, "{\"batch_size\": %" PRId64 ", \"n\": %d, \"n_censored\": %d, ", b->batch_size, b->n,
                   b->n_censored);
    put_estimate(out, "median", &b->median);
    put_real(out, "coverage", b->coverage);
    put_real(out, "mean_log", b->mean_log);
    put_real(out, "cap", b->cap);
    ls_text_printf(out, "\"fitted\": ");
    ls_text_json_real(out, b->fitted);
    ls_text_printf(out, "}");
}

static void put_checks(ls_text *out, const ls_fit *fit)
{
    ls_text_printf(out, "\"leave_one_out\": {");
    put_real(out, "low", fit->leave_one_out_low);
    put_real(out, "high", fit->leave_one_out_high);
    ls_text_printf(out, "\"batch_size\": %" PRId64 "}, ", fit->leave_one_out_batch);
    put_estimate(out, "alpha", &fit->alpha);
    put_real(out, "alpha_p", fit->alpha_p);
    ls_text_printf(out, "\"bootstrap\": {");
    put_estimate(out, "s_min", &fit->boot_s_min);
    put_estimate(out, "b_crit", &fit->boot_b_crit);
    put_estimate(out, "e_min", &fit->boot_e_min);
    ls_text_printf(out, "\"resamples\": %d}, ", fit->n_bootstrap);
}

void ls_fit_json(const ls_fit *fit, ls_text *out)
{
    ls_text_printf(out, "{\"n_points\": %" PRId64 ", \"n_censored\": %" PRId64 ", \"identified\": %s, \"verdict\": ",
                   fit->n_points, fit->n_censored, fit->identified ? "true" : "false");
    ls_text_json_string(out, fit->verdict);
    ls_text_printf(out, ", ");
    put_estimate(out, "s_min", &fit->s_min);
    put_estimate(out, "b_crit", &fit->b_crit);
    put_estimate(out, "e_min", &fit->e_min);
    put_real(out, "a", fit->s_min.value);
    put_real(out, "b", fit->e_min.value);
    put_real(out, "sigma", fit->sigma);
    put_real(out, "df", fit->estimated ? fit->df : NAN);
    put_real(out, "t95", fit->t95);
    ls_text_printf(out, "\"variance\": \"%s\", ", fit->pooled ? "pooled" : "residual");
    put_estimate(out, "b_linear", &fit->b_linear);
    put_estimate(out, "b_near_min", &fit->b_near_min);
    put_checks(out, fit);
    ls_text_printf(out, "\"batches\": [");
    for (int b = 0; b < fit->n_batches; b++) {
        ls_text_printf(out, b > 0 ? ", " : "");
        put_batch(out, &fit->batches[b]);
    }
    ls_text_printf(out, "]}");
}
