//! Total variation, patches, pursuit denoising and metrics against reference solutions.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Array, json, npy};
use serde_json::Value;
use sparse_modeling::image::dictionary::SparseReconstruction;
use sparse_modeling::image::metrics::{Ssim, Window, ms_ssim, mse, psnr};
use sparse_modeling::image::mri::{Complex, KSpace, Mri};
use sparse_modeling::image::resize::{Bicubic, Edge};
use sparse_modeling::image::tv::{Coupling, Fidelity, Samples, TvDeblur, TvDenoise, TvRestore};
use sparse_modeling::image::{Gray, Image, PatchAverage, PatchGrid, Rgb};
use sparse_modeling::linalg::operator::Gradient;
use sparse_modeling::linalg::{Dense, LinearOperator, Scalar, Workspace, vecops};
use sparse_modeling::solvers::Certificate;
use sparse_modeling::solvers::batch_omp::{Limit, Rule};

fn load(name: &str) -> Array {
    npy(&format!("image/{name}"))
}

fn index() -> Value {
    json("image/index.json")
}

fn gray(a: &Array) -> Gray<f64> {
    Image::new(a.shape[0], a.shape[1], a.data.clone()).unwrap()
}

fn rgb(a: &Array) -> Rgb<f64> {
    assert_eq!(a.shape[2], 3);
    Image::from_interleaved(a.shape[0], a.shape[1], &a.data).unwrap()
}

fn cases(family: &str) -> Vec<Value> {
    let all = index();
    let found: Vec<Value> =
        all["tv"].as_array().unwrap().iter().filter(|c| c["family"] == family).cloned().collect();
    assert!(!found.is_empty());
    found
}

fn check_tv<T: Scalar, const C: usize>(
    case: &Value,
    y: &Image<f64, C>,
    x: &Image<f64, C>,
    couplings: &[Coupling],
    tol: f64,
) {
    let (id, lambda) = (&case["id"], case["lam"].as_f64().unwrap());
    let objective = case["objective"].as_f64().unwrap();
    let typed: Vec<T> = y.data().iter().map(|&v| T::of(v)).collect();
    let typed = Image::<T, C>::new(y.height(), y.width(), typed).unwrap();
    for &coupling in couplings {
        let out = TvDenoise::new(T::of(lambda))
            .coupling(coupling)
            .tol(T::of(tol))
            .max_iter(100_000)
            .denoise(typed.view())
            .unwrap();
        assert!(out.status().is_converged(), "{id}: gap {} after {}", out.relative_gap(), out.iterations());
        let rounding = 10.0 * T::epsilon().as_f64() * objective;
        let primal = out.certificate.primal;
        assert!(primal <= objective * (1.0 + tol) + rounding, "{id}: {primal} above {objective}");
        assert!(primal >= objective - rounding, "{id}: {primal} below {objective}");
        assert!(out.certificate.dual <= objective + rounding, "{id}: dual bound above the optimum");
        // Strong convexity turns the gap into a distance.
        let got: Vec<f64> = out.image.data().iter().map(|v| v.as_f64()).collect();
        let distance = vecops::sq_dist(&got, x.data());
        assert!(distance <= 2.0 * out.certificate.gap() + rounding, "{id}: {distance}");
    }
}

#[test]
fn tv2d() {
    for case in cases("tv2d") {
        let y = gray(&load(case["arrays"]["y"].as_str().unwrap()));
        let x = gray(&load(case["arrays"]["x"].as_str().unwrap()));
        let couplings: &[Coupling] = if case["model"] == "iso" {
            &[Coupling::Isotropic, Coupling::Vectorial]
        } else {
            &[Coupling::Anisotropic]
        };
        check_tv::<f64, 1>(&case, &y, &x, couplings, 1e-7);
        check_tv::<f32, 1>(&case, &y, &x, &couplings[..1], 1e-4);
    }
}

#[test]
fn tvcolour() {
    for case in cases("tvcolour") {
        let y = rgb(&load(case["arrays"]["y"].as_str().unwrap()));
        let x = rgb(&load(case["arrays"]["x"].as_str().unwrap()));
        check_tv::<f64, 3>(&case, &y, &x, &[Coupling::Vectorial], 1e-7);
        check_tv::<f32, 3>(&case, &y, &x, &[Coupling::Vectorial], 1e-4);
    }
}

