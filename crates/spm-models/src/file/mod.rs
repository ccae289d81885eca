//! Model files: safe to open, refused when damaged, readable after an upgrade.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 4 | magic `SPM\x1a` |
//! | 4 | 2 | format, now 1 |
//! | 6 | 1 | codec of the payload, now 1 |
//! | 7 | 1 | flags; bit 0: the numbers are `f32` |
//! | 8 | 4 | kind of model |
//! | 12 | 8 | payload length |
//! | 20 | 4 | CRC-32 of bytes 0–19 |
//! | 24 | n | payload |
//! | 24 + n | 4 | CRC-32 of everything before |
//!
//! All numbers are little-endian, of fixed width. The payload is a [`Description`] followed by the model. Reading checks, in
//! this order: size cap, magic, header checksum, format, codec, flags, kind, that the payload length is what is there,
//! checksum, decoding (which allocates at most 4 KiB or 256 times the size of the file for a length that lies), that the whole payload was used, and
//! that the model makes sense ([`Model::validate`]). The checksum is against accident, not attack; the file holds
//! nothing but numbers and two kinds of names, so a hostile one can be wrong but not harmful.
//!
//! ```
//! use spm_models::dictionary::dct;
//! use spm_models::{Dictionary, file};
//! let d = dct::orthonormal_2d::<f64>(4)?;
//! let bytes = file::to_bytes(&d)?;
//! assert_eq!(file::from_bytes::<Dictionary<f64>>(&bytes)?, d);
//! assert_eq!(file::inspect_bytes(&bytes)?.name, "dictionary");
//! assert!(file::from_bytes::<Dictionary<f64>>(&bytes[..bytes.len() - 1]).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codec;
mod container;
mod error;
mod kinds;
mod save;

pub use container::{Description, Info, Shape, from_bytes, inspect_bytes, to_bytes};
pub use error::FileError;
pub use kinds::Model;
pub use save::{inspect, load, read, save, write};
