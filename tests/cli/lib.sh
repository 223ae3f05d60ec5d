# Helpers of the command-line tests: `. "$(dirname "$0")/lib.sh"`.
#
# $LOCKSTEP is the program, $LS_SOURCE the root of the sources.  All files of a test lie in $work, which goes at the end.
# A failed check prints FAIL and the test goes on; the last line of every test is `finish`.
set -u
: "${LOCKSTEP:?path of the program}" "${LS_SOURCE:?root of the sources}"
. "$LS_SOURCE/tests/mpi-env.sh"
export OMPI_MCA_odls_base_sigkill_timeout=0 # mpirun takes a second less to end after a failure
# Open MPI unloads plug-ins that keep memory: lsan.supp cannot name them.  The unit and MPI tests look for leaks.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
test=$(realpath "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work" || exit 1
n_checks=0 n_failed=0

fail() {
    n_failed=$((n_failed + 1))
    printf 'FAIL: %s\n' "$*"
}

# check WHAT COMMAND...: the command succeeds
check() {
    local what=$1
    shift
    n_checks=$((n_checks + 1))
    "$@" || fail "$what"
}

# same WHAT A B: two texts are equal
same() {
    n_checks=$((n_checks + 1))
    [ "$2" = "$3" ] || fail "$1: '$2' is not '$3'"
}

finish() {
    printf '%d checks, %d failed\n' "$n_checks" "$n_failed"
    [ "$n_failed" = 0 ]
    exit
}

# run_np NP ARGUMENT...: the program on NP ranks; NP = 0: without mpirun
run_np() {
    local np=$1
    shift
    if [ "$np" = 0 ]; then
        timeout -k 5 "${LS_TIMEOUT:-60}" "$LOCKSTEP" "$@" </dev/null
    else
        timeout -k 5 "${LS_TIMEOUT:-60}" mpirun -np "$np" "$LOCKSTEP" "$@" </dev/null
    fi
}

# expect_exit CODE REGEX COMMAND...: ends with CODE; what it prints has a line that matches REGEX (extended); and all
# ranks together print one line of error, or none when CODE is 0.  Leaves the output in $work/out and $work/err.
expect_exit() {
    local code=$1 regex=$2 got lines
    shift 2
    n_checks=$((n_checks + 1))
    "$@" >"$work/out" 2>"$work/err"
    got=$?
    lines=$(grep -c 'lockstep: error:' "$work/err")
    [ "$got" = "$code" ] || fail "exit code $got, expected $code: $*"
    [ "$lines" = $((code == 0 ? 0 : 1)) ] || fail "$lines lines of error: $*"
    if [ "$code" = 0 ]; then cat "$work/out" "$work/err"; else grep 'lockstep: error:' "$work/err"; fi |
        grep -Eq -- "$regex" || fail "no '$regex' in: $(cat "$work/out" "$work/err" | head -5) -- $*"
}

# hash_of CHECKPOINT: hash of its parameters
hash_of() {
    "$LOCKSTEP" inspect "$1" --hash
}

# losses_of METRICS: text of iteration and loss (and the rest that is no time) of every training line
losses_of() {
    without_times "$1" | grep '"event": "train"'
}

# evals_of METRICS: the same of every evaluation
evals_of() {
    without_times "$1" | grep '"event": "eval"'
}

# without_times METRICS: the lines of training and evaluation, less what depends on the clock
without_times() {
    grep -E '"event": "(train|eval)"' "$1" |
        sed -E 's/, "(wall_s|iteration_ms|samples_per_s|seconds)": [^,}]*//g'
}

# value_of KEY FILE: the first value of a key in JSON text
value_of() {
    grep -oE "\"$1\": *(\"[^\"]*\"|\[[^]]*\]|[^,}]*)" "$2" | head -1 | sed 's/^[^:]*: *//'
}

# json WHAT FILE: the file is one JSON text
json() {
    command -v python3 >/dev/null || return
    check "$1 is JSON" python3 -m json.tool "$2" /dev/null
}

# bytes HEX...: the bytes
bytes() {
    local b
    for b in "$@"; do printf "\\x$b"; done
}

# idx_images FILE N ROWS COLUMNS: an IDX file of images, every byte different from its neighbours
idx_images() {
    {
        bytes 00 00 08 03
        printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' 0 0 $(($2 / 256)) $(($2 % 256)) 0 0 0 "$3" 0 0 0 "$4")"
        head -c $(($2 * $3 * $4)) < <(while :; do echo 'a pattern of bytes: 0123456789 ~!@#$%^&*()_+'; done)
    } >"$1"
}

# idx_labels FILE N CLASSES: an IDX file of labels 0, 1, ..., CLASSES - 1, 0, ...
idx_labels() {
    local i
    {
        bytes 00 00 08 01
        printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' 0 0 $(($2 / 256)) $(($2 % 256)))"
        for ((i = 0; i < $2; i++)); do printf "\\x0$((i % $3))"; done
    } >"$1"
}

# small_config FILE: a problem that is learnt in an instant; --set changes it
small_config() {
    cat >"$1" <<'END'
data:
  train: {format: synthetic, samples: 300, features: 12, classes: 4, hidden: 8, seed: 7}
  test: {format: synthetic, samples: 130, features: 12, classes: 4, hidden: 8, seed: 7, first: 300}
  validation: {last: 50}
model:
  - dense: 16
  - relu
  - dense: 4
loss: softmax_cross_entropy
batch: {global_batch_size: 50}
optimizer: {name: momentum, lr: 0.05}
train: {epochs: 4, seed: 1}
checkpoint: {every_iterations: 5, keep: 0}
END
}

# in_mounts SCRIPT ARGUMENT...: bash -c SCRIPT in a mount namespace of its own, where it may mount a tmpfs; 77 when the
# system does not allow it
in_mounts() {
    if unshare -m true 2>/dev/null; then
        unshare -m bash -c "$@"
    elif unshare -rm true 2>/dev/null; then
        unshare -rm bash -c "$@"
    else
        return 77
    fi
}

may_mount() {
    in_mounts 'mount -t tmpfs none /mnt' 2>/dev/null
}

# own_shm: starts the test once more in a namespace with a /dev/shm of its own, where nobody else's memory lies and
# what killed ranks leave goes at the end; without the right to mount, the test goes on as it is
own_shm() {
    [ -n "${LS_OWN_SHM:-}" ] && return
    may_mount || return
    LS_OWN_SHM=1 in_mounts 'mount -t tmpfs none /dev/shm && exec bash "$0"' "$test"
    exit
}

# Names of node memory in /dev/shm, as far as it is our own
left_behind() {
    [ -z "${LS_OWN_SHM:-}" ] || find /dev/shm -name 'lockstep-*'
}
