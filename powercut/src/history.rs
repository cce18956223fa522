//! What a workload did, from its notes, and the judgement on what a power cut left of it.

use crate::event::{Event, Kind};
use crate::level::Promise;
use anyhow::{Context, Result, bail};
use litestash_core::KeyRef;
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::route::Route;
use std::collections::{BTreeMap, HashMap};

/// A value is known by the number that its key's thread gave it; `None` is no value.
pub(crate) type Mark = Option<u64>;

/// What one operation of a thread changed in one shard: one transaction.
struct Part {
    issued: u64,
    /// `None`: the recording ended before.
    acknowledged: Option<u64>,
}

/// The states of a key: after so many parts of its thread in its shard it has had that value.
type Changes = Vec<(usize, Mark)>;

/// A thread's work in one shard.
#[derive(Default)]
struct Strand {
    parts: Vec<Part>,
    keys: BTreeMap<String, Changes>,
}

/// "From event `from` on, everything acknowledged before event `before` is durable."
struct Floor {
    shard: Option<usize>,
    from: u64,
    before: u64,
}

/// Everything that a workload did.
#[derive(Default)]
pub(crate) struct History {
    /// By shard and thread.
    strands: BTreeMap<(usize, u64), Strand>,
    floors: Vec<Floor>,
    /// The parts of each transaction over several shards: which strand, and which of its parts.
    transactions: Vec<Vec<((usize, u64), usize)>>,
    /// The events that acknowledge something.
    pub(crate) acknowledgements: Vec<u64>,
}

/// What is wrong with a state.
#[derive(Debug)]
pub(crate) enum Violation {
    /// Damage, or a value that nobody wrote.
    Corrupt(String),
    /// Something is missing that is promised to be there.
    Lost(String),
    /// A later write of a shard is there and an earlier one is not.
    NotPrefix(String),
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Corrupt(what) => write!(f, "corrupt: {what}"),
            Self::Lost(what) => write!(f, "lost: {what}"),
            Self::NotPrefix(what) => write!(f, "not a prefix: {what}"),
        }
    }
}

/// The shard of a key.
pub(crate) fn shard_of(key: &str) -> usize {
    Route::of(&KeyHash::of(KeyRef::Text(key))).shard.index()
}

impl History {
    /// Reads the notes. `logged`: whether a sync of a shard's log makes what was acknowledged durable.
    pub(crate) fn new(events: &[Event], promise: Promise) -> Result<Self> {
        let mut history = Self::default();
        let mut barriers: HashMap<u64, u64> = HashMap::new();
        let mut open: HashMap<u64, Vec<(usize, u64)>> = HashMap::new();
        for (at, event) in (0..).zip(events).filter(|(_, event)| event.kind == Kind::Note) {
            let line = std::str::from_utf8(&event.bytes)?.trim_end();
            let mut words = line.split(' ');
            let (Some(what), Some(thread)) = (words.next(), words.next()) else { bail!("note {line:?}") };
            let thread: u64 = thread.parse()?;
            match what {
                "issue" | "together" => {
                    let parts = history.issue(at, thread, words)?;
                    if what == "together" {
                        let number =
                            |id| (id, history.strands.get(&id).map_or(0, |strand| strand.parts.len()));
                        history.transactions.push(parts.iter().copied().map(number).collect());
                    }
                    open.insert(thread, parts);
                }
                "ack" => {
                    for strand in open.remove(&thread).into_iter().flatten() {
                        let part =
                            history.strands.get_mut(&strand).and_then(|strand| strand.parts.last_mut());
                        part.context("an acknowledgement of nothing")?.acknowledged = Some(at);
                    }
                    history.acknowledgements.push(at);
                }
                "sync" => drop(barriers.insert(thread, at)),
                "synced" => {
                    let before = *barriers.get(&thread).context("a barrier ends that did not begin")?;
                    history.floors.push(Floor { shard: None, from: at, before });
                }
                _ => bail!("note {line:?}"),
            }
        }
        if promise == Promise::Logged {
            history.floors.extend(logged(events));
        }
        Ok(history)
    }

