//! Numbers in text: comma, semicolon or tab separated, with or without a header line.

use std::path::Path;

use super::Array;
use crate::error::CliError;

/// Reads a table of numbers. A first line that holds a word is a header; an empty cell, `NA` or `NaN` is NaN. One
/// column gives a vector.
pub(super) fn read(path: &Path) -> Result<Array, CliError> {
    let text = std::fs::read_to_string(path).map_err(|e| CliError::io(path, e))?;
    // A byte-order mark, as spreadsheets write, would turn the first number into a word.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
    let delimiter = if first.contains(',') {
        b','
    } else if first.contains(';') {
        b';'
    } else if first.contains('\t') {
        b'\t'
    } else {
        b','
    };
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .trim(::csv::Trim::All)
        .flexible(true)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut data = Vec::new();
    let (mut ncols, mut nrows) = (0, 0);
    for (k, record) in reader.records().enumerate() {
        let record = record.map_err(|e| CliError::file(path, e.to_string()))?;
        let line = record.position().map_or(k as u64 + 1, ::csv::Position::line);
        let cells: Vec<Option<f64>> = record.iter().map(number).collect();
        if k == 0 {
            ncols = cells.len();
            if cells.iter().any(Option::is_none) {
                continue;
            }
        }
        if cells.len() != ncols {
            return Err(CliError::file(
                path,
                format!("line {line} has {} cells, the first has {ncols}", cells.len()),
            ));
        }
        for (j, cell) in cells.into_iter().enumerate() {
            let bad = || {
                CliError::file(
                    path,
                    format!("line {line}, column {}: '{}' is not a number", j + 1, &record[j]),
                )
            };
            data.push(cell.ok_or_else(bad)?);
        }
        nrows += 1;
    }
    Ok(if ncols == 1 { Array::vector(data) } else { Array::matrix(nrows, ncols, data) })
}

fn number(cell: &str) -> Option<f64> {
    match cell {
        "" | "NA" | "N/A" | "NaN" | "nan" | "null" => Some(f64::NAN),
        other => other.parse().ok(),
    }
}

/// The CSV text of a vector or matrix, values with all their digits.
pub(super) fn encode(array: &Array) -> Vec<u8> {
    let ncols = if array.shape.len() < 2 { 1 } else { array.shape[1..].iter().product() };
    let mut out = String::new();
    for row in array.data.chunks(ncols.max(1)) {
        let cells: Vec<String> = row.iter().map(|v| format!("{v:?}")).collect();
        out.push_str(&cells.join(","));
        out.push('\n');
    }
    out.into_bytes()
}
