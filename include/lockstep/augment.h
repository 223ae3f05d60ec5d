/** Augmentation of training images: steps that move or erase pixels at random, in the order of a list.
 *
 * Rows are changed after normalisation, with the values that make this the same as changing the raw image before it:
 * pixels that come from outside the image are what data.normalize makes of a raw 0 in their place.  (With parameters of
 * their own for every feature, a pixel that moves keeps the value that those of its old place gave it.)
 *
 * What happens to a sample is a pure function of (seed, epoch, sample id, position of the step in the list): it depends
 * on no batch, rank, micro-batch or order of calls (P2, P5).  Rows are moved and copied, never computed, so bits do not
 * depend on the instruction set.  A step is one file and one row in src/data/augment_list.h.  Nothing here is
 * collective. */
#ifndef LOCKSTEP_AUGMENT_H
#define LOCKSTEP_AUGMENT_H

#include "lockstep/dataset.h"
#include "lockstep/linkage.h"

LS_BEGIN_DECLS

typedef struct ls_augment ls_augment;

/** From a list as [{random_crop: {padding: 4}}, random_flip], completed with defaults; NULL or an empty list: rows stay
 *  as they are.  `spec` must outlive the result, `normalizer` is only used here.  LS_EUSAGE when a step is unknown, or
 *  does not fit samples of this shape: they must be images. */
ls_status ls_augment_create(struct ls_node *spec, const ls_dataset_info *info, const ls_normalizer *normalizer,
                            ls_augment **out);
void ls_augment_destroy(ls_augment **augment);

/** Changes rows [n, n_features] of samples ids[0..n), as ls_dataset_rows wrote them, in place.  Allocates nothing. */
void ls_augment_rows(const ls_augment *augment, uint64_t seed, int64_t epoch, const int64_t *ids, int64_t n,
                     float *rows);

/** Prints the registered steps with their options. */
void ls_augment_print(struct ls_text *out);

LS_END_DECLS

#endif
