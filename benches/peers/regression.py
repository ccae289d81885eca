"""The regression suite by Python peers: one JSON line each, as the suite's own program prints them.

Arguments: the number of repetitions, the most seconds for one run of a peer, and folders with problems (written by the
suite's program). Every peer's tolerance is tightened until the duality gap, recomputed here from the coefficients alone, is at
most that of the suite (for a path: at its worst point); the seconds are those of the processor for one run at that tolerance,
after runs that warm up, data in the peer's favourite layout. Cross-validation runs at the tolerance that the path needs. A
peer that is too slow or fails is left out, with a line on standard error.
"""
import json
import statistics
import sys
import time
import warnings

import numpy as np
import scipy.sparse as sp

warnings.filterwarnings("ignore")

TOLERANCES = [10.0**-k for k in range(4, 15)]


def note(*words):
    print(*words, file=sys.stderr, flush=True)


class Problem:
    def __init__(self, folder, entry):
        self.name, self.n, self.p, self.tol = entry["name"], entry["n"], entry["p"], entry["tol"]
        read = lambda key: np.fromfile(f"{folder}/{entry[key]}")
        self.y = read("y")
        if "indptr" in entry:
            parts = (read("x"), read("indices").astype(np.int32), read("indptr").astype(np.int32))
            self.x = sp.csc_matrix(parts, shape=(self.n, self.p))
        else:
            self.x = read("x").reshape((self.n, self.p), order="F")
        self.sparse = sp.issparse(self.x)
        self.mean = np.asarray(self.x.mean(axis=0)).ravel()
        centred = self.y - self.y.mean()
        self.top = np.abs(self.x.T @ centred - self.mean * centred.sum()).max() / self.n
        self.at_zero = centred @ centred / (2 * self.n)
        self.alphas = self.top * np.logspace(0, -3, 100)

    def gap(self, w, b, alpha):
        """Objective and duality gap of 1/(2n) ||y - Xw - b||^2 + alpha ||w||_1."""
        w = np.asarray(w).ravel()
        r = self.y - self.x @ w - b
        primal = r @ r / (2 * self.n) + alpha * np.abs(w).sum()
        theta = (r - r.mean()) / self.n
        largest = np.abs(self.x.T @ theta).max()
        s = min(1.0, alpha / largest) if largest > 0 else 1.0
        return primal, primal - (s * (theta @ self.y) - s * s * self.n / 2 * (theta @ theta))


# Each peer: fit(problem, alpha, tol) -> (w, b); path(problem, tol) -> [(w, b)]; cv(problem, tol) -> None. None if it has none.


def centred(problem):
    """A centred copy: what a path function without an intercept needs; part of its time."""
    x = problem.x - problem.mean
    return np.asfortranarray(x), problem.y - problem.y.mean()


def scikit(gram):
    from sklearn.linear_model import Lasso, LassoCV, lasso_path

    def fit(q, alpha, tol):
        model = Lasso(alpha=alpha, tol=tol, max_iter=1_000_000, precompute=gram).fit(q.x, q.y)
        return model.coef_, model.intercept_

    def path(q, tol):
        if q.sparse:
            return None
        x, y = centred(q)
        _, coefs, _ = lasso_path(x, y, alphas=q.alphas, tol=tol, max_iter=1_000_000, precompute=gram)
        return [(w, q.y.mean() - q.mean @ w) for w in coefs.T]

    def cv(q, tol):
        LassoCV(alphas=q.alphas, cv=5, tol=tol, max_iter=1_000_000, precompute=gram).fit(q.x, q.y)

    return fit, path, cv


def celer():
    from celer import Lasso, LassoCV, celer_path

    def fit(q, alpha, tol):
        model = Lasso(alpha=alpha, tol=tol, max_iter=1000).fit(q.x, q.y)
        return model.coef_, model.intercept_

    def path(q, tol):
        if q.sparse:
            return None
        x, y = centred(q)
        _, coefs, _ = celer_path(x, y, pb="lasso", alphas=q.alphas, tol=tol, max_iter=1000)
        return [(w, q.y.mean() - q.mean @ w) for w in coefs.T]

    def cv(q, tol):
        LassoCV(alphas=q.alphas, cv=5, tol=tol).fit(q.x, q.y)

    return fit, path, cv


def skglm():
    from skglm import Lasso

    def fit(q, alpha, tol):
        model = Lasso(alpha=alpha, tol=tol, max_iter=1000, max_epochs=1_000_000).fit(q.x, q.y)
        return model.coef_, model.intercept_

    def path(q, tol):
        model = Lasso(tol=tol, max_iter=1000, max_epochs=1_000_000, warm_start=True)
        out = []
        for alpha in q.alphas:
            model.alpha = alpha
            model.fit(q.x, q.y)
            out.append((model.coef_.copy(), float(np.ravel(model.intercept_)[0])))
        return out

    return fit, path, None


