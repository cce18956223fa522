//! The LiteStash engine.
pub mod contract;
pub mod env;
pub mod error;
pub use error::{Error, ErrorKind, Result, Retry};