/// Accelerated projected gradient on the dual, through the three-dimensional gradient.
#[test]
fn tv3d() {
    for case in cases("tv3d") {
        let (y, x) =
            (load(case["arrays"]["y"].as_str().unwrap()), load(case["arrays"]["x"].as_str().unwrap()));
        let lambda = case["lam"].as_f64().unwrap();
        let n = y.data.len();
        let grad = Gradient::new([y.shape[0], y.shape[1], y.shape[2]]).unwrap();
        let mut ws = Workspace::new(LinearOperator::<f64>::scratch(&grad));
        let norm: f64 = grad.norm_bound().unwrap();
        let (mut p, mut q, mut t) = (vec![0.0; 3 * n], vec![0.0; 3 * n], 1.0_f64);
        let (mut z, mut g) = (y.data.clone(), vec![0.0; 3 * n]);
        let primal = |q: &[f64], z: &mut Vec<f64>, ws: &mut Workspace| {
            grad.apply_adjoint(q, z, ws.stack());
            for (z, y) in z.iter_mut().zip(&y.data) {
                *z = y - *z;
            }
        };
        for _ in 0..1500 {
            primal(&q, &mut z, &mut ws);
            grad.apply(&z, &mut g, ws.stack());
            let old = p.clone();
            for k in 0..3 * n {
                p[k] = q[k] + g[k] / (norm * norm);
            }
            for k in 0..n {
                let joint = (0..3).map(|a| p[a * n + k].powi(2)).sum::<f64>().sqrt();
                for a in 0..3 {
                    let size = if case["model"] == "iso" { joint } else { p[a * n + k].abs() };
                    p[a * n + k] *= (lambda / size).min(1.0);
                }
            }
            // Restart when the momentum points uphill.
            let uphill: f64 = (0..3 * n).map(|k| (q[k] - p[k]) * (p[k] - old[k])).sum();
            let next = if uphill > 0.0 { 1.0 } else { 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt()) };
            let beta = if uphill > 0.0 { 0.0 } else { (t - 1.0) / next };
            t = next;
            for k in 0..3 * n {
                q[k] = p[k] + beta * (p[k] - old[k]);
            }
        }
        primal(&p, &mut z, &mut ws);
        let apart = vecops::sq_dist(&z, &x.data).sqrt() / vecops::norm(&x.data);
        assert!(apart < 1e-4, "{}: {apart}", case["id"]);
    }
}

/// `(h, w, channel)` values of a patch in the order of this crate.
fn planar(patch: &[f64], channels: usize) -> Vec<f64> {
    (0..channels).flat_map(|c| patch.iter().skip(c).step_by(channels).copied()).collect()
}

fn close(got: &[f64], want: &[f64], tol: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (k, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tol, "{what}[{k}]: {g} {w}");
    }
}

#[test]
fn patches() {
    let img = gray(&load("patches_overlap.image.npy"));
    let grid = PatchGrid::<1>::overlapping(img.size(), (4, 5)).unwrap();
    let mut all = grid.extract(img.view()).unwrap();
    assert_eq!(all, load("patches_overlap.patches.npy").data);
    for (q, patch) in all.chunks_exact_mut(20).enumerate() {
        vecops::scale((q + 1) as f64, patch);
    }
    let mut average = PatchAverage::new(grid);
    average.add(0..grid.len(), &all);
    close(average.finish().data(), &load("patches_overlap.recon_of_scaled.npy").data, 1e-9, "overlap");

    let img = gray(&load("patches_simple.image.npy"));
    let grid = PatchGrid::<1>::tiles(img.size(), (4, 5)).unwrap();
    let all = grid.extract(img.view()).unwrap();
    assert_eq!(all, load("patches_simple.patches.npy").data);
    let mut average = PatchAverage::new(grid);
    average.add(0..grid.len(), &all);
    assert_eq!(average.finish().data(), load("patches_simple.recon.npy").data);

    let img = gray(&load("patches_strided.image.npy"));
    let grid = PatchGrid::<1>::new(img.size(), (4, 4), (3, 2), sparse_modeling::image::Border::Drop).unwrap();
    let all = grid.extract(img.view()).unwrap();
    assert_eq!(all, load("patches_strided.patches.npy").data);
    let mut average = PatchAverage::new(grid);
    average.add(0..grid.len(), &all);
    assert_eq!(average.weights(), load("patches_strided.count.npy").data);
    let mut sums = vec![0.0; img.data().len()];
    grid.operator().apply_adjoint(&all, &mut sums, Workspace::new(Default::default()).stack());
    close(&sums, &load("patches_strided.acc.npy").data, 1e-9, "strided");
}

