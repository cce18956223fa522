//! Keys and values as JSON, without loss (`docs/INTERCHANGE.md`).

mod encoded;
mod line;
mod numbers;
mod read;
mod tag;
mod write;

pub use encoded::EncodedLine;
pub use line::Line;
pub use read::{key_from_json, value_from_json};
pub use write::{key_to_json, value_to_json};

#[cfg(test)]
mod tests;
