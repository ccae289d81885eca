//! Small random problems against a general conic solver that shares no line with this project.
#![allow(clippy::unwrap_used)]

use clarabel::algebra::CscMatrix;
use clarabel::solver::SupportedConeT::{ExponentialConeT, NonnegativeConeT, SecondOrderConeT, ZeroConeT};
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};
use spm_linalg::testing::Rng;
use spm_models::{
    Design, ElasticNet, Family, Fit, GeneralizedLasso, GroupLasso, MultiTaskLasso, MultiXy, Slope, SparseGlm,
    Structure, Xy,
};

/// `min Σ q_k v_k + ½ Σ d_k v_k²` over variables in cones, built up piece by piece.
#[derive(Default)]
struct Conic {
    linear: Vec<f64>,
    square: Vec<f64>,
    /// Row, column, value of `A`; `A v + s = b` with `s` in the cones.
    entries: (Vec<usize>, Vec<usize>, Vec<f64>),
    b: Vec<f64>,
    cones: Vec<SupportedConeT<f64>>,
}

impl Conic {
    /// A new variable with its price.
    fn variable(&mut self, linear: f64, square: f64) -> usize {
        self.linear.push(linear);
        self.square.push(square);
        self.linear.len() - 1
    }

    fn variables(&mut self, count: usize, linear: f64, square: f64) -> Vec<usize> {
        (0..count).map(|_| self.variable(linear, square)).collect()
    }

    /// Every row is an expression `constant + Σ factor · variable`; together they lie in the cone.
    fn within(&mut self, cone: SupportedConeT<f64>, rows: &[(f64, Vec<(usize, f64)>)]) {
        for (constant, terms) in rows {
            for &(variable, factor) in terms {
                self.entries.0.push(self.b.len());
                self.entries.1.push(variable);
                self.entries.2.push(-factor);
            }
            self.b.push(*constant);
        }
        self.cones.push(cone);
    }

    /// A variable that is at least the size of `Σ factor · variable`.
    fn absolute(&mut self, price: f64, terms: &[(usize, f64)]) -> usize {
        let t = self.variable(price, 0.0);
        let side = |sign: f64| (0.0, terms.iter().map(|&(v, f)| (v, sign * f)).chain([(t, 1.0)]).collect());
        self.within(NonnegativeConeT(2), &[side(1.0), side(-1.0)]);
        t
    }

    /// Adds a price on the norm of some variables.
    fn norm(&mut self, price: f64, of: &[usize]) {
        let t = self.variable(price, 0.0);
        let rows: Vec<_> = [t].iter().chain(of).map(|&v| (0.0, vec![(v, 1.0)])).collect();
        self.within(SecondOrderConeT(rows.len()), &rows);
    }

    /// Coefficients, and the price `1/(2n) ‖y − X w − b‖²`; X column by column.
    fn least_squares(&mut self, x: &[f64], y: &[f64], weights: &[f64]) -> Vec<usize> {
        let n = y.len();
        let w = self.variables(x.len() / n, 0.0, 0.0);
        let b = self.variable(0.0, 0.0);
        let mut rows = Vec::new();
        for i in 0..n {
            let r = self.variable(0.0, weights[i] / n as f64);
            let mut terms: Vec<(usize, f64)> =
                w.iter().enumerate().map(|(j, &v)| (v, x[j * n + i])).collect();
            terms.extend([(b, 1.0), (r, 1.0)]);
            rows.push((-y[i], terms));
        }
        self.within(ZeroConeT(n), &rows);
        w
    }

    /// The optimal value and the variables.
    fn solve(&self) -> (f64, Vec<f64>) {
        let k = self.linear.len();
        let diagonal: Vec<usize> = (0..k).collect();
        let p = CscMatrix::new_from_triplets(k, k, diagonal.clone(), diagonal, self.square.clone());
        let (rows, columns, values) = self.entries.clone();
        let a = CscMatrix::new_from_triplets(self.b.len(), k, rows, columns, values);
        let settings = DefaultSettingsBuilder::default()
            .verbose(false)
            .tol_gap_abs(1e-11)
            .tol_gap_rel(1e-11)
            .tol_feas(1e-11)
            .build()
            .unwrap();
        let mut solver = DefaultSolver::new(&p, &self.linear, &a, &self.b, &self.cones, settings).unwrap();
        solver.solve();
        let status = solver.solution.status;
        assert!(matches!(status, SolverStatus::Solved | SolverStatus::AlmostSolved), "{status:?}");
        (solver.solution.obj_val, solver.solution.x.clone())
    }
}

struct Problem {
    n: usize,
    p: usize,
    x: Vec<f64>,
    y: Vec<f64>,
    weights: Vec<f64>,
}

/// A random problem with sample weights that sum to n.
fn problem(seed: u64, n: usize, p: usize) -> Problem {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..n * p).map(|k| rng.normal::<f64>() + (k / n % 2) as f64).collect();
    let y = (0..n).map(|i| 1.0 + 2.0 * x[i] - x[n + i] + 0.5 * rng.normal::<f64>()).collect();
    let weights: Vec<f64> = (0..n).map(|i| f64::from(i as u32 % 3) + 0.5).collect();
    let total: f64 = weights.iter().sum();
    let weights = weights.iter().map(|w| w * n as f64 / total).collect();
    Problem { n, p, x, y, weights }
}

