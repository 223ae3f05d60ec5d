/* Steps to target of five language models, Zhang et al., ICLR 2025 (arXiv 2410.21676), and their published fits a +
 * b/B.
 */
#ifndef LOCKSTEP_TESTS_UNIT_FIT_DATA_H
#define LOCKSTEP_TESTS_UNIT_FIT_DATA_H

enum { ZHANG_SERIES = 5, ZHANG_BATCHES = 9 };

static const int zhang_batch[ZHANG_BATCHES] = {64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

static const struct {
    const char *name;
    double a, b, steps[ZHANG_BATCHES];
} zhang[ZHANG_SERIES] = {
    {"85M", 1293.827, 2.834258e6, {46000, 23000, 13282, 7000, 3840, 2528, 1917, 1600, 1600}},
    {"151M", 1752.421, 5.677479e6, {96000, 49000, 24000, 12000, 7128, 4350, 2940, 2400, 2300}},
    {"302M", 2095.350, 1.1383270e7, {196000, 90000, 46000, 23400, 13300, 7224, 4980, 3400, 2879}},
    {"604M", 2459.927, 1.9449689e7, {311000, 166000, 81000, 37440, 21320, 11400, 7199, 4700, 3800}},
    {"1.2B", 3897.307, 4.3381130e7, {642000, 331000, 176000, 94000, 46500, 25000, 15360, 8900, 6500}}};

#endif
