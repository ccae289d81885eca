//! Matrix Market files.

use std::path::Path;
use std::str::FromStr;

use super::{Array, Csc, Matrix};
use crate::error::CliError;

/// Reads a `coordinate` or `array` matrix of reals, integers or patterns; general or symmetric.
pub(super) fn read(path: &Path) -> Result<Matrix, CliError> {
    let text = std::fs::read_to_string(path).map_err(|e| CliError::io(path, e))?;
    let bad = |line: usize, message: &str| CliError::file(path, format!("line {line}: {message}"));
    let banner = text.lines().next().unwrap_or_default().to_lowercase();
    let words: Vec<&str> = banner.split_whitespace().collect();
    let &["%%matrixmarket", "matrix", layout, field, symmetry] = &words[..] else {
        return Err(bad(1, "expected '%%MatrixMarket matrix ...'"));
    };
    if !matches!(field, "real" | "double" | "integer" | "pattern")
        || !matches!(symmetry, "general" | "symmetric")
    {
        return Err(bad(1, &format!("a {field} {symmetry} matrix is not supported")));
    }
    let mut lines = text
        .lines()
        .enumerate()
        .skip(1)
        .map(|(k, l)| (k + 1, l.trim()))
        .filter(|(_, l)| !l.is_empty() && !l.starts_with('%'));
    let (at, size) = lines.next().ok_or_else(|| bad(2, "the size line is missing"))?;
    let size: Vec<usize> = numbers(size).ok_or_else(|| bad(at, "the size line must hold whole numbers"))?;
    match (layout, &size[..]) {
        ("coordinate", &[nrows, ncols, _]) if symmetry == "symmetric" && nrows != ncols => {
            Err(bad(at, &format!("a symmetric matrix can't be {nrows} × {ncols}")))
        }
        ("coordinate", &[nrows, ncols, count]) => {
            let mut entries = Vec::new();
            for (k, line) in lines {
                let words: Vec<&str> = line.split_whitespace().collect();
                let entry = match (&words[..], field) {
                    ([i, j], "pattern") => (i.parse().ok(), j.parse().ok(), Some(1.0)),
                    ([i, j, v], _) => (i.parse().ok(), j.parse().ok(), v.parse().ok()),
                    _ => (None, None, None),
                };
                let (Some(i), Some(j), Some(v)): (Option<usize>, Option<usize>, Option<f64>) = entry else {
                    return Err(bad(k, "expected 'row column value'"));
                };
                if i == 0 || j == 0 || i > nrows || j > ncols {
                    return Err(bad(k, &format!("entry ({i}, {j}) lies outside {nrows} × {ncols}")));
                }
                entries.push((i - 1, j - 1, v));
                if symmetry == "symmetric" && i != j {
                    entries.push((j - 1, i - 1, v));
                }
            }
            let found = if symmetry == "symmetric" {
                entries.iter().filter(|e| e.0 >= e.1).count()
            } else {
                entries.len()
            };
            if found != count {
                return Err(CliError::file(path, format!("promises {count} entries, holds {found}")));
            }
            Csc::from_entries(path, nrows, ncols, entries).map(Matrix::Sparse)
        }
        ("array", &[nrows, ncols]) if symmetry == "general" && field != "pattern" => {
            let mut values: Vec<f64> = Vec::new();
            for (k, line) in lines {
                values.extend(numbers::<f64>(line).ok_or_else(|| bad(k, "expected a number"))?);
            }
            if Some(values.len()) != nrows.checked_mul(ncols) {
                return Err(CliError::file(
                    path,
                    format!("promises {nrows} × {ncols} values, holds {}", values.len()),
                ));
            }
            let data = (0..values.len()).map(|k| values[(k % ncols) * nrows + k / ncols]).collect();
            Ok(Matrix::Dense(Array::matrix(nrows, ncols, data)))
        }
        _ => Err(bad(at, "the size line does not fit the header")),
    }
}

fn numbers<N: FromStr>(line: &str) -> Option<Vec<N>> {
    line.split_whitespace().map(|w| w.parse().ok()).collect()
}
