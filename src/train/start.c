/* What a process sets, and what all ranks must have in common, before the first iteration (P2). */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "lockstep/stop.h"
#include "lockstep/trainer.h"
#include "ls_version.h"
#include "math/blas.h"
#include "math/vec.h"

void ls_trainer_build(char out[256])
{
    char *program = NULL;
    size_t n = 0;
    uint64_t hash = 0;
    if (ls_file_read("/proc/self/exe", SIZE_MAX / 2, &program, &n) == LS_OK) hash = ls_hash_bytes(program, n);
    ls_free(program);
    snprintf(out, 256, "%s %s %016llx", LS_VERSION, LS_COMMIT, (unsigned long long)hash);
}

static ls_status same_text(const ls_job *job, const char *text, const char *what)
{
    enum { WIDTH = 256 };
    char mine[WIDTH] = "", theirs[WIDTH], message[3 * WIDTH];
    snprintf(mine, sizeof mine, "%s", text);
    memcpy(theirs, mine, sizeof mine);
    ls_job_broadcast(job, 0, theirs, sizeof theirs);
    snprintf(
        message, sizeof message,
        "%s differs: '%s' here, '%s' on rank 0; all ranks must run the same build on the same kind of processor (set "
        "OPENBLAS_CORETYPE to make kernels equal)",
        what, mine, theirs);
    return ls_job_same(job, mine, sizeof mine, LS_EUSAGE, message);
}

ls_status ls_trainer_check_ranks(const ls_job *job)
{
    char text[256];
    LS_TRY(ls_job_agree(job, ls_blas_reserve()));
    ls_trainer_build(text);
    LS_TRY(same_text(job, text, "the program"));
    LS_TRY(same_text(job, ls_blas_build(), "the OpenBLAS library"));
    LS_TRY(same_text(job, ls_blas_core(), "the OpenBLAS kernel type"));
    snprintf(text, sizeof text, "%d", ls_blas_threads());
    LS_TRY(same_text(job, text, "the number of OpenBLAS threads"));
    snprintf(text, sizeof text, "%016llx", (unsigned long long)ls_vec_libm_fingerprint());
    return same_text(job, text, "the mathematics library");
}

ls_status ls_trainer_prepare(const ls_job *job, const ls_config *config)
{
    ls_stop_choose(config->runtime.on_signal);
    ls_blas_set_threads((int)config->runtime.blas_threads);
    return ls_trainer_check_ranks(job);
}
