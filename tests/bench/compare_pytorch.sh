#!/usr/bin/env bash
# lockstep against PyTorch on this machine, side by side: A B C A B C ..., medians of PAIRS rounds.
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
  mpirun -np 2 --bind-to core --map-by core "$lockstep" bench "${what[@]}" --json --iterations "$3" \
    --global-batch-size "$2" </dev/null | field samples_per_s
}
peer() { $python "$peer_script" --model $model --layers "$1" --batch "$2" --iterations "$3" --ranks "$4" --threads "$5" | field samples_per_s; }
median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

printf '%s\n' "$($python -c 'import torch; print("PyTorch", torch.__version__)'), $pairs rounds, medians, samples/s"
printf '%-16s %6s %10s %10s %10s %8s %8s\n' network batch lockstep DDP threads /better /DDP
for layers in $networks; do
  for batch in $batches; do
    iterations=$((samples / batch + samples / 1024))
    rm -f "$work"/*
    for ((i = 0; i < pairs; i++)); do
      ours $layers $batch $iterations >>"$work/a"
      peer $layers $batch $iterations 2 1 >>"$work/b"
      peer $layers $batch $iterations 1 2 >>"$work/c"
    done
    a=$(median "$work/a") b=$(median "$work/b") c=$(median "$work/c")
    awk -v n="$layers" -v s="$batch" -v a="$a" -v b="$b" -v c="$c" 'BEGIN {
      better = b > c ? b : c; printf "%-16s %6d %10.0f %10.0f %10.0f %8.2f %8.2f\n", n, s, a, b, c, a / better, a / b }'
  done
done
