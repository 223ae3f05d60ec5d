#!/usr/bin/env bash
# A soak: for LS_SOAK_S seconds (600) a run is killed, stopped, signalled and resumed at random, on random rank counts,
# under load; each time it is complete it must be the quiet run bit for bit.  Beside it one job works all the time, with
# stops and saves but no end: its memory must stay flat.  LS_SOAK_SEED repeats the choices of another soak.
. "$LS_SOURCE/tests/cli/lib.sh"
own_shm
export TMPDIR=$work OMPI_MCA_btl_vader_backing_directory=$work # what a killed mpirun leaves goes with $work
duration_s=${LS_SOAK_S:-600}
seed=${LS_SOAK_SEED:-20261}
RANDOM=$seed
echo "soak of $duration_s s, seed $seed"

last=400
newest=ckpt-$(printf %08d $last).safetensors
cat >c.yaml <<END
data:
  train: {format: synthetic, samples: 1010, features: 60, classes: 5, hidden: 8, seed: 7}
  validation: {last: 100}
model: [{dense: 150}, batchnorm, relu, {dropout: 0.2}, {dense: 100}, tanh, {dense: 5}]
batch: {global_batch_size: 64, shards: 5, micro_batch_size: 5}
optimizer: {name: adam, lr: 0.0005, clip_norm: 0.5, ema: 0.98}
schedule: {name: constant, warmup: 20}
train: {max_iterations: $last, seed: 2}
eval: {every_iterations: 25}
checkpoint: {every_iterations: 7, keep: 4, best: validation_accuracy}
metrics: {every_iterations: 1}
END

# ---- processes: all by their numbers ----
busy=() launcher="" steady=""

# ranks_of LAUNCHER: its children
ranks_of() { [ -z "$1" ] || cat "/proc/$1/task/"*/children 2>/dev/null; }

clean_up() {
    kill -KILL "${busy[@]}" $(ranks_of "$launcher") $(ranks_of "$steady") $launcher $steady 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' TERM INT

is_alive() { grep -qs '^State:.[^Z]' "/proc/$1/status"; }

# gone PID...: waits until none of them is alive
gone() {
    local pid i
    for pid in "$@"; do
        for ((i = 0; i < 1000; i++)); do
            is_alive "$pid" || break
            sleep 0.02
        done
        [ $i -lt 1000 ] || fail "process $pid does not end after $event"
    done
}

# listens PID...: each of them catches USR1 by now
listens() {
    local pid mask
    [ $# -gt 0 ] || return 1
    for pid in "$@"; do
        mask=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
        [ -n "$mask" ] && [ $((0x$mask >> 9 & 1)) = 1 ] || return 1
    done
}

# pick WORD...: one of them, into $picked (a subshell would draw the same number again and again)
pick() {
    picked=$(($# > 0 ? RANDOM % $# + 1 : 0))
    [ $picked = 0 ] && picked="" || picked=${!picked}
}

pause() { sleep $(($1 / 1000)).$(printf %03d $(($1 % 1000))); } # milliseconds

# ---- the quiet run ----
run_np 2 train c.yaml --run-dir quiet >log 2>&1 || fail "the quiet run: $(tail -n 3 log)"

# lines_of METRICS: training and evaluation without times; of equal lines of the last iteration one counts
lines_of() { without_times "$1" | awk -v last="\"iteration\": $last," '!(index($0, last) && seen[$0]++)'; }

is_the_quiet_run() { # is_the_quiet_run WHAT
    check "$1: the last checkpoint" cmp quiet/$newest part/$newest
    check "$1: the best checkpoint" cmp quiet/best.safetensors part/best.safetensors
    check "$1: the lines: $(diff <(lines_of quiet/metrics.jsonl) <(lines_of part/metrics.jsonl) | head -3)" \
        cmp -s <(lines_of quiet/metrics.jsonl) <(lines_of part/metrics.jsonl)
}

# ---- the load: a loop on every core, and the job that works all the time ----
for ((i = 0; i < $(nproc); i++)); do
    while :; do :; done &
    busy+=($!)
    disown # the shell is to say nothing of its end
done
mpirun -np 2 "$LOCKSTEP" train c.yaml --run-dir steady --max-iterations 1000000000 </dev/null >steady.log 2>&1 &
steady=$!
for ((i = 0; i < 600; i++)); do
    [ ! -e steady/best.safetensors ] || break
    sleep 0.1
done
check "the steady job works: $(tail -n 3 steady.log)" test -e steady/best.safetensors

# Now and then one of its ranks stands still for a while, or it is asked for a checkpoint.
poke_steady() {
    pick $(ranks_of $steady)
    case $((RANDOM % 6)) in
    0)
        kill -STOP $picked
        pause $((RANDOM % 1000))
        kill -CONT $picked
        ;;
    1) kill -USR2 $steady ;;
    2) kill -USR2 $picked ;;
    esac
}

# Resident memory of its ranks: a line "second kB" each
sample_memory() {
    local pid
    for pid in $(ranks_of $steady); do
        echo "$SECONDS $(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")" >>memory
    done
}

