"""The regression suite by Python peers: solves what it is asked on standard input, one JSON line each way.

Arguments: a folder for real tables, which are fetched and written there, in the form that the suite's program dumps. The
first line printed has the versions. A request names a folder, a problem's index, a task, the repetitions and the most seconds
that one peer may spend on the processor; the answer is one line for each peer that could do it, and an empty line.

A peer's tolerance is tightened by half decades until the duality gap, recomputed here from the coefficients alone, is at most
that of the suite (on a path: at its worst point). The seconds are those of the processor, the median of the repetitions at that
tolerance, after runs that warm up, with the data in the peer's favourite layout. Cross-validation has the same grid and five
contiguous folds for everybody, at the tolerance that the path needs. Each task of each peer runs in a process forked for it,
whose peak memory above what it began with is what the task needs; one that takes too long is ended.
"""
import ctypes
import gc
import importlib.metadata
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import warnings
import zipfile

import numpy as np
import scipy.sparse as sp

warnings.filterwarnings("ignore")

TASKS = {"alpha_max/10": 10, "alpha_max/100": 100}


def note(*words):
    print(*words, file=sys.stderr, flush=True)


class Problem:
    def __init__(self, x, y, name="", tol=1e-6):
        self.x, self.y, self.name, self.tol = x, y, name, tol
        self.n, self.p = x.shape
        self.sparse = sp.issparse(x)
        self.mean = np.asarray(x.mean(axis=0)).ravel()
        centred = y - y.mean()
        self.top = np.abs(x.T @ centred - self.mean * centred.sum()).max() / self.n
        self.at_zero = centred @ centred / (2 * self.n)
        self.alphas = self.top * np.logspace(0, -3, 100)

    @staticmethod
    def read(folder, index):
        entry = json.load(open(f"{folder}/problems.json"))[index]
        shape = (entry["n"], entry["p"])
        read = lambda key: np.fromfile(f"{folder}/{entry[key]}")
        if "indptr" in entry:
            parts = (read("x"), read("indices").astype(np.int32), read("indptr").astype(np.int32))
            x = sp.csc_matrix(parts, shape=shape)
        else:
            x = read("x").reshape(shape, order="F")
        return Problem(x, read("y"), entry["name"], entry["tol"])

    def rows(self, which):
        """Some observations, with the grid of all."""
        x = self.x[which] if self.sparse else np.asfortranarray(self.x[which])
        part = Problem(sp.csc_matrix(x) if self.sparse else x, self.y[which])
        part.alphas = self.alphas
        return part

    def gap(self, w, b, alpha):
        """Objective and duality gap of 1/(2n) ||y - Xw - b||^2 + alpha ||w||_1."""
        w = np.asarray(w).ravel()
        r = self.y - self.x @ w - b
        primal = r @ r / (2 * self.n) + alpha * np.abs(w).sum()
        theta = (r - r.mean()) / self.n
        largest = np.abs(self.x.T @ theta).max()
        s = min(1.0, alpha / largest) if largest > 0 else 1.0
        return primal, primal - (s * (theta @ self.y) - s * s * self.n / 2 * (theta @ theta))


def centred(problem):
    """A centred copy: what a path function without an intercept needs; part of its time."""
    x = problem.x - problem.mean
    return np.asfortranarray(x), problem.y - problem.y.mean()


class Peer:
    """fit(problem, alpha, tol) -> (w, b); path(problem, tol) -> [(w, b)]; start: the loosest tolerance worth trying."""

    start, cv = 1e-5, None

    def cross_validate(self, q, tol):
        if self.cv:
            return self.cv(q, tol)
        errors = np.zeros(len(q.alphas))
        for held in np.array_split(np.arange(q.n), 5):
            train = np.setdiff1d(np.arange(q.n), held)
            for k, (w, b) in enumerate(self.path(q.rows(train), tol)):
                errors[k] += np.mean((q.y[held] - q.x[held] @ w - b) ** 2)
        self.fit(q, q.alphas[errors.argmin()], tol)


class Scikit(Peer):
    # Its own gap is relative to the squared norm of y: twice the objective at zero.
    start = 5e-7

    def __init__(self, gram):
        import sklearn.linear_model as models

        self.gram, self.m = gram, models
        self.options = dict(max_iter=1_000_000, precompute=gram)

    def able(self, q, task):
        return not (self.gram and (q.sparse or q.p > 2000)) and not (q.sparse and task == "path")

    def fit(self, q, alpha, tol):
        model = self.m.Lasso(alpha=alpha, tol=tol, **self.options).fit(q.x, q.y)
        return model.coef_, model.intercept_

    def path(self, q, tol):
        x, y = centred(q)
        _, coefs, _ = self.m.lasso_path(x, y, alphas=q.alphas, tol=tol, **self.options)
        return [(w, q.y.mean() - q.mean @ w) for w in coefs.T]

    def cv(self, q, tol):
        self.m.LassoCV(alphas=q.alphas, cv=5, tol=tol, **self.options).fit(q.x, q.y)


