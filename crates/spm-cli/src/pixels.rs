//! Images in and out: what the library reads and writes, and unclamped floats in `.npy`.

use std::io::Cursor;
use std::path::Path;

use sparse_modeling::image::io::{AnyImage, Depth, Picture, read, read_picture as load, write};
use sparse_modeling::image::{Gray, ImageRef};
use sparse_modeling::linalg::Scalar;

use crate::error::CliError;
use crate::io::{Array, extension, write_array};

/// Reads an image file, values in `[0, 1]`.
pub(crate) fn read_image(path: &Path) -> Result<(AnyImage<f64>, Depth), CliError> {
    read(path).map_err(|e| CliError::from(e).within(path))
}

/// Reads an image file with its alpha channel.
pub(crate) fn read_picture<T: Scalar>(path: &Path) -> Result<Picture<T>, CliError> {
    load(path).map_err(|e| CliError::from(e).within(path))
}

/// Writes a result as [`write_image`] does, with the depth and the alpha channel of the picture it was made from.
pub(crate) fn write_picture<T: Scalar, const C: usize>(
    path: &Path,
    image: ImageRef<'_, T, C>,
    like: &Picture<T>,
) -> Result<(), CliError> {
    if is_array(path) {
        return write_image(path, image, like.depth);
    }
    Ok(like.write(path, image)?)
}

/// Whether a file name asks for floats.
fn is_array(path: &Path) -> bool {
    matches!(extension(path).as_str(), "npy" | "csv")
}

/// Writes an image: `.npy` gets the floats as they are, every other name a clamped image of the given depth.
pub(crate) fn write_image<T: Scalar, const C: usize>(
    path: &Path,
    image: ImageRef<'_, T, C>,
    depth: Depth,
) -> Result<(), CliError> {
    if is_array(path) {
        let (h, w) = image.size();
        let shape = if C == 1 { vec![h, w] } else { vec![h, w, C] };
        return write_array(
            path,
            &Array { shape, data: image.to_interleaved().into_iter().map(Scalar::as_f64).collect() },
        );
    }
    Ok(write(path, image, depth)?)
}

/// An 8-bit grey PNG in memory, values clamped to `[0, 1]`.
pub(crate) fn png(image: &Gray<f64>) -> Vec<u8> {
    let bytes: Vec<u8> = image.data().iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    let (h, w) = image.size();
    let mut out = Cursor::new(Vec::new());
    ::image::GrayImage::from_raw(w as u32, h as u32, bytes)
        .expect("one byte a pixel")
        .write_to(&mut out, ::image::ImageFormat::Png)
        .expect("writing to memory can't fail");
    out.into_inner()
}

/// Decodes an image that is part of the program, in grey.
pub(crate) fn decode_gray(bytes: &[u8]) -> Gray<f64> {
    let image = ::image::load_from_memory(bytes).expect("embedded images decode").into_luma8();
    let (w, h) = image.dimensions();
    let data = image.into_raw().into_iter().map(|v| f64::from(v) / 255.0).collect();
    Gray::new(h as usize, w as usize, data).expect("embedded images are not empty")
}