    fn issue<'a>(
        &mut self,
        at: u64,
        thread: u64,
        changes: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<(usize, u64)>> {
        let mut parts = Vec::new();
        for change in changes {
            let (key, mark) = change.split_once('=').context("a change without a value")?;
            let mark = if mark == "-" { None } else { Some(mark.parse()?) };
            let id = (shard_of(key), thread);
            let strand = self.strands.entry(id).or_default();
            if !parts.contains(&id) {
                parts.push(id);
                strand.parts.push(Part { issued: at, acknowledged: None });
            }
            let number = strand.parts.len();
            strand.keys.entry(key.to_owned()).or_default().push((number, mark));
        }
        Ok(parts)
    }

    /// Judges what is there after a cut before event `cut`. Returns how many acknowledged transactions are gone,
    /// as the promise allows.
    pub(crate) fn judge(
        &self,
        cut: u64,
        promise: Promise,
        found: &BTreeMap<String, u64>,
    ) -> Result<usize, Violation> {
        for key in found.keys() {
            let known = self.strands.values().any(|strand| strand.keys.contains_key(key));
            if !known {
                return Err(Violation::Corrupt(format!("{key} is there, which nobody wrote")));
            }
        }
        let shards: std::collections::BTreeSet<usize> =
            self.strands.keys().map(|(shard, _)| *shard).collect();
        let gone = shards.into_iter().map(|shard| self.judge_shard(shard, cut, promise, found)).sum();
        self.judge_transactions(cut, found).and(gone)
    }

    /// A transaction is in all of its shards or in none.
    fn judge_transactions(&self, cut: u64, found: &BTreeMap<String, u64>) -> Result<(), Violation> {
        let mut fits = BTreeMap::new();
        for (id, strand) in &self.strands {
            // What fits nothing is told by the judgement of its shard.
            fits.insert(*id, strand.fits(id.0, cut, 0, found).unwrap_or_default());
        }
        for parts in &self.transactions {
            let fits = |id: &(usize, u64)| fits.get(id).map_or([].as_slice(), Vec::as_slice);
            let there = |(id, number): &((usize, u64), usize)| {
                !fits(id).is_empty() && fits(id).iter().all(|(low, _)| low >= number)
            };
            let missing = |(id, number): &((usize, u64), usize)| {
                !fits(id).is_empty() && fits(id).iter().all(|(_, high)| high < number)
            };
            if let (Some((one, _)), Some((other, _))) =
                (parts.iter().find(|part| there(part)), parts.iter().find(|part| missing(part)))
            {
                let text = format!("a transaction is in shard {:x} and not in shard {:x}", one.0, other.0);
                return Err(Violation::NotPrefix(text));
            }
        }
        Ok(())
    }

    fn judge_shard(
        &self,
        shard: usize,
        cut: u64,
        promise: Promise,
        found: &BTreeMap<String, u64>,
    ) -> Result<usize, Violation> {
        let strands: Vec<_> =
            self.strands.range((shard, 0)..=(shard, u64::MAX)).map(|(_, strand)| strand).collect();
        let before = match promise {
            Promise::Acknowledged => cut,
            _ => {
                let floors = self.floors.iter().filter(|floor| floor.shard.is_none_or(|of| of == shard));
                floors.filter(|floor| floor.from < cut).map(|floor| floor.before).max().unwrap_or(0)
            }
        };
        let mut chosen = Vec::new();
        let mut possible = Vec::new();
        for strand in &strands {
            let fits = strand.fits(shard, cut, before, found)?;
            let least = strand.acknowledged(before);
            let smallest =
                fits.iter().map(|(low, high)| (least.max(*low), *high)).find(|(low, high)| low <= high);
            let Some((smallest, _)) = smallest else {
                let text =
                    format!("shard {shard:x} holds {fits:?} parts of a thread's work, {least} are promised");
                return Err(Violation::Lost(text));
            };
            chosen.push(smallest);
            possible.push(fits);
        }
        // A part that is there began after these parts of other threads were acknowledged: so they must be there.
        // Raising each number as little as needed finds the least solution, if there is one.
        loop {
            let mut raised = false;
            for index in 0..strands.len() {
                let Some(last) = chosen[index].checked_sub(1) else { continue };
                let issued = strands[index].parts[last].issued;
                for other in 0..strands.len() {
                    let needed = strands[other].acknowledged(issued);
                    if chosen[other] >= needed {
                        continue;
                    }
                    let fits = possible[other].iter().find(|(_, high)| *high >= needed);
                    let Some((low, _)) = fits else {
                        let text =
                            format!("shard {shard:x} lacks a write acknowledged before one it holds began");
                        return Err(Violation::NotPrefix(text));
                    };
                    chosen[other] = needed.max(*low);
                    raised = true;
                }
            }
            if !raised {
                let most = possible.iter().map(|fits| fits.last().map_or(0, |(_, high)| *high));
                let gone = |(strand, most): (&&Strand, usize)| strand.acknowledged(cut).saturating_sub(most);
                return Ok(strands.iter().zip(most).map(gone).sum());
            }
        }
    }
}

