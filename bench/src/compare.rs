//! One thread: each operation on every store.

use crate::load::Load;
use crate::rounds::{self, Block, Effort, Series, alternate};
use crate::store::{Handle, Level, Peer, Store, Use};
use crate::table::{Table, time};
use anyhow::{Context, Result, ensure};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

/// Sets in one batch.
const BATCH_SETS: usize = 1_000;
const BATCHES: usize = 4;

/// Rows that come and go in one block.
const NEW_ROWS: usize = 2_000;

/// Untimed reads at the beginning of a block, after which the pages are in the store's memory again.
const READS_BEFORE: usize = 2_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    SetNew,
    Overwrite,
    Batch,
    HotGet,
    AnyGet,
    Miss,
    Delete,
}

impl Operation {
    const ALL: [Self; 7] =
        [Self::SetNew, Self::Overwrite, Self::Batch, Self::HotGet, Self::AnyGet, Self::Miss, Self::Delete];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SetNew => "set, new key",
            Self::Overwrite => "set, overwrite",
            Self::Batch => "1 000 sets in a batch, each",
            Self::HotGet => "get, 1 000 hot keys",
            Self::AnyGet => "get, any key",
            Self::Miss => "get, absent key",
            Self::Delete => "delete",
        }
    }

    /// What fits under a group of bars.
    const fn short_name(self) -> &'static str {
        match self {
            Self::SetNew => "set, new",
            Self::Overwrite => "overwrite",
            Self::Batch => "set in batch",
            Self::HotGet => "hot get",
            Self::AnyGet => "any get",
            Self::Miss => "miss",
            Self::Delete => "delete",
        }
    }

    const fn only_reads(self) -> bool {
        matches!(self, Self::HotGet | Self::AnyGet | Self::Miss)
    }

    /// Variants of the engine take part where they differ from it.
    fn concerns(self, peer: Peer) -> bool {
        match peer {
            Peer::LiteStashUncached => self.only_reads(),
            Peer::LiteStashRelaxed => matches!(self, Self::SetNew | Self::Overwrite),
            _ => true,
        }
    }
}

/// A store with its rows.
struct Bed {
    peer: Peer,
    store: Box<dyn Store>,
}

pub(crate) struct Comparison {
    pub(crate) rows: usize,
    pub(crate) value_bytes: usize,
    measured: Vec<(Operation, Peer, Series)>,
}

impl Comparison {
    pub(crate) fn run(scratch: &Path, effort: Effort, rows: usize, value_bytes: usize) -> Result<Self> {
        let directory = tempfile::tempdir_in(scratch)?;
        let load = Load::new(rows, value_bytes);
        let mut peers = Peer::ALL.to_vec();
        peers.extend([Peer::LiteStashUncached, Peer::LiteStashRelaxed]);
        let mut beds = Vec::new();
        for peer in peers {
            let store = peer.open(&directory.path().join(format!("{peer:?}")), Level::NoSync)?;
            store.lend(Use::Alone, &mut |handle| load.batches(BATCH_SETS, |rows| handle.set_batch(rows)))?;
            store.sync()?;
            beds.push(Bed { peer, store });
        }
        let mut comparison = Self { rows, value_bytes, measured: Vec::new() };
        for operation in Operation::ALL.into_iter().filter(|&operation| operation != Operation::Delete) {
            eprintln!("{rows} rows of {value_bytes} B: {}", operation.name());
            comparison.measure(operation, effort, &beds, &load)?;
        }
        for bed in beds {
            bed.store.close().with_context(|| bed.peer.name())?;
        }
        Ok(comparison)
    }

    fn measure(&mut self, operation: Operation, effort: Effort, beds: &[Bed], load: &Load) -> Result<()> {
        let beds: Vec<_> = beds.iter().filter(|bed| operation.concerns(bed.peer)).collect();
        let mut random = fastrand::Rng::with_seed(operation as u64);
        let mut deletes: Vec<Vec<Block>> = beds.iter().map(|_| Vec::new()).collect();
        let series = alternate(effort.rounds, beds.len(), |subject| {
            let mut block = None;
            beds[subject].store.lend(Use::Alone, &mut |handle| {
                block = Some(match operation {
                    Operation::SetNew => {
                        let (set, delete) = come_and_go(handle, load, &mut random)?;
                        deletes[subject].push(delete);
                        set
                    }
                    _ => one_block(operation, handle, load, effort.block, &mut random)?,
                });
                Ok(())
            })?;
            block.context("a store lent no handle")
        })?;
        for (bed, series) in beds.iter().zip(series) {
            self.measured.push((operation, bed.peer, series));
        }
        if operation == Operation::SetNew {
            for (bed, mut deletes) in beds.iter().zip(deletes) {
                deletes.remove(0);
                self.measured.push((Operation::Delete, bed.peer, Series(deletes)));
            }
        }
        Ok(())
    }

    pub(crate) fn series(&self, operation: Operation, peer: Peer) -> Option<&Series> {
        let found = self.measured.iter().find(|(of, by, _)| *of == operation && *by == peer);
        found.map(|(_, _, series)| series)
    }