#[test]
fn colour_patches() {
    let img = rgb(&load("patches_overlap_rgb.image.npy"));
    let grid = PatchGrid::<3>::overlapping(img.size(), (3, 3)).unwrap();
    let mut all = grid.extract(img.view()).unwrap();
    let want = load("patches_overlap_rgb.patches.npy").data;
    for (got, want) in all.chunks_exact(27).zip(want.chunks_exact(27)) {
        assert_eq!(got, planar(want, 3));
    }
    for v in &mut all {
        *v = v.powf(1.1);
    }
    let mut average = PatchAverage::new(grid);
    average.add(0..grid.len(), &all);
    let recon = average.finish().to_interleaved();
    close(&recon, &load("patches_overlap_rgb.recon.npy").data, 1e-9, "overlap rgb");

    let img = rgb(&load("patches_simple_rgb.image.npy"));
    let grid = PatchGrid::<3>::tiles(img.size(), (3, 5)).unwrap();
    let all = grid.extract(img.view()).unwrap();
    let want = load("patches_simple_rgb.patches.npy").data;
    for (got, want) in all.chunks_exact(45).zip(want.chunks_exact(45)) {
        assert_eq!(got, planar(want, 3));
    }
    let mut average = PatchAverage::new(grid);
    average.add(0..grid.len(), &all);
    assert_eq!(average.finish().to_interleaved(), load("patches_simple_rgb.recon.npy").data);
}

/// The overcomplete separable cosine dictionary of Elad and Aharon, from its definition.
fn cosine_dictionary(p: usize, k1: usize) -> Vec<f64> {
    let atom = |j: usize| -> Vec<f64> {
        let mut a: Vec<f64> =
            (0..p).map(|i| (std::f64::consts::PI * (i * j) as f64 / k1 as f64).cos()).collect();
        let mean = if j > 0 { a.iter().sum::<f64>() / p as f64 } else { 0.0 };
        a.iter_mut().for_each(|v| *v -= mean);
        let norm = vecops::norm(&a);
        a.iter().map(|v| v / norm).collect()
    };
    let atoms: Vec<Vec<f64>> = (0..k1).map(atom).collect();
    let mut out = Vec::new();
    for a in &atoms {
        for b in &atoms {
            out.extend(a.iter().flat_map(|x| b.iter().map(move |y| x * y)));
        }
    }
    out
}

#[test]
fn pursuit_denoising() {
    let noisy = gray(&load("denoise_dct_omp.noisy.npy"));
    let atoms = cosine_dictionary(8, 16);
    let dictionary = Dense::from_column_major(&atoms, 64, 256).unwrap();
    for (name, rule) in [("denoise_dct_omp", Rule::Omp), ("denoise_dct_ols", Rule::Ols)] {
        let case = &index()[name];
        let (sigma, gain) =
            (case["params"]["sigma"].as_f64().unwrap(), case["params"]["gain"].as_f64().unwrap());
        let out = SparseReconstruction::new((8, 8), Limit { k: 32, eps: 8.0 * gain * sigma })
            .rule(rule)
            .prior_weight(case["params"]["lam"].as_f64().unwrap())
            .run(noisy.view(), dictionary)
            .unwrap();
        close(out.image.data(), &load(&format!("{name}.denoised.npy")).data, 1e-6, name);
        assert!(out.mean_nnz > 0.1 && out.mean_nnz < 10.0);
    }
}

