"""The dictionary suite: ours (a server, see benches/src/bin/dictionary.rs) and Python peers by turns, in one run.

Arguments: the server's executable, the number of threads, repetitions, and a size: `small` (20 000 signals) or `full` (all 255 025
patches of a 512 x 512 photograph, training with 100 000 as well). One JSON line a result. Times are wall seconds; the least of the
repetitions counts, since other work on the machine can only add. Errors are recomputed here or by one exact OMP.
"""
import json
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import spams
from skimage import data

SERVER, THREADS, REPEAT, SIZE = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
FOLDER = tempfile.mkdtemp(prefix="dictionary-bench-")


class Ours:
    def __init__(self):
        self.process = subprocess.Popen(
            [SERVER, str(THREADS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def load(self, what, array, *more):
        """Atoms and signals are the rows of a C-ordered array: the columns of ours."""
        path = f"{FOLDER}/{what}.bin"
        np.ascontiguousarray(array, dtype=np.float64).tofile(path)
        return self(what, path, *more)


def emit(**row):
    print(json.dumps(row), flush=True)


def patches(image, size=8):
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(float), (size, size))
    rows = windows.reshape(-1, size * size)
    return rows - rows.mean(axis=1, keepdims=True)


def odct(size=8, k=16):
    base = np.cos(np.arange(size)[:, None] * np.arange(k)[None, :] * np.pi / k)
    base[:, 1:] -= base[:, 1:].mean(axis=0)
    base /= np.linalg.norm(base, axis=0)
    return np.kron(base, base).T.copy()


def timed(f):
    start = time.perf_counter()
    result = f()
    return time.perf_counter() - start, result


def rmse(y, codes, d):
    """y: N x dim rows, d: K x dim rows, codes: K x N sparse."""
    total = 0.0
    for first in range(0, len(y), 20_000):
        part = codes[:, first:first + 20_000]
        total += ((y[first:first + 20_000] - part.T @ d) ** 2).sum()
    return float(np.sqrt(total / y.size))


def coding(ours, y, d, trained):
    """Microseconds a signal of OMP, OLS (what SPAMS calls omp) and Lasso coding."""
    n = len(y)
    for dictionary, of in [(d, "cosines"), (trained, "trained")]:
        ours.load("dictionary", dictionary)
        arrays = {p: (np.asfortranarray(y.T, dtype=p), np.asfortranarray(dictionary.T, dtype=p))
                  for p in ["f8", "f4"]}
        cases = [("k=5", 5, 0.0), ("k=10", 10, 0.0), ("sigma=25", 0, 8 * 1.15 * 25), ("sigma=10", 0, 8 * 1.15 * 10)]
        for precision in ["f64", "f32"]:
            x, a = arrays[precision.replace("f64", "f8").replace("f32", "f4")]
            for name, k, eps in cases:
                best = {}
                for _ in range(REPEAT):
                    for rule in ["omp", "ols"]:
                        got = ours("code", rule, precision, k, eps)
                        if rule not in best or got["seconds"] < best[rule]["seconds"]:
                            best[rule] = got
                    peer = dict(L=k or 64, eps=0.0 if k else eps ** 2)
                    seconds, codes = timed(lambda: spams.omp(x, a, numThreads=THREADS, **peer))
                    if "spams" not in best or seconds < best["spams"]["seconds"]:
                        best["spams"] = {"seconds": seconds, "rmse": rmse(y, codes, dictionary), "nnz": int(codes.nnz)}
                for solver, row in best.items():
                    emit(problem=f"code {of} {name} {precision}", solver=solver, threads=THREADS,
                         us=1e6 * row["seconds"] / n, rmse=row["rmse"], nnz=row["nnz"] / n)
            best = {}
            for _ in range(REPEAT):
                got = ours("code", "lasso", precision, 0, 30)
                if "lasso" not in best or got["seconds"] < best["lasso"]["seconds"]:
                    best["lasso"] = got
                seconds, codes = timed(lambda: spams.lasso(x, a, lambda1=30.0, mode=2, numThreads=THREADS))
                if "spams" not in best or seconds < best["spams"]["seconds"]:
                    best["spams"] = {"seconds": seconds, "rmse": rmse(y, codes, dictionary), "nnz": int(codes.nnz),
                                     "norm1": float(abs(codes).sum())}
            for solver, row in best.items():
                value = (0.5 * row["rmse"] ** 2 * y.size + 30 * row["norm1"]) / n
                emit(problem=f"lasso {of} lambda=30 {precision}", solver=solver, threads=THREADS,
                     us=1e6 * row["seconds"] / n, rmse=row["rmse"], nnz=row["nnz"] / n, objective=value)


def slow_peers(y, d):
    """Peers that are an order of magnitude slower: fewer signals, one pass."""
    from sklearn.decomposition import sparse_encode
    part = y[:: max(1, len(y) // 5000)]
    run = lambda: sparse_encode(part, d, algorithm="omp", n_nonzero_coefs=5, n_jobs=1)
    seconds, codes = min((timed(run) for _ in range(2)), key=lambda t: t[0])
    error = float(np.sqrt(((part - codes @ d) ** 2).mean()))
    emit(problem="code cosines k=5 f64", solver="scikit-learn", threads=1, us=1e6 * seconds / len(part), rmse=error, nnz=5)


def training(ours, train, test, iterations, label):
    """Seconds an iteration; errors on train and test signals re-coded by our OMP with 5 atoms."""
    rng = np.random.default_rng(0)
    start = train[rng.choice(len(train), 256, replace=False)] + 1e-6
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    n = len(train)
    results = {}

    def best(solver, seconds, d):
        if solver not in results or seconds < results[solver][0]:
            results[solver] = (seconds, d)

    ours.load("signals", train, 64)
    x, d0 = np.asfortranarray(train.T), np.asfortranarray(start.T)
    batches = -(-n // 512)
    for _ in range(REPEAT):
        for method in ["approximate", "exact", "online"]:
            ours.load("dictionary", start)
            out = f"{FOLDER}/trained.bin"
            got = ours("train", method, "f64", 5, iterations, out)
            best(method, got["seconds"], np.fromfile(out).reshape(256, 64))
        common = dict(D=d0.copy(order="F"), mode=3, lambda1=5, numThreads=THREADS, verbose=False)
        seconds, d = timed(lambda: spams.trainDL(x, iter=iterations, batch=True, **common))
        best("spams batch", seconds, d.T)
        common = dict(D=d0.copy(order="F"), mode=3, lambda1=5, numThreads=THREADS, verbose=False)
        seconds, d = timed(lambda: spams.trainDL(x, iter=iterations * batches, batchsize=512, **common))
        best("spams online", seconds, d.T)
    for solver, (seconds, d) in results.items():
        errors = {}
        d = np.ascontiguousarray(d)
        d = d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-12)
        for name, signals in [("train", train), ("test", test)]:
            ours.load("signals", signals, 64)
            ours.load("dictionary", d)
            errors[name] = ours("code", "omp", "f64", 5, 0)["rmse"]
        emit(problem=f"train {label}", solver=solver, threads=THREADS, seconds_an_iteration=seconds / iterations, **errors)
    return results["approximate"][1]


def recovery(ours):
    """Aharon, Elad, Bruckstein 2006, section V.A: share of atoms recovered, mean over trials."""
    trials = 3 if SIZE == "small" else 10
    for snr in [10, 20, 30, None]:
        found = {}
        for trial in range(trials):
            rng = np.random.default_rng(100 + trial)
            truth = rng.standard_normal((50, 20))
            truth /= np.linalg.norm(truth, axis=1, keepdims=True)
            codes = np.zeros((1500, 50))
            for row in codes:
                row[rng.choice(50, 3, replace=False)] = rng.standard_normal(3)
            y = codes @ truth
            if snr is not None:
                noise = rng.standard_normal(y.shape)
                y = y + noise * np.linalg.norm(y) / np.linalg.norm(noise) * 10 ** (-snr / 20)
            start = y[rng.choice(1500, 50, replace=False)]
            start /= np.linalg.norm(start, axis=1, keepdims=True)
            ours.load("signals", y, 20)
            ours.load("dictionary", start)
            out = f"{FOLDER}/recovered.bin"
            x = np.asfortranarray(y.T)
            runs = {}
            for method, k in [("approximate", 3), ("exact", 3), ("online", 3), ("online-l1", 0.15)]:
                ours("train", method, "f64", k, 80, out)
                runs[method] = np.fromfile(out).reshape(50, 20)
            common = dict(D=np.asfortranarray(start.T), numThreads=1, verbose=False, batchsize=512)
            runs["spams online l1"] = spams.trainDL(x, iter=240, mode=2, lambda1=0.15, **common).T
            common["D"] = np.asfortranarray(start.T)
            runs["spams online l0"] = spams.trainDL(x, iter=240, mode=3, lambda1=3, **common).T
            for solver, d in runs.items():
                d = d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-12)
                share = 100 * (np.abs(truth @ d.T).max(axis=1) > 0.99).mean()
                found.setdefault(solver, []).append(share)
        for solver, shares in found.items():
            emit(problem=f"recovery snr={snr}", solver=solver, share=float(np.mean(shares)), trials=trials)


def main():
    y = patches(data.camera())
    rng = np.random.default_rng(1)
    order = rng.permutation(len(y))
    ours = Ours()
    trained = training(ours, y[order[:20_000]], y[order[-20_000:]], 10, "20000 x 10")
    signals = y if SIZE == "full" else y[order[:20_000]]
    ours.load("signals", signals, 64)
    ours.load("dictionary", odct())
    emit(problem="memory", solver="ours", threads=THREADS, input_mib=signals.nbytes * 1.5 / 2 ** 20, **ours("memory"))
    coding(ours, signals, odct(), trained)
    emit(problem="memory", solver="ours, all coded", threads=THREADS, **ours("memory"))
    emit(problem="memory", solver="python, all coded", threads=THREADS,
         peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if SIZE == "full":
        training(ours, y[order[:100_000]], y[order[-20_000:]], 30, "100000 x 30")
    if THREADS == 1:
        slow_peers(signals, odct())
        recovery(ours)


main()
