"""Writes directories for the report tests.

usage: report_fixture.py study|odd|broken|empty|run DIR

The study's steps lie on S = 350 (1 + 240 / B) with 6 % of fixed noise, so the page's curve is known without the fit.
"""
import json
import math
import os
import sys

SIZES = [4, 16, 64, 256, 1024, 4096, 16384]
TARGETS = [0.15, 0.13]
HOSTILE = "<script>alert('x')</script> & \"quotes\" 'single' `cmd` $x \\n é"


def estimate(value, spread):
    return {"value": value, "low": value / spread, "high": value * spread}


def fit(target, s_min, b_crit, identified=True):
    return {"target": target, "points": 35, "censored": 1, "identified": identified,
            "verdict": "B_crit identified: 7 batch sizes, 4 below and 3 above it" if identified
            else "B_crit not identified: 1 batch size below it",
            "s_min": estimate(s_min, 1.06), "b_crit": estimate(b_crit, 1.18), "e_min": estimate(s_min * b_crit, 1.14),
            "a": s_min, "b": s_min * b_crit, "sigma": 0.06, "df": 26, "t95": 2.056, "variance": "pooled",
            "b_linear": estimate(b_crit / 5 + 307.2, 1.1), "b_near_min": estimate(10 * b_crit, 1.18),
            "leave_one_out": {"low": b_crit * 0.92, "high": b_crit * 1.09, "batch_size": 16},
            "alpha": estimate(1.02, 1.05), "alpha_p": 0.4, "bootstrap": {}, "batches": []}


def noise(i, k):
    return 1 + 0.06 * math.sin(7.3 * i + 2.9 * k + 1)


def steps(size, s_min, b_crit, i, k):
    return round(s_min * (1 + b_crit / size) * noise(i, k))


def arm(name, s_min, b_crit, sizes, trials):
    out = {"arm": name, "sizes": [], "fits": []}
    for i, size in enumerate(sizes):
        lr = 2.0 ** min(-7 + i, -2) if name == "tuned" else 2.0 ** -7
        every = max(1, round(s_min * (1 + b_crit / size) / 64))
        centre = steps(size, s_min, b_crit, i, 0)
        probes = [{"lr": lr * 2.0 ** j, "momentum": None, "status": "COMPLETE" if abs(j) < 2 else
                   "INCOMPLETE" if j < 0 else "INFEASIBLE", "cap": 4 * centre, "best_error": 0.12,
                   "steps": round(centre * (1 + 0.4 * j * j)) if abs(j) < 2 else -1} for j in range(-2, 3)]
        scores = []
        for k in range(5):
            strict, loose = steps(size, s_min, b_crit, i, k), steps(size, 0.7 * s_min, b_crit, i, k)
            censored = name == "tuned" and size == 16384 and k == 4
            scores.append({"init_seed": 100 + k, "order_seed": 100 + k, "cap": 4 * strict,
                           "status": "CENSORED" if censored else "COMPLETE",
                           "steps": [loose, -1 if censored else strict], "test_error": None if censored else 0.14})
            looks = [[every * j, 0.12 + 0.78 * math.exp(-4.3 * every * j / strict), 2.3, None if j % 9 == 0 else
                      100 * (1 + 3 * every * j / strict), None, None if j % 9 == 0 else 25.0] for j in range(0, 66)]
            trials.append({"arm": name, "size": size, "lr": lr, "momentum": None, "init_seed": 100 + k,
                           "order_seed": 100 + k, "look_every": every, "purpose": "score", "status": "COMPLETE",
                           "cap": 4 * strict, "iterations": strict, "steps": [loose, strict], "test_error": 0.14,
                           "seconds": 1.5, "ranks": 1, "looks": looks})
        out["sizes"].append({"size": size, "look_every": every, "lr": lr, "momentum": None,
                             "tuned": not (name == "tuned" and size == 4), "probes": probes, "scores": scores,
                             "median": [0, centre], "noise_scale": 340.0 if size > 4 else None})
    for scale, target in zip((0.7, 1), TARGETS):
        out["fits"].append(fit(target, scale * s_min, b_crit))
    return out


