#!/usr/bin/env bash
# data.augment in the program: it changes training rows and no evaluation, is keyed by its own seed, and belongs to the
# run: any rank count, any place of a resume.
. "$(dirname "$0")/lib.sh"
own_shm
idx_images images 100 11 10
idx_labels labels 100 4
cat >c.yaml <<'END'
data:
  train: {format: idx, images: images, labels: labels, limit: 90}
  test: {format: idx, images: images, labels: labels, limit: 90}
  normalize: {scale: 0.00392156862745098, mean: 0.3, std: 0.3}
  augment: [{random_crop: {padding: 3}}, {random_flip: {p: 0.5}}, {cutout: {size: 4}}]
model:
  - conv: {filters: 6, kernel: 3, padding: same}
  - relu
  - maxpool: 2
  - dense: 4
batch: {global_batch_size: 20, shards: 5, micro_batch_size: 3}
optimizer: {name: momentum, lr: 0.02}
train: {epochs: 4, seed: 3}
checkpoint: {every_iterations: 1, keep: 0}
metrics: {every_iterations: 1}
END
last=ckpt-00000020.safetensors

# train NP DIRECTORY ARGUMENT...
train() {
    local np=$1 directory=$2
    shift 2
    expect_exit 0 "done: the run is complete" run_np "$np" train c.yaml --run-dir "$directory" "$@"
}

expect_exit 0 "^random_crop " run_np 0 info augmentations
for word in random_flip cutout padding size "default 0.5"; do check "info: $word" grep -q -- "$word" out; done
run_np 0 info keys >keys
for key in data.augment train.seeds.augment; do check "info keys: $key" grep -q "^$key" keys; done

# ---- training rows only: with steps too small for a float, evaluations do not know of it, training losses do ----
still=(--set 'optimizer={name: sgd, lr: 1e-30}')
train 1 plain "${still[@]}" --set 'data.augment=[]'
train 1 changed "${still[@]}"
check "there are evaluations" test -n "$(evals_of plain/metrics.jsonl)"
same "evaluations are of unchanged images" "$(evals_of changed/metrics.jsonl)" "$(evals_of plain/metrics.jsonl)"
# mean_of DIRECTORY EPOCH: mean training loss of an epoch of 5 batches, the last of 10 samples
mean_of() {
    grep '"event": "train"' "$1/metrics.jsonl" | grep "\"epoch\": $2," |
        sed -E 's/.*"loss": ([-0-9.e+]+).*"batch": ([0-9]+).*/\1 \2/' |
        awk '{ s += $1 * $2; n += $2 } END { printf "%d samples: %.6f", n, s / n }'
}
check "an epoch has all samples" grep -q "^90 samples: [0-9]" <(mean_of plain 0)
same "without it every epoch has the same loss" "$(mean_of plain 0)" "$(mean_of plain 3)"
check "with it other images are seen" test "$(mean_of changed 0)" != "$(mean_of plain 0)"
check "and every epoch others" test "$(mean_of changed 0)" != "$(mean_of changed 3)"

# ---- keyed by its own seed, which is train.seed unless it is given ----
train 1 one
train 1 given --set train.seeds.augment=3
train 1 other --set train.seeds.augment=4
same "train.seeds.augment is train.seed by default" "$(hash_of given/latest)" "$(hash_of one/latest)"
check "another seed, another run" test "$(hash_of other/latest)" != "$(hash_of one/latest)"
train 1 never_flips --set train.seeds.augment=4 --set 'data.augment=[{random_flip: 0}]'
train 1 without --set 'data.augment=[]'
same "a flip that never happens changes no bit, nor does the seed" "$(hash_of never_flips/latest)" "$(hash_of without/latest)"

# ---- P2 and P4 ----
for np in 2 3 5; do
    train $np np$np
    check "$np ranks are 1 rank" cmp one/$last np$np/$last
done
for at in 2 7 10 19; do
    train 3 from$at --resume one/ckpt-$(printf %08d $at).safetensors
    check "resumed after $at iterations, 5 an epoch" cmp one/$last from$at/$last
done
from=(--resume one/ckpt-00000007.safetensors)
expect_exit 2 "'data.augment.0.random_crop.padding' is 2 here and 3 in the checkpoint" run_np 2 train c.yaml \
    --run-dir never "${from[@]}" --set 'data.augment=[{random_crop: 2}, random_flip, {cutout: 4}]'
expect_exit 2 "'train.seeds.augment' is 4 here" run_np 1 train c.yaml --run-dir never "${from[@]}" \
    --set train.seeds.augment=4
train 2 spelt "${from[@]}" --set 'data.augment=[{random_crop: 3}, random_flip, {cutout: 4}]'
check "other words for the same steps are the same run" cmp one/$last spelt/$last
same "no shared memory is left" "$(left_behind)" ""
finish
