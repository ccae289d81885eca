//! The laws of linear operators and design matrices.

use core::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use faer::dyn_stack::MemBuffer;

use super::{LawViolation, Rng};
use crate::{DesignMatrix, LinearOperator, MemStack, Scalar, StackReq, vecops};

/// Panics, naming the law, unless `op` obeys every law of [`LinearOperator`].
///
/// | law | statement |
/// |---|---|
/// | `panics` | no panic on vectors of the right lengths with plenty of scratch |
/// | `finite` | finite input gives finite output |
/// | `overwrites` | the same bits come out whatever the output buffer held, NaN included |
/// | `scratch` | the same bits come out with exactly `scratch()` bytes, filled with garbage |
/// | `zero` | zero goes to zero exactly |
/// | `linearity` | `A(ax + bz) = a Ax + b Az` |
/// | `adjoint` | `⟨Ax, y⟩ = ⟨x, Aᵀy⟩` |
/// | `norm_bound` | `‖Ax‖ <= norm_bound()·‖x‖` on random vectors and on those that power iteration finds |
/// | `lengths` | a vector that is one too long panics |
///
/// Tolerances are 1000 units of rounding relative to the norms of the vectors. Operators without rows or columns are
/// allowed. Costs about 500 products, so use a small instance. The panics that `lengths` provokes appear in
/// the captured output of the test.
///
/// ```
/// use spm_linalg::{operator::Mask, testing::check_operator};
/// check_operator::<f32>(&Mask::from_bools(&[true, false, true]));
/// ```
///
/// # Panics
/// If a law is broken.
#[track_caller]
pub fn check_operator<T: Scalar>(op: &dyn LinearOperator<T>) {
    if let Err(violation) = try_check_operator(op) {
        panic!("{violation}\nin {op:?}");
    }
}

/// [`check_operator`] with the first broken law as an error.
///
/// # Errors
/// [`LawViolation`].
pub fn try_check_operator<T: Scalar>(op: &dyn LinearOperator<T>) -> Result<(), LawViolation> {
    let mut rng = Rng::new(0x5eed);
    let (m, n) = (op.nrows(), op.ncols());
    for _ in 0..4 {
        linearity(op, Side::Apply, &rng.normals(n), &rng.normals(n))?;
        linearity(op, Side::Adjoint, &rng.normals(m), &rng.normals(m))?;
    }
    for trial in 0..4 {
        let x: Vec<T> = rng.normals(n);
        let y: Vec<T> = rng.normals(m);
        let ax = careful_product(op, Side::Apply, &x)?;
        let aty = careful_product(op, Side::Adjoint, &y)?;
        let (left, right) = (dot(&ax, &y), dot(&x, &aty));
        let scale = norm(&ax) * norm(&y) + norm(&x) * norm(&aty);
        if exceeds(left - right, tolerance::<T>() * scale) {
            let detail = format!("<Ax, y> = {left:e}, <x, A'y> = {right:e} (trial {trial}, shape {m} x {n})");
            return Err(LawViolation { law: "adjoint", detail });
        }
    }
    for (side, len) in [(Side::Apply, n), (Side::Adjoint, m)] {
        let image = careful_product(op, side, &vec![T::zero(); len])?;
        if let Some(i) = image.iter().position(|&v| v != T::zero()) {
            let detail = format!("{side:?} of zero has {} at index {i}", image[i]);
            return Err(LawViolation { law: "zero", detail });
        }
    }
    norm_bound(op, &mut rng)?;
    lengths(op)
}

/// Panics, naming the law, unless `x` obeys the laws of [`check_operator`] and its columns agree with its products.
///
/// | law | statement |
/// |---|---|
/// | `col_dot` | `col_dot(j, v) = ⟨A e_j, v⟩ = (Aᵀv)_j` |
/// | `col_axpy` | `col_axpy(j, a, out)` adds `a·A e_j` to what `out` held |
/// | `col_sq_norm` | `col_sq_norm(j) = ‖A e_j‖²` |
///
/// ```
/// use spm_linalg::{Dense, testing::check_design_matrix};
/// check_design_matrix(&Dense::from_column_major(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2)?);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
///
/// # Panics
/// If a law is broken.
#[track_caller]
pub fn check_design_matrix<T: Scalar>(x: &impl DesignMatrix<T>) {
    if let Err(violation) = try_check_design_matrix(x) {
        panic!("{violation}\nin {x:?}");
    }
}

