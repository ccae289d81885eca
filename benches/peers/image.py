"""The image suite by Python peers, one JSON line a result: scikit-image, prox-tv, SPAMS, and a split Bregman in NumPy.

Usage: image.py FOLDER REPEAT, FOLDER as written by `image dump`. A gap is the objective above the certified lower bound.
Times are wall time, memory is the peak above what the process held with the data loaded.
"""
import json
import sys
import time

import numpy as np
import spams
from skimage.restoration import denoise_tv_chambolle, inpaint_biharmonic

try:
    import prox_tv
except ImportError:
    prox_tv = None

folder, repeat = sys.argv[1], int(sys.argv[2])
problem = json.load(open(f"{folder}/problems.json"))
side, lam = problem["side"], problem["lambda"]


def load(name, *shape):
    return np.fromfile(f"{folder}/{name}.f64").reshape(shape)


noisy = load("noisy", side, side)
volume = load("volume", *[problem["cube"]] * 3)
half = load("half", *problem["half"])
photo, photo_noisy = (load(n, *problem["photo"]) for n in ("photo", "photo-noisy"))
truth, mask = (load(n, problem["mri"], problem["mri"]) for n in ("phantom", "mask"))


def memory(key):
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return float(line.split()[1]) / 1024
    return 0.0


HELD = memory("VmRSS")


def objective(x, model):
    if model == "space":
        parts = [np.zeros_like(x) for _ in range(3)]
        parts[0][:-1], parts[1][:, :-1], parts[2][:, :, :-1] = (np.diff(x, axis=a) for a in range(3))
        return 0.5 * ((x - volume) ** 2).sum() + lam * np.sqrt(sum(p * p for p in parts)).sum()
    v, h = np.zeros_like(x), np.zeros_like(x)
    v[:-1], h[:, :-1] = np.diff(x, axis=0), np.diff(x, axis=1)
    tv = np.sqrt(v * v + h * h).sum() if model == "isotropic" else np.abs(v).sum() + np.abs(h).sum()
    return 0.5 * ((x - noisy) ** 2).sum() + lam * tv


def scientific(tol):
    return f"{tol:.0e}".replace("e-0", "e-")


