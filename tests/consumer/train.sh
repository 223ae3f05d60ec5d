#!/usr/bin/env bash
# The outside project of this folder finds what is installed, builds, and trains: with the same bits on 1 and 2 ranks, linked to the
# shared and to the static library, by CMake and by pkg-config.  usage: train.sh PREFIX LIBDIR CC WORK
set -eu
prefix=$1 lib=$1/$2 cc=$3 work=$4
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$work"
cmake -S "$here" -B "$work" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release >"$work.log" ||
  { cat "$work.log"; exit 1; }
cmake --build "$work" >>"$work.log" || { cat "$work.log"; exit 1; }
export PKG_CONFIG_PATH=$lib/pkgconfig
# shellcheck disable=SC2046 # flags are words
"$cc" -o "$work/by_pkgconfig" "$here/consumer.c" $(pkg-config --cflags --libs lockstep) "-Wl,-rpath,$lib"

cd "$here" # of consumer.yaml
expected=$("$here/../mpirun.sh" 1 "$work/consumer")
echo "1 rank: $expected"
[[ $expected =~ ^[0-9.e+-]+\ [0-9a-f]{14,16}$ ]] || exit 1
awk '{ exit !($1 < 0.2) }' <<<"$expected" || { echo "no learning: a guess has a loss of log 2 = 0.69"; exit 1; }
for run in "2 consumer" "3 consumer" "1 consumer_static" "2 by_pkgconfig"; do
  got=$("$here/../mpirun.sh" "${run% *}" "$work/${run#* }")
  [ "$got" = "$expected" ] || { echo "$run: $got"; exit 1; }
done
