"""Fifty iterations of every optimizer, also clipped and averaged, against an oracle outside the project: NumPy in
double precision (and PyTorch, where it is installed and has the optimizer), fed with `plan --samples`, the data file and
the initial checkpoint.

Compared: every loss, the final parameters, the optimizer's slots, and `predict` on the final checkpoint."""
import json
import os
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("NumPy is not installed: skipped")
    sys.exit(77)

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reader  # noqa: E402
from optimizers import clipped, decay_of, is_decoupled, update  # noqa: E402
from support import load_environment, run_program  # noqa: E402

try:
    import torch
except ImportError:
    torch = None

N, BATCH, ITERATIONS, N_TEST = 130, 40, 50, 37  # a tail batch of 10 in every epoch of 4 iterations

# The program computes in float32 (unit roundoff 6e-8).  A gradient is a sum of at most BATCH products through two
# layers, so it is off by about sqrt(BATCH) roundoffs, 4e-7 of its terms; fifty updates of such steps, none of them
# amplifying (the rates are below the stability limit), add up to less than sqrt(50) times that: 3e-6.  Adam divides
# by the root of the second moment, which takes a gradient's relative error as it is, so small gradients count more.
# The tolerance is about ten times the expected error; a wrong formula is off by at least a hundred times it, which
# `judge_resolution` checks.
TOLERANCE = {"loss": 5e-6, "parameter": 2e-5, "slot": 2e-5, "prediction": 5e-6, "norm": 2e-5}

