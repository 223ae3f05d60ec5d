#!/usr/bin/env bash
# The layers of the program: arrows point down, siblings do not include each other (see README, "How it works").
# usage: includes.sh SOURCE_ROOT
set -eu
cd "$1"
bad=0
complain() { echo "$1"; bad=1; }

# allowed MODULE: the modules that MODULE may include
allowed() {
  case $1 in
    base) echo base ;;
    math) echo base math ;;
    model | optim | data | comm) echo base math "$1" ;;
    train) echo base math model optim data comm train ;;
    study) echo base math model optim data comm train study ;;
    cli) echo base math model optim data comm train study cli ;;
  esac
}

# module_of HEADER: the module that a header of include/lockstep belongs to
module_of() {
  case $1 in
    course | linkage | memory | option | rng | status) echo base ;;
    layer | loss | network) echo model ;;
    optimizer | schedule) echo optim ;;
    augment | dataset | reader | sampler) echo data ;;
    exchange | job | reduction | watchdog) echo comm ;;
    checkpoint | config | metrics | noise | plan | scale | stop | trainer) echo train ;;
    fit | report | study) echo study ;;
  esac
}

# check FILE MODULE: the file, a part of the module, includes what it may
check() {
  local include folder module
  for include in $(sed -n 's/^#include "\([a-z]*\/[a-z_]*\)\.[a-z]*".*/\1/p' "$1"); do
    folder=${include%/*}
    module=$folder
    [ "$folder" = lockstep ] && module=$(module_of "${include#*/}")
    case " $(allowed "$2") " in *" $module "*) ;; *) complain "$1 includes $include, of ${module:-no module}" ;; esac
  done
}

for file in src/*/*.[ch]; do
  module=${file#src/}
  check "$file" "${module%/*}"
done
for file in include/lockstep/*.h; do
  module=$(module_of "$(basename "$file" .h)")
  if [ -n "$module" ]; then check "$file" "$module"; else complain "$file: give it a module in tests/tree/includes.sh"; fi
done
hits=$(grep -rlE '#include *<mpi\.h>' src include | grep -v '^src/comm/' || true)
[ -z "$hits" ] || complain "$hits: <mpi.h> outside src/comm"
hits=$(grep -rlE '#include *<cblas\.h>' src include | grep -v '^src/math/blas.c$' || true)
[ -z "$hits" ] || complain "$hits: <cblas.h> outside src/math/blas.c"
hits=$(grep -rlwE 'exit|abort' --include='*.c' src | xargs grep -lE '\b(exit|abort)\(' | grep -v '^src/cli/main.c$' || true)
[ -z "$hits" ] || complain "$hits: ends the process outside cli"
exit $bad
