//! The laws catch what they are for: each bug is planted in the L1 norm (or the function named) and must be found.
#![allow(clippy::unwrap_used)]

use spm_linalg::penalty::{L1, Linf};
use spm_linalg::testing::{try_check_group, try_check_prox, try_check_separable, try_check_smooth};
use spm_linalg::{Facts, GroupProx, MemStack, Prox, SeparableProx, Smooth, StackReq};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bug {
    None,
    StepIgnored,
    StaleOutputRead,
    OutputPartlyWritten,
    ValueTimesStep,
    ThresholdTooSmall,
    ThresholdSlightlyOff,
    Dim,
    ClaimsIndicator,
    ConjTooSmall,
    ConjTooLarge,
    ConjProxStepped,
    ConjProxValue,
    PolarHalf,
    PolarDouble,
    PolarSquared,
    Scratch,
    CoordinateStep,
    CoordinateValue,
    Subdiff,
    SubdiffSign,
    FactMissing,
}

/// The L1 norm with weight 0.5 and a bug.
#[derive(Debug)]
struct Planted(Bug);

impl Planted {
    fn good(&self) -> L1<f64> {
        L1::new(0.5).unwrap()
    }
}

impl Prox<f64> for Planted {
    fn value(&self, x: &[f64]) -> f64 {
        self.good().value(x)
    }

    fn prox_into(&self, x: &[f64], step: f64, out: &mut [f64], stack: &mut MemStack) -> f64 {
        let step_used = match self.0 {
            Bug::StepIgnored => 1.0,
            Bug::ThresholdTooSmall => 0.9 * step,
            Bug::ThresholdSlightlyOff => step * (1.0 + 1e-9),
            _ => step,
        };
        let stale = out[0];
        if self.0 == Bug::Scratch {
            let _ = stack.make_with(1000, |_| 0.0_f64);
        }
        let value = self.good().prox_into(x, step_used, out, stack);
        match self.0 {
            Bug::StaleOutputRead => {
                out[0] += 0.0 * stale;
                value
            }
            Bug::OutputPartlyWritten => {
                out[0] = stale;
                value
            }
            Bug::ValueTimesStep => step * value,
            _ => value,
        }
    }

    fn dim(&self) -> Option<usize> {
        (self.0 == Bug::Dim).then_some(3)
    }

    fn facts(&self) -> Facts {
        let facts = self.good().facts();
        match self.0 {
            Bug::ClaimsIndicator => facts.indicator(),
            Bug::FactMissing => Facts::default().convex(),
            _ => facts,
        }
    }

    fn prox_conj_into(&self, x: &[f64], step: f64, out: &mut [f64], stack: &mut MemStack) -> f64 {
        let value = self.good().prox_conj_into(x, step, out, stack);
        match self.0 {
            Bug::ConjProxStepped => out.iter_mut().for_each(|v| *v *= step),
            Bug::ConjProxValue => return value + 0.1,
            _ => {}
        }
        value
    }

    fn scratch_conj(&self, _n: usize) -> StackReq {
        StackReq::EMPTY
    }

    fn conj_value(&self, u: &[f64], stack: &mut MemStack) -> Option<f64> {
        let factor = match self.0 {
            Bug::ConjTooSmall => 0.5,
            Bug::ConjTooLarge => 2.0,
            _ => 1.0,
        };
        self.good().conj_value(&u.iter().map(|v| factor * v).collect::<Vec<_>>(), stack)
    }

    fn polar(&self, u: &[f64], stack: &mut MemStack) -> Option<f64> {
        let polar = self.good().polar(u, stack)?;
        Some(match self.0 {
            Bug::PolarHalf => 0.5 * polar,
            Bug::PolarDouble => 2.0 * polar,
            Bug::PolarSquared => polar * polar,
            _ => polar,
        })
    }
}

impl SeparableProx<f64> for Planted {
    fn value_at(&self, j: usize, v: f64) -> f64 {
        self.good().value_at(j, v) + if self.0 == Bug::CoordinateValue { 0.1 } else { 0.0 }
    }

