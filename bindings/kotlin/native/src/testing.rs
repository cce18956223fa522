//! The methods of `io.github.litestash.Testing`, for tests, the conformance runner and measurements.

use crate::error::{Result, Throw};
use crate::key::Passed;
use crate::stash::{Held, bytes, text};
use jni::EnvUnowned;
use jni::objects::{JByteArray, JClass, JObject};
use jni::sys::{jint, jlong};
use litestash_core::contract::format::{Format, SealedRow, Unlock};
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::interchange::{key_from_json, key_to_json, value_from_json, value_to_json};
use litestash_core::contract::limits::VALUE_BYTES_DEFAULT;
use litestash_core::contract::msgpack;
use litestash_core::contract::record::Record;
use litestash_core::contract::route::{Place, Route};
use litestash_core::{Error, ErrorKind, Key, KeyRef, Value, Version};
use std::time::Duration;

/// Moves the clock of a stash that was opened with a fixed one.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_advance<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    us: jlong,
) {
    env.with_env(|_| -> Result<()> {
        Held::of(handle).clock.iter().for_each(|clock| clock.advance(us));
        Ok(())
    })
    .resolve::<Throw>();
}

/// Has everybody log changes for that long.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_watch<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    us: jlong,
) {
    env.with_env(|_| -> Result<()> {
        let us =
            u64::try_from(us).map_err(|_| Error::new(ErrorKind::InvalidArgument, "a time is positive"))?;
        Ok(Held::of(handle).stash.log_changes(Duration::from_micros(us))?)
    })
    .resolve::<Throw>();
}

/// Fails with the error of that number; 0 panics.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_fail<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    number: jint,
) {
    env.with_env(|_| -> Result<()> {
        assert!(number != 0, "a panic that a test asked for");
        let kind = u16::try_from(number).ok().and_then(ErrorKind::from_number).unwrap_or(ErrorKind::Internal);
        Err(Error::new(kind, "a test asked for this").into())
    })
    .resolve::<Throw>();
}

/// The numbers and names of all kinds of errors, as an encoded map of names.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_kinds<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| -> Result<JByteArray<'local>> {
        let kinds = ErrorKind::ALL.iter().map(|kind| {
            let facts = vec![Value::Int(kind.number().into()), Value::Text(kind.retry().name().into())];
            (kind.name().to_owned(), Value::Array(facts))
        });
        encoded(env, &Value::Map(kinds.collect()))
    })
    .resolve::<Throw>()
}

fn encoded<'local>(env: &mut jni::Env<'local>, value: &Value) -> Result<JByteArray<'local>> {
    let mut out = Vec::new();
    msgpack::encode(value, &mut out)?;
    Ok(env.byte_array_from_slice(&out)?)
}

/// The canonical encoding of the value that a JSON text stands for.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_valueFromJson<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    json: JByteArray<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| {
        let value = value_from_json(&text(env, &json)?)?;
        encoded(env, &value)
    })
    .resolve::<Throw>()
}

/// The JSON text of an encoded value.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_valueToJson<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    encoded: JByteArray<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| -> Result<JByteArray<'local>> {
        let mut json = String::new();
        value_to_json(&msgpack::decode(&bytes(env, &encoded)?)?, &mut json);
        Ok(env.byte_array_from_slice(json.as_bytes())?)
    })
    .resolve::<Throw>()
}

/// The key that a JSON text stands for, as an encoded value.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_keyFromJson<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    json: JByteArray<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| {
        let value = match key_from_json(&text(env, &json)?)? {
            Key::Text(text) => Value::Text(text),
            Key::Int(int) => Value::Int(int),
            Key::Float(float) => Value::Float(float.get()),
            Key::Bytes(bytes) => Value::Bytes(bytes),
        };
        encoded(env, &value)
    })
    .resolve::<Throw>()
}

/// What becomes of a key, as JSON.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_keyFacts<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    kind: jint,
    number: jlong,
    key: JByteArray<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| {
        Passed { kind, number, bytes: &key }.with(env, |env, key| {
            let key = key.check()?;
            let storage = match key {
                KeyRef::Text(_) => "text",
                KeyRef::Int(_) => "integer",
                KeyRef::Float(_) => "real",
                KeyRef::Bytes(_) => "blob",
            };
            let hash = KeyHash::of(key);
            let Route { shard, slot } = Route::of(&hash);
            let mut json = String::new();
            key_to_json(key, &mut json);
            let facts = format!(
                r#"{{"key":{json},"storage":"{storage}","hash":"{hash}","shard":{},"slot":{}}}"#,
                shard.number(),
                slot.number()
            );
            Ok(env.byte_array_from_slice(facts.as_bytes())?)
        })
    })
    .resolve::<Throw>()
}

