//! NumPy's `.npz` archives and SciPy's sparse matrices inside them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::{Array, Csc, Matrix, npy};
use crate::error::CliError;

/// The largest member that is unpacked, in bytes.
const MAX_MEMBER: u64 = 16 << 30;

/// Reads the named array, a SciPy CSC or CSR matrix, or the first array.
pub(super) fn read(path: &Path, member: Option<&str>) -> Result<Matrix, CliError> {
    let file = File::open(path).map_err(|e| CliError::io(path, e))?;
    let mut zip = ZipArchive::new(BufReader::new(file))
        .map_err(|e| CliError::file(path, format!("not a valid .npz file ({e})")))?;
    let names: Vec<String> = zip.file_names().map(str::to_owned).collect();
    if let Some(name) = member {
        return array(path, &mut zip, &format!("{name}.npy")).map(Matrix::Dense);
    }
    if names.iter().any(|n| n == "indptr.npy") && names.iter().any(|n| n == "indices.npy") {
        return sparse(path, &mut zip).map(Matrix::Sparse);
    }
    let first = names.iter().find(|n| n.ends_with(".npy"));
    let first = first.ok_or_else(|| CliError::file(path, "holds no array"))?.clone();
    array(path, &mut zip, &first).map(Matrix::Dense)
}

fn member_bytes(path: &Path, zip: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Vec<u8>, CliError> {
    let entry = zip
        .by_name(name)
        .map_err(|_| CliError::file(path, format!("has no array '{}'", name.trim_end_matches(".npy"))))?;
    if entry.size() > MAX_MEMBER {
        return Err(CliError::file(
            path,
            format!("array '{name}' claims {} bytes, more than is read", entry.size()),
        ));
    }
    let mut bytes = Vec::new();
    // One byte more than promised: reading to the end is what checks the member's checksum.
    let size = entry.size();
    entry.take(size + 1).read_to_end(&mut bytes).map_err(|e| CliError::io(path, e))?;
    if bytes.len() as u64 == size {
        Ok(bytes)
    } else {
        Err(CliError::file(path, format!("array '{name}' does not have the length that it claims")))
    }
}

fn array(path: &Path, zip: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Array, CliError> {
    npy::parse(path, &member_bytes(path, zip, name)?)
}

fn sparse(path: &Path, zip: &mut ZipArchive<BufReader<File>>) -> Result<Csc, CliError> {
    // The format is a byte string, an element type the reader of numbers does not know: it ends the file.
    let format = member_bytes(path, zip, "format.npy")?;
    let by_rows = format.ends_with(b"csr");
    if !by_rows && !format.ends_with(b"csc") {
        return Err(CliError::file(path, "is a sparse matrix in a format other than CSC or CSR"));
    }
    let shape = indices(path, "shape", &array(path, zip, "shape.npy")?)?;
    let &[nrows, ncols] = &shape[..] else {
        return Err(CliError::file(path, "sparse matrix without a two-dimensional shape"));
    };
    let ptr = indices(path, "indptr", &array(path, zip, "indptr.npy")?)?;
    let idx = indices(path, "indices", &array(path, zip, "indices.npy")?)?;
    let values = array(path, zip, "data.npy")?.data;
    let (outer, inner) = if by_rows { (nrows, ncols) } else { (ncols, nrows) };
    let valid = ptr.first() == Some(&0)
        && ptr.len() - 1 == outer
        && ptr.windows(2).all(|w| w[0] <= w[1])
        && ptr.last() == Some(&idx.len())
        && idx.len() == values.len()
        && idx.iter().all(|&i| i < inner);
    if !valid {
        return Err(CliError::file(path, "sparse matrix whose indptr, indices and data do not fit together"));
    }
    let mut entries = Vec::with_capacity(values.len());
    for o in 0..outer {
        for k in ptr[o]..ptr[o + 1] {
            entries.push(if by_rows { (o, idx[k], values[k]) } else { (idx[k], o, values[k]) });
        }
    }
    Csc::from_entries(path, nrows, ncols, entries)
}

fn indices(path: &Path, what: &str, a: &Array) -> Result<Vec<usize>, CliError> {
    if a.data.iter().all(|&v| v >= 0.0 && v.fract() == 0.0) {
        Ok(a.data.iter().map(|&v| v as usize).collect())
    } else {
        Err(CliError::file(path, format!("sparse matrix with a negative or fractional entry in {what}")))
    }
}
