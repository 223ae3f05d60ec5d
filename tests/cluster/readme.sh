#!/usr/bin/env bash
# README's blocks of `sh hosts` and `sh slurm`, as they stand there, in a copy of the tree on two hosts h1 and h2.
set -u
. "$LS_SOURCE/tests/cluster/lab.sh"
. "$LS_SOURCE/tests/cluster/slurm_lab.sh"
slurm_can || exit 77
lab_alone
. "$LS_SOURCE/tests/cluster/runs.sh"
mkdir -p bin build/release
cp -r "$LS_SOURCE/launch" "$LS_SOURCE/configs" .
ln -s "$LOCKSTEP" build/release/lockstep
for class in hosts slurm; do
    python3 "$LS_SOURCE/tests/readme/readme.py" print $class >$class.sh
    check "blocks of sh $class" test -s $class.sh
done
unset LOCKSTEP_ROOT
slurm_up 2 4 || { fail "no cluster"; finish; }

# ssh as these hosts have it: options, host, command
cat >bin/ssh <<END
#!/bin/sh
while :; do case \$1 in -*) shift ;; *) break ;; esac; done
exec "$lab_dir/agent" "\$@"
END
chmod +x bin/ssh
(
    unset LOCKSTEP
    PATH=$work/bin:$PATH
    lab_on 1 timeout -k 5 100 bash -e hosts.sh >hosts.out 2>&1 </dev/null
)
same "the blocks of sh hosts" $? 0
for run in hosts net; do check "runs/$run: two nodes" grep -q '"nodes": 2,' runs/$run/metrics.jsonl; done
same "one hash" "$(hash_of runs/hosts/latest)" "$(hash_of runs/net/latest)"

(
    unset LOCKSTEP
    lab_on 1 bash -e slurm.sh >slurm.out 2>&1 </dev/null
)
same "the blocks of sh slurm" $? 0
until_true 200 no_jobs || fail "jobs that do not end: $(lab_on 1 squeue)"
for job in $(awk '/^Submitted batch job/ { print $NF }' slurm.out); do
    same "job $job" "$(of_job JobState "$job") $(of_job ExitCode "$job")" "COMPLETED 0:0"
done
same "runs/slurm has the bits of runs/hosts" "$(hash_of runs/slurm/latest)" "$(hash_of runs/hosts/latest)"
check "the study of four workers" test -s studies/synthetic/results.json
[ "$n_failed" = 0 ] || tail -n 5 ./*.out
nothing_left
finish
