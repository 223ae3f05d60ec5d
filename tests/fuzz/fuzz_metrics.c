/* metrics.jsonl: as a resumed run cuts it, and as a report reads it. */
#include "fuzz.h"

#include "lockstep/metrics.h"
#include "study/report_internal.h"

static void make_page(void)
{
    const char *const directories[] = {fuzz_directory};
    ls_report report = {0};
    ls_text page = {0};
    if (ls_report_runs(&report, directories, 1) == LS_OK) ls_report_page(&report, NULL, &page);
    ls_text *const texts[] = {&report.title, &report.kind,     &report.head,
                              &report.tail,  &report.warnings, &report.absent};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) ls_text_free(texts[i]);
    for (int i = 0; i < report.n_figures; i++) ls_figure_free(&report.figure[i]);
    ls_text_free(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    ls_metrics *metrics;
    fuzz_put("metrics.jsonl", bytes, n);
    make_page();
    if (ls_metrics_open(fuzz_directory, &(ls_metrics_options){.resume = true, .keep_iteration = 5}, &metrics) == LS_OK)
        ls_metrics_close(&metrics);
    return 0;
}
