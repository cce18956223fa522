//! Keys from terms, without a copy.

use crate::atoms;
use crate::encode::{atom_text, non_finite};
use litestash_core::{Error, ErrorKind, Key, KeyRef, Result};
use rustler::{Binary, Term, TermType};

/// Calls `f` with the key that a term stands for.
pub(crate) fn with_key<T>(term: Term<'_>, f: impl FnOnce(KeyRef<'_>) -> Result<T>) -> Result<T> {
    match term.get_type() {
        TermType::Binary => {
            let bytes = Binary::from_term(term).map_err(|_| refused())?.as_slice();
            f(std::str::from_utf8(bytes).map_or(KeyRef::Bytes(bytes), KeyRef::Text))
        }
        TermType::Integer => f(KeyRef::Int(term.decode().map_err(|_| refused())?)),
        TermType::Float => f(KeyRef::float(term.decode().map_err(|_| refused())?)?),
        TermType::Atom if atoms::nil() != term && term.decode::<bool>().is_err() => {
            f(KeyRef::Text(&atom_text(term).map_err(|_| refused())?))
        }
        TermType::Map => {
            let key = structure(term)?;
            f(key.as_ref())
        }
        _ => Err(refused()),
    }
}

fn structure(term: Term<'_>) -> Result<Key> {
    let name = term.map_get(atoms::struct_key()).map_err(|_| refused())?;
    if atoms::bytes_struct() == name {
        let data = term.map_get(atoms::data()).and_then(Binary::from_term).map_err(|_| refused())?;
        Ok(Key::Bytes(data.as_slice().to_vec()))
    } else if atoms::non_finite_struct() == name {
        let kind = term.map_get(atoms::kind()).map_err(|_| refused())?;
        Key::float(non_finite(kind).ok_or_else(refused)?)
    } else {
        Err(refused())
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::InvalidKey, "a key is text, an integer, a float or bytes")
}
