/** A directory of the test's own, with all that is made in it: a setup and a teardown of cmocka. */
#ifndef LOCKSTEP_TEST_DIRECTORY_H
#define LOCKSTEP_TEST_DIRECTORY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char test_directory[64];

static inline int make_directory(void **state)
{
    (void)state;
    strcpy(test_directory, "/tmp/lockstep-test-XXXXXX");
    return mkdtemp(test_directory) != NULL ? 0 : -1;
}

static inline int remove_directory(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", test_directory);
    return system(command);
}

#endif
