#!/usr/bin/env bash
# P2: the rank count and the placement change no bit: equal parameters, equal checkpoint bytes, equal text of every loss
# and of every evaluation, on 1, 2, 3, 4, 5 and 8 ranks, on one node and on several.
. "$(dirname "$0")/lib.sh"

# Shards of unequal size, micro-batches with a rest, a tail batch of 2 samples for 5 shards, dropout, statistics over the
# batch.
cat >ragged.yaml <<'END'
data:
  train: {format: synthetic, samples: 302, features: 30, classes: 5, hidden: 8, seed: 7}
  test: {format: synthetic, samples: 333, features: 30, classes: 5, hidden: 8, seed: 7, first: 302}
model:
  - dense: 37
  - batchnorm
  - gelu
  - dropout: 0.3
  - dense: 130
  - sigmoid
  - dropout: 0.1
  - dense: 5
batch: {global_batch_size: 50, shards: 5, micro_batch_size: 3}
optimizer: {name: adam, lr: 0.01, weight_decay: 0.001}
schedule: {name: linear, warmup: 4}
train: {epochs: 3, seed: 2}
eval: {every_iterations: 5, batch: 32}
END

# Everything on auto, with the real data where they are.
fashion=/usr/share/datasets/fashion-mnist
if [ -f $fashion/train-images-idx3-ubyte.gz ]; then
    cat >auto.yaml <<END
data:
  train: {format: idx, images: $fashion/train-images-idx3-ubyte.gz, labels: $fashion/train-labels-idx1-ubyte.gz, limit: 4000}
  test: {format: idx, images: $fashion/t10k-images-idx3-ubyte.gz, labels: $fashion/t10k-labels-idx1-ubyte.gz, limit: 1100}
  normalize: {scale: 0.00392156862745098, mean: 0.2860, std: 0.3530}
END
else
    cat >auto.yaml <<'END'
data:
  train: {format: synthetic, samples: 4000, features: 784}
  test: {format: synthetic, samples: 1100, features: 784, first: 4000}
END
fi
cat >>auto.yaml <<'END'
model:
  - dense: 100
  - relu
  - dense: 10
optimizer: {lr: 0.05}
train: {epochs: 1}
END

# A regression from text.
{
    echo 'a,b,c,y,z'
    awk 'BEGIN { srand(5); for (i = 0; i < 230; i++) { a = rand() - 0.5; b = rand() - 0.5; c = rand() - 0.5
                 printf "%.6f,%.6f,%.6f,%.6f,%.6f\n", a, b, c, a * b + c, a - b * c } }'
} >table.csv
cat >regression.yaml <<'END'
data:
  train: {format: csv, file: table.csv, targets: [y, z]}
  validation: {last: 30}
model:
  - dense: 64
  - tanh
  - dense: 64
  - tanh
  - dense: 2
loss: mse
batch: {global_batch_size: 64}
optimizer: {name: adamw, lr: 0.003, weight_decay: 0.05, decay_exclude: [bias]}
schedule: {name: cosine, warmup: 1, unit: epochs}
train: {epochs: 6, seed: 4}
eval: {batch: 7}
END

# Three shards: no power of two; parameters of more than one block; the last samples held out; statistics of a shard.
cat >three.yaml <<'END'
data:
  train: {format: synthetic, samples: 500, features: 100, classes: 10, hidden: 16}
  test: {format: synthetic, samples: 100, features: 100, classes: 10, hidden: 16, first: 500}
  validation: {last: 77}
model:
  - dense: {units: 128, init: glorot_uniform}
  - relu
  - dense: {units: 64, bias: false, init: normal(0.05)}
  - batchnorm: {statistics: shard}
  - residual: [relu, layernorm, dense: 64]
  - dense: 10
batch: {global_batch_size: 60, shards: 3, drop_last: true}
optimizer: {name: nesterov, lr: 0.05, momentum: 0.8, weight_decay: 0.0005}
schedule: {name: step, every: 2, gamma: 0.5, unit: epochs}
train: {epochs: 4, seed: 5}
END

# Few rows and sizes that are no multiple of a kernel's: where a product depends on how many rows it has in a few elements
# only.
cat >edges.yaml <<'END'
data:
  train: {format: synthetic, samples: 142, features: 60, classes: 5, hidden: 8, seed: 7}
  test: {format: synthetic, samples: 50, features: 60, classes: 5, hidden: 8, seed: 7, first: 142}
model:
  - dense: 150
  - dense: 101
  - dense: 5
batch: {global_batch_size: 64, shards: 5, micro_batch_size: 5}
optimizer: {name: momentum, lr: 0.002}
train: {epochs: 12, seed: 2}
END

# Norms over parameters of several blocks, moving averages, batches that grow: 7 iterations an epoch, then 3.
cat >norms.yaml <<'END'
data:
  train: {format: synthetic, samples: 210, features: 100, classes: 5, hidden: 8, seed: 7}
  test: {format: synthetic, samples: 50, features: 100, classes: 5, hidden: 8, seed: 7, first: 210}
model:
  - dense: 130
  - relu
  - dense: 5
