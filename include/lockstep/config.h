/** The configuration of a run: one YAML tree, one table of keys, one structure.
 *
 * The tree is completed with every default, so it is also what goes into checkpoints and metrics.  Nothing here is
 * collective: rank 0 reads and checks, the others parse the text that it sends.  Errors are LS_EUSAGE with the place.
 */
#ifndef LOCKSTEP_CONFIG_H
#define LOCKSTEP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/course.h"
#include "lockstep/linkage.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

struct ls_node;
struct ls_text;

typedef enum ls_exchange_method { LS_TREE, LS_MPI_ALLREDUCE } ls_exchange_method;

/** What a signal asks of a run: to save and stop, to save and go on, nothing. */
typedef enum ls_signal_action { LS_SIGNAL_STOP, LS_SIGNAL_SAVE, LS_SIGNAL_IGNORE } ls_signal_action;

enum { LS_SIGNAL_USR1, LS_SIGNAL_USR2, LS_SIGNAL_TERM, LS_SIGNAL_INT, LS_N_SIGNALS };

/** Values of the keys of the same names; text and nodes belong to the tree. */
typedef struct ls_config {
    struct ls_node *root;
    char *directory; /* of the file, for relative data paths; owned */
    struct {
        struct ls_node *train, *test, *validation, *normalize, *augment;
        bool shuffle;
    } data;
    struct ls_node *model, *loss, *optimizer, *schedule;
    struct {
        int64_t global_batch_size, shards, micro_batch_size; /* LS_AUTO until the plan resolves them */
        bool drop_last;
        struct ls_node *schedule; /* list of {epoch, size} */
        int n_phases;             /* read from it; 0: one batch size */
        struct {
            int64_t epoch, size;
        } phase[LS_MAX_PHASES];
    } batch;
    struct {
        int64_t epochs, max_iterations; /* LS_AUTO: not given */
        double max_time_s;              /* NaN: no limit */
        int64_t seed;
        const char *init_from; /* NULL: random start values */
        struct {
            int64_t init, order, dropout, augment; /* LS_AUTO: train.seed */
        } seeds;
    } train;
    struct {
        int method; /* ls_exchange_method */
    } exchange;
    struct {
        const char *metric;
        double above, below; /* NaN: not given */
        int64_t patience;    /* 0: off */
    } target;
    struct {
        int64_t every_epochs, every_iterations, batch; /* 0: not by this */
    } eval;
    struct {
        int64_t every_iterations, keep; /* 0: only the last; 0: all */
        const char *best;
        bool initial, background;
    } checkpoint;
    struct {
        int64_t every_iterations;
        bool tensorboard;
    } metrics;
    struct {
        int64_t every; /* LS_AUTO: by the sizes of the run; 0: never */
    } noise;
    struct {
        int64_t blas_threads;
        int64_t memory_limit; /* MB of activations per rank */
        int64_t ranks_per_node;
        int64_t verify_every; /* 0: never */
        bool shortcuts;
        int on_signal[LS_N_SIGNALS];        /* ls_signal_action of each */
        const char *timeline;               /* NULL: none */
        double stall_warn_s, stall_abort_s; /* 0: never */
    } runtime;
} ls_config;

/** A change to a key before it is read: `key` is a dotted path, `value` YAML, `source` names it in messages ("--lr")
 *  and must outlive the configuration. */
typedef struct ls_override {
    const char *key, *value, *source;
} ls_override;

/** Reads a file, or n bytes under a name, with overrides applied; `directory` is where relative paths begin (NULL: the
 *  file's).  The caller destroys it. */
ls_status ls_config_read(const char *path, const ls_override *overrides, int n_overrides, ls_config **out);
ls_status ls_config_parse(const char *text, size_t n, const char *name, const char *directory,
                          const ls_override *overrides, int n_overrides, ls_config **out);
void ls_config_destroy(ls_config **config);

/** The tree as one line of JSON, which ls_config_parse reads back. */
void ls_config_text(const ls_config *config, struct ls_text *out);

/** The configuration may resume a run that was started with `stored`: identity keys are equal, extend keys have not
 *  shrunk (unless `fixed_length`, where the schedule's shape depends on the length: then equal).  Names the key. */
ls_status ls_config_check_resume(const ls_config *config, const ls_config *stored, bool fixed_length);

/** One line per key: type, range, default, class, help. */
void ls_config_keys_print(struct ls_text *out);

LS_END_DECLS

#endif
