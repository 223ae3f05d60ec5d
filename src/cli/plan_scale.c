/* plan --scale: a table of predictions, one line for each number of ranks. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/plan_view.h"
#include "lockstep/scale.h"

static ls_status read_number(const char *flag, const char *text, double fallback, double *out)
{
    char *end = NULL;
    *out = fallback;
    if (text == NULL) return LS_OK;
    *out = strtod(text, &end);
    LS_REQUIRE(end != text && *end == 0 && *out > 0, LS_EUSAGE, "%s is '%s'; expected a number above 0", flag, text);
    return LS_OK;
}

static void print_line(const ls_prediction *p, int ranks, double one_s, int64_t batch, bool json)
{
    const double efficiency = one_s / (ranks * p->iteration_s);
    printf(
        json ? "{\"ranks\": %d, \"nodes\": %d, \"iteration_ms\": %.6g, \"samples_per_s\": %.6g, \"efficiency\": %.4f, "
               "\"compute_ms\": %.6g, \"add_update_ms\": %.6g, \"communication_ms\": %.6g, \"exposed_ms\": %.6g, "
               "\"node_bytes\": %.0f, \"limited_by\": \"%s\"}\n"
             : "%6d %6d %12.4f %12.0f %10.3f %11.4f %10.4f %10.4f %10.4f %12.0f  %s\n",
        ranks, p->nodes, 1e3 * p->iteration_s, (double)batch / p->iteration_s, efficiency, 1e3 * p->compute_s,
        1e3 * p->add_update_s, 1e3 * p->communication_s, 1e3 * p->exposed_s, p->node_bytes, p->limited_by);
}

static ls_status predict_all(const ls_args *args, const ls_plan_view *v, const ls_measured *measured,
                             ls_machine machine)
{
    ls_prediction p;
    machine.ranks = 1;
    LS_TRY(ls_predict_scale(&v->plan, v->network, measured, &machine, &p));
    const double one_s = p.iteration_s;
    if (!args->json)
        printf(" ranks  nodes iteration_ms    samples/s efficiency  compute_ms add+upd_ms    comm_ms exposed_ms   "
               "node_bytes  "
               "limited by\n");
    for (const char *at = args->ranks ? args->ranks : "1,2,4,8"; *at != 0;) {
        char *end;
        const long ranks = strtol(at, &end, 10);
        LS_REQUIRE(end != at && (*end == 0 || *end == ',') && ranks >= 1 && ranks <= 1000000, LS_EUSAGE,
                   "--ranks is '%s'; expected numbers as in 1,2,4", args->ranks);
        machine.ranks = (int)ranks;
        LS_TRY(ls_predict_scale(&v->plan, v->network, measured, &machine, &p));
        print_line(&p, machine.ranks, one_s, v->plan.global_batch_size, args->json);
        at = *end == ',' ? end + 1 : end;
    }
    return LS_OK;
}

ls_status ls_plan_print_scale(const ls_args *args, const ls_plan_view *v)
{
    ls_measured measured;
    ls_machine machine;
    int64_t per_node;
    LS_REQUIRE(args->measured != NULL, LS_EUSAGE,
               "plan --scale needs --measured FILE, the output of 'lockstep bench CONFIG --json'");
    LS_TRY(ls_args_int("--ranks-per-node", args->ranks_per_node, 1, 64, &per_node));
    machine.ranks_per_node = per_node > 1000000 ? 1000000 : (int)per_node;
    LS_TRY(read_number("--link-gbps", args->link_gbps, 100, &machine.link_gbps));
    LS_TRY(read_number("--link-us", args->link_us, 2, &machine.link_us));
    LS_TRY(ls_measured_read(args->measured, &measured));
    return predict_all(args, v, &measured, machine);
}
