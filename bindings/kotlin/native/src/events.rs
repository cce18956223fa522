//! The methods of `io.github.litestash.internal.EventQueue`. A thread of Java's asks for events, so that no
//! thread of ours needs to be known to Java.

use crate::error::{Result, Throw};
use crate::stash::{Held, bytes};
use jni::EnvUnowned;
use jni::objects::{JByteArray, JClass, JObject};
use jni::sys::{jboolean, jlong};
use litestash_core::Subscription;
use litestash_engine::inline;
use std::time::Duration;

fn subscription<'a>(queue: jlong) -> &'a Subscription {
    // SAFETY: Java gives addresses that `subscribe` returned, and frees each only when no method of its owner runs any
    // more (`EventQueue.kt`).
    unsafe { &*(queue as *const Subscription) }
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_subscribe<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    options: JByteArray<'local>,
) -> jlong {
    env.with_env(|env| -> Result<jlong> {
        let subscription = inline::subscribe(&Held::of(handle).stash, &bytes(env, &options)?)?;
        Ok(Box::into_raw(Box::new(subscription)) as jlong)
    })
    .resolve::<Throw>()
}

/// The next event within that time; null if there is none.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_EventQueue_receive<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    queue: jlong,
    timeout_ms: jlong,
) -> JByteArray<'local> {
    env.with_env(|env| -> Result<JByteArray<'local>> {
        let timeout = Duration::from_millis(timeout_ms.max(0).cast_unsigned());
        match subscription(queue).recv_timeout(timeout) {
            Some(event) => Ok(env.byte_array_from_slice(&inline::event(&event)?)?),
            None => Ok(JByteArray::default()),
        }
    })
    .resolve::<Throw>()
}

/// Whether no event will come any more.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_EventQueue_isEnded<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    queue: jlong,
) -> jboolean {
    env.with_env(|_| -> Result<bool> { Ok(subscription(queue).is_ended()) }).resolve::<Throw>()
}

/// How many events were dropped.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_EventQueue_dropped<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    queue: jlong,
) -> jlong {
    env.with_env(|_| -> Result<jlong> {
        Ok(i64::try_from(subscription(queue).dropped()).unwrap_or(i64::MAX))
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_EventQueue_free<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    queue: jlong,
) {
    env.with_env(|_| -> Result<()> {
        // SAFETY: the address is of a box that `subscribe` let go of; nobody has it any more.
        drop(unsafe { Box::from_raw(queue as *mut Subscription) });
        Ok(())
    })
    .resolve::<Throw>();
}
