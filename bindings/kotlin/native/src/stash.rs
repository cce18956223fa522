//! The methods of `io.github.litestash.internal.Handle`.

use crate::error::{Failure, Result, Throw};
use crate::key::Passed;
use jni::objects::{JByteArray, JClass, JObject};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned};
use litestash_core::contract::msgpack;
use litestash_core::{Error, ErrorKind, FixedClock, KeyRef, LiteStash, Peek, SetOptions, Version};
use litestash_engine::inline::{self, Reply};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a handle is the address of.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) stash: LiteStash,
    /// The clock of tests.
    pub(crate) clock: Option<FixedClock>,
}

impl Held {
    fn give(stash: LiteStash, clock: Option<FixedClock>) -> jlong {
        Box::into_raw(Box::new(Self { stash, clock })) as jlong
    }

    /// What a handle holds.
    pub(crate) fn of<'a>(handle: jlong) -> &'a Self {
        // SAFETY: Java gives addresses that `give` returned, and frees each only when no method of its owner runs any
        // more (`Handle.kt`), so it lives through the call.
        unsafe { &*(handle as *const Self) }
    }
}

/// The bytes of a Java array.
pub(crate) fn bytes(env: &Env<'_>, array: &JByteArray<'_>) -> Result<Vec<u8>> {
    Ok(env.convert_byte_array(array)?)
}

/// UTF-8 that Java encoded.
pub(crate) fn text(env: &Env<'_>, array: &JByteArray<'_>) -> Result<String> {
    String::from_utf8(bytes(env, array)?)
        .map_err(|_| Error::new(ErrorKind::InvalidArgument, "text is not valid Unicode").into())
}

fn path(env: &Env<'_>, array: &JByteArray<'_>) -> Result<PathBuf> {
    text(env, array).map(PathBuf::from)
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_open<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    directory: JByteArray<'local>,
    options: JByteArray<'local>,
) -> jlong {
    env.with_env(|env| -> Result<jlong> {
        let directory = if directory.is_null() { None } else { Some(path(env, &directory)?) };
        let opened = inline::open(directory.as_deref().map(Path::new), &bytes(env, &options)?)?;
        Ok(Held::give(opened.stash, opened.clock))
    })
    .resolve::<Throw>()
}

/// Frees a handle. Java calls this once, when the owner cannot be reached any more.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_free<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    handle: jlong,
) {
    env.with_env(|_| -> Result<()> {
        // SAFETY: the address is of a box that `give` let go of; nobody has it any more.
        drop(unsafe { Box::from_raw(handle as *mut Held) });
        Ok(())
    })
    .resolve::<Throw>();
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_close<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
) {
    env.with_env(|_| -> Result<()> { Ok(Held::of(handle).stash.close()?) }).resolve::<Throw>();
}

/// A value; null for a miss.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_get<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    kind: jint,
    number: jlong,
    key: JByteArray<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| {
        Passed { kind, number, bytes: &key }.with(env, |env, key| {
            let stash = &Held::of(handle).stash;
            let found = stash.peek_encoded(key, |encoded| env.byte_array_from_slice(encoded))?;
            match found {
                Peek::Found(array) => Ok(array?),
                Peek::Missing => Ok(JByteArray::default()),
                Peek::Unknown => match stash.get_encoded(key)? {
                    Some(encoded) => Ok(env.byte_array_from_slice(&encoded)?),
                    None => Ok(JByteArray::default()),
                },
            }
        })
    })
    .resolve::<Throw>()
}

/// Stores a value without options; its version.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_set<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    kind: jint,
    number: jlong,
    key: JByteArray<'local>,
    value: JByteArray<'local>,
) -> jlong {
    env.with_env(|env| {
        let encoded = bytes(env, &value)?;
        Passed { kind, number, bytes: &key }.with(env, |_, key| {
            let version = Held::of(handle).stash.set_encoded(key, encoded, SetOptions::default())?;
            Ok(version.map_or(0, Version::micros))
        })
    })
    .resolve::<Throw>()
}

