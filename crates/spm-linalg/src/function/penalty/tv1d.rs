//! Total variation on a line.

use super::tv1d_into::{tv1d_into, tv1d_scratch};
use crate::function::kernels::{larger, slack};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, StackReq, check};

/// Total variation on a line, $g(x) = \lambda \sum_{i} e_i |x_{i+1} - x_i|$.
///
/// In plain text: `g(x) = lambda * sum_i e[i] |x[i+1] - x[i]|`, with `e = 1` unless edge weights are given. The prox is
/// exact and O(n) on every input; entries of one segment are equal bit for bit. Data weights and missing values
/// belong to the fidelity term, not to `g`: see [`tv1d_into`].
///
/// The polar is the largest `|u_0 + … + u_i| / (lambda e_i)`, and `+∞` if the entries of `u` don't sum to 0. A sum is
/// taken for 0 when it is within `n` rounding errors of the sum of magnitudes, and the conjugate is 0 when the
/// polar exceeds 1 by no more than such rounding: no floating-point vector fulfils them exactly.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | weight |
/// | `edge_weights` | finite, `>= 0`, length n − 1 | factor of each difference; 0 cuts |
///
/// Source: Davies and Kovac 2001, *Local extremes, runs, strings and multiresolution*, section 2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::Tv1d};
/// let g = Tv1d::new(1.0)?;
/// let mut x = [0.0; 3];
/// let value = g.prox_into(&[0.0, 6.0, 0.0], 1.0, &mut x, Workspace::new(Prox::<f64>::scratch(&g, 3)).stack());
/// assert_eq!(x, [1.0, 4.0, 1.0]);
/// assert_eq!(value, 6.0);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tv1d<T> {
    lambda: T,
    edge_weights: Option<Vec<T>>,
}

impl<T: Scalar> Tv1d<T> {
    /// Total variation with weight `lambda` for vectors of any length.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0`.
    pub fn new(lambda: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        Ok(Self { lambda, edge_weights: None })
    }

    /// Total variation with weight `lambda · edge_weights[i]` on difference `i`, for vectors of length
    /// `edge_weights.len() + 1`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] or [`LinalgError::NonFinite`] unless all are finite and `>= 0`.
    pub fn weighted(lambda: T, edge_weights: Vec<T>) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        check::all_non_negative("edge weights", &edge_weights)?;
        Ok(Self { lambda, edge_weights: Some(edge_weights) })
    }

    /// The weight.
    #[must_use]
    pub fn lambda(&self) -> T {
        self.lambda
    }

    fn edge(&self, i: usize) -> T {
        self.edge_weights.as_ref().map_or(T::one(), |e| e[i])
    }

    fn check_len(&self, n: usize) {
        if let Some(e) = &self.edge_weights {
            check::dim("Tv1d vector", e.len() + 1, n);
        }
    }
}

impl<T: Scalar> Prox<T> for Tv1d<T> {
    fn value(&self, x: &[T]) -> T {
        self.check_len(x.len());
        let sum = match &self.edge_weights {
            None => x.windows(2).map(|p| (p[1] - p[0]).abs().as_f64()).sum::<f64>(),
            Some(e) => x.windows(2).zip(e).map(|(p, &e)| (e * (p[1] - p[0]).abs()).as_f64()).sum::<f64>(),
        };
        self.lambda * T::of(sum)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        check::dim("Tv1d::prox_into out", x.len(), out.len());
        self.check_len(x.len());
        tv1d_into(x, None, step * self.lambda, self.edge_weights.as_deref(), out, stack);
        self.value(out)
    }

    fn scratch(&self, n: usize) -> StackReq {
        tv1d_scratch::<T>(n)
    }

    fn dim(&self) -> Option<usize> {
        self.edge_weights.as_ref().map(|e| e.len() + 1)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().positively_homogeneous()
    }

