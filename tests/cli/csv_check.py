"""A table of `lockstep report --csv` against the lines of metrics.jsonl, by the csv and json modules.

usage: csv_check.py TABLE RUN [RUN...]; prints the number of rows, or what is wrong
"""
import csv
import json
import os
import sys

START_ALONE = {"version", "commit", "ranks", "nodes", "binding", "host_cores", "mpi", "blas_core", "blas_build",
               "blas_threads", "n_parameters", "n_samples", "global_batch_size", "shards", "micro_batch_size",
               "iterations_per_epoch", "total_iterations", "noise_every", "data_hash", "shared_forward_layers",
               "shared_backward_layers", "paired_leaves", "config"}


def lines_of(run):
    with open(os.path.join(run, "metrics.jsonl"), encoding="utf-8") as file:
        for line in file:
            if line.endswith("}\n"):
                yield run, json.loads(line)


def main(table, *runs):
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    lines = [line for run in runs for line in lines_of(run)]
    assert len(rows) == len(lines), f"{len(rows)} rows of {len(lines)} lines"
    for row, (run, line) in zip(rows, lines):
        assert row.pop("run") == run and None not in row, row
        missing = {key for key in line if key not in row}
        assert missing <= (START_ALONE if line["event"] == "start" else set()), f"no column for {missing}"
        for key, cell in row.items():
            value = line.get(key)
            same = cell == "" if value is None else cell == value if isinstance(value, str) else float(cell) == value
            assert same, f"{key} of {line} is {cell!r}"
    print(f"{len(rows)} rows")


main(*sys.argv[1:])