/// [`check_design_matrix`] with the first broken law as an error.
///
/// # Errors
/// [`LawViolation`].
pub fn try_check_design_matrix<T: Scalar>(x: &impl DesignMatrix<T>) -> Result<(), LawViolation> {
    try_check_operator(x)?;
    let mut rng = Rng::new(0xc01);
    let (m, n) = (x.nrows(), x.ncols());
    let tol = tolerance::<T>();
    let v: Vec<T> = rng.normals(m);
    let out: Vec<T> = rng.normals(m);
    let a = T::of(-1.75);
    let atv = careful_product(x, Side::Adjoint, &v)?;
    let columns: Vec<usize> =
        if n <= 64 { (0..n).collect() } else { (0..64).map(|_| rng.below(n)).collect() };
    let largest = norm(&atv) / norm(&v).max(f64::MIN_POSITIVE);
    for j in columns {
        let mut unit = vec![T::zero(); n];
        unit[j] = T::one();
        let col = careful_product(x, Side::Apply, &unit)?;
        let length = norm(&col);
        // Rounding in a column that is computed from others (centred ones, say) scales with the whole matrix.
        let slack = tol * (length + tol * largest);

        let got = caught("col_dot", || x.col_dot(j, &v))?.as_f64();
        let both = [("<A e_j, v>", dot(&col, &v)), ("(A'v)_j", atv[j].as_f64())];
        for (name, expected) in both {
            if exceeds(got - expected, slack * norm(&v)) {
                let detail = format!("col_dot({j}, v) = {got:e}, {name} = {expected:e}");
                return Err(LawViolation { law: "col_dot", detail });
            }
        }

        let mut updated = out.clone();
        caught("col_axpy", || x.col_axpy(j, a, &mut updated))?;
        for i in 0..m {
            let expected = out[i].as_f64() + a.as_f64() * col[i].as_f64();
            let got = updated[i].as_f64();
            if exceeds(got - expected, tol * out[i].as_f64().abs() + 2.0 * slack) {
                let detail = format!("col_axpy({j}, a, out) gives {got:e} at row {i}, expected {expected:e}");
                return Err(LawViolation { law: "col_axpy", detail });
            }
        }

        let got = caught("col_sq_norm", || x.col_sq_norm(j))?.as_f64();
        if exceeds(got - length * length, slack * (length + tol * largest)) {
            let detail = format!("col_sq_norm({j}) = {got:e}, |A e_j|^2 = {:e}", length * length);
            return Err(LawViolation { law: "col_sq_norm", detail });
        }
    }
    Ok(())
}

/// Bytes of scratch beyond what is asked for, where there should be plenty.
const ROOM: usize = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Apply,
    Adjoint,
}

/// A product checked for everything that one product can show.
fn careful_product<T: Scalar>(
    op: &dyn LinearOperator<T>,
    side: Side,
    input: &[T],
) -> Result<Vec<T>, LawViolation> {
    let law = |law, what: &str| LawViolation { law, detail: format!("{side:?}: {what}") };
    let roomy = op.scratch().and(StackReq::new::<u8>(ROOM));
    let plain = product(op, side, input, T::zero(), roomy).map_err(|e| law("panics", &e))?;
    if let Some(i) = plain.iter().position(|v| !v.is_finite()) {
        return Err(law("finite", &format!("{} at index {i}", plain[i])));
    }
    let dirty = product(op, side, input, T::nan(), roomy).map_err(|e| law("overwrites", &e))?;
    if let Some(i) = plain.iter().zip(&dirty).position(|(a, b)| a != b) {
        let what = format!("{} at index {i} over zeros, {} over NaN", plain[i], dirty[i]);
        return Err(law("overwrites", &what));
    }
    let exact = product(op, side, input, T::zero(), op.scratch()).map_err(|e| law("scratch", &e))?;
    if let Some(i) = plain.iter().zip(&exact).position(|(a, b)| a != b) {
        let what = format!("{} at index {i} with clean scratch, {} with garbage", plain[i], exact[i]);
        return Err(law("scratch", &what));
    }
    Ok(plain)
}

/// A product that only must not panic, for laws that come after those of [`careful_product`].
fn trusted_product<T: Scalar>(
    op: &dyn LinearOperator<T>,
    side: Side,
    input: &[T],
) -> Result<Vec<T>, LawViolation> {
    let outcome = product(op, side, input, T::nan(), op.scratch());
    outcome.map_err(|e| LawViolation { law: "panics", detail: format!("{side:?}: {e}") })
}

/// A product into a buffer that holds `fill`, with `req` bytes of scratch.
fn product<T: Scalar>(
    op: &dyn LinearOperator<T>,
    side: Side,
    input: &[T],
    fill: T,
    req: StackReq,
) -> Result<Vec<T>, String> {
    let len = if side == Side::Apply { op.nrows() } else { op.ncols() };
    let mut output = vec![fill; len];
    let mut buffer = MemBuffer::new(req);
    // Bytes 0xff are a NaN; a roomy stack is clean instead, so that a difference shows.
    let garbage = if req == op.scratch() { 0xff } else { 0 };
    buffer.fill(MaybeUninit::new(garbage));
    let stack = MemStack::new(&mut buffer);
    catch_unwind(AssertUnwindSafe(|| match side {
        Side::Apply => op.apply(input, &mut output, stack),
        Side::Adjoint => op.apply_adjoint(input, &mut output, stack),
    }))
    .map_err(|payload| message(&*payload))?;
    Ok(output)
}

