/* Data without files: standard normal features, and a fixed random network ("teacher") that gives the label or the
 * values.  Sample first + i is a pure function of (seed, first + i), so a test set can be another range of it. */
#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "data/reader.h"
#include "lockstep/rng.h"

enum { CLASSIFICATION, REGRESSION };

/* What the numbers of the stream are for; each has a key of its own. */
enum { DRAW_FEATURES, DRAW_TEACHER, DRAW_NOISE, DRAW_PROBE };

enum { N_PROBES = 512 };

#define MAX_WEIGHTS 134217728 /* 1 GiB in double */
#define GAIN        1.5       /* of the hidden layer: tanh is curved there, and not yet a step */

static const char *const kind_names[] = {"classification", "regression", NULL};

typedef struct synthetic_options {
    int64_t samples, features, classes, targets, hidden, seed, first;
    double noise;
    int kind;
} synthetic_options;

static const ls_option synthetic_table[] = {
    {.key = "samples",
     .kind = LS_OPTION_INT,
     .offset = offsetof(synthetic_options, samples),
     .min = 1,
     .max = LS_OPTION_MAX,
     .help = "number of samples"},
    {.key = "features",
     .kind = LS_OPTION_INT,
     .offset = offsetof(synthetic_options, features),
     .fallback = "784",
     .min = 1,
     .max = MAX_WEIGHTS,
     .help = "features of a sample"},
    {.key = "kind",
     .kind = LS_OPTION_CHOICE,
     .offset = offsetof(synthetic_options, kind),
     .fallback = "classification",
     .choices = kind_names,
     .help = "what is to be learnt"},
    {.key = "classes",
     .kind = LS_OPTION_INT,
     .offset = offsetof(synthetic_options, classes),
     .fallback = "10",
     .min = 2,
     .max = MAX_WEIGHTS,
     .help = "classification: number of classes"},
    {.key = "targets",
     .kind = LS_OPTION_INT,
     .offset = offsetof(synthetic_options, targets),
     .fallback = "1",
     .min = 1,
     .max = MAX_WEIGHTS,
     .help = "regression: values of a sample"},
    {.key = "hidden",
     .kind = LS_OPTION_INT,
     .offset = offsetof(synthetic_options, hidden),
     .fallback = "64",
     .min = 1,
     .max = MAX_WEIGHTS,
     .help = "hidden units of the teacher"},
    {.key = "noise",
     .kind = LS_OPTION_REAL,
     .offset = offsetof(synthetic_options, noise),
     .fallback = "0",
     .min = 0,
     .max = 1,
     .help = "classification: fraction of labels replaced by a random class"},
    {.key = "seed",
     .kind = LS_OPTION_INT,
     .offset = offsetof(synthetic_options, seed),
     .fallback = "1",
     .min = 0,
     .max = LS_OPTION_MAX,
     .help = "seed of teacher and samples"},
    {.key = "first",
     .kind = LS_OPTION_INT,
     .offset = offsetof(synthetic_options, first),
     .fallback = "0",
     .min = 0,
     .max = LS_OPTION_MAX,
     .help = "index of the first sample; a test set begins behind the training set"},
    {0}};

typedef struct synthetic_state {
    synthetic_options o;
    int64_t n_outputs;
    double *in;       /* [features, hidden] */
    double *out;      /* [n_outputs, hidden] */
    double *features; /* [features], as in the data set */
    double *hidden;   /* [hidden] */
    double *outputs;  /* [n_outputs] */
    double *squares;  /* [n_outputs], of the probes */
} synthetic_state;

static uint64_t draw_key(const synthetic_state *s, uint64_t what)
{
    return ls_mix64(ls_rng_key((uint64_t)s->o.seed, LS_STREAM_SYNTHETIC) + what);
}

/* Weights of variance gain^2 / fan in, so that every sum has variance gain^2. */
static void draw_weights(const synthetic_state *s, uint64_t layer, int64_t n, double scale, double *out)
{
    const uint64_t key = draw_key(s, DRAW_TEACHER);
    for (int64_t i = 0; i < n; i++) out[i] = scale * ls_rng_normal(key, layer, (uint64_t)i);
}

/* Rounded to float, so that the labels are a function of what is stored. */
static void draw_features(const synthetic_state *s, uint64_t key, uint64_t sample)
{
    for (int64_t i = 0; i < s->o.features; i++) s->features[i] = (float)ls_rng_normal(key, sample, (uint64_t)i);
}

/* outputs[n_outputs] = out[n_outputs, hidden] tanh(features[features] in[features, hidden]), added in index order */
static void teach(const synthetic_state *s)
{
    const int64_t n_hidden = s->o.hidden;
    double *restrict hidden = s->hidden;
    for (int64_t j = 0; j < n_hidden; j++) hidden[j] = 0;
    for (int64_t i = 0; i < s->o.features; i++) {
        const double x = s->features[i], *restrict w = s->in + i * n_hidden;
        for (int64_t j = 0; j < n_hidden; j++) hidden[j] += x * w[j];
    }
    for (int64_t j = 0; j < n_hidden; j++) hidden[j] = tanh(hidden[j]);
    for (int64_t k = 0; k < s->n_outputs; k++) {
        double sum = 0;
        for (int64_t j = 0; j < n_hidden; j++) sum += s->out[k * n_hidden + j] * hidden[j];
        s->outputs[k] = sum;
    }
}

