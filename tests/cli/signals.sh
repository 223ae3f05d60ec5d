#!/usr/bin/env bash
# USR1, TERM and INT: the run saves between two iterations, ends with 75, and goes on as if never interrupted; and two runs
# do not share a directory.
. "$(dirname "$0")/lib.sh"

cat >c.yaml <<'END'
data:
  train: {format: synthetic, samples: 2000, features: 200, classes: 5, hidden: 8}
  test: {format: synthetic, samples: 100, features: 200, classes: 5, hidden: 8, first: 2000}
model: [{dense: 300}, relu, {dropout: 0.1}, {dense: 5}]
batch: {global_batch_size: 50, shards: 3}
train: {epochs: 25}
eval: {every_iterations: 200}
END

# wait_for FILE: until a running process has made it
wait_for() {
    for ((i = 0; i < 500; i++)); do
        [ -e "$1" ] && return 0
        sleep 0.02
    done
    return 1
}

run_np 2 train c.yaml --run-dir whole >/dev/null 2>&1
expected=$(hash_of whole/latest)

# by_signal WHAT SIGNAL NP: signals the launcher (np 2 and more) or the program itself (np 1)
by_signal() {
    rm -rf part
    if [ "$3" = 1 ]; then
        "$LOCKSTEP" train c.yaml --run-dir part --epochs 25 </dev/null >out 2>err &
    else
        mpirun -np "$3" "$LOCKSTEP" train c.yaml --run-dir part --epochs 25 </dev/null >out 2>err &
    fi
    local pid=$!
    wait_for part/metrics.jsonl || fail "$1: did not start"
    sleep 0.1
    kill -"$2" $pid
    wait $pid
    code=$?
    same "$1: the exit code" "$code" 75
    check "$1: it says so once" test "$(grep -c 'stopped by a signal after' err)" = 1
    check "$1: a checkpoint is there" test -e part/latest
    check "$1: it stopped early" test "$(readlink part/latest)" != ckpt-00001000.safetensors
    run_np 3 train c.yaml --run-dir part --resume auto >/dev/null 2>&1
    same "$1: resumed, it ends the same" "$(hash_of part/latest)" "$expected"
}
by_signal "USR1 to mpirun" USR1 2
by_signal "USR1 to the program" USR1 1
by_signal "TERM to the program" TERM 1

# ---- one run at a time in a directory ----
rm -rf part
"$LOCKSTEP" train c.yaml --run-dir part --epochs 25 --set train.max_time_s=20 --max-iterations 100000000 --set train.epochs=~ </dev/null >out1 2>err1 &
pid=$!
wait_for part/metrics.jsonl
expect_exit 2 "another run is at work in this directory" run_np 1 train c.yaml --run-dir part --resume auto
kill -USR1 $pid
wait $pid
same "the first run was not disturbed" $? 75
finish
