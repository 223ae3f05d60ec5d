"""README's lines of Python, run as they stand there: a checkpoint loads into nn.Sequential and gives the logits of
`lockstep predict`; and weights that PyTorch saved are a run's start values, with the same logits."""
import os
import re
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


def snippet(language, word):
    """The one fenced block of README in this language that holds the word."""
    with open(os.path.join(os.environ["LS_SOURCE"], "README.md"), encoding="utf-8") as file:
        blocks = [block for block in re.findall(rf"```{language}\n(.*?)```", file.read(), re.DOTALL) if word in block]
    assert len(blocks) == 1, f"README has {len(blocks)} blocks of {language} with '{word}'"
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
                "data.test=~", "--set", "data.validation=~", *arguments, ranks=2)


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
        with open("c.yaml", "w", encoding="utf-8") as file:
            file.write(snippet("yaml", "train-images-idx3"))

        train("--run-dir", "runs/a", "--max-iterations", "5", "--lr", "0.02")
        names = {}
        exec(snippet("python", "load_file"), names)  # pylint: disable=exec-used
        compare("a checkpoint in nn.Sequential", predict("runs/a/latest"), names["logits"].detach())

        linear = torch.nn.Linear
        names = {"net": torch.nn.Sequential(linear(784, 512), torch.nn.ReLU(), linear(512, 10))}
        exec(snippet("python", "save_file"), names)  # pylint: disable=exec-used
        train("--run-dir", "runs/b", "--max-iterations", "0", "--init-from", "w.safetensors")
        pixels = torch.tensor(np.load("x.npy")).double()
        expected = names["net"].double()((pixels * 0.00392156862745098 - 0.2860) / 0.3530)
        compare("weights of PyTorch in lockstep", predict("runs/b/latest"), expected.detach())
        os.chdir("/")
    print(f"PyTorch {torch.__version__}, files by {whose}")
    return 1 if failures else 0


sys.exit(main())
