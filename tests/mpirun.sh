#!/usr/bin/env bash
# mpirun.sh NP PROGRAM [ARGUMENT ...]: a bounded run on NP ranks, with what Open MPI needs in tests.
set -u
. "$(dirname "$0")/mpi-env.sh"
exec timeout -k 5 "${LS_TIMEOUT:-200}" mpirun -np "$@" </dev/null
