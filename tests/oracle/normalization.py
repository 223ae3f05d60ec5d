"""Thirty iterations with normalising layers and residual blocks against PyTorch in one process, in double, on the whole
batch: losses, parameters, momentum, running statistics and predictions.  A checkpoint's tensors are what
`load_state_dict` takes.

Statistics over the batch must be those of nn.BatchNorm on the whole batch, although the program computes it in shards
on several ranks.  Statistics of a shard are nn.BatchNorm's on its rows; their running statistics are defined by the
moments of the whole batch."""
import json
import os
import sys
import tempfile

try:
    import numpy as np
    import torch
    from torch import nn
except ImportError:
    print("PyTorch is not installed: skipped")
    sys.exit(77)

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reader  # noqa: E402
from support import load_environment, run_program  # noqa: E402

N, N_TEST, BATCH, SHARDS, ITERATIONS = 130, 37, 40, 3, 30  # a tail batch of 10 in every epoch of 4 iterations

# float32 against double, as in trajectory.py; a normalising layer divides by a deviation below 1, and its gradient is a
# difference of terms of its own size: an order more.  A wrong formula (biased variance, statistics of a shard for those
# of the batch) is off by 1e-2.
TOLERANCE = 2e-4

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class Residual(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = nn.Sequential(*body)
        self.shortcut = nn.Sequential(*shortcut) if shortcut else nn.Identity()

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


class GhostNorm(nn.BatchNorm1d):
    """Each shard by its own moments; running statistics by those of the batch."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        sizes = [len(part) for part in np.array_split(np.arange(len(x)), SHARDS)]
        parts = [nn.functional.batch_norm(part, None, None, self.weight, self.bias, True, 0.0, self.eps)
                 for part in torch.split(x, sizes)]
        with torch.no_grad():
            self.running_mean += self.momentum * (x.mean(0) - self.running_mean)
            self.running_var += self.momentum * (x.var(0, unbiased=True) - self.running_var)
        return torch.cat(parts)


MODELS = {
    "batch": ([{"batchnorm": {}}, {"dense": 20}, {"batchnorm": {"momentum": 0.3, "eps": 1e-3}}, "relu", {"dense": 4}],
              lambda: [nn.BatchNorm1d(24), nn.Linear(24, 20), nn.BatchNorm1d(20, eps=1e-3, momentum=0.3), nn.ReLU(),
                       nn.Linear(20, 4)]),
    "shard": ([{"dense": 20}, {"batchnorm": {"statistics": "shard"}}, "relu",
               {"residual": [{"dense": 20}, {"batchnorm": {"statistics": "shard", "affine": False}}, "tanh"]}, {"dense": 4}],
              lambda: [nn.Linear(24, 20), GhostNorm(20), nn.ReLU(),
                       Residual([nn.Linear(20, 20), GhostNorm(20, affine=False), nn.Tanh()]), nn.Linear(20, 4)]),
    "image": ([{"batchnorm": {}}, {"groupnorm": 2}, {"layernorm": {}},
               {"residual": ["tanh", {"batchnorm": {"momentum": 0.2}}]}, "flatten", {"dense": 4}],
              lambda: [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm([4, 3, 2]),
                       Residual([nn.Tanh(), nn.BatchNorm2d(4, momentum=0.2)]), nn.Flatten(), nn.Linear(24, 4)]),
    "blocks": ([{"residual": {"body": [{"dense": 16}, {"layernorm": {"eps": 1e-3}}, "relu", {"dense": 12}],
                              "shortcut": [{"dense": {"units": 12, "bias": False}}, {"batchnorm": {}}]}}, "relu",
                {"residual": [{"dense": 12}, {"groupnorm": {"groups": 3, "affine": False}},
                              {"residual": ["tanh", {"dense": 12}]}]}, {"dense": 4}],
               lambda: [Residual([nn.Linear(24, 16), nn.LayerNorm(16, eps=1e-3), nn.ReLU(), nn.Linear(16, 12)],
                                 [nn.Linear(24, 12, bias=False), nn.BatchNorm1d(12)]), nn.ReLU(),
                        Residual([nn.Linear(12, 12), nn.GroupNorm(3, 12, affine=False),
                                  Residual([nn.Tanh(), nn.Linear(12, 12)])]), nn.Linear(12, 4)]),
}

failures = 0
worst = 0.0


def compare(what, mine, theirs):
    """The largest difference, as a part of the largest value; that of a bias in front of a batchnorm is 0 but for
    rounding, since it has no gradient, so 0.1, the size of a gradient here, is the least."""
    global failures, worst
    mine, theirs = np.asarray(mine, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    error = np.abs(mine - theirs).max() / max(np.abs(theirs).max(), 0.1) if mine.shape == theirs.shape else np.inf
    worst = max(worst, error)
    if not error <= TOLERANCE:
        failures += 1
        print(f"FAIL: {what}: off by {error:.2e}, tolerance {TOLERANCE:.0e}")


def state_of(tensors):
    return {name: torch.tensor(value.astype(np.float64)) for name, value in tensors.items()
            if not name.startswith("optimizer.")}


def torch_run(modules, start, features, labels, batches):
    model = nn.Sequential(*modules)
    model.load_state_dict(state_of(start))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    model.train()
    for ids in batches:
        loss = nn.functional.cross_entropy(model(torch.tensor(features[ids])), torch.tensor(labels[ids]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    slots = {name: optimizer.state[p]["momentum_buffer"].numpy() for name, p in model.named_parameters()}
    return model, losses, slots


def test_model(title, ranks):
    random = np.random.default_rng(11)
    shape = (4, 3, 2) if title == "image" else (24,)
    features = (random.normal(size=(N + N_TEST, *shape)) * 2 + 3).astype(np.float32)  # far from mean 0, variance 1
    labels = (np.tanh(features.reshape(-1, 24) - 3) @ random.normal(size=(24, 4))).argmax(axis=1).astype(np.int64)
    for name, part in (("train", slice(None, N)), ("test", slice(N, None))):
        np.save(f"{name}_x.npy", features[part])
        np.save(f"{name}_y.npy", labels[part])
    layers, modules = MODELS[title]
    config = {"data": {name: {"format": "npy", "features": f"{name}_x.npy", "labels": f"{name}_y.npy"}
                       for name in ("train", "test")},
              "model": layers, "batch": {"global_batch_size": BATCH, "shards": SHARDS},
              "optimizer": {"name": "momentum", "lr": 0.05}, "train": {"max_iterations": ITERATIONS, "seed": 5},
              "checkpoint": {"every_iterations": ITERATIONS, "initial": True}, "metrics": {"every_iterations": 1}}
    with open(f"{title}.yaml", "w", encoding="utf-8") as file:
        json.dump(config, file)  # JSON is YAML
    plan = run_program("plan", f"{title}.yaml", "--samples", f"0:{ITERATIONS}").splitlines()
    run_program("train", f"{title}.yaml", "--run-dir", title, "--quiet", ranks=ranks)
    start = reader.read(f"{title}/ckpt-00000000.safetensors")[1]
    final = reader.read(f"{title}/ckpt-{ITERATIONS:08d}.safetensors")[1]
    with open(f"{title}/metrics.jsonl", encoding="utf-8") as file:
        lines = [line for line in map(json.loads, file) if line["event"] == "train"]

    batches = [np.array(json.loads(line)["ids"]) for line in plan]
    model, losses, slots = torch_run(modules(), start, features.astype(np.float64), labels, batches)
    compare(f"{title}: losses", [line["loss"] for line in lines], losses)
    for name, value in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            compare(f"{title}: {name}", final.pop(name), value.numpy())
    for name, value in slots.items():
        compare(f"{title}: momentum of {name}", final.pop(f"optimizer.momentum_buffer.{name}"), value)
    assert not final, f"{title}: more tensors: {sorted(final)}"

    run_program("predict", f"{title}/latest", "--out", "y.npy", ranks=ranks)
    model.eval()
    expected = torch.softmax(model(torch.tensor(features[N:].astype(np.float64))), 1).detach().numpy()
    compare(f"{title}: predict", np.load("y.npy"), expected)


def main():
    load_environment()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        for title, ranks in (("batch", 2), ("shard", 3), ("image", 5), ("blocks", 2)):
            test_model(title, ranks)
        os.chdir("/")
    print(f"largest error {worst:.1e}, tolerance {TOLERANCE:.0e}; PyTorch {torch.__version__}")
    return 1 if failures else 0


sys.exit(main())
