#!/usr/bin/env bash
# The layers of the program: arrows point down, siblings do not include each other (see README, "The tree").
# usage: includes.sh SOURCE_ROOT
set -eu
cd "$1"
bad=0
complain() { echo "$1"; bad=1; }

# allowed MODULE: folders of src/ that MODULE may include
allowed() {
  case $1 in
    base) echo base ;;
    math) echo base math ;;
    model | optim | data | comm) echo base math "$1" ;;
    train) echo base math model optim data comm train ;;
    study) echo base math model optim data comm train study ;;
    cli) echo base math model optim data comm train study cli ;;
    *) echo "" ;;
  esac
}

for file in src/*/*.[ch]; do
  module=$(basename "$(dirname "$file")")
  for include in $(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$file"); do
    [ "$include" = lockstep ] && continue
    case " $(allowed "$module") " in *" $include "*) ;; *) complain "$file includes $include/" ;; esac
  done
done
for header in config plan checkpoint metrics stop trainer; do
  hits=$(grep -l "lockstep/$header.h" src/{base,math,model,optim,data,comm}/* || true)
  [ -z "$hits" ] || complain "$hits: lockstep/$header.h, a header of train"
done
for header in fit; do
  hits=$(grep -l "lockstep/$header.h" src/{base,math,model,optim,data,comm,train}/* || true)
  [ -z "$hits" ] || complain "$hits: lockstep/$header.h, a header of study"
done
for pair in model:dataset model:optimizer model:schedule model:sampler model:job model:exchange optim:layer optim:network optim:loss \
  model:reader model:reduction model:watchdog data:watchdog optim:watchdog optim:reduction data:reduction optim:reader optim:dataset optim:sampler optim:job optim:exchange data:layer data:network data:loss data:optimizer data:schedule \
  data:job data:exchange comm:layer comm:network comm:loss comm:optimizer comm:schedule comm:reader comm:dataset comm:sampler; do
  hits=$(grep -l "lockstep/${pair#*:}.h" src/"${pair%:*}"/* || true)
  [ -z "$hits" ] || complain "$hits: a sibling's header, lockstep/${pair#*:}.h"
done
hits=$(grep -rlE '#include *<mpi\.h>' src include | grep -v '^src/comm/' || true)
[ -z "$hits" ] || complain "$hits: <mpi.h> outside src/comm"
hits=$(grep -rlE '#include *<cblas\.h>' src include | grep -v '^src/math/blas.c$' || true)
[ -z "$hits" ] || complain "$hits: <cblas.h> outside src/math/blas.c"
hits=$(grep -rlwE 'exit|abort' --include='*.c' src | xargs grep -lE '\b(exit|abort)\(' | grep -v '^src/cli/main.c$' || true)
[ -z "$hits" ] || complain "$hits: ends the process outside cli"
exit $bad
