#!/usr/bin/env bash
# Nothing that MPI-3 or MPI-4 has deleted or deprecated, or Open MPI 5 no longer has, is used.  usage: mpi.sh SOURCE_ROOT
set -eu
cd "$1"
gone='MPI_(Address|Type_(hindexed|hvector|struct|extent|lb|ub)|Errhandler_(create|get|set)|Attr_(delete|get|put)|Keyval_(create|free))'
gone="$gone|MPI_(LB|UB|COMBINER_[A-Z]+_INTEGER|Handler_function|Info_get|Sizeof)|MPI::[A-Za-z_]+"
! grep -rnwE "$gone" src include tests --include='*.[ch]'
