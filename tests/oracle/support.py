"""What the oracle tests share: running the program, and the safetensors package where it is missing."""
import os
import subprocess
import sys
import types

import reader


def run_program(*arguments, ranks=0):
    """The program's standard output; under mpirun when ranks > 0."""
    prefix = ["timeout", "-k", "5", "60"] + (["mpirun", "-np", str(ranks)] if ranks else [])
    done = subprocess.run(prefix + [os.environ["LOCKSTEP"], *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, f"{arguments}: exit code {done.returncode}: {done.stderr}"
    return done.stdout


def load_environment():
    """What Open MPI needs in tests, from the shell's file."""
    script = os.path.join(os.environ["LS_SOURCE"], "tests", "mpi-env.sh")
    text = subprocess.run(["bash", "-c", f'. "{script}"; env -0'], capture_output=True, text=True, check=True).stdout
    os.environ.update(line.split("=", 1) for line in text.split("\0") if "=" in line)
    leaks = os.environ.get("ASAN_OPTIONS", "")  # Open MPI's unloaded plug-ins; see tests/cli/lib.sh
    os.environ["ASAN_OPTIONS"] = f"{leaks}:detect_leaks=0" if leaks else "detect_leaks=0"


def import_torch():
    """PyTorch on one thread; ends the test as skipped where it is not installed."""
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed for any python3 that was tried: skipped (pip install torch, or LS_PYTHON=...)")
        sys.exit(77)
    torch.set_num_threads(1)
    return torch


def provide_safetensors(torch):
    """Makes `from safetensors.torch import load_file, save_file` work everywhere; says whose code it is."""
    try:
        import safetensors.torch  # noqa: F401

        return "the safetensors package"
    except ImportError:
        pass
    package, module = types.ModuleType("safetensors"), types.ModuleType("safetensors.torch")
    module.load_file = lambda path: {name: torch.tensor(value) for name, value in reader.read(path)[1].items()}
    module.save_file = lambda tensors, path: reader.write(path, {n: t.detach().numpy() for n, t in tensors.items()})
    package.torch = module
    sys.modules.update({"safetensors": package, "safetensors.torch": module})
    return "the tests' own reader, as the safetensors package is not installed"