#[test]
fn metrics() {
    let index = index();
    let values = &index["metrics"]["values"];
    let reference = gray(&load("metrics.ref.npy"));
    let range = 255.0;
    let wang = Ssim::gaussian(range);
    for name in ["noise15", "blur", "shift", "const", "same"] {
        let other =
            if name == "same" { reference.clone() } else { gray(&load(&format!("metrics.{name}.npy"))) };
        let (a, b) = (reference.view(), other.view());
        let unit = |x: &Gray<f64>| -> Gray<f64> {
            Image::new(176, 192, x.data().iter().map(|v| v / 255.0).collect()).unwrap()
        };
        let (ua, ub) = (unit(&reference), unit(&other));
        let uniform = Ssim::uniform(range);
        let got = [
            ("mse", mse(a, b).unwrap()),
            ("psnr", psnr(a, b, range).unwrap()),
            ("ssim_uniform7", uniform.mean(a, b).unwrap()),
            ("ssim_uniform11", uniform.window(Window::Uniform(11)).mean(a, b).unwrap()),
            ("ssim_uniform7_popcov", uniform.sample_covariance(false).mean(a, b).unwrap()),
            ("ssim_gauss_sample", wang.sample_covariance(true).mean(a, b).unwrap()),
            ("ssim_gauss_wang", wang.mean(a, b).unwrap()),
            ("ssim_gauss_wang_dr1", Ssim::gaussian(1.0).mean(ua.view(), ub.view()).unwrap()),
            ("ssim_gauss_valid11", wang.mean(a, b).unwrap()),
            ("msssim", ms_ssim(a, b, range).unwrap()),
        ];
        for (key, got) in got {
            match values[name][key].as_f64() {
                Some(want) => {
                    assert!((got - want).abs() <= 1e-10 * want.abs().max(1.0), "{name} {key}: {got} {want}")
                }
                None => assert!(got == f64::INFINITY && values[name][key] == "inf", "{name} {key}: {got}"),
            }
        }
    }
    let noisy = gray(&load("metrics.noise15.npy"));
    let (_, map) = wang.map(reference.view(), noisy.view()).unwrap();
    let want = load("metrics.ssim_map_gauss_wang.npy").data;
    close(&map.data()[..want.len()], &want, 1e-10, "map");

    let (a, b) = (rgb(&load("metrics.rgb_a.npy")), rgb(&load("metrics.rgb_b.npy")));
    let want = |key: &str| values["rgb"][key].as_f64().unwrap();
    assert!((psnr(a.view(), b.view(), range).unwrap() - want("psnr")).abs() < 1e-10);
    let uniform = Ssim::uniform(range).mean(a.view(), b.view()).unwrap();
    assert!((uniform - want("ssim_uniform7_channel_mean")).abs() < 1e-10);
    let gauss = wang.mean(a.view(), b.view()).unwrap();
    assert!((gauss - want("ssim_gauss_wang_channel_mean")).abs() < 1e-10);
}

/// Bicubic resampling; the files in levels are exact.
#[test]
fn bicubic() {
    let x = gray(&load("imresize.x.npy"));
    let (h, w) = x.size();
    let plain = Bicubic::new();
    for (name, factor) in [("down2", 0.5), ("down3", 1.0 / 3.0), ("up2", 2.0), ("up3", 3.0)] {
        let out = plain.scale(x.view(), factor).unwrap();
        close(out.data(), &load(&format!("imresize.{name}.npy")).data, 1e-8, name);
    }
    let out = plain.resize(x.view(), (30, 41)).unwrap();
    close(out.data(), &load("imresize.down_30x41.npy").data, 1e-8, "down_30x41");
    let unit = Image::<f64>::new(h, w, x.data().iter().map(|v| v.round() / 255.0).collect()).unwrap();
    let bytes = plain.levels(255);
    for (name, resize, n) in [
        ("down2_u8", bytes, 2),
        ("down3_u8", bytes, 3),
        ("down3_u8_replicate", bytes.edge(Edge::Replicate), 3),
    ] {
        let out = resize.resize(unit.view(), (h / n, w / n)).unwrap();
        let levels: Vec<f64> = out.data().iter().map(|v| v * 255.0).collect();
        close(&levels, &load(&format!("imresize.{name}.npy")).data, 1e-9, name);
    }
}

/// The certificate of every case with a Fourier data term, and its objective.
fn within(id: &Value, certificate: Certificate<f64>, objective: f64, tol: f64) {
    let (primal, dual) = (certificate.primal, certificate.dual);
    let rounding = 1e-11 * objective;
    assert!(primal <= objective * (1.0 + tol) + rounding, "{id}: {primal} above {objective}");
    assert!(primal >= objective - rounding, "{id}: {primal} below {objective}");
    assert!(dual <= objective + rounding, "{id}: dual bound {dual} above {objective}");
}

