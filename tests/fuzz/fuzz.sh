#!/usr/bin/env bash
# fuzz.sh TARGET SEEDS CORPUS: runs a fuzz target for LS_FUZZ_SECONDS (60) from the seeds and from what earlier runs kept
# in CORPUS.  A finding is left beside it as CORPUS-crash-..., and fails.
set -eu
target=$1 seeds=$2 corpus=$3
mkdir -p "$corpus"
# Symbols slow every finding down, not the search; what MPI and its friends keep at load time is no leak of ours.
export LSAN_OPTIONS=suppressions=$(dirname "$0")/../lsan.supp:print_suppressions=0 UBSAN_OPTIONS=print_stacktrace=1
"$target" -max_total_time="${LS_FUZZ_SECONDS:-60}" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=256 \
  -artifact_prefix="$corpus-" -print_final_stats=1 -verbosity=1 "$corpus" "$seeds" >"$corpus.log" 2>&1 || {
  tail -40 "$corpus.log"
  exit 1
}
grep -E "number_of_executed_units|peak_rss" "$corpus.log"
