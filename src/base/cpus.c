#include "base/cpus.h"

#include <stdio.h>

void ls_cpus_mine(cpu_set_t *out)
{
    CPU_ZERO(out);
    sched_getaffinity(0, sizeof *out, out);
}

const char *ls_cpus_text(const cpu_set_t *cpus, char out[LS_CPUS_TEXT])
{
    enum { ROOM = 26 }; /* of ",first-last" */
    int n = 0;
    out[0] = 0;
    for (size_t first = 0; first < CPU_SETSIZE && n < LS_CPUS_TEXT - ROOM; first++) {
        if (!CPU_ISSET(first, cpus)) continue;
        size_t last = first;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus)) last++;
        n += snprintf(out + n, (size_t)(LS_CPUS_TEXT - n), last > first ? "%s%zu-%zu" : "%s%zu", n > 0 ? "," : "",
                      first, last);
        first = last;
    }
    return out;
}

static size_t first_sibling(size_t cpu)
{
    char path[96];
    size_t first = cpu;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%zu/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "r");
    if (file == NULL) return cpu;
    const int n = fscanf(file, "%zu", &first);
    fclose(file);
    return n == 1 && first < CPU_SETSIZE ? first : cpu;
}

void ls_cpus_cores(const cpu_set_t *cpus, cpu_set_t *cores)
{
    CPU_ZERO(cores);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, cpus)) CPU_SET(first_sibling(cpu), cores);
}
