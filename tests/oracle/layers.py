"""Every registered layer against PyTorch: the same small network in both, with the same weights.

PyTorch makes the weights, --init-from takes them, one iteration of momentum follows.  Compared, with PyTorch in double:
the outputs (predict), the loss in training, the gradients (the momentum buffer after the first iteration is the
gradient), the parameters after the update, and running statistics.  A layer with weights stands in front, so that its
gradient shows the input gradient of the layer under test.

A new layer needs a row in LAYERS: how PyTorch names it, and option sets to try; without one this test fails."""
import json
import math
import os
import re
import sys
import tempfile
import warnings

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reader  # noqa: E402
from support import import_torch, load_environment, run_program  # noqa: E402

torch = import_torch()
nn = torch.nn
warnings.filterwarnings("ignore", message="Using padding='same'")  # even kernels: a remark on speed

N, SHARDS, LR = 25, 2, 0.5  # shards of 13 and 12 rows

# Sums of up to a few hundred products in float32 (roundoff 6e-8) in another order, through at most five layers: 1e-6
# of the largest value is usual.  A wrong formula is off by far more than twenty times that.
TOLERANCE = 2e-5


class Dense(nn.Linear):
    """lockstep's dense flattens its input."""

    def forward(self, x):
        return super().forward(x.flatten(1))


class Residual(nn.Module):
    def __init__(self, options, shape):
        super().__init__()
        self.body = build(options["body"], shape)
        self.shortcut = build(options["shortcut"], shape) if "shortcut" in options else None

    def forward(self, x):
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))


def ghost(base):
    """Batch normalisation whose moments are those of each shard; running statistics are those of the batch."""

    class Ghost(base):
        def forward(self, x):
            y = super().forward(x)  # moves the running statistics
            if not self.training:
                return y
            parts = [nn.functional.batch_norm(rows, None, None, self.weight, self.bias, True, 0.0, self.eps)
                     for rows in x.tensor_split(SHARDS)]
            return torch.cat(parts)

    return Ghost


def batchnorm(o, shape):
    base = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    if o.get("statistics") == "shard":
        base = ghost(base)
    return base(shape[0], eps=o.get("eps", 1e-5), momentum=o.get("momentum", 0.1), affine=o.get("affine", True))


def conv(o, shape):
    def of(key, fallback):
        value = o.get(key, fallback)
        return tuple(value) if isinstance(value, list) else value

    return nn.Conv2d(shape[0], o["filters"], of("kernel", None), stride=of("stride", 1), padding=of("padding", 0),
                     dilation=of("dilation", 1), groups=o.get("groups", 1), bias=o.get("bias", True))


def pool(kind):
    return lambda o, shape: kind(o["kernel"], stride=o.get("stride"), padding=o.get("padding", 0))


def plain(kind):
    return lambda o, shape: kind()


FLAT, IMAGE = (12,), (4, 6, 7)
CONV_NORM = [{"conv": {"filters": 4, "kernel": 3, "padding": 1, "bias": False}}, {"batchnorm": {}}]

