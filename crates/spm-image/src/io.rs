//! Image files (feature `io`): PNG, JPEG, TIFF, PGM, PPM; 8 or 16 bits a channel; grey or RGB.
//!
//! Values are floats in `[0, 1]`. A palette becomes RGB; an orientation tag (EXIF) is obeyed, so that the image stands upright. An
//! alpha channel is kept by [`read_picture`] and [`Picture::write`], dropped by [`read`]. The format is known by content when reading
//! and by the file name when writing.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use image::codecs::jpeg::JpegEncoder;
use image::error::{LimitError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Limits, Luma, LumaA, Rgba};
use spm_linalg::{LinalgError, Scalar};

use crate::{Gray, Image, ImageError, ImageRef, Rgb};

/// How many pixels [`read`] accepts: 2²⁸, a square of side 16 384.
pub const MAX_PIXELS: u64 = 1 << 28;

/// Bits a channel in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// 8 bits, 256 levels.
    #[default]
    Eight,
    /// 16 bits, 65 536 levels. JPEG has no such thing and gets 8.
    Sixteen,
}

/// An image as it is in a file: grey or colour.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyImage<T = f64> {
    /// One channel.
    Gray(Gray<T>),
    /// Red, green and blue.
    Rgb(Rgb<T>),
}

/// All that a file says about an image: its colours, its transparency, its depth.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Picture<T = f64> {
    /// The colours, not multiplied by the transparency.
    pub image: AnyImage<T>,
    /// The alpha channel: 0 transparent, 1 opaque.
    pub alpha: Option<Gray<T>>,
    /// Bits a channel.
    pub depth: Depth,
}

impl<T: Scalar> Picture<T> {
    /// Writes `image` as [`write`](fn@write) does, with the depth of this picture and, if the sizes agree and the format can hold it (PNG, TIFF),
    /// its alpha channel.
    ///
    /// # Errors
    /// As [`write`](fn@write).
    pub fn write<const C: usize>(
        &self,
        path: impl AsRef<Path>,
        image: ImageRef<'_, T, C>,
    ) -> Result<(), ImageError> {
        let alpha = self.alpha.as_ref().map(Image::view).filter(|a| a.size() == image.size());
        write_layers(path.as_ref(), image, alpha, self.depth)
    }
}

/// Reads an image and the bit depth of its file.
///
/// # Errors
/// [`ImageError::File`] if the file can't be opened; [`ImageError::Format`] if it is no image in a known format, is damaged or
/// truncated, or has more than [`MAX_PIXELS`] pixels. Both name the file.
///
/// ```
/// use spm_image::{Gray, io::{self, AnyImage, Depth}};
/// let path = std::env::temp_dir().join(format!("spm-image-doc-{}.png", std::process::id()));
/// let img = Gray::new(1, 2, vec![0.0, 1.0])?;
/// io::write(&path, img.view(), Depth::Sixteen)?;
/// assert_eq!(io::read(&path)?, (AnyImage::Gray(img), Depth::Sixteen));
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), spm_image::ImageError>(())
/// ```
pub fn read<T: Scalar>(path: impl AsRef<Path>) -> Result<(AnyImage<T>, Depth), ImageError> {
    read_limited(path, MAX_PIXELS)
}

/// [`read`] with another limit on the number of pixels, checked before anything is decoded.
///
/// # Errors
/// As [`read`].
pub fn read_limited<T: Scalar>(
    path: impl AsRef<Path>,
    max_pixels: u64,
) -> Result<(AnyImage<T>, Depth), ImageError> {
    let picture = read_picture_limited(path, max_pixels)?;
    Ok((picture.image, picture.depth))
}

/// Reads an image with its alpha channel.
///
/// # Errors
/// As [`read`].
pub fn read_picture<T: Scalar>(path: impl AsRef<Path>) -> Result<Picture<T>, ImageError> {
    read_picture_limited(path, MAX_PIXELS)
}

