#!/usr/bin/env bash
# python.sh SCRIPT: runs it with a python3 that has NumPy and PyTorch, or at least NumPy.  $LS_PYTHON names one's own;
# .ci/run puts one with PyTorch into build/torch.
set -u
here=$(dirname "$0")
for modules in "numpy, torch" "numpy"; do
  for python in "${LS_PYTHON:-}" "$here/../../build/torch/bin/python3" python3 /usr/bin/python3; do
    [ -n "$python" ] && command -v "$python" >/dev/null || continue
    "$python" -c "import $modules" 2>/dev/null && exec "$python" "$@"
  done
done
echo "no python3 with NumPy: skipped"
exit 77
