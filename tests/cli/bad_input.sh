#!/usr/bin/env bash
# Every kind of bad input ends all ranks with the documented code and one message that names the file or key, the place
# and what was expected; nothing hangs and nothing on disk is lost.
. "$(dirname "$0")/lib.sh"
own_shm
small_config c.yaml

# refused CODE REGEX ARGUMENT...: `train` refuses on 1 and on 3 ranks
refused() {
    local code=$1 regex=$2 np
    shift 2
    for np in 1 3; do expect_exit "$code" "$regex" run_np "$np" train "$@" --run-dir never; done
}

# refused_alone CODE REGEX ARGUMENT...: the same without mpirun, for what one process decides
refused_alone() {
    local code=$1 regex=$2
    shift 2
    expect_exit "$code" "$regex" run_np 0 train "$@" --run-dir never
}

# ---- the command line ----
expect_exit 2 "unknown command 'trian'" run_np 0 trian c.yaml
expect_exit 2 "unknown command 'trian'" run_np 3 trian c.yaml
expect_exit 2 "unknown flag --epoch; did you mean --epochs\?" run_np 3 train c.yaml --epoch 1
expect_exit 2 "expected one argument, a configuration" run_np 3 train
expect_exit 2 "unexpected argument|expected one argument" run_np 0 train c.yaml c.yaml
expect_exit 2 "unknown flag --hash" run_np 0 train c.yaml --hash
expect_exit 2 "--lr needs a value" run_np 0 train c.yaml --lr
refused_alone 2 "--quiet takes no value" c.yaml --quiet=1
refused_alone 2 "--set optimizer.lr: expected KEY=VALUE" c.yaml --set optimizer.lr
refused_alone 2 "'optimizer.lr'|--lr.*'lr'" c.yaml --lr fast
refused_alone 2 "--epochs.*'train.epochs' must be a whole number" c.yaml --epochs 1.5
refused_alone 2 "--set.*unknown key 'optimiser'.*'optimizer'" c.yaml --set optimiser.lr=1
expect_exit 2 "unknown topic 'layer'.*layers" run_np 0 info layer
expect_exit 2 "needs --out" run_np 3 predict nothing
expect_exit 2 "--samples 3:1000000: expected A:B with 0 <= A <= B <= 20" run_np 0 plan c.yaml --samples 3:1000000
expect_exit 0 "done: the run" run_np 0 train c.yaml --max_iterations 1 --run_dir=underscores --set=train.seed=3
expect_exit 2 "launcher started 4 tasks \(PMI_SIZE\), but MPI sees one" env PMI_SIZE=4 "$LOCKSTEP" train c.yaml --run-dir never