/* Scales every output to unit mean square over probes, which no data set holds: else some would win too often. */
static void level_outputs(synthetic_state *s)
{
    const uint64_t key = draw_key(s, DRAW_PROBE);
    for (uint64_t sample = 0; sample < N_PROBES; sample++) {
        draw_features(s, key, sample);
        teach(s);
        for (int64_t k = 0; k < s->n_outputs; k++) s->squares[k] += s->outputs[k] * s->outputs[k];
    }
    for (int64_t k = 0; k < s->n_outputs; k++)
        for (int64_t j = 0; j < s->o.hidden; j++) s->out[k * s->o.hidden + j] /= sqrt(s->squares[k] / N_PROBES);
}

static ls_status make_teacher(synthetic_state *s)
{
    const synthetic_options *o = &s->o;
    int64_t n_in, n_out;
    const bool fits = ls_mul_i64(o->features, o->hidden, &n_in) && n_in <= MAX_WEIGHTS &&
                      ls_mul_i64(s->n_outputs, o->hidden, &n_out) && n_out <= MAX_WEIGHTS;
    LS_REQUIRE(fits, LS_EUSAGE,
               "a teacher of %" PRId64 " features, %" PRId64 " hidden units and %" PRId64
               " outputs has more than %d weights in a layer",
               o->features, o->hidden, s->n_outputs, MAX_WEIGHTS);
    s->in = ls_calloc((size_t)n_in, sizeof *s->in);
    s->out = ls_calloc((size_t)n_out, sizeof *s->out);
    s->features = ls_calloc((size_t)o->features, sizeof *s->features);
    s->hidden = ls_calloc((size_t)o->hidden, sizeof *s->hidden);
    s->outputs = ls_calloc((size_t)s->n_outputs, sizeof *s->outputs);
    s->squares = ls_calloc((size_t)s->n_outputs, sizeof *s->squares);
    LS_REQUIRE(s->in && s->out && s->features && s->hidden && s->outputs && s->squares, LS_ENOMEM,
               "out of memory for a teacher of %" PRId64 " weights", n_in + n_out);
    draw_weights(s, 0, n_in, GAIN / sqrt((double)o->features), s->in);
    draw_weights(s, 1, n_out, 1 / sqrt((double)o->hidden), s->out);
    level_outputs(s);
    return LS_OK;
}

static ls_status synthetic_open(const void *options, const ls_reader_paths *paths, ls_dataset_info *info, void **state)
{
    (void)paths;
    synthetic_state *s = *state = ls_calloc(1, sizeof *s);
    LS_REQUIRE(s != NULL, LS_ENOMEM, "out of memory for a reader");
    s->o = *(const synthetic_options *)options;
    const bool classes = s->o.kind == CLASSIFICATION;
    LS_REQUIRE(classes || s->o.noise == 0, LS_EUSAGE, "'noise' replaces labels: it needs kind: classification");
    s->n_outputs = classes ? s->o.classes : s->o.targets;
    *info = (ls_dataset_info){.n_samples = s->o.samples,
                              .n_features = s->o.features,
                              .dim = {s->o.features},
                              .n_targets = classes ? 0 : s->n_outputs,
                              .n_dim = 1,
                              .feature_type = LS_FEATURE_F32,
                              .label_kind = classes ? LS_LABEL_CLASS : LS_LABEL_VALUES};
    return make_teacher(s);
}

static int32_t label_of(const synthetic_state *s, uint64_t sample)
{
    const uint64_t key = draw_key(s, DRAW_NOISE);
    if (ls_rng_uniform(key, sample, 0) < s->o.noise)
        return (int32_t)(ls_rng_uniform(key, sample, 1) * (double)s->n_outputs);
    int64_t best = 0;
    for (int64_t k = 1; k < s->n_outputs; k++)
        if (s->outputs[k] > s->outputs[best]) best = k;
    return (int32_t)best;
}

static ls_status synthetic_load(void *state, const ls_dataset_info *info, void *features, int32_t *labels,
                                float *targets)
{
    const synthetic_state *s = state;
    const uint64_t key = draw_key(s, DRAW_FEATURES);
    for (int64_t i = 0; i < info->n_samples; i++) {
        const uint64_t sample = (uint64_t)(s->o.first + i);
        float *row = (float *)features + i * s->o.features;
        draw_features(s, key, sample);
        for (int64_t j = 0; j < s->o.features; j++) row[j] = (float)s->features[j];
        teach(s);
        if (labels != NULL) labels[i] = label_of(s, sample);
        for (int64_t k = 0; targets != NULL && k < s->n_outputs; k++)
            targets[i * s->n_outputs + k] = (float)s->outputs[k];
    }
    return LS_OK;
}

static void synthetic_close(void *state)
{
    synthetic_state *s = state;
    if (s == NULL) return;
    ls_free(s->in);
    ls_free(s->out);
    ls_free(s->features);
    ls_free(s->hidden);
    ls_free(s->outputs);
    ls_free(s->squares);
    ls_free(s);
}

const ls_reader_ops ls__reader_synthetic = {.name = "synthetic",
                                            .help = "random features and a random teacher network; no files",
                                            .options = synthetic_table,
                                            .options_size = sizeof(synthetic_options),
                                            .open = synthetic_open,
                                            .load = synthetic_load,
                                            .close = synthetic_close};
