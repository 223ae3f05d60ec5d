#!/usr/bin/env bash
# plan: the arithmetic that the README promises, printed before a run, without MPI; and what training then does.
. "$(dirname "$0")/lib.sh"

# plan ARGUMENT...: `plan --json` into the file json
plan() {
    n_checks=$((n_checks + 1))
    run_np 0 plan c.yaml --json "$@" >json 2>err || fail "plan $*: $(cat err)"
}

# holds KEY VALUE ...: values in the file json
holds() {
    while [ $# -gt 0 ]; do
        same "$1" "$(value_of "$1" json)" "$2"
        shift 2
    done
}

cat >c.yaml <<'END'
data:
  train: {format: synthetic, samples: 60000, features: 20, classes: 10, hidden: 4}
model:
  - dense: 30
  - relu
  - dense: 10
batch: {global_batch_size: 100}
optimizer: {name: momentum, lr: 0.1}
train: {epochs: 10, seed: 3}
END

# ---- the examples of the design ----
plan
holds n_samples 60000 global_batch_size 100 iterations_per_epoch 600 last_batch_size 100 total_iterations 6000 \
    drop_last false n_parameters 940 shards 4 micro_batch_size 25 shard_sizes '[25, 25, 25, 25]' n_validation 0 n_test 0
plan --max-iterations 30000 --epochs 50
holds total_iterations 30000
plan --max-iterations 30000 --epochs 60
holds total_iterations 30000
plan --set train.epochs=~ --max-iterations 30000
holds total_iterations 30000
plan --max-iterations 30000 --epochs 10
holds total_iterations 6000
plan --batch-size 128
holds iterations_per_epoch 469 last_batch_size 96 total_iterations 4690 shards 8 micro_batch_size 16
plan --batch-size 128 --set batch.drop_last=true
holds iterations_per_epoch 468 last_batch_size 128 total_iterations 4680 drop_last true
plan --batch-size 60000
holds iterations_per_epoch 1 last_batch_size 60000 micro_batch_size 256
plan --batch-size 60001
holds iterations_per_epoch 1 last_batch_size 60000
plan --batch-size 1
holds iterations_per_epoch 60000 last_batch_size 1 shards 1 micro_batch_size 1
plan --set data.validation.last=5000
holds n_samples 55000 n_validation 5000 iterations_per_epoch 550
plan --set 'data.validation={format: synthetic, samples: 700, features: 20, classes: 10, hidden: 4, first: 60000}'
holds n_samples 60000 n_validation 700 iterations_per_epoch 600

# ---- batch sizes by epoch: 30 epochs of 235 iterations, then 10 of 59 ----
plan --set 'batch={schedule: [{epoch: 0, size: 256}, {epoch: 30, size: 1024}]}' --epochs 40
holds iterations_per_epoch 235 last_batch_size 96 total_iterations 7640 global_batch_size 256 shards 8 micro_batch_size 128 \
    phases '[{"first_epoch": 0, "first_iteration": 0, "batch_size": 256, "iterations_per_epoch": 235, "last_batch_size": 96}, {"first_epoch": 30, "first_iteration": 7050, "batch_size": 1024, "iterations_per_epoch": 59, "last_batch_size": 608}]'
run_np 0 plan c.yaml --set 'batch={schedule: [{epoch: 0, size: 256}, {epoch: 30, size: 1024}]}' --epochs 40 \
    --samples 7049:7051 | awk '{ print gsub(/[0-9]+[],]/, "") }' >sizes # numbers of a line: iteration, epoch, samples
same "the last batch of 256 and the first of 1024" "$(tr '\n' ' ' <sizes)" "98 1026 "

# ---- shards, micro-batches and ranks ----
plan --batch-size 101 --shards 4 --micro-batch-size 8
holds shard_sizes '[26, 25, 25, 25]' last_shard_sizes '[2, 2, 1, 1]' micro_batch_size 8 shards 4
plan --batch-size 101 --shards 4 --ranks 3
same "what each of three ranks computes" "$(grep -o '"ranks": \[.*}\], "learning' json)" \
    '"ranks": [{"rank": 0, "first_shard": 0, "end_shard": 2, "samples": 51}, {"rank": 1, "first_shard": 2, "end_shard": 3, "samples": 25}, {"rank": 2, "first_shard": 3, "end_shard": 4, "samples": 25}], "learning'
plan --shards 2 --ranks 4
check "ranks beyond the shards have no samples" grep -q '"rank": 3, "first_shard": 2, "end_shard": 2, "samples": 0}' json

# ---- checkpoints and rates ----
plan --epochs 1 --save-interval 250 --save-initial
holds checkpoints '[0, 250, 500, 600]'
plan --epochs 1 --set 'schedule={name: linear, warmup: 100, final_lr: 0.02}'
same "corners of the rate" "$(grep -o '"learning_rate": [^]]*' json | grep -oE '[0-9.]+' | xargs printf '%.6g ')" \
    '0 0.001 100 0.1 150 0.092 300 0.068 450 0.044 599 0.02016 '
for key in node_mb rank_mb config; do
    check "plan --json has $key" grep -q "\"$key\": " json
done
if command -v python3 >/dev/null; then
    check "plan --json is JSON" python3 -m json.tool json /dev/null
fi

# ---- as text ----
expect_exit 0 'training samples +60000 \(validation 0, test 0\)' run_np 0 plan c.yaml --ranks 3 --batch-size 101 --shards 4
cp out text
while read -r line; do
    check "plan prints '$line'" grep -Eq "$line" text
done <<'END'
global batch size +101 = shards of 26, 25, 25, 25
micro-batch size +26
iterations per epoch +595, the last of 6 samples
total iterations +5950 \(10 epochs\)
parameters +940
memory +[0-9.]+ MB a node .*, [0-9.]+ MB a rank
learning rate +0.1 at 0
checkpoints at +5950
rank 0 +shards 0 to 1, 51 samples of each full batch
rank 2 +shard 3, 25 samples of each full batch
END
expect_exit 2 "--ranks: at most 1000000" run_np 0 plan c.yaml --ranks 1000001
expect_exit 0 'rank 3 +no shard' run_np 0 plan c.yaml --ranks 4 --shards 3

# ---- nothing of MPI is needed: no launcher, no library start ----
expect_exit 0 'training samples' env -i PATH="$PATH" HOME=/nonexistent OPENBLAS_NUM_THREADS=1 OMPI_MCA_btl=none \
    LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}" timeout 20 "$LOCKSTEP" plan c.yaml
