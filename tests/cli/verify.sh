#!/usr/bin/env bash
# --verify-every: while the program runs, one bit of one node's copy of the parameters is changed from outside, as a bad
# memory cell would; the run ends with 6, says where once, and has saved nothing of it.
. "$(dirname "$0")/lib.sh"
skip() {
    echo "skipped: $*"
    exit 77
}
command -v python3 >/dev/null || skip "no python3 to change memory with"

# The learning rate of 0 keeps the parameters as the first checkpoint has them: that is how their place is found.
cat >c.yaml <<'END'
data:
  train: {format: synthetic, samples: 2000, features: 200, classes: 5, hidden: 8}
model: [{dense: 300}, relu, {dense: 5}]
batch: {global_batch_size: 2000, shards: 4}
optimizer: {name: sgd, lr: 0}
train: {max_iterations: 1000000}
checkpoint: {initial: true}
END

# flip.py PID CHECKPOINT I: the lowest bit of number I of the first weights, in the node memory of a process that stands
# still
cat >flip.py <<'END'
import json, re, struct, sys
pid, path, i = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with open(path, "rb") as file:
    n = struct.unpack("<Q", file.read(8))[0]
    first = json.loads(file.read(n))["0.weight"]["data_offsets"][0]
    file.seek(8 + n + first + 4 * i)
    wanted = file.read(64)
for line in open(f"/proc/{pid}/maps"):
    if "/dev/shm/lockstep-" not in line: continue
    begin, end = (int(x, 16) for x in re.match(r"(\w+)-(\w+)", line).groups())
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(begin)
        at = memory.read(end - begin).find(wanted)
        if at < 0: continue
        memory.seek(begin + at)
        memory.write(bytes([wanted[0] ^ 1]))
        sys.exit(0)
sys.exit("not found")
END

mpirun -np 2 "$LOCKSTEP" train c.yaml --run-dir part --set runtime.ranks_per_node=1 --verify-every 1 </dev/null >out 2>err &
pid=$!
for ((i = 0; i < 500; i++)); do
    [ ! -e part/latest ] || break
    sleep 0.02
done
check "it runs on two nodes" grep -q '"nodes": 2' part/metrics.jsonl
ranks=$(cat /proc/$pid/task/*/children)
victim=${ranks%% *}
first=$(hash_of part/latest)
sleep 0.5

# A bit that changes while the slices are sent is written over, or sent to all: then another one is changed.
n_flips=0 found=1
while [ $n_flips -lt 40 ] && grep -qs '^State:.[^Z]' /proc/$pid/status; do
    kill -STOP $ranks
    python3 flip.py "$victim" part/latest $((100 * n_flips)) 2>why
    found=$?
    kill -CONT $ranks
    if grep -q 'Permission' why; then
        kill -KILL $pid $ranks
        skip "no right to change another process's memory"
    fi
    n_flips=$((n_flips + 1))
    sleep 0.3
done
check "the number was found: $(cat why)" test $found = 0
kill -USR1 $pid 2>/dev/null
wait $pid
same "the exit code after $n_flips flips" $? 6
same "one line says it" "$(grep -c 'lockstep: error' err)" 1
check "where: $(cat err)" grep -qE "error: replicas disagree after [0-9]+ iterations: node 1 \(host [^)]+\) differs from \
node 0 \(host [^)]+\) \(which is right cannot be told\) in tensor '0.weight', elements 0 to 4095 \(slice of rank 0\); 1 of" err
check "metrics.jsonl names it" grep -q '"event": "end".*LS_EREPLICA' part/metrics.jsonl
same "the checkpoint is that of before" "$(hash_of part/latest) $(readlink part/latest)" "$first ckpt-00000000.safetensors"
expect_exit 0 "done: train.max_time_s is over" run_np 2 train c.yaml --run-dir part --set runtime.ranks_per_node=1 --verify-every 1 \
    --resume auto --set train.max_time_s=0.2
same "it goes on" "$(hash_of part/latest)" "$first"
finish
