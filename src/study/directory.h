/** The directory of a study: whose it is, and who may work in it. */
#ifndef LOCKSTEP_STUDY_DIRECTORY_H
#define LOCKSTEP_STUDY_DIRECTORY_H

#include "study/run.h"

/** Makes or opens the directory: locks it (alone, or with other workers), removes claims of the dead when nobody else
 * is there, and writes study.json or compares it.  `lock` is kept open until the process ends.  Not collective: rank 0.
 *  LS_EUSAGE: another study's, or somebody is at work; LS_EOUTPUT. */
ls_status ls_study_open_directory(const ls_study *study, int *lock);

/** Writes a text as DIRECTORY/NAME, complete or absent. */
ls_status ls_study_write_text(const char *directory, const char *name, const ls_text *text);

#endif
