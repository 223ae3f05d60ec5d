#!/usr/bin/env bash
# launch/slurm.sbatch and slurm-array.sbatch on a Slurm cluster of one node: whatever interrupts a job, it goes on by
# itself and ends with the bits of a run that nothing interrupted.
set -u
. "$LS_SOURCE/tests/cluster/lab.sh"
. "$LS_SOURCE/tests/cluster/slurm_lab.sh"
slurm_can || exit 77
lab_alone
. "$LS_SOURCE/tests/cluster/runs.sh"
quiet_run || fail "the quiet run"
slurm_up 1 64 || { fail "no cluster"; finish; }

# ---- the jobs run side by side: most of the time Slurm waits ----
declare -A jobs
for run in {mpirun,srun}-{quiet,signal,requeue}; do
    submit $run --export=ALL,LAUNCHER=${run%-*}
    jobs[$run]=$job
    [[ $run == *-quiet ]] || hold $run
done
submit limit --time=1
limit=$job
hold limit
for launcher in mpirun srun; do
    interrupt $launcher-signal tell "${jobs[$launcher-signal]}" --signal=USR1 --batch
    interrupt $launcher-requeue lab_on 1 scontrol requeue "${jobs[$launcher-requeue]}"
done
interrupt limit until_true 45 asked_by USR1 limit # Slurm looks at time limits twice a minute
for launcher in mpirun srun; do
    completed $launcher-quiet "${jobs[$launcher-quiet]}" 0
    completed $launcher-signal "${jobs[$launcher-signal]}" 1
    completed $launcher-requeue "${jobs[$launcher-requeue]}" 1
    check "$launcher: saved at once when requeued" saved_for "$(grep 'going on from' $launcher-requeue.out)"
done
completed limit "$limit" 1
check "the hash is in the summary" grep -q "hash *$expected" limit.out

# ---- pre-emption by a job that wants the whole node ----
submit preempted
low=$job
preempt() {
    batch --partition=high --exclusive --output=high.out --wrap='sleep 1'
    until_true 20 asked_by TERM preempted
}
hold preempted
interrupt preempted preempt
completed preempted "$low" 1

# ---- cancelled: saved, and not run again ----
for launcher in mpirun srun; do
    submit $launcher-cancelled --export=ALL,LAUNCHER=$launcher
    hold $launcher-cancelled
    interrupt $launcher-cancelled tell "$job"
    until_true 30 job_left "$job" || fail "$launcher, cancelled: the job does not end"
    same "$launcher, cancelled: the job" "$(of_job JobState "$job")" CANCELLED
    check "$launcher, cancelled: saved" saved_for "$(readlink $launcher-cancelled/latest)"
done

# ---- the configuration by a variable ----
mkdir runs
batch --output=runs/run.out --export=ALL,CONFIG=run.yaml "$LS_SOURCE/launch/slurm.sbatch"
completed runs/run "$job" 0

# ---- an array: every element is a worker, and the one that was interrupted is queued again ----
cat >worker <<'END'
#!/bin/sh
[ "$OMPI_COMM_WORLD_RANK" = 0 ] && echo "$SLURM_ARRAY_TASK_ID of $OMPI_COMM_WORLD_SIZE ranks: $*" >>workers.log
[ "$SLURM_ARRAY_TASK_ID" = 1 ] && [ -z "$SLURM_RESTART_COUNT" ] && exit 75
exit 0
END
chmod +x worker
LOCKSTEP=$work/worker batch --array=0-2 --ntasks=2 "$LS_SOURCE/launch/slurm-array.sbatch" study.yaml --run-dir s
until_true 60 job_left "$job" || fail "array: the job does not end"
same "array: the workers" "$(sort workers.log | tr '\n' ';')" "$(for i in 0 1 1 2; do printf '%s of 2 ranks: study study.yaml --run-dir s --worker;' $i; done)"

# ---- a site without RequeueExit ----
slurm_configure 1 64
lab_on 1 scontrol reconfigure
submit by-scontrol
hold by-scontrol
interrupt by-scontrol tell "$job" --signal=USR1 --batch
completed by-scontrol "$job" 1
check "by-scontrol: launch/run asked for it" grep -q 'asking Slurm to run the job again' by-scontrol.out

nothing_left
finish
