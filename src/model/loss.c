#include "lockstep/loss.h"

#include <string.h>

#include "base/entry.h"
#include "base/mem.h"
#include "model/registry.h"

static const ls_loss_ops *find_loss(const char *name, const char **names, int *n)
{
    const ls_loss_ops *found = NULL;
    for (*n = 0; ls__losses[*n] != NULL; (*n)++) {
        names[*n] = ls__losses[*n]->name;
        if (strcmp(name, names[*n]) == 0) found = ls__losses[*n];
    }
    return found;
}

ls_status ls_loss_create(ls_node *spec, ls_loss **out)
{
    const char *name, *names[64];
    int n;
    *out = NULL;
    LS_TRY(ls_entry_name(spec, "loss", &name));
    const ls_loss_ops *ops = find_loss(name, names, &n);
    if (ops == NULL) return ls_entry_unknown(spec, "loss", name, names, n);
    ls_loss *loss = ls_calloc(1, sizeof *loss);
    LS_REQUIRE(loss != NULL, LS_ENOMEM, "out of memory for a loss");
    loss->ops = ops;
    const ls_status status = ls_entry_read(spec, ops->options, ops->options_size, NULL, &loss->options);
    if (status != LS_OK) ls_loss_destroy(&loss);
    *out = loss;
    return status;
}

void ls_loss_destroy(ls_loss **loss)
{
    if (loss == NULL || *loss == NULL) return;
    ls_free((*loss)->options);
    ls_free(*loss);
    *loss = NULL;
}
