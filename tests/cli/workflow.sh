#!/usr/bin/env bash
# The way of a user: train, evaluate, predict, inspect; early ends; where files are looked up and go; what is printed.
. "$(dirname "$0")/lib.sh"
small_config c.yaml

# last_eval SET METRICS: "loss accuracy n" of the last evaluation of a set
last_eval() {
    grep "\"event\": \"eval\".*\"set\": \"$1\"" "$2" | tail -1 >line
    echo "$(value_of loss line) $(value_of accuracy line) $(value_of n line)"
}

# ---- train ----
expect_exit 0 "done: the run is complete" run_np 3 train c.yaml --run-dir r --set checkpoint.best=validation_loss
for line in '276 parameters, 250 samples; global batch 50 = 2 shards, micro-batches of 25; 5 iterations an epoch, 20 in all' \
    'validation +loss [0-9.]+, accuracy [0-9.]+ on 50 samples' 'test +loss [0-9.]+, accuracy [0-9.]+ on 130 samples' \
    'iterations +20 \(20 in this run\)' 'speed +[0-9]+ samples/s' 'checkpoint +r/ckpt-00000020.safetensors'; do
    check "the run prints '$line'" grep -Eq "$line" out
done
same "the hash that is printed is the checkpoint's" "$(sed -n 's/^ *hash *//p' out)" "$(hash_of r/latest)"
same "latest is a link to the last checkpoint" "$(readlink r/latest)" ckpt-00000020.safetensors
same "files of a run" "$(ls r | tr '\n' ' ')" "best.safetensors ckpt-00000005.safetensors ckpt-00000010.safetensors \
ckpt-00000015.safetensors ckpt-00000020.safetensors latest metrics.jsonl "
while read -r line; do
    printf '%s\n' "$line" >line
    json "a line of metrics.jsonl" line
done <r/metrics.jsonl
head -1 r/metrics.jsonl >line
for key in version commit ranks nodes host_cores mpi blas_core blas_threads n_parameters n_samples shards \
    micro_batch_size iterations_per_epoch total_iterations data_hash config wall_s; do
    check "the first line holds $key" grep -q "\"$key\": " line
done

# ---- eval: the last line of training, exactly, on any rank count ----
for set in test validation; do
    for np in 0 1 2 5; do
        expect_exit 0 "\"set\": \"$set\"" run_np $np eval r/latest --split $set --json
        same "eval of $set on $np ranks" "$(value_of loss out) $(value_of accuracy out) $(value_of n out)" \
            "$(last_eval $set r/metrics.jsonl)"
        [ $np = 0 ] && cp out one_rank.json
        check "eval --json of $set on $np ranks prints the text of one process" cmp one_rank.json out
        json "eval --json" out
    done
done
expect_exit 0 '"set": "test", "iteration": 20' run_np 1 eval r/latest --json
if command -v python3 >/dev/null; then
    same "the confusion matrix has the accuracies on its diagonal and all samples" "$(python3 -c '
import json
e = json.load(open("out"))
c, n = e["confusion"], e["n"]
print(sum(map(sum, c)) == n, sum(c[i][i] for i in range(4)) / n == e["accuracy"], e["top5_accuracy"],
      [row[i] / sum(row) for i, row in enumerate(c)] == e["per_class_accuracy"])')" "True True 1 True"
fi
expect_exit 0 'train loss [0-9.]+ \| accuracy [0-9.]+ \| top-5 accuracy 1\.000000 \| n 250' run_np 2 eval r/latest --split train
same "a line for each class" "$(grep -cE '^class [0-3] accuracy [0-9.]+ \| n [0-9]+$' out)" 4
same "which are all samples" "$(awk '/^class/ { n += $NF } END { print n }' out)" 250
cp out text
for np in 0 1 5; do
    run_np $np eval r/latest --split train >out
    check "eval as text on $np ranks" cmp text out
done
expect_exit 2 "data.tset" run_np 2 eval r/latest --split tset
sed 's/samples: 130/samples: 77/' c.yaml >other.yaml
expect_exit 0 'test loss .* \| n 77' run_np 2 eval r/latest --config other.yaml