# ---- the configuration ----
config() { # config TEXT: bad.yaml is c.yaml with TEXT behind it, and with the key of that name taken out
    awk -v key="${1%%:*}:" '/^[a-z]/ { out = index($0, key) == 1 } !out' c.yaml >bad.yaml
    printf '%s\n' "$1" >>bad.yaml
}
refused 2 "nowhere.yaml: No such file" nowhere.yaml
config 'batch: {global_batch_sise: 50}'
refused 2 "bad.yaml:[0-9]+(:[0-9]+)?: unknown key 'batch.global_batch_sise'.*'batch.global_batch_size'" bad.yaml
config 'optimizer: {name: momentun, lr: 0.1}'
refused 2 "bad.yaml:[0-9]+.*unknown optimizer 'momentun'.*'momentum'" bad.yaml
config 'optimizer: {name: momentum, lr: 0.1, momentum: 0.9, beta1: 0.9}'
refused_alone 2 "bad.yaml:[0-9]+.*unknown key 'beta1'" bad.yaml
config 'optimizer: {name: lars, lr: 0.1, ratio_exclude: [biases]}'
refused_alone 2 "bad.yaml:[0-9]+.*'ratio_exclude' may name: bias, norm" bad.yaml
config 'optimizer: {name: sgd, lr: 0.1, clip_norm: -1}'
refused_alone 2 "bad.yaml:[0-9]+.*'clip_norm' is -1; allowed: above 0" bad.yaml
config 'schedule: {name: inverse_sqrt}'
refused 2 "bad.yaml:[0-9]+.*inverse_sqrt needs a 'warmup' or a 'timescale'" bad.yaml
config 'schedule: {name: multistep, milestones: [5, 5]}'
refused_alone 2 "bad.yaml:[0-9]+.*'milestones' must rise" bad.yaml
config 'batch: {schedule: [{epoch: 0, size: 10}, {epoch: 2, size: 300}], drop_last: true}'
refused_alone 2 "'batch.schedule' has the size 300, the training set has 250" bad.yaml
config 'batch: {global_batch_size: 20, schedule: [{epoch: 0, size: 10}]}'
refused 2 "bad.yaml:[0-9]+.*'batch.global_batch_size' is 20, but 'batch.schedule' begins with 10; leave it out" bad.yaml
config 'model: [{dense: 4}, {rellu: {}}]'
refused_alone 2 "bad.yaml:[0-9]+.*unknown layer 'rellu'.*'relu'" bad.yaml
config 'model: [{dense: {unit: 4}}]'
refused_alone 2 "bad.yaml:[0-9]+.*unknown key 'unit'.*'units'" bad.yaml
config 'loss: softmax'
refused_alone 2 "bad.yaml:[0-9]+.*unknown loss 'softmax'" bad.yaml
config 'schedule: {name: cosinus}'
refused_alone 2 "bad.yaml:[0-9]+.*unknown schedule 'cosinus'.*'cosine'" bad.yaml
config 'batch: {global_batch_size: many}'
refused_alone 2 "bad.yaml:[0-9]+.*'batch.global_batch_size' must be a whole number, not 'many'" bad.yaml
config 'batch: {global_batch_size: 0}'
refused_alone 2 "bad.yaml:[0-9]+.*'batch.global_batch_size' is 0; allowed: from 1" bad.yaml
config 'batch: {drop_last: maybe}'
refused_alone 2 "bad.yaml:[0-9]+.*'batch.drop_last' must be true or false" bad.yaml
config 'batch: 50'
refused_alone 2 "bad.yaml:[0-9]+.*'batch' holds keys of its own" bad.yaml
config 'model: [{dropout: 1.5}, {dense: 4}]'
refused_alone 2 "bad.yaml:[0-9]+.*'p' is 1.5" bad.yaml

# ---- images ----
idx_images square 40 6 5
idx_labels classes 40 4
conv() { # conv CODE REGEX MODEL: a model for images [1, 6, 5]
    config "data: {train: {format: idx, images: square, labels: classes}}"
    refused_alone "$1" "$2" bad.yaml --set "model=$3"
}
config "data: {train: {format: idx, images: square, labels: classes}}"
refused 2 "layer 1 \\(conv\\) with input \\[2, 4, 3\\]: the kernel, 5 x 5, is larger than the padded image, 4 x 3" bad.yaml \
    --set 'model=[{conv: {filters: 2, kernel: 3}}, {conv: {filters: 2, kernel: 5}}]'
conv 2 "layer 0 \\(conv\\) with input \\[1, 6, 5\\]: the kernel, 7 x 10 with its dilation, is larger .*, 8 x 7" \
    '[{conv: {filters: 2, kernel: [3, 4], dilation: 3, padding: 1}}]'
conv 2 "layer 1 \\(conv\\).*: 4 input channels and 6 filters must both be divisible by 3 groups" \
    '[{conv: {filters: 4, kernel: 1}}, {conv: {filters: 6, kernel: 1, groups: 3}}]'
