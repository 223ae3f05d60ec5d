/** What became of each class in an evaluation: whole-number counts, so that their sum over ranks is the same whatever
 *  the order (P2).  Only `eval` asks for them. */
#ifndef LOCKSTEP_TRAIN_CLASSES_H
#define LOCKSTEP_TRAIN_CLASSES_H

#include "lockstep/job.h"
#include "lockstep/loss.h"

/** The most classes whose confusions are counted: the matrix has 8 bytes a pair. */
enum { LS_CONFUSION_MAX = 1000 };

/** The predicted class of a sample has the largest output; of equal ones the lowest index. */
typedef struct ls_classes {
    int64_t k;
    int64_t *top5;    /* [1] samples whose class is among the five with the largest outputs: fewer than 5 classes have
                         a larger output, or an equal one and a lower index; not so when its output is NaN (k > 5) */
    int64_t *n;       /* [k] samples of a class */
    int64_t *correct; /* [k] of these, predicted as that class */
    int64_t
        *confusion; /* [k, k] samples of class i predicted as class j; NULL for more than LS_CONFUSION_MAX classes */
    int64_t *memory, n_memory; /* all of these in one block */
} ls_classes;

/** Zero counts of k classes.  Not collective.  LS_ENOMEM. */
ls_status ls_classes_create(int64_t k, ls_classes **out);
void ls_classes_destroy(ls_classes **classes);

/** Counts rows of outputs [n, k] with their labels.  Not collective. */
void ls_classes_add(ls_classes *classes, const ls_loss_rows *rows);

/** Adds the counts of all ranks into those of rank 0.  Collective; LS_ENOMEM on every rank. */
ls_status ls_classes_collect(ls_classes *classes, const ls_job *job);

#endif
