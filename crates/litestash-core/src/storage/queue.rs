//! Group commit: whoever comes to an idle shard leads; who comes meanwhile leaves a job, and the leader does
//! all of them in one commit.
//!
//! Nothing here knows what a job does. The rules, of which each has a seeded bug in `concurrency/` that breaks
//! it: a job left is done by somebody (no lost wake-up); its owner returns only after the leader said that it
//! is done (no acknowledgement before the commit); a leader that ends hands over to one who waits.

use crate::sync::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;

/// The queue of one shard.
pub(crate) struct CommitQueue<J> {
    state: Mutex<State<J>>,
    /// Signalled when jobs were taken, or the last leader has gone.
    changed: Condvar,
    bytes_max: usize,
}

struct State<J> {
    led: bool,
    closed: bool,
    waiting: VecDeque<Left<J>>,
    /// Bytes of the jobs that wait.
    bytes: usize,
    /// How many threads wait for a change. Telling nobody is a system call all the same.
    listening: usize,
}

/// A job that was left, with its owner's seat.
pub(crate) struct Left<J> {
    job: Option<J>,
    bytes: usize,
    seat: Arc<Seat<J>>,
}

struct Seat<J> {
    call: Mutex<Call<J>>,
    signal: Condvar,
}

/// What an owner waits for.
enum Call<J> {
    Wait,
    /// To lead, with the job not yet done.
    Lead(J),
    Done(J),
    /// The leader was lost before it said what became of the job.
    Lost,
}

/// What became of a job that was left.
pub(crate) enum Turn<'q, J> {
    /// It was done.
    Done(J),
    /// Its owner leads now and has to do it.
    Lead(Leader<'q, J>, J),
    /// The leader was lost; what became of the job is unknown.
    Lost,
    /// The queue was closed before the job was left.
    Closed,
}

/// The right and the duty to do what others leave. Hands over when dropped.
pub(crate) struct Leader<'q, J>(&'q CommitQueue<J>);

impl<J> CommitQueue<J> {
    /// A queue that holds jobs of that many bytes; beyond, owners wait to leave theirs.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let state = State { led: false, closed: false, waiting: VecDeque::new(), bytes: 0, listening: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new(), bytes_max }
    }

    /// Leads, if nobody does.
    pub(crate) fn try_lead(&self) -> Option<Leader<'_, J>> {
        let mut state = self.state.lock();
        if state.led || state.closed {
            return None;
        }
        state.led = true;
        Some(Leader(self))
    }

    /// Leaves a job for whoever leads and waits until it is done, or leads.
    pub(crate) fn leave(&self, job: J, bytes: usize) -> Turn<'_, J> {
        let seat = {
            let mut state = self.state.lock();
            loop {
                if state.closed {
                    return Turn::Closed;
                }
                if !state.led {
                    state.led = true;
                    return Turn::Lead(Leader(self), job);
                }
                // A job larger than the whole queue waits until it has the queue to itself.
                if state.waiting.is_empty() || state.bytes + bytes <= self.bytes_max {
                    break;
                }
                self.wait_for_change(&mut state);
            }
            let seat = Arc::new(Seat { call: Mutex::new(Call::Wait), signal: Condvar::new() });
            state.bytes += bytes;
            state.waiting.push_back(Left { job: Some(job), bytes, seat: Arc::clone(&seat) });
            seat
        };
        let mut call = seat.call.lock();
        loop {
            match std::mem::replace(&mut *call, Call::Wait) {
                Call::Wait => seat.signal.wait(&mut call),
                Call::Lead(job) => return Turn::Lead(Leader(self), job),
                Call::Done(job) => return Turn::Done(job),
                Call::Lost => return Turn::Lost,
            }
        }
    }

    /// Refuses jobs from now on and waits until those that were left are done.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.tell_change(&state);
        while state.led {
            self.wait_for_change(&mut state);
        }
    }

    fn wait_for_change(&self, state: &mut MutexGuard<'_, State<J>>) {
        state.listening += 1;
        self.changed.wait(state);
        state.listening -= 1;
    }

    fn tell_change(&self, state: &State<J>) {
        if state.listening > 0 {
            self.changed.notify_all();
        }
    }
}

