/* What a run tells: lines of metrics.jsonl and lines for people.  Rank 0 only. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "ls_version.h"
#include "math/blas.h"
#include "train/trainer_internal.h"

enum { LOG_INTERVAL_S = 10 };

static const double bar_interval_s = 0.2;

static int64_t epoch_of(const ls_trainer *t)
{
    return ls_course_epochs(&t->plan.course, t->state.iteration - (t->state.iteration > 0));
}

void ls__metrics_start(ls_trainer *t)
{
    ls_text config = {0};
    char hash[LS_HASH_DIGITS + 1];
    ls_config_text(t->config, &config);
    ls_hash_text(t->data->hash[LS_TRAIN], hash);
    ls_metrics_begin(t->metrics, "start");
    ls_metrics_text(t->metrics, "version", LS_VERSION);
    ls_metrics_text(t->metrics, "commit", LS_COMMIT);
    ls_metrics_int(t->metrics, "iteration", t->state.iteration);
    ls_metrics_int(t->metrics, "ranks", ls_job_size(t->job));
    ls_metrics_int(t->metrics, "nodes", ls_job_n_nodes(t->job));
    char cores[256];
    ls_metrics_text(t->metrics, "binding", ls_job_binding(cores));
    ls_metrics_int(t->metrics, "host_cores", ls_job_host_cores(t->job));
    ls_metrics_text(t->metrics, "mpi", ls_job_mpi_version());
    ls_metrics_text(t->metrics, "blas_core", ls_blas_core());
    ls_metrics_text(t->metrics, "blas_build", ls_blas_build());
    ls_metrics_int(t->metrics, "blas_threads", ls_blas_threads());
    ls_metrics_int(t->metrics, "n_parameters", ls_network_n_params(t->network));
    ls_metrics_int(t->metrics, "n_samples", t->plan.n_samples);
    ls_metrics_int(t->metrics, "global_batch_size", t->plan.global_batch_size);
    ls_metrics_int(t->metrics, "shards", t->plan.n_shards);
    ls_metrics_int(t->metrics, "micro_batch_size", t->plan.micro_batch_size);
    ls_metrics_int(t->metrics, "iterations_per_epoch", t->plan.iterations_per_epoch);
    ls_metrics_int(t->metrics, "total_iterations", t->plan.total_iterations);
    ls_metrics_int(t->metrics, "noise_every", t->reading.every);
    ls_metrics_text(t->metrics, "data_hash", hash);
    ls_shortcuts shortcuts;
    ls_trainer_shortcuts(t, &shortcuts);
    ls_metrics_int(t->metrics, "shared_forward_layers", shortcuts.forward);
    ls_metrics_int(t->metrics, "shared_backward_layers", shortcuts.backward);
    ls_metrics_json(t->metrics, "paired_leaves", shortcuts.pairs ? "true" : "false");
    ls_metrics_json(t->metrics, "config", config.data ? config.data : "null");
    ls_metrics_end(t->metrics);
    ls_text_free(&config);
}

static void put_noise(ls_trainer *t)
{
    const ls_noise noise = ls_noise_of(&t->state.noise);
    ls_metrics_real(t->metrics, "bnoise", noise.scale);
    ls_metrics_real(t->metrics, "bnoise_se", noise.scale_se);
    ls_metrics_real(t->metrics, "noise_trace", noise.trace);
    ls_metrics_real(t->metrics, "noise_g2", noise.g2);
    ls_metrics_int(t->metrics, "noise_readings", noise.n);
}

void ls__metrics_train(ls_trainer *t)
{
    if (t->metrics == NULL || !t->line_due) return;
    const double rows = (double)t->divisor;
    ls_metrics_begin(t->metrics, "train");
    ls_metrics_int(t->metrics, "iteration", t->state.iteration);
    ls_metrics_int(t->metrics, "epoch", epoch_of(t));
    ls_metrics_real(t->metrics, "loss", t->mean_loss);
    if (!isnan(t->accuracy)) ls_metrics_real(t->metrics, "accuracy", t->accuracy);
    ls_metrics_real(t->metrics, "lr", t->lr);
    ls_metrics_real(t->metrics, "gnorm", t->gradient_norm);
    put_noise(t);
    ls_metrics_int(t->metrics, "batch", (int64_t)rows);
    ls_metrics_real(t->metrics, "iteration_ms", 1e3 * t->iteration_s);
    ls_metrics_real(t->metrics, "samples_per_s", rows / t->iteration_s);
    ls_metrics_end(t->metrics);
}

void ls__metrics_evaluation(ls_trainer *t, int which, double seconds)
{
    const ls_evaluation *e = &t->evaluation[which];
    if (t->samples == 0 && t->options.resume != NULL && t->state.iteration > 0) return; /* resumed when complete */
    ls_metrics_begin(t->metrics, "eval");
    ls_metrics_int(t->metrics, "iteration", t->state.iteration);
    ls_metrics_int(t->metrics, "epoch", epoch_of(t));
    ls_metrics_text(t->metrics, "set", ls__set_names[which]);
    ls_metrics_real(t->metrics, "loss", e->loss);
    if (!isnan(e->accuracy)) ls_metrics_real(t->metrics, "accuracy", e->accuracy);
    if (!isnan(e->accuracy)) ls_metrics_real(t->metrics, "error", ls_error_of(e->accuracy, e->n));
    if (t->ema != NULL) {
        ls_metrics_real(t->metrics, "ema_loss", e->ema_loss);
        if (!isnan(e->accuracy)) ls_metrics_real(t->metrics, "ema_accuracy", e->ema_accuracy);
        if (!isnan(e->accuracy)) ls_metrics_real(t->metrics, "ema_error", ls_error_of(e->ema_accuracy, e->n));
    }
    ls_metrics_int(t->metrics, "n", e->n);
    ls_metrics_real(t->metrics, "seconds", seconds);
    ls_metrics_end(t->metrics);
}