conv 2 "layer 1 \\(conv\\) with input \\[3\\]: the input must be an image" '[{dense: 3}, {conv: {filters: 2, kernel: 1}}]'
conv 2 "layer 1 \\(maxpool\\) with input \\[30\\]: the input must be an image" '[flatten, {maxpool: 2}]'
conv 2 "layer 1 \\(global_avgpool\\) with input \\[3\\]: the input must be" '[{dense: 3}, global_avgpool]'
conv 2 "layer 0 \\(maxpool\\).*: the kernel, 7 x 7, is larger than the padded image, 6 x 5" '[{maxpool: 7}]'
conv 2 "layer 0 \\(avgpool\\).*'padding' must be at most half the kernel" '[{avgpool: {kernel: 3, padding: 2}}]'
conv 2 "'padding: same' needs stride 1" '[{conv: {filters: 2, kernel: 3, stride: 2, padding: same}}]'
conv 2 "'padding' must be same, valid, a whole number or" '[{conv: {filters: 2, kernel: 3, padding: most}}]'
conv 2 "'kernel' must be a whole number from 1 to .*\\[height, width\\]" '[{conv: {filters: 2, kernel: 0}}]'
conv 2 "'stride' must be .* a list of at most 2 numbers" '[{conv: {filters: 2, kernel: 3, stride: [1, 1, 1]}}]'
conv 2 "'kernel' must be a whole number" '[{conv: {filters: 2, kernel: 1.5}}]'
conv 2 "conv needs the key 'kernel'" '[{conv: {filters: 2}}]'
conv 2 "unknown key 'filter' in conv; did you mean 'filters'" '[{conv: {filter: 2, kernel: 3}}]'
conv 2 "unknown layer 'maxpol'; did you mean 'maxpool'" '[{maxpol: 2}]'

augment() { # augment REGEX STEPS: of images [1, 6, 5]
    refused_alone 2 "bad.yaml:[0-9]+.*$1|--set.*$1" bad.yaml --set 'model=[{dense: 4}]' --set "data.augment=$2"
}
refused 2 "unknown step of 'data.augment' 'random_crap'; did you mean 'random_crop'" bad.yaml \
    --set 'model=[{dense: 4}]' --set 'data.augment=[{random_crap: 4}]'
augment "unknown step of 'data.augment' 'blur'; known: random_crop, random_flip, cutout" '[blur]'
augment "'data.augment' must be a list" '{random_crop: 2}'
augment "a step of 'data.augment' is a name or one" '[{random_crop: 2, random_flip: 0.5}]'
augment "random_crop needs the key 'padding'" '[random_crop]'
augment "'padding' is 0; allowed: from 1" '[{random_crop: 0}]'
augment "'padding' of random_crop is 5; it must be smaller than the image, 6 x 5" '[random_flip, {random_crop: {padding: 5}}]'
augment "unknown key 'pad' in random_crop; known: padding" '[{random_crop: {pad: 1}}]'
augment "'p' is 1.5; allowed: from 0 to 1" '[{random_flip: 1.5}]'
augment "'p' is -0.1; allowed: from 0 to 1" '[{random_flip: {p: -0.1}}]'
augment "'size' is 0; allowed: from 1" '[{cutout: 0}]'
augment "'size' of cutout is 6; it must be at most the image, 6 x 5" '[{cutout: 6}]'
expect_exit 2 "'padding' of random_crop is 5" run_np 0 plan bad.yaml --set 'model=[{dense: 4}]' --set 'data.augment=[{random_crop: 5}]'
refused 2 "'data.augment' works on images \\[channels, height, width\\]; the samples of data.train are \\[12\\]" c.yaml \
    --set 'data.augment=[random_flip]'

