/* What all schedules share: the keys of `schedule`, units, warm-up, and the scaling of the rate by the batch size. */
#include <math.h>
#include <string.h>

#include "base/entry.h"
#include "base/mem.h"
#include "optim/registry.h"

typedef struct common_options {
    const char *name;
    double warmup;
    int unit;
    struct {
        int rule;
        int64_t reference;
    } scaling;
} common_options;

static const char *const units[] = {"iterations", "epochs", "samples", NULL}; /* as ls_schedule's unit */

enum { RULE_NONE, RULE_LINEAR, RULE_SQRT };
static const char *const rules[] = {"none", "linear", "sqrt", NULL};

static const ls_option common_table[] = {{.key = "name",
                                          .kind = LS_OPTION_TEXT,
                                          .offset = offsetof(common_options, name),
                                          .fallback = "constant",
                                          .help = "see 'lockstep info schedules'"},
                                         {.key = "warmup",
                                          .kind = LS_OPTION_REAL,
                                          .offset = offsetof(common_options, warmup),
                                          .fallback = "0",
                                          .max = 1e12,
                                          .help = "units over which the rate first rises linearly to its value"},
                                         {.key = "unit",
                                          .kind = LS_OPTION_CHOICE,
                                          .offset = offsetof(common_options, unit),
                                          .fallback = "iterations",
                                          .choices = units,
                                          .help = "unit of warmup and of the schedule's own times"},
                                         {.key = "lr_scaling.rule",
                                          .kind = LS_OPTION_CHOICE,
                                          .offset = offsetof(common_options, scaling.rule),
                                          .fallback = "none",
                                          .choices = rules,
                                          .help = "multiply optimizer.lr by B / reference (linear) or its root (sqrt), "
                                                  "B the first batch size"},
                                         {.key = "lr_scaling.reference_batch_size",
                                          .kind = LS_OPTION_INT,
                                          .offset = offsetof(common_options, scaling.reference),
                                          .fallback = "256",
                                          .min = 1,
                                          .max = 1e9,
                                          .help = "batch size that optimizer.lr is meant for"},
                                         {0}};

double ls__schedule_time(const ls_schedule *schedule, double n_units)
{
    const double product = n_units * schedule->per_unit, whole = nearbyint(product);
    return fabs(product - whole) < 1e-12 * whole ? whole : product;
}

static ls_status find(const ls_node *spec, const ls_schedule_ops **out)
{
    const ls_node *entry = ls_node_child(spec, "name");
    const char *name = entry != NULL && entry->kind == LS_NODE_SCALAR ? entry->text : "constant", *names[64];
    int n = 0;
    for (; ls__schedules[n] != NULL; n++) {
        names[n] = ls__schedules[n]->name;
        if (strcmp(names[n], name) == 0) *out = ls__schedules[n];
    }
    return *out != NULL ? LS_OK : ls_entry_unknown(entry ? entry : spec, "schedule", name, names, n);
}

/* What the clock shows after so many iterations. */
static double clock_at(const ls_schedule *schedule, int64_t iterations)
{
    const ls_course *course = &schedule->course;
    if (schedule->unit == LS_UNIT_SAMPLES) return (double)ls_course_samples(course, iterations);
    if (schedule->unit == LS_UNIT_ITERATIONS) return (double)iterations;
    const int64_t epochs = ls_course_epochs(course, iterations), rest = ls_course_in_epoch(course, iterations);
    const int64_t first = course->phase[0].iterations_per_epoch;
    return (double)(epochs * first) +
           (double)(rest * first) / (double)ls_course_phase(course, iterations)->iterations_per_epoch;
}

static double scale_of(const common_options *common, int64_t batch_size)
{
    const double ratio = (double)batch_size / (double)common->scaling.reference;
    return common->scaling.rule == RULE_LINEAR ? ratio : common->scaling.rule == RULE_SQRT ? sqrt(ratio) : 1.0;
}

static ls_status build(ls_schedule *schedule, ls_node *spec)
{
    static const ls_option none[] = {{0}};
    common_options common;
    LS_TRY(find(spec, &schedule->ops));
    const size_t size = schedule->ops->options_size;
    schedule->options = ls_calloc(1, size > 0 ? size : 1);
    LS_REQUIRE(schedule->options != NULL, LS_ENOMEM, "out of memory for a schedule");
    LS_TRY(ls_options_read_two(common_table, &common, schedule->ops->options ? schedule->ops->options : none,
                               schedule->options, spec, "schedule"));
    const ls_phase *first = &schedule->course.phase[0];
    schedule->unit = common.unit;
    schedule->per_unit = common.unit == LS_UNIT_EPOCHS ? (double)first->iterations_per_epoch : 1.0;
    schedule->per_step = common.unit == LS_UNIT_SAMPLES ? (double)first->batch_size : 1.0;
    schedule->warmup = (int64_t)fmin(ceil(ls__schedule_time(schedule, common.warmup)), LS_OPTION_MAX);
    schedule->base_lr *= scale_of(&common, first->batch_size);
    return schedule->ops->finish != NULL ? schedule->ops->finish(schedule, spec) : LS_OK;
}

ls_status ls_schedule_create(ls_node *spec, double lr, const ls_course *course, int64_t total, ls_schedule **out)
{
    *out = NULL;
    ls_schedule *schedule = ls_calloc(1, sizeof *schedule);
    LS_REQUIRE(schedule != NULL, LS_ENOMEM, "out of memory for a schedule");
    schedule->base_lr = lr;
    schedule->total = total;
    schedule->course = *course;
    const ls_status status = build(schedule, spec);
    if (status != LS_OK) ls_schedule_destroy(&schedule);
    *out = schedule;
    return status;
}

void ls_schedule_destroy(ls_schedule **schedule)
{
    if (schedule == NULL || *schedule == NULL) return;
    ls_free((*schedule)->options);
    ls_free(*schedule);
    *schedule = NULL;
}

bool ls_schedule_needs_length(const ls_schedule *schedule)
{
    return schedule->ops->needs_length != NULL && schedule->ops->needs_length(schedule);
}

double ls_schedule_lr(const ls_schedule *schedule, int64_t iteration)
{
    const double now = clock_at(schedule, iteration), warmup = (double)schedule->warmup;
    if (now < warmup) return schedule->base_lr * fmin(clock_at(schedule, iteration + 1), warmup) / warmup;
    const double length = clock_at(schedule, schedule->total) - warmup;
    return schedule->ops->lr(schedule, now - warmup, length > 0 ? length : 1.0);
}

int64_t ls_schedule_warmup_end(const ls_schedule *schedule)
{
    int64_t below = -1, end = schedule->total; /* clock(below) < warmup <= clock(end), or the run is shorter */
    while (end - below > 1) {
        const int64_t middle = below + (end - below) / 2;
        if (clock_at(schedule, middle) < (double)schedule->warmup)
            below = middle;
        else
            end = middle;
    }
    return end;
}

void ls_schedules_print(ls_text *out)
{
    ls_text_printf(out, "every schedule\n");
    ls_options_print(common_table, "    ", out);
    for (int i = 0; ls__schedules[i] != NULL; i++) {
        ls_text_printf(out, "%-24s %s\n", ls__schedules[i]->name, ls__schedules[i]->help);
        if (ls__schedules[i]->options != NULL) ls_options_print(ls__schedules[i]->options, "    ", out);
    }
}