void ls__metrics_finish(ls_trainer *t, const ls_training_result *result, const char *reason)
{
    const ls_phase_times *p = &result->times;
    char hash[LS_HASH_DIGITS + 1];
    ls_hash_text(result->params_hash, hash);
    ls_metrics_begin(t->metrics, "end");
    ls_metrics_int(t->metrics, "iteration", result->iteration);
    ls_metrics_text(t->metrics, "reason", reason);
    ls_metrics_text(t->metrics, "params_hash", hash);
    ls_metrics_real(t->metrics, "seconds", p->total);
    ls_metrics_real(t->metrics, "data_s", p->data);
    ls_metrics_real(t->metrics, "forward_s", p->forward);
    ls_metrics_real(t->metrics, "backward_s", p->backward);
    ls_metrics_real(t->metrics, "wait_s", p->wait);
    ls_metrics_real(t->metrics, "network_s", p->network);
    ls_metrics_real(t->metrics, "combine_update_s", p->tiles);
    ls_metrics_real(t->metrics, "evaluation_s", p->evaluation);
    ls_metrics_real(t->metrics, "saving_s", p->saving);
    const ls_slow_rank *slow = &result->slow;
    if (slow->rank < 0)
        ls_metrics_json(t->metrics, "slow_rank", "null");
    else
        ls_metrics_int(t->metrics, "slow_rank", slow->rank);
    ls_metrics_real(t->metrics, "slow_factor", slow->factor);
    ls_metrics_real(t->metrics, "slow_s", slow->lost_s);
    ls_metrics_end(t->metrics);
}

/* mpirun gives its ranks a terminal of its own making, whatever it writes to itself: look at the launcher's output. */
static bool writes_to_terminal(void)
{
    if (isatty(STDOUT_FILENO) != 1) return false;
    if (getenv("OMPI_COMM_WORLD_SIZE") == NULL) return true;
    char link[64], target[64] = "";
    snprintf(link, sizeof link, "/proc/%d/fd/1", (int)getppid());
    return readlink(link, target, sizeof target - 1) > 0 &&
           (strncmp(target, "/dev/pts/", 9) == 0 || strncmp(target, "/dev/tty", 8) == 0);
}

void ls__progress_start(ls_trainer *t)
{
    t->progress = (ls_progress){.shown = t->options.show_progress && ls_job_rank(t->job) == 0,
                                .terminal = writes_to_terminal(),
                                .printed_s = ls_clock_s()};
}

enum { LINE = 512 };

/* Adds to a line from `at` on, and cuts what has no room: counters and the loss of a run that diverges may be long. */
static __attribute__((format(printf, 3, 4))) int add(char line[LINE], int at, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const int n = vsnprintf(line + at, (size_t)(LINE - at), format, values);
    va_end(values);
    return n < LINE - at ? at + n : LINE - 1;
}

/* " | bnoise 812", or "-" where it is undetermined; nothing when it is not read */
static int add_noise(const ls_trainer *t, char line[LINE], int at)
{
    const double scale = ls_noise_of(&t->state.noise).scale;
    if (t->reading.every == 0) return at;
    return isnan(scale) ? add(line, at, " | bnoise -") : add(line, at, " | bnoise %.*f", scale < 10, scale);
}

static void write_line(const ls_trainer *t, char line[LINE])
{
    int at = add(line, 0, "epoch %" PRId64 "/%" PRId64 " iter %" PRId64 "/%" PRId64 " | loss %.4f", epoch_of(t) + 1,
                 ls_plan_total_epochs(&t->plan), t->state.iteration, t->plan.total_iterations, t->mean_loss);
    if (!isnan(t->accuracy)) at = add(line, at, " | acc %.3f", t->accuracy);
    at = add(line, at, " | lr %.1e | gnorm %.2f", t->lr, t->gradient_norm);
    at = add_noise(t, line, at);
    add(line, at, " | %.1f ms | %.0f samples/s", 1e3 * t->iteration_s, (double)t->divisor / t->iteration_s);
}

void ls__progress_iteration(ls_trainer *t)
{
    if (!t->progress.shown) return;
    const double now = ls_clock_s(), interval = t->progress.terminal ? bar_interval_s : LOG_INTERVAL_S;
    const bool epoch_ends =
        ls_plan_ends_epoch(&t->plan, t->state.iteration) || t->state.iteration == t->plan.total_iterations;
    const bool often = now - t->progress.printed_s < 0.5; /* epochs shorter than this do not each get a line */
    if (now - t->progress.printed_s < interval && (!epoch_ends || often)) return;
    char line[LINE];
    write_line(t, line);
    printf(t->progress.terminal ? "\r%-125s" : "%s\n", line);
    fflush(stdout);
    t->progress.printed_s = now;
}

void ls__progress_clear(ls_trainer *t)
{
    if (t->progress.shown && t->progress.terminal) printf("\r%-125s\r", "");
}

void ls__progress_evaluation(ls_trainer *t, int which)
{
    if (!t->progress.shown) return;
    const ls_evaluation *e = &t->evaluation[which];
    ls__progress_clear(t);
    printf("iter %" PRId64 " | %s loss %.4f", t->state.iteration, ls__set_names[which], e->loss);
    if (!isnan(e->accuracy)) printf(" | %s acc %.4f", ls__set_names[which], e->accuracy);
    if (t->ema != NULL) printf(" | ema loss %.4f", e->ema_loss);
    if (t->ema != NULL && !isnan(e->accuracy)) printf(" | ema acc %.4f", e->ema_accuracy);
    printf(" | %" PRId64 " samples\n", e->n);
    fflush(stdout);
}