expect_exit 0 '"n_samples": 60000' run_np 2 plan c.yaml --json
same "under mpirun one rank speaks" "$(wc -l <out)" 1

# ---- the order of samples ----
small_config c.yaml
for seed in 1 2; do
    run_np 0 plan c.yaml --samples 0:20 --seed $seed --batch-size 49 --set train.max_iterations=20 >ids_$seed
    for epoch in 0 1 2; do
        sed -n "s/.*\"epoch\": $epoch, \"ids\": \\[\\(.*\\)\\]}/\\1/p" ids_$seed | tr -d ' ' | tr ',' '\n' >order_$seed.$epoch
        same "seed $seed, epoch $epoch uses every sample once" "$(sort -n order_$seed.$epoch | cksum)" "$(seq 0 249 | cksum)"
    done
    check "epochs have orders of their own" test "$(cksum <order_$seed.0)" != "$(cksum <order_$seed.1)"
done
check "seeds have orders of their own" test "$(cksum <order_1.0)" != "$(cksum <order_2.0)"
run_np 0 plan c.yaml --samples 7:9 --seed 1 --batch-size 49 >some
same "a range is a part of the whole" "$(sed -n '8,9p' ids_1)" "$(cat some)"
same "without shuffling samples keep their order" \
    "$(run_np 0 plan c.yaml --samples 0:1 --batch-size 5 --set data.shuffle=false)" \
    '{"iteration": 0, "epoch": 0, "ids": [0, 1, 2, 3, 4]}'

# ---- and training uses it: the same samples, sorted by hand into files that are not shuffled, give the same bits ----
idx_images i 60 3 4
idx_labels l 60 4
cat >c.yaml <<'END'
data:
  train: {format: idx, images: i, labels: l}
  normalize: {scale: 0.01}
model: [{dense: 4}]
batch: {global_batch_size: 20, shards: 2}
optimizer: {name: momentum, lr: 0.05}
train: {epochs: 1, seed: 5}
END
run_np 0 plan c.yaml --samples 0:3 | sed 's/.*"ids": \[\(.*\)\]}/\1/' | tr -d ' ' | tr ',' '\n' >ids
{ head -c 16 i; while read -r id; do tail -c +$((17 + 12 * id)) i | head -c 12; done <ids; } >i_sorted
{ head -c 8 l; while read -r id; do tail -c +$((9 + id)) l | head -c 1; done <ids; } >l_sorted
expect_exit 0 "done: the run" run_np 2 train c.yaml --run-dir shuffled --set metrics.every_iterations=1
expect_exit 0 "done: the run" run_np 2 train c.yaml --run-dir sorted --set metrics.every_iterations=1 \
    --set data.shuffle=false --set data.train.images=i_sorted --set data.train.labels=l_sorted
same "losses of training in the planned order" "$(losses_of shuffled/metrics.jsonl)" "$(losses_of sorted/metrics.jsonl)"
same "parameters of training in the planned order" "$(hash_of shuffled/latest)" "$(hash_of sorted/latest)"

# ---- what the run says is what was planned ----
run_np 0 plan c.yaml --json >json
for key in n_samples iterations_per_epoch total_iterations shards micro_batch_size n_parameters global_batch_size; do
    same "$key of the run" "$(value_of $key shuffled/metrics.jsonl)" "$(value_of $key json)"