#[test]
fn deblurring() {
    for case in cases("deblur") {
        let file = |key: &str| gray(&load(case["arrays"][key].as_str().unwrap()));
        let (y, kernel, x) = (file("y"), file("kernel"), file("x"));
        let coupling = if case["model"] == "iso" { Coupling::Isotropic } else { Coupling::Anisotropic };
        let out = TvDeblur::new(case["lam"].as_f64().unwrap())
            .coupling(coupling)
            .tol(1e-7)
            .max_iter(20_000)
            .deblur(y.view(), kernel.view())
            .unwrap();
        assert!(out.status().is_converged(), "{}: {:e}", case["id"], out.relative_gap());
        within(&case["id"], out.certificate, case["objective"].as_f64().unwrap(), 1e-7);
        assert!(vecops::sq_dist(out.image.data(), x.data()) < 1e-3 * vecops::sq_norm(x.data()));
    }
}

#[test]
fn partial_fourier() {
    for case in cases("pfourier") {
        let file = |key: &str| case["arrays"][key].as_str().unwrap().to_owned();
        let mask = load(&file("mask"));
        let size = (mask.shape[0], mask.shape[1]);
        let mask: Vec<bool> = mask.data.iter().map(|&v| v != 0.0).collect();
        let mut samples = complex(&file("k")).into_iter();
        let values: Vec<Complex> =
            mask.iter().map(|&m| if m { samples.next().unwrap() } else { Complex::default() }).collect();
        let kspace = KSpace::new(size, mask, values).unwrap();
        let out = Mri::new(case["lam"].as_f64().unwrap())
            .real(case["real"] == true)
            .tol(1e-7)
            .max_iter(20_000)
            .reconstruct(&kspace)
            .unwrap();
        assert!(out.status().is_converged(), "{}: {:e}", case["id"], out.relative_gap());
        within(&case["id"], out.certificate, case["objective"].as_f64().unwrap(), 1e-7);
    }
}

fn complex(name: &str) -> Vec<Complex> {
    let bytes = std::fs::read(common::fixture(&format!("image/{name}"))).unwrap();
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec::<Complex>().unwrap()
}

/// One engine: weights, missing values, edge factors, absolute deviations, two and three dimensions, colour.
#[test]
fn restoration() {
    let families = ["tv2d", "tvcolour", "tv3d", "inpaint", "tv2d_weighted", "tvl1"];
    for case in families.iter().flat_map(|f| cases(f)) {
        let file = |key: &str| load(case["arrays"][key].as_str().unwrap());
        let y = file("y");
        let colour = case["family"] == "tvcolour";
        let (shape, values) = match y.shape[..] {
            [n] => (vec![1, n], y.data.clone()),
            [h, w, 3] if colour => (vec![h, w], planar(&y.data, 3)),
            _ => (y.shape.clone(), y.data.clone()),
        };
        let n: usize = shape.iter().product();
        let weights = case["arrays"].get("mask").map(|_| file("mask").data);
        let edges = case["arrays"].get("wv").map(|_| [file("wv").data, file("wh").data].concat());
        let coupling = match case["model"].as_str() {
            Some("iso") if colour => Coupling::Vectorial,
            Some("iso") => Coupling::Isotropic,
            _ => Coupling::Anisotropic,
        };
        // Those cases weigh the data term: TV(x) + alpha Σ|x − y|.
        let alpha = case["alpha"].as_f64().unwrap_or(1.0);
        let lambda = case["lam"].as_f64().unwrap_or(1.0) / alpha;
        let fidelity = if case["family"] == "tvl1" { Fidelity::Absolute } else { Fidelity::Squared };
        let tol = 1e-6;
        let out = TvRestore::new(lambda)
            .fidelity(fidelity)
            .coupling(coupling)
            .tol(tol)
            .max_iter(100_000)
            .restore(Samples {
                shape: &shape,
                values: &values,
                weights: weights.as_deref(),
                edges: edges.as_deref(),
            })
            .unwrap();
        let id = &case["id"];
        assert!(out.report.status.is_converged(), "{id}: {:e}", out.report.last.residual);
        within(id, out.certificate, case["objective"].as_f64().unwrap() / alpha, tol);
        if fidelity == Fidelity::Squared && weights.is_none() {
            let x = file("x");
            let x = if colour { planar(&x.data, 3) } else { x.data };
            assert!(
                vecops::sq_dist(&out.values, &x) <= 2.0 * out.certificate.gap() + 1e-12 * n as f64,
                "{id}"
            );
        }
    }
}
