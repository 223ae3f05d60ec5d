#!/usr/bin/env bash
# valgrind.sh PROGRAM [ARGUMENT ...]: the program under valgrind; 99 after a finding that neither Open MPI's list nor ours
# leaves out.  Memory that still can be reached at the end is no finding.
set -u
here=$(dirname "$0")
theirs=$(ompi_info --path pkgdatadir --parsable 2>/dev/null | sed 's/.*://')/openmpi-valgrind.supp
[ -r "$theirs" ] || theirs=/dev/null
exec valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --num-callers=40 \
  --suppressions="$theirs" --suppressions="$here/valgrind.supp" "$@"