fn on_key<'local>(
    mut env: EnvUnowned<'local>,
    key: Passed<'_, 'local>,
    f: impl FnOnce(KeyRef<'_>) -> litestash_core::Result<bool>,
) -> jboolean {
    env.with_env(|env| key.with(env, |_, key| Ok(f(key)?))).resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_delete<'local>(
    env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    kind: jint,
    number: jlong,
    key: JByteArray<'local>,
) -> jboolean {
    on_key(env, Passed { kind, number, bytes: &key }, |key| Held::of(handle).stash.delete(key))
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_exists<'local>(
    env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    kind: jint,
    number: jlong,
    key: JByteArray<'local>,
) -> jboolean {
    on_key(env, Passed { kind, number, bytes: &key }, |key| Held::of(handle).stash.exists(key))
}

/// Any request of the engine's vocabulary. The result as canonical MessagePack; null for a miss. `stop` is
/// the address of a flag, or 0.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_call<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    request: JByteArray<'local>,
    stop: jlong,
) -> JByteArray<'local> {
    env.with_env(|env| -> Result<JByteArray<'local>> {
        let request = bytes(env, &request)?;
        let reply = inline::call(&Held::of(handle).stash, &request, &flag(stop))?;
        match reply {
            Reply { missing: true, .. } => Ok(JByteArray::default()),
            Reply { result, .. } => Ok(env.byte_array_from_slice(&result)?),
        }
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_bucket<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    name: JByteArray<'local>,
    options: JByteArray<'local>,
) -> jlong {
    env.with_env(|env| -> Result<jlong> {
        let held = Held::of(handle);
        let bucket = inline::bucket(&held.stash, &text(env, &name)?, &bytes(env, &options)?)?;
        Ok(Held::give(bucket, held.clock.clone()))
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_withDurability<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    level: JByteArray<'local>,
) -> jlong {
    env.with_env(|env| -> Result<jlong> {
        let held = Held::of(handle);
        let other = inline::with_durability(&held.stash, &text(env, &level)?)?;
        Ok(Held::give(other, held.clock.clone()))
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_isClosed<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
) -> jboolean {
    env.with_env(|_| Ok::<_, Failure>(Held::of(handle).stash.is_closed())).resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_isReadOnly<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
) -> jboolean {
    env.with_env(|_| Ok::<_, Failure>(Held::of(handle).stash.is_read_only())).resolve::<Throw>()
}

/// Salvages what is sound of a stash into a new one; the report.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_repair<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    source: JByteArray<'local>,
    destination: JByteArray<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| -> Result<JByteArray<'local>> {
        let report = litestash_core::repair(path(env, &source)?, path(env, &destination)?)?;
        let encoded = litestash_core::contract::typed::to_bytes(&report)?;
        Ok(env.byte_array_from_slice(&encoded)?)
    })
    .resolve::<Throw>()
}

/// `InvalidValue` or `TooLarge` for bytes that are no canonical encoding of a value.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_validate<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    encoded: JByteArray<'local>,
) {
    env.with_env(|env| -> Result<()> { Ok(msgpack::validate(&bytes(env, &encoded)?)?) }).resolve::<Throw>();
}

/// A flag that stops a long operation. Java frees it as it does a handle.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Stop_create<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jlong {
    env.with_env(|_| -> Result<jlong> {
        Ok(Box::into_raw(Box::new(Arc::new(AtomicBool::new(false)))) as jlong)
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Stop_stop<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    stop: jlong,
) {
    env.with_env(|_| -> Result<()> {
        flag(stop).store(true, Ordering::Relaxed);
        Ok(())
    })
    .resolve::<Throw>();
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Stop_free<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    stop: jlong,
) {
    env.with_env(|_| -> Result<()> {
        // SAFETY: the address is of a box that `create` let go of, and Java frees it once.
        drop(unsafe { Box::from_raw(stop as *mut Arc<AtomicBool>) });
        Ok(())
    })
    .resolve::<Throw>();
}

fn flag(stop: jlong) -> Arc<AtomicBool> {
    if stop == 0 {
        return Arc::default();
    }
    // SAFETY: the address is of a box that `create` let go of; its owner frees it after the calls that use it.
    unsafe { Arc::clone(&*(stop as *const Arc<AtomicBool>)) }
}
