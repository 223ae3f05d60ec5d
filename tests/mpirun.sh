#!/usr/bin/env bash
# mpirun.sh NP PROGRAM [ARGUMENT ...]: a bounded run on NP ranks, with what MPI needs in tests.  ctest puts the launcher of
# the MPI that the program was built against first in $PATH.
set -u
. "$(dirname "$0")/mpi-env.sh"
exec timeout -k 5 "${LS_TIMEOUT:-200}" mpirun -np "$@" </dev/null