# ---- the best checkpoint is the one that the metrics say ----
best=$(grep '"set": "validation"' r/metrics.jsonl | while read -r line; do
    printf '%s\n' "$line" >one
    echo "$(value_of loss one) $(value_of iteration one)"
done | sort -g | head -1)
same "iteration of the best validation loss" "$("$LOCKSTEP" inspect r/best.safetensors | awk '$1 == "iteration" { print $2 }')" "${best#* }"
expect_exit 0 "" run_np 2 eval r/best.safetensors --split validation --json
same "its loss" "$(value_of loss out)" "${best% *}"

# ---- predict ----
for kind in npy csv; do
    for np in 1 2 5; do
        expect_exit 0 "y$np.$kind: class probabilities of 130 samples" run_np $np predict r/latest --out y$np.$kind
        check "predict to $kind on $np ranks writes the bytes of 1 rank" cmp y1.$kind y$np.$kind
    done
done
same "the head of a csv" "$(head -1 y1.csv)" "row,class,p_0,p_1,p_2,p_3"
same "a row for each sample" "$(tail -n +2 y1.csv | cut -d, -f1 | cksum)" "$(seq 0 129 | cksum)"
same "class is the largest probability, and they add up to 1" "$(tail -n +2 y1.csv | awk -F, '
    { top = 3; for (i = 4; i <= NF; i++) if ($i > $top) top = i; s = 0; for (i = 3; i <= NF; i++) s += $i
      if ($2 != top - 3 || s < 0.999999 || s > 1.000001) print "row", $1 }' | head -1)" ""
expect_exit 0 "raw.csv: outputs of the last layer of 130 samples" run_np 2 predict r/latest --logits --out raw.csv
same "the head of outputs" "$(head -1 raw.csv)" "row,class,y_0,y_1,y_2,y_3"
same "classes of outputs and of probabilities" "$(cut -d, -f2 raw.csv | cksum)" "$(cut -d, -f2 y1.csv | cksum)"
same "the softmax of outputs is the probabilities" "$(paste -d, raw.csv y1.csv | tail -n +2 | awk -F, '
    { s = exp($3) + exp($4) + exp($5) + exp($6)
      for (i = 3; i <= 6; i++) if ((d = exp($i) / s - $(i + 6)) > 1e-6 || d < -1e-6) print "row", $1 }' | head -1)" ""
expect_exit 0 "of 250 samples" run_np 2 predict r/latest --split train --out train.csv
expect_exit 0 "of 9 samples" run_np 3 predict r/latest --out nine.csv \
    --data '{format: synthetic, samples: 9, features: 12, classes: 4, hidden: 8, seed: 7, first: 300}'
same "a set of one's own, described on the command line" "$(cksum <nine.csv)" "$(head -10 y1.csv | cksum)"
if python3 -c 'import numpy' 2>/dev/null; then
    same "NumPy reads the npy as the csv" "$(python3 -c '
import numpy as np
a = np.load("y1.npy")
b = np.loadtxt("y1.csv", delimiter=",", skiprows=1)
print(a.dtype, a.shape, (a.astype(np.float32) == b[:, 2:].astype(np.float32)).all())')" "float32 (130, 4) True"
fi

# ---- inspect ----
expect_exit 0 "3?.?2?weight|0.weight +F32 \[16, 12\]" run_np 0 inspect r/latest
check "inspect shows the optimizer's slots" grep -Eq 'optimizer.momentum_buffer.2.weight +F32 \[4, 16\]' out
expect_exit 0 '"2.weight": \[4, 16\]' run_np 0 inspect r/latest --json
json "inspect --json" out
expect_exit 0 '^[0-9a-f]{16}$' run_np 0 inspect r/latest --hash

# ---- early ends ----
expect_exit 0 "done: the target is reached" run_np 2 train c.yaml --run-dir target --epochs 500 --save-interval 0 \
    --set 'target={metric: test_accuracy, above: 0.6}'
same "metrics.jsonl names the reason" "$(grep '"end"' target/metrics.jsonl | grep -o '"reason": "[a-z]*"')" '"reason": "target"'
n=$(grep '"end"' target/metrics.jsonl | grep -o '"iteration": [0-9]*' | cut -d ' ' -f 2)
check "the run ended at the first evaluation that reached it" test "$n" -lt 2500
same "and no evaluation before it did" \
    "$(grep '"set": "test"' target/metrics.jsonl | sed 's/.*"accuracy": \([0-9.]*\).*/\1/' | awk '$1 > 0.6' | wc -l)" 1
