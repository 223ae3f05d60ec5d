#!/usr/bin/env bash
# bench: the parts of an iteration, its limit, and the exchange against MPI's; numbers, no files.
. "$(dirname "$0")/lib.sh"
small_config c.yaml

expect_exit 0 "ranks 2, global batch 50" run_np 2 bench c.yaml --iterations 5
for part in samples_per_s iteration_ms barrier_us data_ms forward_ms backward_ms wait_ms network_ms add_ms update_ms evaluation_s \
    gemm_gflops gemm_ms; do
    check "bench prints $part" grep -Eq "\\b$part +[0-9.e+-]+" out
done
expect_exit 0 '"samples_per_s": [0-9.]+' run_np 2 bench c.yaml --iterations 5 --json
json "bench --json" out
check "bench writes nothing" test ! -e runs

# ---- the limit of an iteration: its products alone, each shape told ----
expect_exit 0 '"limit_ms": [0-9.]+, "iteration_over_limit": [0-9.]+' run_np 2 bench c.yaml --iterations 3 --limit --json
expect_exit 0 "C \+= A B'" run_np 1 bench c.yaml --iterations 3 --limit

# ---- the exchange against MPI_Allreduce, without a configuration ----
expect_exit 0 "ranks 2: ms of combine" run_np 2 bench --exchange
same "a row of each size" "$(grep -Ec '^ +[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$' out)" 4
check "with their ratio" awk 'NF == 4 && $1 ~ /^[0-9]+$/ { if ($2 <= 0 || $3 <= 0 || ($4 - $2 / $3) ^ 2 > 1e-4) exit 1 }' out
expect_exit 0 '"ranks": 3, "parameters": 100000, "exchange_ms": [0-9.]+, "allreduce_ms": [0-9.]+' run_np 3 bench --exchange --json
same "an object a size" "$(python3 -c 'import json; print([json.loads(line)["parameters"] for line in open("out")])' 2>&1)" \
    "[100000, 669706, 3300000, 11000000]"
finish
