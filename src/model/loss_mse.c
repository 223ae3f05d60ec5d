/* Mean squared error: loss of a sample = mean over its k outputs of (y - t)^2, as PyTorch's MSELoss; its gradient is
 * 2 (y - t) / k.  Differences in float, squares summed in double. */
#include "model/registry.h"

static void mse_rows(const ls_loss *loss, const ls_loss_rows *rows, float *dout, ls_loss_sums *sums)
{
    (void)loss;
    const float factor = 2.0f / (float)rows->k;
    for (int64_t i = 0; i < rows->n; i++) {
        double squares = 0.0;
        for (int64_t j = 0; j < rows->k; j++) {
            const int64_t at = i * rows->k + j;
            const float difference = rows->out[at] - rows->targets[at];
            squares += (double)difference * (double)difference;
            if (dout != NULL) dout[at] = factor * difference;
        }
        sums->loss += squares / (double)rows->k;
    }
    sums->rows += (double)rows->n;
}

const ls_loss_ops ls__loss_mse = {
    .name = "mse", .help = "regression: mean of squared differences", .prediction = "values", .rows = mse_rows};