impl<J> Leader<'_, J> {
    /// Takes everything that waits, in the order it was left.
    pub(crate) fn take(&mut self) -> Vec<Left<J>> {
        let mut state = self.0.state.lock();
        if state.waiting.is_empty() {
            return Vec::new();
        }
        state.bytes = 0;
        let taken = state.waiting.drain(..).collect();
        self.0.tell_change(&state);
        taken
    }
}

impl<J> Drop for Leader<'_, J> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        match state.waiting.pop_front() {
            Some(mut next) => {
                state.bytes -= next.bytes;
                if let Some(job) = next.job.take() {
                    next.call(Call::Lead(job));
                }
            }
            None => state.led = false,
        }
        self.0.tell_change(&state);
    }
}

impl<J> Left<J> {
    /// The job.
    pub(crate) fn job(&mut self) -> &mut J {
        self.job.as_mut().expect("a job is there until it is said to be done")
    }

    /// Tells the owner that the job was done.
    pub(crate) fn done(mut self) {
        if let Some(job) = self.job.take() {
            self.call(Call::Done(job));
        }
    }

    fn call(&self, call: Call<J>) {
        *self.seat.call.lock() = call;
        self.seat.signal.notify_one();
    }
}

impl<J> Drop for Left<J> {
    fn drop(&mut self) {
        if self.job.is_some() {
            self.call(Call::Lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn every_job_is_done_once_and_in_groups() {
        let queue = CommitQueue::<u64>::new(1 << 20);
        let (sum, commits) = (AtomicU64::new(0), AtomicU64::new(0));
        let lead = |mut leader: Leader<'_, u64>, own: u64| {
            sum.fetch_add(own, Ordering::Relaxed);
            commits.fetch_add(1, Ordering::Relaxed);
            // A commit takes a while, in which others leave their jobs.
            std::thread::sleep(std::time::Duration::from_micros(50));
            for mut left in leader.take() {
                sum.fetch_add(*left.job(), Ordering::Relaxed);
                *left.job() = 0;
                left.done();
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (queue, lead) = (&queue, &lead);
                scope.spawn(move || {
                    for job in 0..500 {
                        let job = thread * 1000 + job;
                        match queue.try_lead() {
                            Some(leader) => lead(leader, job),
                            None => match queue.leave(job, 8) {
                                Turn::Lead(leader, job) => lead(leader, job),
                                Turn::Done(job) => assert_eq!(job, 0),
                                Turn::Lost | Turn::Closed => panic!("nobody closed and nobody was lost"),
                            },
                        }
                    }
                });
            }
        });
        queue.close();
        assert!(matches!(queue.leave(1, 8), Turn::Closed));
        let expected: u64 = (0..8).flat_map(|thread| (0..500).map(move |job| thread * 1000 + job)).sum();
        assert_eq!(sum.into_inner(), expected);
        assert!(commits.into_inner() < 4000);
    }

    #[test]
    fn a_lost_leader_is_told_to_those_who_wait() {
        let queue = CommitQueue::<u64>::new(1 << 20);
        let mut leader = queue.try_lead().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| matches!(queue.leave(1, 8), Turn::Lost));
            let left = loop {
                let left = leader.take();
                if !left.is_empty() {
                    break left;
                }
                std::thread::yield_now();
            };
            drop(left);
            assert!(waiting.join().unwrap());
        });
    }

    #[test]
    fn a_full_queue_pushes_back() {
        let queue = CommitQueue::<u64>::new(100);
        let mut leader = queue.try_lead().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert!(matches!(queue.leave(1, 60), Turn::Done(_))));
            }
            let mut done = 0;
            while done < 3 {
                let group = leader.take();
                assert!(group.len() <= 1, "two jobs of 60 bytes in a queue of 100");
                for left in group {
                    left.done();
                    done += 1;
                }
                std::thread::yield_now();
            }
        });
    }
}
