#!/usr/bin/env bash
# Files of at most 400 lines, headers 200, functions 60 (a function begins in column 0 with "{" and ends with "}").
# usage: sizes.sh SOURCE_ROOT
set -eu
cd "$1"
awk '
  FNR == 1 { if (name != "" && lines > limit) { print name ": " lines " lines, at most " limit; bad = 1 }
             name = FILENAME; limit = name ~ /\.h$/ ? 200 : 400 }
  { lines = FNR }
  /^\{/ { open = FNR }
  /^\}/ { if (open && FNR - open > 60) { print FILENAME ":" open ": a function of " FNR - open " lines"; bad = 1 } open = 0 }
  END { if (lines > limit) { print name ": " lines " lines, at most " limit; bad = 1 } exit bad }
' $(find src include tests -name '*.[ch]')
