//! What the engine is meant to reach, beside what was found. Nothing here fails: a noisy machine is no
//! reason for that, and the instruction counts are the gate.

use crate::compare::{Comparison, Operation};
use crate::million::{CACHE_LIMITS, Million};
use crate::rounds::Series;
use crate::store::Peer;
use crate::table::{Table, time};
use crate::threads::{HANDED_OVER, Scaling};

/// What a number is meant to be.
enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

struct Held {
    table: Table,
}

impl Held {
    /// A line; `found` is missing where the engine cannot be measured at it.
    fn line(
        &mut self,
        name: &str,
        aim: &Aim,
        found: Option<f64>,
        show: impl Fn(f64) -> String,
        detail: &str,
    ) {
        let (wanted, holds) = match *aim {
            Aim::AtMost(most) => (format!("≤ {}", show(most)), found.is_some_and(|found| found <= most)),
            Aim::AtLeast(least) => (format!("≥ {}", show(least)), found.is_some_and(|found| found >= least)),
        };
        let verdict = match (found, holds) {
            (None, _) => "not measured",
            (Some(_), true) => "holds",
            (Some(_), false) => "short",
        };
        let found = found.map_or_else(String::new, show);
        self.table.row([name.to_owned(), wanted, found, verdict.to_owned(), detail.to_owned()]);
    }
}

fn ratio(of: f64) -> String {
    format!("{of:.2}×")
}

fn mebibytes(of: f64) -> String {
    format!("{:.1} MiB", of / f64::from(1 << 20))
}

/// The memory beyond the cache as `docs/ARCHITECTURE.md` documents it: for each shard the page caches of a
/// connection that writes and one that reads, and what belongs to them.
const MEMORY_CONSTANT: f64 = (16.0 * 4.5) * (1 << 20) as f64;

/// What there is to look at.
pub(crate) struct Measured<'a> {
    pub(crate) small: Option<&'a Comparison>,
    pub(crate) sets: Option<&'a Scaling>,
    pub(crate) synced: Option<&'a Scaling>,
    pub(crate) million: Option<&'a Million>,
}

pub(crate) fn table(measured: &Measured<'_>) -> Table {
    let head = ["must hold", "aim", "found", "", "measured"];
    let mut held = Held { table: Table::new("What must hold", head) };
    if let Some(small) = measured.small {
        single(&mut held, small);
    }
    if let Some(sets) = measured.sets {
        let eight = ways(sets, "8 writers", 8);
        one_connection(&mut held, sets, &eight, 2.5);
    }
    if let Some(synced) = measured.synced {
        one_connection(&mut held, synced, &ways(synced, "32 synced writers", 32), 4.0);
        one_connection(&mut held, synced, &ways(synced, "256 synced writers", 256), 8.0);
        let name = format!("`apply` of {HANDED_OVER} synced sets");
        one_connection(&mut held, synced, &(name, synced.handed_over()), 8.0);
    }
    if let Some(million) = measured.million {
        many_rows(&mut held, million);
    }
    held.table
}