# name: (options and input shape -> PyTorch's module, [(options, input shape), ...])
LAYERS = {
    "dense": (lambda o, shape: Dense(math.prod(shape), o["units"], bias=o.get("bias", True)),
              [({"units": 7}, FLAT), ({"units": 5, "bias": False}, FLAT), ({"units": 6}, IMAGE)]),
    "flatten": (plain(nn.Flatten), [({}, FLAT), ({}, IMAGE)]),
    "relu": (plain(nn.ReLU), [({}, FLAT), ({}, IMAGE)]),
    "tanh": (plain(nn.Tanh), [({}, FLAT), ({}, IMAGE)]),
    "sigmoid": (plain(nn.Sigmoid), [({}, FLAT), ({}, IMAGE)]),
    "gelu": (plain(nn.GELU), [({}, FLAT), ({}, IMAGE)]),
    "silu": (plain(nn.SiLU), [({}, FLAT), ({}, IMAGE)]),
    "leaky_relu": (lambda o, shape: nn.LeakyReLU(o.get("slope", 0.01)),
                   [({}, FLAT), ({"slope": 0.2}, FLAT), ({"slope": 0.0}, IMAGE), ({"slope": 1.5}, FLAT)]),
    "dropout": (lambda o, shape: nn.Dropout(o["p"]),
                [({"p": 0}, FLAT), ({"p": 0.5}, FLAT), ({"p": 0}, IMAGE)]),  # p > 0: outside training alone
    "conv": (conv,
             [({"filters": 5, "kernel": 3}, IMAGE), ({"filters": 5, "kernel": 3, "padding": "same"}, IMAGE),
              ({"filters": 3, "kernel": 4, "padding": "same"}, IMAGE), ({"filters": 3, "kernel": 1}, IMAGE),
              ({"filters": 3, "kernel": 5, "padding": "valid", "bias": False}, IMAGE),
              ({"filters": 5, "kernel": [3, 2], "stride": [2, 1], "padding": [1, 0]}, IMAGE),
              ({"filters": 6, "kernel": 3, "stride": 2, "padding": 1, "bias": False}, IMAGE),
              ({"filters": 6, "kernel": 1, "stride": 2}, IMAGE),
              ({"filters": 3, "kernel": 3, "dilation": 2, "padding": 2}, IMAGE),
              ({"filters": 3, "kernel": [2, 3], "dilation": [3, 1], "padding": "same"}, IMAGE),
              ({"filters": 6, "kernel": 3, "groups": 2, "padding": 1}, IMAGE),
              ({"filters": 8, "kernel": 3, "groups": 4, "stride": 2}, IMAGE)]),
    "maxpool": (pool(nn.MaxPool2d),
                [({"kernel": 2}, IMAGE), ({"kernel": 2}, (3, 8, 8)), ({"kernel": 3, "stride": 2, "padding": 1}, IMAGE),
                 ({"kernel": [2, 3], "stride": [1, 2]}, IMAGE), ({"kernel": 3, "stride": 1}, IMAGE)]),
    "avgpool": (pool(nn.AvgPool2d),
                [({"kernel": 2}, IMAGE), ({"kernel": 3, "stride": 2, "padding": 1}, IMAGE),
                 ({"kernel": [2, 3], "stride": [1, 2]}, IMAGE), ({"kernel": 3, "stride": 1}, IMAGE)]),
    "global_avgpool": (lambda o, shape: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), [({}, IMAGE)]),
    "batchnorm": (batchnorm,
                  [({}, FLAT), ({}, IMAGE), ({"affine": False}, IMAGE), ({"eps": 0.01, "momentum": 0.4}, IMAGE),
                   ({"statistics": "shard"}, FLAT), ({"statistics": "shard"}, IMAGE)]),
    "layernorm": (lambda o, shape: nn.LayerNorm(shape, eps=o.get("eps", 1e-5), elementwise_affine=o.get("affine", True)),
                  [({}, FLAT), ({}, IMAGE), ({"eps": 0.1}, FLAT), ({"affine": False}, FLAT)]),
    "groupnorm": (lambda o, shape: nn.GroupNorm(o["groups"], shape[0], eps=o.get("eps", 1e-5), affine=o.get("affine", True)),
                  [({"groups": 2}, IMAGE), ({"groups": 1}, IMAGE), ({"groups": 4, "eps": 0.1}, IMAGE),
                   ({"groups": 2, "affine": False}, IMAGE)]),
    "residual": (Residual,
                 [({"body": [{"dense": {"units": 9}}, "tanh", {"dense": {"units": 12}}]}, FLAT),
                  ({"body": ["relu", {"dense": {"units": 5}}], "shortcut": [{"dense": {"units": 5, "bias": False}}]}, FLAT),
                  ({"body": [{"residual": {"body": [{"dense": {"units": 12}}, "relu"]}}, "tanh"]}, FLAT),
                  ({"body": [{"conv": {"filters": 4, "kernel": 3, "padding": 1}}, "relu",
                             {"conv": {"filters": 4, "kernel": 3, "padding": 1}}]}, IMAGE),
                  ({"body": CONV_NORM + ["relu", {"conv": {"filters": 6, "kernel": 3, "stride": 2, "padding": 1}}],
                    "shortcut": [{"conv": {"filters": 6, "kernel": 1, "stride": 2, "bias": False}}, {"batchnorm": {}}]},
                   IMAGE)]),
}


def split(entry):
    """Name and options of an entry of a model list."""
    return (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))


def build(model, shape):
    """A model list as PyTorch's nn.Sequential, in evaluation mode."""
    modules = []
    for name, options in map(split, model):
        modules.append(LAYERS[name][0](options, shape))
        shape = tuple(modules[-1].eval()(torch.zeros(1, *shape)).shape[1:])
    return nn.Sequential(*modules)


def names_of(model):
    """All layers of a model list, also those inside others."""
    names = set()
    for name, options in map(split, model):
        names |= {name} | names_of(options.get("body", [])) | names_of(options.get("shortcut", []))
    return names


def give_weights(net, random):
    """Random numbers for everything, also for biases and running statistics."""
    state = net.state_dict()
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        numbers = random.normal(size=tuple(value.shape))
        if name.endswith("running_var"):
            numbers = 0.5 + np.abs(numbers)
        elif value.ndim > 1:
            numbers /= math.sqrt(value[0].numel())
        state[name] = torch.tensor(numbers.astype(np.float32))
    net.load_state_dict(state)


failures, worst = 0, 0.0


