#!/usr/bin/env bash
# Files of at most 400 lines, headers 200, functions of C 60 (they begin in column 0 with "{" and end with "}").
# usage: sizes.sh SOURCE_ROOT
set -eu
cd "$1"
awk '
  FNR == 1 { if (name != "" && lines > limit) { print name ": " lines " lines, at most " limit; bad = 1 }
             name = FILENAME; limit = name ~ /\.h$/ ? 200 : 400 }
  { lines = FNR }
  FNR == 1 { open = 0; is_c = name ~ /\.[ch]$/ }
  is_c && /^\{/ { open = FNR }
  /^\}/ { if (open && FNR - open > 60) { print FILENAME ":" open ": a function of " FNR - open " lines"; bad = 1 } open = 0 }
  END { if (lines > limit) { print name ": " lines " lines, at most " limit; bad = 1 } exit bad }
' $(find src include tests launch -name '*.[ch]' -o -name '*.py' -o -name '*.sh')