done
# ---- what train refuses of the loss and of metrics, plan refuses ----
small_config small.yaml
for np in 0 2; do
    command=(plan small.yaml)
    [ $np = 0 ] || command=(train small.yaml --run-dir never)
    expect_exit 2 "unknown key 'label_smothing' in softmax_cross_entropy; did you mean 'label_smoothing'" \
        run_np $np "${command[@]}" --set 'loss={softmax_cross_entropy: {label_smothing: 0.1}}'
    expect_exit 2 "unknown loss 'mes'; did you mean 'mse'" run_np $np "${command[@]}" --set loss=mes
    expect_exit 2 "'checkpoint.best' is 'test_acuracy'; known: " run_np $np "${command[@]}" --set checkpoint.best=test_acuracy
    expect_exit 2 "'target.metric' is 'test_loss', but there is no data.test" run_np $np "${command[@]}" \
        --set 'target={metric: test_loss, below: 1}' --set data.test=~
    expect_exit 2 "there is no moving average of the parameters; set optimizer.ema" run_np $np "${command[@]}" \
        --set 'target={metric: test_ema_loss, below: 1}'
done
expect_exit 0 "" run_np 0 plan small.yaml --set 'target={metric: test_ema_loss, below: 1}' --set optimizer.ema=0.9

# ---- the model of scale, on round numbers: half the rows, half the time; 4 N (M - 1) / M (k + 1) bytes a node ----
cat >scale.yaml <<'END'
data: {train: {format: synthetic, samples: 640, features: 64, classes: 16}}
model: [{dense: {units: 64, bias: false}}, relu, {dense: {units: 16, bias: false}}]
batch: {global_batch_size: 64, shards: 8}
train: {epochs: 1}
END
cat >measured.json <<'END'
{"ranks": 1, "global_batch_size": 64, "iteration_ms": 32, "data_ms": 0, "forward_ms": 10, "backward_ms": 20, "add_ms": 1,
 "update_ms": 1, "shards": 8}
END
# predicted RANKS PER_NODE KEY
predicted() {
    "$LOCKSTEP" plan scale.yaml --scale --measured measured.json --ranks "$1" --ranks-per-node "$2" --link-gbps 1e6 \
        --link-us 1e-6 --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$3"
}
same "one rank is what was measured" "$(predicted 1 4 iteration_ms)" 32
same "two ranks on a node take half, and add one vector" "$(predicted 2 4 iteration_ms)" 16.1
same "sixteen ranks are limited by eight shards" "$(predicted 16 64 limited_by)" shards
same "one node sends nothing" "$(predicted 4 4 node_bytes)" 0
same "two nodes" "$(predicted 2 1 node_bytes)" $((4 * (64 * 64 + 64 * 16)))
same "four nodes" "$(predicted 4 1 node_bytes)" $((6 * (64 * 64 + 64 * 16)))
sed 's/"shards": [0-9]*/"shards": 0/' measured.json >shardless.json
expect_exit 2 "'shards' is 0, expected a number from 1" run_np 0 plan scale.yaml --scale --measured shardless.json
expect_exit 2 "'iteration_ms' is missing" run_np 0 plan scale.yaml --scale --measured <(echo '{"ranks": 1, "global_batch_size": 64}')
expect_exit 2 "needs --measured" run_np 0 plan scale.yaml --scale

# ---- info model: output, parameters and multiply-adds of every layer, and the totals ----
idx_images images 4 3 4
cat >layers.yaml <<'END'
data: {train: {format: idx, images: images}}
model: [flatten, {dense: 5}, relu, {dense: {units: 2, bias: false}}]
train: {epochs: 1}
END
expect_exit 0 "^position +layer +output +parameters +multiply-adds" run_np 0 info model layers.yaml
same "the table of layers" "$(sed -n '2,7p' out | sed 's/^ *//; s/  */ /g; s/ $//')" "(input) [1, 3, 4]
0 flatten [12] 0 0
1 dense [5] 65 60
2 relu [5] 0 0
3 dense [2] 10 10
total 75 70"
mkdir apart && mv images apart
expect_exit 3 "'images' was not found" run_np 0 info model layers.yaml
expect_exit 0 "3 +dense +\[7\] +35 +35" run_np 0 info model layers.yaml --data-dir apart --set 'model=[flatten, {dense: 5},
    relu, {dense: {units: 7, bias: false}}]'
expect_exit 2 "layers.yaml:2:.*expected a whole number|'units'" run_np 0 info model layers.yaml --data-dir apart \
    --set 'model=[{dense: x}]'
expect_exit 2 "expected a configuration file" run_np 0 info model
expect_exit 2 "unexpected argument 'c.yaml'" run_np 0 info layers c.yaml
finish