def timed(f):
    """The result, the median of the times, the peak memory."""
    try:
        open("/proc/self/clear_refs", "w").write("5")
    except OSError:
        pass
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = f()
        times.append(time.perf_counter() - start)
    return result, sorted(times)[len(times) // 2], memory("VmHWM") - HELD


def report(name, solver, tol, iterations, seconds, value, gap, peak):
    row = dict(problem=name, solver=solver, tol=tol, iterations=iterations, seconds=seconds, objective=value, gap=gap,
               nnz=0, peak_mib=peak)
    print(json.dumps(row), flush=True)


def first_within(model, solver, run, budgets):
    """For every tolerance the smallest budget of iterations that reaches it."""
    found = [(b, *timed(lambda: run(b))) for b in budgets]
    for tol in (1e-3, 1e-4, 1e-6, 1e-8):
        for budget, x, seconds, peak in found:
            value = objective(x, model)
            gap = (value - problem[model]) / value
            if gap <= tol:
                size = problem["cube"] if model == "space" else side
                report(f"tv-{model}-{size}-to-{scientific(tol)}", solver, tol, budget, seconds, value, gap, peak)
                break


first_within(
    "isotropic",
    "skimage-chambolle",
    lambda n: denoise_tv_chambolle(noisy, weight=lam, eps=0.0, max_num_iter=n),
    (50, 100, 200, 400, 800),
)
first_within(
    "space",
    "skimage-chambolle",
    lambda n: denoise_tv_chambolle(volume, weight=lam, eps=0.0, max_num_iter=n),
    (50, 100, 200, 400),
)
if prox_tv is not None:
    first_within(
        "anisotropic", "proxTV-kolmogorov", lambda n: prox_tv.tv1_2d(noisy, lam, n_threads=1, method="kolmogorov"), (0,)
    )
    first_within(
        "anisotropic",
        "proxTV-dr",
        lambda n: prox_tv.tv1_2d(noisy, lam, n_threads=1, max_iters=n, method="dr"),
        (10, 35, 100, 300, 1000),
    )



PASSES = 20


def cosines(size=8, k=16):
    base = np.cos(np.arange(size)[:, None] * np.arange(k)[None, :] * np.pi / k)
    base[:, 1:] -= base[:, 1:].mean(axis=0)
    base /= np.linalg.norm(base, axis=0)
    return np.kron(base, base)


def learned_denoise(passes, size=8, gain=1.15, prior=30 / 255, training=40_000):
    """Elad and Aharon's denoising with the online learning and the coding of SPAMS."""
    height, width = photo_noisy.shape
    image, sigma = photo_noisy.astype(np.float32), problem["sigma"]
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size)).reshape(-1, size * size)
    means = windows.mean(axis=1, keepdims=True)
    patches = np.asfortranarray((windows - means).T)
    bound = (gain * sigma * size) ** 2
    chosen = np.random.default_rng(0).permutation(patches.shape[1])[:training]
    train = np.asfortranarray(patches[:, chosen])
    dictionary = spams.trainDL(train, D=np.asfortranarray(cosines(), dtype=np.float32), mode=4, lambda1=bound,
                               iter=passes * len(chosen) // 512, batchsize=512, numThreads=1, verbose=False)
    decoded = np.empty_like(patches)
    for first in range(0, patches.shape[1], 50_000):
        part = np.asfortranarray(patches[:, first:first + 50_000])
        codes = spams.omp(part, dictionary, L=size * size, eps=bound, numThreads=1)
        decoded[:, first:first + 50_000] = (codes.T @ dictionary.T).T
    decoded += means.T
    weight = prior / sigma
    total, count = weight * image, np.full_like(image, weight)
    rows, columns = height - size + 1, width - size + 1
    for index in range(size * size):
        i, j = divmod(index, size)
        total[i:i + rows, j:j + columns] += decoded[index].reshape(rows, columns)
        count[i:i + rows, j:j + columns] += 1
    return total / count


x, seconds, peak = timed(lambda: learned_denoise(PASSES))
psnr = -10 * np.log10(np.mean((x - photo) ** 2))
report(f"ksvd-{photo.shape[1]}-sigma-25", "spams-online", 0.0, PASSES, seconds, float(psnr), 0.0, peak)

for share in problem["missing"]:
    gone = load(f"missing-{share}", *half.shape) > 0
    x, seconds, peak = timed(lambda: inpaint_biharmonic(np.where(gone, 0, half), gone))
    psnr = -10 * np.log10(np.mean((x - half) ** 2))
    report(f"inpaint-{half.shape[1]}-missing-{share}", "skimage-biharmonic", 0.0, 0, seconds, float(psnr), 0.0, peak)

mask = mask > 0
side = problem["mri"]
k = np.fft.fft2(truth) * mask


def split_bregman(iterations, mu=1.0, rho=20.0):
    """Goldstein and Osher with an exact data constraint."""
    lap = sum(
        (2 - 2 * np.cos(2 * np.pi * np.arange(side) / side)).reshape(shape) for shape in ((side, 1), (1, side))
    )
    x = np.real(np.fft.ifft2(k))
    dv, dh, uv, uh = (np.zeros_like(x) for _ in range(4))
    for _ in range(iterations):
        tv, th = dv - uv, dh - uh
        rhs = np.roll(tv, 1, 0) - tv + np.roll(th, 1, 1) - th
        spectrum = np.fft.fft2(rhs) / np.where(lap > 0, lap, 1)
        x = np.real(np.fft.ifft2(np.where(mask, k, spectrum)))
        gv, gh = np.roll(x, -1, 0) - x + uv, np.roll(x, -1, 1) - x + uh
        size = np.sqrt(gv * gv + gh * gh)
        keep = np.maximum(size - mu / rho, 0) / np.where(size > 0, size, 1)
        dv, dh = keep * gv, keep * gh
        uv, uh = gv - dv, gh - dh
    return x


runs = [(n, *timed(lambda: split_bregman(n))) for n in (25, 50, 100, 200, 400, 800)]
for tol in (1e-3, 1e-6, 1e-8):
    for budget, x, seconds, peak in runs:
        error = float(np.linalg.norm(x - truth) / np.linalg.norm(truth))
        if error <= tol:
            report(f"mri-phantom-{side}-to-error-{scientific(tol)}", "numpy-split-bregman", tol, budget, seconds, error, 0.0,
                   peak)
            break


def regularised(k, mask, iterations, lam, rho):
    """The same with a squared data term."""
    lap = sum(
        (2 - 2 * np.cos(2 * np.pi * np.arange(side) / side)).reshape(shape) for shape in ((side, 1), (1, side))
    )
    x = np.real(np.fft.ifft2(k, norm="ortho"))
    symmetric = 0.5 * (mask + np.roll(np.flip(mask), 1, (0, 1)))
    dv, dh, uv, uh = (np.zeros_like(x) for _ in range(4))
    for _ in range(iterations):
        tv, th = dv - uv, dh - uh
        rhs = rho * (np.roll(tv, 1, 0) - tv + np.roll(th, 1, 1) - th) + np.real(np.fft.ifft2(k, norm="ortho"))
        x = np.real(np.fft.ifft2(np.fft.fft2(rhs) / np.maximum(symmetric + rho * lap, 1e-14)))
        gv, gh = np.roll(x, -1, 0) - x + uv, np.roll(x, -1, 1) - x + uh
        size = np.sqrt(gv * gv + gh * gh)
        keep = np.maximum(size - lam / rho, 0) / np.where(size > 0, size, 1)
        dv, dh = keep * gv, keep * gh
        uv, uh = gv - dv, gh - dh
    return x


head = load("head", side, side)
for name in ("cartesian", "random"):
    part = load(f"{name}-mask", side, side)
    values = load(f"{name}-re", side, side) + 1j * load(f"{name}-im", side, side)
    lam = problem["mri_lambda"]
    runs = [(n, *timed(lambda: regularised(values, part, n, lam, 20 * lam))) for n in (10, 20, 40, 80, 160)]
    quality = [-10 * np.log10(np.mean((np.abs(x) - head) ** 2) / head.max() ** 2) for _, x, _, _ in runs]
    # The least budget within a twentieth of a decibel of the best.
    best = next(i for i, q in enumerate(quality) if q >= max(quality) - 0.05)
    budget, _, seconds, peak = runs[best]
    report(f"mri-head-{side}-{name}", "numpy-split-bregman", 0.0, budget, seconds, float(quality[best]), 0.0, peak)
