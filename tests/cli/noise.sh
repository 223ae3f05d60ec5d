#!/usr/bin/env bash
# The gradient noise scale as a user meets it: in metrics.jsonl and the progress line, the same at any rank count, after a
# resumption at any moment, and by a rule of its own how often.
. "$(dirname "$0")/lib.sh"

cat >c.yaml <<'END'
data:
  train: {format: synthetic, samples: 1010, features: 60, classes: 5, hidden: 8, seed: 7}
  test: {format: synthetic, samples: 200, features: 60, classes: 5, hidden: 8, seed: 7, first: 1010}
model: [{dense: 150}, relu, {dropout: 0.2}, {dense: 100}, tanh, {dense: 5}]
batch: {global_batch_size: 64, shards: 6}
optimizer: {name: adam, lr: 0.0005, clip_norm: 0.5}
train: {max_iterations: 420, seed: 2}
eval: {every_epochs: 0}
checkpoint: {every_iterations: 50, keep: 0}
metrics: {every_iterations: 1}
noise: {every: 3}
END
sed 's/shards: 6/shards: 1, micro_batch_size: 10/' c.yaml >one.yaml

# noise_of DIRECTORY: iteration and readings of every line
noise_of() {
    grep '"event": "train"' "$1/metrics.jsonl" | grep -o '"iteration": .*"noise_readings": [0-9]*' |
        sed -E 's/"epoch.*"gnorm": [^,]*, //'
}

# line_of N DIRECTORY
line_of() {
    noise_of "$2" | grep "^\"iteration\": $1,"
}

for name in c one; do
    # ---- the same at any rank count, on one node and several ----
    expect_exit 0 "done" run_np 1 train $name.yaml --run-dir $name.1
    numbers='"noise_trace": [0-9.]+, "noise_g2": -?[0-9.e-]+'
    check "$name: nothing is known before the first reading" test "$(line_of 2 $name.1)" = \
        '"iteration": 2, "bnoise": null, "bnoise_se": null, "noise_trace": null, "noise_g2": null, "noise_readings": 0'
    check "$name: one reading is no scale: $(line_of 3 $name.1)" \
        grep -Eq "\"bnoise\": null, \"bnoise_se\": null, $numbers, \"noise_readings\": 1\$" <(line_of 3 $name.1)
    check "$name: a window of them is: $(line_of 420 $name.1)" \
        grep -Eq "\"bnoise\": [0-9.]+, \"bnoise_se\": [0-9.]+, $numbers, \"noise_readings\": 128\$" <(line_of 420 $name.1)
    for np in 2 3 4 5 8; do
        expect_exit 0 "done" run_np $np train $name.yaml --run-dir $name.$np
        check "$name: $np ranks read the same" cmp -s <(noise_of $name.1) <(noise_of $name.$np)
        check "$name: $np ranks save the same" cmp -s $name.1/latest $name.$np/latest
    done
    expect_exit 0 "done" run_np 5 train $name.yaml --run-dir $name.split --set runtime.ranks_per_node=2
    check "$name: 3 nodes read the same" cmp -s <(noise_of $name.1) <(noise_of $name.split)
    expect_exit 0 "done" run_np 2 train $name.yaml --run-dir $name.plain --set runtime.shortcuts=false
    check "$name: without shortcuts the same" cmp -s <(noise_of $name.1) <(noise_of $name.plain)

    # ---- a resumed run reads what the whole one does ----
    for at in 50 250 400; do
        expect_exit 0 "done" run_np 3 train $name.yaml --run-dir $name.from$at \
            --resume $name.1/ckpt-$(printf %08d $at).safetensors
        check "$name: resumed after $at iterations" \
            cmp -s <(noise_of $name.1 | tail -n +$((at + 1))) <(noise_of $name.from$at)
        check "$name: resumed after $at iterations, the bytes" cmp -s $name.1/latest $name.from$at/latest
    done

    # ---- the parameters do not know of it ----
    for every in 0 1 auto; do
        expect_exit 0 "done" run_np 2 train $name.yaml --run-dir $name.every --overwrite --set noise.every=$every
        same "$name: every $every: the parameters" "$(hash_of $name.every/latest)" "$(hash_of $name.1/latest)"
        [ $every = auto ] || same "every $every is told" "$(value_of noise_every $name.every/metrics.jsonl)" $every
    done
    check "$name: auto reads now and then" test "$(value_of noise_every $name.every/metrics.jsonl)" -gt 10
done

# ---- lines for people, of runs that are long enough to have any ----
long=(--max-iterations 4000 --set metrics.every_iterations=1000 --set checkpoint.every_iterations=0)
expect_exit 0 "gnorm [0-9.]+ \| bnoise [0-9.]+ \| [0-9.]+ ms" run_np 1 train c.yaml --run-dir lines "${long[@]}"
expect_exit 0 "gnorm [0-9.]+ \| bnoise - \| [0-9.]+ ms" run_np 1 train c.yaml --run-dir few "${long[@]}" --set noise.every=3000
expect_exit 0 "gnorm [0-9.]+ \| [0-9.]+ ms" run_np 1 train c.yaml --run-dir off "${long[@]}" --set noise.every=0

# ---- where it cannot be read, the run goes on; what is no number is refused ----
expect_exit 0 "noise scale is not read: it takes two samples" run_np 2 train c.yaml --run-dir single \
    --max-iterations 5 --set batch.shards=1 --batch-size 1
expect_exit 2 "'noise.every'" run_np 2 train c.yaml --run-dir bad --set noise.every=-3
expect_exit 2 "'noise.every'" run_np 2 train c.yaml --run-dir bad --set noise.every=often
finish
