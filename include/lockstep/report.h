/** The report: one HTML page about a study, or about one or several training runs side by side, and its figures.
 *
 * The page needs no network, no server and no script: figures are SVG inside it, the numbers behind each are embedded
 * as CSV.  Beside it, in figures/, lie the same numbers (NAME.csv), a gnuplot script (NAME.gp), and what gnuplot makes
 * of it (NAME.svg, NAME.png); without gnuplot on the PATH these two are missing and the page says so. */
#ifndef LOCKSTEP_REPORT_H
#define LOCKSTEP_REPORT_H

#include "lockstep/linkage.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

/** Writes the report of `directories`: one study directory (results.json, study.json or trials.jsonl in it), or
 * training run directories (metrics.jsonl).  `out` is the page's path; NULL: report.html in the first directory.  The
 * page and every file of figures/, beside it, are complete or absent.
 *
 *  Not collective: one rank calls it.  What is missing, cut off or not a number is left out and named on the page,
 * which is valid all the same.  A notice tells the page's path. LS_EUSAGE: a directory holds neither a study nor a run,
 * or several hold a study; LS_EOUTPUT; LS_ENOMEM. */
ls_status ls_report_write(const char *const *directories, int n_directories, const char *out);

/** Writes metrics.jsonl of training runs as one table in CSV: a row a line, under a head that is always the same; the
 *  first column, run, is the directory as given, the others are keys of lockstep/metrics.h.  The file is complete or
 *  absent.  Not collective.  LS_EUSAGE: a directory holds no run; LS_EOUTPUT; LS_ENOMEM. */
ls_status ls_report_csv(const char *const *directories, int n_directories, const char *out);

LS_END_DECLS

#endif