expect_exit 0 "iterations +$n \(0 in this run\)" run_np 3 train c.yaml --run-dir target --resume auto --epochs 500 \
    --set 'target={metric: test_accuracy, above: 0.6}'
# ---- metrics of the moving average ----
expect_exit 0 "done: the target" run_np 3 train c.yaml --run-dir average --epochs 8 --set optimizer.ema=0.8 \
    --set checkpoint.best=validation_ema_error --set 'target={metric: test_ema_accuracy, above: 0.6}' --save-interval 0
same "the run ends by the average's accuracy" "$(grep -o '"reason": "[a-z]*"' average/metrics.jsonl)" '"reason": "target"'
averages() { grep "\"set\": \"$1\"" average/metrics.jsonl | sed -E "s/.*\"iteration\": ([0-9]+).*\"$2\": ([0-9.]+).*/\2 \1/"; }
check "which is above the goal in the last line alone" test "$(averages test ema_accuracy | awk '$1 > 0.6' | cut -d' ' -f2)" = \
    "$(averages test ema_accuracy | tail -1 | cut -d' ' -f2)"
best=$(averages validation ema_error | sort -g -s -k1,1 | head -1)
same "iteration of the best average" "$("$LOCKSTEP" inspect average/best.safetensors | awk '$1 == "iteration" { print $2 }')" "${best#* }"
expect_exit 0 "" run_np 2 eval average/best.safetensors --split validation --ema --json
same "its accuracy" "$(awk "BEGIN { print 1 - ${best% *} }")" "$(value_of accuracy out | awk '{ print $1 + 0 }')"
expect_exit 2 "'target.metric' is 'test_ema_accuracy', but there is no moving average of the parameters; set optimizer.ema" \
    run_np 2 train c.yaml --run-dir never --set 'target={metric: test_ema_accuracy, above: 0.6}'
expect_exit 0 "no better metric for target.patience" run_np 2 train c.yaml --run-dir patience --epochs 500 --lr 0 \
    --set 'target={metric: validation_loss, patience: 3}'
same "patience of 3 after the first evaluation" "$(readlink patience/latest)" ckpt-00000020.safetensors
expect_exit 0 "train.max_time_s is over" run_np 2 train c.yaml --run-dir time --epochs 1000000 --save-interval 0 \
    --set train.max_time_s=0.3
check "a run that ran out of time is saved" test -s time/latest

# ---- which checkpoints there are ----
expect_exit 0 "done" run_np 1 train c.yaml --run-dir keep --save-initial --save-interval 2 --set checkpoint.keep=3
same "the newest three" "$(ls keep | grep -c ckpt)$(ls keep | grep ckpt | head -1)" 3ckpt-00000016.safetensors
expect_exit 0 "done" run_np 1 train c.yaml --run-dir all --save-initial --save-interval 2 --set checkpoint.keep=0
same "all, and the initial one" "$(ls all | grep -c ckpt)$(ls all | grep ckpt | head -1)" 11ckpt-00000000.safetensors
expect_exit 0 "done" run_np 1 train c.yaml --run-dir initial --max-iterations 0 --save-initial
same "the initial state is the same in a run of no iterations" "$(hash_of initial/latest)" "$(hash_of all/ckpt-00000000.safetensors)"
check "seeds give other start values" test "$(hash_of initial/latest)" != "$(run_np 0 train c.yaml --run-dir seed \
    --max-iterations 0 --save-initial --seed 9 --quiet && hash_of seed/latest)"

# ---- directories ----
mkdir -p conf/data elsewhere away
idx_images conf/data/i 40 3 4
idx_labels elsewhere/l 40 4
cat >conf/mine.yaml <<'END'
data: {train: {format: idx, images: data/i, labels: l}}
model: [{dense: 4}]
batch: {global_batch_size: 10}
optimizer: {lr: 0.01}
train: {epochs: 1}
END
cd away || exit 1
expect_exit 3 "'l' was not found; tried .*/conf/l .*" run_np 1 train ../conf/mine.yaml
rm -rf runs
expect_exit 0 "runs/mine/ckpt-00000004" run_np 2 train ../conf/mine.yaml --data-dir ../elsewhere
check "runs/NAME is the directory of a run without --run-dir" test -s runs/mine/latest
expect_exit 0 "n 40" run_np 2 eval runs/mine/latest --split train --data-dir ../elsewhere
cp ../conf/data/i x
cd .. || exit 1
expect_exit 0 "of 40 samples" run_np 2 predict away/runs/mine/latest --out y.csv --data '{format: idx, images: away/x}'