    fn prox_at(&self, j: usize, v: f64, step: f64) -> f64 {
        self.good().prox_at(j, v, if self.0 == Bug::CoordinateStep { 1.0 } else { step })
    }

    fn subdiff_distance_at(&self, j: usize, w: f64, grad: f64) -> f64 {
        match self.0 {
            Bug::Subdiff => 0.0,
            Bug::SubdiffSign => self.good().subdiff_distance_at(j, w, -grad),
            _ => self.good().subdiff_distance_at(j, w, grad),
        }
    }
}

#[test]
fn the_good_function_passes() {
    try_check_prox(&Planted(Bug::None), 5).unwrap();
    try_check_separable(&Planted(Bug::None), 5).unwrap();
}

#[test]
fn each_bug_breaks_its_law() {
    for (bug, law) in [
        (Bug::StepIgnored, "minimiser"),
        (Bug::StaleOutputRead, "output"),
        (Bug::OutputPartlyWritten, "output"),
        (Bug::ValueTimesStep, "value"),
        (Bug::ThresholdTooSmall, "minimiser"),
        (Bug::ThresholdSlightlyOff, "homogeneity"),
        (Bug::Dim, "dimension"),
        (Bug::ClaimsIndicator, "indicator"),
        (Bug::ConjTooSmall, "polar"),
        (Bug::ConjTooLarge, "conjugate"),
        (Bug::ConjProxStepped, "moreau"),
        (Bug::ConjProxValue, "conjugate"),
        (Bug::PolarHalf, "polar"),
        (Bug::PolarDouble, "polar"),
        (Bug::PolarSquared, "polar"),
        (Bug::Scratch, "scratch"),
        (Bug::FactMissing, "polar"),
    ] {
        let violation = try_check_prox(&Planted(bug), 5).expect_err(&format!("{bug:?} passed"));
        // A threshold off by 1e-9 is found by Moreau's identity, wherever that is tried first.
        let found = violation.law == law || (bug == Bug::ThresholdSlightlyOff && violation.law == "moreau");
        assert!(found, "{bug:?} found as {violation}");
    }
}

#[test]
fn each_bug_of_the_coordinate_form_breaks_its_law() {
    for (bug, law) in [
        (Bug::CoordinateStep, "coordinates"),
        (Bug::CoordinateValue, "coordinates"),
        (Bug::Subdiff, "subdifferential"),
        (Bug::SubdiffSign, "subdifferential"),
        (Bug::FactMissing, "facts"),
    ] {
        let violation = try_check_separable(&Planted(bug), 5).expect_err(&format!("{bug:?} passed"));
        assert_eq!(violation.law, law, "{bug:?} found as {violation}");
    }
}

/// A function with facts that are not its own.
#[derive(Debug)]
struct Claims<G>(G, Facts);

impl<G: Prox<f64>> Prox<f64> for Claims<G> {
    fn value(&self, x: &[f64]) -> f64 {
        self.0.value(x)
    }
    fn prox_into(&self, x: &[f64], step: f64, out: &mut [f64], stack: &mut MemStack) -> f64 {
        self.0.prox_into(x, step, out, stack)
    }
    fn scratch(&self, n: usize) -> StackReq {
        self.0.scratch(n)
    }
    fn facts(&self) -> Facts {
        self.1
    }
}

#[test]
fn wrong_facts_are_refuted() {
    use spm_linalg::penalty::{ElasticNet, L0, LogSum};
    use spm_linalg::set::{Cardinality, L2Ball};
    let refuted = |g: &dyn Prox<f64>, law: &str| {
        let violation = try_check_prox(g, 4).expect_err(&format!("{g:?} passed"));
        assert_eq!(violation.law, law, "{g:?} found as {violation}");
    };
    let none = Facts::default();
    refuted(&Claims(L0::new(0.5).unwrap(), none.convex()), "convexity");
    refuted(&Claims(Linf::new(0.5).unwrap(), none.separable()), "separability");
    refuted(&Claims(ElasticNet::new(0.5, 0.5).unwrap(), none.positively_homogeneous()), "homogeneity");
    refuted(&Claims(L2Ball::new(0.5).unwrap(), none.positively_homogeneous()), "homogeneity");
    refuted(&Claims(ElasticNet::new(0.5, 0.5).unwrap(), none.indicator()), "indicator");
    assert!(try_check_prox::<f64>(&Claims(Cardinality::new(2), none.convex()), 4).is_err());
    assert!(try_check_prox(&Claims(LogSum::new(0.5, 0.1).unwrap(), none.convex()), 4).is_err());
}

