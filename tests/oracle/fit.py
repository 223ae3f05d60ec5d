"""`lockstep fit` against SciPy: curve_fit and its covariance, Student's t and F, and the censored likelihood by a simplex."""
import csv
import json
import os
import sys
import tempfile

import numpy as np

import support

try:
    from scipy import optimize, stats
except ImportError:
    print("SciPy is not installed: skipped")
    sys.exit(77)

BATCHES = [4, 16, 64, 256, 1024, 4096, 16384]


def fit(rows):
    """The fit of (B, steps, censored) rows, from the program."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "steps.csv")
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["B", "steps", "censored"])
            writer.writerows([b, repr(float(s)), int(c)] for b, s, c in rows)
        return json.loads(support.run_program("fit", path, "--json"))["fits"][0]["fit"]


def close(what, found, expected, relative):
    assert abs(found - expected) <= relative * abs(expected), f"{what}: found {found}, expected {expected}"


def curve(b, s, c):
    return s + np.log1p(np.exp(c) / b)


def free_curve(b, s, c, alpha):
    return s + np.log1p((np.exp(c) / b) ** alpha)


def draw(rng, n_runs, s_min=354.0, b_crit=231.0, sigma=0.1):
    b = np.repeat(BATCHES, n_runs).astype(float)
    return b, np.exp(np.log(s_min * (1 + b_crit / b)) + sigma * rng.standard_normal(len(b)))


def check_intervals(found, s, c, cov, t):
    for key, value, variance in [("s_min", s, cov[0, 0]), ("b_crit", c, cov[1, 1]),
                                 ("e_min", s + c, cov[0, 0] + 2 * cov[0, 1] + cov[1, 1])]:
        close(key, found[key]["value"], np.exp(value), 1e-6)
        close(key + " low", found[key]["low"], np.exp(value - t * np.sqrt(variance)), 1e-5)
        close(key + " high", found[key]["high"], np.exp(value + t * np.sqrt(variance)), 1e-5)


def check_complete(rng, n_runs):
    """All runs reached the target; numbers of runs differ between batch sizes."""
    b, steps = draw(rng, n_runs)
    y = np.log(steps)
    found = fit([(int(x), s, False) for x, s in zip(b, steps)])
    n_batches = len(set(b))
    pooled = len(b) - n_batches >= 5
    start = [np.log(steps.min()), np.log(200.0)]
    (s, c), cov = optimize.curve_fit(curve, b, y, start, xtol=1e-14, ftol=1e-14)
    deviance = np.sum((y - curve(b, s, c)) ** 2)
    within = sum(np.sum((y[b == x] - y[b == x].mean()) ** 2) for x in set(b))
    df = len(b) - (n_batches if pooled else 2)
    variance = (within if pooled else deviance) / df
    assert found["variance"] == ("pooled" if pooled else "residual") and found["df"] == df, found
    close("sigma", found["sigma"], np.sqrt(variance), 1e-6)
    close("t", found["t95"], stats.t.ppf(0.975, df), 1e-9)
    check_intervals(found, s, c, cov * variance / (deviance / (len(b) - 2)), stats.t.ppf(0.975, df))
    free, cov3 = optimize.curve_fit(free_curve, b, y, [s, c, 1.0], xtol=1e-14, ftol=1e-14)
    rest = np.sum((y - free_curve(b, *free)) ** 2)
    df3 = df if pooled else df - 1
    variance3 = variance if pooled else rest / df3
    reach = stats.t.ppf(0.975, df3) * np.sqrt(cov3[2, 2] * variance3 / (rest / (len(b) - 3)))
    close("alpha", found["alpha"]["value"], free[2], 1e-5)
    close("alpha low", found["alpha"]["low"], free[2] - reach, 1e-4)
    close("alpha p", found["alpha_p"], stats.f.sf((deviance - rest) / variance3, 1, df3), 1e-4)


def check_censored(rng):
    """Caps that cut several batch sizes: the maximum of the likelihood at the program's sigma, its information by
    differences, and that sigma is the fixed point of the expected squares about the batch sizes' own means."""
    b, steps = draw(rng, 6)
    cap = np.where(b <= 16, 354 * (1 + 231 / b) * 1.02, np.inf)
    censored = steps > cap
    y = np.log(np.minimum(steps, cap))
    found = fit([(int(x), float(np.exp(v)), c) for x, v, c in zip(b, y, censored)])
    sigma = found["sigma"]

    def minus_log_likelihood(p, mean=None):
        z = (y - (curve(b, *p) if mean is None else mean)) / sigma
        return -np.sum(np.where(censored, stats.norm.logsf(z), stats.norm.logpdf(z)))

    best = optimize.minimize(minus_log_likelihood, [6.0, 5.0], method="Nelder-Mead",
                             options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}).x
    h = 1e-3
    step = np.eye(2) * h
    information = [[(minus_log_likelihood(best + step[i] + step[j]) - minus_log_likelihood(best + step[i] - step[j])
                     - minus_log_likelihood(best - step[i] + step[j]) + minus_log_likelihood(best - step[i] - step[j]))
                    / (4 * h * h) for j in range(2)] for i in range(2)]
    for key, value in [("s_min", best[0]), ("b_crit", best[1]), ("e_min", best.sum())]:
        close("censored " + key, found[key]["value"], np.exp(value), 1e-5)
    squares = 0.0
    for x in BATCHES:
        here, cut = y[b == x], censored[b == x]
        mean = optimize.minimize_scalar(
            lambda m: -np.sum(np.where(cut, stats.norm.logsf((here - m) / sigma), stats.norm.logpdf((here - m) / sigma))),
            bracket=(here.mean(), here.mean() + 0.1), tol=1e-12).x
        z = (here - mean) / sigma
        hazard = np.exp(stats.norm.logpdf(z) - stats.norm.logsf(z))
        squares += np.sum(np.where(cut, sigma**2 * (1 + z * hazard), (here - mean) ** 2))
        close("mean log", next(r for r in found["batches"] if r["batch_size"] == x)["mean_log"], mean, 1e-6)
    close("censored sigma", sigma**2, squares / (len(b) - len(BATCHES)), 1e-5)
    df = np.sum(~censored) - len(BATCHES)
    # the program leaves the curvature of the curve itself out of the information (Gauss and Newton)
    width = np.log(found["b_crit"]["high"] / found["b_crit"]["low"]) / 2
    close("censored width", width, stats.t.ppf(0.975, df) * np.sqrt(np.linalg.inv(information)[1, 1]), 0.05)


def main():
    rng = np.random.default_rng(5)
    for n_runs in ([5] * 7, [3, 5, 2, 8, 1, 4, 6], [1] * 7, [2, 1, 1, 1, 2, 1, 1]):
        for _ in range(3):
            check_complete(rng, n_runs)
    for _ in range(5):
        check_censored(rng)
    print("17 fits agree with SciPy")


main()