# ---- what is missing ----
config 'train: {seed: 1}'
refused_alone 2 "'train.epochs' or 'train.max_iterations'" bad.yaml
config 'target: {above: 0.9}'
refused_alone 2 "'target' needs the key 'metric'" bad.yaml
config 'target: {metric: test_acc, above: 0.9}'
refused_alone 2 "'target.metric' is 'test_acc'; known: .*test_accuracy" bad.yaml
{ cat c.yaml; echo 'train: {epochs: 2}'; } >bad.yaml
refused_alone 2 "bad.yaml:[0-9]+.*(duplicate|twice).*train|bad.yaml:[0-9]+.*train.*(duplicate|twice)" bad.yaml
printf 'data: {train: [\n' >bad.yaml
refused 2 "bad.yaml:[0-9]+" bad.yaml
printf '' >bad.yaml
refused_alone 2 "bad.yaml" bad.yaml
sed -e '/^model/d' -e '/^  -/d' c.yaml >bad.yaml
refused_alone 2 "bad.yaml:.*needs the key 'model'" bad.yaml

# ---- data against model, loss and batch ----
refused 2 "'batch.global_batch_size' is 251, the training set has 250 samples: with batch.drop_last" \
    c.yaml --batch-size 251 --set batch.drop_last=true
expect_exit 0 "done: the run" run_np 3 train c.yaml --batch-size 251 --run-dir larger
refused 3 "data.train: sample [0-9]+ has the label 3; the model has 3 classes" \
    c.yaml --set 'model=[{dense: 16}, relu, {dense: 3}]'
refused 2 "data.train has class labels, the loss mse needs target values" c.yaml --set loss=mse
refused_alone 2 "data.train has 2 target values a sample, the model's output is .*make the last layer 2 wide" \
    c.yaml --set loss=mse --set data.validation=~ --set data.test=~ --set data.train.kind=regression \
    --set data.train.targets=2
refused 3 "data.test has 11 features a sample, data.train has 12" c.yaml --set data.test.features=11
refused_alone 2 "'?(data.normalize.)?mean'?.* 5 .*12|mean.*(list|entries|values)" \
    c.yaml --set 'data.normalize.mean=[1, 2, 3, 4, 5]'
refused_alone 2 "data.validation.last is 300, the training set has only 300" c.yaml --set data.validation.last=300
expect_exit 0 "lockstep: 3 ranks, but 2 shards: .*set batch.shards" run_np 3 train c.yaml --shards 2 --run-dir shards

# ---- IDX files ----
idx_images i 40 3 4
idx_labels l 40 4
sed -e 's/^  train: .*/  train: {format: idx, images: i, labels: l}/' -e '/^  test:/d' -e '/validation:/d' \
    -e 's/global_batch_size: 50/global_batch_size: 10/' c.yaml >idx.yaml
expect_exit 0 "done: the run" run_np 3 train idx.yaml --run-dir idx_good
gzip -k i l
expect_exit 0 "done: the run" run_np 3 train idx.yaml --run-dir idx_gz --set data.train.images=i.gz --set data.train.labels=l.gz
same "plain and gzip files give the same bits" "$(hash_of idx_good/latest)" "$(hash_of idx_gz/latest)"

