//! Small independent writes: alone when the shard is idle, together when several threads come at once.

use super::{Shard, closed};
use crate::contract::key::Key;
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::connection::Durability;
use crate::storage::permits::Permit;
use crate::storage::queue::{Leader, Left, Turn};
use crate::storage::row::{NewRow, WriteTxn};
use crate::sync::Mutex;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Groups that a leader commits for others after its own write, before it hands over.
const GROUPS_LED: usize = 2;

/// What a waiting write costs beside its key and value.
const JOB_BYTES: usize = 512;

type Write = dyn FnMut(&mut WriteTxn<'_>) -> Result<()> + Send;

/// A write that another thread may perform.
pub(crate) struct Job {
    run: Box<Write>,
    level: Durability,
    creates: bool,
    end: Option<End>,
}

/// How a job ended.
enum End {
    Done,
    /// There is no shard, and the job does not create one.
    Missing,
    Failed(Error),
    Panicked(Box<dyn Any + Send>),
}

/// Why a group was not committed.
enum Broken {
    /// That one of its jobs, alone or by a failure of SQLite, ended the transaction.
    Job(usize, End),
    /// Nothing that has to do with any one job.
    Group(Error),
}

/// How a write is submitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Submission {
    pub(crate) level: Durability,
    /// Whether a missing shard is created for it.
    pub(crate) creates: bool,
    /// Bytes of key and value.
    pub(crate) bytes: usize,
}

