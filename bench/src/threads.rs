//! Many threads on one store.

use crate::load::Load;
use crate::rounds::{Block, Effort, Series, alternate, timed};
use crate::store::{Handle, Level, Peer, Store, Use};
use crate::table::Table;
use anyhow::{Context, Result, anyhow};
use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Get,
    Set,
}

/// Sets that one thread hands over at once, for each of which an asynchronous binding has somebody waiting.
pub(crate) const HANDED_OVER: usize = 256;

/// How a store is worked on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Threads(usize),
    /// One thread, [`HANDED_OVER`] independent operations at a time. Only the engine, only synced sets.
    HandOver,
}

pub(crate) struct Scaling {
    pub(crate) title: &'static str,
    pub(crate) threads: &'static [usize],
    measured: Vec<(Peer, Way, Series)>,
}

impl Scaling {
    pub(crate) fn run(
        scratch: &Path,
        effort: Effort,
        (work, level): (Work, Level),
        threads: &'static [usize],
        peers: &[Peer],
    ) -> Result<Self> {
        let title = match (work, level) {
            (Work::Get, _) => "Gets by many threads",
            (Work::Set, Level::NoSync) => "Sets by many threads",
            (Work::Set, Level::FullSync) => "Synced sets by many threads",
        };
        eprintln!("{title}");
        let directory = tempfile::tempdir_in(scratch)?;
        let load = Load::new(10_000, 100);
        let mut stores = Vec::new();
        for &peer in peers {
            let store = peer.open(&directory.path().join(peer.name()), level)?;
            store.lend(Use::Alone, &mut |handle| load.batches(1_000, |rows| handle.set_batch(rows)))?;
            store.sync()?;
            stores.push((peer, store));
        }
        // A synced commit takes long, and with many threads each has one to finish when time is up.
        let (length, rounds) = match level {
            Level::NoSync => (effort.block, effort.rounds),
            Level::FullSync => (3 * effort.block, effort.rounds.div_ceil(2)),
        };
        let ways = |peer| {
            let hands_over = peer == Peer::LiteStash && work == Work::Set && level == Level::FullSync;
            let threads = threads.iter().map(|&threads| Way::Threads(threads));
            threads.chain(hands_over.then_some(Way::HandOver))
        };
        let subjects: Vec<_> = stores.iter().flat_map(|of| ways(of.0).map(move |way| (of, way))).collect();
        let series = alternate(rounds, subjects.len(), |subject| {
            let ((_, store), way) = subjects[subject];
            match way {
                Way::Threads(threads) => block(store.as_ref(), &load, work, threads, length),
                Way::HandOver => hand_over(store.as_ref(), &load, length),
            }
        })?;
        let measured =
            subjects.iter().zip(series).map(|(((peer, _), way), series)| (*peer, *way, series)).collect();
        for (_, store) in stores {
            store.close()?;
        }
        Ok(Self { title, threads, measured })
    }

    pub(crate) fn series(&self, peer: Peer, threads: usize) -> Option<&Series> {
        self.of(peer, Way::Threads(threads))
    }

    /// The engine's, of one thread that hands over [`HANDED_OVER`] operations at a time.
    pub(crate) fn handed_over(&self) -> Option<&Series> {
        self.of(Peer::LiteStash, Way::HandOver)
    }

    fn of(&self, peer: Peer, way: Way) -> Option<&Series> {
        let found = self.measured.iter().find(|(by, with, _)| *by == peer && *with == way);
        found.map(|(_, _, series)| series)
    }

    /// Thousands of operations per second with each number of threads.
    pub(crate) fn throughputs(&self) -> Vec<(Peer, Vec<f64>)> {
        let of = |peer, threads| self.series(peer, threads).map_or(f64::NAN, |series| 1e-3 / series.cost());
        let all = |peer| self.threads.iter().map(|&threads| of(peer, threads)).collect();
        let measured = |peer: &Peer| self.measured.iter().any(|(by, ..)| by == peer);
        Peer::ALL.into_iter().filter(measured).map(|peer| (peer, all(peer))).collect()
    }

