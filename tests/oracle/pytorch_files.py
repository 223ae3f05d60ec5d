"""README's lines of Python, run as they stand there: a checkpoint loads into nn.Sequential and gives the logits of
`lockstep predict`; and weights that PyTorch saved are a run's start values, with the same logits."""
import os
import re
import shutil
import sys
import tempfile

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import import_torch, load_environment, provide_safetensors, run_program  # noqa: E402

torch = import_torch()

# Dot products of up to 784 terms in float32, in another order: a few roundoffs (6e-8) times the root of 784.
TOLERANCE = 2e-5
N = 33


def snippet(word):
    """The one block `python torch` of README that holds the word."""
    with open(os.path.join(os.environ["LS_SOURCE"], "README.md"), encoding="utf-8") as file:
        blocks = [block for block in re.findall(r"```python torch\n(.*?)```", file.read(), re.DOTALL) if word in block]
    assert len(blocks) == 1, f"README has {len(blocks)} blocks of python torch with '{word}'"
    return blocks[0]


failures = 0


def compare(what, mine, theirs):
    global failures
    mine, theirs = np.asarray(mine, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    error = np.abs(mine - theirs).max() / np.abs(theirs).max() if mine.shape == theirs.shape else np.inf
    print(f"{what}: off by {error:.1e}, tolerance {TOLERANCE:.0e}")
    if not error <= TOLERANCE:
        failures += 1
        print(f"FAIL: {what}")


def train(*arguments):
    run_program("train", "c.yaml", "--quiet", "--set", "data.train={format: npy, features: x.npy, labels: l.npy}", "--set",
                "data.test=~", *arguments, ranks=2)


def predict(checkpoint):
    run_program("predict", checkpoint, "--logits", "--data", "{format: npy, features: x.npy}", "--out", "y.npy", ranks=2)
    return np.load("y.npy")


def main():
    load_environment()
    whose = provide_safetensors(torch)
    torch.manual_seed(3)
    random = np.random.default_rng(5)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        np.save("x.npy", random.integers(0, 256, size=(N, 784), dtype=np.uint8))
        np.save("l.npy", random.integers(0, 10, size=N))
        shutil.copy(os.path.join(os.environ["LS_SOURCE"], "configs/fashion_mlp.yaml"), "c.yaml")  # launch/quickstart's

        train("--run-dir", "runs/quickstart", "--max-iterations", "5", "--lr", "0.02")
        names = {}
        exec(snippet("load_file"), names)  # pylint: disable=exec-used
        compare("a checkpoint in nn.Sequential", predict("runs/quickstart/latest"), names["logits"].detach())

        linear, relu = torch.nn.Linear, torch.nn.ReLU
        names = {"net": torch.nn.Sequential(linear(784, 512), relu(), linear(512, 512), relu(), linear(512, 10))}
        exec(snippet("save_file"), names)  # pylint: disable=exec-used
        train("--run-dir", "runs/b", "--max-iterations", "0", "--init-from", "w.safetensors")
        pixels = torch.tensor(np.load("x.npy")).double()
        expected = names["net"].double()((pixels * 0.00392156862745098 - 0.2860) / 0.3530)
        compare("weights of PyTorch in lockstep", predict("runs/b/latest"), expected.detach())
        os.chdir("/")
    print(f"PyTorch {torch.__version__}, files by {whose}")
    return 1 if failures else 0


sys.exit(main())
