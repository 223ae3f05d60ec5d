#!/usr/bin/env bash
# cppcheck finds nothing in src but what cppcheck.supp leaves out; skipped where it is missing.
# usage: cppcheck.sh SOURCE_ROOT
set -eu
cd "$1"
command -v cppcheck >/dev/null || { echo "cppcheck is not installed: skipped"; exit 77; }
cppcheck -j"$(nproc)" --quiet --error-exitcode=1 --std=c11 --library=posix,gnu --enable=warning,performance,portability \
  --suppressions-list=tests/tree/cppcheck.supp --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
  '-Djson_array_foreach(list,i,one)=for (i = 0; (one = json_array_get(list, i)) != NULL; i++)' \
  '-Djson_object_foreach(map,key,one)=for (key = "", one = NULL; one != NULL;)' \
  -D_GNU_SOURCE -Iinclude -Isrc src
