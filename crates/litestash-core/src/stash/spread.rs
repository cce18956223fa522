//! Doing the same for several shards at once.

use crate::error::{Error, ErrorKind, Result};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `work` with each item, on up to `threads` threads of which this one is one, and returns the answers in
/// the items' order. A panic is the answer `Internal` for what its thread did not finish.
pub(crate) fn spread<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Vec<Result<R>> {
    let threads = threads.min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let work_on = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut answers: Vec<_> = items.iter().map(|_| None).collect();
    std::thread::scope(|scope| {
        // A thread that cannot be had is done without.
        let spawn = || std::thread::Builder::new().spawn_scoped(scope, work_on).ok();
        let workers: Vec<_> = (1..threads).filter_map(|_| spawn()).collect();
        let own = work_on();
        for done in std::iter::once(own).chain(workers.into_iter().filter_map(|worker| worker.join().ok())) {
            for (index, answer) in done {
                answers[index] = Some(answer);
            }
        }
    });
    let lost = || Err(Error::new(ErrorKind::Internal, "the thread that worked on a shard panicked"));
    answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect()
}

/// Threads for work that computes. Looked up once: on Linux it reads files.
pub(crate) fn computing_threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_in_order_and_a_panic_costs_only_its_own() {
        let items: Vec<u64> = (0..100).collect();
        let squares = spread(&items, 4, |item| Ok(item * item));
        assert!(squares.into_iter().zip(0..).all(|(square, n)| square.unwrap() == n * n));
        let started = std::sync::Barrier::new(2);
        let here = std::thread::current().id();
        let answers = spread(&items[..2], 2, |item| {
            started.wait();
            assert!(std::thread::current().id() == here, "the other thread's item");
            Ok(*item)
        });
        assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
    }
}
