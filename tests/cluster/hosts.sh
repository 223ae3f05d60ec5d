#!/usr/bin/env bash
# Several hosts: the same bits as on one, for even and uneven ranks, any mapping and hosts without a shard; and the bytes
# on the wire are those of the formula.
set -u
. "$LS_SOURCE/tests/mpi-env.sh"
. "$LS_SOURCE/tests/cluster/lab.sh"
lab_alone
cd "$TMPDIR" || exit 1
failures=0

cat >run.yaml <<'END'
data:
  train: {format: synthetic, samples: 1500, features: 300, classes: 10, hidden: 16}
  test: {format: synthetic, samples: 300, features: 300, classes: 10, hidden: 16, first: 1500}
model: [{dense: 1200}, relu, {dropout: 0.1}, {dense: 400}, relu, {dense: 10}]
batch: {global_batch_size: 128, shards: 8}
optimizer: {name: momentum, lr: 0.02}
train: {max_iterations: 30}
eval: {every_iterations: 15}
checkpoint: {every_iterations: 10}
metrics: {every_iterations: 5}
END

expect_same() { # expect_same WHAT: the run in `many` is the one in `one`
    cmp -s one/ckpt-00000030.safetensors many/ckpt-00000030.safetensors || { echo "FAIL: $1: other bits than on one host"; failures=$((failures + 1)); }
    [ "$(grep -o '"gnorm": [^,]*' one/metrics.jsonl)" = "$(grep -o '"gnorm": [^,]*' many/metrics.jsonl)" ] ||
        { echo "FAIL: $1: other norms than on one host"; failures=$((failures + 1)); }
}

on_hosts() { # on_hosts NODES HOSTS NP ARGUMENT...
    local nodes=$1
    shift
    rm -rf many
    lab_mpirun "$1" "$2" "${*:3} $LOCKSTEP train run.yaml --run-dir many" >log 2>&1 || { cat log; echo "FAIL: $*"; failures=$((failures + 1)); }
    grep -q "\"nodes\": $nodes," many/metrics.jsonl || { echo "FAIL: $*: not on $nodes nodes"; failures=$((failures + 1)); }
    expect_same "$*"
}

lab_up 4
timeout 60 mpirun -np 1 "$LOCKSTEP" train run.yaml --run-dir one </dev/null >log 2>&1 || { cat log; exit 1; }
on_hosts 2 h1:2,h2:2 4 ""
on_hosts 2 h1:3,h2:1 4 ""
on_hosts 2 h1:2,h2:2 4 --map-by node
on_hosts 4 h1:1,h2:1,h3:1,h4:1 4 ""
on_hosts 4 h1:4,h2:2,h3:3,h4:1 10 "" # ten ranks, eight shards: the last hosts have none

# 4 N (M - 1) / M (k + 1) bytes a host and iteration, k = 1: within 5 % for headers, over 100 iterations against 20
measure() { # measure ITERATIONS: bytes that h2 sends
    local before
    before=$(lab_sent 2)
    rm -rf many
    lab_mpirun h1:1,h2:1 2 "$LOCKSTEP train run.yaml --run-dir many --max-iterations $1 --save-interval 0 --set eval.every_iterations=0 --set data.test=~ --set metrics.every_iterations=1000" >log 2>&1
    echo $(($(lab_sent 2) - before))
}
short=$(measure 20) long=$(measure 100)
n=$("$LOCKSTEP" plan run.yaml --json | sed 's/.*"n_parameters": \([0-9]*\).*/\1/')
awk -v sent=$(((long - short) / 80)) -v formula=$((4 * n)) 'BEGIN {
    printf "%d bytes an iteration on the wire, the formula gives %d\n", sent, formula
    exit !(sent > formula * 0.98 && sent < formula * 1.05) }' || { echo "FAIL: bytes on the wire"; failures=$((failures + 1)); }
lab_down
[ $failures = 0 ]