fn linearity<T: Scalar>(
    op: &dyn LinearOperator<T>,
    side: Side,
    x: &[T],
    z: &[T],
) -> Result<(), LawViolation> {
    let ax = careful_product(op, side, x)?;
    let az = careful_product(op, side, z)?;
    let (a, b) = (T::of(2.5), T::of(-0.75));
    let mix: Vec<T> = x.iter().zip(z).map(|(&x, &z)| a * x + b * z).collect();
    let got = careful_product(op, side, &mix)?;
    let expected: Vec<T> = ax.iter().zip(&az).map(|(&x, &z)| a * x + b * z).collect();
    let error: Vec<T> = got.iter().zip(&expected).map(|(&g, &e)| g - e).collect();
    let scale = norm(&ax) + norm(&az) + norm(&got);
    if norm(&error) <= tolerance::<T>() * scale {
        return Ok(());
    }
    let detail = format!("{side:?}: error {:e} at scale {scale:e}", norm(&error));
    Err(LawViolation { law: "linearity", detail })
}

fn norm_bound<T: Scalar>(op: &dyn LinearOperator<T>, rng: &mut Rng) -> Result<(), LawViolation> {
    let Some(bound) = op.norm_bound() else { return Ok(()) };
    let bound = bound.as_f64();
    let violated = |gain: f64| LawViolation {
        law: "norm_bound",
        detail: format!("bound {bound:e}, |Ax|/|x| = {gain:e}"),
    };
    if bound.is_nan() || bound < 0.0 {
        return Err(violated(0.0));
    }
    for _ in 0..2 {
        let mut v: Vec<T> = rng.normals(op.ncols());
        for _ in 0..100 {
            let length = norm(&v);
            if length == 0.0 {
                break;
            }
            vecops::scale(T::of(length.recip()), &mut v);
            let av = trusted_product(op, Side::Apply, &v)?;
            let gain = norm(&av) / norm(&v);
            if gain > bound * (1.0 + tolerance::<T>()) {
                return Err(violated(gain));
            }
            v = trusted_product(op, Side::Adjoint, &av)?;
        }
    }
    Ok(())
}

fn lengths<T: Scalar>(op: &dyn LinearOperator<T>) -> Result<(), LawViolation> {
    let mut buffer = MemBuffer::new(op.scratch().and(StackReq::new::<u8>(ROOM)));
    let (m, n) = (op.nrows(), op.ncols());
    for (extra_x, extra_y) in [(1, 0), (0, 1)] {
        let mut x = vec![T::zero(); n + extra_x];
        let mut y = vec![T::zero(); m + extra_y];
        for side in [Side::Apply, Side::Adjoint] {
            let stack = MemStack::new(&mut buffer);
            let outcome = catch_unwind(AssertUnwindSafe(|| match side {
                Side::Apply => op.apply(&x, &mut y, stack),
                Side::Adjoint => op.apply_adjoint(&y, &mut x, stack),
            }));
            if outcome.is_ok() {
                let detail = format!("{side:?} accepts x of length {} and y of length {}", x.len(), y.len());
                return Err(LawViolation { law: "lengths", detail });
            }
        }
    }
    Ok(())
}

fn caught<R>(what: &'static str, call: impl FnOnce() -> R) -> Result<R, LawViolation> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|payload| LawViolation { law: "panics", detail: format!("{what}: {}", message(&*payload)) })
}

fn message(payload: &(dyn core::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

/// Whether `|error| > limit` or either is NaN.
fn exceeds(error: f64, limit: f64) -> bool {
    error.abs() > limit || error.is_nan() || limit.is_nan()
}

fn tolerance<T: Scalar>() -> f64 {
    1e3 * T::epsilon().as_f64()
}

fn dot<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a.as_f64() * b.as_f64()).sum()
}

