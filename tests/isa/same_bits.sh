#!/usr/bin/env bash
# Elementwise kernels give the same bits on every instruction set: the same run by programs built for one set each, on one
# OpenBLAS kernel type.  usage: same_bits.sh PROGRAM ISA:PROGRAM ...
set -eu
. "$LS_SOURCE/tests/mpi-env.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.yaml" <<'END'
data:
  train: {format: synthetic, samples: 500, features: 37, classes: 7, hidden: 9}
  test: {format: synthetic, samples: 101, features: 37, classes: 7, hidden: 9, first: 500}
model: [{dense: 67}, batchnorm, relu, {dropout: 0.1}, {dense: 33}, {groupnorm: 3}, relu, {residual: [{dense: 33}, layernorm]}, {dense: 7}]
batch: {global_batch_size: 48, shards: 4}
train: {epochs: 4}
metrics: {every_iterations: 1}
END

hash_of() { # PROGRAM OPTIMIZER
  timeout 60 "$1" train "$work/run.yaml" --run-dir "$work/run" --overwrite --quiet --set "optimizer={lr: 0.01, weight_decay: 0.01, name: $2}" \
    </dev/null >/dev/null
  "$1" inspect "$work/run/latest" --hash
  grep -oE '"(gnorm|ema_loss)": [^,]*' "$work/run/metrics.jsonl" | cksum
}

runs=0
# the last two with options of their own, a clipped norm and an average
for optimizer in sgd momentum nesterov adam adamw lars lamb rmsprop "rmsprop, centered: true, eps: 0.1, momentum: 0.5" \
  "lamb, clip_norm: 0.1, ema: 0.9"; do
  expected=$(hash_of "$1" "$optimizer")
  for variant in "${@:2}"; do
    isa=${variant%%:*}
    [ "$isa" = generic ] || grep -qw "$isa" /proc/cpuinfo || continue
    found=$(hash_of "${variant#*:}" "$optimizer")
    [ "$found" = "$expected" ] || { echo "$optimizer on $isa: $found, expected $expected"; exit 1; }
    runs=$((runs + 1))
  done
done
echo "$runs runs of other builds gave the same bits"
[ $runs -ge 5 ]