def adelie():
    import adelie as ad

    def solve(q, alphas, tol):
        x = ad.matrix.sparse(q.x, method="naive", n_threads=1) if q.sparse else ad.matrix.dense(q.x, method="naive", n_threads=1)
        state = ad.grpnet(
            X=x, glm=ad.glm.gaussian(y=q.y), lmda_path=np.asarray(alphas), early_exit=False, tol=tol, progress_bar=False,
            n_threads=1, max_iters=10_000_000,
        )
        if len(state.lmdas) != len(alphas):
            raise RuntimeError("the path ended early")
        return [(state.betas[k].toarray().ravel(), state.intercepts[k]) for k in range(len(alphas))]

    def cv(q, tol):
        x = q.x
        ad.cv.cv_grpnet(
            X=x, glm=ad.glm.gaussian(y=q.y), n_folds=5, lmda_path_size=100, min_ratio=1e-3, early_exit=False, tol=tol,
            progress_bar=False, n_threads=1,
        )

    return (lambda q, alpha, tol: solve(q, [alpha], tol)[0]), (lambda q, tol: solve(q, q.alphas, tol)), cv


def glmnet():
    from glmnet import ElasticNet

    def solve(q, alphas, tol, folds=0):
        model = ElasticNet(
            alpha=1, lambda_path=np.asarray(alphas), n_splits=folds, standardize=False, tol=tol, max_iter=10_000_000
        ).fit(q.x, q.y)
        return [(model.coef_path_[:, k], model.intercept_path_[k]) for k in range(len(alphas))]

    def path(q, tol):
        return solve(q, q.alphas, tol)

    return (lambda q, alpha, tol: solve(q, [alpha], tol)[0]), path, (lambda q, tol: solve(q, q.alphas, tol, 5))


def available():
    makers = {
        "scikit-learn": lambda: scikit(False), "scikit-learn Gram": lambda: scikit(True), "celer": celer, "skglm": skglm,
        "adelie": adelie, "python-glmnet": glmnet,
    }
    peers = {}
    for name, make in makers.items():
        try:
            peers[name] = make()
        except ImportError as error:
            note(f"{name} is left out: {error}")
    return peers


def memory(key):
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return float(line.split()[1]) / 1024
    return float("nan")


def timed(repeat, run):
    try:
        open("/proc/self/clear_refs", "w").write("5")
    except OSError:
        pass
    held, times = memory("VmRSS"), []
    start = time.process_time()
    run()
    first = time.process_time() - start
    peak = memory("VmHWM") - held
    batch = max(1, min(200, int(0.1 / max(first, 1e-6))))
    for _ in range(repeat):
        start = time.process_time()
        for _ in range(batch):
            run()
        times.append((time.process_time() - start) / batch)
    return statistics.median(times), peak


def calibrate(q, name, budget, run, judge):
    """The loosest tolerance whose result is accurate enough, with its objective and gap; None if there is none in time."""
    for tol in TOLERANCES:
        start = time.process_time()
        try:
            result = run(tol)
        except Exception as error:
            note(f"{q.name}: {name} failed: {error!r:.200}")
            return None
        if result is None:
            return None
        objective, absolute = judge(result)
        if absolute <= q.tol * q.at_zero:
            return tol, float(objective), float(absolute / q.at_zero)
        if time.process_time() - start > budget:
            note(f"{q.name}: {name} is too slow at tolerance {tol:g}, gap {absolute / q.at_zero:.1e}")
            return None
    note(f"{q.name}: {name} does not reach the gap")
    return None


def emit(q, task, name, seconds, objective, gap, nnz, peak):
    print(json.dumps({
        "problem": f"{q.name} {task}", "solver": name, "tol": q.tol, "iterations": 0, "seconds": seconds,
        "objective": objective, "gap": gap, "nnz": nnz, "peak_mib": peak,
    }), flush=True)


def main():
    repeat, budget = int(sys.argv[1]), float(sys.argv[2])
    peers = available()
    for folder in sys.argv[3:]:
        for entry in json.load(open(f"{folder}/problems.json")):
            q = Problem(folder, entry)
            for name, (fit, path, cv) in peers.items():
                if name == "scikit-learn Gram" and (q.sparse or q.p > 2000):
                    continue
                for share in (10, 100):
                    alpha = q.top / share
                    found = calibrate(q, name, budget, lambda tol: fit(q, alpha, tol), lambda r: q.gap(r[0], r[1], alpha))
                    if found:
                        tol, objective, gap = found
                        seconds, peak = timed(repeat, lambda: fit(q, alpha, tol))
                        w = np.asarray(fit(q, alpha, tol)[0])
                        emit(q, f"alpha_max/{share}", name, seconds, objective, gap, int(np.count_nonzero(w)), peak)
                worst = lambda rs: max((q.gap(w, b, a) for (w, b), a in zip(rs, q.alphas)), key=lambda t: t[1])
                found = calibrate(q, name, 4 * budget, lambda tol: path(q, tol), worst)
                if found:
                    tol, objective, gap = found
                    seconds, peak = timed(repeat, lambda: path(q, tol))
                    emit(q, "path", name, seconds, objective, gap, 0, peak)
                    if cv and seconds * 5 < 2 * budget:
                        try:
                            seconds, peak = timed(1, lambda: cv(q, tol))
                            emit(q, "cv", name, seconds, 0.0, gap, 0, peak)
                        except Exception as error:
                            note(f"{q.name}: {name} cross-validation failed: {error!r:.200}")


main()
