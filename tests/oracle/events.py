"""Event files against metrics.jsonl: read by a parser of the tests' own, written from the public formats (TFRecord,
CRC-32C, protobuf wire types), and by the tensorboard package where some python3 has it (.ci/run puts one into
build/tensorboard)."""
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile

import support

CONFIG = """
data:
  train: {format: synthetic, samples: 300, features: 12, classes: 4, hidden: 8, seed: 7}
  test: {format: synthetic, samples: 130, features: 12, classes: 4, hidden: 8, seed: 7, first: 300}
  validation: {last: 50}
model: [{dense: 16}, relu, {dense: 4}]
batch: {global_batch_size: 50, shards: 4}
optimizer: {name: momentum, lr: 0.05, ema: 0.9}
train: {epochs: 4, seed: 1}
eval: {every_iterations: 3}
checkpoint: {every_iterations: 5, keep: 0}
metrics: {every_iterations: 1, tensorboard: true}
noise: {every: 1}
"""
TAGS = {"train/loss", "train/accuracy", "train/lr", "train/gnorm", "train/bnoise", "train/batch", "train/iteration_ms",
        "train/samples_per_s", "validation/loss", "validation/accuracy", "test/loss", "test/accuracy", "test/error",
        "test/ema_accuracy"}


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc_table()


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    """The bytes of each whole record."""
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at + 12 <= len(data):
        length, length_crc = struct.unpack_from("<QI", data, at)
        assert length_crc == masked_crc(data[at : at + 8]), f"{path}: sum of the length at byte {at}"
        if at + 16 + length > len(data):
            return
        record = data[at + 12 : at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length) == (masked_crc(record),), f"{path}: sum at byte {at}"
        yield record
        at += 16 + length


def fields(message):
    """(number, value) of each field; bytes, an int, or the bytes of a fixed number."""

    def varint(at):
        value, shift = 0, 0
        while True:
            value |= (message[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if message[at - 1] < 128:
                return value, at

    at = 0
    while at < len(message):
        key, at = varint(at)
        kind = key & 7
        assert kind in (0, 1, 2, 5), f"wire type {kind}"
        if kind == 0:
            value, at = varint(at)
        else:
            size, at = varint(at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = message[at : at + size], at + size
        assert at <= len(message), "a field that is cut off"
        yield key >> 3, value


def event(record):
    """One tensorflow.Event as a dict."""
    out = {"step": 0, "values": []}
    for number, value in fields(record):
        if number == 1:
            (out["wall_time"],) = struct.unpack("<d", value)
        elif number == 2:
            out["step"] = value
        elif number == 3:
            out["version"] = value.decode()
        elif number == 5:
            for _, entry in fields(value):
                parts = dict(fields(entry))
                out["values"].append((parts[1].decode(), *struct.unpack("<f", parts[2])))
        elif number == 7:
            out["status"] = dict(fields(value))[1]
        else:
            raise AssertionError(f"field {number}")
    return out


def files_of(run):
    return sorted(glob.glob(os.path.join(run, "events.out.tfevents.*")))


def scalars_of(run):
    """{tag: [(step, value, wall_time)]} of all files in their order, as TensorBoard keeps them."""
    tags = {}
    for path in files_of(run):
        events = [event(record) for record in records(path)]
        assert events[0]["version"] == "brain.Event:2" and "status" not in events[0], events[0]
        assert events[1]["status"] == 1, "the second record is SessionLog.START"
        for tag in tags:
            tags[tag] = [entry for entry in tags[tag] if entry[0] < events[1]["step"]]
        for e in events[2:]:
            for tag, value in e["values"]:
                tags.setdefault(tag, []).append((e["step"], value, e["wall_time"]))
    return tags


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def lines_of(run):
    with open(os.path.join(run, "metrics.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def expected_of(run):
    """The same of metrics.jsonl, with wall_s."""
    tags = {}
    for line in lines_of(run):
        if line["event"] not in ("train", "eval"):
            continue
        prefix = line.get("set", "train")
        for key, value in line.items():
            if key in ("event", "iteration", "set", "wall_s") or value is None:
                continue
            tags.setdefault(f"{prefix}/{key}", []).append((line["iteration"], float32(value), line["wall_s"]))
    return tags


def compare(got, run, what):
    expected = expected_of(run)
    assert set(got) == set(expected), set(got) ^ set(expected)
    for tag, entries in expected.items():
        pairs = [entry[:2] for entry in got[tag]]
        assert pairs == [entry[:2] for entry in entries], f"{what}: {tag}: {pairs} is not {entries}"


def compare_times(got, run):
    """Between events of one start passes what passes between its lines."""
    expected = expected_of(run)["train/loss"]
    for a, b in zip(got["train/loss"], expected):
        passed = a[2] - got["train/loss"][0][2]
        assert abs(passed - (b[2] - expected[0][2])) < 1e-4, (a, b)


def with_package(run):
    """The same by TensorBoard itself; None where it is not installed."""
    script = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
a.Reload()
print(json.dumps({tag: [(e.step, e.value, e.wall_time) for e in a.Scalars(tag)] for tag in a.Tags()["scalars"]}))
"""
    top = os.environ["LS_SOURCE"]
    for python in (os.environ.get("LS_PYTHON"), sys.executable, f"{top}/build/tensorboard/bin/python3"):
        if not python or not os.path.exists(python):
            continue
        if subprocess.run([python, "-c", "import tensorboard"], capture_output=True, check=False).returncode == 0:
            done = subprocess.run([python, "-c", script, run], capture_output=True, text=True, check=True)
            return {tag: [tuple(e) for e in entries] for tag, entries in json.loads(done.stdout).items()}
    return None


def check(run, what):
    got = scalars_of(run)
    compare(got, run, f"{what}, own parser")
    package = with_package(run)
    if package is not None:
        compare(package, run, f"{what}, tensorboard")
    print(f"{what}: {len(got)} tags, {sum(map(len, got.values()))} scalars in {len(files_of(run))} files; "
          + ("tensorboard agrees" if package is not None else "the tensorboard package is not installed"))
    return got


def train(config, run, *flags, ranks=0):
    support.run_program("train", config, "--run-dir", run, "--quiet", *flags, ranks=ranks)


def main():
    support.load_environment()
    with tempfile.TemporaryDirectory() as work:
        config, run, plain = (os.path.join(work, name) for name in ("c.yaml", "runs/a", "runs/plain"))
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        train(config, run, ranks=2)
        got = check(run, "a run")
        assert TAGS <= set(got), TAGS - set(got)
        compare_times(got, run)
        # killed behind iteration 10, amid a record, and resumed: what came after 10 is seen once
        with open(files_of(run)[0], "r+b") as file:
            file.truncate(os.path.getsize(file.name) - 7)
        train(config, run, "--resume", os.path.join(run, "ckpt-00000010.safetensors"), ranks=3)
        assert len(files_of(run)) == 2
        check(run, "a resumed run")
        train(config, run, "--resume", "auto")  # complete: nothing is trained
        check(run, "a complete run, resumed")
        train(config, run, "--overwrite", "--max-iterations", "6")
        assert len(files_of(run)) == 1
        check(run, "a run in place of another")
        train(config, run, "--overwrite", "--set", "metrics.tensorboard=false", "--max-iterations", "2")
        train(config, plain, "--set", "metrics.tensorboard=false", "--max-iterations", "2")
        assert files_of(run) == [] and files_of(plain) == [], "event files that nobody asked for"


if __name__ == "__main__":
    main()
