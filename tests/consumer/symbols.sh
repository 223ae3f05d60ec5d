#!/usr/bin/env bash
# The shared library exports what the installed headers declare and nothing else; all names of the static one begin with
# ls_.  usage: symbols.sh PREFIX LIBDIR
set -eu
lib=$1/$2 headers=$1/include/lockstep
bad=0
complain() { echo "$1"; bad=1; }

exported=$(nm -D --defined-only "$lib/liblockstep.so" | awk '{ print $3 }')
declared=$(cat "$headers"/*.h | grep -ow 'ls_[a-z0-9][a-z0-9_]*' | sort -u)
for symbol in $exported; do
  grep -qx "$symbol" <<<"$declared" || complain "$symbol is exported and stands in no public header"
done
for symbol in ls_job_start ls_trainer_run ls_layer_register ls_reader_register; do
  grep -qx $symbol <<<"$exported" || complain "$symbol is not exported"
done
hits=$(nm -g --defined-only "$lib/liblockstep.a" 2>/dev/null | awk 'NF == 3 && $3 !~ /^ls_/ { print $3 }' | sort -u)
[ -z "$hits" ] || complain "$hits: global in the static library"
exit $bad
