//! The uses of the engine's options that not every version of it has.

use crate::store::{Level, Peer};
use litestash_core::{Durability, Options};

/// Whether [`cache_bytes`] does anything, and with it [`Peer::LiteStashUncached`].
pub(crate) const HAS_CACHE: bool = false;

/// Whether [`Peer::LiteStashRelaxed`] can be measured.
pub(crate) const HAS_RELAXED: bool = false;

/// Limits the read cache; 0 turns it off.
pub(crate) fn cache_bytes(options: Options, _bytes: usize) -> Options {
    options
}

pub(crate) fn durability(peer: Peer, level: Level) -> Durability {
    match (peer, level) {
        (Peer::LiteStashRelaxed, _) => unreachable!("this engine has no relaxed durability"),
        (_, Level::NoSync) => Durability::Normal,
        (_, Level::FullSync) => Durability::Full,
    }
}
