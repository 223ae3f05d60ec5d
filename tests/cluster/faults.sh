#!/usr/bin/env bash
# What may befall a run on two hosts: killed ranks, launcher and daemons, a link that is cut, ranks that stand still.  The
# job ends soon and leaves nothing that is in the next one's way, which goes on to the bits of a run that nothing befell.
set -u
. "$LS_SOURCE/tests/cluster/lab.sh"
lab_alone
iterations=1000 # every one crosses the network
. "$LS_SOURCE/tests/cluster/runs.sh"
run=$LS_SOURCE/launch/run
quiet_run || fail "the quiet run"
lab_up 2
on_h1=(nsenter --net="/run/netns/$lab_prefix-h1" --uts="$lab_dir/uts-h1" -- "$run" --agent "$lab_dir/agent" --network 10.77.0.0/24)

is_over() { ! kill -0 $pid 2>/dev/null; }

# begin RUN ARGUMENT...: ranks 0 and 1 on h1, 2 and 3 on h2, held after the first checkpoint; launch/run is $pid.  Seldom,
# on a busy machine, Open MPI's daemon on h2 finds no way back to mpirun: no rank has begun then, and it is tried again.
begin() {
    local try
    for try in 1 2 3; do
        "${on_h1[@]}" --hosts h1:2,h2:2 train run.yaml --run-dir "$1" "${@:2}" >"$1.out" 2>&1 &
        pid=$!
        until [ -e "$1/latest" ] || is_over; do sleep 0.01; done
        is_over && grep -q 'unable to reliably start one or more daemons' "$1.out" || break
        echo "$1: Open MPI could not start its daemons"
    done
    hold "$1"
}

no_ranks() { [ -z "$(ranks_of "$1")" ]; }

# ends RUN CODE SECONDS: launch/run ends with the code within that time, and all ranks with it
ends() {
    local start=$SECONDS
    check "$1: it ends within $3 s" until_true "$3" is_over
    is_over || kill -KILL $pid
    wait $pid
    same "$1: the exit code" $? "$2"
    echo "$1: ended after $((SECONDS - start)) s"
    check "$1: no rank is left" until_true 10 no_ranks "$1"
}

# goes_on RUN: resumed on one machine and other ranks, with the bits of the quiet run and nothing left in memory.  What a
# killed mpirun leaves of Open MPI's own is in nobody's way.
goes_on() {
    "$run" -n 3 --bind none train run.yaml --run-dir "$1" --resume auto >"$1.again" 2>&1
    same "$1: resumed" $? 0
    same "$1: the parameters" "$(hash_of "$1/latest")" "$expected"
    same "$1: half-written files" "$(find "$1" -name '*.tmp')" ""
    same "$1: shared memory" "$(ls /dev/shm | grep -v '^vader_segment')" ""
    [ "$n_failed" = 0 ] || grep -v '^iter' "$1.out" | sed "s|^|    $1: |"
}

rank_pid() { # rank_pid RUN RANK
    local p
    for p in $(ranks_of "$1"); do
        tr '\0' '\n' <"/proc/$p/environ" | grep -qx "OMPI_COMM_WORLD_RANK=$2" && echo "$p"
    done
}
kill_rank() { kill -KILL "$(rank_pid "$@")"; }
kill_launcher() { pkill -KILL -x mpirun; }
kill_daemon() { pkill -KILL -x orted; } # of h2

# ---- killed; a segment of node memory that a killed rank left ----
begin rank
head -c 100000 /dev/zero >/dev/shm/lockstep-1-0-5ca1e
interrupt rank kill_rank rank 1
ends rank 137 10
goes_on rank
begin far-rank
interrupt far-rank kill_rank far-rank 2
ends far-rank 137 10
goes_on far-rank
begin launcher
interrupt launcher kill_launcher
ends launcher 137 10
goes_on launcher
begin daemon
interrupt daemon kill_daemon
ends daemon 205 10
goes_on daemon

# ---- the link of h2: cut for 3 s, and for good ----
begin short
interrupt short lab_cut 2
sleep 3
lab_heal 2
ends short 0 30
same "short: the parameters" "$(hash_of short/latest)" "$expected"
begin cut
interrupt cut lab_cut 2
ends cut 205 15
lab_heal 2
goes_on cut

# ---- stopped: rank 0, whose place rank 1 takes; and a whole host, which the other one misses ----
stop() { kill -STOP "$@"; }
limits=(--set runtime.stall_warn_s=1 --set runtime.stall_abort_s=3)
begin stopped "${limits[@]}"
interrupt stopped true
stop "$(rank_pid stopped 0)"
ends stopped 7 15
check "stopped: a warning" grep -q 'warning: nothing has moved on node 0 (h1) .* it waits for rank 0$' stopped.out
check "stopped: where it is" grep -Eq '^lockstep:   rank 0: .* of iteration [0-9]+.*does not run' stopped.out
check "stopped: the error" grep -q 'error: stalled: nothing has moved on node 0 (h1) .* it waits for rank 0$' stopped.out
goes_on stopped
begin host "${limits[@]}"
interrupt host true
stop "$(rank_pid host 2)" "$(rank_pid host 3)"
ends host 7 15
check "host: the error" grep -q 'error: stalled: nothing has moved on node 0 (h1) .* it waits for another node$' host.out
goes_on host

lab_down
same "processes at the end" "$(ps -e -o comm= | grep -vxE 'bash|ps|grep')" ""
finish
