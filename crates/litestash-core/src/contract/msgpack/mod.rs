//! Canonical MessagePack (`docs/CONTRACT.md` 8): every value has exactly one encoding.
//!
//! [`mod@write`] and [`read`] know single tokens; [`encode()`], [`decode()`] and
//! [`validate()`] know whole values.

mod decode;
mod encode;
pub mod read;
pub mod write;

pub(crate) use decode::vector;
pub use decode::{decode, validate};
pub use encode::encode;
pub(crate) use encode::{Budget, deeper};

/// MessagePack's extension type of timestamps.
const EXT_TIMESTAMP: i8 = -1;

/// The contract's extension type of binary32 vectors.
const EXT_VECTOR: i8 = 1;

#[cfg(test)]
pub(crate) mod tests;
