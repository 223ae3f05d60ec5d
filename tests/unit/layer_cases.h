/** What test_layers.c runs every layer on: at least one case for each. */
#ifndef LOCKSTEP_TEST_LAYER_CASES_H
#define LOCKSTEP_TEST_LAYER_CASES_H

#include "lockstep/layer.h"

typedef struct layer_case {
    const char *model; /* the last layer is the one under test */
    ls_shape in;
} layer_case;

static const layer_case cases[] = {
    {"[dense: 1]", {1, {1}}},
    {"[dense: 7]", {1, {5}}},
    {"[dense: {units: 3, bias: false}]", {1, {17}}},
    {"[dense: {units: 33, init: normal(1)}]", {3, {2, 3, 4}}},
    {"[dense: 6, relu, dense: 4]", {1, {5}}},
    {"[dense: 130]", {1, {300}}}, /* large enough for kernels whose sums depend on the rows in the call */
    {"[flatten]", {3, {2, 3, 2}}},
    {"[flatten, flatten]", {1, {7}}},
    {"[relu]", {1, {19}}},
    {"[relu]", {3, {1, 4, 5}}},
    {"[tanh]", {1, {19}}},
    {"[tanh]", {3, {1, 4, 5}}},
    {"[sigmoid]", {1, {19}}},
    {"[sigmoid]", {3, {1, 4, 5}}},
    {"[gelu]", {1, {19}}},
    {"[gelu]", {3, {1, 4, 5}}},
    {"[dropout: 0]", {1, {6}}},
    {"[dropout: 0.4]", {1, {23}}},
    {"[relu, tanh, dropout: {p: 0.9}]", {3, {2, 3, 5}}},
    {"[layernorm]", {1, {17}}},
    {"[layernorm: {eps: 0.25}]", {3, {2, 3, 4}}},
    {"[layernorm: {affine: false}]", {1, {24}}},
    {"[groupnorm: 3]", {1, {12}}},
    {"[groupnorm: 2]", {3, {4, 3, 2}}},
    {"[groupnorm: 4]", {3, {4, 3, 2}}},
    {"[groupnorm: {groups: 1, affine: false, eps: 0.01}]", {3, {3, 2, 5}}},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

#endif
