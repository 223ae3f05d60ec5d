#!/usr/bin/env bash
# Files and keys that claim sizes up to 2^60 and beyond: refused with one message and the documented exit code, before
# anything of that size is allocated; so are files that are holes, whose size costs nothing.
. "$(dirname "$0")/lib.sh"
huge=1152921504606846976 # 2^60
small_config c.yaml
idx_labels l 40 4

refused() { # refused CODE REGEX ARGUMENT...: of `train`
    local code=$1 regex=$2
    shift 2
    expect_exit "$code" "$regex" run_np 0 train c.yaml --run-dir never --set data.test=~ --set data.validation=~ "$@"
}
data() { # data CODE REGEX SPEC ARGUMENT...
    local code=$1 regex=$2 spec=$3
    shift 3
    refused "$code" "$regex" --set "data.train=$spec" "$@"
}
npy() { # npy FILE SHAPE BYTES: an .npy file of float32 with so many bytes behind the header
    local text="{'descr': '<f4', 'fortran_order': False, 'shape': $2, }"
    { bytes 93 4e 55 4d 50 59 01 00 "$(printf %02x ${#text})" 00; printf '%s' "$text"; head -c "$3" /dev/zero; } >"$1"
}
hole() { # hole FILE: a terabyte that takes no room on the disk
    : >"$1" && truncate -s 1T "$1"
}

# ---- IDX, plain and packed: 2^15 x 2^15 x 2^15 x 2^15 ----
{ bytes 00 00 08 04; for i in 1 2 3 4; do bytes 00 00 80 00; done; head -c 100 /dev/zero; } >i
gzip -k i
data 3 "/i: byte 20: expected $huge bytes of images, found only 100" '{format: idx, images: i, labels: l}'
data 3 "/i.gz.*: expected $huge bytes of images, but a file of [0-9]+ bytes cannot unpack to so many" \
    '{format: idx, images: i.gz, labels: l}'
hole zeros
data 3 "/zeros: byte 0: expected an IDX header|/zeros: byte 3: expected 1 to 4 dim" '{format: idx, images: zeros}'

# ---- npy ----
npy x "($huge, 1)" 24
npy y "($huge, 16)" 24
npy z "(3, 2)" 24
npy t "($huge,)" 24
gzip -k x
data 3 "/x: byte [0-9]+: expected 4611686018427387904 bytes of features, found only 24" '{format: npy, features: x}'
data 3 "/x.gz.*: expected 4611686018427387904 bytes .* cannot unpack to so many" '{format: npy, features: x.gz}'
data 3 "/y: the dimensions of the features overflow" '{format: npy, features: y}'
data 3 "/t: byte [0-9]+: expected 4611686018427387904 bytes of targets" '{format: npy, features: z, targets: t}'
data 3 "/zeros: byte 0: expected the NPY magic" '{format: npy, features: zeros}'

# ---- csv, cifar, synthetic ----
data 3 "/zeros:1: expected text, found a zero byte" '{format: csv, file: zeros}'
{ printf 'a,b\n1,2\n'; head -c 100 /dev/zero; } >hole.csv
truncate -s 1T hole.csv
data 3 "/hole.csv:3: expected text, found a zero byte" '{format: csv, file: hole.csv}'
data 2 "column '$huge'" "{format: csv, file: c.yaml, header: false, label: '$huge'}"
data 3 "/zeros: byte 1099511625310: expected a whole record of 3073 bytes, found 2466" '{format: cifar, files: [zeros]}'
data 2 "'samples' is $huge; allowed: from 1 to " "{format: synthetic, samples: $huge}"
data 2 "a teacher of .* has more than [0-9]+ weights" '{format: synthetic, samples: 9, features: 134217728, hidden: 134217728}'
data 1 "node memory for data.train: [0-9.]+ MB are needed" '{format: synthetic, samples: 9007199254740992, features: 16}'
data 3 "9007199254740992 samples of 1024 features and 0 targets are more bytes than can be addressed" \
    '{format: synthetic, samples: 9007199254740992, features: 1024}'
data 2 "'limit' is [0-9]+; the data set has 3 samples" '{format: npy, features: z, limit: 9007199254740992}'

