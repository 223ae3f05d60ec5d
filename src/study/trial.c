#include "study/trial.h"

#include <math.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lockstep/trainer.h"
#include "study/partial.h"
#include "train/data.h"

enum { FIRST_LOOKS = 128 };

typedef struct running {
    const ls_trial_place *place;
    ls_trainer *trainer;
    ls_trial *trial;
    char *kept;   /* where its states are; NULL: nowhere */
    int capacity; /* of trial->look */
    bool ended;   /* by itself */
    bool cut;     /* and to be gone on with */
} running;

int64_t ls_trial_steps(const ls_trial *trial, double target, int64_t cap)
{
    for (int i = 0; i < trial->n_looks && trial->look[i].iteration <= cap; i++)
        if (trial->look[i].error < target) return trial->look[i].iteration;
    return -1;
}

void ls_trial_destroy(ls_trial *trial)
{
    ls_free(trial->look);
    *trial = (ls_trial){0};
}

/* A look at a regression has its loss for an error. */
static double error_of(const ls_evaluation *e)
{
    return isnan(e->accuracy) ? e->loss : ls_error_of(e->accuracy, e->n);
}

/* `error` is the first below some target. */
static bool crosses(const running *r, double error)
{
    const ls_study_settings *s = &r->place->file->settings;
    for (int t = 0; t < s->n_targets; t++)
        if (error < s->target[t] && ls_trial_steps(r->trial, s->target[t], INT64_MAX) < 0) return true;
    return false;
}

static ls_status add_look(running *r, const ls_look *look)
{
    ls_trial *trial = r->trial;
    if (trial->n_looks == r->capacity) {
        const int capacity = r->capacity > 0 ? 2 * r->capacity : FIRST_LOOKS;
        ls_look *more = ls_realloc(trial->look, (size_t)r->capacity, (size_t)capacity, sizeof *more);
        LS_REQUIRE(more != NULL, LS_ENOMEM, "out of memory for a trial's looks");
        trial->look = more;
        r->capacity = capacity;
    }
    trial->look[trial->n_looks++] = *look;
    return LS_OK;
}

/* The same numbers on all ranks, so the same verdicts; only memory may fail alone. */
static ls_status take_look(running *r)
{
    const ls_study_settings *s = &r->place->file->settings;
    ls_trial *trial = r->trial;
    ls_evaluation e;
    LS_TRY(ls_trainer_evaluate_set(r->trainer, LS_VALIDATION, &e));
    const ls_noise noise = ls_trainer_noise(r->trainer);
    ls_look look = {trial->iterations, error_of(&e), e.loss, NAN, noise.scale, noise.scale_se};
    if (r->place->data->present[LS_TEST] && crosses(r, look.error)) {
        LS_TRY(ls_trainer_evaluate_set(r->trainer, LS_TEST, &e));
        look.test_error = error_of(&e);
    }
    LS_TRY(ls_job_agree(r->place->job, add_look(r, &look)));
    trial->diverged = !isfinite(look.loss) || look.loss > s->diverge_factor * trial->look[0].loss;
    r->ended = trial->diverged || look.error < s->target[s->n_targets - 1];
    return LS_OK;
}

/* A state that is not there costs the work again, and nothing else; what diverges is nothing to go on with. */
static void keep(running *r)
{
    const ls_status status = ls_trainer_save(r->trainer, r->kept);
    if (status != LS_OK && status != LS_EDIVERGED) ls_warn("%s; the trial goes on", ls_status_message());
}

/* Rank 0 decides for all. */
static void ask(running *r, ls_trial_moment moment, int64_t *cap)
{
    const ls_trial_place *p = r->place;
    ls_trial_turn turn = {.cap = *cap};
    if (p->tick == NULL) return;
    if (ls_job_rank(p->job) == 0) p->tick(p->context, r->trial, moment, &turn);
    if (moment == LS_TRIAL_STEP && turn.keep) ls_trainer_ask_save(r->trainer);
    if (moment == LS_TRIAL_STEP) return;
    ls_job_broadcast(p->job, 0, &turn, sizeof turn);
    *cap = turn.cap;
    if (!turn.keep || r->kept == NULL || r->ended) return;
    keep(r);
    r->cut = turn.cap <= r->trial->iterations;
}

static ls_status step(running *r)
{
    ls_trial *trial = r->trial;
    const double start = ls_clock_s();
    const ls_status status = ls_trainer_step(r->trainer);
    trial->seconds += ls_clock_s() - start;
    trial->iterations++;
    trial->diverged = status == LS_EDIVERGED;
    r->ended = trial->diverged;
    return trial->diverged ? LS_OK : status;
}

/* The same on all ranks. */
static ls_trial_moment moment_of(const running *r, bool look)
{
    if (ls_trainer_signalled(r->trainer)) return LS_TRIAL_STOP;
    if (look) return LS_TRIAL_LOOK;
    return ls_trainer_save_asked(r->trainer) ? LS_TRIAL_KEEP : LS_TRIAL_STEP;
}

static ls_status train(running *r, int64_t cap)
{
    ls_trial *trial = r->trial;
    if (trial->n_looks == 0) LS_TRY(take_look(r));
    while (!r->ended && trial->iterations < cap) {
        LS_TRY(step(r));
        const bool look = !r->ended && trial->iterations % trial->key.look_every == 0;
        if (look) LS_TRY(take_look(r));
        ask(r, moment_of(r, look), &cap);
    }
    return LS_OK;
}

/* A state that cannot be gone on with (another worker has removed it, the data lie elsewhere now) costs the work again,
 * and nothing else. */
static ls_status create(running *r, const ls_config *config, const char *state)
{
    const ls_trial_place *place = r->place;
    ls_trainer_options options = {.resume = state, .look_every = r->trial->key.look_every};
    const ls_status status = ls_trainer_create(place->job, config, place->data, &options, &r->trainer);
    if (status == LS_OK || state == NULL) return status;
    ls_warn("%s; the trial begins anew", ls_status_message());
    const ls_trial_key key = r->trial->key;
    ls_trial_destroy(r->trial);
    *r->trial = (ls_trial){.key = key, .n_ranks = ls_job_size(place->job)};
    options.resume = NULL;
    return ls_trainer_create(place->job, config, place->data, &options, &r->trainer);
}

static ls_status run(running *r, const ls_config *config, int64_t cap)
{
    const ls_trial_place *place = r->place;
    char *state = NULL;
    ls_status status = LS_OK;
    if (r->kept != NULL) status = ls_partial_find(place->job, r->kept, place->record, r->trial, &state);
    if (status == LS_OK) status = create(r, config, state);
    r->capacity = r->trial->n_looks;
    if (status == LS_OK) status = train(r, cap);
    ls_trainer_destroy(&r->trainer);
    ls_free(state);
    return status;
}

ls_status ls_trial_run(const ls_trial_place *place, const ls_trial_key *key, int64_t cap, ls_trial *out, bool *cut)
{
    ls_config *config = NULL;
    *out = (ls_trial){.key = *key, .n_ranks = ls_job_size(place->job)};
    running r = {.place = place, .trial = out};
    ls_status status = ls_study_file_trial(place->file, key, &config);
    if (place->directory != NULL) r.kept = ls_partial_place(place->directory, key);
    if (status == LS_OK && place->directory != NULL && r.kept == NULL)
        status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a trial");
    status = ls_job_agree(place->job, status);
    if (status == LS_OK) status = run(&r, config, cap);
    if (cut != NULL) *cut = r.cut;
    ls_config_destroy(&config);
    ls_free(r.kept);
    if (status != LS_OK) ls_trial_destroy(out);
    return status;
}
