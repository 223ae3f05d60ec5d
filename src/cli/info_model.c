/* info model CONFIG: the network layer by layer, from the configuration and the header of the training data. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/command.h"
#include "lockstep/network.h"
#include "train/data.h"

static int64_t n_params(const ls_layer *layer)
{
    int64_t n = 0;
    for (int t = 0; t < layer->n_tensors; t++) n += layer->tensor[t].n;
    return n;
}

static void print_table(const ls_network *network, const ls_shape *in)
{
    static const char row[] = "%-14s %-16s %-18s %14" PRId64 " %16" PRId64 "\n";
    char shape[96];
    int64_t products = 0;
    printf("%-14s %-16s %-18s %14s %16s\n", "position", "layer", "output", "parameters", "multiply-adds");
    printf("%-14s %-16s %s\n", "", "(input)", ls_shape_text(in, shape));
    for (int i = 0; i < ls_network_n_layers(network); i++) {
        const ls_layer *layer = ls_network_layer(network, i);
        if (layer->ops->passes_on) continue;
        printf(row, layer->path, layer->ops->name, ls_shape_text(&layer->out, shape), n_params(layer),
               layer->multiply_adds);
        products += layer->multiply_adds;
    }
    printf(row, "", "total", "", ls_network_n_params(network), products);
    printf("multiply-adds are those of the products of one sample's forward pass; a backward pass has about twice as "
           "many\n");
}

ls_status ls__info_model(const ls_args *args)
{
    ls_config *config;
    ls_dataset_info info;
    ls_network *network = NULL;
    LS_REQUIRE(args->n_positional == 2, LS_EUSAGE, "expected a configuration file, as in 'lockstep info model CONFIG'");
    LS_TRY(ls_config_read(args->positional[1], args->overrides, args->n_overrides, &config));
    ls_status status = ls_data_info(config, args->data_dir, LS_TRAIN, &info);
    if (status == LS_OK) {
        const ls_shape in = ls_data_shape(&info);
        status = ls_network_create(config->model, &in, &network);
        if (status == LS_OK) print_table(network, &in);
    }
    ls_network_destroy(&network);
    ls_config_destroy(&config);
    return status;
}