batch: {shards: 5, micro_batch_size: 5, schedule: [{epoch: 0, size: 32}, {epoch: 2, size: 80}]}
schedule: {name: one_cycle, unit: samples, lr_scaling: {rule: sqrt, reference_batch_size: 8}}
train: {epochs: 4, seed: 2}
END
for name in clip lars lamb; do cp norms.yaml $name.yaml; done
echo 'optimizer: {name: momentum, lr: 0.05, clip_norm: 0.2, ema: 0.9}' >>clip.yaml
echo 'optimizer: {name: lars, lr: 1, trust: 0.01, weight_decay: 0.001, decay_exclude: [bias]}' >>lars.yaml
echo 'optimizer: {name: lamb, lr: 0.01, clip_norm: 0.2, ema: 0.5}' >>lamb.yaml
# Images: every layer that works on them, with strides, groups and borders; every step of augmentation.
idx_images images 131 11 10
idx_labels labels 131 4
cat >images.yaml <<'END'
data:
  train: {format: idx, images: images, labels: labels, limit: 100}
  test: {format: idx, images: images, labels: labels}
  normalize: {scale: 0.00392156862745098, mean: 0.3, std: 0.3}
  augment: [{random_crop: 3}, random_flip, {cutout: 4}]
model:
  - conv: {filters: 6, kernel: 5, padding: same}
  - relu
  - maxpool: {kernel: 3, stride: 2, padding: 1}
  - conv: {filters: 8, kernel: 3, padding: 1, groups: 2}
  - leaky_relu
  - avgpool: {kernel: 2, stride: 1}
  - conv: {filters: 12, kernel: [3, 2], stride: 2, padding: 1, bias: false}
  - silu
  - conv: {filters: 32, kernel: 1}
  - maxpool: 2
  - global_avgpool
  - dense: 4
batch: {global_batch_size: 30, shards: 5, micro_batch_size: 4}
optimizer: {name: momentum, lr: 0.02}
train: {epochs: 3, seed: 3}
eval: {batch: 16}
END

# train_as NAME NP ARGUMENT...: runs NAME.yaml into the directory NAME.run and leaves what must be equal in NAME.now
train_as() {
    local name=$1 np=$2
    shift 2
    rm -rf "$name.run"
    expect_exit 0 "done: the run is complete" run_np "$np" train "$name.yaml" --run-dir "$name.run" \
        --set metrics.every_iterations=1 --set noise.every=3 --save-interval 4 --save-initial --set checkpoint.keep=0 "$@"
    {
        hash_of "$name.run/latest"
        sha256sum "$name".run/ckpt-*.safetensors
        losses_of "$name.run/metrics.jsonl"
        evals_of "$name.run/metrics.jsonl"
    } >"$name.now"
}

# The settings that place ranks are not part of the run, but the configuration in a checkpoint names them: runs on
# split nodes are compared with one rank under the same setting, and by parameters and text with the others.
for name in ragged auto regression three edges clip lars lamb images; do
    train_as $name 1
    mv $name.now $name.one
    check "$name: something was trained" test "$(grep -c '"event": "train"' $name.one)" -gt 10
    for np in 2 3 4 5 8; do
        train_as $name $np
        check "$name: $np ranks are 1 rank: $(diff $name.one $name.now | grep event | head -2)" cmp -s $name.one $name.now
    done
    grep -v safetensors $name.one >$name.text
    train_as $name 1 --set runtime.ranks_per_node=2
    mv $name.now $name.split
    check "$name: the setting ranks_per_node is no part of the run" \
        cmp -s $name.text <(grep -v safetensors $name.split)
    for np in 3 5; do
        train_as $name $np --set runtime.ranks_per_node=2
        check "$name: $np ranks on nodes of 2 are 1 rank: $(diff $name.split $name.now | head -3)" \
            cmp -s $name.split $name.now
    done
    check "$name: $np ranks were on 3 nodes" grep -q '"ranks": 5, "nodes": 3' $name.run/metrics.jsonl
done

# Shortcuts are taken only where they give the bits of separate products.
for name in ragged auto edges lamb images; do
    train_as $name 2 --set runtime.shortcuts=false
    check "$name: without shortcuts the same" cmp -s $name.text <(grep -v safetensors $name.now)
done

# To compare the nodes' copies changes nothing, and finds nothing, whatever is under way at the time.
for name in ragged auto clip lamb images; do
    train_as $name 3 --set runtime.ranks_per_node=1 --verify-every 1
    check "$name: compared, the same" cmp -s $name.text <(grep -v safetensors $name.now)
    train_as $name 4 --set runtime.ranks_per_node=3 --verify-every 3 --set exchange.method=mpi_allreduce
done
check "one copy: it says so" grep -q "runtime.verify_every: one node has one copy" <(
    run_np 2 train ragged.yaml --run-dir one.run --verify-every 1 2>&1)

# A memory limit makes a rank work in groups of micro-batches: no other bits.
for limit in 1 2048; do
    train_as auto 2 --batch-size 2048 --set runtime.memory_limit=$limit
    grep -v safetensors auto.now >auto.limit$limit
done
check "auto: groups of micro-batches change nothing" cmp -s auto.limit1 auto.limit2048
finish
