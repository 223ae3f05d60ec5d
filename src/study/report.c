#include "lockstep/report.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "study/report_internal.h"

void ls_report_warn(ls_report *report, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ls_html_printf(&report->warnings, "li", "%s", text);
}

void ls_report_figure(ls_report *report, ls_figure *figure, const char *reason)
{
    report->failed |= figure->failed;
    if (ls_figure_empty(figure) || report->n_figures == LS_REPORT_MAX_FIGURES) {
        ls_html_printf(&report->absent, "li", "%s: %s", figure->title, reason);
        ls_figure_free(figure);
        return;
    }
    report->figure[report->n_figures++] = *figure;
    *figure = (ls_figure){0};
}

static void destroy(ls_report *r)
{
    ls_text *const texts[] = {&r->title, &r->kind, &r->head, &r->tail, &r->warnings, &r->absent};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) ls_text_free(texts[i]);
    for (int i = 0; i < r->n_figures; i++) ls_figure_free(&r->figure[i]);
}

static ls_status write_rendered(const ls_figure *f, const char *directory, const char *extension,
                                void (*render)(const ls_figure *, ls_text *))
{
    char name[96];
    ls_text text = {0};
    snprintf(name, sizeof name, "%s.%s", f->id, extension);
    char *path = ls_path_join(directory, name);
    render(f, &text);
    ls_status status = path != NULL ? ls_text_status(&text)
                                    : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a report");
    if (status == LS_OK) status = ls_file_write(path, text.data, text.n);
    ls_text_free(&text);
    ls_free(path);
    return status;
}

/* Runs gnuplot on ID.gp inside `directory`, silent.  0, or an errno, or -1 when it did not end well. */
static int run_gnuplot(const char *directory, const char *id)
{
    char script[96];
    pid_t pid;
    int state;
    posix_spawn_file_actions_t actions;
    snprintf(script, sizeof script, "%s.gp", id);
    char *const argv[] = {"gnuplot", script, NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, directory);
    for (int fd = 0; fd < 3; fd++) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    const int error = posix_spawnp(&pid, "gnuplot", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return error;
    while (waitpid(pid, &state, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(state) && WEXITSTATUS(state) == 0 ? 0 : -1;
}

/* Pictures beside the page; what could not be made is told in *sentence, NULL otherwise. */
static void draw(const ls_report *r, const char *directory, const char **sentence)
{
    *sentence = NULL;
    for (int i = 0; i < r->n_figures && *sentence == NULL; i++) {
        const int result = run_gnuplot(directory, r->figure[i].id);
        if (result == ENOENT)
            *sentence =
                "gnuplot is not installed: figures/ holds the numbers (CSV) and the scripts (.gp), but neither SVG "
                "nor PNG files. The figures on this page do not need it.";
        else if (result != 0)
            *sentence =
                "gnuplot failed: some SVG and PNG files are missing in figures/; run it there on a script (.gp) to "
                "see why.";
    }
    if (*sentence != NULL) ls_warn("%s", *sentence);
}

static ls_status write_figures(const ls_report *r, const char *page, const char **sentence)
{
    char *directory = ls_path_directory(page);
    char *figures = directory != NULL ? ls_path_join(directory, "figures") : NULL;
    ls_status status = figures != NULL ? ls_make_directory(figures)
                                       : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a report");
    for (int i = 0; i < r->n_figures && status == LS_OK; i++) {
        status = write_rendered(&r->figure[i], figures, "csv", ls_figure_csv);
        if (status == LS_OK) status = write_rendered(&r->figure[i], figures, "gp", ls_figure_gnuplot);
    }
    if (status == LS_OK) draw(r, figures, sentence);
    ls_free(figures);
    ls_free(directory);
    return status;
}

static ls_status write_report(const ls_report *r, const char *path)
{
    const char *sentence = NULL;
    ls_text page = {0};
    LS_REQUIRE(!r->failed, LS_ENOMEM, "out of memory for the report's figures");
    LS_TRY(ls_text_status(&r->head));
    LS_TRY(ls_text_status(&r->tail));
    LS_TRY(write_figures(r, path, &sentence));
    ls_report_page(r, sentence, &page);
    ls_status status = ls_text_status(&page);
    if (status == LS_OK) status = ls_file_write(path, page.data, page.n);
    ls_text_free(&page);
    return status;
}

static bool holds(const char *directory, const char *name)
{
    char *path = ls_path_join(directory, name);
    const bool found = path != NULL && access(path, R_OK) == 0;
    ls_free(path);
    return found;
}

static bool is_study(const char *directory)
{
    return holds(directory, "results.json") || holds(directory, "study.json") || holds(directory, "trials.jsonl");
}

static ls_status build(ls_report *r, const char *const *directories, int n)
{
    int n_studies = 0;
    for (int i = 0; i < n; i++) {
        const bool study = is_study(directories[i]);
        n_studies += study;
        LS_REQUIRE(study || holds(directories[i], "metrics.jsonl"), LS_EUSAGE,
                   "%s: expected the directory of a study (results.json) or of a training run (metrics.jsonl)",
                   directories[i]);
    }
    LS_REQUIRE(n_studies == 0 || n == 1, LS_EUSAGE,
               "a report is about one study, or about training runs: %d of the %d directories hold a study", n_studies,
               n);
    return n_studies > 0 ? ls_report_study(r, directories[0]) : ls_report_runs(r, directories, n);
}

ls_status ls_report_write(const char *const *directories, int n, const char *out)
{
    LS_REQUIRE(n > 0, LS_EUSAGE,
               "expected the directory of a study, or of one or several training runs, as in: lockstep report runs/a");
    ls_report *report = ls_calloc(1, sizeof *report);
    char *path = out != NULL ? ls_strdup(out) : ls_path_join(directories[0], "report.html");
    ls_status status = report != NULL && path != NULL
                           ? build(report, directories, n)
                           : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a report");
    if (status == LS_OK) status = write_report(report, path);
    if (status == LS_OK) ls_notice("report: %s", path);
    if (report != NULL) destroy(report);
    ls_free(report);
    ls_free(path);
    return status;
}
