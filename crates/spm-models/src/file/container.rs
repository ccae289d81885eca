//! The container: header, payload, checksums.

use serde::{Deserialize, Serialize};

use super::codec::{self, BINCODE_2, MAX_PAYLOAD};
use super::{FileError, Model};

const MAGIC: [u8; 4] = *b"SPM\x1a";
const FORMAT: u16 = 1;
const HEADER: usize = 24;
const CHECKSUM: usize = 4;
/// Flag bit 0.
const SINGLE: u8 = 1;
/// The largest file that is read.
pub(super) const MAX_FILE: usize = MAX_PAYLOAD + HEADER + CHECKSUM;

/// The name and shape of an array of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Shape {
    /// What the array is called.
    pub name: String,
    /// Its dimensions, rows first.
    pub dims: Vec<u64>,
}

impl Shape {
    /// A shape.
    #[must_use]
    pub fn new(name: &str, dims: &[usize]) -> Self {
        Self { name: name.to_owned(), dims: dims.iter().map(|&n| n as u64).collect() }
    }
}

/// What the payload says about the model, readable without knowing the kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// The name of the kind.
    pub name: String,
    /// Its arrays.
    pub shapes: Vec<Shape>,
}

impl Description {
    fn of(model: &impl Model) -> Self {
        fn name<M: Model>(_: &M) -> String {
            M::NAME.to_owned()
        }
        Self { name: name(model), shapes: model.shapes() }
    }
}

/// What a model file is, as `spm info` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Info {
    /// Version of the container format.
    pub format: u16,
    /// Codec of the payload.
    pub codec: u8,
    /// `f32` or `f64`.
    pub scalar: &'static str,
    /// Number of the kind.
    pub kind: u32,
    /// Name of the kind.
    pub name: String,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// The CRC-32 of header and payload.
    pub checksum: u32,
    /// The arrays of the model.
    pub shapes: Vec<Shape>,
}

struct Header {
    format: u16,
    codec: u8,
    flags: u8,
    kind: u32,
    payload: u64,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..4].copy_from_slice(&MAGIC);
        out[4..6].copy_from_slice(&self.format.to_le_bytes());
        out[6] = self.codec;
        out[7] = self.flags;
        out[8..12].copy_from_slice(&self.kind.to_le_bytes());
        out[12..20].copy_from_slice(&self.payload.to_le_bytes());
        let crc = crc32fast::hash(&out[..20]);
        out[20..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Checks everything but the kind.
    fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        let got = bytes.len() as u64;
        let start = bytes.len().min(4);
        if bytes[..start] != MAGIC[..start] {
            return Err(FileError::NotAModel);
        }
        let header = bytes.first_chunk::<HEADER>();
        let b = header.ok_or(FileError::Truncated { expected: (HEADER + CHECKSUM) as u64, got })?;
        if crc32fast::hash(&b[..20]) != u32::from_le_bytes([b[20], b[21], b[22], b[23]]) {
            return Err(FileError::Checksum);
        }
        let this = Self {
            format: u16::from_le_bytes([b[4], b[5]]),
            codec: b[6],
            flags: b[7],
            kind: u32::from_le_bytes([b[8], b[9], b[10], b[11]]),
            payload: u64::from_le_bytes([b[12], b[13], b[14], b[15], b[16], b[17], b[18], b[19]]),
        };
        let known =
            |what, got: u32, ok: bool| if ok { Ok(()) } else { Err(FileError::Unsupported { what, got }) };
        known("format", this.format.into(), this.format == FORMAT)?;
        known("codec", this.codec.into(), this.codec == BINCODE_2)?;
        known("flags", this.flags.into(), this.flags & !SINGLE == 0)?;
        Ok(this)
    }

    fn scalar(&self) -> &'static str {
        if self.flags & SINGLE == 0 { "f64" } else { "f32" }
    }
}

/// The bytes of a model file.
///
/// # Errors
/// [`FileError::Invalid`] if the model makes no sense, so that what is saved can be loaded;
/// [`FileError::TooLarge`] beyond 1 GiB.
pub fn to_bytes<M: Model>(model: &M) -> Result<Vec<u8>, FileError> {
    model.validate()?;
    let payload = codec::encode(&(Description::of(model), model))?;
    let flags = if M::SCALAR_BYTES == 4 { SINGLE } else { 0 };
    let header =
        Header { format: FORMAT, codec: BINCODE_2, flags, kind: M::KIND, payload: payload.len() as u64 };
    let mut out = Vec::with_capacity(HEADER + payload.len() + CHECKSUM);
    out.extend_from_slice(&header.to_bytes());
    out.extend_from_slice(&payload);
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(out)
}

/// The model in the bytes of a file.
///
/// # Errors
/// [`FileError`]: anything but the exact bytes of a valid model of this kind is refused.
pub fn from_bytes<M: Model>(bytes: &[u8]) -> Result<M, FileError> {
    size(bytes)?;
    let header = Header::from_bytes(bytes)?;
    if header.kind != M::KIND {
        return Err(FileError::WrongKind { expected: M::KIND, name: M::NAME, got: header.kind });
    }
    let expected = if M::SCALAR_BYTES == 4 { "f32" } else { "f64" };
    if header.scalar() != expected {
        return Err(FileError::WrongScalar { expected, got: header.scalar() });
    }
    let (payload, _) = payload(bytes, &header)?;
    let ((description, model), used) = codec::decode::<(Description, M)>(payload)?;
    if used != payload.len() {
        return Err(FileError::TrailingBytes { extra: (payload.len() - used) as u64 });
    }
    model.validate()?;
    if description != Description::of(&model) {
        return Err(FileError::Payload("the description does not fit the model".into()));
    }
    Ok(model)
}

/// What the bytes of a file hold, of whatever kind. The model itself is not decoded.
///
/// # Errors
/// [`FileError`] if the container is damaged.
pub fn inspect_bytes(bytes: &[u8]) -> Result<Info, FileError> {
    size(bytes)?;
    let header = Header::from_bytes(bytes)?;
    let (payload, checksum) = payload(bytes, &header)?;
    let (Description { name, shapes }, _) = codec::decode(payload)?;
    Ok(Info {
        format: header.format,
        codec: header.codec,
        scalar: header.scalar(),
        kind: header.kind,
        name,
        payload_bytes: header.payload,
        checksum,
        shapes,
    })
}

fn size(bytes: &[u8]) -> Result<(), FileError> {
    if bytes.len() > MAX_FILE {
        return Err(FileError::TooLarge { got: bytes.len() as u64, limit: MAX_FILE as u64 });
    }
    Ok(())
}

/// The payload and the checksum, once length and checksum are right.
fn payload<'a>(bytes: &'a [u8], header: &Header) -> Result<(&'a [u8], u32), FileError> {
    let (got, frame) = (bytes.len() as u64, (HEADER + CHECKSUM) as u64);
    let expected = header.payload.saturating_add(frame);
    if got < expected {
        return Err(FileError::Truncated { expected, got });
    }
    if got > expected {
        return Err(FileError::TrailingBytes { extra: got - expected });
    }
    let (body, crc) = bytes.split_at(bytes.len() - CHECKSUM);
    let checksum = u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]);
    if crc32fast::hash(body) != checksum {
        return Err(FileError::Checksum);
    }
    Ok((&body[HEADER..], checksum))
}
