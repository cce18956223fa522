//! How the stash is opened: from the command line or by the client's hello.

use crate::request::{Members, malformed};
use crate::single;
use litestash_core::{
    BucketOptions, Compression, ComputeOptions, Condition, Durability, Eviction, Limits, Options, Result,
    Zeroizing, read_key_file, read_passphrase_file,
};
#[cfg(feature = "conformance")]
use std::sync::LazyLock;
use std::time::Duration;

/// What a hello says of the stash.
pub(crate) struct Settings {
    pub(crate) options: Options,
    /// The clock that `tick` moves.
    #[cfg(feature = "conformance")]
    pub(crate) clock: Option<litestash_core::FixedClock>,
}

/// Takes the options of a hello.
pub(crate) fn take(members: &mut Members) -> Result<Settings> {
    let mut options = Options::new();
    if let Some(create) = members.flag("create")? {
        options = options.create(create);
    }
    if let Some(read_only) = members.flag("read_only")? {
        options = options.read_only(read_only);
    }
    if let Some(immutable) = members.flag("immutable")? {
        options = options.immutable(immutable);
    }
    if let Some(allow) = members.flag("allow_network_file_system")? {
        options = options.allow_network_file_system(allow);
    }
    if let Some(level) = members.text("durability")? {
        options = options.durability(durability(&level)?);
    }
    if let Some(ms) = members.size("busy_timeout_ms")? {
        options = options.busy_timeout(Duration::from_millis(ms));
    }
    if let Some(bytes) = members.size("cache_bytes")? {
        options = options.cache_bytes(size(bytes)?);
    }
    if let Some(bytes) = members.size("value_bytes_max")? {
        options = options.value_bytes_max(size(bytes)?);
    }
    if let Some(us) = members.size("default_ttl_us")? {
        options = options.default_ttl(Some(Duration::from_micros(us)));
    }
    if let Some(background) = members.flag("background")? {
        options = options.background(background);
    }
    options = options.limits(limits(members)?).compression(compression(members)?);
    options = unlock(members, options)?;
    #[cfg(feature = "conformance")]
    {
        options = options.origin(1);
    }
    #[cfg(feature = "conformance")]
    let clock = members.int("clock_us")?.map(litestash_core::FixedClock::new);
    #[cfg(feature = "conformance")]
    if let Some(clock) = &clock {
        options = options.clock(clock.clone());
    }
    #[cfg(feature = "conformance")]
    if members.flag("counted_random")? == Some(true) {
        // A stash that is opened again goes on where it was.
        static RANDOM: LazyLock<litestash_core::CountingRandom> = LazyLock::new(Default::default);
        options = options.random(RANDOM.clone());
    }
    Ok(Settings {
        options,
        #[cfg(feature = "conformance")]
        clock,
    })
}

/// `compression`: true, or its options.
fn compression(members: &mut Members) -> Result<Option<Compression>> {
    let Some(mut members) = members.choice("compression")? else { return Ok(None) };
    let mut compression = Compression::default();
    if let Some(bytes) = members.size("min_bytes")? {
        compression.min_bytes = size(bytes)?;
    }
    if let Some(level) = members.int("level")? {
        compression.level = i32::try_from(level).map_err(|_| malformed("level is 1 to 19"))?;
    }
    members.end()?;
    Ok(Some(compression))
}

/// `encryption_key` or `key_file`, `passphrase` or `passphrase_file`.
fn unlock(members: &mut Members, options: Options) -> Result<Options> {
    let key = members.bytes("encryption_key")?.map(Zeroizing::new);
    let passphrase = members.text("passphrase")?.map(Zeroizing::new);
    let key_file = members.text("key_file")?;
    let passphrase_file = members.text("passphrase_file")?;
    let given = [key.is_some(), passphrase.is_some(), key_file.is_some(), passphrase_file.is_some()];
    if given.into_iter().filter(|given| *given).count() > 1 {
        return Err(malformed("one key or one passphrase is given, or none"));
    }
    let key = key.map_or_else(|| key_file.map(read_key_file).transpose(), |key| Ok(Some(key)))?;
    let from_file = || passphrase_file.map(read_passphrase_file).transpose();
    let passphrase = passphrase.map_or_else(from_file, |passphrase| Ok(Some(passphrase)))?;
    Ok(match (key, passphrase) {
        (Some(key), _) => options.encryption_key(&*key),
        (None, Some(passphrase)) => options.passphrase(&*passphrase),
        (None, None) => options,
    })
}

/// What a bucket has of its own.
pub(crate) fn take_bucket(members: &mut Members) -> Result<BucketOptions> {
    let mut options = BucketOptions::new().limits(limits(members)?);
    if let Some(level) = members.text("durability")? {
        options = options.durability(durability(&level)?);
    }
    if let Some(bytes) = members.size("value_bytes_max")? {
        options = options.value_bytes_max(size(bytes)?);
    }
    if let Some(cache) = members.flag("cache")? {
        options = options.cache(cache);
    }
    if let Some(us) = members.size("default_ttl_us")? {
        options = options.default_ttl((us > 0).then(|| Duration::from_micros(us)));
    }
    Ok(options)
}

/// How a missing value is computed: a deadline, `across_processes`, `lease_us` and `stale_while_revalidate_us`.
pub(crate) fn take_compute(members: &mut Members) -> Result<ComputeOptions> {
    let mut options = ComputeOptions::from(single::set_options(members, Some(Condition::Always))?);
    if let Some(across) = members.flag("across_processes")? {
        options.across_processes = across;
    }
    if let Some(us) = members.size("lease_us")? {
        options.lease = Duration::from_micros(us);
    }
    options.stale_while_revalidate = members.size("stale_while_revalidate_us")?.map(Duration::from_micros);
    Ok(options)
}

/// `max_bytes`, `max_rows` and `eviction`.
fn limits(members: &mut Members) -> Result<Limits> {
    let (bytes, rows) = (members.size("max_bytes")?, members.size("max_rows")?);
    let eviction = match members.text("eviction")?.as_deref() {
        None | Some("none") => Eviction::None,
        Some("least_recently_stored") => Eviction::LeastRecentlyStored,
        Some("least_recently_used") => Eviction::LeastRecentlyUsed,
        Some("least_frequently_used") => Eviction::LeastFrequentlyUsed,
        Some("random") => Eviction::Random,
        Some(_) => return Err(malformed("there is no eviction of this name")),
    };
    Ok(Limits { bytes, rows, eviction })
}

/// The level of that name.
pub(crate) fn durability(name: &str) -> Result<Durability> {
    match name {
        "relaxed" => Ok(Durability::Relaxed),
        "normal" => Ok(Durability::Normal),
        "full" => Ok(Durability::Full),
        _ => Err(malformed("durability is relaxed, normal or full")),
    }
}

fn size(bytes: u64) -> Result<usize> {
    usize::try_from(bytes).map_err(|_| malformed("a size is beyond this machine's memory"))
}
