#!/usr/bin/env bash
# A study gives the same numbers on any number of ranks, in any grouping, killed and continued, and shared by two jobs;
# its trials are runs of `lockstep train`; and what is wrong is told.
. "$(dirname "$0")/lib.sh"

small_config base.yaml
cat >small.yaml <<'END'
base: base.yaml
set: {optimizer.name: sgd, data.train.samples: 1200, data.test.first: 1200, data.validation.last: 200}
sizes: [4, 16, 64]
targets: [0.35, 0.28]
seeds: {n: 2}
search: {lr_start: 0.25}
arms: [linear]
caps: {max_iterations: 3000, max_epochs: 40}
looks: {aim: 16, min: 4}
times: {repeats: 2, seconds: 0.01}
claim_expiry_s: 2
END

# numbers_of DIR: all that must not depend on ranks, kills and clocks
numbers_of() {
    cat "$1/results.csv"
    grep -vE '^ "(times|choice|run)"' "$1/results.json"
    sed -E 's/, "seconds": [^,]*, "ranks": [0-9]+//' "$1/trials.jsonl"
    (cd "$1/export" && find . -type f | sort | xargs sha256sum)
}

# study DIR NP ARGUMENT...
study() {
    local dir=$1 np=$2
    shift 2
    run_np "$np" study small.yaml --run-dir "$dir" "$@"
}

expect_exit 0 "done: .*report.html" study one 0
numbers_of one >one.numbers
check "trials were scored in both arms" test "$(grep -c '"purpose": "score"' one/trials.jsonl)" -ge 10
check "a score of every seed and size" test "$(grep -c '^tuned' one/results.csv)" = 12
check "the test set was used" grep -q '"test_error": 0' one/results.json
check "nothing is claimed any more" test -z "$(ls one/claims)"
check "a choice in words" grep -q '"text": "B = .* costs least' one/results.json
check "the report, with the settings" grep -q 'about 16 up to the target are aimed at.*Seeds: 2 a batch size, from 1001 on' one/report.html
same "six numbers a look" "$(head -1 one/trials.jsonl | grep -oE '\[0, [^]]*\]' | tr ',' '\n' | wc -l)" 6

# Ranks and groups.
for how in "2" "3" "4" "4 --set ranks_per_trial=2" "3 --set ranks_per_trial=3"; do
    rm -rf many
    expect_exit 0 "done: .*report.html" study many $how
    numbers_of many >many.numbers
    check "np $how is np 1: $(diff one.numbers many.numbers | head -3)" cmp -s one.numbers many.numbers
done

# A study that is done is not run again.
ls -l --time-style=full-iso one/trials >before
expect_exit 0 "done: .*report.html" study one 2
ls -l --time-style=full-iso one/trials >after
check "no trial was run again" cmp -s before after

# Killed at any moment, then continued.
rm -rf killed
for pause in 0.5 0.7 0.9 1.2; do
    setsid bash -c '. "$0/tests/mpi-env.sh"; exec mpirun -np 2 "$1" study small.yaml --run-dir killed --quiet' \
        "$LS_SOURCE" "$LOCKSTEP" >/dev/null 2>&1 &
    victim=$!
    sleep $pause
    kill -KILL -- "-$victim" 2>/dev/null
    wait $victim 2>/dev/null
done
expect_exit 0 "done: .*report.html" study killed 2
numbers_of killed >killed.numbers
check "killed is not killed: $(diff one.numbers killed.numbers | head -3)" cmp -s one.numbers killed.numbers

# A trial with few looks: killed between two, and stopped by a signal to the second rank of its group alone.
cat >rare.yaml <<'END'
base: base.yaml
set: {optimizer.name: sgd, batch.shards: 2}
sizes: [32]
targets: [0.0001]
seeds: {n: 1}
search: {method: sobol, trials: 1, lr_start: 0.01, lr_min: 0.01, lr_max: 0.02}
caps: {max_iterations: 60000}
looks: {aim: 1, min: 1, first_epochs: 2500}
keep_every_s: 0.05
ranks_per_trial: 2
END
expect_exit 4 "0.0001 was reached at no batch size" run_np 0 study rare.yaml --run-dir whole
numbers_of whole >whole.numbers

