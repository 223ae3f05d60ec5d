#!/usr/bin/env bash
# Every installed header compiles by itself, as C11 and as C++.  usage: headers.sh PREFIX CC CXX
set -eu
include=$1/include cc=$2 cxx=$3
bad=0 n=0
compiles() { # COMPILER LANGUAGE STANDARD HEADER
  printf '#include <%s>\nint ls_unit;\n' "$4" |
    "$1" -x "$2" "-std=$3" -Wall -Wextra -Werror -fsyntax-only "-I$include" - || { echo "$4 is no $3"; bad=1; }
}
for header in "$include"/lockstep/*.h; do
  name=lockstep/$(basename "$header")
  compiles "$cc" c c11 "$name"
  command -v "$cxx" >/dev/null && compiles "$cxx" c++ c++11 "$name"
  n=$((n + 1))
done
[ $n -gt 20 ] || { echo "only $n headers are installed"; bad=1; }
exit $bad