# median_kb FROM TO: of the samples of these seconds
median_kb() {
    awk -v from="$1" -v to="$2" '$1 >= from && $1 < to { print $2 }' memory | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] + 0 }'
}

# ---- the run that strikes fall on ----
start() {
    pick 1 2 3 4 5
    mpirun -np "$picked" "$LOCKSTEP" train c.yaml --run-dir part --resume auto </dev/null >log 2>&1 &
    launcher=$!
}

# ended CODE...: the run ends, with one of these exit codes, or because it is complete: then it is compared, and the next
# one begins anew.
ended() {
    local code
    wait $launcher 2>/dev/null
    code=$?
    gone $ranks
    launcher="" all_ranks="$all_ranks $ranks"
    check "after $event: exit code $code: $(tail -n 3 log)" grep -qw $code <<<"0 $*"
    check "after $event: $(grep 'lockstep: error' log)" \
        [ "$(grep 'lockstep: error' log | grep -vc 'stopped by a signal after')" = 0 ]
    [ ! -e part/latest ] || hash_of part/latest >/dev/null || fail "part/latest is broken after $event"
    [ $code = 0 ] || return 0
    is_the_quiet_run "run $n_runs, after $n_strikes strikes"
    n_runs=$((n_runs + 1))
    rm -rf part
}

# Stands still while it is looked at, so that no rank is started meanwhile.
look() {
    kill -STOP $launcher 2>/dev/null
    ranks=$(ranks_of $launcher)
    pick ${ranks:-$launcher}
    victim=$picked
}

strike() {
    look
    pick kill-all kill-one kill-launcher stand-still stand-still save save stop stop-one term
    event=$picked
    # a signal to a process whose handlers do not stand yet ends it
    case $event in save | stop | stop-one | term) listens $ranks || event=kill-all ;; esac
    n_strikes=$((n_strikes + 1)) count[$event]=$((${count[$event]:-0} + 1))
    case $event in
    kill-all) kill -KILL $ranks $launcher ;;
    kill-launcher) kill -KILL $launcher ;;
    kill-one) kill -KILL "$victim" ;;
    stand-still) kill -STOP "$victim" ;;
    save) kill -USR2 "$victim" ;;
    stop) kill -USR1 $launcher ;;
    stop-one) pick USR1 TERM && kill -"$picked" "$victim" ;;
    term) kill -TERM $launcher ;;
    esac 2>/dev/null
    kill -CONT $launcher 2>/dev/null
    case $event in
    kill-*) ended 137 ;;
    stop*) ended 75 ;;
    term) ended 75 1 143 ;; # mpirun ends with 1, or kills what has not ended at once
    stand-still)
        pause $((RANDOM % 1500))
        kill -CONT "$victim" 2>/dev/null
        ;;
    esac
}

over() {
    event="its own end" ranks=""
    ended
}

declare -A count
n_runs=0 n_strikes=0 all_ranks="" event=""
SECONDS=0
while [ $SECONDS -lt "$duration_s" ]; do
    [ -n "$launcher" ] || start
    pause $((RANDOM % 1500 + 50))
    sample_memory
    poke_steady
    if is_alive $launcher; then strike; else over; fi
done

# ---- the end: the last run is left to end, and so is the steady job ----
[ -n "$launcher" ] || start
for ((i = 0; i < 3000; i++)); do
    is_alive $launcher || break
    sleep 0.1
done
check "the last run ends" test $i -lt 3000
[ $i -lt 3000 ] && over
check "at least one run was compared" test $n_runs -gt 0

event="the end of the soak" ranks=$(ranks_of $steady) all_ranks="$all_ranks $ranks"
kill -USR1 $steady
wait $steady
same "the steady job: exit code" $? 75
gone $ranks
steady=""
losses_of steady/metrics.jsonl >steady.lines
n=$(wc -l <steady.lines)
[ "$n" -lt $last ] || n=$last
check "the steady job did something: $n iterations" test "$n" -ge 50
check "the steady job is the quiet run as far as that goes" \
    cmp -s <(head -n "$n" steady.lines) <(losses_of quiet/metrics.jsonl | head -n "$n")
early=$(median_kb 0 $((duration_s / 3))) late=$(median_kb $((duration_s * 2 / 3)) 100000000)
check "memory is flat: $early kB, then $late kB" test "$late" -gt 0 -a "$late" -le $((early + early / 50))

for pid in $all_ranks; do rm -f /dev/shm/lockstep-"$pid"-*; done # of those killed as they made it
same "no node memory is left behind" "$(left_behind)" ""
echo "$n_runs runs complete, $n_strikes strikes:$(for event in "${!count[@]}"; do printf ' %s %s' "${count[$event]}" "$event"; done)"
echo "steady job: $(wc -l <steady.lines) iterations, median resident memory $early kB in the first third, $late kB in the last"
finish
