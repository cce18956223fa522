//! Keys as Java passes them: a kind, a number, and bytes.

use crate::error::Result;
use jni::Env;
use jni::objects::JByteArray;
use jni::sys::{jint, jlong};
use litestash_core::limits::KEY_BYTES_MAX;
use litestash_core::{Error, ErrorKind, KeyRef};

const TEXT: jint = 0;
const INT: jint = 1;
const FLOAT: jint = 2;
const BYTES: jint = 3;

/// Keys up to this length take no memory of their own.
const SHORT: usize = 256;

/// A key as it was passed.
#[derive(Debug)]
pub(crate) struct Passed<'a, 'local> {
    pub(crate) kind: jint,
    /// The integer, or the float's bits.
    pub(crate) number: jlong,
    /// Of text in UTF-8, and of bytes; else null.
    pub(crate) bytes: &'a JByteArray<'local>,
}

impl Passed<'_, '_> {
    /// Calls `f` with the key.
    pub(crate) fn with<'local, R>(
        &self,
        env: &mut Env<'local>,
        f: impl FnOnce(&mut Env<'local>, KeyRef<'_>) -> Result<R>,
    ) -> Result<R> {
        match self.kind {
            INT => return f(env, KeyRef::Int(self.number)),
            FLOAT => return f(env, KeyRef::float(f64::from_bits(self.number.cast_unsigned()))?),
            TEXT | BYTES => {}
            _ => return Err(Error::new(ErrorKind::Internal, "there is no such kind of key").into()),
        }
        let length = self.bytes.len(env)?;
        let mut short = [0_i8; SHORT];
        let mut long = Vec::new();
        let bytes = if length <= SHORT {
            &mut short[..length]
        } else if length <= KEY_BYTES_MAX {
            long.resize(length, 0);
            &mut long[..]
        } else {
            let message = format!("the key has {length} bytes; the limit is {KEY_BYTES_MAX}");
            return Err(Error::new(ErrorKind::TooLarge, message).into());
        };
        self.bytes.get_region(env, 0, bytes)?;
        // SAFETY: i8 and u8 have one size, one alignment, and no invalid values.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<u8>(), bytes.len()) };
        if self.kind == BYTES {
            return f(env, KeyRef::Bytes(bytes));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::new(ErrorKind::InvalidKey, "the key is text that is not valid Unicode"))?;
        f(env, KeyRef::Text(text))
    }
}
