/* Softmax and cross entropy: loss = log(sum_j exp(z_j)) - z_label, d loss / d z = softmax(z) - onehot(label).
 * Per row: maximum, exponentials and their sum in order of the classes; the row's loss in double.  libm's expf and log
 * (see math/vec.h).  A row with a NaN gives a NaN loss. */
#include <math.h>

#include "model/registry.h"

/* p[k] = exp(z - max z), and their sum; the largest class (the first of equals) into *top */
static float exponentials(int64_t k, const float *z, float *p, int64_t *top)
{
    *top = 0;
    for (int64_t j = 1; j < k; j++)
        if (z[j] > z[*top]) *top = j;
    const float max = z[*top];
    float sum = 0.0f;
    for (int64_t j = 0; j < k; j++) {
        const float e = expf(z[j] - max);
        if (p != NULL) p[j] = e;
        sum += e;
    }
    return sum;
}

static void softmax_cross_entropy_rows(const ls_loss *loss, const ls_loss_rows *rows, float *dout, ls_loss_sums *sums)
{
    (void)loss;
    const int64_t k = rows->k;
    for (int64_t i = 0; i < rows->n; i++) {
        const float *z = rows->out + i * k;
        const int32_t label = rows->labels[i];
        float *p = dout ? dout + i * k : NULL;
        int64_t top;
        const float sum = exponentials(k, z, p, &top);
        sums->loss += log((double)sum) - ((double)z[label] - (double)z[top]);
        sums->correct += top == label ? 1.0 : 0.0;
        if (p == NULL) continue;
        for (int64_t j = 0; j < k; j++) p[j] /= sum;
        p[label] -= 1.0f;
    }
    sums->rows += (double)rows->n;
}

static void softmax_cross_entropy_predict(const ls_loss *loss, int64_t n, int64_t k, float *out)
{
    (void)loss;
    for (int64_t i = 0; i < n; i++) {
        int64_t top;
        const float sum = exponentials(k, out + i * k, out + i * k, &top);
        for (int64_t j = 0; j < k; j++) out[i * k + j] /= sum;
    }
}

const ls_loss_ops ls__loss_softmax_cross_entropy = {.name = "softmax_cross_entropy",
                                                    .help = "classification: softmax, then cross entropy",
                                                    .classifies = true,
                                                    .prediction = "class probabilities",
                                                    .rows = softmax_cross_entropy_rows,
                                                    .predict = softmax_cross_entropy_predict};
