//! The only place that names the serialisation library.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::FileError;

/// bincode 2 through serde: little-endian, fixed-width integers.
pub(super) const BINCODE_2: u8 = 1;

/// No payload is larger.
pub(super) const MAX_PAYLOAD: usize = 1 << 30;

fn config<const LIMIT: usize>() -> impl bincode::config::Config {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT>()
}

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, FileError> {
    let encoded = bincode::serde::encode_to_vec(value, config::<MAX_PAYLOAD>());
    let bytes = encoded.map_err(|e| FileError::Payload(e.into()))?;
    if bytes.len() > MAX_PAYLOAD {
        return Err(FileError::TooLarge { got: bytes.len() as u64, limit: MAX_PAYLOAD as u64 });
    }
    Ok(bytes)
}

/// The value at the start of `bytes` and how many bytes it took.
///
/// A text is allocated before it is read, so that a length in the file could ask for all the memory that the limit
/// allows. What is valid claims no more than it takes in the file: the limit, a constant of the type, is the next of
/// a few above that.
pub(super) fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Result<(V, usize), FileError> {
    fn within<V: DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Result<(V, usize), FileError> {
        bincode::serde::decode_from_slice(bytes, config::<LIMIT>()).map_err(|e| FileError::Payload(e.into()))
    }
    match bytes.len() {
        0..=0x1000 => within::<V, 0x1000>(bytes),
        0x1001..=0x10_0000 => within::<V, 0x10_0000>(bytes),
        0x10_0001..=0x400_0000 => within::<V, 0x400_0000>(bytes),
        _ => within::<V, MAX_PAYLOAD>(bytes),
    }
}