impl Strand {
    /// How many parts were acknowledged before that event.
    fn acknowledged(&self, before: u64) -> usize {
        self.parts.partition_point(|part| part.acknowledged.is_some_and(|at| at < before))
    }

    /// After how many parts the keys have had just these values: ranges, ascending.
    fn fits(
        &self,
        shard: usize,
        cut: u64,
        before: u64,
        found: &BTreeMap<String, u64>,
    ) -> Result<Vec<(usize, usize)>, Violation> {
        let issued = self.parts.partition_point(|part| part.issued < cut);
        let mut fits = vec![(0, issued)];
        let mut newest = 0;
        let mut oldest = (usize::MAX, "");
        for (key, changes) in &self.keys {
            let mark = found.get(key).copied();
            let ranges = ranges(changes, mark, issued);
            let Some((_, last)) = ranges.last() else {
                return Err(Violation::Corrupt(format!(
                    "{key} has value {mark:?}, which nobody wrote by then"
                )));
            };
            oldest = oldest.min((*last, key));
            newest = newest.max(ranges[0].0);
            fits = intersect(&fits, &ranges);
        }
        if !fits.is_empty() {
            return Ok(fits);
        }
        let (least, (oldest, key)) = (self.acknowledged(before), oldest);
        let text = format!(
            "shard {shard:x}: {key} is as after {oldest} parts of its thread's work, others as after {newest}; \
             {least} are promised, {issued} were issued"
        );
        Err(if oldest < least { Violation::Lost(text) } else { Violation::NotPrefix(text) })
    }
}

/// After how many parts a key has had that value.
fn ranges(changes: &Changes, mark: Mark, issued: usize) -> Vec<(usize, usize)> {
    let first = changes.first().map_or(issued, |(number, _)| number - 1).min(issued);
    let absent = std::iter::once((0, first)).filter(|_| mark.is_none());
    let ends = changes.iter().skip(1).map(|(number, _)| number - 1).chain([usize::MAX]);
    let had = changes.iter().zip(ends).filter(|((_, had), _)| *had == mark);
    let had = had.map(|((number, _), end)| (*number, end.min(issued)));
    absent.chain(had).filter(|(low, high)| low <= high).collect()
}

fn intersect(a: &[(usize, usize)], b: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let both = a.iter().flat_map(|a| b.iter().map(|b| (a.0.max(b.0), a.1.min(b.1))));
    both.filter(|(low, high)| low <= high).collect()
}

