//! Operations for batches and transactions, and what they answer.

use crate::error::{Result, StashError};
use crate::options::{Condition, Deadline, SetOptions};
use crate::value::{Entry, Key};
use litestash_core as core;

/// What is done with a key. Values are canonical MessagePack.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum Action {
    /// Answers `Outcome.value`.
    Get,
    /// Answers `Outcome.flag`.
    Exists,
    /// Answers `Outcome.entry`.
    Entry,
    /// Answers `Outcome.version`.
    Set {
        /// The value.
        value: Vec<u8>,
        /// How.
        options: SetOptions,
    },
    /// Answers `Outcome.flag`: was it there.
    Delete,
    /// Get and delete. Answers `Outcome.value`.
    Take,
    /// Adds to an integer. Answers `Outcome.int`.
    Increment {
        /// The amount.
        by: i64,
    },
    /// Adds to a float. Answers `Outcome.float`.
    IncrementFloat {
        /// The amount.
        by: f64,
    },
    /// Stores a value if the row holds another one, or is absent. Answers `Outcome.flag`.
    CompareAndSet {
        /// The value that must be there; `None`: nothing may be there.
        expected: Option<Vec<u8>>,
        /// The value to store.
        value: Vec<u8>,
    },
    /// Gives a row a new deadline. Answers `Outcome.flag`: was it there.
    Expire {
        /// The deadline.
        deadline: Deadline,
    },
    /// Takes a row's deadline away. Answers `Outcome.flag`: did it have one.
    Persist,
    /// Begins a sliding deadline anew. Answers `Outcome.flag`: was it there.
    Touch,
    /// Asks whether that holds. Answers `Outcome.flag`; where it does not, a transaction is refused.
    Check {
        /// The condition.
        condition: Condition,
    },
    /// Asks whether the key holds that value. As `check`.
    Expect {
        /// The value.
        value: Vec<u8>,
    },
}

impl From<Action> for core::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::Get => Self::Get,
            Action::Exists => Self::Exists,
            Action::Entry => Self::Entry,
            Action::Set { value, options } => Self::Set { encoded: value, options: options.into() },
            Action::Delete => Self::Delete,
            Action::Take => Self::Take,
            Action::Increment { by } => Self::Increment(by),
            Action::IncrementFloat { by } => Self::IncrementFloat(by),
            Action::CompareAndSet { expected, value } => Self::CompareAndSet { expected, encoded: value },
            Action::Expire { deadline } => Self::Expire(deadline.into()),
            Action::Persist => Self::Persist,
            Action::Touch => Self::Touch,
            Action::Check { condition } => Self::Check(condition.into()),
            Action::Expect { value } => Self::Expect(value),
        }
    }
}

/// A key and what is done with it.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Operation {
    /// The key.
    pub key: Key,
    /// What is done with it.
    pub action: Action,
}

impl Operation {
    pub(crate) fn into_core(self) -> Result<core::Op> {
        Ok(core::Op::new(self.key.into_core()?, self.action.into())?)
    }
}

/// What an operation answered.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum Outcome {
    /// The value, or nothing for a miss.
    Value {
        /// Canonical MessagePack.
        value: Option<Vec<u8>>,
    },
    /// Yes or no.
    Flag {
        /// Which.
        flag: bool,
    },
    /// The row, or nothing for a miss.
    Entry {
        /// The row.
        entry: Option<Entry>,
    },
    /// The version written, or nothing if the condition did not hold.
    Version {
        /// The version.
        version: Option<i64>,
    },
    /// The number after an increment.
    Int {
        /// The number.
        int: i64,
    },
    /// The number after an increment.
    Float {
        /// The number.
        float: f64,
    },
    /// The operation was refused or failed, and changed nothing.
    Failed {
        /// Why.
        error: StashError,
    },
}

impl From<core::Outcome> for Outcome {
    fn from(outcome: core::Outcome) -> Self {
        match outcome {
            core::Outcome::Value(value) => Self::Value { value },
            core::Outcome::Flag(flag) => Self::Flag { flag },
            core::Outcome::Entry(entry) => Self::Entry { entry: entry.map(Into::into) },
            core::Outcome::Version(version) => Self::Version { version: version.map(core::Version::micros) },
            core::Outcome::Int(int) => Self::Int { int },
            core::Outcome::Float(float) => Self::Float { float },
            _ => Self::Failed {
                error: StashError::Internal { detail: "this binding does not know that outcome".to_owned() },
            },
        }
    }
}

impl From<core::Result<core::Outcome>> for Outcome {
    fn from(outcome: core::Result<core::Outcome>) -> Self {
        outcome.map_or_else(|error| Self::Failed { error: error.into() }, Into::into)
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum TransactionResult {
    /// Everything was done.
    Committed {
        /// What each operation answered.
        outcomes: Vec<Outcome>,
    },
    /// Nothing was done, because a condition did not hold.
    Refused {
        /// The index of the operation whose condition it was.
        index: u64,
    },
}

impl From<core::TransactionOutcome> for TransactionResult {
    fn from(outcome: core::TransactionOutcome) -> Self {
        match outcome {
            core::TransactionOutcome::Committed(outcomes) => {
                Self::Committed { outcomes: outcomes.into_iter().map(Into::into).collect() }
            }
            core::TransactionOutcome::Refused { index } => Self::Refused { index: index as u64 },
        }
    }
}