# bad_file CODE REGEX KEY FILE: as it is and packed
bad_file() {
    refused "$1" "$2" idx.yaml --set "data.train.$3=$4"
    gzip -kf "$4"
    refused "$1" "${2//FILE/FILE.gz}" idx.yaml --set "data.train.$3=$4.gz"
}
refused 3 "data.train: .*'nothing' was not found; tried .*/?nothing" idx.yaml --set data.train.images=nothing
head -c 200 i >short_images
head -c 30 l >short_labels
head -c 9 i >short_header
bad_file 3 "short_images.*: byte [0-9]+: expected .*images" images short_images
bad_file 3 "short_labels.*: byte [0-9]+: expected .*labels" labels short_labels
bad_file 3 "short_header.*: byte [0-9]+: expected .*header" images short_header
{ bytes 50 4b 03 04; tail -c +5 i; } >magic
bad_file 3 "magic.*: byte 0: expected an IDX header" images magic
{ bytes 00 00 0d 03; tail -c +5 i; } >floats
bad_file 3 "floats.*: byte 2: expected unsigned bytes .*32-bit floats" images floats
{ cat i; printf x; } >garbage
{ cat l; printf x; } >garbage_labels
bad_file 3 "garbage.*: byte 496: expected the end of the file" images garbage
bad_file 3 "garbage_labels.*: byte 48: expected the end of the file" labels garbage_labels
idx_labels l39 39 4
bad_file 3 "l39.* holds 39 labels, but .*i holds 40 images" labels l39
{ head -c 20 l; bytes 07; tail -c +22 l; } >label7
bad_file 3 "data.train: sample 12 has the label 7; the model has 4 classes, 0 to 3" labels label7
head -c $(($(stat -c %s i.gz) / 2)) i.gz >cut.gz
refused 3 "cut.gz.*: byte [0-9]+: expected .*(corrupt or truncated|end of the file)" idx.yaml --set data.train.images=cut.gz
{ cat i.gz; echo garbage; } >trailing.gz
expect_exit 0 "done: the run" run_np 1 train idx.yaml --run-dir idx_trailing --set data.train.images=trailing.gz
same "bytes behind a whole gzip stream change nothing" "$(hash_of idx_trailing/latest)" "$(hash_of idx_good/latest)"
mkdir -p a_directory
refused_alone 3 "a_directory: is not a regular file" idx.yaml --set data.train.images=a_directory
refused_alone 2 "images" idx.yaml --set data.train.images=~

# ---- csv and npy ----
printf 'x,y,class\n1,2,0\n3,oops,1\n' >t.csv
refused 3 "t.csv:3.*'oops'|t.csv: line 3.*oops" idx.yaml --set 'data.train={format: csv, file: t.csv, label: class}'
printf 'x,y,class\n1,2,0\n3,4\n' >t.csv
refused_alone 3 "t.csv:3|t.csv: line 3" idx.yaml --set 'data.train={format: csv, file: t.csv, label: class}'
refused_alone 2 "t.csv.*kind" idx.yaml --set 'data.train={format: csv, file: t.csv, label: kind}'
refused_alone 3 "/i: byte 0: expected .*NPY|/i: .*npy" idx.yaml --set 'data.train={format: npy, features: i, labels: l}'

