//! Reads the reference solutions under `fixtures/`.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod portable;

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use serde_json::Value;

/// The path of a file under `fixtures/`.
pub fn fixture(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(path)
}

/// A JSON file under `fixtures/`.
pub fn json(path: &str) -> Value {
    let file = File::open(fixture(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_reader(BufReader::new(file)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// An array with its shape, its values in C order whatever the order in the file.
#[derive(Debug, Clone)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    /// A two-dimensional array in column-major order.
    pub fn column_major(&self) -> Vec<f64> {
        let (n, p) = (self.shape[0], self.shape[1]);
        let mut out = vec![0.0; n * p];
        for i in 0..n {
            for j in 0..p {
                out[j * n + i] = self.data[i * p + j];
            }
        }
        out
    }
}

/// A float, integer or boolean `.npy` file under `fixtures/`.
pub fn npy(path: &str) -> Array {
    let bytes = std::fs::read(fixture(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let file = npyz::NpyFile::new(&bytes[..]).unwrap_or_else(|e| panic!("{path}: {e}"));
    let shape: Vec<usize> = file.shape().iter().map(|&n| n as usize).collect();
    let fortran = file.order() == npyz::Order::Fortran && shape.len() > 1;
    let text = file.dtype().descr();
    let raw: Vec<f64> = if text.contains("f8") {
        file.into_vec::<f64>().unwrap()
    } else if text.contains("f4") {
        file.into_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
    } else if text.contains("b1") {
        file.into_vec::<bool>().unwrap().into_iter().map(|b| f64::from(u8::from(b))).collect()
    } else if text.contains("u1") {
        file.into_vec::<u8>().unwrap().into_iter().map(f64::from).collect()
    } else if text.contains("i8") {
        file.into_vec::<i64>().unwrap().into_iter().map(|v| v as f64).collect()
    } else {
        file.into_vec::<i32>().unwrap().into_iter().map(f64::from).collect()
    };
    if !fortran {
        return Array { shape, data: raw };
    }
    assert_eq!(shape.len(), 2, "{path}: Fortran order is only read for matrices");
    let (n, p) = (shape[0], shape[1]);
    let data = (0..n * p).map(|k| raw[(k % p) * n + k / p]).collect();
    Array { shape, data }
}

/// The data set of a regression case: the matrix, whether it is sparse, and the responses column by column.
pub fn regression_data(data: &Value) -> (portable::Matrix, bool, Vec<f64>) {
    let Some(g) = data.get("generator") else {
        let x = npy(&format!("lasso/{}", data["X"]["file"].as_str().unwrap()));
        let y = npy(&format!("lasso/{}", data["y"].as_str().unwrap()));
        let (n, p) = (x.shape[0], x.shape[1]);
        let y = if y.shape.len() == 2 { y.column_major() } else { y.data };
        let values = x.column_major();
        return (portable::Matrix { n, p, indptr: vec![], indices: vec![], values }, false, y);
    };
    let num = |key: &str| g[key].as_f64().unwrap();
    let int = |key: &str| g[key].as_u64().unwrap() as usize;
    let (seed, n, p) = (int("seed") as u64, int("n"), int("p"));
    let sparse = g["kind"] == "sparse";
    let x = if sparse {
        portable::sparse(seed, n, p, num("a"), num("b"))
    } else {
        portable::dense(seed, n, p, num("rho"), num("offset"))
    };
    let (features, coef) = portable::coefficients(seed, p, int("k"), g["coef"].as_str().unwrap());
    let y = portable::response(&x, &features, &coef, seed, num("sigma"), num("intercept"));
    assert_eq!(portable::checksum(&[&x.values, &y]), data["checksum"].as_str().unwrap());
    (x, sparse, y)
}