fn read_picture_limited<T: Scalar>(
    path: impl AsRef<Path>,
    max_pixels: u64,
) -> Result<Picture<T>, ImageError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|source| ImageError::File { path: path.into(), source })?;
    let decoded = decode(file, max_pixels).map_err(|e| format_error(path, e))?;
    let (h, w) = (decoded.height() as usize, decoded.width() as usize);
    let color = decoded.color();
    // 32-bit channels exist only as floats (TIFF), whose values need not lie in [0, 1].
    let depth = match color {
        c if c.bytes_per_pixel() == c.channel_count() => Depth::Eight,
        _ => Depth::Sixteen,
    };
    let alpha = color.has_alpha().then(|| {
        let values = match depth {
            Depth::Eight => decoded.to_luma_alpha8().pixels().map(|p| level(p.0[1], u8::MAX)).collect(),
            Depth::Sixteen => decoded.to_luma_alpha16().pixels().map(|p| level(p.0[1], u16::MAX)).collect(),
        };
        Image::from_parts(h, w, values)
    });
    let float = matches!(decoded, DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_));
    let values: Vec<T> = match (color.has_color(), depth) {
        (true, _) if float => decoded.into_rgb32f().iter().map(|&v| T::of(f64::from(v))).collect(),
        (false, Depth::Eight) => decoded.into_luma8().iter().map(|&v| level(v, u8::MAX)).collect(),
        (false, Depth::Sixteen) => decoded.into_luma16().iter().map(|&v| level(v, u16::MAX)).collect(),
        (true, Depth::Eight) => decoded.into_rgb8().iter().map(|&v| level(v, u8::MAX)).collect(),
        (true, Depth::Sixteen) => decoded.into_rgb16().iter().map(|&v| level(v, u16::MAX)).collect(),
    };
    let image = if values.len() == h * w {
        AnyImage::Gray(Image::new(h, w, values)?)
    } else {
        AnyImage::Rgb(Image::from_interleaved(h, w, &values)?)
    };
    Ok(Picture { image, alpha, depth })
}

/// Writes an image, clamped to `[0, 1]` and rounded to the nearest level, in the format that the file name asks for.
///
/// The file appears whole or not at all: it is written beside its destination and renamed. JPEG is written at quality 95.
///
/// # Errors
/// [`ImageError::File`] if it can't be written; [`ImageError::Format`] if the name ends in no known format;
/// [`LinalgError::InvalidParam`] unless there are 1 or 3 channels.
pub fn write<T: Scalar, const C: usize>(
    path: impl AsRef<Path>,
    image: ImageRef<'_, T, C>,
    depth: Depth,
) -> Result<(), ImageError> {
    write_layers(path.as_ref(), image, None, depth)
}

fn write_layers<T: Scalar, const C: usize>(
    path: &Path,
    image: ImageRef<'_, T, C>,
    alpha: Option<ImageRef<'_, T>>,
    depth: Depth,
) -> Result<(), ImageError> {
    if C != 1 && C != 3 {
        let (name, expected) = ("channels of an image to write", "1 or 3");
        return Err(LinalgError::InvalidParam { name, expected, got: C as f64 }.into());
    }
    let bytes = encode(path, image, alpha, depth).map_err(|e| format_error(path, e))?;
    write_atomically(path, &bytes).map_err(|source| ImageError::File { path: path.into(), source })
}

impl<T: Scalar> AnyImage<T> {
    /// One channel: the image itself, or the luma of a colour image.
    #[must_use]
    pub fn into_gray(self) -> Gray<T> {
        match self {
            Self::Gray(g) => g,
            Self::Rgb(c) => c.to_gray(),
        }
    }

    /// Three channels: the image itself, or a grey image three times.
    #[must_use]
    pub fn into_rgb(self) -> Rgb<T> {
        match self {
            Self::Gray(g) => Image::from_parts(g.height(), g.width(), g.data().repeat(3)),
            Self::Rgb(c) => c,
        }
    }

    /// Height and width.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        match self {
            Self::Gray(g) => g.size(),
            Self::Rgb(c) => c.size(),
        }
    }
}

fn format_error(path: &Path, source: image::ImageError) -> ImageError {
    ImageError::Format { path: path.into(), source: source.into() }
}

