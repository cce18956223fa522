//! The exit codes.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Success = 0,
    Miss = 1,
    Usage = 2,
    Rejected = 3,
    Unsound = 4,
    Error = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The table for the help; `README.md` has the same.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  done
  1  the key or bucket is not there, or the condition of a `set` did not hold
  2  wrong usage
  3  some lines of the input were refused; the others were carried out
  4  `verify` found the stash unsound, or `repair` lost something
  5  an error, printed on stderr as `error[Name] number: message`";