# ---- a directory that holds a run ----
expect_exit 0 "done: the run" run_np 1 train c.yaml --run-dir used
before=$(cat used/* | cksum)
for np in 1 3; do
    expect_exit 2 "used already holds a run; continue it with --resume auto, replace it with --overwrite" \
        run_np $np train c.yaml --run-dir used
done
expect_exit 3 "was not found" run_np 3 train c.yaml --run-dir used --overwrite --set 'data.test={format: idx, images: none}'
expect_exit 2 "unknown loss" run_np 3 train c.yaml --run-dir used --overwrite --set loss=none
same "a refused run leaves the former one alone" "$(cat used/* | cksum)" "$before"
expect_exit 0 "done: the run" run_np 3 train c.yaml --run-dir used --overwrite --epochs 1
same "--overwrite removes the former run" "$(ls used | tr '\n' ' ')" "ckpt-00000005.safetensors latest metrics.jsonl "
expect_exit 8 "c.yaml: exists and is not a directory|c.yaml" run_np 3 train c.yaml --run-dir c.yaml

# ---- how runs end ----
expect_exit 4 "target was not reached: best test_accuracy 0\.[0-9]+ after 20 iterations" \
    run_np 3 train c.yaml --run-dir target --set 'target={metric: test_accuracy, above: 0.9999}'
check "a missed target still leaves a checkpoint" test -s target/latest
same "and says so in metrics.jsonl" "$(grep '"end"' target/metrics.jsonl | grep -c '"length"')" 1
for np in 1 3; do
    expect_exit 5 "diverged: the loss of iteration [0-9]+ is not finite; lower optimizer.lr" \
        run_np $np train c.yaml --run-dir diverged$np --lr 1e6 --epochs 100 --set 'model=[{dense: 16}, {dense: 16}, {dense: 4}]'
    same "metrics.jsonl names the reason ($np ranks)" "$(grep -c '"event": "end".*LS_EDIVERGED' diverged$np/metrics.jsonl)" 1
done

# ---- checkpoints ----
good=idx_good/latest
cp -L "$good" flipped
printf '\xff' | dd of=flipped bs=1 seek=$(($(stat -c %s flipped) - 100)) conv=notrunc status=none
head -c 1000 "$good" >cut
{ cat "$good"; printf x; } >longer
printf 'not a checkpoint at all' >text
: >empty
for command in eval "predict --out y.npy" inspect "train idx.yaml --run-dir idx_good --resume"; do
    for np in 1 3; do
        expect_exit 3 "flipped: damaged: its bytes do not match its hash" run_np $np $command flipped
        expect_exit 3 "nowhere: No such file" run_np $np $command nowhere
    done
    expect_exit 3 "cut: " run_np 0 $command cut
    expect_exit 3 "longer: 1 bytes? behind the last tensor" run_np 0 $command longer
    expect_exit 3 "text: byte 0: a header of" run_np 0 $command text
    expect_exit 3 "empty: not a safetensors file" run_np 0 $command empty
done
check "a failed predict leaves no file" test ! -e y.npy

# ---- resuming with another configuration ----
expect_exit 0 "done: the run" run_np 1 train c.yaml --run-dir resumed
resumed() { # resumed CODE REGEX ARGUMENT...
    local code=$1 regex=$2
    shift 2
    expect_exit "$code" "$regex" run_np 3 train c.yaml --run-dir resumed --resume auto "$@"
}
resumed 2 "'optimizer.lr' is 0.06 here and 0.05 in the checkpoint" --lr 0.06
resumed 2 "'batch.global_batch_size' is 25 here and 50 in the checkpoint" --batch-size 25
resumed 2 "'batch.shards' is 3 here and [0-9]+ in the checkpoint" --shards 3
resumed 2 "'batch.schedule' is \[\{.*here and \[\] in the checkpoint" --set 'batch.schedule=[{epoch: 0, size: 50}]'
resumed 2 "'optimizer.ema' is 0.9 here and null in the checkpoint" --set optimizer.ema=0.9
expect_exit 2 "has no moving average of its parameters; train with optimizer.ema" run_np 3 eval resumed/latest --ema
resumed 2 "'train.seed' is 2 here and 1" --seed 2
resumed 2 "'model(.2.dense.units)?'" --set 'model=[{dense: 16}, relu, {dense: 5}]'
resumed 2 "'eval.batch'" --set eval.batch=3
resumed 3 "data.train differs from that of " --set data.train.seed=8
resumed 2 "'train.epochs' is 3 here and 4 in the checkpoint: a resumed run may be longer, not shorter" --epochs 3
resumed 2 "'train.max_iterations' is 10 here" --max-iterations 10
resumed 0 "iterations +25 \(5 in this run\)" --epochs 5
same "every refusal left the checkpoints alone" "$(ls resumed | grep -c ckpt-)" 5
expect_exit 0 "done: the run" run_np 1 train c.yaml --run-dir cosine --set schedule.name=cosine
expect_exit 2 "'train.epochs' is 5 here and 4 in the checkpoint: the schedule's shape depends on the length" \
    run_np 3 train c.yaml --run-dir cosine --resume auto --set schedule.name=cosine --epochs 5
expect_exit 0 "done: the run" run_np 1 train c.yaml --run-dir duration --set 'schedule={name: cosine, duration: 30}'
expect_exit 0 "iterations +25 \(5 in this run\)" \
    run_np 3 train c.yaml --run-dir duration --resume auto --set 'schedule={name: cosine, duration: 30}' --epochs 5

# ---- output that cannot be written ----
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$work/c.yaml" -a -x "$LOCKSTEP"; then
    mkdir -m 755 locked
    export -f run_np
    export LOCKSTEP
    for np in 1 3; do
        expect_exit 8 "locked: the run directory cannot be written" setpriv --reuid=65534 --regid=65534 --clear-groups \
            bash -c "run_np $np train c.yaml --run-dir locked"
        expect_exit 8 "locked/inner: the directory cannot be made: Permission denied" \
            setpriv --reuid=65534 --regid=65534 --clear-groups bash -c "run_np $np train c.yaml --run-dir locked/inner"
    done
    expect_exit 8 "locked/y.npy: cannot be written: Permission denied" setpriv --reuid=65534 --regid=65534 \
        --clear-groups bash -c "run_np 3 predict idx_good/latest --split train --out locked/y.npy"
else
    echo "not root: the directory of another user is left out"
fi
if may_mount; then
    mkdir -p mounted small_shm
    export -f run_np
    export LOCKSTEP
    expect_exit 8 "mounted: the run directory cannot be written" in_mounts \
        'mount -t tmpfs -o ro none mounted && run_np 3 train c.yaml --run-dir mounted'

    # Room for two checkpoints and a little: later saves warn, the last fails, the two survive, no half file stays.
    expect_exit 8 "mounted/ckpt-00000020.safetensors: cannot be written: No space left" in_mounts \
        'mount -t tmpfs -o size=160k none mounted &&
         run_np 3 train c.yaml --run-dir mounted --set "model=[{dense: 400}, {dense: 4}]"
         code=$?
         ls mounted >listing
         for c in mounted/ckpt-*; do "$0" inspect $c --hash >/dev/null || echo "$c is broken" >>listing; done
         readlink mounted/latest >>listing
         exit $code' "$LOCKSTEP"
    same "what was saved before is still there" "$(tr '\n' ' ' <listing)" \
        "ckpt-00000005.safetensors ckpt-00000010.safetensors latest metrics.jsonl ckpt-00000010.safetensors "
    check "and the failed periodic save was told" grep -q "warning: .*ckpt-00000015.safetensors: cannot be written" err

    expect_exit 8 "mounted/metrics.jsonl: cannot be written: No space left" in_mounts \
        'mount -t tmpfs -o size=64k none mounted &&
         run_np 3 train c.yaml --run-dir mounted --epochs 400 --set metrics.every_iterations=1 --save-interval 0'

    # Node memory that does not fit: refused before anything is touched, on all ranks.
    for np in 1 3; do
        expect_exit 1 "node memory for .*: [0-9.]+ MB are needed in /dev/shm, which has [0-9.]+ MB free" in_mounts \
            'mount -t tmpfs -o size=64m none /dev/shm && run_np '$np' train c.yaml --run-dir small_shm \
             --set "model=[{dense: 4096}, relu, {dense: 4096}, relu, {dense: 4}]"'
        expect_exit 1 "node memory for data.train: [0-9.]+ MB are needed in /dev/shm" in_mounts \
            'mount -t tmpfs -o size=64m none /dev/shm && run_np '$np' train c.yaml --run-dir small_shm \
             --set data.train.samples=40000 --set data.train.features=1000'
    done
else
    echo "no mount namespaces here: full disks and a small /dev/shm are left out"
fi
# Too little address space, step by step until it is enough: told at the start, never a wait for ever.
cp c.yaml short.yaml
short_run() {
    ulimit -v "$1"
    LS_TIMEOUT=20 run_np 0 train short.yaml --run-dir "short_$1" --max-iterations 3
}
told=0 ran=0
for ((kb = 325000; kb <= 1000000 && ran == 0; kb += 25000)); do
    (short_run $kb) >out 2>err
    case $? in
        0) ran=$kb ;;
        1) grep -q 'lockstep: error: .*\(memory\|MB\)' err && told=$((told + 1)) ;;
        *) fail "with $kb KB of address space: exit code other than 0 and 1: $(head -2 err)" ;;
    esac
done
check "enough address space is enough" test $ran -gt 0
check "too little is told" test $told -gt 0
same "no refused run wrote a file" "$(ls -A never 2>/dev/null)" ""
same "no node memory is left behind" "$(left_behind)" ""
finish
