//! Functions of Java's that the engine calls, on the thread that called the engine. What they throw goes to
//! the caller.

use crate::error::{Failure, Result, Throw};
use crate::key::Passed;
use crate::stash::{Held, bytes};
use jni::objects::{JByteArray, JObject};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned, JValue, jni_sig, jni_str};
use litestash_core::contract::msgpack;
use litestash_core::{Error, ErrorKind, Value};
use litestash_engine::inline;
use std::time::Duration;

/// The value, computed by `compute.compute()` if it is not there.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_getOrSet<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    kind: jint,
    number: jlong,
    key: JByteArray<'local>,
    options: JByteArray<'local>,
    compute: JObject<'local>,
) -> JByteArray<'local> {
    env.with_env(|env| -> Result<JByteArray<'local>> {
        let options = inline::compute_options(&bytes(env, &options)?)?;
        Passed { kind, number, bytes: &key }.with(env, |env, key| {
            let encoded = Held::of(handle).stash.get_or_set_encoded(key, options, || {
                computed(env, &compute).map_err(|failure| match failure {
                    Failure::Engine(error) => error,
                    Failure::Java(_) => {
                        Error::new(ErrorKind::ComputeFailed, "the computation of the value failed")
                    }
                })
            })?;
            Ok(env.byte_array_from_slice(&encoded)?)
        })
    })
    .resolve::<Throw>()
}

fn computed<'local>(env: &mut Env<'local>, compute: &JObject<'local>) -> Result<Vec<u8>> {
    let result = env.call_method(compute, jni_str!("compute"), jni_sig!("()[B"), &[])?;
    let array = env.cast_local::<JByteArray<'local>>(result.l()?)?;
    bytes(env, &array)
}

/// Waits until `test.holds(value)` says so, which is given null for a miss. Whether it did in time.
#[unsafe(no_mangle)]
extern "system" fn Java_io_github_litestash_internal_Handle_waitFor<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    handle: jlong,
    kind: jint,
    number: jlong,
    key: JByteArray<'local>,
    timeout_us: jlong,
    test: JObject<'local>,
) -> jboolean {
    env.with_env(|env| -> Result<bool> {
        Passed { kind, number, bytes: &key }.with(env, |env, key| {
            let timeout = Duration::from_micros(timeout_us.max(0).cast_unsigned());
            let mut thrown = None;
            let held = Held::of(handle).stash.wait_for(key, timeout, |value| {
                holds(env, &test, value).unwrap_or_else(|failure| {
                    thrown = Some(failure);
                    // Ends the waiting.
                    true
                })
            })?;
            thrown.map_or(Ok(held), Err)
        })
    })
    .resolve::<Throw>()
}

fn holds<'local>(env: &mut Env<'local>, test: &JObject<'local>, value: Option<&Value>) -> Result<bool> {
    // One is made for each look, and a wait may be long.
    env.with_local_frame(4, |env| {
        let array = match value {
            None => JByteArray::default(),
            Some(value) => {
                let mut encoded = Vec::new();
                msgpack::encode(value, &mut encoded)?;
                env.byte_array_from_slice(&encoded)?
            }
        };
        let result =
            env.call_method(test, jni_str!("holds"), jni_sig!("([B)Z"), &[JValue::Object(&array)])?;
        Ok(result.z()?)
    })
}