fn single(held: &mut Held, small: &Comparison) {
    let get = |operation, peer| small.series(operation, peer);
    let compare = |operation, ours, theirs| Some(get(operation, ours)?.ratio(get(operation, theirs)?));
    let both = |operation, ours, theirs| {
        let (Some(ours), Some(theirs)) = (get(operation, ours), get(operation, theirs)) else {
            return String::new();
        };
        let cpu = ratio(ours.cpu_ratio(theirs));
        format!("{} to {}; processor time {cpu}", time(ours.cost()), time(theirs.cost()))
    };
    for (name, operation, ours, theirs, most) in [
        ("hot get to rusqlite's", Operation::HotGet, Peer::LiteStash, Peer::Rusqlite, 0.25),
        ("hot get to LMDB's", Operation::HotGet, Peer::LiteStash, Peer::Lmdb, 1.0),
        (
            "get with the cache off to rusqlite's",
            Operation::AnyGet,
            Peer::LiteStashUncached,
            Peer::Rusqlite,
            1.1,
        ),
        ("repeated miss to rusqlite's", Operation::Miss, Peer::LiteStash, Peer::Rusqlite, 0.2),
        ("set to rusqlite's", Operation::Overwrite, Peer::LiteStash, Peer::Rusqlite, 1.15),
    ] {
        let found = compare(operation, ours, theirs);
        held.line(name, &Aim::AtMost(most), found, ratio, &both(operation, ours, theirs));
    }
    let tail = get(Operation::Overwrite, Peer::LiteStash)
        .map(|series| series.latency_median(|latency| latency.value_at_quantile(0.999)));
    let stall = get(Operation::Overwrite, Peer::Rusqlite)
        .map(|series| series.latency_median(hdrhistogram::Histogram::max));
    held.line(
        "p99.9 of a set to rusqlite's worst stall",
        &Aim::AtMost(0.2),
        tail.zip(stall).map(|(tail, stall)| tail / stall),
        ratio,
        &format!("{} to {}", time(tail.unwrap_or(f64::NAN)), time(stall.unwrap_or(f64::NAN))),
    );
    let relaxed = get(Operation::Overwrite, Peer::LiteStashRelaxed).map(Series::cost);
    held.line("relaxed set", &Aim::AtMost(1.5e-6), relaxed, time, "");
    let batch = get(Operation::Batch, Peer::LiteStash).map(Series::cost);
    held.line("`apply` of 1 000 sets, each", &Aim::AtMost(3e-6), batch, time, "");
}

fn ways<'s>(scaling: &'s Scaling, name: &str, threads: usize) -> (String, Option<&'s Series>) {
    (name.to_owned(), scaling.series(Peer::LiteStash, threads))
}

/// The engine's throughput in some way to that of one raw connection.
fn one_connection(held: &mut Held, scaling: &Scaling, (name, ours): &(String, Option<&Series>), least: f64) {
    let pair = ours.zip(scaling.series(Peer::Rusqlite, 1));
    let detail = pair.map_or_else(String::new, |(ours, raw)| {
        format!("{:.0} to {:.0} a second", 1.0 / ours.cost(), 1.0 / raw.cost())
    });
    let name = format!("{name} to one rusqlite connection");
    held.line(&name, &Aim::AtLeast(least), pair.map(|(ours, raw)| raw.ratio(ours)), ratio, &detail);
}

fn many_rows(held: &mut Held, million: &Million) {
    let rows = million.rows;
    let name = |what: &str| format!("{rows} rows: {what}");
    held.line(
        &name("`set_many`, each"),
        &Aim::AtMost(5e-6),
        Some(million.set_many),
        time,
        "batches of 10 000",
    );
    held.line(&name("`import`, each"), &Aim::AtMost(5e-6), Some(million.import), time, "JSON Lines, parsed");
    let between = |[few, many]: &[Series; 2]| format!("{} to {}", time(many.cost()), time(few.cost()));
    let grown = |[few, many]: &[Series; 2]| Some(many.ratio(few));
    let cold = &million.cold_get;
    let first = "get of keys not read before, to 10 000 rows";
    held.line(&name(first), &Aim::AtMost(2.0), grown(cold), ratio, &between(cold));
    // "Unchanged", with room for noise.
    let open = &million.open;
    held.line(&name("open and get, to 10 000 rows"), &Aim::AtMost(1.2), grown(open), ratio, &between(open));
    for (limit, &bytes) in CACHE_LIMITS.into_iter().zip(&million.memory) {
        let name = name(&format!("memory at a cache of {}", mebibytes(limit as f64)));
        let detail = format!("{} beyond the cache", mebibytes(bytes as f64 - limit as f64));
        held.line(
            &name,
            &Aim::AtMost(limit as f64 + MEMORY_CONSTANT),
            Some(bytes as f64),
            mebibytes,
            &detail,
        );
    }
}
