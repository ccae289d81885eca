//! Proximal operators and projections against independently computed results.
#![allow(clippy::unwrap_used)]

mod common;

use sparse_modeling::linalg::penalty::{
    ElasticNet, Huber, KullbackLeibler, L0, L1, L2, L21, Linf, Mcp, Nuclear, Scad, WeightedL1,
};
use sparse_modeling::linalg::set::{Bounds, Cardinality, L1Ball, L2Ball, NonNeg, Simplex};
use sparse_modeling::linalg::{Prox, Workspace};

#[test]
fn every_case_agrees() {
    let index = common::json("tv/prox/index.json");
    let cases = index["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 26);
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let number = |key: &str| case[key].as_f64().unwrap_or_else(|| panic!("{id}: {key}"));
        let array = |key: &str| common::npy(&format!("tv/prox/{}", case["arrays"][key].as_str().unwrap()));
        let (v, x) = (array("v"), array("x"));
        let (v, x, shape) = if v.shape.len() == 2 {
            (v.column_major(), x.column_major(), v.shape)
        } else {
            (v.data, x.data, vec![])
        };
        // The step of the prox and the function; for sets the step is arbitrary.
        let (step, g): (f64, Box<dyn Prox<f64>>) = match id {
            "prox_l1" => (number("t"), Box::new(L1::new(1.0).unwrap())),
            "prox_l0" => (number("t"), Box::new(L0::new(1.0).unwrap())),
            "prox_enet" => (1.0, Box::new(ElasticNet::new(number("t"), number("l2")).unwrap())),
            "prox_huber" => (number("t"), Box::new(Huber::new(1.0, number("delta")).unwrap())),
            "prox_scad" => (number("t"), Box::new(Scad::new(number("lam"), number("a")).unwrap())),
            "prox_mcp" => (number("t"), Box::new(Mcp::new(number("lam"), number("gamma")).unwrap())),
            "prox_kl" => (number("t"), Box::new(KullbackLeibler::new(1.0, array("b").data).unwrap())),
            "prox_box" => (2.0, Box::new(Bounds::uniform(number("lo"), number("hi")).unwrap())),
            "prox_nonneg" => (2.0, Box::new(NonNeg)),
            "prox_l2" | "prox_l2_zero" => (number("t"), Box::new(L2::new(1.0).unwrap())),
            "proj_l2ball" => (2.0, Box::new(L2Ball::new(number("r")).unwrap())),
            "prox_l21" | "prox_l1_complex" => {
                (number("t"), Box::new(L21::new(1.0, shape[0], shape[1]).unwrap()))
            }
            "proj_l1ball_0.5" | "proj_l1ball_4" | "proj_l1ball_1000" => {
                (2.0, Box::new(L1Ball::new(number("r")).unwrap()))
            }
            "proj_simplex_1" | "proj_simplex_7" | "proj_simplex_ties" => {
                (2.0, Box::new(Simplex::new(number("r")).unwrap()))
            }
            "prox_linf_0.8" | "prox_linf_3" | "prox_linf_200" => {
                (number("t"), Box::new(Linf::new(1.0).unwrap()))
            }
            "prox_nuclear" => (number("t"), Box::new(Nuclear::new(1.0, shape[0], shape[1]).unwrap())),
            "prox_l1_weighted" => (number("t"), Box::new(WeightedL1::new(array("w").data).unwrap())),
            "proj_l0ball_4" => (2.0, Box::new(Cardinality::new(number("k") as usize))),
            _ => panic!("no function for the case {id}"),
        };
        let mut out = vec![f64::NAN; v.len()];
        g.prox_into(&v, step, &mut out, Workspace::new(g.scratch(v.len())).stack());
        let size = v.iter().fold(1.0_f64, |m, a| m.max(a.abs()));
        for (i, (&a, &b)) in out.iter().zip(&x).enumerate() {
            assert!((a - b).abs() <= 1e-13 * size, "{id}: entry {i} is {a:e}, reference {b:e}");
            // Exact zeros where the reference has them; a matrix product rounds.
            assert!(b != 0.0 || a == 0.0 || id == "prox_nuclear", "{id}: entry {i} is {a:e}, not 0");
        }
    }
}
