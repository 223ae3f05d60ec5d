#!/usr/bin/env bash
# --init-from: start values from a file; the same bits on every rank count, and a resumed run does not need the file.
. "$(dirname "$0")/lib.sh"
own_shm
small_config c.yaml
expect_exit 0 "done" run_np 2 train c.yaml --run-dir first --max-iterations 7
mkdir conf
cp c.yaml conf/mine.yaml
cp first/latest w.safetensors
cp first/latest conf/beside.safetensors
begun=$(hash_of w.safetensors)

# ---- the file's bits on any rank count, on nodes that share no memory, and with replicas; no optimizer state ----
for np in 1 3 5; do
    expect_exit 0 "start values from w.safetensors" run_np $np train c.yaml --run-dir start$np --max-iterations 0 \
        --init-from w.safetensors
    same "parameters at the start on $np ranks" "$(hash_of start$np/latest)" "$begun"
done
expect_exit 0 "" run_np 3 train c.yaml --run-dir nodes --max-iterations 0 --init-from w.safetensors --set runtime.ranks_per_node=1
same "parameters at the start on 3 nodes" "$(hash_of nodes/latest)" "$begun"
expect_exit 0 "" run_np 3 train c.yaml --run-dir replicas --max-iterations 0 --init-from w.safetensors \
    --set exchange.method=mpi_allreduce
same "parameters at the start of replicas" "$(hash_of replicas/latest)" "$begun"
for np in 1 2 3; do
    expect_exit 0 "iterations +6 \(6 in this run\)" run_np $np train c.yaml --run-dir run$np --max-iterations 6 \
        --init-from w.safetensors
    same "a run from the file on $np ranks" "$(hash_of run$np/latest)" "$(hash_of run1/latest)"
done
expect_exit 0 "" run_np 1 train c.yaml --run-dir decay --max-iterations 1 --init-from w.safetensors --lr 0
same "a rate of 0 leaves the file's parameters" "$(hash_of decay/latest)" "$begun"

# ---- the key, and where the file is looked up ----
expect_exit 0 "start values from .*conf/beside.safetensors" run_np 2 train conf/mine.yaml --run-dir key --max-iterations 0 \
    --set train.init_from=beside.safetensors
same "the key train.init_from" "$(hash_of key/latest)" "$begun"

# ---- a resumed run needs no file, and ends with the same bits ----
expect_exit 0 "" run_np 2 train c.yaml --run-dir again --max-iterations 3 --init-from w.safetensors
mv w.safetensors moved.safetensors
expect_exit 0 "going on from" run_np 3 train c.yaml --run-dir again --max-iterations 6 --resume auto
same "resumed without the file" "$(hash_of again/latest)" "$(hash_of run1/latest)"
expect_exit 0 "going on from" run_np 1 train c.yaml --run-dir again --max-iterations 6 --resume auto --init-from w.safetensors
expect_exit 3 "train.init_from: .*w.safetensors: No such file" run_np 3 train c.yaml --run-dir none --resume auto \
    --init-from w.safetensors
expect_exit 0 "start values from moved" run_np 2 train c.yaml --run-dir none --max-iterations 6 --resume auto \
    --init-from moved.safetensors
same "nothing to resume: from the file" "$(hash_of none/latest)" "$(hash_of run1/latest)"

# ---- what does not fit ----
for np in 1 3; do
    expect_exit 3 "moved.safetensors: its tensors do not fit the model: missing 1.weight, 1.bias; unexpected 2.weight, 2.bias \(" \
        run_np $np train c.yaml --run-dir never --init-from moved.safetensors --set 'model=[{dense: 16}, {dense: 4}]'
    expect_exit 3 "0.weight is F32 \[16, 12\], expected F32 \[9, 12\].*2.weight is F32 \[4, 16\], expected F32 \[4, 9\]" \
        run_np $np train c.yaml --run-dir never --init-from moved.safetensors --set 'model=[{dense: 9}, relu, {dense: 4}]'
    expect_exit 3 "c.yaml: .*not a safetensors file" run_np $np train c.yaml --run-dir never --init-from c.yaml
    expect_exit 3 "is a directory" run_np $np train c.yaml --run-dir never --init-from conf
done
check "a run that was refused leaves no checkpoint" test ! -e never/latest
same "no shared memory is left" "$(left_behind)" ""
finish
