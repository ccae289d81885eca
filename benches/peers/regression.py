"""The regression problems of the suite by Python peers: one JSON line each, as the suite prints them.

Arguments: a folder with the problems (written by the suite) and the number of repetitions. Every peer's tolerance is tightened
until the duality gap, recomputed here from the coefficients alone, is at most that of the suite; the time is that of one fit at
that tolerance, after a fit that warms up, data in the peer's favourite layout.
"""
import json
import sys
import time
import warnings

import numpy as np
from celer import Lasso as CelerLasso
from sklearn.linear_model import Lasso as ScikitLasso

warnings.filterwarnings("ignore")

PEERS = {
    "scikit-learn": lambda alpha, tol: ScikitLasso(alpha=alpha, tol=tol, max_iter=1_000_000),
    "celer": lambda alpha, tol: CelerLasso(alpha=alpha, tol=tol, max_iter=1_000),
}


def gap(x, y, w, b, alpha):
    """Objective and duality gap of 1/(2n) ||y - Xw - b||^2 + alpha ||w||_1."""
    n = len(y)
    r = y - x @ w - b
    primal = r @ r / (2 * n) + alpha * np.abs(w).sum()
    theta = (r - r.mean()) / n
    largest = np.abs(x.T @ theta).max()
    s = min(1.0, alpha / largest) if largest > 0 else 1.0
    return primal, primal - (s * (theta @ y) - s * s * n / 2 * (theta @ theta))


def main():
    folder, repeat = sys.argv[1], int(sys.argv[2])
    for problem in json.load(open(f"{folder}/problems.json")):
        n, p = problem["n"], problem["p"]
        x = np.fromfile(f"{folder}/{problem['x']}").reshape((n, p), order="F")
        y = np.fromfile(f"{folder}/{problem['y']}")
        centred = y - y.mean()
        top = np.abs((x - x.mean(axis=0)).T @ centred).max() / n
        at_zero = centred @ centred / (2 * n)
        for ratio in problem["ratios"]:
            alpha = ratio * top
            for name, make in PEERS.items():
                for tol in 10.0 ** -np.arange(4, 15):
                    model = make(alpha, tol)
                    model.fit(x, y)
                    objective, absolute = gap(x, y, model.coef_, model.intercept_, alpha)
                    if absolute <= problem["tol"] * at_zero:
                        break
                times = []
                for _ in range(repeat):
                    start = time.perf_counter()
                    make(alpha, tol).fit(x, y)
                    times.append(time.perf_counter() - start)
                print(json.dumps({
                    "problem": f"{problem['name']},alpha/alpha_max={ratio:g}", "solver": name, "tol": problem["tol"],
                    "iterations": int(np.max(model.n_iter_)), "seconds": float(np.median(times)), "objective": float(objective),
                    "gap": float(absolute / at_zero), "nnz": int(np.count_nonzero(model.coef_)),
                }), flush=True)


main()