    pub(crate) fn table(&self) -> Table {
        let head = std::iter::once("1 000 operations/s".to_owned());
        let head = head.chain(self.threads.iter().map(|&n| counted(n)));
        let head = head.chain(self.handed_over().map(|_| format!("1 thread, `apply` of {HANDED_OVER}")));
        let mut table = Table::new(format!("{}, 10 000 rows of 100 B", self.title), head);
        for (peer, throughputs) in self.throughputs() {
            let number = |thousands: f64| format!("{thousands:.*}", usize::from(thousands < 100.0));
            let cells = throughputs.iter().map(|&thousands| number(thousands));
            let handed_over = self.handed_over().map(|series| match peer {
                Peer::LiteStash => number(1e-3 / series.cost()),
                _ => String::new(),
            });
            table.row(std::iter::once(peer.name().to_owned()).chain(cells).chain(handed_over));
        }
        table
    }
}

pub(crate) fn counted(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}

/// Lets that many threads work until time is up, and counts what they did.
fn block(store: &dyn Store, load: &Load, work: Work, threads: usize, length: Duration) -> Result<Block> {
    let sharing = if threads == 1 { Use::Alone } else { Use::Shared };
    let (start, stop, ops) = (Barrier::new(threads + 1), AtomicBool::new(false), AtomicU64::new(0));
    let one = |number: usize| {
        let mut random = fastrand::Rng::with_seed(number as u64);
        let mut started = false;
        let result = store.lend(sharing, &mut |handle| {
            for _ in 0..100 {
                handle.get(load.any_key(&mut random))?;
            }
            started = true;
            start.wait();
            ops.fetch_add(until(&stop, handle, load, work, &mut random)?, Ordering::Relaxed);
            Ok(())
        });
        if !started {
            // The others wait for everyone, also for one that failed.
            start.wait();
        }
        result
    };
    let one = &one;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|number| scope.spawn(move || one(number))).collect();
        start.wait();
        timed(|| {
            std::thread::sleep(length);
            stop.store(true, Ordering::Relaxed);
            for worker in workers {
                worker.join().map_err(|_| anyhow!("a thread panicked"))??;
            }
            Ok(ops.load(Ordering::Relaxed))
        })
    })
}

/// Lets one thread hand over sets until time is up, and counts the sets.
fn hand_over(store: &dyn Store, load: &Load, length: Duration) -> Result<Block> {
    let mut random = fastrand::Rng::with_seed(0);
    let mut block = None;
    store.lend(Use::Alone, &mut |handle| {
        block = Some(timed(|| {
            let start = Instant::now();
            let mut ops = 0;
            while start.elapsed() < length {
                let row = |random: &mut fastrand::Rng| {
                    let mut value = Vec::with_capacity(load.value_bytes);
                    load.value(random, &mut value);
                    (load.any_key(random).to_owned(), value)
                };
                let rows: Vec<_> = (0..HANDED_OVER).map(|_| row(&mut random)).collect();
                handle.set_batch(&rows)?;
                ops += HANDED_OVER as u64;
            }
            Ok(ops)
        })?);
        Ok(())
    })?;
    block.context("a store lent no handle")
}

fn until(
    stop: &AtomicBool,
    handle: &mut dyn Handle,
    load: &Load,
    work: Work,
    random: &mut fastrand::Rng,
) -> Result<u64> {
    let mut value = Vec::new();
    let mut ops = 0;
    while !stop.load(Ordering::Relaxed) {
        let key = load.any_key(random);
        match work {
            Work::Get => {
                black_box(handle.get(key)?);
            }
            Work::Set => {
                load.value(random, &mut value);
                handle.set(key, &value)?;
            }
        }
        ops += 1;
    }
    Ok(ops)
}