/// When a sync of a shard's log made what was written before it durable: as soon as the names of the shard and
/// of its log are durable too.
fn logged(events: &[Event]) -> Vec<Floor> {
    #[derive(Default)]
    struct Shard {
        logs: Vec<u64>,
        /// The event that made the youngest of its names.
        named: u64,
        /// A sync whose names were not durable yet.
        waiting: Option<u64>,
    }
    let mut floors = Vec::new();
    let mut shards: BTreeMap<usize, Shard> = BTreeMap::new();
    // The directory's own name, up to which event its entries and the entry of its own are durable.
    let (mut made, mut entries, mut own) = (None, 0, 0);
    for (at, event) in (0..).zip(events) {
        let path = || String::from_utf8_lossy(&event.bytes);
        match event.kind {
            Kind::MakeDirectory => made = Some(at),
            Kind::Create | Kind::Link => {
                let path = path();
                let name = path.rsplit('/').next().unwrap_or(&path);
                let Some(rest) = name.strip_prefix("shard-") else { continue };
                let Some(number) = rest.get(..1).and_then(|digit| usize::from_str_radix(digit, 16).ok())
                else {
                    continue;
                };
                let shard = shards.entry(number).or_default();
                match &rest[1..] {
                    ".db" => shard.named = at,
                    ".db-wal" => {
                        shard.named = at;
                        shard.logs.push(event.file);
                    }
                    _ => {}
                }
            }
            Kind::Sync => {
                if let Some(shard) = shards.values_mut().find(|shard| shard.logs.contains(&event.file)) {
                    shard.waiting = Some(event.number);
                }
            }
            Kind::SyncDirectory if event.bytes.is_empty() => own = event.number,
            Kind::SyncDirectory => entries = event.number,
            _ => continue,
        }
        if made.is_some_and(|made| made < own) {
            for (number, shard) in &mut shards {
                if let Some(before) = shard.waiting.filter(|_| shard.named < entries) {
                    shard.waiting = None;
                    floors.push(Floor { shard: Some(*number), from: at, before });
                }
            }
        }
    }
    floors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(promise: Promise, notes: &[&str]) -> History {
        let note =
            |line: &&str| Event { kind: Kind::Note, file: 0, number: 0, bytes: line.as_bytes().to_owned() };
        History::new(&notes.iter().map(note).collect::<Vec<_>>(), promise).unwrap()
    }

    /// Keys of one shard.
    fn keys() -> Vec<String> {
        let keys = (0..).map(|number| format!("k{number}"));
        keys.filter(|key| shard_of(key) == 3).take(2).collect()
    }

    fn verdict(history: &History, promise: Promise, found: &[(&String, u64)]) -> &'static str {
        let found = found.iter().map(|(key, number)| ((*key).clone(), *number)).collect();
        match history.judge(100, promise, &found) {
            Ok(_) => "kept",
            Err(Violation::Corrupt(_)) => "corrupt",
            Err(Violation::Lost(_)) => "lost",
            Err(Violation::NotPrefix(_)) => "not a prefix",
        }
    }

    #[test]
    fn a_prefix_is_kept_and_a_hole_is_not() {
        let [a, b] = &keys()[..] else { panic!() };
        let lines = [format!("issue 0 {a}=1"), format!("issue 0 {b}=2"), format!("issue 0 {a}=-")];
        let notes = [&lines[0], "ack 0", "sync 0", "synced 0", &lines[1], "ack 0", &lines[2]];
        let normal = history(Promise::Logged, &notes);
        let verdict = |promise, found: &[(&String, u64)]| verdict(&normal, promise, found);
        assert_eq!(verdict(Promise::Logged, &[(a, 1)]), "kept");
        assert_eq!(verdict(Promise::Logged, &[(a, 1), (b, 2)]), "kept");
        assert_eq!(verdict(Promise::Logged, &[(b, 2)]), "kept");
        assert_eq!(verdict(Promise::Logged, &[]), "lost");
        assert_eq!(verdict(Promise::Acknowledged, &[(a, 1)]), "lost");
        assert_eq!(verdict(Promise::Logged, &[(a, 1), (b, 1)]), "corrupt");
    }

    #[test]
    fn a_transaction_is_in_all_of_its_shards_or_in_none() {
        let other = (0..).map(|number| format!("o{number}")).find(|key| shard_of(key) == 4).unwrap();
        let a = &keys()[0];
        let together = history(Promise::Acknowledged, &[&format!("together 0 {a}=1 {other}=2")]);
        let verdict = |found: &[(&String, u64)]| verdict(&together, Promise::Acknowledged, found);
        assert_eq!(verdict(&[]), "kept");
        assert_eq!(verdict(&[(a, 1), (&other, 2)]), "kept");
        assert_eq!(verdict(&[(a, 1)]), "not a prefix");
        assert_eq!(verdict(&[(&other, 2)]), "not a prefix");
    }

    #[test]
    fn a_batch_is_whole_and_threads_are_ordered_by_their_acknowledgements() {
        let [a, b] = &keys()[..] else { panic!() };
        let batch = history(Promise::Logged, &[&format!("issue 0 {a}=1 {b}=2")]);
        assert_eq!(verdict(&batch, Promise::Logged, &[(a, 1), (b, 2)]), "kept");
        assert_eq!(verdict(&batch, Promise::Logged, &[(b, 2)]), "not a prefix");
        let (first, second) = (format!("issue 0 {a}=1"), format!("issue 1 {b}=1"));
        let ordered = history(Promise::Logged, &[&first, "ack 0", &second, "ack 1"]);
        assert_eq!(verdict(&ordered, Promise::Logged, &[(b, 1)]), "not a prefix");
        let beside = history(Promise::Logged, &[&first, &second, "ack 0", "ack 1"]);
        assert_eq!(verdict(&beside, Promise::Logged, &[(b, 1)]), "kept");
    }
}
