//! The Universal Data Contract (`docs/CONTRACT.md`), as pure functions.
//!
//! Every byte of a shard file is decided here. Nothing below this module knows a file, a clock, a random
//! source or SQLite.

pub mod bucket;
pub mod format;
pub mod hash;
pub mod intent;
pub mod interchange;
pub mod key;
pub mod limits;
pub mod msgpack;
pub mod record;
pub mod route;
pub mod schema;
pub mod typed;
pub mod value;
pub mod version;
