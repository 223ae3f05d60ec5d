/* CIFAR's binary records, in one file or two. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_put("f", bytes, n);
    fuzz_read("{format: cifar, files: [f, f]}");
    fuzz_read("{format: cifar, files: [f], variant: cifar100}");
    fuzz_read("{format: cifar, files: [f], variant: cifar100_coarse, limit: 1}");
    return 0;
}
