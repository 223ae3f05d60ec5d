#include <math.h>
#include <string.h>

#include "base/entry.h"
#include "base/mem.h"
#include "optim/registry.h"

typedef struct common_options {
    const char *name;
    double warmup;
    int unit;
} common_options;

static const char *const units[] = {"iterations", "epochs", NULL};

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
                                         {0}};

double ls__schedule_iterations(const ls_schedule *schedule, double n_units)
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

static ls_status build(ls_schedule *schedule, ls_node *spec, int64_t per_epoch)
{
    static const ls_option none[] = {{0}};
    common_options common;
    LS_TRY(find(spec, &schedule->ops));
    const size_t size = schedule->ops->options_size;
    schedule->options = ls_calloc(1, size > 0 ? size : 1);
    LS_REQUIRE(schedule->options != NULL, LS_ENOMEM, "out of memory for a schedule");
    LS_TRY(ls_options_read_two(common_table, &common, schedule->ops->options ? schedule->ops->options : none,
                               schedule->options, spec, "schedule"));
    schedule->per_unit = common.unit == 1 ? (double)per_epoch : 1.0;
    schedule->warmup = (int64_t)fmin(ceil(ls__schedule_iterations(schedule, common.warmup)), LS_OPTION_MAX);
    return LS_OK;
}

ls_status ls_schedule_create(ls_node *spec, double base_lr, int64_t per_epoch, int64_t total, ls_schedule **out)
{
    *out = NULL;
    ls_schedule *schedule = ls_calloc(1, sizeof *schedule);
    LS_REQUIRE(schedule != NULL, LS_ENOMEM, "out of memory for a schedule");
    schedule->base_lr = base_lr;
    schedule->total = total;
    const ls_status status = build(schedule, spec, per_epoch);
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
    if (iteration < schedule->warmup) return schedule->base_lr * (double)(iteration + 1) / (double)schedule->warmup;
    const int64_t length = schedule->total - schedule->warmup;
    return schedule->ops->lr(schedule, (double)(iteration - schedule->warmup), length > 0 ? (double)length : 1.0);
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