OPTIMIZERS = {
    "sgd": {"name": "sgd", "lr": 0.1},
    "sgd, decay": {"name": "sgd", "lr": 0.1, "weight_decay": 0.02},
    "momentum": {"name": "momentum", "lr": 0.05, "momentum": 0.9},
    "momentum, decay": {"name": "momentum", "lr": 0.05, "momentum": 0.8, "weight_decay": 0.02},
    "nesterov": {"name": "nesterov", "lr": 0.05, "momentum": 0.9},
    "nesterov, decay": {"name": "nesterov", "lr": 0.05, "momentum": 0.8, "weight_decay": 0.02},
    "adam": {"name": "adam", "lr": 0.01},
    "adam, decay": {"name": "adam", "lr": 0.01, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.02},
    "adamw": {"name": "adamw", "lr": 0.01},  # its decay is 0.01 unless told otherwise
    "adamw, decay": {"name": "adamw", "lr": 0.01, "weight_decay": 0.2},
    "adamw, weights only": {"name": "adamw", "lr": 0.01, "weight_decay": 0.2, "decay_exclude": ["bias"]},
    "sgd, decoupled": {"name": "sgd", "lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True},
    "momentum, clipped": {"name": "momentum", "lr": 0.05, "momentum": 0.9, "clip_norm": 0.25},
    "adam, decoupled, clipped": {"name": "adam", "lr": 0.01, "weight_decay": 0.2, "decoupled_weight_decay": True,
                                 "clip_norm": 0.1, "eps": 1e-3},
    "rmsprop": {"name": "rmsprop", "lr": 0.002, "eps": 1e-3},
    "rmsprop, momentum, decay": {"name": "rmsprop", "lr": 0.001, "alpha": 0.9, "momentum": 0.8, "eps": 1e-2,
                                 "weight_decay": 0.02},
    "rmsprop, centered": {"name": "rmsprop", "lr": 0.001, "alpha": 0.9, "centered": True, "eps": 1e-1},
    "rmsprop, centered, momentum": {"name": "rmsprop", "lr": 0.0005, "centered": True, "momentum": 0.9, "eps": 1e-1,
                                    "ema": 0.8},
    "lars": {"name": "lars", "lr": 1.0, "trust": 0.02},
    "lars, decay, weights only": {"name": "lars", "lr": 1.0, "trust": 0.02, "momentum": 0.5, "weight_decay": 0.02,
                                  "decay_exclude": ["bias"], "ratio_exclude": ["norm"]},
    "lars, clipped": {"name": "lars", "lr": 0.02, "trust": 1.0, "weight_decay": 2.0, "clip_norm": 0.1},
    "lamb": {"name": "lamb", "lr": 0.011},  # at 0.01 a rectifier's input comes within 6e-8 of its kink: no oracle then
    "lamb, clipped": {"name": "lamb", "lr": 0.01, "weight_decay": 0.2, "eps": 0.1, "clip_norm": 0.1,
                      "ratio_exclude": ["bias"]},
    "momentum, average": {"name": "momentum", "lr": 0.05, "momentum": 0.7, "ema": 0.9},
    "nesterov, cosine": {"name": "nesterov", "lr": 0.05, "schedule": {"name": "cosine", "warmup": 7, "final_lr": 0.001}},
}


class Problem:
    """Data, model and loss; `kind` is classification (dense, relu, softmax) or regression (dense, tanh, mse)."""

    def __init__(self, kind, directory):
        random = np.random.default_rng(11)
        self.kind = kind
        self.scale, self.mean, self.std = 0.5, 0.1, 0.8
        self.features = random.normal(size=(N + N_TEST, 12)).astype(np.float32)
        hidden = np.tanh(self.features @ random.normal(size=(12, 6)))
        outputs = hidden @ random.normal(size=(6, 4))
        self.labels = outputs.argmax(axis=1).astype(np.int64)
        self.targets = outputs[:, :2].astype(np.float32)
        key = "labels" if kind == "classification" else "targets"
        values = self.labels if kind == "classification" else self.targets
        for name, part in (("train", slice(None, N)), ("test", slice(N, None))):
            np.save(os.path.join(directory, f"{kind}_{name}_x.npy"), self.features[part])
            np.save(os.path.join(directory, f"{kind}_{name}_y.npy"), values[part])
        self.config = {
            "data": {
                name: {"format": "npy", "features": f"{kind}_{name}_x.npy", key: f"{kind}_{name}_y.npy"}
                for name in ("train", "test")
            },
            "model": [{"dense": 20}, "relu" if kind == "classification" else "tanh",
                      {"dense": 4 if kind == "classification" else 2}],
            "loss": "softmax_cross_entropy" if kind == "classification" else "mse",
            "batch": {"global_batch_size": BATCH, "shards": 3, "micro_batch_size": 6},
            "train": {"max_iterations": ITERATIONS, "seed": 5},
            "checkpoint": {"every_iterations": ITERATIONS, "initial": True},
            "metrics": {"every_iterations": 1},
        }
        self.config["data"]["normalize"] = {"scale": self.scale, "mean": self.mean, "std": self.std}

    def inputs(self, ids):
        return (self.features[ids].astype(np.float64) * self.scale - self.mean) / self.std

    def forward(self, p, x):
        z = x @ p["0.weight"].T + p["0.bias"]
        h = np.maximum(z, 0) if self.kind == "classification" else np.tanh(z)
        return h, h @ p["2.weight"].T + p["2.bias"]

    def loss_and_gradient(self, p, ids):
        """Mean loss over the samples, its gradient, from the formulas."""
        x = self.inputs(ids)
        h, y = self.forward(p, x)
        if self.kind == "classification":
            rows = np.arange(len(ids))
            y = y - y.max(axis=1, keepdims=True)
            q = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
            loss = -np.log(q[rows, self.labels[ids]]).mean()
            dy = q.copy()
            dy[rows, self.labels[ids]] -= 1
        else:
            difference = y - self.targets[ids]
            loss = (difference**2).mean()
            dy = 2 * difference / y.shape[1]
        dy = dy / len(ids)
        dz = dy @ p["2.weight"] * ((h > 0) if self.kind == "classification" else 1 - h**2)
        return loss, {"0.weight": dz.T @ x, "0.bias": dz.sum(axis=0), "2.weight": dy.T @ h, "2.bias": dy.sum(axis=0)}

    def prediction(self, p, ids):
        y = self.forward(p, self.inputs(ids))[1]
        if self.kind == "regression":
            return y
        e = np.exp(y - y.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


def rate(options, iteration):
    schedule, base = options.get("schedule"), options["lr"]
    if schedule is None:
        return base
    warmup, final = schedule["warmup"], schedule["final_lr"]
    if iteration < warmup:
        return base * (iteration + 1) / warmup
    return final + (base - final) * (1 + np.cos(np.pi * (iteration - warmup) / (ITERATIONS - warmup))) / 2


def numpy_run(problem, options, start, batches):
    p = {name: value.astype(np.float64) for name, value in start.items()}
    slots = {name: {} for name in p}
    ema, losses, norms = None, [], []
    for i, ids in enumerate(batches):
        loss, gradient = problem.loss_and_gradient(p, ids)
        norm, gradient = clipped(options, gradient)
        losses.append(loss)
        norms.append(norm)
        for name in p:
            spared = name.endswith("bias") and options.get("decay_exclude")
            update(dict(options, decay=0 if spared else decay_of(options)), rate(options, i), i, name, p[name],
                   gradient[name], slots[name])
        d = options.get("ema", 0)
        ema = {n: d * ema[n] + (1 - d) * v for n, v in p.items()} if ema else {n: v.copy() for n, v in p.items()}
    return losses, norms, p, slots, ema


def torch_optimizer(options, groups):
    """None where PyTorch has no such optimizer."""
    name, lr, decay = options["name"], options["lr"], decay_of(options)
    if name in ("sgd", "momentum", "nesterov") and not is_decoupled(options):
        mu = 0 if name == "sgd" else options.get("momentum", 0.9)
        return torch.optim.SGD(groups, lr=lr, momentum=mu, weight_decay=decay, nesterov=name == "nesterov")
    if name == "rmsprop":
        keys = {key: options[key] for key in ("alpha", "momentum", "centered", "eps") if key in options}
        return torch.optim.RMSprop(groups, lr=lr, weight_decay=decay, **keys)
    if name in ("adam", "adamw"):
        make = torch.optim.AdamW if is_decoupled(options) else torch.optim.Adam
        return make(groups, lr=lr, betas=(options.get("beta1", 0.9), options.get("beta2", 0.999)),
                    eps=options.get("eps", 1e-8), weight_decay=decay)
    return None


def torch_run(problem, options, start, batches):
    """The same with PyTorch's layers, losses and optimizers, in double."""
    p = {name: torch.tensor(value.astype(np.float64), requires_grad=True) for name, value in start.items()}
    spare = bool(options.get("decay_exclude"))
    groups = [{"params": [v for n, v in p.items() if not n.endswith("bias")]},
              {"params": [v for n, v in p.items() if n.endswith("bias")], **({"weight_decay": 0} if spare else {})}]
    optimizer = torch_optimizer(options, groups)
    if optimizer is None:
        return None
    averages = torch.nn.ParameterList(list(p.values()))
    ema = torch.optim.swa_utils.AveragedModel(
        averages, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(options.get("ema", 0.0)))
    losses = []
    for i, ids in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = float(rate(options, i))
        z = torch.nn.functional.linear(torch.tensor(problem.inputs(ids)), p["0.weight"], p["0.bias"])
        y = torch.relu(z) if problem.kind == "classification" else torch.tanh(z)
        y = torch.nn.functional.linear(y, p["2.weight"], p["2.bias"])
        if problem.kind == "classification":
            loss = torch.nn.functional.cross_entropy(y, torch.tensor(problem.labels[ids]))
        else:
            loss = torch.nn.functional.mse_loss(y, torch.tensor(problem.targets[ids].astype(np.float64)))
        optimizer.zero_grad()
        loss.backward()
        if "clip_norm" in options:
            torch.nn.utils.clip_grad_norm_(list(p.values()), options["clip_norm"])
        optimizer.step()
        ema.update_parameters(averages)
        losses.append(loss.item())
    averaged = dict(zip(p, (value.detach().numpy() for value in ema.module)))
    return losses, {name: value.detach().numpy() for name, value in p.items()}, averaged


failures = 0
worst = {}


def compare(what, kind, mine, theirs):
    """The largest difference, as a part of the largest value, against the tolerance of its kind."""
    global failures
    mine, theirs = np.asarray(mine, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if mine.shape != theirs.shape:
        error = np.inf
    else:
        error = np.abs(mine - theirs).max() / np.abs(theirs).max()
    worst[kind] = max(worst.get(kind, 0.0), error)
    if not error <= TOLERANCE[kind]:
        failures += 1
        print(f"FAIL: {what}: off by {error:.2e}, tolerance {TOLERANCE[kind]:.0e}")


def lines_of(directory, event):
    with open(f"{directory}/metrics.jsonl", encoding="utf-8") as file:
        return [line for line in map(json.loads, file) if line["event"] == event]


def check_average(problem, title, checkpoint, final, ema, evaluations):
    """The moving average: its values, its loss in metrics.jsonl, and `eval --ema`."""
    for name, value in ema.items():
        compare(f"{title}: average of {name}", "parameter", final[f"ema.{name}"], value)
    loss = problem.loss_and_gradient(ema, np.arange(N, N + N_TEST))[0]
    compare(f"{title}: loss of the average", "loss", evaluations[-1]["ema_loss"], loss)
    told = json.loads(run_program("eval", checkpoint, "--ema", "--json"))
    assert told["loss"] == evaluations[-1]["ema_loss"], f"{title}: eval --ema"
    told = json.loads(run_program("eval", checkpoint, "--json"))
    assert told["loss"] == evaluations[-1]["loss"], f"{title}: eval"


def test_optimizer(problem, title, options, ranks):
    title = f"{problem.kind}, {title}"
    directory = tempfile.mkdtemp(dir=".")
    optimizer = {key: value for key, value in options.items() if key != "schedule"}
    config = dict(problem.config, optimizer=optimizer, schedule=options.get("schedule", {"name": "constant"}))
    path = f"{problem.kind}.yaml"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)  # JSON is YAML

    plan = [json.loads(line) for line in run_program("plan", path, "--samples", f"0:{ITERATIONS}").splitlines()]
    batches = [np.array(line["ids"]) for line in plan]
    assert [len(ids) for ids in batches[:4]] == [40, 40, 40, 10], "the batches of an epoch"
    run_program("train", path, "--run-dir", directory, "--quiet", ranks=ranks)
    start = reader.read(f"{directory}/ckpt-00000000.safetensors")[1]
    metadata, final = reader.read(f"{directory}/ckpt-{ITERATIONS:08d}.safetensors")
    assert metadata["iteration"] == str(ITERATIONS), metadata["iteration"]
    lines = lines_of(directory, "train")
    assert [line["iteration"] for line in lines] == list(range(1, ITERATIONS + 1)), "a line for every iteration"

    first = {name: value for name, value in start.items() if not name.startswith(("optimizer.", "ema."))}
    losses, norms, p, slots, ema = numpy_run(problem, options, first, batches)
    compare(f"{title}: losses", "loss", [line["loss"] for line in lines], losses)
    compare(f"{title}: norms", "norm", [line["gnorm"] for line in lines], norms)
    assert np.allclose([line["lr"] for line in lines], [rate(options, i) for i in range(ITERATIONS)], rtol=1e-14, atol=0)
    expected = set(p) | {f"optimizer.{slot}.{name}" for name in p for slot in slots[name]}
    if "ema" in options:
        expected |= {f"ema.{name}" for name in p}
        check_average(problem, title, f"{directory}/latest", final, ema, lines_of(directory, "eval"))
        assert all((start[f"ema.{name}"] == first[name]).all() for name in p), f"{title}: the average at the start"
    assert set(final) == expected, f"{title}: tensors {sorted(final)}"
    for name in p:
        compare(f"{title}: {name}", "parameter", final[name], p[name])
        for slot, value in slots[name].items():
            compare(f"{title}: {slot} of {name}", "slot", final[f"optimizer.{slot}.{name}"], value)
    by_torch = torch_run(problem, options, first, batches) if torch is not None else None
    if by_torch is not None:
        torch_losses, torch_p, torch_ema = by_torch
        compare(f"{title}: losses of PyTorch", "loss", [line["loss"] for line in lines], torch_losses)
        for name in p:
            compare(f"{title}: {name} of PyTorch", "parameter", final[name], torch_p[name])
            if "ema" in options:
                compare(f"{title}: average of {name} of PyTorch", "parameter", final[f"ema.{name}"], torch_ema[name])

    run_program("predict", f"{directory}/latest", "--out", f"{directory}/y.npy", ranks=ranks)
    trained = {name: final[name].astype(np.float64) for name in p}
    compare(f"{title}: predict", "prediction", np.load(f"{directory}/y.npy"),
            problem.prediction(trained, np.arange(N, N + N_TEST)))
    return p


def judge_resolution(finals):
    """Optimizers that differ, differ by far more than the tolerance: else the comparison would show nothing."""
    global failures
    names = list(finals)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            x, y = (np.concatenate([v.ravel() for v in finals[n].values()]) for n in (a, b))
            apart = np.abs(x - y).max() / np.abs(y).max()
            if apart < 100 * TOLERANCE["parameter"]:
                failures += 1
                print(f"FAIL: '{a}' and '{b}' are only {apart:.1e} apart: the test cannot tell them")


def main():
    load_environment()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        for kind in ("classification", "regression"):
            problem = Problem(kind, directory)
            ranks = {"classification": 2, "regression": 3}[kind]
            judge_resolution({title: test_optimizer(problem, title, options, ranks) for title, options in OPTIMIZERS.items()})
        os.chdir("/")
    print("largest errors:", ", ".join(f"{kind} {error:.1e} (tolerance {TOLERANCE[kind]:.0e})" for kind, error in worst.items()))
    print("PyTorch", torch.__version__ if torch is not None else "is not installed: compared with NumPy alone")
    return 1 if failures else 0


sys.exit(main())
