//! The typed view: any `serde` type to and from canonical bytes.
//!
//! The rule of each Rust type stands in `docs/CONTRACT.md` 8, "Types of each language".

mod de;
mod error;
mod ser;
mod special;

pub use de::{from_bytes, from_valid_bytes};
pub(super) use ser::{Entries, Sequence, Writer};
pub use ser::{to_bytes, to_value};

#[cfg(test)]
mod tests;
