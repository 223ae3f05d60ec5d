# What the tests of launch/ train, and how they interrupt it.  Source it after lab.sh, in a test that has called lab_alone.
. "$LS_SOURCE/tests/cli/lib.sh"
unset "${!OMPI_@}" OPENBLAS_NUM_THREADS OMP_NUM_THREADS # launch/run sets what is needed
export LOCKSTEP LOCKSTEP_ROOT=$LS_SOURCE

: "${iterations:=2500}"
every=$((iterations * 2 / 5)) # iterations between two checkpoints
cat >run.yaml <<END
data:
  train: {format: synthetic, samples: 3000, features: 64, classes: 10, hidden: 16}
  test: {format: synthetic, samples: 300, features: 64, classes: 10, hidden: 16, first: 3000}
model: [{dense: 128}, relu, {dropout: 0.1}, {dense: 10}]
batch: {global_batch_size: 64, shards: 4}
optimizer: {name: momentum, lr: 0.02}
train: {max_iterations: $iterations}
checkpoint: {every_iterations: $every, keep: 2}
metrics: {every_iterations: 100}
END

# what an uninterrupted run on this machine gives
quiet_run() {
    "$LS_SOURCE/launch/run" -n 2 --bind none train run.yaml --run-dir quiet >log 2>&1 || cat log
    expected=$(hash_of quiet/latest)
    [ -n "$expected" ]
}

# until_true SECONDS COMMAND...: waits until the command succeeds; fails after that time
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.3
    done
}

ranks_of() { pgrep -f "^$LOCKSTEP train .*--run-dir $1( |\$)"; }

# signal_ranks SIGNAL RUN
signal_ranks() { ranks_of "$2" | xargs -r kill -"$1" 2>/dev/null; }

# hold RUN: waits for its first checkpoint and has it stand still, so that it cannot end before something happens to it
hold() {
    for ((i = 0; i < 4000; i++)); do
        [ -e "$1/latest" ] && break
        sleep 0.01
    done
    [ -e "$1/latest" ] || fail "$1: did not start: $(tail -n 3 "$1.out")"
    signal_ranks STOP "$1"
    same "$1: ranks at work" "$(ranks_of "$1" | wc -l)" 4
}

# interrupt RUN COMMAND...: the command, then the held run moves again
interrupt() {
    "${@:2}" || fail "$1: ${*:2}"
    signal_ranks CONT "$1"
}

# saved_for NAME: this checkpoint was made because something ended the run, not because it was due
saved_for() {
    local iteration
    iteration=$(grep -oE 'ckpt-[0-9]+' <<<"$1" | head -1 | sed 's/ckpt-0*//')
    [ -n "$iteration" ] && [ $((iteration % every)) != 0 ]
}

# asked_by SIGNAL RUN: launch/run has heard the signal
asked_by() { grep -q "$1: the run is asked" "$2.out"; }
