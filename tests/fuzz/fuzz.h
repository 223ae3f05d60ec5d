/** What the fuzz targets share: a directory for the files that a reader is given, and data sets opened from a line of
 *  YAML.  Each target is one file with LLVMFuzzerTestOneInput; clang's sanitizers and fuzz.sh's limits on memory and
 *  time are the judges. */
#ifndef LOCKSTEP_TEST_FUZZ_H
#define LOCKSTEP_TEST_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/node.h"
#include "lockstep/dataset.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static char fuzz_directory[64];

static inline void fuzz_remove(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", fuzz_directory);
    if (system(command) != 0) fprintf(stderr, "%s is left behind\n", fuzz_directory);
}

/** Called by libFuzzer once. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    ls_log_quiet(true, true);
    strcpy(fuzz_directory,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/lockstep-fuzz-XXXXXX" : "/tmp/lockstep-fuzz-XXXXXX");
    if (mkdtemp(fuzz_directory) == NULL) abort();
    return atexit(fuzz_remove);
}

/** Writes a file of the directory; its path is valid until the next call. */
static inline const char *fuzz_put(const char *name, const void *bytes, size_t n)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", fuzz_directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, n, file) != n || fclose(file) != 0) abort();
    return path;
}

/* Larger than any file that comes from so few bytes, gzip's ratio included. */
enum { FUZZ_MOST_BYTES = 64 << 20 };

static inline ls_status fuzz_load(ls_dataset_source *source)
{
    size_t features, labels;
    ls_dataset set;
    LS_TRY(ls_dataset_bytes(ls_dataset_source_info(source), &features, &labels));
    if (features > FUZZ_MOST_BYTES || labels > FUZZ_MOST_BYTES) abort();
    char *block = ls_calloc(features + labels, 1);
    if (block == NULL) abort();
    const ls_status status = ls_dataset_load(source, block, block + features);
    ls_dataset_attach(ls_dataset_source_info(source), block, block + features, &set);
    if (status == LS_OK) ls_dataset_hash(&set);
    ls_free(block);
    return status;
}

/** Opens and loads the data set that `yaml` describes; files are names in the directory. */
static inline void fuzz_read(const char *yaml)
{
    ls_node *spec;
    ls_dataset_source *source;
    if (ls_node_parse(yaml, strlen(yaml), "fuzz.yaml", &spec) != LS_OK) abort();
    if (ls_dataset_open(spec, fuzz_directory, NULL, &source) == LS_OK) fuzz_load(source);
    ls_dataset_source_destroy(&source);
    ls_node_destroy(&spec);
}

#endif
