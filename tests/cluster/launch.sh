#!/usr/bin/env bash
# launch/run on one machine and on 2 and 4 hosts: what it chooses, the same bits everywhere, signals, exit codes.
set -u
. "$LS_SOURCE/tests/cluster/lab.sh"
lab_alone
. "$LS_SOURCE/tests/cluster/runs.sh"
run=$LS_SOURCE/launch/run
quiet_run || fail "the quiet run"

# ---- what it would do ----
says() { # says WHAT REGEX OPTION...: the dry run prints a command that matches
    check "$1: $(cat out err 2>/dev/null)" grep -Eq -- "$2" <("$run" "${@:3}" --dry-run train run.yaml --run-dir dry 2>err | tee out)
}
many=$(($(nproc) + 1))
says "one rank is bound" "^mpirun -np 1 .*--bind-to core" -n 1
says "more ranks than cores yield" "-np $many .*--oversubscribe --bind-to none .*mpi_yield_when_idle 1" -n $many
says "more threads than cores are not bound" "--bind-to none .*--set runtime.blas_threads=$many" -n 1 --threads $many
says "BLAS threads" "-x OPENBLAS_NUM_THREADS=1"
says "ranks of hosts" "-np 5 .*--host a:3,b:3 .*--bind-to none" --hosts a,b -n 5
says "slots of hosts" "-np 5 .*--host a:2,b:3 " --hosts a:2,b:3
says "a lost host is noticed" "oob_tcp_keepalive_time 2" --hosts a,b -n 2
says "a network" "btl_tcp_if_include eth0 .*oob_tcp_if_include eth0" --hosts a,b -n 2 --network eth0
printf 'a slots=2 # first\n\nb slots = 4\nc\n' >hostfile
says "slots of a host file" "-np 7 .*--hostfile hostfile" --hostfile hostfile
SLURM_JOB_ID=1 SLURM_JOB_NUM_NODES=4 SLURM_TASKS_PER_NODE="2(x3),1" says "tasks of an allocation" "^mpirun -np 7 .*yield_when_idle 1"
SLURM_JOB_ID=1 PATH=$work:$PATH says "srun" "OMPI_MCA_mpi_yield_when_idle=1 .*srun --mpi=pmix --ntasks=3" --launcher "$(ln -sf /bin/true srun; echo srun)" -n 3
check "a dry run starts nothing" test ! -e dry

refused() { # refused REGEX OPTION...: exit code 2 and a message
    "$run" "${@:2}" </dev/null >out 2>&1
    same "refused: ${*:2}" "$?" 2
    check "$1: $(cat out)" grep -Eq -- "$1" out
}
refused "expected a number of ranks" -n 0 train run.yaml
refused "unknown option --host;" --host a train run.yaml
refused "leave out 'lockstep'" -n 2 lockstep train run.yaml
refused "expected HOST or HOST:SLOTS, not 'b:0'" --hosts a,b:0 train run.yaml
refused "exclude each other" --hosts a --hostfile hostfile train run.yaml
refused "no command" -n 2
refused "needs a Slurm allocation" --launcher srun train run.yaml
refused "for batch jobs" --requeue train run.yaml
refused "-n needs a value" -n

# ---- one machine ----
"$run" -n 4 train run.yaml --run-dir four >four.out 2>&1
same "four ranks" "$(hash_of four/latest)" "$expected"
check "it prints what it chose" grep -q '^launch/run: mpirun, 4 ranks on this machine' four.out
"$run" -n 2 train missing.yaml >out 2>&1
same "a bad configuration" $? 2
"$run" -n 2 train run.yaml --run-dir target --set target.metric=test_accuracy --set target.above=0.999 >out 2>&1
same "a target that is not reached" $? 4

# ---- signals to launch/run ----
set -m # a shell without job control would have what it starts in the background ignore INT
by_signal() { # by_signal SIGNAL WHERE... : WHERE starts launch/run and says how
    rm -rf part
    "${@:2}" train run.yaml --run-dir part >part.out 2>&1 &
    pid=$!
    hold part
    kill -"$1" -- -$pid
    interrupt part until_true 10 asked_by "$1" part
    wait $pid
    same "$1, ${*:2}: the exit code" $? 75
    "$run" -n 3 train run.yaml --run-dir part --resume auto >out 2>&1
    same "$1, ${*:2}: resumed" "$(hash_of part/latest)" "$expected"
}
for signal in USR1 TERM INT; do by_signal $signal "$run" -n 4; done

# USR2: the run saves and goes on
rm -rf part
"$run" -n 4 train run.yaml --run-dir part >part.out 2>&1 &
pid=$!
hold part
interrupt part kill -USR2 $pid
wait $pid
same "USR2: the exit code" $? 0
same "USR2: saves" "$(grep -c '"event": "save"' part/metrics.jsonl)" $(($(grep -c '"event": "save"' quiet/metrics.jsonl) + 1))
same "USR2: the hash" "$(hash_of part/latest)" "$expected"
rm -rf part
"$run" -n 2 train run.yaml --run-dir part >part.out 2>&1 &
pid=$!
sleep 0.05
kill -USR2 $pid
wait $pid
same "USR2 to a launcher that has hardly begun: the exit code" $? 0

# before the ranks exist, too
for delay in 0.1 0.2 0.4; do
    rm -rf part
    "$run" -n 4 train run.yaml --run-dir part --max-iterations 100000000 >part.out 2>&1 &
    pid=$!
    sleep $delay
    kill -TERM $pid
    wait $pid
    same "TERM after $delay s" $? 75
done

# a second INT ends the run at once
rm -rf part
"$run" -n 4 train run.yaml --run-dir part >part.out 2>&1 &
pid=$!
hold part
kill -INT $pid
until_true 10 asked_by INT part
kill -INT $pid
check "a second INT" until_true 10 eval '[ -z "$(ranks_of part)" ]'
wait $pid
check "a second INT: the exit code" test $? != 75

# ---- hosts ----
lab_up 4
on_h1=(nsenter --net="/run/netns/$lab_prefix-h1" --uts="$lab_dir/uts-h1" -- "$run" --agent "$lab_dir/agent" --network 10.77.0.0/24)
distributed() { # distributed NODES OPTION...
    rm -rf many
    "${on_h1[@]}" "${@:2}" train run.yaml --run-dir many >out 2>&1 || { fail "$*"; cat out; }
    check "$*: nodes" grep -q "\"nodes\": $1," many/metrics.jsonl
    same "$*" "$(hash_of many/latest)" "$expected"
}
distributed 2 --hosts h1,h2 -n 4
distributed 2 --hosts h1:3,h2:1
distributed 4 --hosts h1,h2,h3,h4 -n 4
printf 'h%d slots=1\n' 1 2 3 4 >hostfile
distributed 4 --hostfile hostfile
by_signal TERM "${on_h1[@]}" --hosts h1,h2 -n 4

lab_down
same "processes at the end" "$(ps -e -o comm= | grep -vxE 'bash|ps|grep')" ""
finish