def compare(what, mine, theirs, least=0.0):
    """The largest difference, as a part of the largest value (or of `least`)."""
    global failures, worst
    mine, theirs = np.asarray(mine, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    same = mine.shape == theirs.shape and np.isfinite(mine).all()
    error = np.abs(mine - theirs).max() / max(np.abs(theirs).max(), least, 1e-30) if same else np.inf
    worst = max(worst, error)
    if not error <= TOLERANCE:
        failures += 1
        print(f"FAIL: {what}: {f'off by {error:.1e}, tolerance {TOLERANCE:.0e}' if same else 'another shape, or not finite'}")


def predict(checkpoint, rows):
    run_program("predict", checkpoint, "--out", "y.npy")
    return np.load("y.npy").reshape(rows, -1)


def run_case(title, model, shape, train):
    random = np.random.default_rng(len(title))
    torch.manual_seed(1)
    net = build(model, shape)
    give_weights(net, random)
    x = random.normal(size=(N, *shape)).astype(np.float32)
    n_out = math.prod(net(torch.tensor(x[:1])).shape[1:])
    targets = random.normal(size=(N, n_out)).astype(np.float32)
    np.save("x.npy", x)
    np.save("t.npy", targets)
    reader.write("w.safetensors", {name: value.numpy() for name, value in net.state_dict().items()})
    data = {"format": "npy", "features": "x.npy", "targets": "t.npy"}
    config = {"data": {"train": data, "test": data, "shuffle": False}, "model": model, "loss": "mse",
              "batch": {"global_batch_size": N, "shards": SHARDS}, "optimizer": {"name": "momentum", "lr": LR},
              "train": {"max_iterations": 1}, "checkpoint": {"initial": True, "keep": 0}, "metrics": {"every_iterations": 1}}
    with open("c.yaml", "w", encoding="utf-8") as file:
        json.dump(config, file)
    run_program("train", "c.yaml", "--run-dir", "r", "--overwrite", "--quiet", "--init-from", "w.safetensors")

    net.double()
    inputs = torch.tensor(x).double()
    compare(f"{title}: output", predict("r/ckpt-00000000.safetensors", N), net.eval()(inputs).detach().flatten(1))
    if train:
        compare_training(title, net, inputs, torch.tensor(targets).double())


def compare_training(title, net, inputs, targets):
    loss = nn.functional.mse_loss(net.train()(inputs).flatten(1), targets)
    loss.backward()
    with open("r/metrics.jsonl", encoding="utf-8") as file:
        mine = [line["loss"] for line in map(json.loads, file) if line["event"] == "train"]
    compare(f"{title}: loss", mine, [loss.item()])
    final = reader.read("r/ckpt-00000001.safetensors")[1]
    gradients = {name: value.grad for name, value in net.named_parameters()}
    largest = max((g.abs().max().item() for g in gradients.values()), default=0.0)
    with torch.no_grad():
        for name, value in net.named_parameters():
            # gradients that cancel (a bias before a normalisation) are roundoff of the others
            compare(f"{title}: gradient of {name}", final[f"optimizer.momentum_buffer.{name}"], gradients[name], 0.1 * largest)
            value -= LR * gradients[name]
            compare(f"{title}: {name} after the update", final[name], value, 0.1 * largest)
    stored = {name for name, _ in net.named_parameters()}
    for name, value in net.named_buffers():
        if value.is_floating_point():
            stored.add(name)
            compare(f"{title}: {name}", final[name], value)
    assert stored == {name for name in final if name[0].isdigit()}, f"{title}: tensors {sorted(final)}"
    compare(f"{title}: output after the update", predict("r/latest", N), net.eval()(inputs).detach().flatten(1))


def front_of(shape, registered):
    """A layer whose weights' gradient is made of the input gradient behind it; none for images before there is conv."""
    if len(shape) == 1:
        return [{"dense": {"units": shape[0]}}]
    return [{"conv": {"filters": shape[0], "kernel": 3, "padding": "same"}}] if "conv" in registered else []


def main():
    global failures
    load_environment()
    registered = re.findall(r"^(\w+)", run_program("info", "layers"), re.MULTILINE)
    assert "dense" in registered and "relu" in registered, registered
    count = {name: 0 for name in registered}
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        for name in registered:
            if name not in LAYERS:
                failures += 1
                print(f"FAIL: the layer '{name}' has no row in LAYERS of tests/oracle/layers.py: say what it is in PyTorch")
                continue
            for options, shape in LAYERS[name][1]:
                model = front_of(shape, registered) + [{name: options} if options else name]
                # without parameters there is nothing to train, and dropout draws its own numbers
                has_parameters = any(True for _ in build(model, shape).parameters())
                if not names_of(model) <= set(registered) or not has_parameters:
                    continue
                run_case(f"{name} {json.dumps(options)} on {list(shape)}", model, shape, options.get("p", 0) == 0)
                count[name] += 1
            if count[name] == 0:
                failures += 1
                print(f"FAIL: no case of the layer '{name}' could be run")
        os.chdir("/")
    absent = sorted(set(LAYERS) - set(registered))
    print(f"{sum(count.values())} cases of {len(registered)} layers, largest error {worst:.1e} (tolerance {TOLERANCE:.0e}); PyTorch {torch.__version__}")
    if absent:
        print("not registered, hence not compared:", ", ".join(absent))
    return 1 if failures else 0


sys.exit(main())
