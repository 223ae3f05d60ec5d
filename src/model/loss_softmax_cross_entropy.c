/* Softmax and cross entropy: loss = log(sum_j exp(z_j)) - sum_j q_j z_j, d loss / d z = softmax(z) - q, where the
 * target q = (1 - e) onehot(label) + e / k has the label smoothing e (Szegedy et al. 2016, section 7; PyTorch's
 * CrossEntropyLoss).  Per row: maximum, exponentials and their sum in order of the classes; the row's loss in double.
 * libm's expf and log (see math/vec.h).  A row with a NaN gives a NaN loss. */
#include <math.h>

#include "model/registry.h"

typedef struct softmax_options {
    double label_smoothing;
} softmax_options;

static const ls_option softmax_table[] = {{.key = "label_smoothing",
                                           .kind = LS_OPTION_REAL,
                                           .offset = offsetof(softmax_options, label_smoothing),
                                           .fallback = "0",
                                           .min = 0,
                                           .max = 1,
                                           .help = "part of the target that is spread evenly over all classes"},
                                          {0}};

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

/* sum_j q_j (z_j - z_top); without smoothing an infinite z of another class has no part in it */
static double target_logit(int64_t k, const float *z, int64_t label, int64_t top, double smoothing)
{
    const double own = (double)z[label] - (double)z[top];
    if (smoothing == 0.0) return own;
    double sum = 0.0;
    for (int64_t j = 0; j < k; j++) sum += (double)z[j] - (double)z[top];
    return (1.0 - smoothing) * own + smoothing / (double)k * sum;
}

static void softmax_cross_entropy_rows(const ls_loss *loss, const ls_loss_rows *rows, float *dout, ls_loss_sums *sums)
{
    const int64_t k = rows->k;
    const double smoothing = ((const softmax_options *)loss->options)->label_smoothing;
    const float all = (float)(smoothing / (double)k), own = (float)(1.0 - smoothing); /* q = own onehot + all */
    for (int64_t i = 0; i < rows->n; i++) {
        const float *z = rows->out + i * k;
        const int32_t label = rows->labels[i];
        float *p = dout ? dout + i * k : NULL;
        int64_t top;
        const float sum = exponentials(k, z, p, &top);
        sums->loss += log((double)sum) - target_logit(k, z, label, top, smoothing);
        sums->correct += top == label ? 1.0 : 0.0;
        if (p == NULL) continue;
        for (int64_t j = 0; j < k; j++) p[j] = p[j] / sum - all;
        p[label] -= own;
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
                                                    .options = softmax_table,
                                                    .options_size = sizeof(softmax_options),
                                                    .classifies = true,
                                                    .prediction = "class probabilities",
                                                    .rows = softmax_cross_entropy_rows,
                                                    .predict = softmax_cross_entropy_predict};
