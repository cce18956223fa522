//! The levels of durability and what each promises after a power cut.

use litestash_core::Durability;

/// Which acknowledged writes must be there after a power cut. Of the others each shard keeps a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// All.
    Acknowledged,
    /// Those acknowledged before a `sync()`, or a sync of the shard's log, began that has returned.
    Logged,
    /// Those acknowledged before a `sync()` began that has returned.
    Barrier,
}

/// A level of durability.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    pub(crate) name: &'static str,
    pub(crate) durability: Durability,
    pub(crate) promise: Promise,
}

/// All levels. The one place that knows their names.
pub(crate) const LEVELS: &[Level] = &[
    Level { name: "full", durability: Durability::Full, promise: Promise::Acknowledged },
    Level { name: "normal", durability: Durability::Normal, promise: Promise::Logged },
    Level { name: "relaxed", durability: Durability::Relaxed, promise: Promise::Barrier },
];

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = LEVELS.iter().find(|level| level.name == name).copied();
        known.ok_or_else(|| {
            format!("the levels are {}", LEVELS.iter().map(|l| l.name).collect::<Vec<_>>().join(", "))
        })
    }
}
