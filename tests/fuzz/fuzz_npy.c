/* npy files: as features, as classes and as targets. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char good[] =
        "\x93NUMPY\x01\x00\x36\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2,1)}\n\x01\x02";
    fuzz_put("good", good, sizeof good - 1);
    fuzz_put("f", bytes, n);
    fuzz_read("{format: npy, features: f}");
    fuzz_read("{format: npy, features: good, labels: f}");
    fuzz_read("{format: npy, features: good, targets: f}");
    fuzz_read("{format: npy, features: f, limit: 1}");
    return 0;
}