# rarely DIR: in the background, as $victim; its ranks write their process ids into DIR.0 and DIR.1
rarely() {
    rm -f "$1.0" "$1.1"
    setsid bash -c '. "$0/tests/mpi-env.sh"; exec mpirun -np 2 bash -c "echo \$\$ >$2.\$OMPI_COMM_WORLD_RANK
        exec \"\$0\" study rare.yaml --run-dir $2 --quiet" "$1"' "$LS_SOURCE" "$LOCKSTEP" "$1" </dev/null >/dev/null 2>&1 &
    victim=$!
    for ((i = 0; i < 600; i++)); do
        state=$(ls "$1"/partial/*/ckpt-*.safetensors 2>/dev/null | head -1)
        [ -z "$state" ] || return 0
        sleep 0.05
    done
}

rarely between
kill -KILL -- "-$victim" 2>/dev/null
wait $victim 2>/dev/null
at=$(echo "$state" | sed -E 's/.*ckpt-0*([0-9]+)\..*/\1/')
every=$(echo "$state" | sed -E 's/.*_e([0-9]+)\/.*/\1/')
check "a state between looks: '$state'" test $((${at:-0} % ${every:-1})) -gt 0
rarely stopped
kill -USR1 "$(cat stopped.1)"
wait $victim
same "a signal to one rank of a group stops the study" $? 75
check "the trial is kept" test -n "$(ls stopped/partial/*/ckpt-*.safetensors 2>/dev/null)"
for dir in between stopped; do
    expect_exit 4 "0.0001 was reached at no batch size" run_np 2 study rare.yaml --run-dir $dir
    numbers_of $dir >$dir.numbers
    check "$dir, and gone on with: $(diff whole.numbers $dir.numbers | head -3)" cmp -s whole.numbers $dir.numbers
    check "$dir: no state is left" test ! -e $dir/partial
done

# Two jobs in one directory.
rm -rf shared
(study shared 1 --worker >/dev/null 2>first.err; echo $? >first.code) &
expect_exit 0 "done: .*report.html" study shared 2 --worker
wait
same "the other worker's exit code" "$(cat first.code)" 0
numbers_of shared >shared.numbers
check "two jobs are one: $(diff one.numbers shared.numbers | head -3)" cmp -s one.numbers shared.numbers

# A dead worker's claim expires; a job without --worker does not join.
rm -rf dead
mkdir -p dead/claims
touch "dead/claims/$(ls one/trials | grep '^b16_.*_i1_' | head -1 | sed 's/.json$//')" dead/claims/results
flock -s dead sleep 20 &
holder=$!
sleep 0.3
expect_exit 2 "another job is at work" study dead 0
expect_exit 0 "done: .*report.html" study dead 0 --worker
kill $holder 2>/dev/null
numbers_of dead >dead.numbers
check "a claim of the dead stops nobody" cmp -s one.numbers dead.numbers

# A trial is a run: the same errors at the same iterations as `train` gives.
row=$(grep '"purpose": "score"' one/trials.jsonl | head -1)
echo "$row" >row.json
every=$(value_of look_every row.json)
check "a run of train" run_np 2 train base.yaml --run-dir run --quiet --set optimizer.name=sgd \
    --set data.train.samples=1200 --set data.test.first=1200 --set data.validation.last=200 \
    --batch-size "$(value_of size row.json)" --lr "$(value_of lr row.json)" --seed "$(value_of order_seed row.json)" \
    --set train.seeds.init="$(value_of init_seed row.json)" --set eval.every_iterations="$every" \
    --set eval.every_epochs=0 --max-iterations "$(value_of iterations row.json)" --set checkpoint.every_iterations=0
grep '"set": "validation"' run/metrics.jsonl |
    sed -E 's/.*"iteration": ([0-9]+).*"loss": ([^,]*),.*"error": ([^,}]*).*/\1 \3 \2/' >train.looks
sed -E 's/.*"looks": \[\[//; s/\]\]\}.*//; s/\], \[/\n/g' row.json | awk -F', ' '$1 > 0 { print $1, $2, $3 }' >trial.looks
check "a trial is a run: $(diff train.looks trial.looks | head -3)" cmp -s train.looks trial.looks

# The noise scale of a size is the mean over its scored runs, where each reaches the last target; here of made-up readings.
cp -r one noisy
cat >noise.py <<'END'
import glob, json, sys
if sys.argv[1] == "make":
    for k, path in enumerate(sorted(glob.glob("noisy/trials/*.json"))):
        trial = json.load(open(path))
        for look in trial["looks"][1:]:
            look[3], look[5] = 100.0 * k + look[0], 1.0
        json.dump(trial, open(path, "w"))
else:
    trials = [json.loads(line) for line in open("noisy/trials.jsonl")]
    for size in json.load(open("noisy/results.json"))["arms"][0]["sizes"]:
        scores = [t for t in trials if (t["arm"], t["size"], t["purpose"]) == ("tuned", size["size"], "score")]
        at = [look[3] for t in scores for look in t["looks"] if look[0] == t["steps"][-1]]
        assert at and abs(size["noise_scale"] - sum(at) / len(at)) < 1e-9 * sum(at), (size["noise_scale"], at)
END
check "made-up readings" python3 noise.py make
expect_exit 0 "done: .*report.html" study noisy 0
check "their means" python3 noise.py compare

# The layout of Shallue et al., and a table that fit reads.
header=step,train/cross_entropy_error,train/classification_error,val/cross_entropy_error,val/classification_error,test/cross_entropy_error,test/classification_error
for size in 4 16 64; do
    place=one/export/data/model/sgd/$size
    check "$size: a study" grep -q "\"batch_size\": $size," $place/study.json
    check "$size: complete trials" grep -q '"status": "COMPLETE", "steps": [0-9]*, "trial_id": ' $place/*/metadata.json
    same "$size: columns" "$(head -1 $place/1/measurements.csv)" $header
done
expect_exit 0 "tuned 0.28" run_np 0 fit one/results.csv

# Equal bits at several rank counts; a base that depends on ranks is found out.
expect_exit 0 "same bits on 1,2,3 ranks" study none 3 --check-np 1,2,3
check "a check leaves no directory" test ! -e none
expect_exit 6 "different bits" study none 3 --check-np 1,3,2 --set 'set={exchange.method: mpi_allreduce, optimizer.name: sgd}' \
    --set 'sizes=[96]'
expect_exit 2 "has 4, the job has 2 ranks" study none 2 --check-np 1,4
expect_exit 2 "must be tree" study none 2 --set 'set={exchange.method: mpi_allreduce}'

# An early end still gives results; so early that nothing was reached yet.
expect_exit 4 "the budget ended the study before a first evaluation" study early 2 --budget 0.000001s
check "an early end is told" grep -q 'the budget ended the study early' early/results.json
expect_exit 0 "done: .*report.html" study early 2
numbers_of early >early.numbers
check "and the rest can follow" cmp -s one.numbers early.numbers
expect_exit 2 "90s, 20m or 1.5h" study none 0 --budget soon

# Never reached: a result with a code of its own.
expect_exit 4 "0.0001 was reached at no batch size: the best validation error is 0\.[0-9]+" study never 2 \
    --set targets=0.0001 --set caps.max_iterations=60 --set arms=[]
check "its results are there" grep -q '"best_error": 0' never/results.json

# Bad input.
expect_exit 2 "belongs to another study: 'sizes'" study one 2 --set 'sizes=[4, 16]'
expect_exit 2 "belongs to another study: 'optimizer'" study one 2 --set 'set={optimizer.name: momentum}'
expect_exit 2 "belongs to another study: 'data.normalize'" study one 2 \
    --set 'set={optimizer.name: sgd, data.train.samples: 1200, data.test.first: 1200, data.validation.last: 200, data.normalize: {mean: 0.5}}'
expect_exit 2 "belongs to another study: 'data.shuffle'" study one 2 \
    --set 'set={optimizer.name: sgd, data.train.samples: 1200, data.test.first: 1200, data.validation.last: 200, data.shuffle: false}'
expect_exit 2 "belongs to another study: 'data.test'" study one 2 \
    --set 'set={optimizer.name: sgd, data.train.samples: 1200, data.test: ~, data.validation.last: 200}'
expect_exit 2 "belongs to another study: 'build.blas_threads'" study one 2 \
    --set 'set={optimizer.name: sgd, data.train.samples: 1200, data.test.first: 1200, data.validation.last: 200, runtime.blas_threads: 2}'
cp one/study.json study.kept
sed -i 's/"program": "[^"]*"/"program": "another"/' one/study.json
expect_exit 2 "belongs to another study: 'build.program' is \"?another" study one 2
cp study.kept one/study.json
expect_exit 2 "scales its learning rate by 'schedule.lr_scaling'" study none 0 --set 'set={schedule: {lr_scaling: {rule: linear}}}'
expect_exit 2 "no batch size fits the data: the smallest is 4096, the training set has 250 samples" study none 2 \
    --set 'sizes=[4096, 8192]' --set 'set={}'
expect_exit 2 "unknown key 'size' in the study; did you mean 'sizes'" study none 0 --set 'size=[4]'
expect_exit 2 "validation set" study none 0 --set 'set={data.validation: ~}'
expect_exit 2 "depends on the length" study none 0 --set 'set={schedule.name: cosine}'
expect_exit 2 "must not share runs" study none 0 --set seeds.tuning=1002
expect_exit 2 "'arms' knows fixed, linear, sqrt" study none 0 --set arms=[warm]
for key in name dataset model; do
    expect_exit 2 "'$key' of a study is empty" study none 0 --set $key=~
done
sed '/^name:/d' small.yaml >"it's.yaml"
run_np 0 study "it's.yaml" --run-dir quoted --quiet --budget 0.000001s 2>err
check "a quote in a study's file name" grep -q "it's" quoted/study.json
printf -- '- 1\n' >list.yaml
expect_exit 2 'list.yaml: a study must be keys and values' run_np 0 study list.yaml
expect_exit 2 "expected one argument" run_np 0 study
echo '{"size": 4}' >"one/trials/$(ls one/trials | head -1)"
expect_exit 3 "is not the record of a trial" study one 2
finish
