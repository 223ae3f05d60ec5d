"""Classification against PyTorch: label smoothing in training (loss, gradient) and evaluation, and the counts of
`eval --json` against NumPy's from `predict --logits`."""
import json
import os
import sys
import tempfile

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reader  # noqa: E402
from support import import_torch, load_environment, run_program  # noqa: E402

torch = import_torch()

N, N_TEST, FEATURES, CLASSES, LR = 50, 700, 12, 9, 0.5  # three chunks of evaluation

# Sums of at most 50 products in float32 (roundoff 6e-8), a softmax and a mean: a few 1e-7 of the largest value.  Label
# smoothing of 0.01 changes loss and gradient by more than a hundred times that.
TOLERANCE = 5e-6


def compare(what, mine, theirs):
    mine, theirs = np.asarray(mine, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    error = np.abs(mine - theirs).max() / np.abs(theirs).max()
    assert mine.shape == theirs.shape and error <= TOLERANCE, f"{what}: off by {error:.1e}, tolerance {TOLERANCE:.0e}"


def make_data(random):
    """The last class has no sample in test; the weights have two equal rows, so that classes 3 and 4 are always equal."""
    x = random.normal(size=(N + N_TEST, FEATURES)).astype(np.float32)
    labels = random.integers(0, CLASSES - 1, size=N + N_TEST)
    labels[:3] = CLASSES - 1
    weight = (random.normal(size=(CLASSES, FEATURES)) / 2).astype(np.float32)
    bias = random.normal(size=CLASSES).astype(np.float32)
    weight[4], bias[4] = weight[3], bias[3]
    for name, part in (("train", slice(None, N)), ("test", slice(N, None))):
        np.save(f"{name}_x.npy", x[part])
        np.save(f"{name}_y.npy", labels[part].astype(np.int64))
    reader.write("w.safetensors", {"0.weight": weight, "0.bias": bias})
    return x, labels, weight, bias


def train(loss):
    data = {name: {"format": "npy", "features": f"{name}_x.npy", "labels": f"{name}_y.npy"} for name in ("train", "test")}
    config = {"data": data, "model": [{"dense": CLASSES}], "loss": loss, "batch": {"global_batch_size": N, "shards": 3},
              "optimizer": {"name": "momentum", "lr": LR}, "train": {"max_iterations": 1},
              "checkpoint": {"initial": True, "keep": 0}, "metrics": {"every_iterations": 1}}
    with open("c.yaml", "w", encoding="utf-8") as file:
        json.dump(config, file)
    run_program("train", "c.yaml", "--run-dir", "r", "--overwrite", "--quiet", "--init-from", "w.safetensors", ranks=2)
    with open("r/metrics.jsonl", encoding="utf-8") as file:
        return [line["loss"] for line in map(json.loads, file) if line["event"] == "train"]


def judge_smoothing(smoothing, x, labels, start):
    title = f"label smoothing {smoothing}"
    losses = train({"softmax_cross_entropy": {"label_smoothing": smoothing}} if smoothing else "softmax_cross_entropy")
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)
    x, labels = torch.tensor(x).double(), torch.tensor(labels)
    weight, bias = (torch.tensor(value).double().requires_grad_() for value in start)
    loss = criterion(x[:N] @ weight.T + bias, labels[:N])
    loss.backward()
    compare(f"{title}: loss", losses, [loss.item()])
    final = reader.read("r/latest")[1]
    compare(f"{title}: gradient of the weight", final["optimizer.momentum_buffer.0.weight"], weight.grad)
    compare(f"{title}: gradient of the bias", final["optimizer.momentum_buffer.0.bias"], bias.grad)
    held_out = criterion(x[N:] @ weight.T + bias, labels[N:]).item()
    told = json.loads(run_program("eval", "r/ckpt-00000000.safetensors", "--json"))
    compare(f"{title}: loss of the evaluation", told["loss"], held_out)


def judge_counts(labels):
    """The order of falling outputs, equal ones by index, is NumPy's stable sort; the counts are whole numbers."""
    checkpoint = "r/ckpt-00000000.safetensors"
    run_program("predict", checkpoint, "--logits", "--out", "y.npy")
    outputs = np.load("y.npy")
    assert (outputs[:, 3] == outputs[:, 4]).all(), "outputs of equal weights are equal"
    order = np.argsort(-outputs, axis=1, kind="stable")
    confusion = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    np.add.at(confusion, (labels, order[:, 0]), 1)
    top5 = (order[:, :5] == labels[:, None]).any(axis=1).sum()
    assert (order[:, 4] == 3).any(), "the tie decides who is fifth in some row"
    per_class = [float(confusion[i, i] / confusion[i].sum()) if confusion[i].sum() else None for i in range(CLASSES)]
    assert per_class[-1] is None
    texts = [run_program("eval", checkpoint, "--json", ranks=ranks) for ranks in (0, 2, 3)]
    assert texts[0] == texts[1] == texts[2], "any rank count prints the same text"
    told = json.loads(texts[0])
    assert told["confusion"] == confusion.tolist(), told["confusion"]
    assert told["top5_accuracy"] == top5 / N_TEST, (told["top5_accuracy"], top5 / N_TEST)
    assert told["per_class_accuracy"] == per_class, told["per_class_accuracy"]
    assert told["accuracy"] == np.trace(confusion) / N_TEST
    text = run_program("eval", checkpoint)
    assert f"top-5 accuracy {top5 / N_TEST:.6f}" in text and f"class {CLASSES - 1} has no samples" in text, text


def main():
    load_environment()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        x, labels, *start = make_data(np.random.default_rng(3))
        for smoothing in (0.0, 0.01, 0.1, 1.0):
            judge_smoothing(smoothing, x, labels, start)
        judge_counts(labels[N:])
        os.chdir("/")
    print("PyTorch", torch.__version__)
    return 0


sys.exit(main())
