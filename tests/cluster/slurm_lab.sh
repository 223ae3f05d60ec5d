# A Slurm cluster of the test's own on the hosts of lab.sh: munged, slurmctld on h1, a slurmd on every host.  Source it
# after runs.sh; call lab_alone first.  Nothing of the machine's own Slurm or munge is used or changed.
slurm_dir=/run/slurm
export SLURM_CONF=$slurm_dir/slurm.conf

PATH=$PATH:/usr/sbin

# slurm_can: succeeds where the programs are installed
slurm_can() {
    local program
    for program in munged slurmctld slurmd sbatch srun; do
        command -v $program >/dev/null || { echo "$program is not installed (launch/setup cluster): skipped"; return 1; }
    done
}

# slurm_configure HOSTS CPUS [RequeueExit=75]: writes slurm.conf.  Without cgroups, accounting and users; with
# pre-emption of the partition `low` by `high`.  A cut-off host counts as down after 8 s; cred_expire is how long a
# requeued job waits before it may start again; TmpFS keeps apart the hosts' files, which share one disk.
slurm_configure() {
    cat >"$SLURM_CONF" <<END
ClusterName=lab
SlurmctldHost=h1(10.77.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$slurm_dir/munge.sock,cred_expire=5
StateSaveLocation=$slurm_dir/state
SlurmdSpoolDir=$slurm_dir/spool.%n
TmpFS=$slurm_dir/tmp.%n
SlurmctldPidFile=$slurm_dir/slurmctld.pid
SlurmdPidFile=$slurm_dir/slurmd.%n.pid
SlurmctldLogFile=$slurm_dir/slurmctld.log
SlurmdLogFile=$slurm_dir/slurmd.%n.log
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
JobRequeue=1
${3:-}
KillWait=10
SlurmctldTimeout=30
SlurmdTimeout=8
$(for ((k = 1; k <= $1; k++)); do echo "NodeName=h$k NodeAddr=10.77.0.$k CPUs=$2 RealMemory=1000"; done)
PartitionName=low Nodes=ALL Default=YES MaxTime=30 DefaultTime=5 PriorityTier=1
PartitionName=high Nodes=ALL MaxTime=30 DefaultTime=5 PriorityTier=2
END
}

slurm_idle() { # slurm_idle HOSTS: that many hosts wait for work
    [ "$(lab_on 1 timeout 3 sinfo -h -N -p low -t idle -o %n | wc -l)" = "$1" ]
}

slurm_join() { # slurm_join K: starts the daemon of host K
    mkdir -p "$slurm_dir/tmp.h$1" "$slurm_dir/spool.h$1"
    lab_on "$1" slurmd -N "h$1"
}

# slurm_up HOSTS CPUS: hosts and cluster; fails with the logs when they do not stand within 30 s
slurm_up() {
    mkdir -p "$slurm_dir/state"
    lab_up "$1"
    (umask 077 && head -c 128 /dev/urandom >"$slurm_dir/munge.key")
    munged --force --key-file="$slurm_dir/munge.key" --socket="$slurm_dir/munge.sock" --pid-file="$slurm_dir/munged.pid" \
        --log-file="$slurm_dir/munged.log" --seed-file="$slurm_dir/munge.seed" --num-threads=2
    until_true 5 munge -n -S "$slurm_dir/munge.sock"
    slurm_configure "$1" "$2" RequeueExit=75
    lab_on 1 slurmctld
    for ((k = 1; k <= $1; k++)); do slurm_join "$k"; done
    until_true 30 slurm_idle "$1" || { tail -n 5 $slurm_dir/*.log; return 1; }
}

no_jobs() { [ -z "$(lab_on 1 timeout 3 squeue -h)" ]; }

ended() { # ended PID: gone, or a zombie
    local state
    state=$(awk '/^State:/ { print $2 }' "/proc/$1/status" 2>/dev/null)
    [ -z "$state" ] || [ "$state" = Z ]
}

# slurm_down: ends jobs and daemons, in this order, and the hosts
slurm_down() {
    local file pid
    lab_on 1 timeout 5 scancel --user=root --quiet
    until_true 20 no_jobs
    for file in "$slurm_dir"/slurmd.*.pid "$slurm_dir/slurmctld.pid" "$slurm_dir/munged.pid"; do
        [ -s "$file" ] || continue
        pid=$(cat "$file")
        kill -TERM "$pid" 2>/dev/null
        until_true 10 ended "$pid" || kill -KILL "$pid"
    done
    lab_down
    rm -rf "$slurm_dir"
}

# ---- jobs ----

batch() { # batch OPTION... SCRIPT ARGUMENT...: sbatch; the job's number goes to $job
    job=$(lab_on 1 sbatch --parsable --time=5 "$@")
}

# submit RUN OPTION...: a job of launch/slurm.sbatch that trains in the directory RUN
submit() {
    batch --output="$1.out" "${@:2}" "$LS_SOURCE/launch/slurm.sbatch" run.yaml --run-dir "$1"
}

# tell JOB OPTION...: a signal by scancel
tell() { lab_on 1 scancel "${@:2}" "$1"; }

of_job() { # of_job KEY JOB: a value of the job's record
    lab_on 1 scontrol show job "$2" | grep -oE "\b$1=[^ ]*" | head -1 | cut -d= -f2
}

job_left() { [ -z "$(lab_on 1 timeout 3 squeue -h -j "$1")" ]; }

# completed RUN JOB RESTARTS: the job ends, restarted at least so many times, with the bits of the quiet run
completed() {
    until_true 90 job_left "$2" || fail "$1: the job does not end"
    same "$1: the job" "$(of_job JobState "$2")" COMPLETED
    check "$1: $(of_job Restarts "$2") restarts" test "$(of_job Restarts "$2")" -ge "$3"
    same "$1: the parameters" "$(hash_of "$1/latest")" "$expected"
    [ "$n_failed" = 0 ] || grep -v '^iter' "$1.out" | sed "s|^|    $1: |"
}

# At the end: no process but the test's own, no shared memory, no host.
nothing_left() {
    slurm_down
    same "processes at the end" "$(ps -e -o comm= | grep -vxE 'bash|ps|grep')" ""
    same "shared memory at the end" "$(ls /dev/shm)" ""
    same "namespaces at the end" "$(ip netns list)" ""
}