    /// Microseconds of each operation by each store, for the plots.
    pub(crate) fn costs(&self) -> Vec<(Peer, Vec<f64>)> {
        let of = |peer| {
            let cost =
                |operation| self.series(operation, peer).map_or(f64::NAN, |series| series.cost() * 1e6);
            Operation::ALL.into_iter().map(cost).collect()
        };
        Peer::ALL.into_iter().map(|peer| (peer, of(peer))).collect()
    }

    pub(crate) fn labels() -> Vec<String> {
        Operation::ALL.into_iter().map(|operation| operation.short_name().to_owned()).collect()
    }

    pub(crate) fn table(&self) -> Table {
        let peers = self.peers();
        let head = std::iter::once("per operation").chain(peers.iter().map(|peer| peer.name()));
        let mut table = Table::new(format!("{} rows of {} B, one thread", self.rows, self.value_bytes), head);
        for operation in Operation::ALL {
            let raw = self.series(operation, Peer::Rusqlite);
            table.row(std::iter::once(operation.name().to_owned()).chain(peers.iter().map(|&peer| {
                match (self.series(operation, peer), raw) {
                    (Some(series), Some(raw)) if peer != Peer::Rusqlite => {
                        format!("{} ({:.2}×)", time(series.cost()), series.ratio(raw))
                    }
                    (Some(series), _) => time(series.cost()),
                    (None, _) => String::new(),
                }
            })));
        }
        table
    }

    /// How long single sets took, and the processor time of all threads for one.
    pub(crate) fn latency_table(&self) -> Table {
        let head = ["set, overwrite", "p50", "p99", "p99.9", "max", "processor time"];
        let title = format!("Latency of a set, {} rows of {} B, one thread", self.rows, self.value_bytes);
        let mut table = Table::new(title, head);
        for (peer, percentiles) in self.latencies() {
            let cpu = self.series(Operation::Overwrite, peer).map_or(f64::NAN, Series::cpu_cost);
            let cells = percentiles.into_iter().chain([cpu]).map(time);
            table.row(std::iter::once(peer.name().to_owned()).chain(cells));
        }
        table
    }

    /// p50, p99, p99.9 and the greatest, in seconds.
    pub(crate) fn latencies(&self) -> Vec<(Peer, Vec<f64>)> {
        let of = |peer| {
            let latency = self.series(Operation::Overwrite, peer)?.latency()?;
            let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1e9;
            Some((peer, vec![at(0.5), at(0.99), at(0.999), at(1.0)]))
        };
        self.peers().into_iter().filter_map(of).collect()
    }

    fn peers(&self) -> Vec<Peer> {
        let mut peers = Vec::new();
        for &(_, peer, _) in &self.measured {
            if !peers.contains(&peer) {
                peers.push(peer);
            }
        }
        peers
    }
}

fn one_block(
    operation: Operation,
    handle: &mut dyn Handle,
    load: &Load,
    length: Duration,
    random: &mut fastrand::Rng,
) -> Result<Block> {
    if operation.only_reads() {
        for _ in 0..READS_BEFORE {
            handle.get(load.any_key(random))?;
        }
    }
    let mut value = Vec::new();
    match operation {
        Operation::Overwrite => rounds::repeat_each(3 * length, || {
            load.value(random, &mut value);
            handle.set(load.any_key(random), &value)
        }),
        Operation::Batch => batches(handle, load, random),
        Operation::HotGet => rounds::repeat(length, || get(handle, load.hot_key(random), true)),
        Operation::AnyGet => rounds::repeat(length, || get(handle, load.any_key(random), true)),
        Operation::Miss => rounds::repeat(length, || get(handle, load.absent_key(random), false)),
        Operation::SetNew | Operation::Delete => come_and_go(handle, load, random).map(|(set, _)| set),
    }
}

fn get(handle: &mut dyn Handle, key: &str, there: bool) -> Result<()> {
    ensure!(black_box(handle.get(key)?).is_some() == there, "{key} is there, or is not");
    Ok(())
}

/// Sets new keys and deletes them again.
fn come_and_go(handle: &mut dyn Handle, load: &Load, random: &mut fastrand::Rng) -> Result<(Block, Block)> {
    let mut numbers: Vec<_> = (0..NEW_ROWS.min(load.spares())).collect();
    let mut value = Vec::new();
    random.shuffle(&mut numbers);
    let set = rounds::timed(|| {
        for &number in &numbers {
            load.value(random, &mut value);
            handle.set(load.spare_key(number), &value)?;
        }
        Ok(numbers.len() as u64)
    })?;
    random.shuffle(&mut numbers);
    let delete = rounds::timed(|| {
        for &number in &numbers {
            handle.delete(load.spare_key(number))?;
        }
        Ok(numbers.len() as u64)
    })?;
    Ok((set, delete))
}

fn batches(handle: &mut dyn Handle, load: &Load, random: &mut fastrand::Rng) -> Result<Block> {
    let row = |random: &mut fastrand::Rng| {
        let mut value = Vec::with_capacity(load.value_bytes);
        load.value(random, &mut value);
        (load.any_key(random).to_owned(), value)
    };
    let batches: Vec<Vec<_>> = (0..BATCHES).map(|_| (0..BATCH_SETS).map(|_| row(random)).collect()).collect();
    rounds::timed(|| {
        for batch in &batches {
            handle.set_batch(batch)?;
        }
        Ok((BATCHES * BATCH_SETS) as u64)
    })
}