fn decode(file: File, max_pixels: u64) -> Result<DynamicImage, image::ImageError> {
    let too_large = || image::ImageError::Limits(LimitError::from_kind(LimitErrorKind::DimensionError));
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format()?;
    let mut limits = Limits::default();
    // Eight bytes a pixel hold 16-bit RGBA; as much again for the decoder.
    limits.max_alloc = Some(max_pixels.saturating_mul(16).saturating_add(1 << 20));
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    // A damaged tag is no reason to refuse the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (w, h) = decoder.dimensions();
    if u64::from(w) * u64::from(h) > max_pixels {
        return Err(too_large());
    }
    let mut pixels = DynamicImage::from_decoder(decoder)?;
    pixels.apply_orientation(orientation);
    Ok(pixels)
}

fn level<T: Scalar, U: Into<f64>>(v: U, max: U) -> T {
    T::of(v.into() / max.into())
}

fn encode<T: Scalar, const C: usize>(
    path: &Path,
    image: ImageRef<'_, T, C>,
    alpha: Option<ImageRef<'_, T>>,
    depth: Depth,
) -> Result<Vec<u8>, image::ImageError> {
    let format = ImageFormat::from_path(path)?;
    let size_error = |_| image::ImageError::Limits(LimitError::from_kind(LimitErrorKind::DimensionError));
    let (w, h) = (
        u32::try_from(image.width()).map_err(size_error)?,
        u32::try_from(image.height()).map_err(size_error)?,
    );
    let opaque_only = matches!(format, ImageFormat::Jpeg | ImageFormat::Pnm);
    let alpha = alpha.filter(|_| !opaque_only);
    let depth = if format == ImageFormat::Jpeg { Depth::Eight } else { depth };
    let dynamic = match depth {
        Depth::Eight => layers::<T, C, u8>(w, h, image, alpha, 255.0, |v| v as u8),
        Depth::Sixteen => layers::<T, C, u16>(w, h, image, alpha, 65535.0, |v| v as u16),
    };
    // TIFF knows no grey with alpha.
    let dynamic = match (format, &dynamic) {
        (ImageFormat::Tiff, DynamicImage::ImageLumaA8(_)) => dynamic.into_rgba8().into(),
        (ImageFormat::Tiff, DynamicImage::ImageLumaA16(_)) => dynamic.into_rgba16().into(),
        _ => dynamic,
    };
    let mut bytes = Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => dynamic.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 95))?,
        ImageFormat::Pnm => return Ok(plain_pnm(w, h, C, &dynamic)),
        _ => dynamic.write_to(&mut bytes, format)?,
    }
    Ok(bytes.into_inner())
}

/// The pixels in levels `0..=max`, with alpha if there is one.
fn layers<T: Scalar, const C: usize, U>(
    w: u32,
    h: u32,
    image: ImageRef<'_, T, C>,
    alpha: Option<ImageRef<'_, T>>,
    max: f64,
    cast: impl Fn(f64) -> U,
) -> DynamicImage
where
    U: image::Primitive,
    ImageBuffer<Luma<U>, Vec<U>>: Into<DynamicImage>,
    ImageBuffer<LumaA<U>, Vec<U>>: Into<DynamicImage>,
    ImageBuffer<image::Rgb<U>, Vec<U>>: Into<DynamicImage>,
    ImageBuffer<Rgba<U>, Vec<U>>: Into<DynamicImage>,
    Luma<U>: image::Pixel<Subpixel = U>,
    LumaA<U>: image::Pixel<Subpixel = U>,
    image::Rgb<U>: image::Pixel<Subpixel = U>,
    Rgba<U>: image::Pixel<Subpixel = U>,
{
    let level = |v: T| cast((v.as_f64().clamp(0.0, 1.0) * max).round());
    let n = image.height() * image.width();
    let mut data = Vec::with_capacity(n * (C + usize::from(alpha.is_some())));
    for k in 0..n {
        data.extend((0..C).map(|c| level(image.data()[c * n + k])));
        data.extend(alpha.map(|a| level(a.data()[k])));
    }
    let size = "the buffer has one value a pixel and channel";
    match (C, alpha) {
        (1, None) => ImageBuffer::<Luma<U>, _>::from_raw(w, h, data).expect(size).into(),
        (1, Some(_)) => ImageBuffer::<LumaA<U>, _>::from_raw(w, h, data).expect(size).into(),
        (_, None) => ImageBuffer::<image::Rgb<U>, _>::from_raw(w, h, data).expect(size).into(),
        (_, Some(_)) => ImageBuffer::<Rgba<U>, _>::from_raw(w, h, data).expect(size).into(),
    }
}

