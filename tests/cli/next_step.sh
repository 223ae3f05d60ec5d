#!/usr/bin/env bash
# What messages tell the user to do; that bad input is refused by all ranks is in bad_input.sh.
. "$(dirname "$0")/lib.sh"
small_config c.yaml
idx_images i 40 3 4
idx_labels l 40 4
sed -e 's/^  train: .*/  train: {format: idx, images: i, labels: l}/' -e '/^  test:/d' -e '/validation:/d' \
    -e 's/global_batch_size: 50/global_batch_size: 10/' c.yaml >idx.yaml

# advised CODE MESSAGE ADVICE COMMAND ARGUMENT...: one message, the advice behind what is wrong
advised() {
    local code=$1 message=$2 advice=$3
    shift 3
    expect_exit "$code" "$message.*$advice" run_np 0 "$@"
}
train() { # train CODE MESSAGE ADVICE ARGUMENT...: `train` into a new directory
    local head=("${@:1:3}")
    shift 3
    advised "${head[@]}" train "$@" --run-dir "new$n_checks"
}

# ---- the command line ----
advised 2 "unknown command 'trian'" "did you mean 'train'\?" trian c.yaml
advised 2 "unknown command 'xyzzy'; 'lockstep --help'" "lists them" xyzzy
advised 2 "unexpected argument 'more'" "see --help" info $(seq 32) more
advised 2 "more than 64 settings" "the configuration file" train c.yaml $(printf -- '--seed=1 %.0s' $(seq 65))
train 2 "--resume and --overwrite exclude each other" "--resume goes on .*--overwrite loses it" c.yaml --resume auto --overwrite
advised 2 "nowhere.yaml: No such file or directory" "the name begins in $work" train nowhere.yaml
advised 2 "/nowhere.yaml: No such file or directory$" "" train /nowhere.yaml
advised 2 "$work: not a readable file but a directory" "name the file in it" plan "$work"
advised 2 "expected the directory of a study" "as in: lockstep report" report

# ---- the configuration ----
train 2 "'batch.drop_last' must be true or false, not maybe" "" c.yaml --set batch.drop_last=maybe
train 2 "'batch.drop_last' must be true or false, not a list" "" c.yaml --set 'batch.drop_last=[1]'
train 2 "'exchange.method' must be one of: tree, mpi_allreduce; not ring" "" c.yaml --set exchange.method=ring
train 2 "'target.above' and 'target.below' exclude each other" "give the one" c.yaml \
    --set 'target={metric: test_loss, above: 1, below: 2}'
train 2 "'model' needs a list of layers" "as \[\{dense: 128\}, .*info layers" c.yaml --set 'model=~'
train 2 "'target.metric' is 'validation_loss', but there is no data.validation" "as data.validation: \{last" c.yaml \
    --set data.validation=~ --set 'target={metric: validation_loss, below: 1}'
train 2 "'checkpoint.best' is 'test_accuracy', but there is no data.test" "name a metric of another set" c.yaml \
    --set data.test=~ --set checkpoint.best=test_accuracy
values=(--set 'data={train: {format: synthetic, kind: regression, samples: 40, features: 3, targets: 4}, test: {format: synthetic, kind: regression, samples: 40, features: 3, targets: 4}}' --set loss=mse)
train 2 "'checkpoint.best' is 'test_accuracy': a regression has only a loss" "name test_loss" c.yaml "${values[@]}" \
    --set checkpoint.best=test_accuracy
{ cat c.yaml; echo 'train: {epochs: 2}'; } >twice.yaml
train 2 "twice.yaml:[0-9:]+ the key 'train' stands here twice" "keep one" twice.yaml
{ cat c.yaml; echo '---'; cat c.yaml; } >two.yaml
train 2 "two.yaml:[0-9]+: a second document begins here" "remove this line" two.yaml
sed 's/^loss: .*/loss: *name/' c.yaml >alias.yaml
train 2 "alias.yaml:[0-9:]+ aliases" "write the value out" alias.yaml

# ---- data ----
train 2 "data.validation.last is 300, the training set has only 300 samples" "take fewer" c.yaml --set data.validation.last=300
train 3 "data.test has 11 features a sample, data.train has 12" "the same columns" c.yaml --set data.test.features=11
train 2 "data.train has class labels, the loss mse needs target values" "another loss" c.yaml --set loss=mse
train 3 "sample [0-9]+ has the label 3; the model has 3 classes, 0 to 2" "widen its last layer" c.yaml \
    --set 'model=[{dense: 3}]'
train 3 "the file 'gone' was not found" "--data-dir names another place" idx.yaml --set data.train.images=gone
printf 'x,y,class\n1,2,iris\n' >names.csv
printf 'x,y,class\n1,red,0\n' >words.csv
train 3 "names.csv:2: column 'class': expected a class, a whole number from 0 \(number classes" "found 'iris'" idx.yaml \
    --set 'data.train={format: csv, file: names.csv, label: class}'
train 3 "words.csv:2: column 'y': expected a number \('ignore' leaves columns out\)" "found 'red'" idx.yaml \
    --set 'data.train={format: csv, file: words.csv, label: class}'

# ---- checkpoints ----
expect_exit 0 "done: the run" run_np 0 train c.yaml --run-dir r
cp -L r/latest flipped
printf '\xff' | dd of=flipped bs=1 seek=$(($(stat -c %s flipped) - 100)) conv=notrunc status=none
printf 'short' >short
printf 'not a checkpoint at all' >text
printf '\x02\0\0\0\0\0\0\0{}' >foreign
sed 's/"format_version":"\([0-9]*\)"/"format_version":"9"/' r/latest >later
advised 3 "flipped: damaged: its bytes do not match its hash" "take an older one" eval flipped
advised 3 "short: not a safetensors file" "give a checkpoint, such as RUN-DIR/latest" eval short
advised 3 "text: byte 0: .*not a safetensors file" "give a checkpoint, such as RUN-DIR/latest" inspect text
advised 3 "foreign: not a lockstep checkpoint" "--init-from" eval foreign
advised 3 "later: " "(use the lockstep that wrote it|take an older one)" eval later
sed -e 's/dense: 16/dense: 9/' c.yaml >narrow.yaml
advised 3 "tensor '0.weight' is missing or has another shape" "give the configuration" eval r/latest --config narrow.yaml
advised 3 "has 7 features a sample, the checkpoint's model takes 12" "the kind it was trained on" eval r/latest \
    --config <(sed 's/features: 12/features: 7/' c.yaml)
advised 2 "'batch.shards' is 3 here and [0-9]+ in the checkpoint" "set batch.shards to that" train c.yaml --run-dir r --resume auto --shards 3
advised 3 "data.train differs from that of r/" "or a new --run-dir" train c.yaml --run-dir r --resume auto --set data.train.seed=8
finish
