//! The cache's publication under every schedule and every order of memory.
//!
//! The shard's header is a number to which a commit adds one; its one row holds the header of the last commit
//! that wrote it. A cached value is stale if it is less than what was acknowledged before the read began.

#![allow(missing_docs)]

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Who takes part, besides a reader.
#[derive(Clone, Copy, PartialEq)]
enum Cast {
    /// A thread that commits and one that fills in what it reads.
    CommitAndFill,
    /// A thread that commits without writing the row, while another process writes it.
    CommitAndForeign,
    /// Another process that commits, and a thread that fills in.
    ForeignAndFill,
}

macro_rules! scenario {
    ($publication:ident, $cast:expr) => {
        move || {
            use litestash_concurrency::$publication::Publication;
            struct Shard {
                publication: Publication<1>,
                header: AtomicU64,
                value: AtomicU64,
                /// Held by whoever commits, of whichever process.
                lock: Mutex<()>,
                acknowledged: AtomicU64,
                /// The segment of the cache: epoch and value.
                row: Mutex<Option<(u64, u64)>>,
            }
            impl Shard {
                fn add(&self, writes_row: bool) -> u64 {
                    let _lock = self.lock.lock().expect("not poisoned");
                    let after = self.header.load(Ordering::Acquire) + 1;
                    if writes_row {
                        self.value.store(after, Ordering::Release);
                    }
                    self.header.store(after, Ordering::Release);
                    after
                }

                fn publish(&self, after: u64, writes_row: bool) {
                    // As in the engine: the header is looked at again when the lock is gone.
                    if self.header.load(Ordering::Acquire) == after
                        && let Some(publishing) = self.publication.begin(&[after - 1])
                    {
                        if writes_row {
                            *self.row.lock().expect("not poisoned") = Some((publishing.epoch(), after));
                        }
                        publishing.finish(&[after]);
                    }
                }

                fn commit(&self) {
                    let after = self.add(true);
                    self.publish(after, true);
                    self.acknowledged.fetch_max(after, Ordering::AcqRel);
                }

                fn commit_elsewhere(&self) {
                    let after = self.add(false);
                    self.publish(after, false);
                }

                fn foreign_commit(&self) {
                    let after = self.add(true);
                    self.acknowledged.fetch_max(after, Ordering::AcqRel);
                }

                fn fill(&self) {
                    let read = self.header.load(Ordering::Acquire);
                    let value = self.value.load(Ordering::Acquire);
                    let is_current = || self.header.load(Ordering::Acquire) == read;
                    if !is_current() {
                        return;
                    }
                    if let Some(epoch) = self.publication.adopt(&[read], is_current) {
                        let mut row = self.row.lock().expect("not poisoned");
                        if self.publication.may_fill(&[read], epoch) {
                            *row = Some((epoch, value));
                        }
                    }
                }

                fn read(&self) {
                    let acknowledged = self.acknowledged.load(Ordering::Acquire);
                    let row = self.row.lock().expect("not poisoned");
                    let header = self.header.load(Ordering::Acquire);
                    if let Some((epoch, value)) = *row
                        && self.publication.epoch_at(&[header]) == Some(epoch)
                    {
                        assert!(value >= acknowledged, "{value} read after {acknowledged} was acknowledged");
                    }
                }
            }
            let shard = Arc::new(Shard {
                publication: Publication::new(),
                header: AtomicU64::new(1),
                value: AtomicU64::new(1),
                lock: Mutex::new(()),
                acknowledged: AtomicU64::new(0),
                row: Mutex::new(None),
            });
            shard.fill();
            let spawn = |work: fn(&Shard)| {
                let shard = Arc::clone(&shard);
                thread::spawn(move || work(&shard))
            };
            let threads = match $cast {
                Cast::CommitAndFill => [spawn(Shard::commit), spawn(Shard::fill)],
                Cast::CommitAndForeign => [spawn(Shard::commit_elsewhere), spawn(Shard::foreign_commit)],
                Cast::ForeignAndFill => [spawn(Shard::foreign_commit), spawn(Shard::fill)],
            };
            shard.read();
            threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
            // Whatever was left behind, nothing old may be found.
            shard.read();
            shard.fill();
            shard.read();
        }
    };
}

fn check(scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(scenario);
}

fn is_found(scenario: impl Fn() + Send + Sync + 'static) -> bool {
    catch_unwind(AssertUnwindSafe(|| check(scenario))).is_err()
}

#[test]
fn own_commits_and_fills() {
    check(scenario!(publication, Cast::CommitAndFill));
}

#[test]
fn own_commits_and_those_of_another_process() {
    check(scenario!(publication, Cast::CommitAndForeign));
}

#[test]
fn commits_of_another_process_and_fills() {
    check(scenario!(publication, Cast::ForeignAndFill));
}

#[test]
fn seeded_bugs_are_found() {
    assert!(is_found(scenario!(publication_stale_fill, Cast::CommitAndFill)), "a stale fill");
    assert!(
        is_found(scenario!(publication_fill_while_publishing, Cast::CommitAndFill)),
        "a fill while rows are replaced"
    );
    assert!(
        is_found(scenario!(publication_carried_over_a_foreign_commit, Cast::CommitAndForeign)),
        "a foreign commit carried over"
    );
    assert!(is_found(scenario!(publication_epoch_kept, Cast::ForeignAndFill)), "rows of an old token kept");
}
