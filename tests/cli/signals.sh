#!/usr/bin/env bash
# USR1, TERM and INT: the run saves between two iterations, ends with 75, and goes on as if never interrupted; USR2: it
# saves and goes on; runtime.on_signal; signals before MPI has started; and two runs do not share a directory.
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

# by_signal WHAT SIGNAL NP ARGUMENT...: signals the launcher (np 2 and more) or the program itself (np 1)
by_signal() {
    rm -rf part
    if [ "$3" = 1 ]; then
        "$LOCKSTEP" train c.yaml --run-dir part "${@:4}" </dev/null >out 2>err &
    else
        mpirun -np "$3" "$LOCKSTEP" train c.yaml --run-dir part "${@:4}" </dev/null >out 2>err &
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

# ---- save and go on ----
# goes_on WHAT N SIGNAL WHOM NP ARGUMENT...: the signal to the launcher or program, or to its last rank, makes the run save
# once, or not at all (N = 0); it ends as if nothing had been
goes_on() {
    local pid rank
    rm -rf part
    if [ "$5" = 1 ]; then
        "$LOCKSTEP" train c.yaml --run-dir part "${@:6}" </dev/null >out 2>err &
    else
        mpirun -np "$5" "$LOCKSTEP" train c.yaml --run-dir part "${@:6}" </dev/null >out 2>err &
    fi
    pid=$!
    wait_for part/metrics.jsonl || fail "$1: did not start"
    rank=$(cat /proc/$pid/task/*/children 2>/dev/null | wc -w)
    case $4 in
    launcher) kill -"$3" $pid ;;
    rank) kill -"$3" "$(cat /proc/$pid/task/*/children | cut -d ' ' -f "$rank")" ;;
    esac
    wait $pid
    same "$1: the exit code" $? 0
    same "$1: saves" "$(grep -c '"event": "save"' part/metrics.jsonl)" $(($2 + 1))
    same "$1: it says so" "$(grep -c 'a signal asks for a checkpoint: saving iteration' err)" "$2"
    same "$1: checkpoints" "$(ls part | grep -c '^ckpt-.*safetensors$')" $(($2 + 1))
    same "$1: the hash" "$(hash_of part/latest)" "$expected"
}
goes_on "USR2 to mpirun" 1 USR2 launcher 3
goes_on "USR2 to one rank" 1 USR2 rank 3
goes_on "USR2 to the program" 1 USR2 launcher 1
goes_on "USR1: save" 1 USR1 launcher 2 --set runtime.on_signal.usr1=save
goes_on "TERM: ignore" 0 TERM launcher 1 --set 'runtime.on_signal={term: ignore}'
by_signal "USR2: stop" USR2 2 --set runtime.on_signal.usr2=stop

# A checkpoint that a signal asked for is one to go on from.
goes_on "USR2 to mpirun, again" 1 USR2 launcher 2
earlier=$(ls part | grep '^ckpt-' | head -1)
run_np 3 train c.yaml --run-dir other --resume "part/$earlier" >/dev/null 2>&1
same "resumed from $earlier" "$(hash_of other/latest)" "$expected"

# ---- as MPI starts ----
early() { # early SIGNAL NP ARGUMENT...
    mpirun -np "$2" env LD_PRELOAD="$work/early_signal.so" LS_EARLY_SIGNAL="$(kill -l "$1")" \
        ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" "$LOCKSTEP" train c.yaml "${@:3}" </dev/null
}
if command -v cc >/dev/null; then
    cc -shared -fPIC -O1 -o early_signal.so "$LS_SOURCE/tests/cli/early_signal.c" || exit 1
    for signal in USR1 TERM INT; do
        expect_exit 75 "stopped by a signal after 1 iterations" early $signal 2 --run-dir early.$signal
    done
    expect_exit 0 "a signal asks for a checkpoint: saving iteration 1$" early USR2 2 --run-dir early.USR2 --max-iterations 3
else
    echo "no C compiler: signals as MPI starts are not tested"
fi

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
