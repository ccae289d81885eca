"""The dictionary suite: ours (a server, see benches/src/bin/dictionary.rs) and Python peers by turns, in one run.

Arguments: the server's executable, the number of threads, repetitions, and a size: `small` (20 000 signals) or `full` (all 255 025
patches of a 512 x 512 photograph, training with 100 000 as well). One JSON line a result: a `table`, a `case`, a `solver`, and
figures. Times are wall seconds; the least of the repetitions counts, since other work on the machine can only add. Errors are
recomputed here or by one exact OMP. What does not depend on threads is measured with one.

With `--memory PEER` instead, one peer codes all patches in this process and what it needs beyond its input is printed.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import spams
from skimage import data

SERVER, THREADS, REPEAT, SIZE = (sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]) if len(sys.argv) > 4 else ("", 1, 1, "")
SPACE = tempfile.TemporaryDirectory(prefix="dictionary-bench-")
FOLDER = SPACE.name


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


def within(limit, solver, f):
    """Seconds and result of a slow peer, or None when it takes longer than `limit` seconds or fails."""
    def stop(*_):
        raise TimeoutError
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(limit)
    try:
        return timed(f)
    except TimeoutError:
        print(f"{solver} took longer than {limit} s: left out", file=sys.stderr)
        return None
    except Exception as error:
        print(f"{solver} failed, left out: {error}", file=sys.stderr)
        return None
    finally:
        signal.alarm(0)


def rmse(y, codes, d):
    """y: N x dim rows, d: K x dim rows, codes: K x N sparse."""
    total = 0.0
    for first in range(0, len(y), 20_000):
        part = codes[:, first:first + 20_000]
        total += ((y[first:first + 20_000] - part.T @ d) ** 2).sum()
    return float(np.sqrt(total / y.size))


class Best:
    """The fastest run of every solver."""

    def __init__(self):
        self.runs = {}

    def see(self, solver, seconds, result):
        if solver not in self.runs or seconds < self.runs[solver][0]:
            self.runs[solver] = (seconds, result)

    def see_peer(self, solver, f, limit=60, share=lambda result: result, count=1):
        """One run of a peer, per each of `count` iterations; nothing if it fails."""
        run = within(limit, solver, f)
        if run is not None:
            self.see(solver, run[0] / count, share(run[1]))


def coding(ours, y, dictionary, of, cases):
    """Microseconds a signal of OMP, OLS (what SPAMS calls omp) and Lasso coding."""
    n = len(y)
    ours.load("dictionary", dictionary)
    for precision, kind in [("f64", "f8"), ("f32", "f4")]:
        x, a = np.asfortranarray(y.T, dtype=kind), np.asfortranarray(dictionary.T, dtype=kind)
        for name, k, eps in cases:
            best = Best()
            for _ in range(REPEAT):
                for rule in ["omp", "ols"]:
                    got = ours("code", rule, precision, k, eps)
                    best.see(rule, got["seconds"], got)
                peer = dict(L=k or 64, eps=0.0 if k else eps ** 2)
                best.see_peer("spams", lambda: spams.omp(x, a, numThreads=THREADS, **peer))
            for solver, (seconds, got) in best.runs.items():
                if solver == "spams":
                    got = {"rmse": rmse(y, got, dictionary), "nnz": int(got.nnz)}
                emit(table="coding", case=f"{of}, {name}, {precision}", solver=solver, threads=THREADS,
                     us=1e6 * seconds / n, rmse=got["rmse"], nnz=got["nnz"] / n)
        best = Best()
        for _ in range(REPEAT):
            got = ours("code", "lasso", precision, 0, 30)
            best.see("lasso", got["seconds"], got)
            best.see_peer("spams", lambda: spams.lasso(x, a, lambda1=30.0, mode=2, numThreads=THREADS))
        for solver, (seconds, got) in best.runs.items():
            if solver == "spams":
                got = {"rmse": rmse(y, got, dictionary), "norm1": float(abs(got).sum()), "nnz": int(got.nnz)}
            value = (0.5 * got["rmse"] ** 2 * y.size + 30 * got["norm1"]) / n
            emit(table="lasso", case=f"{of}, {precision}", solver=solver, threads=THREADS, us=1e6 * seconds / n,
                 objective=value, nnz=got["nnz"] / n)


def slow_peers(y, d):
    """Peers that take ten times as long, or more: on 1000 of the signals, at most half a minute each."""
    def sklearn(rows, **options):
        from sklearn.decomposition import sparse_encode
        return sparse_encode(rows, d, n_jobs=1, **options)

    def dictlearn(rows):
        import dictlearn
        return dictlearn.sparse_encode(rows, d, algorithm="batch_omp", n_nonzero_coefs=5)

    part = np.ascontiguousarray(y[:: max(1, len(y) // 1000)][:1000])
    for table, case, solver, encode in [
        ("coding", "trained, k = 5, f64", "scikit-learn", lambda rows: sklearn(rows, algorithm="omp", n_nonzero_coefs=5)),
        ("coding", "trained, k = 5, f64", "dictlearn", dictlearn),
        ("lasso", "trained, f64", "scikit-learn", lambda rows: sklearn(rows, algorithm="lasso_cd", alpha=30.0)),
    ]:
        # What is compiled at the first call is not measured.
        if within(30, solver, lambda: encode(part[:10])) is None:
            continue
        run = within(30, solver, lambda: encode(part))
        if run is None:
            continue
        seconds, codes = run
        error = ((part - codes @ d) ** 2).sum()
        reached = dict(rmse=float(np.sqrt(error / part.size))) if table == "coding" else dict(
            objective=float(0.5 * error + 30 * abs(codes).sum()) / len(part))
        emit(table=table, case=case, solver=solver, threads=1, us=1e6 * seconds / len(part),
             nnz=float((codes != 0).sum(axis=1).mean()), **reached)


def training(ours, train, test, iterations, label, repeat, slow):
    """Seconds an iteration; errors on train and test signals coded anew by exact OMP with 5 atoms."""
    rng = np.random.default_rng(0)
    start = train[rng.choice(len(train), 256, replace=False)] + 1e-6
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    best = Best()
    ours.load("signals", train, 64)
    x, d0 = np.asfortranarray(train.T), np.asfortranarray(start.T)
    batches = -(-len(train) // 512)
    for _ in range(repeat):
        for method in ["approximate", "exact", "online"]:
            ours.load("dictionary", start)
            out = f"{FOLDER}/trained.bin"
            got = ours("train", method, "f64", 5, iterations, out)
            best.see(f"ours, {method}", got["seconds"] / iterations, np.fromfile(out).reshape(256, 64))
        for name, options in [("SPAMS, batch", dict(iter=iterations, batch=True)),
                              ("SPAMS, online l0", dict(iter=iterations * batches, batchsize=512))]:
            options |= dict(D=d0.copy(order="F"), mode=3, lambda1=5, numThreads=THREADS, verbose=False)
            best.see_peer(name, lambda: spams.trainDL(x, **options), 120, lambda d: d.T, iterations)
    if slow:
        others(best, train, start, iterations)
    for solver, (seconds, d) in best.runs.items():
        d = np.ascontiguousarray(d)
        d = d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-12)
        errors = {}
        for name, signals in [("train", train), ("test", test)]:
            ours.load("signals", signals, 64)
            ours.load("dictionary", d)
            errors[name] = ours("code", "omp", "f64", 5, 0)["rmse"]
        emit(table="training", case=label, solver=solver, threads=THREADS, seconds=seconds, **errors)
    return best.runs["ours, approximate"][1]


def others(best, train, start, iterations):
    """Trainers in Python, at most 40 seconds each; `ksvd` gets two iterations, from a start of its own."""
    def dictlearn():
        import dictlearn
        return dictlearn.DictionaryLearning(
            256, fit_algorithm="aksvd", transform_algorithm="batch_omp", n_nonzero_coefs=5, max_iter=iterations,
            dict_init=start, random_state=0)

    def sklearn():
        from sklearn.decomposition import MiniBatchDictionaryLearning
        return MiniBatchDictionaryLearning(
            256, batch_size=512, max_iter=iterations, dict_init=start, fit_algorithm="lars", alpha=30.0, tol=0.0,
            max_no_improvement=None, random_state=0, n_jobs=1)

    def ksvd():
        import ksvd
        return ksvd.ApproximateKSVD(n_components=256, max_iter=2, transform_n_nonzero_coefs=5)

    np.random.seed(0)
    for solver, count, learner in [("dictlearn, approximate K-SVD", iterations, dictlearn),
                                   ("scikit-learn, minibatch l1", iterations, sklearn), ("ksvd, 2 iterations", 2, ksvd)]:
        best.see_peer(solver, lambda: learner().fit(train), 40, lambda fit: fit.components_, count)


RECOVERY = [("approximate K-SVD", "approximate", 3), ("exact K-SVD", "exact", 3), ("online l0", "online", 3),
            ("online l1", "online-l1", 0.15)]


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
            for name, method, k in RECOVERY:
                ours("train", method, "f64", k, 80, out)
                runs[f"ours, {name}"] = np.fromfile(out).reshape(50, 20)
            common = dict(numThreads=1, verbose=False, batchsize=512, iter=240)
            for name, options in [("SPAMS, online l1", dict(mode=2, lambda1=0.15)), ("SPAMS, online l0", dict(mode=3, lambda1=3))]:
                run = within(60, name, lambda: spams.trainDL(x, D=np.asfortranarray(start.T), **options, **common).T)
                runs |= {name: run[1]} if run else {}
            for solver, d in runs.items():
                d = d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-12)
                share = 100 * (np.abs(truth @ d.T).max(axis=1) > 0.99).mean()
                found.setdefault(solver, []).append(share)
        for solver, shares in found.items():
            emit(table="recovery", case="no noise" if snr is None else f"{snr} dB", solver=solver,
                 share=float(np.mean(shares)), trials=trials)


def resident(field):
    line = next(l for l in open("/proc/self/status") if l.startswith(field))
    return int(line.split()[1]) / 1024


def peer_memory(peer, folder):
    """What a peer needs beyond its input to code all patches in f64, k = 5, MiB."""
    y, d = np.load(f"{folder}/y.npy"), np.load(f"{folder}/d.npy")
    x, a = np.asfortranarray(y.T), np.asfortranarray(d.T)
    part = slice(None)
    if peer == "scikit-learn":
        from sklearn.decomposition import sparse_encode
        part = slice(0, 20_000)
    before = resident("VmRSS")
    if peer == "SPAMS":
        codes = spams.omp(x, a, L=5, numThreads=1)
    else:
        codes = sparse_encode(y[part], d, algorithm="omp", n_nonzero_coefs=5, n_jobs=1)
    print(json.dumps({"mib": resident("VmHWM") - before, "shape": list(codes.shape)}))


def memory(y, d):
    """Peak memory beyond the input, every method in a process of its own."""
    np.save(f"{FOLDER}/y.npy", y)
    np.save(f"{FOLDER}/d.npy", d)
    for method, k, bound in [("omp", 5, 0), ("ols", 5, 0), ("lasso", 0, 30)]:
        ours = Ours()
        ours.load("signals", y, 64)
        ours.load("dictionary", d)
        before = ours("memory")["now_mib"]
        ours("code", method, "f64", k, bound)
        emit(table="memory", case=f"{len(y)} signals", solver=f"ours, {method}", mib=max(0.0, ours("memory")["peak_mib"] - before))
    for method in ["approximate", "online"]:
        ours = Ours()
        part = y[:100_000]
        ours.load("signals", part, 64)
        ours.load("dictionary", d)
        before = ours("memory")["now_mib"]
        ours("train", method, "f64", 5, 2, f"{FOLDER}/trained.bin")
        emit(table="memory", case=f"training, {len(part)} signals", solver=f"ours, {method}",
             mib=max(0.0, ours("memory")["peak_mib"] - before))
    for peer, n in [("SPAMS", len(y)), ("scikit-learn", min(20_000, len(y)))]:
        out = subprocess.run([sys.executable, __file__, "--memory", peer, FOLDER], capture_output=True, text=True)
        if out.returncode:
            print(f"{peer} failed, left out: {out.stderr}", file=sys.stderr)
            continue
        emit(table="memory", case=f"{n} signals", solver=f"{peer}, omp", mib=json.loads(out.stdout)["mib"])


def machine():
    from importlib.metadata import version
    info = open("/proc/cpuinfo").read()
    name = next((l.split(":")[1].strip() for l in info.splitlines() if l.startswith("model name")), "?")
    wide = "AVX-512" if "avx512f" in info else "AVX2"
    packages = ["spams-bin", "scikit-learn", "dictlearn", "ksvd", "numpy"]
    emit(table="machine", processor=f"{os.cpu_count()} virtual cores of {name} ({wide})",
         versions=", ".join([f"Python {sys.version.split()[0]}"] + [f"{p} {version(p)}" for p in packages]))


def main():
    if THREADS == 1:
        machine()
    ours = Ours()
    y = patches(data.camera())
    order = np.random.default_rng(1).permutation(len(y))
    trained = training(ours, y[order[:20_000]], y[order[-20_000:]], 10, "20 000 signals", REPEAT, THREADS == 1)
    signals = y if SIZE == "full" else y[order[:20_000]]
    ours.load("signals", signals, 64)
    cases = [("k = 5", 5, 0.0), ("k = 10", 10, 0.0), ("sigma 25", 0, 8 * 1.15 * 25), ("sigma 10", 0, 8 * 1.15 * 10)]
    coding(ours, signals, trained, "trained", cases)
    coding(ours, signals, odct(), "cosines", [cases[0], cases[3]])
    if SIZE == "full":
        training(ours, y[order[:100_000]], y[order[-20_000:]], 10, "100 000 signals", 1, False)
    if THREADS == 1:
        slow_peers(signals, trained)
        recovery(ours)
        memory(signals, trained)


if sys.argv[1] == "--memory":
    peer_memory(*sys.argv[2:4])
else:
    main()
