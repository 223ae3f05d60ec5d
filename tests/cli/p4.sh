#!/usr/bin/env bash
# P4: a run that is killed at any moment and resumed on another rank count is the same run: equal bytes of the last and
# of the best checkpoint, equal lines of metrics.jsonl.  A damaged checkpoint is named and the one before is taken.
. "$(dirname "$0")/lib.sh"
own_shm
export TMPDIR=$work OMPI_MCA_btl_vader_backing_directory=$work # what a killed mpirun leaves goes with $work
N_KILLS=20
RANDOM=4242

cat >c.yaml <<'END'
data:
  train: {format: synthetic, samples: 1010, features: 60, classes: 5, hidden: 8, seed: 7}
  test: {format: synthetic, samples: 200, features: 60, classes: 5, hidden: 8, seed: 7, first: 1010}
  validation: {last: 100}
model:
  - dense: 150
  - batchnorm
  - relu
  - dropout: 0.2
  - dense: 100
  - tanh
  - dense: 5
batch: {global_batch_size: 64, shards: 5, micro_batch_size: 5}
optimizer: {name: adam, lr: 0.0005, clip_norm: 0.5, ema: 0.98}
schedule: {name: cosine, warmup: 20}
train: {epochs: 20, seed: 2}
target: {metric: validation_loss, below: 0.001, patience: 1000}
eval: {every_iterations: 25}
checkpoint: {every_iterations: 2, keep: 4, best: validation_accuracy}
metrics: {every_iterations: 1}
END
last=300
newest=ckpt-$(printf %08d $last).safetensors

# The run is complete when it has reached its length; the target above is out of reach, so its exit code is 4.
expect_exit 4 "target was not reached" run_np 2 train c.yaml --run-dir whole
same "no node memory is left behind" "$(left_behind)" ""
same "the newest four are kept" "$(ls whole | tr '\n' ' ')" \
    "best.safetensors ckpt-00000294.safetensors ckpt-00000296.safetensors ckpt-00000298.safetensors $newest latest metrics.jsonl "

# lines_of METRICS: training and evaluation without times.  A run that is killed behind its last checkpoint evaluates
# once more when it is resumed: of equal lines of the last iteration one counts.
lines_of() {
    without_times "$1" | awk -v last="\"iteration\": $last," '!(index($0, last) && seen[$0]++)'
}

# is_the_same_run DIRECTORY WHAT
is_the_same_run() {
    check "$2: the last checkpoint has the bytes of the uninterrupted run's" cmp whole/$newest "$1/$newest"
    check "$2: the best checkpoint too" cmp whole/best.safetensors "$1/best.safetensors"
    check "$2: metrics.jsonl too: $(diff <(lines_of whole/metrics.jsonl) <(lines_of "$1/metrics.jsonl") | head -3)" \
        cmp -s <(lines_of whole/metrics.jsonl) <(lines_of "$1/metrics.jsonl")
}

# gone PID...: returns when none of them is alive
gone() {
    local pid
    for pid in "$@"; do
        for ((i = 0; i < 500; i++)); do
            grep -qs '^State:.[^Z]' "/proc/$pid/status" || break
            sleep 0.02
        done
    done
}

