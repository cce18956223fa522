//! The native part of the Python package `litestash`: conversions between Python's objects and canonical MessagePack,
//! and the engine's operations. The package's own classes are built on it.
//!
//! A call holds the interpreter's lock only for as long as nothing can make it wait: a value that the cache has is
//! answered at once, everything else runs detached (`wait`).

mod batch;
mod care;
mod compute;
mod deadline;
mod decode;
mod encode;
mod error;
mod events;
mod handle;
mod key;
mod memo;
mod names;
mod open;
mod scan;
mod stash;
#[cfg(feature = "testing")]
mod testing;
mod timestamp;
mod wait;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _litestash {
    #[cfg(feature = "testing")]
    #[pymodule_export]
    use super::testing::{
        advance_clock, crc, decode_value, encode_value, key_facts, key_from_interchange, record_facts,
        sealed_facts, value_from_interchange, value_to_interchange,
    };
    #[pymodule_export]
    use super::{
        batch::Op, care::repair, events::Event, events::Subscription, scan::Scan, stash::Entry, stash::Stash,
        timestamp::Timestamp, wait::begin_exit,
    };
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("sqlite_version", litestash_core::sqlite_version())
    }
}