/// CRC-32 as records have it.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_crc<'local>(
    mut env: EnvUnowned<'local>,
    _class: JObject<'local>,
    data: JByteArray<'local>,
) -> jlong {
    env.with_env(|env| -> Result<jlong> { Ok(crc32fast::hash(&bytes(env, &data)?).into()) })
        .resolve::<Throw>()
}

/// The parts of a stored record, as JSON.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_recordFacts<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    hash: JByteArray<'local>,
    timestamp: jlong,
    microsecond: jlong,
    stored: JByteArray<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| -> Result<JByteArray<'local>> {
        let corrupt = |message| Error::new(ErrorKind::Corrupt, message);
        let hash = KeyHash::from_slice(&bytes(env, &hash)?).ok_or_else(|| corrupt("a hash has 64 bytes"))?;
        let stored = bytes(env, &stored)?;
        let version = Version::from_columns(timestamp, microsecond)?;
        let facts = facts(&Format::plain().decode(&Place::of(hash), version, &stored)?)?;
        Ok(env.byte_array_from_slice(format!("{{{facts}}}").as_bytes())?)
    })
    .resolve::<Throw>()
}

/// The members that tell what is in a record.
fn facts(record: &Record<'_>) -> Result<String> {
    msgpack::validate(&record.body)
        .map_err(|_| Error::new(ErrorKind::Corrupt, "the body is not canonical"))?;
    let number = |number: Option<i128>| number.map_or_else(|| "null".to_owned(), |it| it.to_string());
    let body: String = record.body.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(
        r#""flags":{},"expires_at":{},"idle_us":{},"body":"{body}""#,
        record.flags,
        number(record.expiry.expires_at.map(Into::into)),
        number(record.expiry.idle_us.map(Into::into)),
    ))
}

/// Opens a row of an encrypted stash: its key and the parts of its record, as JSON. `place` is shard and
/// slot.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_sealedFacts<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    keyring: JByteArray<'local>,
    secret: JByteArray<'local>,
    bucket: JByteArray<'local>,
    place: JByteArray<'local>,
    hash: JByteArray<'local>,
    key: JByteArray<'local>,
    timestamp: jlong,
    microsecond: jlong,
    record: JByteArray<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| -> Result<JByteArray<'local>> {
        let (bucket, place) = (text(env, &bucket)?, bytes(env, &place)?);
        let [shard, slot] = *place.as_slice() else {
            return Err(Error::new(ErrorKind::InvalidArgument, "a place is shard and slot").into());
        };
        let (key_hash, key, record) = (bytes(env, &hash)?, bytes(env, &key)?, bytes(env, &record)?);
        let row = SealedRow {
            bucket: &bucket,
            shard,
            slot,
            key_hash: &key_hash,
            key: &key,
            timestamp,
            microsecond,
            record: &record,
        };
        let unlock = Unlock::key(&bytes(env, &secret)?)?;
        let (key, record) = row.open(&bytes(env, &keyring)?, &unlock, VALUE_BYTES_DEFAULT)?;
        let mut json = String::new();
        key_to_json(key.as_ref(), &mut json);
        let facts = format!(r#"{{"key":{json},{}}}"#, facts(&record)?);
        Ok(env.byte_array_from_slice(facts.as_bytes())?)
    })
    .resolve::<Throw>()
}

/// Nanoseconds that each of so many gets and sets of the engine takes here, without Java: to measure against.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_Testing_measure<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    handle: jlong,
    prefix: JByteArray<'local>,
    keys: jint,
    count: jint,
    value: JByteArray<'local>,
) -> jlong {
    env.with_env(|env| -> Result<jlong> {
        let (prefix, stash) = (text(env, &prefix)?, &Held::of(handle).stash);
        let keys: Vec<_> = (0..keys.max(1)).map(|number| format!("{prefix}{number}")).collect();
        let value = if value.is_null() { None } else { Some(bytes(env, &value)?) };
        let started = std::time::Instant::now();
        for key in keys.iter().cycle().take(count.max(1).cast_unsigned() as usize) {
            match &value {
                Some(value) => drop(stash.set_encoded(key.as_str(), value.clone(), Default::default())?),
                None => drop(std::hint::black_box(stash.get_encoded(key.as_str())?)),
            }
        }
        let each = started.elapsed().as_nanos() / u128::from(count.max(1).cast_unsigned());
        Ok(i64::try_from(each).unwrap_or(i64::MAX))
    })
    .resolve::<Throw>()
}