# run_and_kill NP SECONDS VICTIM: starts or resumes the run, and kills after a while the launcher and all ranks, one
# rank, or the launcher.  Succeeds when the run ended by itself before.
run_and_kill() {
    local np=$1 launcher ranks victims
    mpirun -np "$np" "$LOCKSTEP" train c.yaml --run-dir part --resume auto </dev/null >log 2>&1 &
    launcher=$!
    sleep "$2"
    kill -STOP $launcher 2>/dev/null # so that it starts no rank behind our back
    ranks=$(cat /proc/$launcher/task/*/children 2>/dev/null)
    case $3 in
    all) victims="$launcher $ranks" ;;
    launcher) victims=$launcher ;;
    one) victims=$(echo ${ranks:-$launcher} | cut -d ' ' -f $((RANDOM % np + 1))) ;;
    esac
    kill -KILL $victims 2>/dev/null
    kill -CONT $launcher 2>/dev/null
    wait $launcher 2>/dev/null
    code=$?
    gone $ranks
    [ $code = 4 ] || [ $code = 0 ]
}

n_kills=0 n_runs=0 victims=(all all one launcher)
while [ $n_kills -lt $N_KILLS ]; do
    np=$((RANDOM % 5 + 1))
    seconds=0.$((RANDOM % 60 + 25))
    if run_and_kill $np $seconds "${victims[RANDOM % 4]}"; then
        is_the_same_run part "run $n_runs, killed $n_kills times so far"
        n_runs=$((n_runs + 1))
        rm -rf part
        continue
    fi
    n_kills=$((n_kills + 1))
    grep 'lockstep: error' log | grep -v 'target was not reached' && fail "a killed run printed an error"
    for file in part/latest part/best.safetensors; do
        [ ! -e $file ] || hash_of $file >/dev/null || fail "$file is broken after kill $n_kills"
    done
    [ ! -L part/latest ] || [ -e part/latest ] || fail "latest points nowhere after kill $n_kills"
    printf 'kill %d: %s ranks, after %s s, at %s\n' $n_kills $np $seconds "$(readlink part/latest)"
done
# Half-written files of a former process are in nobody's way.
mkdir -p part
printf 'half a file' >part/$newest.tmp
printf 'half a file' >part/ckpt-00000298.safetensors.tmp
printf 'half a file' >part/latest.tmp
expect_exit 4 "target was not reached" run_np 3 train c.yaml --run-dir part --resume auto
is_the_same_run part "killed $n_kills times in all"

# ---- a resumed run that is complete ends at once, and the same ----
expect_exit 4 "target was not reached" run_np 5 train c.yaml --run-dir part --resume auto
is_the_same_run part "resumed when complete"

# ---- ranks that are killed in the moment between making node memory and unlinking it leave it: the next start cleans up ----
[ -z "${LS_OWN_SHM:-}" ] || head -c 5000 /dev/zero >/dev/shm/lockstep-1-0-5ca1e
expect_exit 4 "target was not reached" run_np 2 train c.yaml --run-dir part --resume auto
same "node memory of killed ranks is gone" "$(left_behind)" ""

# ---- damaged checkpoints ----
damage() { # damage FILE HOW
    local size
    size=$(stat -c %s "$1")
    case $2 in
    cut) truncate -s $((size / 2)) "$1" ;;
    empty) : >"$1" ;;
    header) printf 'X' | dd of="$1" bs=1 seek=300 conv=notrunc status=none ;;
    data) printf '\x55\xaa' | dd of="$1" bs=1 seek=$((size - 1001)) conv=notrunc status=none ;;
    esac
}
for how in cut empty header data; do
    rm -rf damaged
    cp -a whole damaged
    damage damaged/$newest $how
    expect_exit 4 "target was not reached" run_np 4 train c.yaml --run-dir damaged --resume auto
    check "$how: the damaged file is named" grep -q "warning: damaged/$newest.*trying the checkpoint before it" err
    check "$how: the run went on from the one before" grep -q "300 (2 in this run)" out
    is_the_same_run damaged "$how"
done
for file in damaged/ckpt-*; do damage "$file" data; done
expect_exit 3 "damaged/ckpt-00000294.safetensors: damaged" run_np 2 train c.yaml --run-dir damaged --resume auto

# ---- by path: from a checkpoint in the middle of an epoch into a new directory ----
expect_exit 4 "target was not reached" run_np 4 train c.yaml --run-dir other --resume whole/ckpt-00000296.safetensors
check "a run resumed elsewhere ends the same" cmp whole/$newest other/$newest
# ---- and without a checkpoint `auto` starts anew ----
expect_exit 4 "target was not reached" run_np 4 train c.yaml --run-dir fresh --resume auto
is_the_same_run fresh "started by --resume auto"

# ---- batches that grow: from before, at and behind the change (15 iterations an epoch, then 4) ----
grow=(--set 'batch={schedule: [{epoch: 0, size: 64}, {epoch: 2, size: 256}]}' --set 'optimizer={name: lamb, lr: 0.002, ema: 0.9}'
    --set 'schedule={name: polynomial, unit: epochs, warmup: 1}' --epochs 5 --set checkpoint.keep=0)
expect_exit 4 "target was not reached" run_np 2 train c.yaml --run-dir grown "${grow[@]}"
same "42 iterations: two epochs of 15, three of 4" "$(readlink grown/latest)" ckpt-00000042.safetensors
for at in 2 28 30 32 40; do
    expect_exit 4 "target was not reached" run_np 3 train c.yaml --run-dir grown.$at "${grow[@]}" \
        --resume grown/ckpt-$(printf %08d $at).safetensors
    check "resumed after $at iterations" cmp grown/ckpt-00000042.safetensors grown.$at/ckpt-00000042.safetensors
done

same "no node memory is left behind" "$(left_behind)" ""
finish
