#!/usr/bin/env bash
# lockstep info doctor: what it says of situations that are made here; it ends with 0 where they cost speed alone.
. "$(dirname "$0")/lib.sh"
processors=$(env -u OMP_NUM_THREADS nproc) # lib.sh sets it
kernel_of() { sed -n 's/^kernel type *//p'; }

# ---- alone, and under mpirun: one rank speaks ----
expect_exit 0 'matrix product: [0-9.]+ GFLOP/s' run_np 0 info doctor
for line in '^lockstep [0-9.]+: 1 rank on 1 host$' '^MPI: ' '^BLAS: .*kernel type' '^launcher: /.*mpirun, .*[0-9]' \
    '^host [^ ]+: [0-9]+ processors, .*/dev/shm of [0-9]+ MB, [0-9]+ MB free' '^  rank 0 on processors [0-9]'; do
    check "doctor says '$line'" grep -Eq "$line" out
done
same "one rank has nothing to wait for" "$(grep -c barrier out)" 0
[ "$processors" = 1 ] || check "it tells how to look at more ranks" grep -q "'mpirun -np [0-9]* lockstep info doctor'" out
expect_exit 0 'MPI barrier: [0-9.]+ us' run_np 2 info doctor
same "one rank speaks" "$(grep -c '^lockstep [0-9.]*: 2 ranks on 1 host$' out)" 1
expect_exit 2 "unexpected argument 'me'" run_np 2 info doctor me

# ---- more ranks than processors ----
many=$((2 * processors))
if [ "$many" -le 16 ]; then
    expect_exit 0 "^slower: $many ranks take turns on $processors processors? of host .*start [0-9]+ \(mpirun -np\)" \
        run_np $many info doctor
    check "which is named" grep -q "^lockstep .* $many ranks on 1 host" out
fi

# ---- two ranks on one processor, the others idle ----
if [ "$processors" -gt 1 ] && command -v taskset >/dev/null; then
    one=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
    bound() { timeout -k 5 60 taskset -c "$one" mpirun -np 2 "$LOCKSTEP" info doctor </dev/null; }
    expect_exit 0 "^slower: 2 ranks of host .* are bound to processor $one and take turns there.*--bind-to core" bound
    check "their processors" grep -q "^  ranks 0-1 on processors $one:" out
    [ "$processors" != 2 ] || each() {
        timeout -k 5 60 mpirun -np 1 taskset -c 0 "$LOCKSTEP" info doctor : -np 1 taskset -c 1 "$LOCKSTEP" info doctor </dev/null
    }
    if declare -F each >/dev/null; then
        expect_exit 0 '^  rank 1 on processors 1:' each
        same "ranks on processors of their own are not told off" "$(grep -c 'take turns' out)" 0
    fi
fi

# ---- OpenBLAS ----
expect_exit 0 '^note: OPENBLAS_NUM_THREADS is 2, .*runtime.blas_threads' env OPENBLAS_NUM_THREADS=2 "$LOCKSTEP" info doctor
own=$("$LOCKSTEP" info | kernel_of) low=$(OPENBLAS_CORETYPE=Nehalem "$LOCKSTEP" info | kernel_of)
if [ "$low" = Nehalem ] && [ "$own" != Nehalem ]; then
    expect_exit 0 '^slower: OpenBLAS uses Nehalem kernels \(SSE\) on a processor with AVX.*unset OPENBLAS_CORETYPE' \
        env OPENBLAS_CORETYPE=Nehalem "$LOCKSTEP" info doctor
    unlike() {
        timeout -k 5 60 mpirun -np 1 "$LOCKSTEP" info doctor : -np 1 env OPENBLAS_CORETYPE=Nehalem "$LOCKSTEP" info doctor </dev/null
    }
    expect_exit 2 'rank 1: the OpenBLAS (library|kernel type) differs' unlike
fi

# ---- the launcher ----
mkdir none other
ln -s "$(type -P true)" none/ssh # Open MPI looks for it
expect_exit 0 '^slower: there is no mpirun on the PATH' env PATH="$work/none" "$LOCKSTEP" info doctor
version='HYDRA build details:'
"$LOCKSTEP" info | grep -q '^MPI .*Open MPI' || version='mpirun (Open MPI) 4.1.4'
printf '#!/bin/sh\necho "%s"\n' "$version" >other/mpirun
chmod +x other/mpirun
expect_exit 2 'belongs to another MPI .*first on the PATH' env PATH="$work/other:$PATH" "$LOCKSTEP" info doctor

# ---- a small /dev/shm, and one that is too small ----
with_shm() { # with_shm SIZE ARGUMENT...: the program with a /dev/shm of its own
    in_mounts 'mount -t tmpfs -o size="$1" none /dev/shm && shift && exec "$@"' - "$1" "$LOCKSTEP" "${@:2}"
}
# with_cgroup SCRIPT: doctor where SCRIPT has filled /sys/fs/cgroup
with_cgroup() {
    in_mounts 'mount -t tmpfs none /sys/fs/cgroup && cd /sys/fs/cgroup && eval "$1" && exec "$2" info doctor' - "$1" "$LOCKSTEP"
}
if may_mount; then
    expect_exit 0 '^note: /dev/shm of host [^ ]+ has 6[0-9] MB; .*--shm-size' with_shm 64m info doctor
    expect_exit 1 'node memory for a trial: 1.0 MB are needed in /dev/shm' with_shm 64k info doctor
    if grep -q '^0::' /proc/self/cgroup; then
        expect_exit 0 '^slower: a quota gives the 1 rank.* the time of 0.5 processors' with_cgroup 'echo 50000 100000 >cpu.max'
        expect_exit 0 '; a quota of 1.5 processors;' with_cgroup 'echo 150000 100000 >cpu.max'
        same "which is enough" "$(grep -c '^slower: a quota' out)" 0
        with_cgroup 'echo max 100000 >cpu.max' >out
        same "no quota" "$(grep -c quota out)" 0
    fi
    if grep -Eq ':cpu[,:]' /proc/self/cgroup; then
        expect_exit 0 'the time of 0.25 processors' \
            with_cgroup 'mkdir cpu && echo 25000 >cpu/cpu.cfs_quota_us && echo 100000 >cpu/cpu.cfs_period_us'
        with_cgroup 'mkdir cpu && echo -1 >cpu/cpu.cfs_quota_us && echo 100000 >cpu/cpu.cfs_period_us' >out
        same "no quota of the older kind" "$(grep -c quota out)" 0
    fi
else
    echo "no namespace with mounts of its own: /dev/shm and cgroups are not tried"
fi
finish
