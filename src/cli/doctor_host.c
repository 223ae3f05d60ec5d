/* What the system tells of itself: /proc, /sys, the PATH. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cpus.h"
#include "cli/doctor.h"
#include "math/blas.h"

enum { PATH = 512 };

/* The first line of a file without its end; false: there is none. */
static bool read_line(const char *path, char line[PATH])
{
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    const bool read = fgets(line, PATH, file) != NULL;
    fclose(file);
    if (read) line[strcspn(line, "\n")] = 0;
    return read;
}

/* Processors by a quota and a period in microseconds; "max" and -1 are no limit. */
static double processors_of(const char *quota, const char *period)
{
    const double q = strtod(quota, NULL), p = strtod(period, NULL);
    return q > 0 && p > 0 ? q / p : INFINITY;
}

/* cgroup v2 has "quota period" in one file, v1 each in its own. */
static double quota_at(const char *directory, bool v2)
{
    char path[2 * PATH], line[PATH], period[PATH];
    snprintf(path, sizeof path, "%s/%s", directory, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (!read_line(path, line)) return INFINITY;
    if (v2) return processors_of(line, line + strcspn(line, " "));
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    return read_line(path, period) ? processors_of(line, period) : INFINITY;
}

/* The smallest quota from a group up to the root of the hierarchy. */
static double quota_of(const char *root, char *group, bool v2)
{
    double smallest = INFINITY;
    for (char *slash; (slash = strrchr(group, '/')) != NULL; *slash = 0) {
        char directory[2 * PATH];
        snprintf(directory, sizeof directory, "%s%s", root, group);
        smallest = fmin(smallest, quota_at(directory, v2));
    }
    return fmin(smallest, quota_at(root, v2));
}

/* Lines of /proc/self/cgroup are "number:controllers:/group"; without controllers it is v2. */
static double cpu_quota(void)
{
    char line[PATH];
    double smallest = INFINITY;
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL) continue;
        *group++ = 0;
        group[strcspn(group, "\n")] = 0;
        controllers++;
        if (controllers[0] == 0) smallest = fmin(smallest, quota_of("/sys/fs/cgroup", group, true));
        if (strcmp(controllers, "cpu") == 0 || strstr(controllers, "cpu,") == controllers)
            smallest = fmin(smallest, quota_of("/sys/fs/cgroup/cpu", group, false));
    }
    if (file != NULL) fclose(file);
    return smallest;
}

/* intel_pstate and amd-pstate raise the clock under load also when they are called so. */
static bool is_powersave(void)
{
    char governor[PATH], driver[PATH];
    if (!read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor)) return false;
    if (!read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", driver)) driver[0] = 0;
    return strcmp(governor, "powersave") == 0 && strstr(driver, "pstate") == NULL;
}

static ls_vector_level vector_of_processor(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return LS_VECTOR_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return LS_VECTOR_AVX2;
    return __builtin_cpu_supports("avx") ? LS_VECTOR_AVX : LS_VECTOR_SSE;
#else
    return LS_VECTOR_UNKNOWN;
#endif
}

ls_vector_level ls_vector_of_kernel(const char *core)
{
    static const struct {
        const char *core;
        ls_vector_level level;
    } kernels[] = {
        {"SkylakeX", LS_VECTOR_AVX512},  {"Cooperlake", LS_VECTOR_AVX512}, {"SapphireRapids", LS_VECTOR_AVX512},
        {"Haswell", LS_VECTOR_AVX2},     {"Zen", LS_VECTOR_AVX2},          {"Excavator", LS_VECTOR_AVX2},
        {"Sandybridge", LS_VECTOR_AVX},  {"Bulldozer", LS_VECTOR_AVX},     {"Piledriver", LS_VECTOR_AVX},
        {"Steamroller", LS_VECTOR_AVX},  {"Prescott", LS_VECTOR_SSE},      {"Core2", LS_VECTOR_SSE},
        {"Penryn", LS_VECTOR_SSE},       {"Dunnington", LS_VECTOR_SSE},    {"Nehalem", LS_VECTOR_SSE},
        {"Atom", LS_VECTOR_SSE},         {"Athlon", LS_VECTOR_SSE},        {"Opteron", LS_VECTOR_SSE},
        {"Opteron_SSE3", LS_VECTOR_SSE}, {"Barcelona", LS_VECTOR_SSE},     {"Bobcat", LS_VECTOR_SSE},
        {"Nano", LS_VECTOR_SSE}};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (strcmp(core, kernels[i].core) == 0) return kernels[i].level;
    return LS_VECTOR_UNKNOWN;
}

const char *ls_vector_name(ls_vector_level level)
{
    static const char *const names[] = {"unknown", "SSE", "AVX", "AVX2", "AVX-512"};
    return names[level];
}

void ls_checkup_take(ls_checkup *out)
{
    struct statvfs shm;
    *out = (ls_checkup){.n_online = (double)sysconf(_SC_NPROCESSORS_ONLN),
                        .quota = cpu_quota(),
                        .powersave = is_powersave(),
                        .processor = vector_of_processor(),
                        .pool = ls_blas_threads()};
    ls_cpus_mine(&out->cpus);
    ls_cpus_cores(&out->cpus, &out->cores);
    if (statvfs("/dev/shm", &shm) != 0) return;
    out->shm_bytes = (double)shm.f_blocks * (double)shm.f_frsize;
    out->shm_free = (double)shm.f_bavail * (double)shm.f_frsize;
}

static void first_line_of(const char *command, char out[128])
{
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): a fixed text */
    if (pipe == NULL) return;
    if (fgets(out, 128, pipe) == NULL) out[0] = 0;
    out[strcspn(out, "\n")] = 0;
    pclose(pipe);
}

void ls_launcher_find(char path[256], char version[128])
{
    const char *directories = getenv("PATH");
    path[0] = version[0] = 0;
    while (directories != NULL && *directories != 0) {
        const size_t n = strcspn(directories, ":");
        snprintf(path, 256, "%.*s/mpirun", (int)n, directories);
        if (access(path, X_OK) == 0) {
            first_line_of("mpirun --version </dev/null 2>/dev/null", version);
            return;
        }
        directories += n + (directories[n] == ':');
    }
    path[0] = 0;
}

static int family_of(const char *text)
{
    static const char *const words[] = {"Open MPI", "Intel(R) MPI", "MPICH", "HYDRA"};
    for (int i = 0; i < 4; i++)
        if (strstr(text, words[i]) != NULL) return i < 3 ? i + 1 : 3; /* HYDRA is MPICH's launcher */
    return 0;
}

bool ls_mpi_differs(const char *a, const char *b)
{
    const int x = family_of(a), y = family_of(b);
    return x != 0 && y != 0 && x != y;
}
