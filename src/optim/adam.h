/** The step that adam and adamw share.  Source: Kingma and Ba 2015; Loshchilov and Hutter 2019 for the decoupled decay;
 *  PyTorch's form: denominator = sqrt(v) / sqrt(1 - beta2^t) + eps. */
#ifndef LOCKSTEP_OPTIM_ADAM_H
#define LOCKSTEP_OPTIM_ADAM_H

#include "optim/registry.h"

typedef struct ls_adam_options {
    double beta1, beta2, eps;
} ls_adam_options;

extern const ls_option ls__adam_table[];

/** t = iteration + 1:  p = shrink p;  g += coupled decay p;  m = beta1 m + (1 - beta1) g;
 *  v = beta2 v + (1 - beta2) g^2;  p -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps). */
void ls__adam_update(const ls_optimizer *optimizer, const ls_update *update);

#endif
