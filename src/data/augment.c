#include "data/augment.h"

#include <inttypes.h>
#include <string.h>

#include "base/entry.h"
#include "base/mem.h"
#include "lockstep/rng.h"

enum { MAX_STEPS = 64, PLACE = 256 };

#define AT(node) ls_node_place(node, (char[PLACE]){0}, PLACE)

#define LS_AUGMENT(name) &ls__augment_##name,
static const ls_augment_ops *const registered[] = {
#include "data/augment_list.h"
};
#undef LS_AUGMENT

#define LS_AUGMENT(name) #name,
static const char *const names[] = {
#include "data/augment_list.h"
};
#undef LS_AUGMENT

enum { N_REGISTERED = sizeof registered / sizeof *registered };

typedef struct augment_step {
    const ls_augment_ops *ops;
    void *options;
} augment_step;

struct ls_augment {
    ls_image image;
    int64_t n_features;
    augment_step *step; /* [n_steps] */
    int n_steps;
};

static ls_status read_step(ls_node *entry, const ls_image *image, augment_step *step)
{
    const char *name;
    LS_TRY(ls_entry_name(entry, "step of 'data.augment'", &name));
    for (int i = 0; i < N_REGISTERED; i++)
        if (strcmp(names[i], name) == 0) step->ops = registered[i];
    if (step->ops == NULL) return ls_entry_unknown(entry, "step of 'data.augment'", name, names, N_REGISTERED);
    const ls_augment_ops *ops = step->ops;
    LS_TRY(ls_entry_read(entry, ops->options, ops->options_size, ops->shorthand, &step->options));
    const ls_status status = ops->check != NULL ? ops->check(step->options, image) : LS_OK;
    return status == LS_OK ? LS_OK : ls_status_prefix(status, "%s", AT(entry));
}

/* The row of a data set of one sample that is all zeros. */
static ls_status make_black(ls_augment *a, const ls_dataset_info *info, const ls_normalizer *normalizer)
{
    const int64_t id = 0;
    float *raw = ls_calloc((size_t)info->n_features, sizeof *raw); /* more than enough for bytes */
    a->image.black = ls_calloc((size_t)info->n_features, sizeof *a->image.black);
    const bool ok = raw != NULL && a->image.black != NULL;
    const ls_dataset zeros = {.info = *info, .features = raw};
    if (ok) ls_dataset_rows(&zeros, normalizer, &id, 1, a->image.black);
    ls_free(raw);
    LS_REQUIRE(ok, LS_ENOMEM, "out of memory for an image of %" PRId64 " values", info->n_features);
    return LS_OK;
}

static ls_status fill(ls_augment *a, ls_node *list, const ls_dataset_info *info, const ls_normalizer *normalizer)
{
    LS_REQUIRE(list->kind == LS_NODE_LIST && list->n <= MAX_STEPS, LS_EUSAGE,
               "%s: 'data.augment' must be a list of at most %d steps, as [{random_crop: 4}, random_flip]", AT(list),
               MAX_STEPS);
    if (list->n == 0) return LS_OK;
    LS_REQUIRE(info->n_dim == 3, LS_EUSAGE,
               "%s: 'data.augment' works on images [channels, height, width]; the samples of data.train are [%" PRId64
               "]",
               AT(list), info->n_features);
    a->image = (ls_image){.channels = info->dim[0], .height = info->dim[1], .width = info->dim[2]};
    a->step = ls_calloc((size_t)list->n, sizeof *a->step);
    LS_REQUIRE(a->step != NULL, LS_ENOMEM, "out of memory for 'data.augment'");
    a->n_steps = list->n;
    for (int i = 0; i < list->n; i++) LS_TRY(read_step(list->child[i], &a->image, &a->step[i]));
    return make_black(a, info, normalizer);
}

ls_status ls_augment_create(ls_node *spec, const ls_dataset_info *info, const ls_normalizer *normalizer,
                            ls_augment **out)
{
    *out = NULL;
    ls_augment *a = ls_calloc(1, sizeof *a);
    LS_REQUIRE(a != NULL, LS_ENOMEM, "out of memory for 'data.augment'");
    a->n_features = info->n_features;
    const ls_status status = spec != NULL ? fill(a, spec, info, normalizer) : LS_OK;
    if (status != LS_OK) ls_augment_destroy(&a);
    *out = a;
    return status;
}

void ls_augment_destroy(ls_augment **augment)
{
    if (augment == NULL || *augment == NULL) return;
    ls_augment *a = *augment;
    for (int i = 0; i < a->n_steps; i++) ls_free(a->step[i].options);
    ls_free(a->step);
    ls_free(a->image.black);
    ls_free(a);
    *augment = NULL;
}

/* All steps of one row, which stays in the cache meanwhile. */
static void augment_row(const ls_augment *a, uint64_t key, int64_t epoch, int64_t id, float *row)
{
    const uint32_t counter[4] = {(uint32_t)id, (uint32_t)((uint64_t)id >> 32), (uint32_t)epoch,
                                 (uint32_t)((uint64_t)epoch >> 32)};
    for (int i = 0; i < a->n_steps; i++) {
        uint32_t words[LS_AUGMENT_WORDS];
        ls_philox(counter, ls_mix64(key + (uint64_t)i), words);
        a->step[i].ops->apply(a->step[i].options, &a->image, words, row);
    }
}

void ls_augment_rows(const ls_augment *augment, uint64_t seed, int64_t epoch, const int64_t *ids, int64_t n,
                     float *rows)
{
    const uint64_t key = ls_rng_key(seed, LS_STREAM_AUGMENT);
    for (int64_t r = 0; augment->n_steps > 0 && r < n; r++)
        augment_row(augment, key, epoch, ids[r], rows + r * augment->n_features);
}

void ls_augment_print(ls_text *out)
{
    ls_text_printf(out,
                   "steps of data.augment, for training images only, drawn anew for every sample in every epoch:\n");
    for (int i = 0; i < N_REGISTERED; i++) {
        const ls_augment_ops *ops = registered[i];
        ls_text_printf(out, "%-24s %s\n    '- %s: VALUE' sets '%s'\n", ops->name, ops->help, ops->name, ops->shorthand);
        ls_options_print(ops->options, "    ", out);
    }
}
