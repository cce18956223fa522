//! Errors as JavaScript sees them: the kind's name is the `code`.

use litestash_core::{Error, ErrorKind, limits};

/// The `code` of an error that is thrown.
pub struct Code(&'static str);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0
    }
}

/// The result of functions that JavaScript calls.
pub type Result<T> = std::result::Result<T, napi::Error<Code>>;

/// An error to throw.
pub(crate) fn thrown(error: Error) -> napi::Error<Code> {
    napi::Error::new(Code(error.kind().name()), error.message())
}

/// What cannot come from JavaScript's own side of this package.
pub(crate) fn malformed() -> Error {
    Error::new(ErrorKind::Internal, "the native part was called with a malformed request")
}

/// A panic that was caught.
pub(crate) fn panicked() -> Error {
    Error::new(ErrorKind::Internal, "a panic was caught")
}

/// One row of the error table.
#[napi_derive::napi(object)]
pub struct KindRow {
    /// The stable name.
    pub name: String,
    /// The stable number.
    pub number: u32,
    /// What the same call does when it is made again.
    pub retry: String,
}

/// The error table, in the order of the numbers.
#[napi_derive::napi(catch_unwind)]
pub fn error_table() -> Vec<KindRow> {
    let row = |kind: &ErrorKind| KindRow {
        name: kind.name().to_owned(),
        number: kind.number().into(),
        retry: kind.retry().name().to_owned(),
    };
    ErrorKind::ALL.iter().map(row).collect()
}

/// The limits that JavaScript checks before it encodes.
#[napi_derive::napi(object)]
pub struct Limits {
    /// Bytes of a key.
    pub key_bytes_max: u32,
    /// Bytes of an encoded value that any stash can be opened with.
    pub value_bytes_max: u32,
    /// Depth of a value.
    pub depth_max: u32,
    /// Operations in a batch.
    pub batch_operations_max: u32,
}

/// The limits of the contract.
#[napi_derive::napi(catch_unwind)]
pub fn limit_table() -> Limits {
    let narrow = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    Limits {
        key_bytes_max: narrow(limits::KEY_BYTES_MAX),
        value_bytes_max: narrow(limits::VALUE_BYTES_MAX),
        depth_max: narrow(limits::DEPTH_MAX),
        batch_operations_max: narrow(limits::BATCH_OPERATIONS_MAX),
    }
}

/// The versions of this package's engine and of the SQLite in it.
#[napi_derive::napi(catch_unwind)]
pub fn versions() -> Vec<String> {
    vec![env!("CARGO_PKG_VERSION").to_owned(), litestash_core::sqlite_version().to_owned()]
}
