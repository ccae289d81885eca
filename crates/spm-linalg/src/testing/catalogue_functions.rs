//! Every function of the crate, with ordinary and extreme parameters.

use crate::calculus::{
    Bounded, Conjugate, MoreauEnvelope, PrecomposeDiagonal, PrecomposeTightFrame, Scaled, SeparableSum,
    Tilted, Translated,
};
use crate::penalty::{
    ElasticNet, GroupL2, Huber, KullbackLeibler, L0, L1, L2, L21, Linf, LogSum, Mcp, NonNegL1, Nuclear, Scad,
    Slope, SparseGroup, SquaredL2, Tv1d, WeightedL1, Zero,
};
use crate::set::{Affine, Bounds, Cardinality, L1Ball, L2Ball, NonNeg, Psd, Simplex};
use crate::{Dense, GroupProx, LinalgError, LinearOperator, MemStack, Prox, Scalar, SeparableProx, Smooth};

/// Instances of every function with a proximal operator, as (type name, instance, length to check it at).
///
/// ```
/// for (_name, g, n) in spm_linalg::testing::functions::<f64>() {
///     spm_linalg::testing::check_prox(g.as_ref(), n);
/// }
/// ```
#[must_use]
pub fn functions<T: Scalar>() -> Vec<(&'static str, Box<dyn Prox<T>>, usize)> {
    let t = T::of;
    let mut all: Vec<(&'static str, Box<dyn Prox<T>>, usize)> = Vec::new();
    for (name, g, n) in separable_functions() {
        all.push((name, Box::new(g), n));
    }
    for (name, g, n) in group_functions() {
        all.push((name, Box::new(g), n));
    }
    let mut add = |name, g: Box<dyn Prox<T>>, n| all.push((name, g, n));
    for lambda in [0.0, 0.8] {
        add("L2", Box::new(ok(L2::new(t(lambda)))), 5);
        add("L21", Box::new(ok(L21::new(t(lambda), 3, 2))), 6);
        add("Linf", Box::new(ok(Linf::new(t(lambda)))), 6);
        add("Nuclear", Box::new(ok(Nuclear::new(t(lambda), 3, 2))), 6);
    }
    add("L2", Box::new(ok(L2::new(t(1.0)))), 0);
    add("L21", Box::new(ok(L21::new(t(0.4), 70, 1))), 70);
    add("Linf", Box::new(ok(Linf::new(t(3.0)))), 1);
    add("Nuclear", Box::new(ok(Nuclear::new(t(1.3), 2, 4))), 8);
    add("Slope", Box::new(ok(Slope::new([2.0, 1.2, 1.2, 0.5, 0.0].map(t).to_vec()))), 5);
    add("Slope", Box::new(ok(Slope::new([1.5, 0.0, 0.0].map(t).to_vec()))), 3);

    add("Tv1d", Box::new(ok(Tv1d::new(t(0.8)))), 6);
    add("Tv1d", Box::new(ok(Tv1d::weighted(t(0.8), [1.0, 0.5, 2.0].map(t).to_vec()))), 4);

    for radius in [0.3, 4.0] {
        add("Simplex", Box::new(ok(Simplex::new(t(radius)))), 6);
        add("L1Ball", Box::new(ok(L1Ball::new(t(radius)))), 6);
        add("L2Ball", Box::new(ok(L2Ball::new(t(radius)))), 6);
    }
    add("Simplex", Box::new(ok(Simplex::new(t(1.0)))), 1);
    add("L1Ball", Box::new(ok(L1Ball::new(t(0.0)))), 3);
    add("L2Ball", Box::new(ok(L2Ball::new(t(0.0)))), 3);
    // The third row is the sum of the first two.
    let rows = [1.0, 0.0, 1.0, 2.0, 1.0, 3.0, 0.0, -1.0, -1.0, 0.5, 0.0, 0.5].map(t);
    let a = ok(Dense::from_column_major(&rows, 3, 4));
    add("Affine", Box::new(ok(Affine::new(a, &[1.0, -2.0, -1.0].map(t)))), 4);
    add("Affine", Box::new(ok(Affine::new(ok(Dense::from_column_major(&[], 0, 3)), &[]))), 3);
    add("Cardinality", Box::new(Cardinality::new(2)), 5);
    add("Cardinality", Box::new(Cardinality::new(0)), 3);

    add("Psd", Box::new(ok(Psd::new(3, t(0.0)))), 9);
    add("Psd", Box::new(ok(Psd::new(2, t(0.7)))), 4);
    add("Psd", Box::new(ok(Psd::new(0, t(0.0)))), 0);

    let slopes = || [0.5, -1.0, 0.0, 2.0].map(t).to_vec();
    add("Scaled", Box::new(ok(Scaled::new(ok(Linf::new(t(0.8))), t(1.7)))), 4);
    add("Scaled", Box::new(ok(Scaled::new(ok(Simplex::new(t(1.0))), t(1.7)))), 4);
    add("Translated", Box::new(ok(Translated::new(ok(L2::new(t(0.8))), slopes()))), 4);
    add("Translated", Box::new(ok(Translated::new(ok(L2Ball::new(t(0.8))), slopes()))), 4);
    add("Tilted", Box::new(ok(Tilted::new(ok(L2::new(t(0.8))), slopes()))), 4);
    add(
        "SeparableSum",
        Box::new(ok(SeparableSum::new(vec![
            (Box::new(ok(L1::new(t(0.8)))), 2),
            (Box::new(ok(Linf::new(t(0.8)))), 3),
        ]))),
        5,
    );
    add(
        "SeparableSum",
        Box::new(ok(SeparableSum::new(vec![
            (Box::new(NonNeg), 2),
            (Box::new(ok(ElasticNet::new(t(0.8), t(0.3)))), 1),
            (Box::new(ok(Simplex::new(t(0.8)))), 2),
        ]))),
        5,
    );
    let sums = || PairSums { pairs: 3 };
    add(
        "PrecomposeTightFrame",
        Box::new(ok(PrecomposeTightFrame::new(ok(L1::new(t(0.8))), sums(), t(2.0)))),
        6,
    );
    add(
        "PrecomposeTightFrame",
        Box::new(ok(PrecomposeTightFrame::new(ok(L2Ball::new(t(0.8))), sums(), t(2.0)))),
        6,
    );
    add("Conjugate", Box::new(ok(Conjugate::new::<T>(ok(L1::new(t(0.8)))))), 4);
    add("Conjugate", Box::new(ok(Conjugate::new::<T>(ok(ElasticNet::new(t(0.8), t(0.5)))))), 4);
    add("Conjugate", Box::new(ok(Conjugate::new::<T>(ok(L2Ball::new(t(0.8)))))), 4);
    add("Conjugate", Box::new(ok(Conjugate::new::<T>(ok(Slope::new([1.0, 0.5].map(t).to_vec()))))), 2);
    all
}

/// Instances of every function with a coordinate form.
#[must_use]
pub fn separable_functions<T: Scalar>() -> Vec<(&'static str, Box<dyn SeparableProx<T>>, usize)> {
    let t = T::of;
    let mut all: Vec<(&'static str, Box<dyn SeparableProx<T>>, usize)> = Vec::new();
    let mut add = |name, g: Box<dyn SeparableProx<T>>, n| all.push((name, g, n));
    for lambda in [0.0, 0.8] {
        add("L1", Box::new(ok(L1::new(t(lambda)))), 5);
        add("NonNegL1", Box::new(ok(NonNegL1::new(t(lambda)))), 5);
        add("ElasticNet", Box::new(ok(ElasticNet::new(t(lambda), t(0.6)))), 5);
        add("SquaredL2", Box::new(ok(SquaredL2::new(t(lambda)))), 5);
        add("Huber", Box::new(ok(Huber::new(t(lambda), t(0.5)))), 5);
        add("L0", Box::new(ok(L0::new(t(lambda)))), 5);
        add("Mcp", Box::new(ok(Mcp::new(t(lambda), t(2.0)))), 5);
        add("Scad", Box::new(ok(Scad::new(t(lambda), t(3.7)))), 5);
        add("LogSum", Box::new(ok(LogSum::new(t(lambda), t(0.3)))), 5);
    }
    add("Zero", Box::new(Zero), 4);
    add("L1", Box::new(ok(L1::new(t(0.8)))), 0);
    add("WeightedL1", Box::new(ok(WeightedL1::new([1.0, 0.0, 3.0].map(t).to_vec()))), 3);
    add("ElasticNet", Box::new(ok(ElasticNet::new(t(0.8), t(0.0)))), 5);
    add("SquaredL2", Box::new(ok(ok(SquaredL2::new(t(0.8))).center([1.0, -2.0].map(t).to_vec()))), 2);
    add("KullbackLeibler", Box::new(ok(KullbackLeibler::new(t(0.8), [1.0, 0.0, 4.0].map(t).to_vec()))), 3);
    add("Mcp", Box::new(ok(Mcp::new(t(1.0), t(0.5)))), 4);
    add("Scad", Box::new(ok(Scad::new(t(1.0), t(1.5)))), 4);
    add("LogSum", Box::new(ok(LogSum::new(t(0.2), t(2.0)))), 4);
    add("Bounds", Box::new(ok(Bounds::uniform(t(-0.5), t(1.25)))), 5);
    let (lower, upper) =
        ([T::neg_infinity(), t(0.0), t(1.0), t(-1.0)], [t(1.0), T::infinity(), t(1.0), t(3.0)]);
    add("Bounds", Box::new(ok(Bounds::new(&lower, &upper))), 4);
    add("NonNeg", Box::new(NonNeg), 5);
    let slopes = || [0.5, -1.0, 0.0, 2.0].map(t).to_vec();
    add("Scaled", Box::new(ok(Scaled::new(ok(L1::new(t(0.8))), t(1.7)))), 4);
    add("Scaled", Box::new(ok(Scaled::new(ok(Huber::new(t(0.8), t(0.4))), t(0.3)))), 4);
    add("Translated", Box::new(ok(Translated::new(ok(L1::new(t(0.8))), slopes()))), 4);
    add("Translated", Box::new(ok(Translated::new(ok(L0::new(t(0.8))), slopes()))), 4);
    add("Tilted", Box::new(ok(Tilted::new(ok(L1::new(t(0.8))), slopes()))), 4);
    add("Tilted", Box::new(ok(Tilted::new(ok(ElasticNet::new(t(0.8), t(0.5))), slopes()))), 4);
    let within = || ok(Bounds::uniform(t(-0.5), t(1.25)));
    add("Bounded", Box::new(ok(Bounded::new(ok(ElasticNet::new(t(0.8), t(0.5))), within()))), 4);
    add(
        "Bounded",
        Box::new(ok(Bounded::new(ok(KullbackLeibler::new(t(0.8), vec![t(1.0); 2])), within()))),
        2,
    );
    let diagonal = || [0.5, -1.0, 3.0, 2.0].map(t).to_vec();
    add("PrecomposeDiagonal", Box::new(ok(PrecomposeDiagonal::new(ok(L1::new(t(0.8))), diagonal()))), 4);
    add(
        "PrecomposeDiagonal",
        Box::new(ok(PrecomposeDiagonal::new(ok(Mcp::new(t(0.8), t(2.0))), diagonal()))),
        4,
    );
    add(
        "PrecomposeDiagonal",
        Box::new(ok(PrecomposeDiagonal::new(ok(Huber::new(t(0.8), t(0.5))), slopes()))),
        4,
    );
    all
}

/// Instances of every function with a group form.
#[must_use]
pub fn group_functions<T: Scalar>() -> Vec<(&'static str, Box<dyn GroupProx<T>>, usize)> {
    let t = T::of;
    let groups = || ok(GroupL2::new(t(0.8), &[2, 1, 3], [1.0, 0.0, 2.0].map(t).to_vec()));
    vec![
        ("GroupL2", Box::new(groups()), 6),
        ("GroupL2", Box::new(ok(GroupL2::sqrt_sizes(t(0.4), &[4]))), 4),
        ("SparseGroup", Box::new(ok(SparseGroup::new(t(0.5), groups()))), 6),
        ("SparseGroup", Box::new(ok(SparseGroup::new(t(0.0), ok(GroupL2::sqrt_sizes(t(0.4), &[2, 2]))))), 4),
        ("SparseGroup", Box::new(ok(SparseGroup::new(t(0.7), ok(GroupL2::sqrt_sizes(t(0.0), &[2, 2]))))), 4),
    ]
}

/// Instances of every smooth function.
#[must_use]
pub fn smooth_functions<T: Scalar>() -> Vec<(&'static str, Box<dyn Smooth<T>>)> {
    let t = T::of;
    vec![
        ("MoreauEnvelope", Box::new(ok(MoreauEnvelope::new(ok(L1::new(t(0.8))), t(0.7), 5)))),
        ("MoreauEnvelope", Box::new(ok(MoreauEnvelope::new(ok(Simplex::new(t(1.0))), t(0.7), 5)))),
        ("MoreauEnvelope", Box::new(ok(MoreauEnvelope::new(ok(Nuclear::new(t(0.8), 2, 3)), t(1.5), 6)))),
    ]
}

fn ok<G>(g: Result<G, LinalgError>) -> G {
    g.expect("the parameters are inside their domains")
}

/// `y_i = x_{2i} + x_{2i+1}`: orthogonal rows of squared norm 2.
#[derive(Debug)]
struct PairSums {
    pairs: usize,
}

impl<T: Scalar> LinearOperator<T> for PairSums {
    fn nrows(&self) -> usize {
        self.pairs
    }

    fn ncols(&self) -> usize {
        2 * self.pairs
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        for (y, pair) in y.iter_mut().zip(x.chunks_exact(2)) {
            *y = pair[0] + pair[1];
        }
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        for (&y, pair) in y.iter().zip(x.chunks_exact_mut(2)) {
            pair.fill(y);
        }
    }
}
