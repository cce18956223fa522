//! Transactions.

use super::entry;
use super::many::{litestash_answer, litestash_op};
use super::pointer::{Out, Outs, array};
use super::types::{litestash_stash, litestash_status};
use litestash_core::TransactionOutcome;
use litestash_core::limits::BATCH_OPERATIONS_MAX;

/// What became of a transaction.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_verdict {
    /// If it was not committed: the index of the operation whose condition does not hold.
    pub refused: usize,
    /// Whether everything was done; if not, nothing was.
    pub committed: bool,
}

/// Performs all of `count` operations or none of them, whatever shards their keys are in, also if the process is killed
/// at any moment. Operations are done in the order given and see what those before them did.
///
/// If a condition does not hold - that of a SET, a COMPARE_AND_SET, a CHECK or an EXPECT - nothing is done, which is
/// no error: `verdict->committed` is false. If an operation fails or is refused, nothing is done and that is the
/// error of the call. `answers`, which may be NULL, has room for `count` and is filled if the transaction was
/// committed; give them back with litestash_answers_free.
///
/// What is written in one shard is one ordinary commit; in several shards it costs one sync of the disk at every level
/// of durability, and once acknowledged it survives a power cut as a whole. Errors: those of writes;
/// LITESTASH_TOO_LARGE as for litestash_apply; LITESTASH_INDETERMINATE: it is whole or absent once the stash can be
/// opened again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_transaction(
    stash: litestash_stash,
    operations: *const litestash_op,
    count: usize,
    answers: *mut litestash_answer,
    verdict: *mut litestash_verdict,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let operations = array(operations, count, BATCH_OPERATIONS_MAX)?;
        let (outs, verdict) = (Outs::optional(answers, count)?, Out::new(verdict)?);
        let mut ops = Vec::with_capacity(count);
        for operation in operations {
            ops.push(operation.checked()?);
        }
        match stash.transaction(&ops)? {
            TransactionOutcome::Committed(outcomes) => {
                // What is not wanted is not made, for nobody would give it back.
                if outs.are_wanted() {
                    outs.set(outcomes.into_iter().map(|outcome| litestash_answer::of(Ok(outcome))))?;
                }
                verdict.set(litestash_verdict { refused: 0, committed: true })
            }
            TransactionOutcome::Refused { index } => {
                verdict.set(litestash_verdict { refused: index, committed: false })
            }
        }
    })
}
