//! Building values.

use super::pointer::{Out, array, text};
use super::types::{litestash_buffer, litestash_builder, litestash_status};
use super::{catch, entry, invalid};
use crate::builder::Builder;
use crate::handle::{BUILDERS, Single};
use litestash_core::contract::interchange::value_from_json;
use litestash_core::contract::msgpack;
use litestash_core::limits::VALUE_BYTES_MAX;
use litestash_core::{ErrorKind, Result, Timestamp, Value, Vector};
use std::ffi::c_char;

/// The longest JSON text that is read.
pub(super) const JSON_BYTES_MAX: usize = i32::MAX as usize;

/// Begins a value. Give the builder back with litestash_builder_free. LITESTASH_OUT_OF_MEMORY if 16384 are there.
///
/// The litestash_build functions add to it. The first mistake is kept: what follows is refused with it, and so is
/// litestash_builder_finish, so that looking at its answer is enough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_builder_new(builder: *mut litestash_builder) -> litestash_status {
    entry!({
        let out = Out::new(builder)?;
        out.set(litestash_builder { id: BUILDERS.insert(Single::new(Builder::default()))? })
    })
}

/// Adds to a builder what the caller gave, or keeps the mistake in it.
fn add(
    builder: litestash_builder,
    value: impl FnOnce() -> Result<Value>,
    place: impl FnOnce(&mut Builder, Value) -> Result<()>,
) -> Result<()> {
    let builder = builder.enter()?;
    let mut builder = builder.claim()?;
    match value() {
        Ok(value) => place(&mut builder, value),
        Err(error) => {
            builder.refuse(&error);
            Err(error)
        }
    }
}

/// Adds nil.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_build_nil(builder: litestash_builder) -> litestash_status {
    catch(|| add(builder, || Ok(Value::Nil), Builder::value))
}

/// Adds a boolean.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_build_bool(builder: litestash_builder, value: bool) -> litestash_status {
    catch(|| add(builder, || Ok(value.into()), Builder::value))
}

/// Adds an integer.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_build_integer(builder: litestash_builder, value: i64) -> litestash_status {
    catch(|| add(builder, || Ok(value.into()), Builder::value))
}

/// Adds an integer that may be over INT64_MAX.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_build_unsigned(builder: litestash_builder, value: u64) -> litestash_status {
    catch(|| add(builder, || Ok(value.into()), Builder::value))
}

/// Adds a float. 1.0 stays a float and is another value than 1.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_build_float(builder: litestash_builder, value: f64) -> litestash_status {
    catch(|| add(builder, || Ok(value.into()), Builder::value))
}

/// Adds text. LITESTASH_INVALID_VALUE if it is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_build_text(
    builder: litestash_builder,
    data: *const c_char,
    length: usize,
) -> litestash_status {
    let given = || {
        // SAFETY: the caller promises it.
        unsafe { text(data, length, VALUE_BYTES_MAX, ErrorKind::InvalidValue) }.map(Value::from)
    };
    catch(|| add(builder, given, Builder::value))
}

/// Adds bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_build_bytes(
    builder: litestash_builder,
    data: *const u8,
    length: usize,
) -> litestash_status {
    // SAFETY: the caller promises it.
    let given = || unsafe { array(data, length, VALUE_BYTES_MAX) }.map(Value::from);
    catch(|| add(builder, given, Builder::value))
}

/// Adds a moment: seconds since 1970-01-01T00:00:00Z, rounded down, and nanoseconds after them, at most 999 999 999.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_build_timestamp(
    builder: litestash_builder,
    seconds: i64,
    nanoseconds: u32,
) -> litestash_status {
    let given = || {
        let timestamp = Timestamp::new(seconds, nanoseconds).map(Value::from);
        timestamp.ok_or_else(|| invalid("a timestamp has at most 999 999 999 nanoseconds"))
    };
    catch(|| add(builder, given, Builder::value))
}

/// Adds a vector of `count` binary32 numbers, such as an embedding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_build_vector(
    builder: litestash_builder,
    data: *const f32,
    count: usize,
) -> litestash_status {
    // SAFETY: the caller promises it.
    let given =
        || unsafe { array(data, count, VALUE_BYTES_MAX / 4) }.map(|floats| Vector(floats.to_vec()).into());
    catch(|| add(builder, given, Builder::value))
}

/// Adds a value that is encoded already, as one that was read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_build_encoded(
    builder: litestash_builder,
    data: *const u8,
    length: usize,
) -> litestash_status {
    // SAFETY: the caller promises it.
    let given = || unsafe { array(data, length, VALUE_BYTES_MAX) }.and_then(msgpack::decode);
    catch(|| add(builder, given, Builder::value))
}

/// Adds the value that a JSON text stands for, as litestash_value_from_json.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_build_json(
    builder: litestash_builder,
    json: *const c_char,
    length: usize,
) -> litestash_status {
    // SAFETY: the caller promises it.
    let given =
        || unsafe { text(json, length, JSON_BYTES_MAX, ErrorKind::InvalidValue) }.and_then(value_from_json);
    catch(|| add(builder, given, Builder::value))
}

/// Begins an array; what is added until litestash_build_end are its elements.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_build_array(builder: litestash_builder) -> litestash_status {
    catch(|| builder.enter()?.claim()?.begin_array())
}

/// Begins a map: until litestash_build_end each litestash_build_key is followed by one value. Members may come in any
/// order; LITESTASH_INVALID_VALUE if a key comes twice.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_build_map(builder: litestash_builder) -> litestash_status {
    catch(|| builder.enter()?.claim()?.begin_map())
}

/// The key of the member whose value comes next. LITESTASH_INVALID_VALUE if it is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_build_key(
    builder: litestash_builder,
    key: *const c_char,
    length: usize,
) -> litestash_status {
    entry!({
        let builder = builder.enter()?;
        let mut builder = builder.claim()?;
        match text(key, length, VALUE_BYTES_MAX, ErrorKind::InvalidValue) {
            Ok(key) => builder.key(key),
            Err(error) => {
                builder.refuse(&error);
                Err(error)
            }
        }
    })
}

/// Ends the array or map that was begun last.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_build_end(builder: litestash_builder) -> litestash_status {
    catch(|| builder.enter()?.claim()?.end())
}

/// The encoding of what was built, to be given back with litestash_buffer_free, or the first mistake. The builder is
/// empty then and can be used again. A step out of place is LITESTASH_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_builder_finish(
    builder: litestash_builder,
    value: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let builder = builder.enter()?;
        let out = Out::new(value)?;
        let encoded = builder.claim()?.finish()?;
        out.set(litestash_buffer::copy(Some(&encoded))?)
    })
}

/// Gives a builder back. One that is all zero does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_builder_free(builder: litestash_builder) -> litestash_status {
    catch(|| match builder.id {
        0 => Ok(()),
        id => BUILDERS.retire(id).map(drop),
    })
}
