#!/usr/bin/env bash
# lockstep against PyTorch on this machine, side by side: A B C A B C ..., medians of PAIRS rounds.  `bound`: samples/s if
# an iteration were its matrix products alone, measured in the same runs; `barrier`: microseconds of one MPI_Barrier of
# the two ranks, which tells whether their cores share a cache.
# Needs a release build, python3 with torch, and Fashion-MNIST.  usage: compare_pytorch.sh [--model mlp|cnn] [PAIRS]
set -eu
cd "$(dirname "$0")/../.."
model=mlp
[ "${1:-}" != --model ] || { model=$2; shift 2; }
pairs=${1:-5}
case $model in
  mlp) networks="784,512,512,10 784,128,10" batches="64 256 1024" samples=51200 ;;
  cnn) networks=simple_cnn batches="64 256" samples=2560 ;;
  *) echo "compare_pytorch.sh: unknown model '$model'; known: mlp, cnn" >&2; exit 2 ;;
esac
python=${PYTHON:-python3}
lockstep=${LOCKSTEP:-build/release/lockstep}
peer_script=${PEER:-tests/bench/pytorch_peer.py}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tests/mpi-env.sh
unset OMPI_MCA_hwloc_base_binding_policy OMPI_MCA_mpi_yield_when_idle # ranks are bound, one per core

$python -c 'import torch' 2>/dev/null || { echo "compare_pytorch.sh: $python has no torch; set PYTHON" >&2; exit 2; }
field() { $python -c 'import json,sys; print(json.loads(sys.stdin.readlines()[-1])[sys.argv[1]])' "$1"; }

model_of() { # 784,512,10 -> the YAML list of its layers
  local list="" width
  for width in $(echo "$1" | cut -d, -f2- | tr , ' '); do list="$list, dense: $width, relu"; done
  echo "$list" | sed 's/^, //; s/, relu$//; s/dense: \([0-9]*\)/{dense: \1}/g; s/.*/[&]/'
}

ours() {
  local what=(configs/fashion_cnn.yaml)
  [ $model = cnn ] || what=(configs/fashion_mlp.yaml --set "model=$(model_of "$1")")
  mpirun -np 2 --bind-to core --map-by core "$lockstep" bench "${what[@]}" --json --limit --iterations "$3" \
    --global-batch-size "$2" </dev/null >"$work/run"
  field samples_per_s <"$work/run" >>"$work/a"
  field barrier_us <"$work/run" >>"$work/e"
  echo "$2 $(field limit_ms <"$work/run")" | awk '{ print 1000 * $1 / $2 }' >>"$work/d"
}
peer() { $python "$peer_script" --model $model --layers "$1" --batch "$2" --iterations "$3" --ranks "$4" --threads "$5" | field samples_per_s; }
median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

printf '%s\n' "$($python -c 'import torch; print("PyTorch", torch.__version__)'), $pairs rounds, medians, samples/s"
printf '%-16s %6s %9s %9s %9s %9s %8s %8s %8s %8s\n' network batch lockstep bound DDP threads /bound /better /DDP barrier
for layers in $networks; do
  for batch in $batches; do
    iterations=$((samples / batch + samples / 1024))
    rm -f "$work"/*
    for ((i = 0; i < pairs; i++)); do
      ours $layers $batch $iterations
      peer $layers $batch $iterations 2 1 >>"$work/b"
      peer $layers $batch $iterations 1 2 >>"$work/c"
    done
    a=$(median "$work/a") b=$(median "$work/b") c=$(median "$work/c") d=$(median "$work/d") e=$(median "$work/e")
    awk -v n="$layers" -v s="$batch" -v a="$a" -v b="$b" -v c="$c" -v d="$d" -v e="$e" 'BEGIN {
      better = b > c ? b : c
      printf "%-16s %6d %9.0f %9.0f %9.0f %9.0f %8.2f %8.2f %8.2f %8.2f\n", n, s, a, d, b, c, a / d, a / better, a / b, e }'
  done
done
