/** For tests of what a study keeps on disk: a directory of the test's own, with what is made in it. */
#ifndef LOCKSTEP_TEST_STUDY_DIRECTORY_H
#define LOCKSTEP_TEST_STUDY_DIRECTORY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char directory[64];

static inline int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/lockstep-study-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static inline int remove_directory(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

#endif