impl Problem {
    fn data(&self) -> Xy<'_, f64> {
        Xy::new(Design::dense(&self.x, self.n, self.p).unwrap(), &self.y).sample_weight(&self.weights)
    }
}

const SIZES: [(u64, usize, usize); 3] = [(1, 20, 6), (2, 8, 12), (3, 30, 9)];

/// The two objectives and the two points agree.
fn agree(name: &str, ours: (f64, &[f64]), theirs: (f64, &[f64]), gap: f64) {
    let size = 1e-8 * (1.0 + theirs.0.abs());
    assert!((ours.0 - theirs.0).abs() < size, "{name}: objective {} against {}", ours.0, theirs.0);
    assert!(ours.0 - gap <= theirs.0 + size, "{name}: the bound {} is above {}", ours.0 - gap, theirs.0);
    for (j, (a, b)) in ours.1.iter().zip(theirs.1).enumerate() {
        assert!((a - b).abs() < 1e-3, "{name}: coefficient {j}: {a} against {b}");
    }
}

#[test]
fn bounded_elastic_net() {
    for (seed, n, p) in SIZES {
        let pr = problem(seed, n, p);
        let bounds: Vec<(f64, f64)> =
            (0..p).map(|j| if j % 2 == 0 { (-0.2, 0.9) } else { (-0.3, 5.0) }).collect();
        for l1_ratio in [1.0, 0.3] {
            let alpha = 0.1;
            let model = ElasticNet::new(alpha, l1_ratio).bounds(bounds.clone()).tol(1e-12);
            let fit = model.fit(pr.data()).unwrap().require_converged().unwrap();
            let mut conic = Conic::default();
            let w = conic.least_squares(&pr.x, &pr.y, &pr.weights);
            for (&v, &(lower, upper)) in w.iter().zip(&bounds) {
                conic.absolute(alpha * l1_ratio, &[(v, 1.0)]);
                conic.square[v] = alpha * (1.0 - l1_ratio);
                conic.within(NonnegativeConeT(2), &[(-lower, vec![(v, 1.0)]), (upper, vec![(v, -1.0)])]);
            }
            let (value, point) = conic.solve();
            agree("bounded", (fit.objective(), &fit.coef), (value, &point[..p]), fit.gap());
        }
    }
}

#[test]
fn sparse_group_lasso() {
    for (seed, n, p) in SIZES {
        let pr = problem(seed, n, p);
        let groups: Vec<usize> = (0..p).map(|j| j / 3).collect();
        for l1_ratio in [0.0, 0.4] {
            let alpha = 0.15;
            let model = GroupLasso::new(alpha, groups.clone()).l1_ratio(l1_ratio).tol(1e-12);
            let fit = model.fit(pr.data()).unwrap().require_converged().unwrap();
            let mut conic = Conic::default();
            let w = conic.least_squares(&pr.x, &pr.y, &pr.weights);
            for group in w.chunks(3) {
                conic.norm(alpha * (1.0 - l1_ratio) * (group.len() as f64).sqrt(), group);
            }
            for &v in &w {
                conic.absolute(alpha * l1_ratio, &[(v, 1.0)]);
            }
            let (value, point) = conic.solve();
            agree("group", (fit.objective(), &fit.coef), (value, &point[..p]), fit.gap());
        }
    }
}

#[test]
fn multitask_lasso() {
    for (seed, n, p) in SIZES {
        let pr = problem(seed, n, p);
        let other = problem(seed + 10, n, p).y;
        let y = [&pr.y[..], &other].concat();
        let alpha = 0.2;
        let data = MultiXy::new(pr.data().x, &y).sample_weight(&pr.weights);
        let fit = MultiTaskLasso::new(alpha).tol(1e-12).fit(data).unwrap().require_converged().unwrap();
        let mut conic = Conic::default();
        let first = conic.least_squares(&pr.x, &pr.y, &pr.weights);
        let second = conic.least_squares(&pr.x, &other, &pr.weights);
        for (&a, &b) in first.iter().zip(&second) {
            conic.norm(alpha, &[a, b]);
        }
        let (value, point) = conic.solve();
        let point: Vec<f64> = first.iter().chain(&second).map(|&v| point[v]).collect();
        agree("multi-task", (fit.objective(), &fit.coef), (value, &point), fit.gap());
    }
}

