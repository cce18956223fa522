//! Work on many items with all processors.

use anyhow::{Result, anyhow};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `work` makes of each item, in the order of the items, or the first error.
pub(super) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done = Vec::with_capacity(items.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        for thread in threads {
            done.append(&mut thread.join().map_err(|_| anyhow!("a thread of the suite panicked"))?);
        }
        anyhow::Ok(())
    })?;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_and_errors_come_through() {
        let items: Vec<u32> = (0..100).collect();
        let doubled = map(&items, |item| Ok(item * 2)).unwrap();
        assert!(doubled.iter().zip(&items).all(|(doubled, item)| *doubled == item * 2));
        assert!(map(&items, |item| if *item == 50 { Err(anyhow!("no")) } else { Ok(()) }).is_err());
    }
}
