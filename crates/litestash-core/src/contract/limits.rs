//! Every bound of the contract (`docs/CONTRACT.md` 10), with its unit in the name.

/// Longest key: UTF-8 bytes of a text key, length of a byte key.
pub const KEY_BYTES_MAX: usize = 2048;

/// Longest canonical body of one value, unless the stash was opened with another bound: 64 MiB.
pub const VALUE_BYTES_DEFAULT: usize = 64 << 20;

/// The greatest bound a stash can be opened with: 950 MiB, which leaves room for the other columns in
/// SQLite's row limit of 10⁹ bytes (<https://www.sqlite.org/limits.html>).
pub const VALUE_BYTES_MAX: usize = 950 << 20;

/// Deepest nesting: the number of arrays and maps on a path.
pub const DEPTH_MAX: usize = 64;

/// Most values in one record: the outermost one, every array element and every map value.
pub const VALUES_MAX: usize = 1 << 22;

/// Most operations in one batch.
pub const BATCH_OPERATIONS_MAX: usize = 10_000;

/// Most bytes of keys and bodies in one batch.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// Shard files of a stash.
pub const SHARDS: usize = 16;

/// Tables of a shard file.
pub const SLOTS: usize = 4;

/// The longest lease of a computation, in microseconds: ten minutes.
pub const LEASE_US_MAX: i64 = 600_000_000;