#[test]
fn slope() {
    for (seed, n, p) in SIZES {
        let pr = problem(seed, n, p);
        let alpha = 0.1;
        let lambda: Vec<f64> = (0..p).map(|j| 2.0 - j as f64 / p as f64).collect();
        let fit =
            Slope::new(alpha, lambda.clone()).tol(1e-11).fit(pr.data()).unwrap().require_converged().unwrap();
        let mut conic = Conic::default();
        let w = conic.least_squares(&pr.x, &pr.y, &pr.weights);
        let sizes: Vec<usize> = w.iter().map(|&v| conic.absolute(0.0, &[(v, 1.0)])).collect();
        for k in 0..p {
            // (λ_k − λ_{k+1}) times the sum of the k + 1 largest: min (k + 1) θ + Σ (size − θ)₊.
            let price = alpha * (lambda[k] - lambda.get(k + 1).copied().unwrap_or(0.0));
            let theta = conic.variable(price * (k + 1) as f64, 0.0);
            for &size in &sizes {
                let excess = conic.variable(price, 0.0);
                let above = (0.0, vec![(excess, 1.0), (size, -1.0), (theta, 1.0)]);
                conic.within(NonnegativeConeT(2), &[above, (0.0, vec![(excess, 1.0)])]);
            }
        }
        let (value, point) = conic.solve();
        agree("slope", (fit.objective(), &fit.coef), (value, &point[..p]), fit.gap());
    }
}

#[test]
fn generalized_lasso() {
    for (seed, n, p) in SIZES {
        let pr = problem(seed, n, p);
        let alpha = 0.1;
        let mut rng = Rng::new(seed);
        let m = p + 3;
        let dense: Vec<f64> = rng.normals(m * p);
        let mut fused = vec![0.0; (2 * p - 1) * p];
        for j in 0..p {
            fused[j * (2 * p - 1) + j] = 0.5;
            if j > 0 {
                fused[j * (2 * p - 1) + p + j - 1] = 1.0;
                fused[(j - 1) * (2 * p - 1) + p + j - 1] = -1.0;
            }
        }
        for (structure, d, m) in [
            (Structure::Matrix { values: dense.clone(), nrows: m }, &dense, m),
            (Structure::fused(0.5, 1.0), &fused, 2 * p - 1),
        ] {
            let model = GeneralizedLasso::new(alpha, structure).tol(1e-10);
            let fit = model.fit(pr.data()).unwrap().require_converged().unwrap();
            let mut conic = Conic::default();
            let w = conic.least_squares(&pr.x, &pr.y, &pr.weights);
            for i in 0..m {
                let terms: Vec<(usize, f64)> =
                    w.iter().enumerate().map(|(j, &v)| (v, d[j * m + i])).collect();
                conic.absolute(alpha, &terms);
            }
            let (value, point) = conic.solve();
            agree("generalized", (fit.objective(), &fit.coef), (value, &point[..p]), fit.gap());
        }
    }
}

#[test]
fn logistic_and_poisson_by_exponential_cones() {
    for (seed, n, p) in [(4, 25, 4), (5, 12, 8)] {
        let pr = problem(seed, n, p);
        let alpha = 0.05;
        for family in [Family::Logistic, Family::Poisson] {
            let counts = family == Family::Poisson;
            let labels: Vec<f64> =
                pr.y.iter()
                    .map(|&v| if counts { v.abs().floor() } else { f64::from(u8::from(v > 1.5)) })
                    .collect();
            let data = Xy::new(pr.data().x, &labels).sample_weight(&pr.weights);
            let fit =
                SparseGlm::new(family, alpha).tol(1e-11).fit(data).unwrap().require_converged().unwrap();
            let mut conic = Conic::default();
            let w = conic.variables(p, 0.0, 0.0);
            let b = conic.variable(0.0, 0.0);
            for &v in &w {
                conic.absolute(alpha, &[(v, 1.0)]);
            }
            for i in 0..n {
                let price = pr.weights[i] / n as f64;
                let line = |more: &[(usize, f64)]| -> Vec<(usize, f64)> {
                    let own = w.iter().enumerate().map(|(j, &v)| (v, pr.x[j * n + i]));
                    own.chain([(b, 1.0)]).chain(more.iter().copied()).collect()
                };
                // − y (x w + b)
                for (v, factor) in line(&[]) {
                    conic.linear[v] -= price * labels[i] * factor;
                }
                let t = conic.variable(price, 0.0);
                if counts {
                    // exp(line) <= t
                    let cone = [(0.0, line(&[])), (1.0, vec![]), (0.0, vec![(t, 1.0)])];
                    conic.within(ExponentialConeT(), &cone);
                } else {
                    // log(1 + exp line) <= t: exp(line − t) + exp(−t) <= 1
                    let (u, z) = (conic.variable(0.0, 0.0), conic.variable(0.0, 0.0));
                    let first = [(0.0, line(&[(t, -1.0)])), (1.0, vec![]), (0.0, vec![(u, 1.0)])];
                    conic.within(ExponentialConeT(), &first);
                    let second = [(0.0, vec![(t, -1.0)]), (1.0, vec![]), (0.0, vec![(z, 1.0)])];
                    conic.within(ExponentialConeT(), &second);
                    conic.within(NonnegativeConeT(1), &[(1.0, vec![(u, -1.0), (z, -1.0)])]);
                }
            }
            let (value, point) = conic.solve();
            agree("glm", (fit.objective(), &fit.coef), (value, &point[..p]), fit.gap());
        }
    }
}
