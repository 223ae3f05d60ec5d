#!/usr/bin/env bash
# configs/cifar10_resnet8.yaml as it stands, on generated files in CIFAR's format: it is learnt, and the bits do not depend
# on the rank count.
. "$(dirname "$0")/lib.sh"
own_shm
for layer in conv residual global_avgpool; do
    "$LOCKSTEP" info layers | grep -q "^$layer\b" || {
        echo "the layer $layer is not registered: skipped"
        exit 77
    }
done
command -v python3 >/dev/null || {
    echo "python3 is not installed: skipped"
    exit 77
}
config=$LS_SOURCE/configs/cifar10_resnet8.yaml

# Records of noise whose brightness in each channel tells the class.
mkdir data
python3 - <<'END'
import random

random.seed(3)
sizes = {f"data_batch_{i}": 40 for i in range(1, 6)} | {"test_batch": 50}
for name, n in sizes.items():
    with open(f"data/{name}.bin", "wb") as file:
        for i in range(n):
            label = i % 10
            file.write(bytes([label]))
            for channel in range(3):
                level = 30 + 60 * ((label >> channel) & 1) + (60 if label >= 8 else 0)
                file.write(bytes(random.randrange(level, level + 100) for _ in range(1024)))
END

expect_exit 0 "total +77706 " run_np 0 info model "$config" --data-dir data
check "the blocks' outputs" test "$(grep -c 'residual' out)" -ge 3
check "the last block" grep -Eq 'residual +\[64, 8, 8\]' out
expect_exit 0 "training samples +200 .*test 50" run_np 0 plan "$config" --data-dir data

for np in 1 2 3; do
    expect_exit 0 "77706 parameters, 200 samples" run_np $np train "$config" --data-dir data --run-dir r$np \
        --global-batch-size 40 --epochs 6 --lr 0.01 --set 'schedule={name: constant}' --save-interval 0
    same "parameters on $np ranks" "$(hash_of r$np/latest)" "$(hash_of r1/latest)"
done
accuracy=$(grep '"set": "test"' r1/metrics.jsonl | tail -1 | sed 's/.*"accuracy": \([0-9.]*\).*/\1/')
check "brightness is learnt: accuracy $accuracy" awk "BEGIN { exit !($accuracy > 0.6) }"
expect_exit 0 "of 50 samples" run_np 2 predict r3/latest --data-dir data --out y.npy

# ---- files that are not whole ----
truncate -s -1 data/data_batch_4.bin
expect_exit 3 "data.train: .*data_batch_4.bin: byte 119847: expected a whole record of 3073 bytes, found 3072" \
    run_np 2 train "$config" --data-dir data --run-dir never
expect_exit 3 "data_batch_4.bin: byte 119847" run_np 0 info model "$config" --data-dir data
same "no shared memory is left" "$(left_behind)" ""
finish
