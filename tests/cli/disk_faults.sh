#!/usr/bin/env bash
# Disks that fail: a checkpoint that cannot be written is a warning and is tried again at the next interval, those before
# it stay, only a last one that fails is exit 8; a damaged one is told and the one before is used.  disk_fault.c says
# which faults there are.
. "$(dirname "$0")/lib.sh"
command -v cc >/dev/null || {
    echo "skipped: no C compiler to make the faulty disk with"
    exit 77
}
cc -shared -fPIC -O1 -o disk_fault.so "$LS_SOURCE/tests/cli/disk_fault.c" -ldl || exit 1
small_config c.yaml
program=$LOCKSTEP

# with_fault "FAULT NAME [COUNT [AFTER]]": from here on the program runs on such a disk
with_fault() {
    local name count after
    read -r fault name count after <<<"$1"
    {
        echo '#!/bin/sh'
        echo "export LS_FAULT=$fault LS_FAULT_NAME=$name ${count:+LS_FAULT_COUNT=$count} ${after:+LS_FAULT_AFTER=$after}"
        echo "export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 LD_PRELOAD=$work/disk_fault.so"
        echo "exec $program \"\$@\""
    } >faulty
    chmod +x faulty
    LOCKSTEP=$work/faulty
}

sound() {
    LOCKSTEP=$program
}

same_files() { # same_files WHAT DIRECTORY FILE...: whole, with the same parameters
    local what=$1 directory=$2 file
    shift 2
    for file in "$@"; do
        same "$what: $file is that of a sound disk" "$(hash_of "$directory/$file" 2>&1)" "$(hash_of whole/"$file")"
    done
    same "$what: nothing half-written is left" "$(find "$directory" -name '*.tmp')" ""
}

best=(--set checkpoint.best=validation_loss)
last=ckpt-00000020.safetensors
expect_exit 0 "done" run_np 2 train c.yaml --run-dir whole "${best[@]}"
same "a line for every file, the best and the numbered one" "$(grep -c '"event": "save"' whole/metrics.jsonl)" 8
check "with the time that training stood still" grep -q '"stall_s": 0.*"write_s": 0' whole/metrics.jsonl

# ---- one save fails: a warning, the others are there, the run is the same ----
for background in true false; do
    for fault in full write tear sync close open link; do
        rm -rf part
        with_fault "$fault ckpt-00000010 1"
        expect_exit 0 "done" run_np 3 train c.yaml --run-dir part "${best[@]}" --set checkpoint.background=$background
        what="$fault, background $background"
        check "$what: a warning" grep -q "warning: part/ckpt-00000010.*cannot be written.*the next checkpoint is tried" err
        check "$what: in the metrics too" grep -q '"event": "warning".*ckpt-00000010' part/metrics.jsonl
        check "$what: the file is not there" test ! -e part/ckpt-00000010.safetensors
        same_files "$what" part ckpt-00000005.safetensors ckpt-00000015.safetensors $last best.safetensors
        same "$what: latest" "$(readlink part/latest)" $last
    done
    sound
    rm -rf part
    expect_exit 0 "done" run_np 3 train c.yaml --run-dir part "${best[@]}" --set checkpoint.background=$background
    same_files "background $background" part ckpt-00000010.safetensors $last best.safetensors
done

# ---- a best state that was not written is tried again; a numbered one does not tell of it ----
rm -rf part
with_fault "write best.safetensors 1"
expect_exit 0 "done" run_np 2 train c.yaml --run-dir part "${best[@]}"
check "the best: a warning" grep -q "warning: part/best.safetensors.*cannot be written" err
check "the best: the numbered one of that save waits for the next time" test ! -e part/ckpt-00000005.safetensors
same_files "the best" part $last best.safetensors

# ---- the disk takes no lines for a while: they wait, and no checkpoint is written before them ----
rm -rf part
with_fault "full metrics.jsonl 2 $(($(head -1 whole/metrics.jsonl | wc -c) + 60))"
expect_exit 0 "done" run_np 2 train c.yaml --run-dir part "${best[@]}"
check "lines: a warning" grep -q "warning: part/metrics.jsonl: cannot be written: No space left on device; its lines wait" err
same_files "lines" part $last best.safetensors
check "lines: none is lost" cmp <(without_times whole/metrics.jsonl) <(without_times part/metrics.jsonl)
check "lines: nor twice there" test "$(grep -c '"event": "start"' part/metrics.jsonl)" = 1

