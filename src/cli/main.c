/* The program: finds the command, starts MPI for those that need it, prints failures once, ends with the documented
 * exit code. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/option.h"
#include "cli/command.h"
#include "lockstep/stop.h"
#include "ls_version.h"

/* OpenBLAS starts its threads before main, one per core, in every rank: with the variable unset, set it and begin anew.
 * runtime.blas_threads raises the number later. */
static void restart_with_one_blas_thread(char **argv)
{
    if (getenv("OPENBLAS_NUM_THREADS") != NULL) return;
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", argv);
}

static const ls_command *find_command(const char *name)
{
    for (const ls_command *c = ls__commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

/* Help and versions are printed before there are ranks: by the launcher's first task alone. */
static bool is_first_task(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL) return atoi(value) == 0;
    }
    return true;
}

static void print_usage(FILE *to)
{
    if (!is_first_task()) return;
    fprintf(to, "lockstep: " LS_WHAT_IT_IS "\n\n"
                "usage: [mpirun -np P] lockstep COMMAND ...\n\n");
    for (const ls_command *c = ls__commands; c->name != NULL; c++) fprintf(to, "  %-8s %s\n", c->name, c->summary);
    fprintf(to, "\n'lockstep COMMAND --help' tells more.\n\nexit codes:\n");
    for (int s = 0; s < LS_STATUS_COUNT; s++)
        fprintf(to, "  %2d  %s\n", ls_status_exit_code((ls_status)s), ls_status_meaning((ls_status)s));
}

static void print_help(const ls_command *c)
{
    if (!is_first_task()) return;
    printf("usage: lockstep %s %s\n%s\n\nexample: %s\n\n", c->name, c->usage, c->summary, c->example);
    ls_args_print(c->bit);
}

static int report(ls_status status, bool speaks)
{
    if (status == LS_OK && speaks && (fflush(stdout) != 0 || ferror(stdout) != 0))
        status = ls_status_fail(LS_EOUTPUT, __FILE__, __LINE__, "standard output could not be written");
    const int code = ls_status_exit_code(status);
    if (status == LS_OK || !speaks) return code;
    fprintf(stderr, "lockstep: error: %s", ls_status_message());
    if (status == LS_EINTERNAL) fprintf(stderr, " (at %s; please report this)", ls_status_where());
    fprintf(stderr, "\n");
    return code;
}

/* Tasks that the launcher says it started; 1 when it says nothing. */
static int launcher_tasks(const char **variable)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "PMI_SIZE",
                                        "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value == NULL) continue;
        *variable = names[i];
        return atoi(value);
    }
    return 1;
}

/* A launcher that this MPI does not understand starts N jobs of one rank, which would overwrite each other's files. */
static ls_status check_launcher(const ls_job *world)
{
    const char *variable = "";
    const int tasks = launcher_tasks(&variable);
    LS_REQUIRE(
        tasks <= 1 || ls_job_size(world) > 1, LS_EUSAGE,
        "the launcher started %d tasks (%s), but MPI sees one: each would train alone; start with mpirun, or with "
        "'srun --mpi=pmix'",
        tasks, variable);
    return LS_OK;
}

static ls_status unknown_command(const char *name)
{
    enum { MOST = 32 };
    const char *names[MOST];
    int n = 0;
    for (; n < MOST && ls__commands[n].name != NULL; n++) names[n] = ls__commands[n].name;
    const int near = ls_nearest_name(name, names, n);
    LS_FAIL(LS_EUSAGE, "unknown command '%s'%s%s%s; 'lockstep --help' lists them", name,
            near >= 0 ? "; did you mean '" : "", near >= 0 ? names[near] : "", near >= 0 ? "'?" : "");
}

/* Finds the command and reads its arguments. */
static ls_status read_command_line(int argc, char **argv, const ls_command **c, ls_args *args)
{
    *c = find_command(argv[1]);
    if (*c == NULL) return unknown_command(argv[1]);
    return ls_args_read((*c)->bit, argc - 2, argv + 2, args);
}

static ls_status run_on(const ls_job *world, const ls_command *c, const ls_args *args)
{
    if (!ls__needs_job(c, args)) return ls_job_agree(world, ls_job_rank(world) == 0 ? c->run(args, NULL) : LS_OK);
    LS_TRY(check_launcher(world));
    return c->run(args, world);
}

/* With a `status` of failure it only tells: once, by rank 0. */
static int run_with_job(ls_status status, const ls_command *c, const ls_args *args, int argc, char **argv)
{
    ls_job *world;
    if (c != NULL && (c->bit & (LS_CMD_TRAIN | LS_CMD_STUDY)) != 0) ls_stop_install();
    const ls_status started = ls_job_start(&argc, &argv, &world);
    if (started != LS_OK) return report(started, true);
    const bool speaks = ls_job_rank(world) == 0;
    ls_log_quiet(!speaks || args->quiet, !speaks);
    if (status == LS_OK) status = run_on(world, c, args);
    const int code = report(status, speaks);
    fflush(NULL);
    ls_job_finish(&world);
    return code;
}

int main(int argc, char **argv)
{
    restart_with_one_blas_thread(argv);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a failing write, with a message, not a sudden end */
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        if (is_first_task()) printf("lockstep %s (commit %s)\n", LS_VERSION, LS_COMMIT);
        return 0;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? ls_status_exit_code(LS_EUSAGE) : 0;
    }
    const ls_command *c;
    const char *variable;
    ls_args args = {0};
    const ls_status status = read_command_line(argc, argv, &c, &args);
    if (status == LS_OK && args.help) {
        print_help(c);
        return 0;
    }
    const bool launched = launcher_tasks(&variable) > 1;
    if (launched || (status == LS_OK && ls__needs_job(c, &args))) return run_with_job(status, c, &args, argc, argv);
    return report(status == LS_OK ? c->run(&args, NULL) : status, true);
}