impl Shard {
    /// Performs a write in a transaction, its own or one that it shares with others. `None` if the shard does
    /// not exist and is not to be created.
    ///
    /// `here` is the write for this thread; `elsewhere` makes the same for the thread that leads. The latter
    /// runs again if a transaction it shared was rolled back.
    pub(crate) fn submit<T, F>(
        &self,
        submission: Submission,
        here: impl FnMut(&mut WriteTxn<'_>) -> Result<T>,
        elsewhere: impl FnOnce() -> F,
    ) -> Result<Option<T>>
    where
        T: Send + 'static,
        F: FnMut(&mut WriteTxn<'_>) -> Result<T> + Send + 'static,
    {
        let Submission { level, creates, .. } = submission;
        if level == Durability::Full {
            return self.share(submission, elsewhere());
        }
        if let Some(leader) = self.queue.try_lead() {
            let done =
                if creates { self.write(level, here).map(Some) } else { self.write_existing(level, here) };
            self.serve(leader);
            return done;
        }
        self.share(submission, elsewhere())
    }

    /// [`Shard::submit`] of a row without a deadline.
    pub(crate) fn put(
        &self,
        level: Durability,
        row: &NewRow<'_>,
        now_us: &dyn Fn() -> i64,
        elsewhere_us: impl FnOnce() -> Box<dyn Fn() -> i64 + Send>,
    ) -> Result<Version> {
        if level != Durability::Full
            && let Some(leader) = self.queue.try_lead()
        {
            let done = self.put_alone(level, row, now_us);
            self.serve(leader);
            return done;
        }
        let NewRow { slot, expiry, .. } = *row;
        let (hash, key, body) = (*row.hash, row.key.to_owned(), row.body.to_vec());
        let now_us = elsewhere_us();
        let submission = Submission { level, creates: true, bytes: body.len() + size_of::<Key>() };
        let write = move |txn: &mut WriteTxn<'_>| {
            txn.put(&NewRow { slot, hash: &hash, key: key.as_ref(), expiry, body: &body }, now_us())
        };
        self.share(submission, write)?.ok_or_else(super::not_created)
    }

    /// Performs a write together with what others leave meanwhile.
    fn share<T: Send + 'static>(
        &self,
        submission: Submission,
        mut write: impl FnMut(&mut WriteTxn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let answer = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&answer);
        let run = Box::new(move |txn: &mut WriteTxn<'_>| {
            *slot.lock() = Some(write(txn)?);
            Ok(())
        });
        let job = Job { run, level: submission.level, creates: submission.creates, end: None };
        let job = match self.queue.leave(job, submission.bytes + JOB_BYTES) {
            Turn::Done(job) => job,
            Turn::Lead(mut leader, mut job) => {
                let permit = self.permit(job.level);
                let group = leader.take();
                self.commit_left(Some(&mut job), group, permit);
                self.serve(leader);
                job
            }
            Turn::Lost => {
                return Err(Error::new(
                    ErrorKind::Indeterminate,
                    "the thread that performed the write was lost; read the key to see whether it took effect",
                ));
            }
            Turn::Closed => return Err(closed()),
        };
        match job.end {
            Some(End::Done) => Ok(answer.lock().take()),
            Some(End::Missing) => Ok(None),
            Some(End::Failed(error)) => Err(error),
            Some(End::Panicked(payload)) => resume_unwind(payload),
            None => Err(Error::new(ErrorKind::Internal, "a write was not performed")),
        }
    }

    /// While a synced commit waits for its permit, others leave what it can take along.
    fn permit(&self, level: Durability) -> Option<Permit<'_>> {
        (level == Durability::Full && self.sync_log.is_none()).then(|| self.syncs.acquire())
    }

    /// Commits what others left meanwhile, then hands over.
    fn serve(&self, mut leader: Leader<'_, Job>) {
        for _ in 0..GROUPS_LED {
            let mut group = leader.take();
            if group.is_empty() {
                return;
            }
            let level = group.iter_mut().map(|left| left.job().level).max().unwrap_or_default();
            let permit = self.permit(level);
            if permit.is_some() {
                group.extend(leader.take());
            }
            self.commit_left(None, group, permit);
        }
    }

    /// Commits the leader's own job, if it has one, with those that others left, and tells them.
    fn commit_left(&self, own: Option<&mut Job>, mut group: Vec<Left<Job>>, permit: Option<Permit<'_>>) {
        let mut jobs: Vec<_> = own.into_iter().chain(group.iter_mut().map(Left::job)).collect();
        self.commit_group(&mut jobs);
        drop(permit);
        group.into_iter().for_each(Left::done);
    }

    /// Performs the jobs in one transaction. If one of them breaks it, each gets a transaction of its own, so
    /// that only that one fails.
    fn commit_group(&self, jobs: &mut [&mut Job]) {
        match self.try_commit(jobs) {
            Ok(()) => {}
            Err(Broken::Group(error)) => {
                for job in jobs {
                    // What a job was told for itself is still the better answer.
                    if error.kind() == ErrorKind::LimitReached && !job.creates {
                        // No room for a shard that is not there; this one needs none.
                        job.end = Some(End::Missing);
                    } else if !matches!(job.end, Some(End::Failed(_))) {
                        job.end = Some(End::Failed(error.duplicate()));
                    }
                }
            }
            Err(Broken::Job(index, end)) if jobs.len() == 1 => jobs[index].end = Some(end),
            Err(Broken::Job(..)) => {
                for job in jobs {
                    self.commit_group(&mut [&mut **job]);
                }
            }
        }
    }

    fn try_commit(&self, jobs: &mut [&mut Job]) -> std::result::Result<(), Broken> {
        let level = jobs.iter().map(|job| job.level).max().unwrap_or_default();
        let creates = jobs.iter().any(|job| job.creates);
        let mut broken = None;
        let committed = self.with_open(creates, |shard, open| {
            // In a second try, after room was made on a full disk, nothing is broken yet.
            broken = None;
            shard.transact(open, level, &[], |txn| {
                for (index, job) in jobs.iter_mut().enumerate() {
                    job.end = Some(match catch_unwind(AssertUnwindSafe(|| (job.run)(txn))) {
                        Ok(Ok(())) => End::Done,
                        Ok(Err(error)) if !error.is_from_sqlite() => End::Failed(error),
                        Ok(Err(error)) => {
                            broken = Some(Broken::Job(index, End::Failed(error.duplicate())));
                            return Err(error);
                        }
                        Err(panic) => {
                            broken = Some(Broken::Job(index, End::Panicked(panic)));
                            return Err(Error::new(ErrorKind::Cancelled, "a write panicked"));
                        }
                    });
                }
                Ok(())
            })
        });
        match committed {
            Ok(Some(())) => Ok(()),
            Ok(None) => {
                jobs.iter_mut().for_each(|job| job.end = Some(End::Missing));
                Ok(())
            }
            Err(error) => Err(broken.unwrap_or(Broken::Group(error))),
        }
    }
}
