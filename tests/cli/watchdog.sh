#!/usr/bin/env bash
# One rank holds up the others: stopped for a while (a warning, and the run goes on), for good (exit code 7), or slow all
# the time (named in the summary).
. "$(dirname "$0")/lib.sh"
own_shm
small_config c.yaml
endless=(--set train.epochs=~ --max-iterations 100000000)

# start RUN NP ARGUMENT...: in the background, as $launcher; its ranks are at work on return
start() {
    mpirun -np "$2" "$LOCKSTEP" train c.yaml --run-dir "$1" "${@:3}" </dev/null >"$1.out" 2>"$1.err" &
    launcher=$!
    for ((i = 0; i < 500; i++)); do
        grep -qs '"event": "train"' "$1/metrics.jsonl" && return
        sleep 0.02
    done
    fail "$1: did not start: $(cat "$1.err")"
}

# pid_of RANK: of a rank of $launcher
pid_of() {
    local pid
    for pid in $(cat /proc/$launcher/task/*/children); do
        tr '\0' '\n' <"/proc/$pid/environ" | grep -qx "OMPI_COMM_WORLD_RANK=$1" && echo "$pid"
    done
}

# says FILE REGEX: within 10 s
says() {
    for ((i = 0; i < 200; i++)); do
        grep -Eq -- "$2" "$1" && return
        sleep 0.05
    done
    return 1
}

# ---- stopped for a while ----
start while 3 "${endless[@]}" --set runtime.stall_warn_s=0.5
stopped=$(pid_of 1)
sleep 0.2
kill -STOP "$stopped"
check "a warning names the rank" says while.err 'lockstep: warning: nothing has moved on node 0 .* it waits for rank 1$'
check "and tells where it is" grep -Eq '^lockstep:   rank 1: [a-z ]+ of iteration [1-9][0-9]*.*; the process does not run' while.err
check "and where the others are" grep -Eq '^lockstep:   ranks? [02].*waiting for (ranks of this node|messages)' while.err
kill -CONT "$stopped"
sleep 0.3
kill -USR1 $launcher
wait $launcher
same "it went on until it was asked to stop" $? 75
same "one warning" "$(grep -c 'nothing has moved' while.err)" 1

# ---- for good: the lowest rank that runs speaks, once ----
for victim in 0 2; do
    start good 3 "${endless[@]}" --overwrite --set runtime.stall_warn_s=0 --set runtime.stall_abort_s=1.5
    sleep 0.2
    kill -STOP "$(pid_of $victim)"
    wait $launcher
    same "rank $victim stopped: the exit code" $? 7
    same "rank $victim stopped: one error" "$(grep -c 'lockstep: error:' good.err)" 1
    check "rank $victim stopped: it is named" grep -q "error: stalled: nothing has moved .* it waits for rank $victim\$" good.err
    check "rank $victim stopped: no warning" test "$(grep -c 'warning: nothing' good.err)" = 0
    rm -rf good/metrics.jsonl
done

# ---- without a watchdog nobody speaks; one rank alone, and long evaluations, are no stall ----
start off 2 "${endless[@]}" --set runtime.stall_warn_s=0 --set runtime.stall_abort_s=0
stopped=$(pid_of 1)
kill -STOP "$stopped"
sleep 1
kill -CONT "$stopped"
kill -USR1 $launcher
wait $launcher
same "off: the exit code" $? 75
check "off: silent" test "$(grep -c 'nothing has moved' off.err)" = 0
expect_exit 0 "done: the run is complete" run_np 2 train c.yaml --run-dir eval --epochs 2 --set runtime.stall_warn_s=0.5 \
    --set runtime.stall_abort_s=0.6 --set data.test='{format: synthetic, samples: 600000, features: 12, classes: 4, hidden: 8, first: 300}' \
    --set eval.batch=1 --set model='[{dense: 256}, relu, {dense: 256}, relu, {dense: 4}]'
check "a long evaluation: no warning" test "$(grep -c 'nothing has moved' err)" = 0
check "it was long: $(grep '"set": "test"' eval/metrics.jsonl)" grep -Eq '"set": "test".*"seconds": (0\.[6-9]|[1-9])' eval/metrics.jsonl
expect_exit 2 "stall_warn_s" run_np 0 train c.yaml --run-dir bad --set runtime.stall_warn_s=-1

# ---- slow: rank 1 runs a fifth of the time ----
start slow 2 --set data.train.samples=10000 --set data.validation=~ --set model='[{dense: 1024}, relu, {dense: 512}, relu, {dense: 4}]' \
    --batch-size 1000 --set batch.shards=2 --set eval.every_epochs=0 --save-interval 0 --epochs 16
slow=$(pid_of 1)
while kill -STOP "$slow" 2>/dev/null; do
    sleep 0.02
    kill -CONT "$slow"
    sleep 0.005
done
wait $launcher
same "slow: the exit code" $? 0
check "slow: named in the summary: $(tail -n 4 slow.out)" grep -Eq 'slow rank +rank 1 took [1-9][0-9.]* times as long' slow.out
same "slow: named in the last line" "$(grep '"event": "end"' slow/metrics.jsonl | grep -o '"slow_rank": 1')" '"slow_rank": 1'

same "no node memory is left behind" "$(left_behind)" ""
finish
