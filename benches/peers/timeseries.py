"""The time series suite: ours (a server, see benches/src/bin/timeseries.rs) and Python peers by turns, in one run.

Arguments: the server's executable, repetitions, a size (`small` or `full`), and optionally the page to write.
One JSON line a result. Times are wall seconds; the least of the repetitions counts, since other work on the machine can only add.
Ours runs with one thread and with two, the peers with one. The gap of a peer is its objective minus our certified lower bound,
relative to its objective.
"""
import json
import subprocess
import sys
import tempfile
import time

import cvxpy
import numpy as np
import prox_tv
import ruptures
import TVDCondat2013
from scipy.linalg import cholesky_banded, cho_solve_banded
from skimage.restoration import denoise_tv_chambolle

SERVER, REPEAT, SIZE = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PAGE = sys.argv[4] if len(sys.argv) > 4 else None
FULL = SIZE == "full"
FOLDER = tempfile.mkdtemp(prefix="timeseries-bench-")


class Ours:
    def __init__(self, threads):
        self.process = subprocess.Popen([SERVER, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start_memory(self):
        """From here on the peak of the resident memory counts (Linux)."""
        try:
            with open(f"/proc/{self.process.pid}/clear_refs", "w") as f:
                f.write("5")
            self.before = self.memory("VmRSS")
        except OSError:
            self.before = None

    def memory(self, key="VmHWM"):
        try:
            with open(f"/proc/{self.process.pid}/status") as f:
                return next(int(line.split()[1]) * 1024 for line in f if line.startswith(key))
        except (OSError, StopIteration):
            return None

    def peak(self):
        peak = self.memory()
        return None if peak is None or self.before is None else peak - self.before


ONE, TWO = Ours(1), Ours(2)


def load(y):
    np.ascontiguousarray(y, dtype=np.float64).tofile(f"{FOLDER}/y.bin")
    ONE("signal", f"{FOLDER}/y.bin")
    TWO("signal", f"{FOLDER}/y.bin")


def emit(row, rows):
    rows.append(row)
    print(json.dumps(row), flush=True)


def clock(f):
    start = time.perf_counter()
    value = f()
    return time.perf_counter() - start, value


def objective(y, x, lam, order):
    return 0.5 * np.sum((y - x) ** 2) + lam * np.abs(np.diff(x, order + 1)).sum()


def total_variation():
    rows, rng = [], np.random.default_rng(1)
    for n in [1_000, 100_000, 1_000_000] + ([10_000_000] if FULL else []):
        noise = rng.standard_normal(n)
        steps = (np.arange(n) // 1000 * 7919) % 13 * 0.5 + 0.5 * noise
        walk = np.cumsum(noise)
        cases = [
            ("steps", steps, 0.5), ("steps", steps, 20.0), ("walk", walk, 1.0), ("walk", walk, 100.0), ("walk", walk, 1e4),
            ("ramp", np.arange(n) * 1.0, 1000.0), ("alternating", np.arange(n) % 2 * 1.0, 0.3),
            ("constant", np.ones(n), 1.0), ("noise, one segment", noise, 1e9),
        ]
        for name, y, lam in cases:
            load(y)
            peers = {
                "prox-tv classic": lambda: prox_tv.tv1_1d(y, lam, method="classictautstring"),
                "prox-tv hybrid": lambda: prox_tv.tv1_1d(y, lam, method="hybridtautstring"),
                "TVDCondat2013 2017": lambda: TVDCondat2013.tvd_2017(y, lam),
            }
            if not (name == "ramp" or name == "walk" and lam > 100):
                # Quadratic there.
                peers["prox-tv condat"] = lambda: prox_tv.tv1_1d(y, lam, method="condat")
                peers["TVDCondat2013 2013"] = lambda: TVDCondat2013.tvd_2013(y, lam)
            keys = ["copy", "kernel", "fused", "kernel, 2 threads", "fused, 2 threads", *peers]
            best = dict.fromkeys(keys, np.inf)
            for _ in range(REPEAT if n < 10_000_000 else 2):
                best["copy"] = min(best["copy"], ONE("copy")["seconds"])
                best["kernel"] = min(best["kernel"], ONE("tv", lam)["seconds"])
                fit = ONE("fused", lam)
                best["fused"] = min(best["fused"], fit["seconds"])
                best["kernel, 2 threads"] = min(best["kernel, 2 threads"], TWO("tv", lam)["seconds"])
                best["fused, 2 threads"] = min(best["fused, 2 threads"], TWO("fused", lam)["seconds"])
                for key, peer in peers.items():
                    # Short calls ten in a row, as the server has them.
                    for _ in range(10 if n < 10_000 else 1):
                        best[key] = min(best[key], clock(peer)[0])
            fastest = min(peers, key=best.get)
            emit({
                "problem": f"tv1d {name}", "n": n, "lambda": lam, "nanoseconds": {k: v / n * 1e9 for k, v in best.items()},
                "fastest_peer": fastest, "ratio": best[fastest] / best["kernel"], "ratio_2": best[fastest] / best["kernel, 2 threads"],
                "gap": fit["gap"] / fit["objective"] if fit["objective"] else 0.0, "segments": fit["segments"],
            }, rows)
    return rows


def iterative():
    """Total variation by what iterates: skimage's Chambolle and Clarabel through cvxpy, with their gaps to our bound."""
    rows, rng = [], np.random.default_rng(3)
    n = 1_000
    noise = rng.standard_normal(n)
    steps, walk = (np.arange(n) // 100 * 7919) % 13 * 0.5 + 0.5 * noise, np.cumsum(noise)
    for name, y, lam in [("steps", steps, 0.5), ("steps", steps, 20.0), ("walk", walk, 100.0)]:
        load(y)
        fit = ONE("fused", lam)
        bound = fit["objective"] - fit["gap"]
        row = {"problem": f"tv1d {name}, iterative", "n": n, "lambda": lam, "seconds": fit["seconds"]}

        def clarabel():
            x = cvxpy.Variable(n)
            problem = cvxpy.Problem(cvxpy.Minimize(0.5 * cvxpy.sum_squares(y - x) + lam * cvxpy.norm1(cvxpy.diff(x))))
            problem.solve(solver=cvxpy.CLARABEL)
            return problem.solver_stats.solve_time, x.value

        peers = {"clarabel": clarabel}
        for rounds in [200, 10_000]:
            peers[f"skimage_{rounds}"] = lambda rounds=rounds: clock(
                lambda: denoise_tv_chambolle(y, weight=lam, eps=0, max_num_iter=rounds))
        for key, peer in peers.items():
            row[f"{key}_seconds"], x = peer()
            value = objective(y, x, lam, 0)
            row[f"{key}_gap"] = (value - bound) / value
        emit(row, rows)
    return rows


def admm(y, lam, order, rounds):
    """Specialised ADMM (Ramdas and Tibshirani 2016): x by a banded solve, D^k x by an exact 1-D total variation step."""
    n = len(y)
    rho = lam
    band = np.zeros((order + 1, n))
    stencil = np.array([1.0])
    for _ in range(order):
        stencil = np.convolve(stencil, [-1.0, 1.0])
    for j in range(n - order):
        for a in range(order + 1):
            for b in range(a, order + 1):
                band[b - a, j + a] += rho * stencil[a] * stencil[b]
    band[0] += 1.0
    factor = (cholesky_banded(band, lower=True), True)
    z, u = np.diff(y, order), np.zeros(n - order)
    for _ in range(rounds):
        back = z + u
        for _ in range(order):
            back = -np.diff(np.concatenate([[0.0], back, [0.0]]))
        x = cho_solve_banded(factor, y + rho * back)
        d = np.diff(x, order)
        z = prox_tv.tv1_1d(d - u, lam / rho, method="classictautstring")
        u += z - d
    # A point with an exact structure: its differences summed up from the first values of x, up to a polynomial.
    fit = z
    for k in reversed(range(order)):
        fit = np.concatenate([[np.diff(x, k)[0]], np.diff(x, k)[0] + np.cumsum(fit)])
    t = np.linspace(-1, 1, n)
    basis = np.linalg.qr(np.vander(t, order))[0]
    fit = fit + basis @ (basis.T @ (y - fit))
    return x if objective(y, x, lam, order) < objective(y, fit, lam, order) else fit


def trends():
    rows, rng = [], np.random.default_rng(1)
    for n in [1_000, 10_000, 100_000] + ([1_000_000] if FULL else []):
        s = np.arange(n) / n
        y = np.sin(12 * s) + 3 * np.abs(s - 0.4) + 0.2 * rng.standard_normal(n)
        load(y)
        for order in [1, 2, 3]:
            for ratio in [0.5, 1e-2, 1e-4, 1e-7]:
                seconds = np.inf
                ONE.start_memory()
                for _ in range(REPEAT if n < 100_000 else 1):
                    fit = ONE("trend", order, ratio, f"{FOLDER}/x.bin")
                    seconds = min(seconds, fit["seconds"])
                row = {"problem": f"trend order {order}", "n": n, "ratio": ratio, "seconds": seconds,
                       "gap": fit["gap"] / fit["objective"], "knots": fit["knots"], "iterations": fit["iterations"], "status": fit["status"]}
                peak = ONE.peak()
                row["bytes_a_value"] = None if peak is None else peak / n
                lam, bound = fit["lambda"], fit["objective"] - fit["gap"]
                if n <= 1_000:
                    x = cvxpy.Variable(n)
                    problem = cvxpy.Problem(cvxpy.Minimize(
                        0.5 * cvxpy.sum_squares(y - x) + lam * cvxpy.norm1(cvxpy.diff(x, order + 1))))
                    try:
                        problem.solve(solver=cvxpy.CLARABEL)
                        value = objective(y, x.value, lam, order)
                        row["clarabel_seconds"] = problem.solver_stats.solve_time
                        row["clarabel_gap"] = (value - bound) / value
                    except cvxpy.SolverError:
                        row["clarabel_seconds"] = None
                if n <= 10_000:
                    try:
                        row["admm_seconds"], x = clock(lambda: admm(y, lam, order, 300))
                        value = objective(y, x, lam, order)
                        row["admm_gap"] = (value - bound) / value
                    except np.linalg.LinAlgError:
                        row["admm_seconds"] = None
                emit(row, rows)
    return rows


def f1(truth, found, margin=5):
    """Harmonic mean of precision and recall, a change found if one lies within `margin` values."""
    hit = sum(any(abs(t - f) <= margin for f in found) for t in truth)
    right = sum(any(abs(t - f) <= margin for t in truth) for f in found)
    return 2 * hit * right / max(hit * len(found) + right * len(truth), 1) if hit else 0.0


def change_points():
    rows, rng = [], np.random.default_rng(2)
    for n, pieces, sigma in [(500, 8, 0.5), (2_000, 20, 0.5), (2_000, 20, 1.0), (5_000, 40, 0.5)]:
        scores, seconds = {}, {}
        for _ in range(5):
            truth = np.sort(rng.choice(np.arange(20, n - 20, 15), pieces - 1, replace=False))
            levels = np.cumsum(rng.choice([-2.0, -1.0, 1.0, 2.0], pieces))
            clean = np.repeat(levels, np.diff(np.concatenate([[0], truth, [n]])))
            y = clean + sigma * rng.standard_normal(n)
            load(y)
            lam = sigma * np.sqrt(2 * np.log(n))
            kernel = lambda: ruptures.KernelCPD(kernel="linear", min_size=2).fit(y).predict(pen=3 * sigma**2 * np.log(n))[:-1]
            raw = lambda: np.flatnonzero(np.diff(prox_tv.tv1_1d(y, lam)) != 0) + 1
            for name, found in [
                ("merged jumps", ONE("merge", lam)), ("optimal partition", ONE("pelt")),
                ("ruptures, linear kernel", clock(kernel)), ("jumps of total variation", clock(raw)),
            ]:
                took, at = (found["seconds"], found["changes"]) if isinstance(found, dict) else found
                scores.setdefault(name, []).append(f1(truth, at))
                seconds.setdefault(name, []).append(took)
        for name in scores:
            emit({"problem": "change points", "n": n, "changes": pieces - 1, "sigma": sigma, "method": name,
                  "f1": float(np.mean(scores[name])), "seconds": min(seconds[name])}, rows)
    return rows


def power(n):
    return f"{n:.0e}".replace("e+0", "e") if n else "0"


def page(tv, iterated, trend, change):
    out = ["""# Time series against their peers

```sh
cargo xtask bench timeseries --peers --size SIZE --page
```

That writes this page. Programs take turns on the same arrays; the least of the repetitions counts. Ours runs with one thread and with two,
the peers (prox-tv, TVDCondat2013, Clarabel through cvxpy, ruptures, all from PyPI) with one. Not in the suite: glmgen and l1_tf, which no
package index has.

## Total variation on a line
Nanoseconds a value. "kernel" is `penalty::tv1d_into`, from 32768 values on its two halves; "fused" is `FusedLasso` with lambda_max, segments
and certificate; "copy" is a copy of the data. The ratios are the fastest peer over our kernel with one thread and with two: below 1 we lose.

"kernel / copy" is the kernel in memory copies, the floor.

| case | n | lambda | copy | kernel | fused | kernel, 2 threads | fused, 2 threads | kernel / copy | fastest peer | peer | peer / ours | with 2 threads |
|---|---|---|---|---|---|---|---|---|---|---|---|---|""".replace("SIZE", SIZE)]
    for r in tv:
        ns = r["nanoseconds"]
        figures = [f"{ns['copy']:.2f}"] + [f"{ns[k]:.1f}" for k in ["kernel", "fused", "kernel, 2 threads", "fused, 2 threads"]]
        out.append(" | ".join([f"| {r['problem'][5:]}", power(r["n"]), f"{r['lambda']:g}", *figures,
                               f"{ns['kernel'] / ns['copy']:.0f}", r["fastest_peer"],
                               f"{ns[r['fastest_peer']]:.1f}", f"{r['ratio']:.2f}", f"{r['ratio_2']:.2f} |"]))
    slower = sum(r["ratio"] < 1 for r in tv)
    worst = max(r["gap"] for r in tv)
    out.append(f"""
Ours is slower than the fastest peer on {slower} of {len(tv)} rows. The largest relative gap of all rows is {power(worst)}; no peer reports one.

Programs that iterate to the same solution, n = 1000, seconds and relative gap to our certified bound: skimage's `denoise_tv_chambolle` after 200
rounds (its default) and 10 000, Clarabel through cvxpy. skimage's Bregman method minimises another objective.

| case | lambda | fused, seconds | skimage 200 | gap | skimage 10 000 | gap | Clarabel | gap |
|---|---|---|---|---|---|---|---|---|""")
    for r in iterated:
        figures = [f"{r[f'{k}_seconds']:.4f} | {r[f'{k}_gap']:.0e}" for k in ["skimage_200", "skimage_10000", "clarabel"]]
        name = r["problem"][5:].split(",")[0]
        out.append(" | ".join([f"| {name}", f"{r['lambda']:g}", f"{r['seconds']:.6f}", *figures]) + " |")
    out.append("""
## Trend filtering
Seconds of one fit from scratch, data to certified result, one thread; the gap is relative, `ratio` is lambda over lambda_max, memory the
growth of the process a value. Clarabel runs at n = 1000. "ADMM" is 300 rounds of the specialised ADMM with an exact total variation step
(Ramdas and Tibshirani 2016; a few lines of NumPy with SciPy's banded Cholesky and prox-tv's taut string, so its time is mostly compiled
code). Their gaps are taken against our certified lower bound. A dash: it failed. Ours stops at 1e-8 by default; a larger gap
is a fit that ended with the status `max_iterations`, or `time_limit` after 30 seconds.

| order | n | ratio | seconds | gap | knots | bytes a value | Clarabel, seconds | gap | ADMM, seconds | gap |
|---|---|---|---|---|---|---|---|---|---|---|""")

    def shown(r, key):
        if f"{key}_seconds" not in r:
            return ["", ""]
        if r[f"{key}_seconds"] is None:
            return ["–", ""]
        return [f"{r[f'{key}_seconds']:.4f}", f"{r[f'{key}_gap']:.0e}"]

    for r in trend:
        memory = "" if r["bytes_a_value"] is None or r["n"] < 100_000 else f"{r['bytes_a_value']:.0f}"
        out.append(" | ".join([f"| {r['problem'][-1]}", power(r["n"]), f"{r['ratio']:g}", f"{r['seconds']:.4f}", power(r["gap"]),
                               str(r["knots"]), memory, *shown(r, "clarabel"), *shown(r, "admm")]) + " |")
    out.append("""
## Change points
Steps of 1 or 2 at random places, five series a row: the mean F1 (a change counts as found within 5 values) and the least time. "merged jumps"
is `MergeJumps` on a `FusedLasso` with lambda = sigma sqrt(2 log n), "optimal partition" `Pelt`, both with their default penalty and
without knowing sigma; ruptures gets 3 sigma² log n; the last row is every jump of total variation.

| n | changes | sigma | method | F1 | seconds |
|---|---|---|---|---|---|""")
    for r in change:
        out.append(f"| {r['n']} | {r['changes']} | {r['sigma']:g} | {r['method']} | {r['f1']:.2f} | {r['seconds']:.5f} |")
    with open(PAGE, "w") as f:
        f.write("\n".join(out) + "\n")


RESULTS = total_variation(), iterative(), trends(), change_points()
if PAGE:
    page(*RESULTS)