/// PGM or PPM in the plain binary forms P5 and P6, which every program reads; the encoder at hand writes P7, and no 16 bits.
fn plain_pnm(w: u32, h: u32, channels: usize, pixels: &DynamicImage) -> Vec<u8> {
    let magic = if channels == 1 { "P5" } else { "P6" };
    let wide = pixels.color().bytes_per_pixel() as usize == 2 * channels;
    let mut out = format!("{magic}\n{w} {h}\n{}\n", if wide { 65535 } else { 255 }).into_bytes();
    if wide {
        // Most significant byte first; the samples in memory have the machine's order.
        let samples = pixels.as_bytes().chunks_exact(2);
        out.extend(samples.flat_map(|b| u16::from_ne_bytes([b[0], b[1]]).to_be_bytes()));
    } else {
        out.extend_from_slice(pixels.as_bytes());
    }
    out
}

fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let temporary: PathBuf = path.with_file_name(name);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        fs::remove_file(&temporary).ok();
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Dir(PathBuf);
    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("spm-image-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }
    impl Drop for Dir {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn lossless_formats_round_trip() {
        let dir = Dir::new("round-trip");
        for (depth, max) in [(Depth::Eight, 255.0), (Depth::Sixteen, 65535.0)] {
            let gray =
                Gray::new(3, 5, (0..15).map(|k| (f64::from(k) * 17.0 / max).min(1.0)).collect()).unwrap();
            let rgb = Rgb::new(2, 4, (0..24).map(|k| f64::from(k) * 10.0 / max).collect()).unwrap();
            for ext in ["png", "tiff", "tif", "pgm"] {
                let path = dir.0.join(format!("g.{ext}"));
                write(&path, gray.view(), depth).unwrap();
                assert_eq!(read(&path).unwrap(), (AnyImage::Gray(gray.clone()), depth), "{ext} {depth:?}");
            }
            for ext in ["png", "tiff", "ppm"] {
                let path = dir.0.join(format!("c.{ext}"));
                write(&path, rgb.view(), depth).unwrap();
                assert_eq!(read(&path).unwrap(), (AnyImage::Rgb(rgb.clone()), depth), "{ext} {depth:?}");
            }
        }
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 7, "no temporary file stays behind");
        assert!(fs::read(dir.0.join("g.pgm")).unwrap().starts_with(b"P5"), "a plain PGM");
        assert!(fs::read(dir.0.join("c.ppm")).unwrap().starts_with(b"P6"), "a plain PPM");
    }

    #[test]
    fn clamps_rounds_and_writes_jpeg() {
        let dir = Dir::new("clamp");
        let img = Gray::<f32>::new(8, 8, [-0.3, 0.501, 1.0, 7.0].repeat(16)).unwrap();
        let path = dir.0.join("a.png");
        write(&path, img.view(), Depth::Eight).unwrap();
        let (back, _) = read::<f32>(&path).unwrap();
        let back = back.into_gray();
        assert_eq!(back.data()[..4], [0.0, 128.0 / 255.0, 1.0, 1.0]);
        let path = dir.0.join("flat.jpg");
        write(&path, Rgb::<f64>::new(8, 8, vec![0.5; 192]).unwrap().view(), Depth::Sixteen).unwrap();
        let (back, depth) = read::<f64>(&path).unwrap();
        assert_eq!((back.size(), depth), ((8, 8), Depth::Eight));
        assert!(back.into_rgb().data().iter().all(|v| (v - 0.5).abs() < 0.02));
    }

    #[test]
    fn transparency_is_kept() {
        let dir = Dir::new("alpha");
        let alpha = Gray::new(2, 3, (0..6).map(|k| f64::from(k) / 5.0).collect()).unwrap();
        for depth in [Depth::Eight, Depth::Sixteen] {
            let gray = Gray::new(2, 3, (0..6).map(|k| 1.0 - f64::from(k) / 5.0).collect()).unwrap();
            let rgb = Rgb::new(2, 3, (0..18).map(|k| f64::from(k) / 17.0).collect()).unwrap();
            for ext in ["png", "tiff"] {
                let path = dir.0.join(format!("a.{ext}"));
                let of = |image| Picture { image, alpha: Some(alpha.clone()), depth };
                of(AnyImage::Gray(gray.clone())).write(&path, gray.view()).unwrap();
                let back = read_picture::<f64>(&path).unwrap();
                assert_eq!((back.alpha.as_ref(), back.depth), (Some(&alpha), depth), "{ext}");
                assert_eq!(back.image.into_gray().size(), (2, 3));
                let picture = of(AnyImage::Rgb(rgb.clone()));
                picture.write(&path, rgb.view()).unwrap();
                assert_eq!(read_picture::<f64>(&path).unwrap().alpha.as_ref(), Some(&alpha));
                // Another size has no use for the old transparency; JPEG holds none.
                picture.write(&path, Gray::<f64>::zeros(4, 4).unwrap().view()).unwrap();
                assert_eq!(read_picture::<f64>(&path).unwrap().alpha, None);
                let path = dir.0.join("a.jpg");
                picture.write(&path, rgb.view()).unwrap();
                assert_eq!(read_picture::<f64>(&path).unwrap().alpha, None);
            }
        }
    }

    #[test]
    fn the_orientation_tag_is_obeyed() {
        let dir = Dir::new("orientation");
        let path = dir.0.join("o.jpg");
        // Bright on the left; with orientation 6 the viewer turns it clockwise: bright on top.
        let img =
            Gray::<f64>::new(8, 16, (0..128).map(|k| f64::from(u8::from(k % 16 < 8))).collect()).unwrap();
        write(&path, img.view(), Depth::Eight).unwrap();
        let bytes = fs::read(&path).unwrap();
        let exif =
            b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let tagged = [&bytes[..2], exif, &bytes[2..]].concat();
        fs::write(&path, tagged).unwrap();
        let (turned, _) = read::<f64>(&path).unwrap();
        let turned = turned.into_gray();
        assert_eq!(turned.size(), (16, 8));
        assert!(turned.get(0, 1, 4) > 0.9 && turned.get(0, 14, 4) < 0.1);
    }

    #[test]
    fn errors_name_the_file() {
        let dir = Dir::new("errors");
        let missing = dir.0.join("missing.png");
        let e = read::<f64>(&missing).unwrap_err();
        assert!(matches!(e, ImageError::File { .. }) && e.to_string().contains("missing.png"), "{e}");
        let img = Gray::new(9, 9, vec![0.25; 81]).unwrap();
        let e = write(dir.0.join("name.xyz"), img.view(), Depth::Eight).unwrap_err();
        assert!(matches!(e, ImageError::Format { .. }) && e.to_string().contains("name.xyz"), "{e}");
        let good = dir.0.join("good.png");
        write(&good, img.view(), Depth::Eight).unwrap();
        let bytes = fs::read(&good).unwrap();
        for (name, bytes) in
            [("cut.png", &bytes[..bytes.len() / 2]), ("text.png", b"not an image"), ("no.png", b"")]
        {
            let path = dir.0.join(name);
            fs::write(&path, bytes).unwrap();
            let e = read::<f64>(&path).unwrap_err();
            assert!(matches!(e, ImageError::Format { .. }) && e.to_string().contains(name), "{name}: {e}");
        }
        assert!(matches!(read_limited::<f64>(&good, 80), Err(ImageError::Format { .. })));
        assert!(read_limited::<f64>(&good, 81).is_ok());
        // A failed write leaves the old file alone.
        let e = write(dir.0.join("no-such-dir/a.png"), img.view(), Depth::Eight).unwrap_err();
        assert!(matches!(e, ImageError::File { .. }));
    }
}
