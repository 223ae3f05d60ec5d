/** What the conformance suite of layers runs; every registered layer needs a case. */
#ifndef LOCKSTEP_TEST_LAYER_CASES_H
#define LOCKSTEP_TEST_LAYER_CASES_H

#include "model_bench.h"

typedef struct layer_case {
    const char *model; /* the last layer is the one under test */
    ls_shape in;
} layer_case;

#define ELEMENTWISE(name, formula) {"[" #name "]", {1, {19}}}, {"[" #name "]", {3, {1, 4, 5}}},

static const layer_case cases[] = {
    {"[dense: 1]", {1, {1}}},
    {"[dense: 7]", {1, {5}}},
    {"[dense: {units: 3, bias: false}]", {1, {17}}},
    {"[dense: {units: 33, init: normal(1)}]", {3, {2, 3, 4}}},
    {"[dense: 6, relu, dense: 4]", {1, {5}}},
    {"[dense: 130]", {1, {300}}}, /* large enough for kernels whose sums depend on the rows in the call */
    {"[flatten]", {3, {2, 3, 2}}},
    {"[flatten, flatten]", {1, {7}}},
#include "elementwise_list.h"
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
    {"[leaky_relu]", {1, {19}}},
    {"[leaky_relu: 0.3]", {3, {1, 4, 5}}},
    {"[leaky_relu: 0]", {1, {19}}},
    {"[conv: {filters: 3, kernel: 3}]", {3, {2, 5, 4}}},
    {"[conv: {filters: 2, kernel: 3, padding: same}]", {3, {1, 5, 6}}},
    {"[conv: {filters: 3, kernel: 2, padding: same, bias: false}]", {3, {2, 3, 4}}},
    {"[conv: {filters: 2, kernel: [1, 3], stride: [2, 1], padding: [0, 1]}]", {3, {2, 4, 5}}},
    {"[conv: {filters: 2, kernel: [3, 2], stride: 2, padding: 1}]", {3, {2, 6, 7}}},
    {"[conv: {filters: 2, kernel: 3, dilation: [1, 2], padding: 2}]", {3, {2, 4, 5}}},
    {"[conv: {filters: 2, kernel: 2, dilation: 3, stride: 2, padding: 1}]", {3, {3, 6, 5}}},
    {"[conv: {filters: 6, kernel: 3, padding: valid, groups: 2}]", {3, {4, 4, 4}}},
    {"[conv: {filters: 8, kernel: 2, groups: 4, stride: 3}]", {3, {4, 5, 5}}},
    {"[conv: {filters: 3, kernel: 1}]", {3, {4, 3, 5}}},
    {"[conv: {filters: 3, kernel: 1, stride: 2, bias: false}]", {3, {4, 3, 5}}},
    {"[conv: {filters: 2, kernel: 1, padding: 2}]", {3, {2, 3, 2}}},
    {"[conv: {filters: 2, kernel: 2, stride: 4, padding: [4, 3]}]", {3, {2, 3, 2}}}, /* windows of zeros alone */
    {"[conv: {filters: 2, kernel: 3, stride: 2, padding: 1}]", {3, {12, 5, 6}}},     /* a product a kernel row */
    {"[conv: {filters: 2, kernel: 3, stride: [3, 2], dilation: 2, padding: 2}]", {3, {11, 7, 5}}},
    {"[conv: {filters: 2, kernel: 5, padding: same}]", {3, {7, 17, 18}}},   /* rows wider than a chunk */
    {"[conv: {filters: 40, kernel: 5, padding: same}]", {3, {24, 14, 14}}}, /* products cut to pieces */
    {"[maxpool: 2]", {3, {2, 4, 6}}},
    {"[maxpool: 2]", {3, {2, 5, 37}}},
    {"[maxpool: 2]", {3, {3, 2, 34}}},
    {"[maxpool: 2]", {3, {4, 14, 14}}},
    {"[maxpool: {kernel: 3, stride: 2, padding: 1}]", {3, {2, 5, 6}}},
    {"[maxpool: {kernel: [1, 3], stride: [2, 1]}]", {3, {2, 5, 6}}},
    {"[avgpool: 2]", {3, {2, 5, 4}}},
    {"[avgpool: {kernel: 3, stride: 2, padding: 1}]", {3, {2, 5, 6}}},
    {"[global_avgpool]", {3, {3, 5, 7}}},
};
#undef ELEMENTWISE
enum { N_CASES = sizeof cases / sizeof cases[0], ROWS = 11 };

/** A case with its numbers. */
typedef struct bench {
    ls_node *model;
    ls_network *network;
    const ls_layer *l;
    int64_t n_floats;
    float *params, *x, *dy; /* x [ROWS, n_in], dy [ROWS, n_out] */
} bench;

static inline bench bench_create(const layer_case *c)
{
    bench b = {.model = parse(c->model)};
    b.network = build_network(b.model, &c->in);
    b.l = ls_network_layer(b.network, ls_network_n_layers(b.network) - 1);
    b.n_floats = ls_network_n_floats(b.network);
    b.params = filled(b.n_floats, 1);
    b.x = filled(ROWS * b.l->n_in, 2);
    b.dy = filled(ROWS * b.l->n_out, 3);
    return b;
}

static inline void bench_destroy(bench *b)
{
    ls_free(b->params);
    ls_free(b->x);
    ls_free(b->dy);
    ls_network_destroy(&b->network);
    ls_node_destroy(&b->model);
}

#endif