class Celer(Peer):
    start = 5e-7

    def __init__(self):
        import celer

        self.c = celer

    def able(self, q, task):
        return not (q.sparse and task == "path")

    def fit(self, q, alpha, tol):
        model = self.c.Lasso(alpha=alpha, tol=tol, max_iter=1000).fit(q.x, q.y)
        return model.coef_, model.intercept_

    def path(self, q, tol):
        x, y = centred(q)
        _, coefs, _ = self.c.celer_path(x, y, pb="lasso", alphas=q.alphas, tol=tol, max_iter=1000)
        return [(w, q.y.mean() - q.mean @ w) for w in coefs.T]

    def cv(self, q, tol):
        self.c.LassoCV(alphas=q.alphas, cv=5, tol=tol, max_iter=1000).fit(q.x, q.y)


class Skglm(Peer):
    def __init__(self):
        import skglm

        self.s = skglm

    def able(self, q, task):
        return True

    def model(self, tol, **more):
        return self.s.Lasso(max_iter=1000, max_epochs=1_000_000, tol=tol, **more)

    # The tolerance is an absolute violation of the optimality conditions.
    def fit(self, q, alpha, tol):
        model = self.model(1e3 * tol * q.top, alpha=alpha).fit(q.x, q.y)
        return model.coef_, float(np.ravel(model.intercept_)[0])

    def path(self, q, tol):
        model, out = self.model(1e3 * tol * q.top, warm_start=True), []
        for alpha in q.alphas:
            model.alpha = alpha
            model.fit(q.x, q.y)
            out.append((model.coef_.copy(), float(np.ravel(model.intercept_)[0])))
        return out


class Adelie(Peer):
    def __init__(self):
        import adelie

        self.a = adelie

    def able(self, q, task):
        return True

    def solve(self, q, alphas, tol):
        kind = self.a.matrix.sparse if q.sparse else self.a.matrix.dense
        state = self.a.grpnet(
            X=kind(q.x, method="naive", n_threads=1), glm=self.a.glm.gaussian(y=q.y), lmda_path=np.asarray(alphas),
            early_exit=False, tol=tol, progress_bar=False, n_threads=1, max_iters=10_000_000,
        )
        if len(state.lmdas) != len(alphas):
            raise RuntimeError("the path ended early")
        return [(state.betas[k].toarray().ravel(), state.intercepts[k]) for k in range(len(alphas))]

    def fit(self, q, alpha, tol):
        return self.solve(q, [alpha], tol)[0]

    def path(self, q, tol):
        return self.solve(q, q.alphas, tol)


class Glmnet(Peer):
    def __init__(self):
        import glmnet

        self.g = glmnet

    def able(self, q, task):
        return True

    def solve(self, q, alphas, tol):
        model = self.g.ElasticNet(
            alpha=1, lambda_path=np.asarray(alphas), n_splits=0, standardize=False, tol=tol, max_iter=10_000_000
        ).fit(q.x, q.y)
        return [(model.coef_path_[:, k], model.intercept_path_[k]) for k in range(len(alphas))]

    def fit(self, q, alpha, tol):
        return self.solve(q, [alpha], tol)[0]

    def path(self, q, tol):
        return self.solve(q, q.alphas, tol)


MAKERS = {
    "scikit-learn": lambda: Scikit(False), "scikit-learn Gram": lambda: Scikit(True), "celer": Celer, "skglm": Skglm,
    "adelie": Adelie, "python-glmnet": Glmnet,
}


def available():
    """The peers that are installed, each after a small fit of every kind: compilation is not what is measured."""
    rng = np.random.default_rng(0)
    x = np.asfortranarray(rng.standard_normal((20, 30)))
    dense, peers = Problem(x, x[:, 0] + rng.standard_normal(20)), {}
    sparse = Problem(sp.csc_matrix(np.where(np.abs(x) > 1, x, 0)), dense.y)
    for name, make in MAKERS.items():
        try:
            peers[name] = peer = make()
        except ImportError as error:
            note(f"{name} is left out: {error}")
            continue
        for q in (dense, sparse):
            if peer.able(q, "cv"):
                peer.fit(q, q.top / 10, peer.start)
                peer.fit(q, q.top / 10, peer.start / 10)
    return peers


def memory(key):
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return float(line.split()[1]) / 1024
    return float("nan")


