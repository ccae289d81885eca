"""The time series suite: ours (a server, see benches/src/bin/timeseries.rs) and Python peers by turns, in one run.

Arguments: the server's executable, the number of threads (for ours; the peers have one), repetitions, and a size: `small` or `full`.
One JSON line a result. Times are wall seconds; the least of the repetitions counts, since other work on the machine can only add.
The gap of a peer is its objective minus our certified lower bound, relative to its objective.
"""
import json
import subprocess
import sys
import tempfile
import time

import cvxpy
import numpy as np
import prox_tv
import TVDCondat2013

SERVER, THREADS, REPEAT, SIZE = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
FOLDER = tempfile.mkdtemp(prefix="timeseries-bench-")
PROCESS = subprocess.Popen([SERVER, str(THREADS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ours(*words):
    PROCESS.stdin.write(" ".join(map(str, words)) + "\n")
    PROCESS.stdin.flush()
    return json.loads(PROCESS.stdout.readline())


def load(y):
    np.ascontiguousarray(y, dtype=np.float64).tofile(f"{FOLDER}/y.bin")
    ours("signal", f"{FOLDER}/y.bin")


def objective(y, x, lam, order):
    return 0.5 * np.sum((y - x) ** 2) + lam * np.abs(np.diff(x, order + 1)).sum()


def total_variation():
    rng = np.random.default_rng(1)
    for n in [1_000, 100_000, 1_000_000] + ([10_000_000] if SIZE == "full" else []):
        noise = rng.standard_normal(n)
        steps = (np.arange(n) // 1000 * 7919) % 13 * 0.5 + 0.5 * noise
        cases = [
            ("steps", steps, 0.5), ("steps", steps, 20.0), ("walk", np.cumsum(noise), 100.0),
            ("ramp", np.arange(n) * 1.0, 1000.0), ("alternating", np.arange(n) % 2 * 1.0, 0.3),
            ("constant", np.ones(n), 1.0), ("noise, one segment", noise, 1e9),
        ]
        for name, y, lam in cases:
            load(y)
            peers = {
                "prox-tv classic": lambda: prox_tv.tv1_1d(y, lam, method="classictautstring"),
                "prox-tv hybrid": lambda: prox_tv.tv1_1d(y, lam, method="hybridtautstring"),
            }
            if name != "ramp":
                # Quadratic on a ramp.
                peers["prox-tv condat"] = lambda: prox_tv.tv1_1d(y, lam, method="condat")
                peers["TVDCondat2013"] = lambda: TVDCondat2013.tvd_2013(y, lam)
            best = dict.fromkeys(["copy", "tv", "fused", *peers], np.inf)
            for _ in range(REPEAT if n < 10_000_000 else 3):
                best["copy"] = min(best["copy"], ours("copy")["seconds"])
                best["tv"] = min(best["tv"], ours("tv", lam)["seconds"])
                fit = ours("fused", lam)
                best["fused"] = min(best["fused"], fit["seconds"])
                for key, peer in peers.items():
                    start = time.perf_counter()
                    peer()
                    best[key] = min(best[key], time.perf_counter() - start)
            fastest = min(peers, key=best.get)
            print(json.dumps({
                "problem": f"tv1d {name}", "n": n, "lambda": lam, "nanoseconds": {k: v / n * 1e9 for k, v in best.items()},
                "fastest_peer": fastest, "ratio": best[fastest] / best["tv"],
                "gap": fit["gap"] / fit["objective"] if fit["objective"] else 0.0, "segments": fit["segments"],
            }), flush=True)


def trends():
    rng = np.random.default_rng(1)
    for n in [1_000, 10_000, 100_000] + ([1_000_000] if SIZE == "full" else []):
        s = np.arange(n) / n
        y = np.sin(12 * s) + 3 * np.abs(s - 0.4) + 0.2 * rng.standard_normal(n)
        load(y)
        for order in [1, 2, 3]:
            for ratio in [0.5, 1e-2, 1e-4, 1e-7]:
                seconds = np.inf
                for _ in range(REPEAT if n < 100_000 else 1):
                    fit = ours("trend", order, ratio, f"{FOLDER}/x.bin")
                    seconds = min(seconds, fit["seconds"])
                row = {"problem": f"trend order {order}", "n": n, "ratio": ratio, "seconds": seconds,
                       "gap": fit["gap"] / fit["objective"], "knots": fit["knots"], "iterations": fit["iterations"]}
                if n <= (10_000 if SIZE == "full" else 1_000):
                    x = cvxpy.Variable(n)
                    problem = cvxpy.Problem(cvxpy.Minimize(
                        0.5 * cvxpy.sum_squares(y - x) + fit["lambda"] * cvxpy.norm1(cvxpy.diff(x, order + 1))))
                    try:
                        problem.solve(solver=cvxpy.CLARABEL)
                        value = objective(y, x.value, fit["lambda"], order)
                        row["clarabel_seconds"] = problem.solver_stats.solve_time
                        row["clarabel_gap"] = (value - fit["objective"] + fit["gap"]) / value
                    except cvxpy.SolverError:
                        row["clarabel_seconds"] = None
                print(json.dumps(row), flush=True)


total_variation()
trends()