def study():
    trials = []
    results = {"format": 1, "name": "SGD on Fashion-MNIST " + HOSTILE, "targets": TARGETS,
               "settings": {"sizes": SIZES, "targets": TARGETS, "seeds": {"n": 5, "tuning": 1, "scoring": 100},
                            "looks": {"aim": 64}, "caps": {"factor": 4, "race": 1.6, "diverge": 10},
                            "n_samples": 55000, "note": HOSTILE},
               "arms": [arm("tuned", 350, 240, SIZES, trials), arm("fixed", 900, 60, SIZES, trials),
                        arm("sqrt", 420, 200, SIZES, trials)],
               "times": [{"size": b, "ranks": p, "iteration_ms": (0.3 + b / 40 / p), "spread_ms": 0.02,
                          "seconds": 350 * (1 + 240 / b) * (0.3 + b / 40 / p) / 1000,
                          "rank_seconds": p * 350 * (1 + 240 / b) * (0.3 + b / 40 / p) / 1000}
                         for b in SIZES for p in (1, 2, 4)],
               "choice": {"text": "B = 256 on 4 ranks: 1.3 s; B = 64 on 1 rank costs least"},
               "warnings": ["B = 4: UNTUNED, the best learning rate lies at the edge " + HOSTILE]}
    return results, trials


def save(directory, results, lines):
    os.makedirs(directory, exist_ok=True)
    if results is not None:
        with open(os.path.join(directory, "results.json"), "w") as f:
            f.write(results if isinstance(results, str) else json.dumps(results))
    if lines is not None:
        with open(os.path.join(directory, "trials.jsonl"), "w") as f:
            f.write(lines)


def odd(results):
    """One size, no fit, null and wrong types everywhere."""
    tuned = results["arms"][0]
    tuned["sizes"] = tuned["sizes"][3:4]
    tuned["sizes"][0]["probes"][1] = {"lr": None, "steps": "many"}
    tuned["sizes"][0]["scores"][2] = {"steps": None, "cap": None}
    tuned["sizes"][0]["noise_scale"] = "none"
    tuned["sizes"].append(None)
    tuned["fits"] = [fit(0.15, 1, 1, False), None]
    for key in ("s_min", "b_crit", "e_min"):
        tuned["fits"][0][key] = {"value": None, "low": None, "high": None}
    results.update(arms=[tuned, 7], times={"size": 3}, choice=None, warnings=[None, 3, "told"], name=None,
                   settings=None, targets=[0.15, None])
    return results


def run(directory):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "metrics.jsonl"), "w") as f:
        def put(**line):
            f.write(json.dumps(line) + "\n")
        put(event="start", ranks=2, global_batch_size=100, shards=4, n_parameters=1000, config=HOSTILE)
        for i in range(1, 1001):
            put(event="train", iteration=i, loss=2.3 * math.exp(-i / 300) + 0.1, accuracy=1 - 0.9 * math.exp(-i / 300),
                lr=0.1 * i / 100 if i < 100 else 0.1, gnorm=None if i == 7 else 1 + 1 / i,
                bnoise=None if i < 50 else 100 + i, iteration_ms=2.0 + (i % 7) / 10)
            if i % 200 == 0:
                put(event="eval", iteration=i, set="validation", loss=2.3 * math.exp(-i / 280) + 0.15,
                    accuracy=0.98 - 0.9 * math.exp(-i / 300))
        put(event="eval", iteration=1000, set="test", loss=0.27, accuracy=0.94)
        put(event="warning", iteration=3, text=HOSTILE)
        put(event="end", iteration=1000, reason="length", params_hash="00ff", seconds=2.2, data_s=0.1, forward_s=0.6,
            backward_s=0.9, wait_s=0.05, network_s=0, combine_update_s=0.3, evaluation_s=0.2, saving_s=0.05)
        f.write('{"event": "train", "iterat')


kind, target_directory = sys.argv[1:3]
if kind == "run":
    run(target_directory)
else:
    all_results, all_trials = study()
    text = "".join(json.dumps(t) + "\n" for t in all_trials)
    if kind == "study":
        save(target_directory, all_results, text)
    elif kind == "odd":
        save(target_directory, odd(all_results), text[:5000] + "\nnot json\n[1]\n{}\n" + text[5000:9000])
    elif kind == "broken":
        save(target_directory, json.dumps(all_results)[:777], None)
    elif kind == "empty":
        save(target_directory, {}, "")
