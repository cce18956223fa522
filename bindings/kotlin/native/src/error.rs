//! Errors as Java exceptions: for each kind a class of its name.

use jni::Env;
use jni::errors::ErrorPolicy;
use jni::strings::JNIString;
use litestash_core::{Error, ErrorKind};
use std::any::Any;

/// Why a native function did not return.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The engine refused or failed.
    Engine(Error),
    /// Java did: an exception is pending, or memory ran out.
    Java(jni::errors::Error),
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<jni::errors::Error> for Failure {
    fn from(error: jni::errors::Error) -> Self {
        Self::Java(error)
    }
}

/// Throws what a native function failed with, unless Java has something to throw already.
#[derive(Debug)]
pub(crate) struct Throw;

impl<T: Default> ErrorPolicy<T, Failure> for Throw {
    type Captures<'unowned: 'native, 'native> = ();

    fn on_error<'unowned: 'native, 'native>(
        env: &mut Env<'unowned>,
        (): &mut (),
        failure: Failure,
    ) -> jni::errors::Result<T> {
        match failure {
            Failure::Engine(error) => throw(env, &error),
            Failure::Java(error) => {
                throw(env, &Error::new(ErrorKind::Internal, format!("the Java interface failed: {error}")));
            }
        }
        Ok(T::default())
    }

    fn on_panic<'unowned: 'native, 'native>(
        env: &mut Env<'unowned>,
        (): &mut (),
        _payload: Box<dyn Any + Send + 'static>,
    ) -> jni::errors::Result<T> {
        throw(env, &Error::new(ErrorKind::Internal, "the operation panicked"));
        Ok(T::default())
    }
}

/// Where a class cannot be found, that exception is the pending one.
fn throw(env: &mut Env<'_>, error: &Error) {
    if env.exception_check() {
        return;
    }
    let class = JNIString::from(format!("io/github/litestash/LiteStashException${}", error.kind().name()));
    // It answers that an exception is pending, which is what is wanted.
    let _ = env.throw_new(class, JNIString::from(error.message()));
}
