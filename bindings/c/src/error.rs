//! Errors as C has them: a number as answer, and a text that the thread keeps.

use litestash_core::{Error, ErrorKind, Retry};
use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::sync::LazyLock;

/// The answer of a call that went well.
pub(crate) const OK: i32 = 0;

/// The last error of a thread.
struct Last {
    number: i32,
    /// Ends with a zero byte, and holds no other.
    text: Vec<u8>,
}

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(Last { number: OK, text: Vec::new() }) };
}

/// Keeps the error for its thread and returns its number.
#[cold]
pub(crate) fn keep(error: &Error) -> i32 {
    let number = number(error.kind());
    // A thread that is ending has no place for texts any more; the number is what counts.
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.number = number;
            last.text.clear();
            last.text.extend(error.message().bytes().filter(|byte| *byte != 0));
            last.text.push(0);
        }
    });
    number
}

/// The same for a panic that was caught. Its text may show anything, so it is not passed on; the hook of panics has
/// printed it.
#[cold]
pub(crate) fn keep_panic(panic: Box<dyn Any + Send>) -> i32 {
    // Dropping what a panic carries may panic as well.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(panic)));
    keep(&Error::new(ErrorKind::Internal, "a defect in LiteStash: a panic was caught"))
}

/// The number of the thread's last error.
pub(crate) fn last_number() -> i32 {
    LAST.try_with(|last| last.borrow().number).unwrap_or(OK)
}

/// The text of the thread's last error, valid until the next one.
pub(crate) fn last_text() -> *const c_char {
    let text = LAST.try_with(|last| {
        let last = last.borrow();
        if last.text.is_empty() { c"".as_ptr() } else { last.text.as_ptr().cast() }
    });
    text.unwrap_or(c"".as_ptr())
}

pub(crate) fn number(kind: ErrorKind) -> i32 {
    kind.number().into()
}

fn kind(number: i32) -> Option<ErrorKind> {
    u16::try_from(number).ok().and_then(ErrorKind::from_number)
}

/// The names and meanings of the table, as C has texts.
static TEXTS: LazyLock<Vec<(ErrorKind, CString, CString)>> = LazyLock::new(|| {
    let text = |text: &str| CString::new(text.trim()).unwrap_or_default();
    ErrorKind::ALL.iter().map(|kind| (*kind, text(kind.name()), text(kind.meaning()))).collect()
});

fn texts(number: i32) -> Option<&'static (ErrorKind, CString, CString)> {
    let kind = kind(number)?;
    TEXTS.iter().find(|texts| texts.0 == kind)
}

/// The name of a number.
pub(crate) fn name(number: i32) -> &'static CStr {
    match number {
        OK => c"Ok",
        number => texts(number).map_or(c"Unknown", |texts| &texts.1),
    }
}

/// The meaning of a number.
pub(crate) fn meaning(number: i32) -> &'static CStr {
    match number {
        OK => c"The call did what it says.",
        number => texts(number).map_or(c"No number of this version's table.", |texts| &texts.2),
    }
}

/// What a caller can do; `None` for a number that is no error's.
pub(crate) fn retry(number: i32) -> Option<Retry> {
    kind(number).map(ErrorKind::retry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_engines() {
        for kind in ErrorKind::ALL {
            assert_eq!(name(number(*kind)).to_str(), Ok(kind.name()));
            assert_eq!(meaning(number(*kind)).to_str(), Ok(kind.meaning().trim()));
            assert_eq!(retry(number(*kind)), Some(kind.retry()));
        }
        for none in [-1, i32::MIN, i32::MAX, 0x1_0002] {
            assert_eq!((name(none), retry(none)), (c"Unknown", None));
        }
    }

    #[test]
    fn texts_end_and_hold_no_zero() {
        assert_eq!(keep(&Error::new(ErrorKind::Busy, "a\0b")), 11);
        assert_eq!(last_number(), 11);
        LAST.with(|last| assert_eq!(last.borrow().text, b"ab\0"));
    }
}