# ---- short writes are no fault; a slow disk is waited for ----
rm -rf part
with_fault "short ckpt-"
expect_exit 0 "done" run_np 2 train c.yaml --run-dir part "${best[@]}"
same_files "short writes" part ckpt-00000010.safetensors $last
rm -rf part
with_fault "slow ckpt-"
expect_exit 0 "done" run_np 2 train c.yaml --run-dir part "${best[@]}"
same_files "a slow disk" part ckpt-00000005.safetensors ckpt-00000010.safetensors ckpt-00000015.safetensors $last
check "a slow disk: the time of writing" grep -q 'ckpt-00000010.*"write_s": 0\.[5-9]' part/metrics.jsonl
check "a slow disk: the next save waited" grep -q 'ckpt-00000005.*"stall_s": 0\.[3-9]' part/metrics.jsonl

# ---- the last save fails: exit 8, the one before stays, and the run can go on ----
for background in true false; do
    rm -rf part
    with_fault "full $last"
    expect_exit 8 "part/$last: cannot be written: No space left" run_np 3 train c.yaml --run-dir part "${best[@]}" \
        --set checkpoint.background=$background
    same_files "the last fails, background $background" part ckpt-00000015.safetensors
    same "the last fails: latest" "$(readlink part/latest)" ckpt-00000015.safetensors
    sound
    expect_exit 0 "done" run_np 2 train c.yaml --run-dir part "${best[@]}" --resume auto
    same_files "the last failed, resumed" part $last best.safetensors
done
rm -rf part
with_fault "write ckpt-"
expect_exit 8 "part/$last: cannot be written: Input/output error" run_np 2 train c.yaml --run-dir part
same "all fail: warnings" "$(grep -c 'warning: part/ckpt-' err)" 3
check "all fail: nothing is there" test ! -e part/latest

# ---- no memory for the copy: 1721 parameters and their momentum, in 64-byte lines ----
rm -rf part
wide=(--set 'model=[{dense: 101}, relu, {dense: 4}]')
sound
expect_exit 0 "done" run_np 2 train c.yaml --run-dir wide "${wide[@]}"
same "the copy that plan names" "$("$LOCKSTEP" plan c.yaml "${wide[@]}" --json | grep -o '"copy_mb": [0-9.]*')" '"copy_mb": 0.014'
with_fault "memory - 1 13824"
expect_exit 0 "done" run_np 2 train c.yaml --run-dir part "${wide[@]}"
check "no memory: a notice" grep -q "no memory for a copy of the state (0.0 MB): training waits" err
check "no memory: the same bytes" cmp wide/$last part/$last
sound

# ---- damage: every region of a real checkpoint (test_checkpoint flips every bit of a small one) ----
size=$(stat -c %s whole/$last)
header=$(od -An -tu8 -N8 whole/$last | tr -d ' ')
data=$((header + 8))
damaged_is_told() { # damaged_is_told WHAT: of damaged/$last
    expect_exit 3 "damaged/$last: " run_np 0 inspect damaged/$last
    expect_exit 0 "done" run_np 2 train c.yaml --run-dir damaged "${best[@]}" --resume auto
    check "$1: a warning, and the one before" grep -q "warning: damaged/$last.*trying the checkpoint before it" err
    same_files "$1" damaged $last
}
flip() { # flip WHAT OFFSET
    local byte
    rm -rf damaged
    cp -a whole damaged
    byte=$(od -An -tu1 -j "$2" -N1 whole/$last | tr -d ' ')
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of=damaged/$last bs=1 seek="$2" conv=notrunc status=none
    damaged_is_told "$1"
}
flip "header length" 0
flip "header length, high byte" 6
flip "JSON" 12
flip "hash" $(($(grep -abo xxh3 whole/$last | head -1 | cut -d: -f1) + 8))
flip "padding" $((data - 1))
at=$data
for n in 192 16 64 4 192 16 64 4; do # weights, biases, their momentum
    flip "tensor at $at" $((at + 2 * n))
    at=$((at + 4 * n))
done
same "these are all tensors" $at "$size"
flip "last byte" $((size - 1))
for n in 0 7 8 100 $data $((size - 1)); do
    rm -rf damaged
    cp -a whole damaged
    truncate -s "$n" damaged/$last
    damaged_is_told "cut to $n bytes"
done
rm -rf damaged
cp -a whole damaged
printf x >>damaged/$last
damaged_is_told "a byte behind the end"
finish
