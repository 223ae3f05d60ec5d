#!/usr/bin/env bash
# A run that goes on where other bits may come out is warned; ranks whose files differ do not train.
. "$(dirname "$0")/lib.sh"
small_config c.yaml

# ---- another kernel type of OpenBLAS, another build ----
run_np 2 train c.yaml --run-dir run --max-iterations 10 --quiet
expect_exit 0 "done" run_np 2 train c.yaml --run-dir run --resume auto --max-iterations 11
same "at home nobody is warned" "$(grep -c warning err)" 0
own=$(value_of blas_core run/metrics.jsonl | tr -d '"')
kernel_of() { "$@" "$LOCKSTEP" info | sed -n 's/^.*OpenBLAS.* \([A-Za-z]*\) MAX_THREADS.*/\1/p' | head -1; }
if [ "$(kernel_of env OPENBLAS_CORETYPE=Nehalem)" = Nehalem ] && [ "$own" != Nehalem ]; then
    expect_exit 0 "made with the OpenBLAS kernel type $own, this is Nehalem: .*OPENBLAS_CORETYPE=$own" \
        env OPENBLAS_CORETYPE=Nehalem mpirun -np 2 "$LOCKSTEP" train c.yaml --run-dir run --resume auto --max-iterations 12
    same "the warning comes once" "$(grep -c 'warning.*made' err)" 1
fi
commit=$("$LOCKSTEP" info | grep -oE 'commit [0-9a-f]{12}' | cut -d' ' -f2)
if [ -n "$commit" ]; then # the same program with another name of its sources stands for another build
    LC_ALL=C sed "s/$commit/0123456789ab/g" "$LOCKSTEP" >other-build
    chmod +x other-build
    expect_exit 0 "was made by another build \(commit $commit[^ ,]*, this is 0123456789ab[^ ,]*\): the bits may differ" \
        mpirun -np 2 ./other-build train c.yaml --run-dir run --resume auto --max-iterations 13
    same "this warning comes once" "$(grep -c 'another build' err)" 1
fi

# ---- each node has files of its own ----
mkdir a b
for f in a b; do printf '0.5,1,0\n1.5,2,1\n3,4,0\n-1,-2,1\n' >$f/t.csv; done
cat >files.yaml <<'END'
data: {train: {format: csv, file: t.csv, label: '2', header: false}}
model: [{dense: 4}, relu, {dense: 2}]
batch: {global_batch_size: 2}
train: {epochs: 1}
runtime: {ranks_per_node: 1}
END
apart() {
    timeout -k 5 60 mpirun -np 1 "$LOCKSTEP" train files.yaml --run-dir apart --overwrite --data-dir a : \
        -np 1 "$LOCKSTEP" train files.yaml --run-dir apart --overwrite --data-dir b </dev/null
}
expect_exit 0 "4 samples" apart
printf '0.5,1,0\n1.5,2,1\n3,4,0\n-1,-3,1\n' >b/t.csv
expect_exit 3 "this node reads other data than rank 0's" apart
printf '0.5,1,0\n1.5,2,1\n3,4,0\n' >b/t.csv
expect_exit 3 "this node's files differ in shape from rank 0's; copy the same files to every node" apart
finish
