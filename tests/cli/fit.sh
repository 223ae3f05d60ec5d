#!/usr/bin/env bash
# fit: tables of steps to target as a user has them, the published fits, what is printed and what is refused.
. "$(dirname "$0")/lib.sh"

# A published series (Zhang et al. 2025, 85M), and a second one of three points.
cat >steps.csv <<'END'
model,goal,B,Steps
85M,3.42,64,46000
85M,3.42,128,23000
85M,3.42,256,13282
85M,3.42,512,7000
85M,3.42,1024,3840
85M,3.42,2048,2528
85M,3.42,4096,1917
85M,3.42,8192,1600
85M,3.42,16384,1600
"few, quoted",1,8,100
"few, quoted",1,16,60
"few, quoted",1,32,40
END

expect_exit 0 'B_crit = E_min/S_min \(McCandlish\) +2191  \[1897, 2530\]' run_np 0 fit steps.csv
for words in 'columns not used: goal' '85M: 9 runs at 9 batch sizes, 0 censored' '307.2 \(Zhang\) +745.3' \
    'a = 1293.827, b = 2834258;' 'B_crit identified: 6 batch sizes below it, 3 above' 'few, quoted: 3 runs' \
    'B_crit not identified: 3 batch sizes reached the target, the fit needs 6' 'alpha of S = a \+ b/B\^alpha'; do
    check "no '$words'" grep -Eq -- "$words" out
done

expect_exit 0 '"series": "85M"' run_np 0 fit steps.csv --json
command -v python3 >/dev/null && check "JSON" python3 -c '
import json
fits = json.load(open("out"))["fits"]
big, few = fits[0]["fit"], fits[1]["fit"]
assert abs(big["a"] / 1293.827 - 1) < 1e-3 and abs(big["b"] / 2834258 - 1) < 1e-3, big
assert big["identified"] and big["variance"] == "residual" and big["df"] == 7 and len(big["batches"]) == 9
assert big["s_min"]["low"] < big["a"] < big["s_min"]["high"] and big["bootstrap"]["resamples"] == 0
assert big["batches"][0]["batch_size"] == 64 and big["batches"][0]["median"] == {"value": 46000, "low": None, "high": None}
assert fits[1]["series"] == "few, quoted" and not few["identified"] and "needs 6" in few["verdict"]
'

# ---- seeds, repeats, censored runs; the bits do not depend on the order of the lines ----
{
    echo 'global_batch_size,seed,steps,censored'
    for b in 4 16 64 256 1024 4096 16384; do
        for seed in 0 1 2 3 4; do
            echo "$b,$seed,$((350 + 350 * 230 / b + (seed - 2) * (350 + 350 * 230 / b) / 20)),$((b == 4 && seed > 2))"
        done
    done
} >runs.csv
expect_exit 0 '35 runs at 7 batch sizes, 2 censored' run_np 0 fit runs.csv
check "the median reaches the censored runs" grep -Eq '^ +4 +5 +2 +20475  \[18428, not reached\] +0\.938' out
check "bootstrap" grep -Eq 'B_crit, seed bootstrap \(cross-check\) +[0-9]' out
check "pooled" grep -q 'pooled within batch sizes; intervals: Student t, 26 degrees of freedom' out
run_np 0 fit runs.csv --json | sed 's/"file": "[^"]*"//' >one.json
{ head -1 runs.csv; tail -n +2 runs.csv | tac; } >turned.csv
run_np 0 fit turned.csv --json | sed 's/"file": "[^"]*"//' >two.json
check "the order of lines" cmp one.json two.json
check "null for infinity" grep -q '"batch_size": 4, "n": 5, "n_censored": 2, "median": {"value": 20475, "low": 18428, "high": null}' one.json

# ---- bad input: one sentence with file and line, exit 3 ----
# bad REGEX TEXT: a file with this text is refused
bad() {
    printf "$2" >bad.csv
    expect_exit 3 "bad.csv:$1" run_np 0 fit bad.csv
}
bad '1: the file is empty' ''
bad '1: expected a column B' 'x,steps\n1,2\n'
bad '1: expected a column steps' 'B,x\n1,2\n'
bad "1: 'batch' is a second column for B" 'B,batch,steps\n1,2,3\n'
bad '2: no run follows the header' 'B,steps\n'
bad "2: B: expected a whole number from 1, found '0'" 'B,steps\n0,2\n'
bad "3: B: expected a whole number from 1, found '2.5'" 'B,steps\n1,2\n2.5,2\n'
bad "2: steps: expected a number above 0 .*found '-1'" 'B,steps\n4,-1\n'
bad "2: steps: expected a number above 0 .*found 'nan'" 'B,steps\n4,nan\n'
bad "2: steps: expected a number above 0 .*found ''" 'B,steps\n4,\n'
bad "2: censored: expected 0, 1, .*found 'maybe'" 'B,steps,censored\n4,10,maybe\n'
bad "2: seed: expected a whole number from 0, found 'x'" 'B,steps,seed\n4,10,x\n'
bad '3: expected 2 fields as in the header, found more' 'B,steps\n4,10\n4,10,1\n'
bad '3: expected 2 fields as in the header, found fewer' 'B,steps\n4,10\n4\n'
bad '4: seed 7 at B = 4 was already on line 2' 'B,steps,seed\n4,10,7\n8,9,7\n4,11,7\n'
bad '3: expected fields, found an empty line' 'B,steps\n4,10\n\n4,11\n'
expect_exit 3 'none.csv: cannot be opened: No such file' run_np 0 fit none.csv
expect_exit 3 '\.:1: cannot be read: Is a directory' run_np 0 fit .
expect_exit 2 'expected one argument, a CSV file' run_np 0 fit
expect_exit 2 'unknown flag --jsonn; did you mean --json' run_np 0 fit steps.csv --jsonn

finish
