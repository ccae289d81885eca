//! NumPy's `.npy`.

use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar, WriterBuilder};

use sparse_modeling::image::mri::Complex;

use super::{Array, shape_text};
use crate::error::CliError;

/// The longest header that is read: arrays of numbers need a hundred bytes, not millions.
const MAX_HEADER: usize = 1 << 16;

/// Reads an array of floats, integers or booleans.
pub(super) fn read(path: &Path) -> Result<Array, CliError> {
    let bytes = std::fs::read(path).map_err(|e| CliError::io(path, e))?;
    parse(path, &bytes)
}

/// Parses the bytes of a `.npy` file.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Array, CliError> {
    let bad = |message: String| CliError::file(path, message);
    let (shape, fortran, file) = open(path, bytes)?;
    let ty = plain(path, &file)?;
    let kind = (ty.type_char(), ty.size_field());
    let values = match kind {
        (TypeChar::Float, 8) => file.into_vec::<f64>(),
        (TypeChar::Float, 4) => file.into_vec::<f32>().map(widen),
        (TypeChar::Int, 8) => file.into_vec::<i64>().map(|v| v.into_iter().map(|x| x as f64).collect()),
        (TypeChar::Int, 4) => file.into_vec::<i32>().map(widen),
        (TypeChar::Int, 2) => file.into_vec::<i16>().map(widen),
        (TypeChar::Int, 1) => file.into_vec::<i8>().map(widen),
        (TypeChar::Uint, 8) => file.into_vec::<u64>().map(|v| v.into_iter().map(|x| x as f64).collect()),
        (TypeChar::Uint, 4) => file.into_vec::<u32>().map(widen),
        (TypeChar::Uint, 2) => file.into_vec::<u16>().map(widen),
        (TypeChar::Uint, 1) => file.into_vec::<u8>().map(widen),
        (TypeChar::Bool, 1) => {
            file.into_vec::<bool>().map(|v| v.into_iter().map(|b| f64::from(u8::from(b))).collect())
        }
        _ => return Err(bad(format!("has element type {ty}; expected floats, integers or booleans"))),
    };
    let mut data = values.map_err(|e| bad(e.to_string()))?;
    if fortran {
        data = to_c_order(&shape, &data);
    }
    Ok(Array { shape, data })
}

/// Reads an array of complex numbers (or of numbers) in C order.
pub(super) fn read_complex(path: &Path) -> Result<(Vec<usize>, Vec<Complex>), CliError> {
    let bytes = std::fs::read(path).map_err(|e| CliError::io(path, e))?;
    let (shape, fortran, file) = open(path, &bytes)?;
    let ty = plain(path, &file)?;
    if ty.type_char() != TypeChar::Complex {
        let Array { shape, data } = parse(path, &bytes)?;
        return Ok((shape, data.into_iter().map(|v| Complex::new(v, 0.0)).collect()));
    }
    let values = match ty.size_field() {
        16 => file.into_vec::<Complex>(),
        8 => file
            .into_vec::<npyz::num_complex::Complex<f32>>()
            .map(|v| v.into_iter().map(|c| Complex::new(f64::from(c.re), f64::from(c.im))).collect()),
        _ => return Err(CliError::file(path, format!("has element type {ty}; expected complex numbers"))),
    };
    let data = values.map_err(|e| CliError::file(path, e.to_string()))?;
    Ok((shape.clone(), if fortran { to_c_order(&shape, &data) } else { data }))
}

/// The bytes of a complex `.npy` file in C order.
pub(super) fn encode_complex(shape: &[usize], data: &[Complex]) -> Vec<u8> {
    encode_as(shape, data.iter().copied())
}

/// Shape, whether the order is Fortran's, and the reader of the values.
type Opened<'a> = (Vec<usize>, bool, NpyFile<&'a [u8]>);

/// Shape, order and reader of a file whose header agrees with its length.
fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<Opened<'a>, CliError> {
    let bad = |message: String| CliError::file(path, message);
    if header_length(bytes).is_none_or(|n| n > MAX_HEADER || n > bytes.len()) {
        return Err(bad("not a valid .npy file".to_owned()));
    }
    let mut rest = bytes;
    let header = npyz::NpyHeader::from_reader(&mut rest)
        .map_err(|_| bad("not a valid .npy file (its header can't be parsed)".to_owned()))?;
    let shape: Vec<usize> =
        header.shape().iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
    let DType::Plain(ty) = header.dtype() else {
        return Err(bad("has a structured element type; expected numbers".to_owned()));
    };
    let size = ty.size_field();
    let total = shape.iter().try_fold(1_usize, |a, &n| a.checked_mul(n));
    let needed = total.and_then(|t| t.checked_mul(usize::try_from(size).unwrap_or(usize::MAX)));
    match (total, needed) {
        (Some(_), Some(needed)) if needed == rest.len() => {}
        _ => {
            return Err(bad(format!(
                "is truncated or corrupt: the header promises {} of {}-byte values, {} bytes follow",
                shape_text(&shape),
                size,
                rest.len()
            )));
        }
    }
    let fortran = header.order() == Order::Fortran && shape.len() > 1;
    Ok((shape, fortran, NpyFile::with_header(header, rest)))
}

/// The element type of an array of numbers.
fn plain(path: &Path, file: &NpyFile<&[u8]>) -> Result<npyz::TypeStr, CliError> {
    match file.dtype() {
        DType::Plain(ty) => Ok(ty),
        _ => Err(CliError::file(path, "has a structured element type; expected numbers".to_owned())),
    }
}

/// What the file itself says of the length of its header, which is read before anything of that size is allocated.
fn header_length(bytes: &[u8]) -> Option<usize> {
    match *bytes.get(..12)? {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => Some(usize::from(u16::from_le_bytes([a, b]))),
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d] => {
            usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()
        }
        _ => None,
    }
}

/// The bytes of an f8 `.npy` file in C order.
pub(super) fn encode(array: &Array) -> Vec<u8> {
    encode_as(&array.shape, array.data.iter().copied())
}

fn encode_as<V: npyz::AutoSerialize>(shape: &[usize], data: impl ExactSizeIterator<Item = V>) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() * size_of::<V>() + 128);
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(&mut out)
        .begin_nd()
        .expect("writing to memory can't fail");
    writer.extend(data).expect("writing to memory can't fail");
    writer.finish().expect("the shape and the number of values agree");
    out
}

fn widen<S: Into<f64>>(v: Vec<S>) -> Vec<f64> {
    v.into_iter().map(Into::into).collect()
}

/// Reorders Fortran-ordered values of any number of dimensions.
fn to_c_order<V: Copy>(shape: &[usize], data: &[V]) -> Vec<V> {
    let mut out = Vec::with_capacity(data.len());
    let mut index = vec![0_usize; shape.len()];
    for _ in 0..data.len() {
        let (mut at, mut stride) = (0, 1);
        for (i, n) in index.iter().zip(shape) {
            at += i * stride;
            stride *= n;
        }
        out.push(data[at]);
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            if index[d] < shape[d] {
                break;
            }
            index[d] = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_fortran_order() {
        let a = Array::matrix(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(parse(Path::new("a.npy"), &encode(&a)).expect("own output"), a);
        assert_eq!(to_c_order(&[2, 3], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]), a.data);
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = encode(&Array::vector(vec![1.0, 2.0]));
        for n in 0..bytes.len() {
            assert!(parse(Path::new("a.npy"), &bytes[..n]).is_err(), "{n} bytes were accepted");
        }
    }
}
