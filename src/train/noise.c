#include "lockstep/noise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

double ls_noise_variance(int64_t n_samples, int64_t rows)
{
    if (rows == n_samples) return 0.0;
    return (double)(n_samples - rows) / ((double)(n_samples - 1) * (double)rows);
}

/* Two equations in tr(Sigma) and |G|^2, solved. */
ls_noise_reading ls_noise_read(double groups2, double groups_c, double batch2, double batch_c)
{
    const double difference = groups_c - batch_c;
    return (ls_noise_reading){.trace = (groups2 - batch2) / difference,
                              .g2 = (groups_c * batch2 - batch_c * groups2) / difference};
}

void ls_noise_add(ls_noise_window *window, ls_noise_reading reading)
{
    if (!isfinite(reading.trace) || !isfinite(reading.g2)) return;
    window->reading[window->n++ % LS_NOISE_WINDOW] = reading;
}

static int64_t n_kept(const ls_noise_window *window)
{
    return window->n < LS_NOISE_WINDOW ? window->n : LS_NOISE_WINDOW;
}

/* The i-th oldest */
static const ls_noise_reading *kept(const ls_noise_window *window, int64_t i)
{
    return &window->reading[(window->n - n_kept(window) + i) % LS_NOISE_WINDOW];
}

static ls_noise_reading sum_of(const ls_noise_window *window)
{
    ls_noise_reading sum = {0};
    for (int64_t i = 0; i < n_kept(window); i++) {
        sum.trace += kept(window, i)->trace;
        sum.g2 += kept(window, i)->g2;
    }
    return sum;
}

/* Jackknife: the values x_i of the window less its i-th reading vary (n - 1) / n sum (x_i - mean)^2.  Of a mean that is
 * its usual standard error. */
static void standard_errors(const ls_noise_window *window, ls_noise_reading sum, double *g2_se, double *scale_se)
{
    double value[2][LS_NOISE_WINDOW], mean[2] = {0}, squares[2] = {0};
    const int64_t n = n_kept(window);
    for (int64_t i = 0; i < n; i++) {
        const ls_noise_reading *left_out = kept(window, i);
        value[0][i] = (sum.g2 - left_out->g2) / (double)(n - 1);
        value[1][i] = (sum.trace - left_out->trace) / (sum.g2 - left_out->g2);
        for (int k = 0; k < 2; k++) mean[k] += value[k][i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) squares[k] += (value[k][i] - mean[k]) * (value[k][i] - mean[k]);
    *g2_se = sqrt(squares[0] * (double)(n - 1) / (double)n);
    *scale_se = sqrt(squares[1] * (double)(n - 1) / (double)n);
}

ls_noise ls_noise_of(const ls_noise_window *window)
{
    const int64_t n = n_kept(window);
    const ls_noise_reading sum = sum_of(window);
    ls_noise noise = {.n = n, .trace = NAN, .g2 = NAN, .scale = NAN, .scale_se = NAN};
    if (n == 0) return noise;
    noise.trace = sum.trace / (double)n;
    noise.g2 = sum.g2 / (double)n;
    if (n < LS_NOISE_LEAST) return noise;
    double g2_se, scale_se;
    standard_errors(window, sum, &g2_se, &scale_se);
    if (!(noise.g2 > 2.0 * g2_se)) return noise;
    noise.scale = sum.trace / sum.g2;
    noise.scale_se = scale_se;
    return noise;
}

void ls_noise_text(const ls_noise_window *window, ls_text *out)
{
    char trace[32], g2[32];
    for (int64_t i = 0; i < n_kept(window); i++) {
        ls_real_text(kept(window, i)->trace, trace);
        ls_real_text(kept(window, i)->g2, g2);
        ls_text_printf(out, "%s%s %s", i > 0 ? " " : "", trace, g2);
    }
}

static bool parse_real(const char **at, double *out)
{
    char *end;
    *out = strtod(*at, &end);
    const bool whole = end != *at && (*end == ' ' || *end == 0) && isfinite(*out);
    *at = *end == ' ' ? end + 1 : end;
    return whole;
}

bool ls_noise_parse(const char *text, ls_noise_window *window)
{
    memset(window, 0, sizeof *window);
    while (*text != 0) {
        ls_noise_reading *reading = &window->reading[window->n];
        if (window->n == LS_NOISE_WINDOW || !parse_real(&text, &reading->trace) || !parse_real(&text, &reading->g2))
            return false;
        window->n++;
    }
    return true;
}

/* Of a reading, in iterations.  In units of the multiply-adds that pass while one parameter is moved once: an iteration
 * takes those of its rows and some passes over the parameters; a reading a few passes for each group and products of
 * fewer rows at a time; where the only shard is cut in halves, one of them once more. */
static double cost_of(int64_t batch_rows, int64_t n_shards, int64_t multiply_adds, int64_t n_params)
{
    const double passes_of_group = 16, passes_of_iteration = 20;
    const double iteration = (double)batch_rows * (double)multiply_adds + passes_of_iteration * (double)n_params;
    const double groups = n_shards > 1 ? (double)n_shards : 2.0;
    return passes_of_group * groups * (double)n_params / iteration + (n_shards > 1 ? 0.0 : 0.5);
}

int64_t ls_noise_auto_every(int64_t batch_rows, int64_t n_shards, int64_t multiply_adds, int64_t n_params)
{
    const double part = 0.0075;
    return (int64_t)ceil(cost_of(batch_rows, n_shards, multiply_adds, n_params) / part);
}

int64_t ls_noise_look_every(int64_t look_every, int64_t batch_rows, int64_t n_shards, int64_t multiply_adds,
                            int64_t n_params)
{
    const double most = 0.019;
    const int64_t least = (int64_t)ceil(cost_of(batch_rows, n_shards, multiply_adds, n_params) / most);
    int64_t a_look = look_every / least;
    if (a_look == 0) return (least + look_every - 1) / look_every * look_every;
    while (look_every % a_look != 0) a_look--;
    return look_every / a_look;
}