/// One group with a group form that ignores the step or whose distance is wrong.
#[derive(Debug)]
struct OneGroup {
    ignores_step: bool,
    zero_distance: bool,
}

impl Prox<f64> for OneGroup {
    fn value(&self, x: &[f64]) -> f64 {
        spm_linalg::vecops::norm(x)
    }
    fn prox_into(&self, x: &[f64], step: f64, out: &mut [f64], stack: &mut MemStack) -> f64 {
        spm_linalg::penalty::L2::new(1.0).unwrap().prox_into(x, step, out, stack)
    }
    fn facts(&self) -> Facts {
        Facts::default().convex()
    }
}

impl GroupProx<f64> for OneGroup {
    fn n_groups(&self) -> usize {
        1
    }
    fn group(&self, _g: usize) -> std::ops::Range<usize> {
        0..4
    }
    fn prox_group_into(&self, g: usize, x: &[f64], step: f64, out: &mut [f64]) -> f64 {
        let step = if self.ignores_step { 1.0 } else { step };
        spm_linalg::penalty::GroupL2::new(1.0, &[4], vec![1.0]).unwrap().prox_group_into(g, x, step, out)
    }
    fn subdiff_distance_group(&self, g: usize, w: &[f64], grad: &[f64]) -> f64 {
        let good = spm_linalg::penalty::GroupL2::new(1.0, &[4], vec![1.0]).unwrap();
        if self.zero_distance { 0.0 } else { good.subdiff_distance_group(g, w, grad) }
    }
}

#[test]
fn bugs_of_the_group_form_are_found() {
    let law = |ignores_step, zero_distance, n| {
        try_check_group(&OneGroup { ignores_step, zero_distance }, n).map_err(|e| e.law)
    };
    assert_eq!(law(false, false, 4), Ok(()));
    assert_eq!(law(true, false, 4), Err("coordinates"));
    assert_eq!(law(false, true, 4), Err("subdifferential"));
    assert_eq!(law(false, false, 5), Err("groups"));
}

/// `½‖x‖²` with a gradient scaled by `gradient` and the Lipschitz constant `lipschitz`.
#[derive(Debug)]
struct HalfSquare {
    gradient: f64,
    lipschitz: f64,
    returned: f64,
}

impl Smooth<f64> for HalfSquare {
    fn dim(&self) -> usize {
        3
    }
    fn value(&self, x: &[f64], _stack: &mut MemStack) -> f64 {
        0.5 * spm_linalg::vecops::sq_norm(x)
    }
    fn value_grad_into(&self, x: &[f64], grad: &mut [f64], stack: &mut MemStack) -> f64 {
        for (g, v) in grad.iter_mut().zip(x) {
            *g = self.gradient * v;
        }
        self.returned * self.value(x, stack)
    }
    fn lipschitz(&self) -> Option<f64> {
        Some(self.lipschitz)
    }
}

#[test]
fn bugs_of_smooth_functions_are_found() {
    let law = |gradient, lipschitz, returned| {
        try_check_smooth(&HalfSquare { gradient, lipschitz, returned }).map_err(|e| e.law)
    };
    assert_eq!(law(1.0, 1.0, 1.0), Ok(()));
    assert_eq!(law(1.0 + 1e-3, 1.1, 1.0), Err("gradient"));
    assert_eq!(law(1.0, 0.9, 1.0), Err("lipschitz"));
    assert_eq!(law(1.0, 1.0, 2.0), Err("value"));
}