def peak_of(run):
    """The result of a run, its wall seconds, and the memory it needs at its peak, in MiB."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        open("/proc/self/clear_refs", "w").write("5")
    except (OSError, AttributeError):
        pass
    held, start = memory("VmRSS"), time.perf_counter()
    result = run()
    return result, time.perf_counter() - start, memory("VmHWM") - held


def seconds_of(repeat, run, first):
    batch, times = max(1, min(200, int(0.1 / max(first, 1e-6)))), []
    for _ in range(repeat):
        start = time.process_time()
        for _ in range(batch):
            run()
        times.append((time.process_time() - start) / batch)
        if sum(times) * batch > 1:
            break
    return statistics.median(times)


def measure(q, task, name, peer, repeat, known):
    """One answer; a text if there is none."""
    if task == "cv":
        tol, objective, gap, nnz = *known, 0
        run = lambda: peer.cross_validate(q, tol)
        _, first, peak = peak_of(run)
    else:
        if task == "path":
            solve = lambda tol: peer.path(q, tol)
            judge = lambda rs: max((q.gap(w, b, a) for (w, b), a in zip(rs, q.alphas)), key=lambda t: t[1])
        else:
            alpha = q.top / TASKS[task]
            solve = lambda tol: peer.fit(q, alpha, tol)
            judge = lambda r: q.gap(*r, alpha)
        for k in range(20):
            tol = peer.start * 10 ** (-k / 2)
            result, first, peak = peak_of(lambda: solve(tol))
            objective, gap = judge(result)
            if gap <= q.tol * q.at_zero:
                break
        else:
            return f"does not reach the gap: {gap / q.at_zero:.1e}"
        objective, gap = float(objective), float(gap / q.at_zero)
        nnz = int(np.count_nonzero((result[-1] if task == "path" else result)[0]))
        run = lambda: solve(tol)
    row = {
        "problem": f"{q.name} {task}", "solver": name, "tol": q.tol, "iterations": 0,
        "seconds": seconds_of(repeat, run, first), "objective": objective, "gap": gap, "nnz": nnz, "peak_mib": peak,
    }
    return {"row": row, "known": [tol, objective, gap]}


def forked(limit, job):
    """The result of a job done in a process of its own, or why there is none."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, limit)
        try:
            answer = job()
        except Exception as error:
            answer = f"failed: {error!r:.200}"
        os.write(send, json.dumps(answer).encode())
        os._exit(0)
    os.close(send)
    answer = b"".join(iter(lambda: os.read(receive, 1 << 16), b""))
    os.close(receive)
    os.waitpid(child, 0)
    return json.loads(answer) if answer else f"takes more than {limit:.1f} s"


def real_tables(folder):
    """Gene expression from the package ISLP, and two tables of scikit-learn with products of their features."""
    if os.path.exists(f"{folder}/problems.json"):
        return
    from sklearn.datasets import load_breast_cancer, load_diabetes
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    os.makedirs(folder, exist_ok=True)
    tables = {}
    try:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "ISLP"],
            check=True, stdout=sys.stderr,
        )
        archive = zipfile.ZipFile(next(f"{folder}/{f}" for f in os.listdir(folder) if f.lower().startswith("islp")))
        raw = lambda name: archive.read(f"ISLP/data/{name}")
        table = lambda name: np.genfromtxt(io.BytesIO(raw(name)), delimiter=",", skip_header=1)
        labels = raw("NCI60labs.csv").decode().split("\n")[1:65]
        tables["nci60"] = np.load(io.BytesIO(raw("NCI60data.npy"))), np.array([float("RENAL" in l) for l in labels])
        tables["khan"] = table("Khan_xtrain.csv"), table("Khan_ytrain.csv")
    except Exception as error:
        note(f"gene expression is left out: {error!r:.200}")
    poly = lambda d: (StandardScaler().fit_transform(PolynomialFeatures(2, include_bias=False).fit_transform(d.data)), d.target)
    tables["breast-cancer-products"] = poly(load_breast_cancer())
    tables["diabetes-products"] = poly(load_diabetes())
    entries = []
    for name, (x, y) in tables.items():
        x, y = np.asarray(x, float), np.asarray(y, float).ravel()
        np.asfortranarray(x).ravel(order="K").tofile(f"{folder}/{name}.x.f64")
        y.tofile(f"{folder}/{name}.y.f64")
        n, p = x.shape
        entries.append({
            "name": f"{name}/n={n},p={p}", "n": n, "p": p, "x": f"{name}.x.f64", "y": f"{name}.y.f64", "tol": 1e-6,
        })
    json.dump(entries, open(f"{folder}/problems.json", "w"))


def main():
    real_tables(sys.argv[1])
    peers = available()
    packages = ["numpy", "scikit-learn", "celer", "skglm", "adelie", "python-glmnet"]
    versions = [f"{p} {importlib.metadata.version(p)}" for p in packages if p == "numpy" or p in peers]
    print(", ".join([f"Python {sys.version.split()[0]}", *versions]), flush=True)
    held, known = (None, None), {}
    for line in sys.stdin:
        ask = json.loads(line)
        key = (ask["folder"], ask["index"])
        if held[0] != key:
            held, known = (key, Problem.read(*key)), {}
        q, task = held[1], ask["task"]
        for name, peer in peers.items():
            if not peer.able(q, task) or (task == "cv" and name not in known):
                continue
            answer = forked(ask["limit"], lambda: measure(q, task, name, peer, ask["repeat"], known.get(name)))
            if isinstance(answer, str):
                note(f"{q.name} {task}: {name} {answer}")
                continue
            if task == "path":
                known[name] = answer["known"]
            print(json.dumps(answer["row"]), flush=True)
        print(flush=True)


main()
