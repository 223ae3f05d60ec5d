#include "model/init.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lockstep/network.h"
#include "lockstep/rng.h"

ls_status ls__init_resolve(const char *name, bool feeds_relu, int64_t fan_in, int64_t fan_out, ls_init *out)
{
    double std;
    int end = 0;
    if (name == NULL || strcmp(name, "auto") == 0) name = feeds_relu ? "he_normal" : "glorot_uniform";
    if (strcmp(name, "he_normal") == 0)
        *out = (ls_init){LS_INIT_NORMAL, sqrt(2.0 / (double)fan_in)};
    else if (strcmp(name, "glorot_uniform") == 0)
        *out = (ls_init){LS_INIT_UNIFORM, sqrt(6.0 / (double)(fan_in + fan_out))};
    else if (strcmp(name, "zeros") == 0)
        *out = (ls_init){LS_INIT_ZEROS, 0.0};
    else if (sscanf(name, "normal(%lf)%n", &std, &end) == 1 && name[end] == 0 && end > 0 && std >= 0 && isfinite(std))
        *out = (ls_init){LS_INIT_NORMAL, std};
    else
        LS_FAIL(LS_EUSAGE, "unknown init '%s'; known: auto, he_normal, glorot_uniform, zeros, normal(STD)", name);
    return LS_OK;
}

static float element(const ls_init *init, uint64_t key, uint64_t tensor, uint64_t i)
{
    switch (init->kind) {
    case LS_INIT_NORMAL:
        return (float)(init->scale * ls_rng_normal(key, tensor, i));
    case LS_INIT_UNIFORM:
        return (float)(init->scale * (2.0 * ls_rng_uniform(key, tensor, i) - 1.0));
    case LS_INIT_CONSTANT:
        return (float)init->scale;
    case LS_INIT_ZEROS:
        break;
    }
    return 0.0f;
}

void ls_network_init(const ls_network *network, uint64_t seed, int64_t first, int64_t n, float *out)
{
    const uint64_t key = ls_rng_key(seed, LS_STREAM_INIT);
    memset(out, 0, (size_t)n * sizeof *out);
    for (int t = 0; t < ls_network_n_tensors(network); t++) {
        const ls_tensor *tensor = ls_network_tensor(network, t);
        const int64_t from = tensor->first > first ? tensor->first : first;
        const int64_t end = tensor->first + tensor->n < first + n ? tensor->first + tensor->n : first + n;
        for (int64_t i = from; i < end; i++)
            out[i - first] = element(&tensor->init, key, (uint64_t)t, (uint64_t)(i - tensor->first));
    }
}