# ---- other formats ----
{
    echo 'length,width,kind,extra'
    for i in 1 2 3 4 5 6 7 8 9; do echo "$i.5,-0.$i,$((i % 3)),7"; done
} >table.csv
cat >table.yaml <<'END'
data: {train: {format: csv, file: table.csv, label: kind, ignore: extra}}
model: [{dense: 3}]
batch: {global_batch_size: 4}
optimizer: {lr: 0.01}
train: {epochs: 2}
END
expect_exit 0 "9 parameters, 9 samples" run_np 2 train table.yaml --run-dir table
if python3 -c 'import numpy' 2>/dev/null; then
    python3 -c '
import numpy as np
t = np.loadtxt("table.csv", delimiter=",", skiprows=1)
np.save("f.npy", t[:, :2].astype(np.float32))
np.save("l.npy", t[:, 2].astype(np.int64))
np.save("t.npy", t[:, 3])'
    expect_exit 0 "9 parameters, 9 samples" run_np 3 train table.yaml --run-dir array \
        --set 'data.train={format: npy, features: f.npy, labels: l.npy}'
    same "the same numbers from npy and csv give the same bits" "$(hash_of array/latest)" "$(hash_of table/latest)"
    expect_exit 0 "3 parameters, 9 samples" run_np 2 train table.yaml --run-dir values --set 'model=[{dense: 1}]' \
        --set 'data.train={format: npy, features: f.npy, targets: t.npy}' --set loss=mse
    expect_exit 0 'train loss [0-9.e+-]+ \| n 9' run_np 2 eval values/latest --split train
    same "no word of classes for values" "$(grep -c class out)" 0
    expect_exit 0 '"accuracy": null, "n": 9}' run_np 2 eval values/latest --split train --json
    expect_exit 0 "values of 9 samples" run_np 2 predict values/latest --split train --out v.csv
    same "the head of predicted values" "$(head -1 v.csv)" "row,y_0"
fi

# ---- what is printed ----
same "--quiet prints nothing" "$(run_np 1 train c.yaml --run-dir quiet --quiet 2>&1)" ""
check "and trains" test -s quiet/latest
expect_exit 0 "commit [0-9a-f]+|commit unknown" run_np 0 info
listed() { # listed TOPIC LIST: `info TOPIC` has all names of a registry
    local name
    expect_exit 0 "" run_np 0 info "$1"
    for name in $(sed -n 's/^LS_[A-Z]*(\(.*\))$/\1/p' "$LS_SOURCE/$2"); do
        check "info $1 lists $name" grep -Eq "^$name\b" out
    done
}
listed layers src/model/layer_list.h
listed losses src/model/loss_list.h
listed optimizers src/optim/optimizer_list.h
listed schedules src/optim/schedule_list.h
listed formats src/data/reader_list.h
expect_exit 0 "batch.global_batch_size +integer >= 1" run_np 0 info keys
for key in $(sed -n 's|^ *KEY("\([^"]*[^".]\)".*|\1|p' "$LS_SOURCE/src/train/config.c"); do
    check "info keys lists $key" grep -q "^$key " out
done
for command in plan train eval predict bench inspect info; do
    expect_exit 0 "usage: lockstep $command" run_np 0 $command --help
done
expect_exit 0 "exit codes" run_np 0 --help

# ---- a run that ends before its first look on the grid: its last evaluation decides the exit code and is told ----
expect_exit 4 'best test_accuracy 0\.[0-9]+ after 2 iterations' run_np 2 train c.yaml --run-dir brief --max-iterations 2 \
    --set target.metric=test_accuracy --set target.above=0.999
expect_exit 0 'done: the run' run_np 2 train c.yaml --run-dir brief --overwrite --max-iterations 2 \
    --set target.metric=test_accuracy --set target.above=-1

finish
