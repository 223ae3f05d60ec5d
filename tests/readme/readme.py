#!/usr/bin/env python3
"""README.md as a stranger uses it: its blocks, copied and pasted.

    readme.py blocks            the text: every block has a class, and what the sentences name is there
    readme.py run               blocks of `sh`, in order, in a fresh copy of the tree with the program built
    readme.py slow              those of `sh slow`, in a copy where nothing is built
    readme.py print CLASS       those of another class, for the tests that run them (tests/cluster/readme.sh)

A block's class is what follows the language on its fence; CLASSES says who runs it.  A word with a dot is no class but
the file that the block is: a run writes it.  A `text` block is what the block before it printed: `...` stands for
anything, and numbers with a decimal point for any of them."""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

CLASSES = {
    ("sh", ""): "run, in order",
    ("sh", "data"): "the same, where Fashion-MNIST is installed",
    ("sh", "slow"): "ctest --preset readme: builds, and runs of minutes",
    ("sh", "hosts"): "tests/cluster/readme.sh, on two hosts h1 and h2",
    ("sh", "slurm"): "tests/cluster/readme.sh, on a Slurm of its own",
    ("sh", "gate"): "the command stands in .ci/run",
    ("sh", "package"): "the command stands in tests/package/deb.sh: ctest --preset package",
    ("python", "torch"): "tests/oracle/pytorch_files.py",
    ("yaml", "part"): "sections of a configuration: lockstep plan takes them",
    ("text", ""): "what the block before it printed",
    ("text", "picture"): "a picture",
}
SCRIPTS = {"gate": ".ci/run", "package": "tests/package/deb.sh"}
SOURCE = os.environ["LS_SOURCE"]
LOCKSTEP = os.environ["LOCKSTEP"]
FASHION = "/usr/share/datasets/fashion-mnist"
failures = 0


def fail(text):
    global failures
    failures += 1
    print(f"FAIL: {text}")


class Block:
    def __init__(self, line, language, word, body):
        self.line, self.language, self.word, self.body = line, language, word, body

    def is_file(self):
        return "." in self.word


def read_readme():
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        return file.read()


