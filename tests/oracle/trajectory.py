"""Fifty iterations of every optimizer against an oracle outside the project: NumPy in double precision (and PyTorch,
where it is installed), fed with `plan --samples`, the data file and the initial checkpoint.

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
TOLERANCE = {"loss": 5e-6, "parameter": 2e-5, "slot": 2e-5, "prediction": 5e-6}

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


def decay_of(options):
    return options.get("weight_decay", 0.01 if options["name"] == "adamw" else 0)


def rate(options, iteration):
    schedule, base = options.get("schedule"), options["lr"]
    if schedule is None:
        return base
    warmup, final = schedule["warmup"], schedule["final_lr"]
    if iteration < warmup:
        return base * (iteration + 1) / warmup
    return final + (base - final) * (1 + np.cos(np.pi * (iteration - warmup) / (ITERATIONS - warmup))) / 2


def update(o, iteration, p, g, slots):
    """One step of one tensor in place, from the papers in PyTorch's form; slots is a dict of its own."""
    lr, decay, name = rate(o, iteration), o["decay"], o["name"]
    if name == "adamw":
        p *= 1 - lr * decay
    else:
        g = g + decay * p
    if name == "sgd":
        p -= lr * g
    elif name in ("momentum", "nesterov"):
        mu = o.get("momentum", 0.9)
        v = slots.setdefault("momentum_buffer", np.zeros_like(p))
        v *= mu
        v += g
        p -= lr * (g + mu * v if name == "nesterov" else v)
    else:
        beta1, beta2, eps, t = o.get("beta1", 0.9), o.get("beta2", 0.999), o.get("eps", 1e-8), iteration + 1
        m, v = (slots.setdefault(s, np.zeros_like(p)) for s in ("exp_avg", "exp_avg_sq"))
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g**2
        p -= lr / (1 - beta1**t) * m / (np.sqrt(v) / np.sqrt(1 - beta2**t) + eps)


def numpy_run(problem, options, start, batches):
    p = {name: value.astype(np.float64) for name, value in start.items()}
    slots = {name: {} for name in p}
    losses = []
    for i, ids in enumerate(batches):
        loss, gradient = problem.loss_and_gradient(p, ids)
        losses.append(loss)
        for name in p:
            spared = name.endswith("bias") and options.get("decay_exclude")
            update(dict(options, decay=0 if spared else decay_of(options)), i, p[name], gradient[name],
                   slots[name])
    return losses, p, slots


def torch_run(problem, options, start, batches):
    """The same with PyTorch's layers, losses and optimizers, in double."""
    p = {name: torch.tensor(value.astype(np.float64), requires_grad=True) for name, value in start.items()}
    spare = bool(options.get("decay_exclude"))
    groups = [{"params": [v for n, v in p.items() if not n.endswith("bias")]},
              {"params": [v for n, v in p.items() if n.endswith("bias")], **({"weight_decay": 0} if spare else {})}]
    name, decay = options["name"], decay_of(options)
    if name in ("sgd", "momentum", "nesterov"):
        mu = 0 if name == "sgd" else options.get("momentum", 0.9)
        optimizer = torch.optim.SGD(groups, lr=options["lr"], momentum=mu, weight_decay=decay, nesterov=name == "nesterov")
    else:
        make = torch.optim.Adam if name == "adam" else torch.optim.AdamW
        optimizer = make(groups, lr=options["lr"], betas=(options.get("beta1", 0.9), options.get("beta2", 0.999)),
                         eps=options.get("eps", 1e-8), weight_decay=decay)
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
        optimizer.step()
        losses.append(loss.item())
    return losses, {name: value.detach().numpy() for name, value in p.items()}


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
    with open(f"{directory}/metrics.jsonl", encoding="utf-8") as file:
        lines = [line for line in map(json.loads, file) if line["event"] == "train"]
    assert [line["iteration"] for line in lines] == list(range(1, ITERATIONS + 1)), "a line for every iteration"

    first = {name: value for name, value in start.items() if not name.startswith("optimizer.")}
    losses, p, slots = numpy_run(problem, options, first, batches)
    compare(f"{title}: losses", "loss", [line["loss"] for line in lines], losses)
    assert np.allclose([line["lr"] for line in lines], [rate(options, i) for i in range(ITERATIONS)], rtol=1e-14, atol=0)
    expected = set(p) | {f"optimizer.{slot}.{name}" for name in p for slot in slots[name]}
    assert set(final) == expected, f"{title}: tensors {sorted(final)}"
    for name in p:
        compare(f"{title}: {name}", "parameter", final[name], p[name])
        for slot, value in slots[name].items():
            compare(f"{title}: {slot} of {name}", "slot", final[f"optimizer.{slot}.{name}"], value)
    if torch is not None:
        torch_losses, torch_p = torch_run(problem, options, first, batches)
        compare(f"{title}: losses of PyTorch", "loss", [line["loss"] for line in lines], torch_losses)
        for name in p:
            compare(f"{title}: {name} of PyTorch", "parameter", final[name], torch_p[name])

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