fn norm<T: Scalar>(x: &[T]) -> f64 {
    vecops::norm(x).as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::operator::Identity;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Bug {
        None,
        Adjoint,
        AdjointOneEntry,
        ReadsOutput,
        AdjointReadsOutput,
        NormBoundLow,
        NormBoundNan,
        Scratch,
        Affine,
        Nonlinear,
        Infinite,
        Lengths,
        Panics,
        ColDot,
        ColAxpyOverwrites,
        ColSqNorm,
    }

    /// `[1 3 5; 2 4 6]`, right but for one bug. Its norm is 9.525518…
    #[derive(Debug)]
    struct Planted(Bug);

    const A: [[f64; 3]; 2] = [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]];

    impl<T: Scalar> LinearOperator<T> for Planted {
        fn nrows(&self) -> usize {
            2
        }
        fn ncols(&self) -> usize {
            3
        }
        fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
            let bug = self.0;
            assert!(bug != Bug::Panics, "planted");
            if bug != Bug::Lengths {
                check::dim("x", 3, x.len());
                check::dim("y", 2, y.len());
            }
            let (mut tmp, _) = stack.make_with(2, |i| (0..3).map(|j| T::of(A[i][j]) * x[j]).sum::<T>());
            if bug == Bug::Affine {
                tmp[0] += T::of(1e-2);
            }
            if bug == Bug::Nonlinear {
                tmp[0] = tmp[0].abs();
            }
            if bug == Bug::Infinite {
                tmp[1] /= T::zero();
            }
            for i in 0..2 {
                y[i] = if bug == Bug::ReadsOutput { y[i] + tmp[i] } else { tmp[i] };
            }
        }
        fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
            let bug = self.0;
            check::dim("y", 2, y.len());
            check::dim("x", 3, x.len());
            for j in 0..3 {
                let mut v: T = (0..2).map(|i| T::of(A[i][j]) * y[i]).sum();
                if bug == Bug::Adjoint {
                    v = -v;
                }
                if bug == Bug::AdjointOneEntry && j == 2 {
                    v += T::of(0.01) * y[0];
                }
                x[j] = if bug == Bug::AdjointReadsOutput { x[j] * T::zero() + v } else { v };
            }
        }
        fn scratch(&self) -> StackReq {
            StackReq::new::<T>(if self.0 == Bug::Scratch { 1 } else { 2 })
        }
        fn norm_bound(&self) -> Option<T> {
            Some(match self.0 {
                Bug::NormBoundLow => T::of(9.5),
                Bug::NormBoundNan => T::nan(),
                _ => T::of(9.525_52),
            })
        }
    }

    impl<T: Scalar> DesignMatrix<T> for Planted {
        fn col_dot(&self, j: usize, v: &[T]) -> T {
            let j = if self.0 == Bug::ColDot { 2 - j } else { j };
            (0..2).map(|i| T::of(A[i][j]) * v[i]).sum()
        }
        fn col_axpy(&self, j: usize, a: T, out: &mut [T]) {
            for i in 0..2 {
                let old = if self.0 == Bug::ColAxpyOverwrites { T::zero() } else { out[i] };
                out[i] = old + a * T::of(A[i][j]);
            }
        }
        fn col_sq_norm(&self, j: usize) -> T {
            let sq: T = (0..2).map(|i| T::of(A[i][j] * A[i][j])).sum();
            if self.0 == Bug::ColSqNorm { sq.sqrt() } else { sq }
        }
    }

    fn law_of<T: Scalar>(bug: Bug) -> &'static str {
        match try_check_design_matrix::<T>(&Planted(bug)) {
            Ok(()) => "none",
            Err(violation) => violation.law,
        }
    }

    #[test]
    fn planted_bugs_are_caught_and_named() {
        for (bug, law) in [
            (Bug::None, "none"),
            (Bug::Adjoint, "adjoint"),
            (Bug::AdjointOneEntry, "adjoint"),
            (Bug::ReadsOutput, "overwrites"),
            (Bug::AdjointReadsOutput, "overwrites"),
            (Bug::NormBoundLow, "norm_bound"),
            (Bug::NormBoundNan, "norm_bound"),
            (Bug::Scratch, "scratch"),
            (Bug::Affine, "linearity"),
            (Bug::Nonlinear, "linearity"),
            (Bug::Infinite, "finite"),
            (Bug::Lengths, "lengths"),
            (Bug::Panics, "panics"),
            (Bug::ColDot, "col_dot"),
            (Bug::ColAxpyOverwrites, "col_axpy"),
            (Bug::ColSqNorm, "col_sq_norm"),
        ] {
            assert_eq!(law_of::<f64>(bug), law, "{bug:?} in f64");
            assert_eq!(law_of::<f32>(bug), law, "{bug:?} in f32");
        }
    }

    #[test]
    #[should_panic(expected = "law `adjoint` violated")]
    fn the_panicking_form_names_the_law() {
        check_operator::<f64>(&Planted(Bug::Adjoint));
    }

    #[test]
    fn empty_shapes_are_allowed() {
        check_operator::<f64>(&Identity::new(0));
        check_design_matrix(&crate::Dense::<f64>::from_column_major(&[], 0, 3).expect("empty"));
        check_design_matrix(&crate::Dense::<f64>::from_column_major(&[], 3, 0).expect("empty"));
    }
}
