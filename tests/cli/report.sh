#!/usr/bin/env bash
# lockstep report: page, numbers and pictures of a study and of training runs, from sound, odd and broken directories.
. "$(dirname "$0")/lib.sh"
here=$LS_SOURCE/tests/cli
command -v python3 >/dev/null || exit 77
study_figures="steps frontier targets arms tuning rates error noise time"
run_figures="loss accuracy lr bnoise gnorm iteration_ms time_split"

for kind in study odd broken empty run; do python3 "$here/report_fixture.py" $kind $kind || exit 1; done
hostile="run <b>'\`x\` & \$(y)"
cp -r run "$hostile"

# sound PAGE FIGURE...: what report_check.py finds wrong
sound() {
    n_checks=$((n_checks + 1))
    python3 "$here/report_check.py" "$@" >"$work/wrong" || fail "$1: $(cat "$work/wrong")"
}

# drawn FOLDER FIGURE...: gnuplot made both files of every figure
drawn() {
    local folder=$1 name
    shift
    for name; do
        check "$folder/$name.svg" grep -q '</svg>' "$folder/$name.svg"
        check "$folder/$name.png" test "$(head -c 4 "$folder/$name.png" | tail -c 3)" = PNG
    done
}

expect_exit 0 'report: study/report.html' run_np 0 report study
sound study/report.html $study_figures
expect_exit 0 'report: run/report.html' run_np 0 report run
sound run/report.html $run_figures
expect_exit 0 'report: pages/two.html' run_np 0 report run/ "$hostile" --out pages/two.html
sound pages/two.html $run_figures
same "runs in the table" "$(grep -c '^<tr><td>' pages/two.html)" 2
if command -v gnuplot >/dev/null; then
    drawn study/figures $study_figures
    drawn pages/figures $run_figures
else
    echo "gnuplot is not installed: its files are not checked"
fi

# The same directory gives the same page.
cp study/report.html first.html
expect_exit 0 report run_np 0 report study
check "the page is reproducible" cmp study/report.html first.html

# Without gnuplot the page says so, and all else is there.
mkdir none
expect_exit 0 'gnuplot is not installed' env PATH="$work/none" "$LOCKSTEP" report study --out bare/report.html
sound bare/report.html $study_figures
check "the page says so" grep -q 'gnuplot is not installed' bare/report.html
same "pictures without gnuplot" "$(find bare/figures -name '*.svg' -o -name '*.png')" ""

# Odd and broken studies are valid pages that name what is wrong.
expect_exit 0 report run_np 0 report odd
sound odd/report.html steps frontier arms tuning rates
check "not identified" grep -q 'B_crit not identified' odd/report.html
check "lines left out" grep -q 'no JSON, and left out: 5' odd/report.html
expect_exit 0 report run_np 0 report broken
sound broken/report.html
check "broken results" grep -q 'results.json cannot be read: line 1' broken/report.html
expect_exit 0 report run_np 0 report empty
sound empty/report.html
mkdir new
echo '{"name": "begun"}' >new/study.json
expect_exit 0 report run_np 0 report new
sound new/report.html
check "no results yet" grep -q 'results.json is missing: the study has not ended' new/report.html
mkdir idle
: >idle/metrics.jsonl
expect_exit 0 report run_np 0 report idle
sound idle/report.html

# A real run, and bad input.
small_config c.yaml
check "a run" run_np 2 train c.yaml --run-dir real --quiet
expect_exit 0 report run_np 0 report real
check "figures of a run" grep -q 'id="loss"' real/report.html

# Its records as a table, which Python's csv and json read the same.
expect_exit 0 'table: real.csv' run_np 0 report real --csv real.csv
expect_exit 0 'no JSON, and left out: 1' run_np 0 report real "$hostile" --csv two.csv
same "rows of a table" "$(python3 "$here/csv_check.py" real.csv real; python3 "$here/csv_check.py" two.csv real "$hostile")" \
    "$(($(wc -l <real/metrics.jsonl))) rows
$(($(wc -l <real/metrics.jsonl) + $(grep -c '}$' "$hostile/metrics.jsonl"))) rows"
same "one head for all" "$(head -1 real.csv)" "$(head -1 two.csv)"
same "beside a table there is no page" "$(ls real/*.html)" real/report.html
expect_exit 0 'real/m.csv' run_np 2 report real --csv real/m.csv
same "the table under mpirun" "$(cat real/m.csv)" "$(cat real.csv)"
expect_exit 2 'study: expected the directory of a training run .*results.csv' run_np 0 report study --csv s.csv
expect_exit 2 'as in: lockstep report' run_np 0 report --csv s.csv
expect_exit 2 'leave out --out' run_np 0 report real --csv s.csv --out page.html
expect_exit 8 'nowhere/s.csv' run_np 0 report real --csv /proc/nowhere/s.csv
check "no table after a failure" test ! -e s.csv

expect_exit 2 'expected the directory of a study' run_np 0 report
expect_exit 2 'nowhere: expected the directory of a study' run_np 0 report run nowhere
expect_exit 2 '1 of the 2 directories hold a study' run_np 0 report run study
: >file
expect_exit 8 'file' run_np 0 report run --out file/report.html
finish