    /// By Moreau's identity; then the sum over every stretch without a cut, zero but for rounding, is removed, without
    /// which the conjugate would be infinite.
    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        check::dim("Tv1d::prox_conj_into out", x.len(), out.len());
        let (scaled, stack) = stack.make_with(x.len(), |i| x[i] / step);
        self.prox_into(&scaled, step.recip(), out, stack);
        for (o, &v) in out.iter_mut().zip(x) {
            *o = v - step * *o;
        }
        let mut start = 0;
        for end in 1..=x.len() {
            if end == x.len() || self.lambda * self.edge(end - 1) == T::zero() {
                let stretch = &mut out[start..end];
                let mean = stretch.iter().map(|v| v.as_f64()).sum::<f64>() / stretch.len() as f64;
                stretch.iter_mut().for_each(|v| *v -= T::of(mean));
                start = end;
            }
        }
        T::zero()
    }

    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        let polar = self.polar(u, stack)?;
        Some(if polar <= T::one() + slack::<T>(u.len()) { T::zero() } else { T::infinity() })
    }

    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        self.check_len(u.len());
        let (mut sum, mut size, mut polar) = (0.0_f64, 0.0_f64, 0.0_f64);
        let last = u.len().saturating_sub(1);
        let slack = slack::<T>(u.len()).as_f64();
        for (i, v) in u.iter().enumerate() {
            sum += v.as_f64();
            size += v.as_f64().abs();
            let room = if i < last { (self.lambda * self.edge(i)).as_f64() } else { 0.0 };
            if room > 0.0 {
                polar = larger(polar, sum.abs() / room);
            } else if sum.is_nan() || sum.abs() > slack * size {
                polar = f64::INFINITY;
            }
        }
        Some(T::of(polar))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Workspace;
    use crate::penalty::tv1d_halves_into;
    use crate::testing::Rng;

    fn solve<T: Scalar>(y: &[T], w: Option<&[T]>, lambda: T, e: Option<&[T]>) -> Vec<T> {
        let mut x = vec![T::nan(); y.len()];
        tv1d_into(y, w, lambda, e, &mut x, Workspace::new(tv1d_scratch::<T>(y.len())).stack());
        x
    }

    fn halves(y: &[f64], w: &[f64], lambda: f64, e: &[f64]) -> Vec<f64> {
        let mut x = vec![f64::NAN; y.len()];
        tv1d_halves_into(y, Some(w), lambda, Some(e), &mut x, |a, b| {
            // One after the other in the wrong order, and at the same time.
            b();
            a();
        });
        let mut again = vec![f64::NAN; y.len()];
        tv1d_halves_into(y, Some(w), lambda, Some(e), &mut again, |a, b| {
            std::thread::scope(|s| {
                s.spawn(a);
                b();
            });
        });
        assert_eq!(x, again);
        x
    }

    fn objective(y: &[f64], w: &[f64], lambda: f64, e: &[f64], x: &[f64]) -> f64 {
        let fit: f64 = y.iter().zip(w).zip(x).map(|((y, w), x)| 0.5 * w * (y - x) * (y - x)).sum();
        let tv: f64 = x.windows(2).zip(e).map(|(p, e)| e * (p[1] - p[0]).abs()).sum();
        fit + lambda * tv
    }

    /// The slow twin: the minimax formula of the weighted problem by exact dynamic programming over a fine set of
    /// candidate levels. Every optimal value is the weighted mean of a stretch with its ends shifted by the edges,
    /// so the candidates are all of those: O(n²) levels, O(n³) work.
    fn slow(y: &[f64], w: &[f64], lambda: f64, e: &[f64]) -> f64 {
        let n = y.len();
        let mut levels = Vec::new();
        for a in 0..n {
            let (mut f, mut width) = (0.0, 0.0);
            for b in a..n {
                f += w[b] * y[b];
                width += w[b];
                if width == 0.0 {
                    continue;
                }
                let left = if a > 0 { lambda * e[a - 1] } else { 0.0 };
                let right = if b + 1 < n { lambda * e[b] } else { 0.0 };
                for s in [-1.0, 1.0] {
                    for t in [-1.0, 1.0] {
                        levels.push((f + s * left + t * right) / width);
                    }
                }
            }
        }
        if levels.is_empty() {
            return 0.0;
        }
        levels.sort_by(f64::total_cmp);
        let mut cost = vec![0.0; levels.len()];
        for i in 0..n {
            if i > 0 {
                // cost[v] ← min_u cost[u] + λ e |v − u|: two sweeps over the sorted levels.
                let slope = lambda * e[i - 1];
                for k in 1..levels.len() {
                    cost[k] = f64::min(cost[k], cost[k - 1] + slope * (levels[k] - levels[k - 1]));
                }
                for k in (0..levels.len() - 1).rev() {
                    cost[k] = f64::min(cost[k], cost[k + 1] + slope * (levels[k + 1] - levels[k]));
                }
            }
            for (c, v) in cost.iter_mut().zip(&levels) {
                *c += 0.5 * w[i] * (y[i] - v) * (y[i] - v);
            }
        }
        cost.into_iter().fold(f64::INFINITY, f64::min)
    }

    /// Optimality from the definition: `u_i = Σ_{j<=i} w_j (y_j − x_j)`, `|u| <= λ e`, equality with the sign of each jump, 0 at the end.
    fn kkt(y: &[f64], w: &[f64], lambda: f64, e: &[f64], x: &[f64]) {
        let scale: f64 = y.iter().zip(w).map(|(y, w)| (y * w).abs()).sum::<f64>() + lambda;
        let tol = 1e-13 * scale;
        let mut u = 0.0;
        for i in 0..y.len() {
            u += w[i] * (x[i] - y[i]);
            if i + 1 == y.len() {
                assert!(u.abs() <= tol, "end {u}");
                break;
            }
            let r = lambda * e[i];
            assert!(u.abs() <= r + tol, "infeasible at {i}: {u} > {r}");
            if x[i + 1] > x[i] {
                assert!((u - r).abs() <= tol, "rise at {i}: {u} {r}");
            } else if x[i + 1] < x[i] {
                assert!((u + r).abs() <= tol, "fall at {i}: {u} {r}");
            }
        }
    }

    #[test]
    fn closed_forms() {
        assert_eq!(solve::<f64>(&[], None, 1.0, None), []);
        assert_eq!(solve(&[3.0], None, 1.0, None), [3.0]);
        assert_eq!(solve(&[0.0, 10.0], None, 1.0, None), [1.0, 9.0]);
        assert_eq!(solve(&[0.0, 1.0], None, 1.0, None), [0.5, 0.5]);
        assert_eq!(solve(&[0.0, 1.0, 7.0], None, 0.0, None), [0.0, 1.0, 7.0]);
        assert_eq!(solve(&[1.0_f32, 2.0, 6.0], None, 1e30, None), [3.0; 3]);
        assert_eq!(solve(&[1.0, 5.0, 2.0, 9.0], None, 2.0, Some(&[0.0, 0.0, 0.0])), [1.0, 5.0, 2.0, 9.0]);
        assert_eq!(solve(&[0.1; 9], None, 2.0, None), [0.1; 9]);
        // A tie: either way of cutting gives one value.
        assert_eq!(solve(&[0.0, 1.0, 2.0, 3.0], None, 1.5, None), [1.25, 1.25, 1.75, 1.75]);
    }

    #[test]
    fn missing_values_are_filled() {
        let w = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
        let y = [f64::MAX, 0.0, 7.0, 7.0, 10.0, -3.0];
        assert_eq!(solve(&y, Some(&w), 1.0, None), [1.0, 1.0, 1.0, 1.0, 9.0, 9.0]);
        let e = [5.0, 2.0, 0.5, 2.0, 5.0];
        assert_eq!(solve(&y, Some(&w), 1.0, Some(&e)), [0.5, 0.5, 0.5, 9.5, 9.5, 9.5]);
        assert_eq!(solve(&[1.0, 2.0], Some(&[0.0, 0.0]), 1.0, None), [0.0, 0.0]);
    }

    /// Steps, but a parabola from 7500 to 12 500.
    fn late(i: usize) -> f64 {
        let t = i as f64 - 7500.0;
        if (0.0..5000.0).contains(&t) { 0.01 * t * t } else { f64::from(u8::from(i % 500 < 250)) * 100.0 }
    }

    #[test]
    fn long_chains_outgrow_their_queues() {
        let n = 20_000;
        for sign in [1.0, -1.0] {
            let y: Vec<f64> = (0..n).map(|i| sign * (i as f64 / 100.0).powi(2)).collect();
            let ones = vec![1.0; n];
            for lambda in [0.3, 1e3, 1e9] {
                kkt(&y, &ones, lambda, &ones[1..], &solve(&y, None, lambda, None));
                kkt(&y, &ones, lambda, &ones[1..], &halves(&y, &ones, lambda, &ones[1..]));
            }
        }
        // Easy up to three quarters of each half, so that the queues begin late.
        let (y, ones): (Vec<f64>, _) = ((0..n).map(late).collect(), vec![1.0; n]);
        kkt(&y, &ones, 10.0, &ones[1..], &solve(&y, None, 10.0, None));
        kkt(&y, &ones, 10.0, &ones[1..], &halves(&y, &ones, 10.0, &ones[1..]));
        let mut rng = Rng::new(4);
        let mut y: Vec<f64> = rng.normals(n);
        for i in 1..n {
            y[i] += y[i - 1];
        }
        let x = solve(&y, None, 50.0, None);
        kkt(&y, &vec![1.0; n], 50.0, &vec![1.0; n - 1], &x);
        for lambda in [1.0, 50.0, 1e3, 1e7] {
            let x = halves(&y, &vec![1.0; n], lambda, &vec![1.0; n - 1]);
            kkt(&y, &vec![1.0; n], lambda, &vec![1.0; n - 1], &x);
        }
    }

    /// The hull from the first element on, which the cone otherwise spares in small problems.
    #[test]
    fn by_the_hull_alone() {
        use crate::function::penalty::hull::{hull_scratch, pull_by_hull};
        use crate::function::penalty::tube::{Apex, Goal, Line, Unit, Weighted};
        fn pull<L: Line>(line: L, n: usize) -> Vec<f64> {
            let (mut x, goal) = (vec![f64::NAN; n], Goal { node: n, offset: Some(0.0) });
            pull_by_hull(line, &mut x, &mut Apex::default(), goal, Workspace::new(hull_scratch(n)).stack());
            x
        }
        for seed in 0..4000 {
            let mut rng = Rng::new(seed);
            let n = 1 + rng.below(if seed % 100 == 0 { 3000 } else { 40 });
            let (rough, round, weigh, cut) =
                (rng.below(3), rng.below(2) == 0, rng.below(3) == 0, rng.below(3) == 0);
            let mut y: Vec<f64> = (0..n).map(|_| 3.0 * rng.normal::<f64>()).collect();
            for _ in 0..rough {
                (1..n).for_each(|i| y[i] += y[i - 1]);
            }
            let mut lambda = (2.0 * rng.normal::<f64>()).exp();
            if round {
                y.iter_mut().for_each(|v| *v = v.round());
                lambda = (2.0 * lambda).ceil() / 2.0;
            }
            let w: Vec<f64> = (0..n).map(|_| if weigh { rng.below(3) as f64 + 0.5 } else { 1.0 }).collect();
            let e: Vec<f64> = (1..n).map(|_| if cut { rng.below(4) as f64 } else { 1.0 }).collect();
            kkt(&y, &w, lambda, &e, &pull(Weighted { y: &y, w: Some(&w), e: Some(&e), lambda }, n));
            if !weigh && !cut {
                kkt(&y, &w, lambda, &e, &pull(Unit::new(&y, lambda), n));
            }
        }
    }

    #[test]
    fn scales_and_single_precision() {
        let mut rng = Rng::new(9);
        let y: Vec<f64> = rng.normals(50);
        let x = solve(&y, None, 0.7, None);
        for s in [1e-12, 1e12] {
            let scaled: Vec<f64> = y.iter().map(|v| s * v).collect();
            for (a, b) in solve(&scaled, None, 0.7 * s, None).iter().zip(&x) {
                assert!((a / s - b).abs() < 1e-13);
            }
        }
        let single: Vec<f32> = y.iter().map(|&v| v as f32).collect();
        for (a, b) in solve(&single, None, 0.7, None).iter().zip(&x) {
            assert!((f64::from(*a) - b).abs() < 1e-6);
        }
    }

    #[test]
    fn polar_and_conjugate() {
        let g = Tv1d::new(2.0).unwrap();
        let mut ws = Workspace::new(Prox::<f64>::scratch(&g, 3));
        assert_eq!(g.polar(&[1.0, -4.0, 3.0], ws.stack()), Some(1.5));
        assert_eq!(g.polar(&[1.0, 0.0, 0.0], ws.stack()), Some(f64::INFINITY));
        assert_eq!(g.conj_value(&[2.0, -4.0, 2.0], ws.stack()), Some(0.0));
        assert_eq!(g.conj_value(&[2.1, -4.0, 1.9], ws.stack()), Some(f64::INFINITY));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_the_slow_twin(
            seed in any::<u64>(), n in 1_usize..13, lambda in 0.0..3.0_f64, round in any::<bool>(), weigh in any::<bool>(), cut in any::<bool>(),
        ) {
            let mut rng = Rng::new(seed);
            let y: Vec<f64> = (0..n).map(|_| {
                let v = 3.0 * rng.normal::<f64>();
                if round { v.round() } else { v }
            }).collect();
            let lambda = if round { (2.0 * lambda).round() / 2.0 } else { lambda };
            let w: Vec<f64> = (0..n).map(|_| if weigh { rng.below(4) as f64 } else { 1.0 }).collect();
            let e: Vec<f64> = (1..n).map(|_| if cut { rng.below(3) as f64 } else { 1.0 }).collect();
            let x = solve(&y, Some(&w), lambda, Some(&e));
            kkt(&y, &w, lambda, &e, &x);
            let best = slow(&y, &w, lambda, &e);
            prop_assert!((objective(&y, &w, lambda, &e, &x) - best).abs() <= 1e-12 * (1.0 + best));
            let two = halves(&y, &w, lambda, &e);
            kkt(&y, &w, lambda, &e, &two);
            prop_assert!(x.iter().zip(&two).all(|(a, b)| w.contains(&0.0) || (a - b).abs() <= 1e-13 * (1.0 + a.abs())));
            if !weigh && !cut {
                // Sums are taken in another order without weights: some inputs end a few rounding units apart.
                let plain = solve(&y, None, lambda, None);
                prop_assert!(plain.iter().zip(&x).all(|(a, b)| (a - b).abs() <= 4e-15 * (1.0 + a.abs())));
            }
        }
    }
}