# ---- the configuration ----
hole big.yaml
expect_exit 2 "big.yaml: 1099511627776 bytes, at most [0-9]+ are expected here" run_np 0 plan big.yaml
expect_exit 2 "/dev/zero: more than the [0-9]+ bytes that are expected here" run_np 0 plan /dev/zero
expect_exit 2 "big.yaml: 1099511627776 bytes, at most" run_np 0 study big.yaml --run-dir never
for key in batch.global_batch_size batch.shards batch.micro_batch_size train.epochs train.max_iterations eval.batch \
    runtime.memory_limit noise.every; do
    refused 2 "'$key' is $huge; allowed: " --set "$key=$huge"
done
refused 2 "layer 0 \(dense\).*'units'|'units' is $huge; allowed" --set "model=[{dense: $huge}]"
refused 2 "layer 1 \(dense\) with input \[2147483647\]: " --set 'model=[{dense: 2147483647}, {dense: 2147483647}]'
expect_exit 2 "1000000000 epochs of [0-9]+ samples are more samples than 2\^53" \
    run_np 0 plan c.yaml --set data.train.samples=9007199254740992 --epochs 1000000000
refused 2 "1000000000000000 iterations of up to 300 samples are more samples than 2\^53" \
    --set train.epochs=~ --max-iterations 1000000000000000 --batch-size 300
idx_images image 40 6 5
data 2 "layer 1 \(conv\) with input .*: an unfolded image of more than 2\^31 numbers" \
    '{format: idx, images: image, labels: l}' --set \
    'model=[{conv: {filters: 1000000, kernel: 1}}, {conv: {filters: 4, kernel: 1048576, padding: 1048576}}]'

# ---- safetensors ----
st() { # st FILE HEADER: a file of this header and 4 bytes of data
    { bytes "$(printf %02x ${#2})" 00 00 00 00 00 00 00; printf '%s' "$2"; bytes 00 00 80 3f; } >"$1"
}
{ bytes 00 00 00 00 00 00 00 10; printf '{}'; } >header
st shape '{"0.weight":{"dtype":"F32","shape":['$huge',16],"data_offsets":[0,4]}}'
st offsets '{"0.weight":{"dtype":"F32","shape":['$huge'],"data_offsets":[0,4611686018427387904]}}'
for command in inspect eval "predict --out y.npy"; do
    expect_exit 3 "header: byte 0: a header of $huge bytes in a file of 10" run_np 0 $command header
    expect_exit 3 "shape: tensor '0.weight': impossible shape" run_np 0 $command shape
    expect_exit 3 "offsets: tensor '0.weight': .*do not fit|offsets: tensor '0.weight': impossible shape" run_np 0 $command offsets
    expect_exit 3 "zeros: " run_np 0 $command zeros
done
refused 3 "header: byte 0: a header of $huge" --set train.init_from=header

# ---- what runs and studies have written ----
expect_exit 0 "done: the run" run_np 0 train c.yaml --run-dir a
printf '{"event": "train", "iteration": %s, "loss": 1}\n' $huge >>a/metrics.jsonl
truncate -s 1T a/metrics.jsonl
expect_exit 2 "metrics.jsonl: 1099511627776 bytes, at most" run_np 0 report a --out r.html
expect_exit 0 "done: the run" run_np 0 train c.yaml --run-dir a --resume auto --epochs 5
check "a resumed run cuts what cannot be its own" test "$(stat -c %s a/metrics.jsonl)" -lt 100000
mkdir -p s/trials s/claims
printf '{"size": %s, "lr": 1}' $huge >s/trials/x.json
printf 'B,steps\n%s,3\n' $huge >table.csv
expect_exit 3 "table.csv:2: B: expected a whole number from 1, found '$huge'" run_np 0 fit table.csv
expect_exit 3 "zeros:1: expected text, found a zero byte" run_np 0 fit zeros
printf '{"ranks": %s}' $huge >bench.json
expect_exit 2 "bench.json: 'ranks' is 1.15292e\+18, expected a number from 1 to" run_np 0 plan c.yaml --scale --measured bench.json
expect_exit 2 "zeros: not a JSON object" run_np 0 plan c.yaml --scale --measured zeros
same "no refused run wrote a file" "$(ls -A never 2>/dev/null)" ""
finish
