//! The options of a conformance script, and the operations that only scripts have (`conformance/PROTOCOL.md`).

use super::members::Members;
use super::{invalid, run_named};
use litestash_core::{Compression, CountingRandom, Limits, LiteStash, Options, Result, parse_key};
use serde::Deserialize;
use std::time::Duration;

/// The member `options` of a script.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptOptions {
    default_ttl_us: Option<u64>,
    encryption_key: Option<String>,
    compression: Option<ScriptCompression>,
    limits: Option<ScriptLimits>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptCompression {
    min_bytes: usize,
    level: i32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptLimits {
    rows: u64,
    eviction: ScriptEviction,
}

/// Which rows an eviction chooses is each implementation's own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScriptEviction {
    None,
}

impl ScriptOptions {
    /// Reads the JSON object.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|_| invalid("the script's options are malformed"))
    }

    /// Adds those that are given; the random bytes of a stash with a key are counted.
    pub fn apply(&self, mut options: Options) -> Result<Options> {
        if let Some(us) = self.default_ttl_us {
            options = options.default_ttl(Some(Duration::from_micros(us)));
        }
        if let Some(ScriptCompression { min_bytes, level }) = self.compression {
            options = options.compression(Compression { min_bytes, level });
        }
        if let Some(ScriptLimits { rows, eviction: ScriptEviction::None }) = self.limits {
            options = options.limits(Limits { rows: Some(rows), ..Limits::default() });
        }
        with_key(options, self.encryption_key.as_deref())
    }
}

/// Options with a key of hexadecimal digits.
pub fn with_key(options: Options, key: Option<&str>) -> Result<Options> {
    let Some(key) = key else { return Ok(options) };
    Ok(options.random(CountingRandom::default()).encryption_key(&*parse_key(key)?))
}

/// [`run_op`](super::run_op) with the operations on keys, which belong to scripts.
pub fn run_script_op(stash: &LiteStash, op: &str) -> Result<String> {
    let mut members = Members::parse(op)?;
    match members.required_text("op")?.as_str() {
        "rotate_key" => {
            members.finish()?;
            Ok(stash.rotate_key(|_| true)?.resealed.to_string())
        }
        "try_open" => {
            let key = members.text("encryption_key")?;
            members.finish()?;
            let directory = stash.path().ok_or_else(|| invalid("a stash in memory is opened once"))?;
            with_key(Options::new().read_only(true), key.as_deref())?.open(directory)?.close()?;
            Ok("null".to_owned())
        }
        name => run_named(stash, name, members),
    }
}
