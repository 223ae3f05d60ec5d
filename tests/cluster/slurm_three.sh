#!/usr/bin/env bash
# launch/slurm.sbatch on a Slurm cluster of three nodes: signals, a node whose power fails, a node that is cut off.  The
# job goes on by itself on the nodes that are left and ends with the bits of a run that nothing interrupted.
set -u
. "$LS_SOURCE/tests/cluster/lab.sh"
. "$LS_SOURCE/tests/cluster/slurm_lab.sh"
slurm_can || exit 77
lab_alone
iterations=1000 # every one crosses the network
. "$LS_SOURCE/tests/cluster/runs.sh"
quiet_run || fail "the quiet run"
slurm_up 3 64 || { fail "no cluster"; finish; }

# ---- runs and signals on three nodes ----
declare -A jobs
for run in {mpirun,srun}-{quiet,signal,requeue}; do
    submit $run --nodes=3 --export=ALL,LAUNCHER=${run%-*}
    jobs[$run]=$job
    [[ $run == *-quiet ]] || hold $run
done
for launcher in mpirun srun; do
    interrupt $launcher-signal tell "${jobs[$launcher-signal]}" --signal=USR1 --batch
    interrupt $launcher-requeue lab_on 1 scontrol requeue "${jobs[$launcher-requeue]}"
done
for launcher in mpirun srun; do
    completed $launcher-quiet "${jobs[$launcher-quiet]}" 0
    completed $launcher-signal "${jobs[$launcher-signal]}" 1
    completed $launcher-requeue "${jobs[$launcher-requeue]}" 1
    check "$launcher: on three nodes" grep -q '"nodes": 3,' $launcher-quiet/metrics.jsonl
    check "$launcher: saved at once when requeued" saved_for "$(grep 'going on from' $launcher-requeue.out)"
done

# ---- a node's power fails, under mpirun and under srun: on the other two nodes the runs go on ----
for launcher in mpirun srun; do
    submit $launcher-killed --nodes=2 --export=ALL,LAUNCHER=$launcher
    jobs[$launcher-killed]=$job
    hold $launcher-killed
    same "$launcher-killed: its nodes" "$(of_job NodeList "$job")" "h[1-2]"
done
lab_kill 2
for launcher in mpirun srun; do signal_ranks CONT $launcher-killed; done
for launcher in mpirun srun; do
    completed $launcher-killed "${jobs[$launcher-killed]}" 1
    same "$launcher-killed: its nodes at the end" "$(of_job NodeList "${jobs[$launcher-killed]}")" "h[1,3]"
done
slurm_join 2
until_true 30 slurm_idle 3 || fail "h2 does not come back"

# ---- a node is cut off ----
submit cut --nodes=2
hold cut
interrupt cut lab_cut 2
completed cut "$job" 1
lab_heal 2

nothing_left
finish
