/* IDX files, plain or packed: as images, and as the labels of two good images. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const uint8_t good[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4};
    fuzz_put("good", good, sizeof good);
    fuzz_put("f", bytes, n);
    fuzz_read("{format: idx, images: f}");
    fuzz_read("{format: idx, images: good, labels: f}");
    fuzz_read("{format: idx, images: f, labels: f, limit: 1}");
    return 0;
}
