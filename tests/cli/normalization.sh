#!/usr/bin/env bash
# Batch normalisation as a user meets it: what plan and train refuse and what they advise; running statistics in a
# checkpoint; a run that is stopped and resumed on another rank count (P4).
. "$(dirname "$0")/lib.sh"
small_config c.yaml
sed -e '/^model/d' -e '/^  -/d' c.yaml >rest.yaml

# model TEXT: bn.yaml with this model
model() {
    { cat rest.yaml; printf 'model: %s\n' "$1"; } >bn.yaml
}

# refused REGEX ARGUMENT...: `plan` and `train` on 1 and on 3 ranks
refused() {
    local regex=$1 np
    shift
    expect_exit 2 "$regex" run_np 0 plan bn.yaml "$@"
    for np in 1 3; do expect_exit 2 "$regex" run_np $np train bn.yaml "$@" --run-dir never; done
}

model '[{dense: 16}, {residual: [{batchnorm: {statistics: shard}}, relu]}, {dense: 4}]'
refused "layer 1.body.0 \(batchnorm\): 'statistics: shard' takes all rows .* have 25 rows and 'batch.micro_batch_size' is 10; set it to 25" \
    --batch-size 50 --shards 2 --set batch.micro_batch_size=10
refused "needs two rows in a shard, but the last batch of an epoch, of 10 samples in 8 shards leaves one in some; set batch.drop_last: true, or change batch.shards" \
    --batch-size 80 --shards 8
refused "needs two rows in a shard, but a batch of 20 samples in 20 shards leaves one in some; lower batch.shards" --batch-size 20 --shards 20
expect_exit 0 "iterations per epoch" run_np 0 plan bn.yaml --batch-size 80 --shards 8 --set batch.drop_last=true
model '[{dense: 16}, batchnorm, {dense: 4}]'
refused "layer 1 \(batchnorm\): the last batch of an epoch has one sample, from which no 'statistics: batch' are taken; set batch.drop_last: true" \
    --batch-size 83
refused "but a batch has one sample; raise batch.global_batch_size" --batch-size 1
expect_exit 0 "iterations per epoch" run_np 0 plan bn.yaml --batch-size 83 --set batch.drop_last=true
# an image has many numbers in a channel: PyTorch takes one by itself, and so do we, but not as the tail of an epoch
cat >image.yaml <<'END'
data:
  train: {format: idx, images: i, labels: l}
model: [{conv: {filters: 2, kernel: 3}}, batchnorm, {dense: 3}]
batch: {global_batch_size: 4}
optimizer: {name: sgd, lr: 0.01}
train: {epochs: 1}
END
idx_images i 9 6 6
idx_labels l 9 3
cp image.yaml bn.yaml
refused "layer 1 \(batchnorm\): the last batch of an epoch has one sample" --batch-size 4
expect_exit 0 "iterations per epoch +9" run_np 0 plan bn.yaml --batch-size 1
expect_exit 0 "iterations per epoch +2" run_np 0 plan bn.yaml --batch-size 4 --set batch.drop_last=true
model '[{dense: 512}, batchnorm, {dense: 4}]'
for np in 1 2; do
    says="'statistics: batch' needs the activations of all $((np == 1 ? 250 : 128)) rows.* on $np ranks?; 'runtime.memory_limit' is 1 MB: raise it, or use more ranks"
    expect_exit 2 "$says" run_np $np train bn.yaml --batch-size 250 --set runtime.memory_limit=1 --run-dir never
    expect_exit 2 "$says" run_np 0 plan bn.yaml --batch-size 250 --set runtime.memory_limit=1 --ranks $np
done
# what plan accepts, train does
expect_exit 0 "rank 3 " run_np 0 plan bn.yaml --batch-size 250 --set runtime.memory_limit=1 --ranks 4
expect_exit 0 "done" run_np 4 train bn.yaml --batch-size 250 --set runtime.memory_limit=1 --max-iterations 2 --run-dir fits
model '[{dense: 16}, {batchnorm: {statistics: shards}}, {dense: 4}]'
refused "'statistics' must be one of: batch, shard"

# ---- stopped and resumed ----
model '[{batchnorm: {}}, {dense: 16}, {batchnorm: {statistics: shard, momentum: 0.3}}, relu, {residual: [{dense: 16}, {groupnorm: 4}, batchnorm]}, {dense: 4}]'
train() { # train NP DIRECTORY ARGUMENT...
    local np=$1 directory=$2
    shift 2
    expect_exit 0 "done: the run" run_np "$np" train bn.yaml --run-dir "$directory" --batch-size 80 --shards 4 \
        --max-iterations "$@"
}
train 1 whole 16
train 3 parts 6
train 2 parts 11 --resume auto
train 5 parts 16 --resume auto
check "a resumed run ends with the bytes of an uninterrupted one" cmp whole/latest parts/latest
"$LOCKSTEP" inspect whole/latest >tensors
for name in 0.running_mean 0.running_var 2.running_mean 2.running_var 4.body.2.running_mean; do
    check "the checkpoint has $name" grep -Eq "^ *$name +F32 \[(12|16)\]" tensors
done
same "evaluation on any ranks is the same" "$(run_np 0 eval whole/latest)" "$(run_np 3 eval parts/latest 2>/dev/null)"
finish
