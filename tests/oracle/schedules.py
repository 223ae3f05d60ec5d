"""The rates of every schedule, as metrics.jsonl tells them, against PyTorch's lr_scheduler; warm-up is its LinearLR."""
import json
import math
import os
import subprocess
import sys
import tempfile

try:
    import torch
    from torch.optim import lr_scheduler
except ImportError:
    print("PyTorch is not installed: skipped")
    sys.exit(77)

BASE, ITERATIONS, PER_EPOCH = 0.4, 60, 12

CONFIG = {
    "data": {"train": {"format": "synthetic", "samples": 95, "features": 4, "classes": 2}},
    "model": [{"dense": 2}],
    "batch": {"global_batch_size": 8},
    "optimizer": {"name": "sgd", "lr": BASE},
    "train": {"max_iterations": ITERATIONS},
    "metrics": {"every_iterations": 1},
}

# Options here, and the scheduler there for the `rest` iterations behind the warm-up.
CASES = [
    ({"name": "constant"}, lambda o, rest: lr_scheduler.LambdaLR(o, lambda t: 1.0)),
    ({"name": "step", "every": 7, "gamma": 0.5}, lambda o, rest: lr_scheduler.StepLR(o, 7, 0.5)),
    ({"name": "step", "every": 2, "unit": "epochs"}, lambda o, rest: lr_scheduler.StepLR(o, 2 * PER_EPOCH, 0.1)),
    ({"name": "multistep", "milestones": [5, 17, 40], "gamma": 0.3},
     lambda o, rest: lr_scheduler.MultiStepLR(o, [5, 17, 40], 0.3)),
    ({"name": "multistep", "milestones": [1, 3], "unit": "epochs"},
     lambda o, rest: lr_scheduler.MultiStepLR(o, [PER_EPOCH, 3 * PER_EPOCH], 0.1)),
    ({"name": "cosine"}, lambda o, rest: lr_scheduler.CosineAnnealingLR(o, rest)),
    ({"name": "cosine", "final_lr": 0.05}, lambda o, rest: lr_scheduler.CosineAnnealingLR(o, rest, 0.05)),
    ({"name": "linear", "final_lr": 0.1}, lambda o, rest: lr_scheduler.LinearLR(o, 1.0, 0.1 / BASE, rest)),
    ({"name": "linear", "duration": 20}, lambda o, rest: lr_scheduler.LinearLR(o, 1.0, 0.0, 20)),
    ({"name": "polynomial"}, lambda o, rest: lr_scheduler.PolynomialLR(o, rest, 1.0)),
    ({"name": "polynomial", "power": 2.5, "duration": 3, "unit": "epochs"},
     lambda o, rest: lr_scheduler.PolynomialLR(o, 3 * PER_EPOCH, 2.5)),
    # PyTorch has none; the form of fairseq and of Hugging Face's get_inverse_sqrt_schedule
    ({"name": "inverse_sqrt", "timescale": 9},
     lambda o, rest: lr_scheduler.LambdaLR(o, lambda t: 1.0 / math.sqrt((t + 9) / 9))),
    ({"name": "one_cycle"}, lambda o, rest: lr_scheduler.OneCycleLR(o, BASE, total_steps=rest)),
    ({"name": "one_cycle", "pct_start": 0.45, "anneal_strategy": "linear", "div_factor": 10, "final_div_factor": 100},
     lambda o, rest: lr_scheduler.OneCycleLR(o, BASE, total_steps=rest, pct_start=0.45, anneal_strategy="linear",
                                             div_factor=10, final_div_factor=100)),
    ({"name": "one_cycle", "three_phase": True},
     lambda o, rest: lr_scheduler.OneCycleLR(o, BASE, total_steps=rest, three_phase=True)),
]


def rates_of_torch(make, warmup):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    scheduler = make(optimizer, ITERATIONS - warmup)
    rates = []
    for _ in range(ITERATIONS - warmup):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(rates) < ITERATIONS - warmup else None
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    rise = []
    if warmup:
        scheduler = lr_scheduler.LinearLR(optimizer, 1.0 / warmup, 1.0, warmup - 1)
        for _ in range(warmup):
            rise.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rise + rates


def rates_of_program(schedule):
    with open("c.yaml", "w", encoding="utf-8") as file:
        json.dump(dict(CONFIG, schedule=schedule), file)  # JSON is YAML
    done = subprocess.run([os.environ["LOCKSTEP"], "train", "c.yaml", "--run-dir", "run", "--overwrite", "--quiet"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{schedule}: exit code {done.returncode}: {done.stderr}"
    with open("run/metrics.jsonl", encoding="utf-8") as file:
        return [line["lr"] for line in map(json.loads, file) if line["event"] == "train"]


def main():
    script = os.path.join(os.environ["LS_SOURCE"], "tests", "mpi-env.sh")
    text = subprocess.run(["bash", "-c", f'. "{script}"; env -0'], capture_output=True, text=True, check=True).stdout
    os.environ.update(line.split("=", 1) for line in text.split("\0") if "=" in line)
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    failures, worst = 0, 0.0
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        for options, make in CASES:
            for warmup in (0, PER_EPOCH):
                in_epochs = options.get("unit") == "epochs"
                schedule = dict(options, warmup=warmup // PER_EPOCH if in_epochs else warmup)
                mine, theirs = rates_of_program(schedule), rates_of_torch(make, warmup)
                assert len(mine) == len(theirs) == ITERATIONS
                # PyTorch's schedulers chain a product an iteration in double: a few units in the last place each.
                error = max(abs(a - b) for a, b in zip(mine, theirs)) / BASE
                worst = max(worst, error)
                if error > 1e-12:
                    failures += 1
                    print(f"FAIL: {schedule}: off by {error:.1e} of the rate")
        os.chdir("/")
    print(f"{2 * len(CASES)} schedules, largest error {worst:.1e}; PyTorch {torch.__version__}")
    return 1 if failures else 0


sys.exit(main())
