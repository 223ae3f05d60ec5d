/* Configurations: the tree, its keys, and all that is made of it before any data are read. */
#include "fuzz.h"

#include "base/text.h"
#include "lockstep/augment.h"
#include "lockstep/config.h"
#include "lockstep/loss.h"
#include "lockstep/network.h"
#include "lockstep/optimizer.h"
#include "lockstep/plan.h"
#include "lockstep/schedule.h"
#include "train/statistics.h"

/* Images [3, 8, 8], a thousand of them. */
static const ls_dataset_info info = {.n_samples = 1000, .n_features = 192, .dim = {3, 8, 8}, .n_dim = 3};

static void make_network(const ls_config *config, const ls_plan *plan)
{
    const ls_shape in = {3, {3, 8, 8}};
    ls_network *network;
    if (ls_network_create(config->model, &in, &network) == LS_OK && ls_statistics_check(plan, network) == LS_OK)
        ls_statistics_check_memory(plan, network, config->runtime.memory_limit, 2);
    ls_network_destroy(&network);
}

static void make_rows(const ls_config *config)
{
    ls_normalizer *normalizer;
    ls_augment *augment;
    if (ls_normalizer_create(config->data.normalize, &info, &normalizer) != LS_OK) return;
    ls_augment_create(config->data.augment, &info, normalizer, &augment);
    ls_augment_destroy(&augment);
    ls_normalizer_destroy(&normalizer);
}

static void make_update(const ls_config *config, const ls_plan *plan)
{
    ls_optimizer *optimizer;
    ls_schedule *schedule;
    ls_loss *loss;
    ls_loss_create(config->loss, &loss);
    ls_loss_destroy(&loss);
    if (ls_optimizer_create(config->optimizer, &optimizer) != LS_OK) return;
    const int64_t total = plan->total_iterations;
    if (ls_schedule_create(config->schedule, optimizer->common.lr, &plan->course, total, &schedule) == LS_OK &&
        total > 0)
        for (int i = 0; i < 3; i++) ls_schedule_lr(schedule, (total - 1) / 2 * i);
    ls_schedule_destroy(&schedule);
    ls_optimizer_destroy(&optimizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    ls_config *config;
    ls_plan plan;
    ls_text text = {0};
    if (ls_config_parse((const char *)bytes, n, "fuzz.yaml", ".", NULL, 0, &config) != LS_OK) return 0;
    if (ls_plan_create(config, info.n_samples, &plan) == LS_OK) {
        make_rows(config);
        make_network(config, &plan);
        make_update(config, &plan);
    }
    ls_config_text(config, &text);
    ls_config *again; /* what a checkpoint keeps can be read */
    if (ls_config_parse(text.data, text.n, "text", ".", NULL, 0, &again) != LS_OK) {
        fprintf(stderr, "%s\n%s\n", ls_status_message(), text.data);
        abort();
    }
    ls_config_destroy(&again);
    ls_text_free(&text);
    ls_config_destroy(&config);
    return 0;
}
