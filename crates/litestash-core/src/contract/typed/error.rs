//! serde's error traits for the engine's error. Texts name types, never the values themselves.

use crate::error::{Error, ErrorKind};
use serde::de::{Expected, Unexpected};
use std::fmt::Display;

impl serde::ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::invalid_value(message.to_string())
    }
}

fn mismatch(message: String) -> Error {
    Error::new(ErrorKind::TypeMismatch, message)
}

const fn name(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) => "text",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "nil",
        Unexpected::NewtypeStruct => "a timestamp or vector",
        Unexpected::Seq => "an array",
        Unexpected::Map => "a map",
        _ => "another type",
    }
}

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        mismatch(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        mismatch(format!("the stored value has {} where {expected} is expected", name(&unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        mismatch(format!("the stored value has {} that is out of range for {expected}", name(&unexpected)))
    }

    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        mismatch(format!("the stored value names none of the variants {expected:?}"))
    }

    fn unknown_field(_field: &str, expected: &'static [&'static str]) -> Self {
        mismatch(format!("the stored value has a member that is none of {expected:?}"))
    }
}
