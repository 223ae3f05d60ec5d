/* Tables as text: with and without a header, labels and targets. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_put("f", bytes, n);
    fuzz_read("{format: csv, file: f}");
    fuzz_read("{format: csv, file: f, label: 0, header: false, delimiter: tab}");
    fuzz_read("{format: csv, file: f, label: y, ignore: [a]}");
    fuzz_read("{format: csv, file: f, targets: [a, b], header: true}");
    return 0;
}
