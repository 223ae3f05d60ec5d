#include "comm/tree.h"

#include <stddef.h>

#include "base/mem.h"
#include "math/vec.h"

enum { CHUNK = 512 };

typedef struct step {
    int left, right; /* >= 0: a source; < 0: buffer -1 - value */
    int out;         /* buffer */
} step;

struct ls_sum {
    int n_steps, n_buffers, result;
    step steps[];
};

int ls_tree_split(int n)
{
    int half = 1;
    while (2 * half < n) half *= 2;
    return half;
}

static int cover(ls_leaves node, ls_leaves part, ls_leaves *out, int n_out)
{
    if (part.end <= node.first || node.end <= part.first) return n_out;
    if (part.first <= node.first && node.end <= part.end) {
        out[n_out] = node;
        return n_out + 1;
    }
    const int middle = node.first + ls_tree_split(node.end - node.first);
    n_out = cover((ls_leaves){node.first, middle}, part, out, n_out);
    return cover((ls_leaves){middle, node.end}, part, out, n_out);
}

int ls_tree_cover(int n, ls_leaves part, ls_leaves out[64])
{
    return n > 0 && part.first < part.end ? cover((ls_leaves){0, n}, part, out, 0) : 0;
}

double ls_tree_sum(const double *leaf, int n, int stride)
{
    if (n == 0) return 0.0;
    if (n == 1) return leaf[0];
    const int half = ls_tree_split(n);
    return ls_tree_sum(leaf, half, stride) + ls_tree_sum(leaf + (ptrdiff_t)half * stride, n - half, stride);
}

/* Compiles `node`; a value that needs a buffer goes to buffer `depth`, its right child to depth + 1. */
static int compile(ls_sum *sum, ls_leaves node, const ls_leaves *sources, int n_sources, int depth)
{
    for (int i = 0; i < n_sources; i++)
        if (sources[i].first == node.first && sources[i].end == node.end) return i;
    if (node.end - node.first < 2) return n_sources; /* no source holds this leaf */
    const int middle = node.first + ls_tree_split(node.end - node.first);
    const int left = compile(sum, (ls_leaves){node.first, middle}, sources, n_sources, depth);
    const int right = compile(sum, (ls_leaves){middle, node.end}, sources, n_sources, depth + 1);
    if (left == n_sources || right == n_sources) return n_sources;
    if (depth + 1 > sum->n_buffers) sum->n_buffers = depth + 1;
    sum->steps[sum->n_steps++] = (step){left, right, depth};
    return -1 - depth;
}

ls_status ls_sum_create(ls_leaves node, const ls_leaves *sources, int n_sources, ls_sum **out)
{
    *out = NULL;
    ls_sum *sum = ls_calloc(1, sizeof *sum + (size_t)n_sources * sizeof sum->steps[0]);
    LS_REQUIRE(sum != NULL, LS_ENOMEM, "out of memory for a sum");
    sum->result = compile(sum, node, sources, n_sources, 0);
    if (sum->result == n_sources) {
        ls_sum_destroy(&sum);
        LS_FAIL(LS_EINTERNAL, "leaves %d to %d are not all given", node.first, node.end);
    }
    *out = sum;
    return LS_OK;
}

void ls_sum_destroy(ls_sum **sum)
{
    if (sum == NULL) return;
    ls_free(*sum);
    *sum = NULL;
}

int ls_sum_n_buffers(const ls_sum *sum)
{
    return sum->n_buffers;
}

/* Elements [at, at + CHUNK) of a value: of a source, of buffer 0, which holds all n, or of a buffer for one chunk. */
static float *value(int id, const ls_source *sources, int64_t first, int64_t at, int64_t n, float *buffers)
{
    if (id >= 0) return sources[id].data + (first + at - sources[id].base);
    return id == -1 ? buffers + at : buffers + n + (-2 - id) * (n < CHUNK ? n : CHUNK);
}

/* Chunk by chunk, so that what the steps hand on stays in the first-level cache beside the sources. */
float *ls_sum_run(const ls_sum *sum, const ls_source *sources, int64_t first, int64_t n, float *buffers)
{
    for (int64_t at = 0; at < n && sum->n_steps > 0; at += CHUNK) {
        const int64_t count = n - at < CHUNK ? n - at : CHUNK;
        for (const step *s = sum->steps; s < sum->steps + sum->n_steps; s++)
            ls_vec_add(count, value(s->left, sources, first, at, n, buffers),
                       value(s->right, sources, first, at, n, buffers),
                       value(-1 - s->out, sources, first, at, n, buffers));
    }
    return value(sum->result, sources, first, 0, n, buffers);
}