def read_blocks(text):
    blocks = []
    for found in re.finditer(r"^```([a-z]*) ?(\S*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        blocks.append(Block(text.count("\n", 0, found.start()) + 1, *found.groups()))
    assert len(blocks) > 10, "README has hardly a block"
    return blocks


# ---- the text ----

def check_classes(blocks):
    for b in blocks:
        if not b.is_file() and (b.language, b.word) not in CLASSES:
            fail(f"README.md:{b.line}: no test runs blocks of '{b.language} {b.word}'")
    for b in blocks:
        for command in b.body.splitlines() if b.word in SCRIPTS else []:
            command = command.split("#")[0].strip()
            with open(os.path.join(SOURCE, SCRIPTS[b.word]), encoding="utf-8") as file:
                if command not in file.read():
                    fail(f"README.md:{b.line}: '{command}' is not in {SCRIPTS[b.word]}")


def output_of(*arguments):
    done = subprocess.run([LOCKSTEP, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else None


def check_command(words):
    """`lockstep eval --ema`: the command and its flags are known to --help."""
    if len(words) < 2 or not re.fullmatch("[a-z]+", words[1]):
        return
    if words[1] == "info" and words[2:] and words[2].islower():
        arguments = words[1:] if words[2] != "model" else ["info", "--help"]
        if output_of(*arguments) is None:
            fail(f"`{' '.join(words)}` does not run")
        return
    text = output_of(words[1], "--help")
    if text is None:
        fail(f"`{' '.join(words)}`: no such command")
    for flag in [word for word in words[2:] if word.startswith("--")]:
        if text is not None and not re.search(rf"^  {flag}\b", text, re.MULTILINE):
            fail(f"`{' '.join(words)}`: lockstep {words[1]} has no flag {flag}")


def check_sentences(text):
    """Commands, files and keys that stand between backticks in a sentence."""
    sentences = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    keys = re.findall(r"^([a-z]+\.[a-z_.0-9]+) ", output_of("info", "keys"), re.MULTILINE)
    sections = {key.split(".")[0] for key in keys} - {"metrics", "model"}
    prefixes = {key.rsplit(".", n)[0] for key in keys for n in (0, 1)}
    for span in re.findall(r"`([^`\n]+)`", re.sub(r"\n", " ", sentences)):
        if span.startswith("lockstep "):
            check_command(span.split())
        elif re.fullmatch(r"(src|include|launch|configs|tests|\.ci)/[\w./-]+", span):
            if not os.path.exists(os.path.join(SOURCE, span)):
                fail(f"`{span}`: no such file")
        elif re.fullmatch(r"[a-z]+\.[a-z_.0-9]+", span) and span.split(".")[0] in sections:
            if span not in prefixes and not span.startswith(("optimizer.", "schedule.")):
                fail(f"`{span}`: lockstep info keys does not know it")
    for name in re.findall(r"\]\(([^)#:]+)\)", sentences):
        if not os.path.exists(os.path.join(SOURCE, name)):
            fail(f"a link to {name}: no such file")
    places = {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-")
              for head in re.findall(r"^#+ (.*)$", sentences, re.MULTILINE)}
    for name in re.findall(r"\]\(#([^)]+)\)", sentences):
        if name not in places:
            fail(f"a link to #{name}: no such heading")


def write_images(directory):
    with open(os.path.join(directory, "images-idx3-ubyte"), "wb") as file:
        file.write(struct.pack(">IIII", 0x803, 600, 8, 8) + bytes(600 * 64))
    with open(os.path.join(directory, "labels-idx1-ubyte"), "wb") as file:
        file.write(struct.pack(">II", 0x801, 600) + bytes(i % 10 for i in range(600)))


def check_parts(blocks, directory):
    """Each `yaml part` in place of the same sections of a small configuration."""
    write_images(directory)
    base = {"data": "data: {train: {format: synthetic, samples: 600, features: 16}}\n", "model": "model: [{dense: 10}]\n",
            "batch": "batch: {global_batch_size: 64}\n", "train": "train: {epochs: 90}\n"}
    for b in blocks:
        if (b.language, b.word) != ("yaml", "part"):
            continue
        part = {found.group(1): found.group(0) for found in re.finditer(r"^(\w+):.*\n(?:[ -].*\n)*", b.body, re.MULTILINE)}
        path = os.path.join(directory, "part.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join({**base, **part}.values()))
        done = subprocess.run([LOCKSTEP, "plan", path], capture_output=True, text=True, timeout=60)
        if not part or done.returncode != 0:
            fail(f"README.md:{b.line}: {done.stderr.strip() or 'no section'}")


def check_text(text, blocks):
    check_classes(blocks)
    check_sentences(text)
    with tempfile.TemporaryDirectory() as directory:
        check_parts(blocks, directory)


# ---- running ----

def copy_tree(to, built):
    shutil.copytree(SOURCE, to, ignore=lambda _, names: [n for n in names if n in ("build", ".git", "runs", "studies")])
    if built:
        os.makedirs(os.path.join(to, "build/release"))
        os.symlink(LOCKSTEP, os.path.join(to, "build/release/lockstep"))


def is_wanted(block, word):
    if word == "slow":
        return block.word == "slow"
    return block.word == "" or (block.word == "data" and os.path.isdir(FASHION))


def script_of(blocks, word, directory):
    """One shell for all blocks, so that what one exports the next one has; out.LINE is what a block prints."""
    lines = ["set -eE", "trap 'echo \"README.md:$at: exit code $?\" >&3' ERR", "exec 3>&2 </dev/null"]
    for b in blocks:
        if b.language == "sh" and is_wanted(b, word):
            lines += [f"at={b.line}", f"echo \"README.md:{b.line}\" >&3", f"exec >{directory}/out.{b.line} 2>&1", b.body]
    return "\n".join(lines)


def environment():
    """That of a stranger: nothing set for lockstep."""
    kept = {k: v for k, v in os.environ.items() if k not in ("LOCKSTEP", "LS_SOURCE") and not k.startswith(("OMPI_", "PMIX"))}
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        kept.pop(variable, None)
    kept["ASAN_OPTIONS"] = kept.get("ASAN_OPTIONS", "") + ":detect_leaks=0" # Open MPI's
    return kept


def pattern_of(line):
    """Numbers with a decimal point or an exponent are any such numbers; runs of blanks are one."""
    parts = []
    for piece in re.split(r"(\.\.\.|\d+\.\d+(?:e[-+]\d+)?|\s+)", line.strip()):
        if piece == "...":
            parts.append(".*")
        elif re.match(r"\d+\.\d", piece):
            parts.append(r"[0-9.]+(?:e[-+]\d+)?")
        else:
            parts.append(r"\s+" if piece.isspace() else re.escape(piece))
    return "^\\s*" + "".join(parts) + "\\s*$"


def check_output(b, path):
    """Every line of the block is a line of the output, in this order."""
    with open(path, encoding="utf-8") as file:
        output = file.read().splitlines()
    at = 0
    for line in b.body.splitlines():
        if line.strip() == "...":
            continue
        while at < len(output) and not re.match(pattern_of(line), output[at]):
            at += 1
        if at == len(output):
            fail(f"README.md:{b.line}: not printed: {line}\n" + "\n".join(output[-20:]))
            return
        at += 1


def run(blocks, word):
    with tempfile.TemporaryDirectory() as directory:
        tree = os.path.join(directory, "lockstep")
        copy_tree(tree, built=word != "slow")
        for b in blocks:
            if b.is_file():
                with open(os.path.join(tree, b.word), "w", encoding="utf-8") as file:
                    file.write(b.body)
        done = subprocess.run(["bash", "-c", script_of(blocks, word, directory)], cwd=tree, env=environment(),
                              timeout=3000 if word == "slow" else 280, check=False)
        before = None
        for b in blocks:
            path = os.path.join(directory, f"out.{before.line}") if before else ""
            if (b.language, b.word) == ("text", "") and os.path.exists(path) and before.language == "sh":
                check_output(b, path)
            before = b
        if done.returncode != 0:
            fail(f"exit code {done.returncode}")
            last = max(os.listdir(directory), key=lambda n: int(n[4:]) if n.startswith("out.") else 0)
            with open(os.path.join(directory, last), encoding="utf-8") as file:
                print("".join(file.readlines()[-30:]))


def main():
    text = read_readme()
    blocks = read_blocks(text)
    mode = sys.argv[1]
    if mode == "print":
        print("".join(b.body for b in blocks if b.language == "sh" and b.word == sys.argv[2]), end="")
    elif mode == "blocks":
        check_text(text, blocks)
    else:
        run(blocks, "slow" if mode == "slow" else "")
    return 1 if failures else 0


sys.exit(main())
