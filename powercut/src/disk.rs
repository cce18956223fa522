//! The model of a disk: what is durable, what is not yet, and the states that a power cut can leave.

use crate::event::{Event, Kind};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// The unit that a disk writes as a whole, in bytes.
const SECTOR: usize = 512;

/// Paths and contents of files. Empty directories have the contents `None`.
pub(crate) type State = BTreeMap<String, Option<Vec<u8>>>;

/// A change of a file that no sync has covered yet, and the number of its event.
#[derive(Debug, Clone)]
struct Change {
    event: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Write { offset: usize, data: Rc<[u8]> },
    Resize { size: usize },
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    File(u64),
    Directory,
}

/// A change of a directory's entries.
#[derive(Debug)]
enum Entry {
    Add(String, Node),
    Remove(String),
}

#[derive(Debug, Default)]
struct Directory {
    durable: BTreeMap<String, Node>,
    /// Per event what it changes here; a rename is one event.
    pending: Vec<(u64, Vec<Entry>)>,
}

/// How much of what is not synced yet reached the disk.
#[derive(Debug, Clone, Copy)]
enum Luck {
    Nothing,
    Everything,
    /// Every sector for itself.
    Random,
    /// All but the sectors of one write.
    AllBut(usize),
    /// What was written first.
    Prefix(usize),
}

/// The disk while a recording is replayed.
pub(crate) struct Disk {
    files: HashMap<u64, File>,
    directories: BTreeMap<String, Directory>,
    events: u64,
    /// Files whose syncs are not believed: those whose path ends with this.
    deaf: Option<&'static str>,
    deaf_files: Vec<u64>,
}

impl Disk {
    /// An empty disk. `deaf`: ignore the syncs of files whose path ends so.
    pub(crate) fn new(deaf: Option<&'static str>) -> Self {
        let directories = BTreeMap::from([(String::new(), Directory::default())]);
        Self { files: HashMap::new(), directories, events: 0, deaf, deaf_files: Vec::new() }
    }

    /// What the next event of the recording does.
    pub(crate) fn apply(&mut self, event: &Event) {
        let path = || String::from_utf8_lossy(&event.bytes).into_owned();
        match event.kind {
            Kind::Note => {}
            Kind::Create | Kind::Link => {
                if self.deaf.is_some_and(|suffix| path().ends_with(suffix)) {
                    self.deaf_files.push(event.file);
                }
                self.files.entry(event.file).or_default();
                self.entries(vec![Entry::Add(path(), Node::File(event.file))]);
            }
            Kind::MakeDirectory => {
                self.entries(vec![Entry::Add(path(), Node::Directory)]);
                self.directories.insert(path(), Directory::default());
            }
            Kind::Unlink => self.entries(vec![Entry::Remove(path())]),
            Kind::Rename => {
                let paths = path();
                let (from, to) = paths.split_once('\0').unwrap_or((&paths, &paths));
                let add = Entry::Add(to.to_owned(), Node::File(event.file));
                self.entries(vec![Entry::Remove(from.to_owned()), add]);
            }
            Kind::Write => {
                let offset = event.number as usize;
                self.change(event.file, What::Write { offset, data: event.bytes.as_slice().into() });
            }
            Kind::Resize => self.change(event.file, What::Resize { size: event.number as usize }),
            Kind::Sync if self.deaf_files.contains(&event.file) => {}
            Kind::Sync => {
                if let Some(file) = self.files.get_mut(&event.file) {
                    let covered = file.pending.partition_point(|change| change.event < event.number);
                    for change in file.pending.drain(..covered) {
                        change.what.apply(&mut file.durable);
                    }
                }
            }
            Kind::SyncDirectory => {
                if let Some(directory) = self.directories.get_mut(&path()) {
                    let covered = directory.pending.partition_point(|(at, _)| *at < event.number);
                    for (_, entries) in directory.pending.drain(..covered) {
                        entries.iter().for_each(|entry| entry.apply(&mut directory.durable));
                    }
                }
            }
        }
        self.events += 1;
    }

    fn change(&mut self, file: u64, what: What) {
        self.files.entry(file).or_default().pending.push(Change { event: self.events, what });
    }

    /// Notes a change of entries, all in the directory of the first.
    fn entries(&mut self, entries: Vec<Entry>) {
        let parent = entries.first().map_or("", |entry| parent(entry.path())).to_owned();
        self.directories.entry(parent).or_default().pending.push((self.events, entries));
    }

    /// The files as the programs see them.
    pub(crate) fn live(&self) -> State {
        self.state_with(&mut |_| Luck::Everything, None)
    }

    /// A state that a power cut at this moment can leave.
    pub(crate) fn cut(&self, random: &mut SmallRng) -> State {
        let whole = match random.random_range(0..10) {
            0 | 1 => Some(Luck::Nothing),
            2 => Some(Luck::Everything),
            _ => None,
        };
        let seed = SmallRng::from_rng_of(random);
        let mut luck = |pending: usize| whole.unwrap_or_else(|| Luck::draw(random, pending));
        self.state_with(&mut luck, Some(seed))
    }

    fn state_with(&self, luck: &mut dyn FnMut(usize) -> Luck, mut random: Option<SmallRng>) -> State {
        let mut state = State::new();
        let mut open = vec![String::new()];
        let mut contents: HashMap<u64, Vec<u8>> = HashMap::new();
        while let Some(path) = open.pop() {
            let Some(directory) = self.directories.get(&path) else { continue };
            for (path, node) in directory.after(luck(directory.pending.len()), &mut random) {
                let entry = match node {
                    Node::Directory => {
                        open.push(path.clone());
                        None
                    }
                    Node::File(number) => {
                        let contents = contents.entry(number).or_insert_with(|| {
                            let file = self.files.get(&number);
                            file.map(|file| file.after(luck(file.pending.len()), &mut random))
                                .unwrap_or_default()
                        });
                        Some(contents.clone())
                    }
                };
                state.insert(path, entry);
            }
        }
        state
    }
}

/// A second generator, so that the choices of luck and of sectors do not disturb each other.
trait Fork {
    fn from_rng_of(random: &mut SmallRng) -> SmallRng;
}

impl Fork for SmallRng {
    fn from_rng_of(random: &mut SmallRng) -> SmallRng {
        rand::SeedableRng::seed_from_u64(random.next_u64())
    }
}

impl Luck {
    fn draw(random: &mut SmallRng, pending: usize) -> Self {
        match random.random_range(0..10) {
            _ if pending == 0 => Self::Everything,
            0 | 1 => Self::Nothing,
            2 => Self::Everything,
            3 | 4 => Self::AllBut(random.random_range(0..pending)),
            5 | 6 => Self::Prefix(random.random_range(0..=pending)),
            _ => Self::Random,
        }
    }
}

impl Entry {
    fn path(&self) -> &str {
        match self {
            Self::Add(path, _) | Self::Remove(path) => path,
        }
    }

    fn apply(&self, entries: &mut BTreeMap<String, Node>) {
        match self {
            Self::Add(path, node) => drop(entries.insert(path.clone(), node.clone())),
            Self::Remove(path) => drop(entries.remove(path)),
        }
    }
}

impl Directory {
    /// The entries after a cut: those that are durable and a prefix of the later changes, because file systems
    /// keep a journal of them, or order them as if they did.
    fn after(&self, luck: Luck, random: &mut Option<SmallRng>) -> BTreeMap<String, Node> {
        let pending = self.pending.len();
        let kept = match (luck, random) {
            (Luck::Nothing, _) => 0,
            (Luck::Everything, _) | (_, None) => pending,
            (_, Some(random)) => random.random_range(0..=pending),
        };
        let mut entries = self.durable.clone();
        for (_, changes) in &self.pending[..kept] {
            changes.iter().for_each(|change| change.apply(&mut entries));
        }
        entries
    }
}

impl What {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => put(bytes, *offset, data),
            Self::Resize { size } => bytes.resize(*size, 0),
        }
    }
}

/// Writes at an offset, with zeros in a gap.
fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

impl File {
    /// The contents after a cut.
    ///
    /// The size is one that the file has had since its last sync. Of each sector an old or the newest version is
    /// there; where nothing of it was written within a grown file there are zeros, or what the disk held before.
    fn after(&self, luck: Luck, random: &mut Option<SmallRng>) -> Vec<u8> {
        let pending = self.pending.len();
        let mut bytes = self.durable.clone();
        let Some(random) = random.as_mut().filter(|_| !matches!(luck, Luck::Everything)) else {
            self.pending.iter().for_each(|change| change.what.apply(&mut bytes));
            return bytes;
        };
        // Changes of the size are metadata, so they persist in their order: the first `sized` of all changes.
        let sized = match luck {
            Luck::Nothing => 0,
            Luck::Prefix(kept) if random.random() => kept,
            _ if random.random() => pending,
            _ => random.random_range(0..=pending),
        };
        let cutoff = Cutoff::new(luck, self, random);
        let size = self.pending[..sized].iter().fold(self.durable.len(), |size, change| match &change.what {
            What::Write { offset, data } => size.max(offset + data.len()),
            What::Resize { size } => *size,
        });
        // What a dropped truncation removed was not written again in place.
        let mut removed = usize::MAX;
        let mut versions = HashMap::new();
        for (number, change) in self.pending.iter().enumerate() {
            match &change.what {
                What::Resize { size } if number < sized => bytes.resize(*size, 0),
                What::Resize { size } => removed = removed.min(*size),
                What::Write { offset, data } => {
                    let end = (offset + data.len()).min(removed);
                    let mut at = *offset;
                    while at < end {
                        let next = (at / SECTOR + 1) * SECTOR;
                        let next = next.min(end);
                        if number < cutoff.of(at / SECTOR, &mut versions, random) {
                            put(&mut bytes, at, &data[at - offset..next - offset]);
                        }
                        at = next;
                    }
                }
            }
        }
        let written = bytes.len();
        bytes.resize(size, 0);
        // Only some file systems let blocks be seen that were never written.
        if written < size && random.random_ratio(1, 4) {
            random.fill_bytes(&mut bytes[written..]);
        }
        bytes
    }
}

/// From which change on a sector's versions are lost. A sector is written from memory, so it never has a later
/// change without an earlier one.
enum Cutoff {
    Same(usize),
    /// The sectors of one write lose it and what follows.
    Hole {
        first: usize,
        last: usize,
        from: usize,
    },
    /// Out of a hundred sectors so many are old and so many new; the others are in between.
    Random {
        old: u32,
        new: u32,
        changes: usize,
    },
}

impl Cutoff {
    fn new(luck: Luck, file: &File, random: &mut SmallRng) -> Self {
        match luck {
            Luck::Nothing => Self::Same(0),
            Luck::Everything => Self::Same(usize::MAX),
            Luck::Prefix(kept) => Self::Same(kept),
            Luck::AllBut(number) => match file.pending.get(number).map(|change| &change.what) {
                Some(What::Write { offset, data }) => {
                    // The whole write, or one sector of it.
                    let (first, last) = (offset / SECTOR, (offset + data.len()).saturating_sub(1) / SECTOR);
                    let torn = random.random_range(first..=last.max(first));
                    let (first, last) = if random.random() { (first, last) } else { (torn, torn) };
                    Self::Hole { first, last, from: number }
                }
                _ => Self::Same(usize::MAX),
            },
            Luck::Random => {
                let (old, new) = [(5, 90), (50, 40), (90, 5), (30, 30)][random.random_range(0..4)];
                Self::Random { old, new, changes: file.pending.len() }
            }
        }
    }

    fn of(&self, sector: usize, drawn: &mut HashMap<usize, usize>, random: &mut SmallRng) -> usize {
        match *self {
            Self::Same(cutoff) => cutoff,
            Self::Hole { first, last, from } if (first..=last).contains(&sector) => from,
            Self::Hole { .. } => usize::MAX,
            Self::Random { old, new, changes } => {
                *drawn.entry(sector).or_insert_with(|| match random.random_range(0..100) {
                    draw if draw < old => 0,
                    draw if draw < old + new => usize::MAX,
                    _ => random.random_range(0..=changes),
                })
            }
        }
    }
}

/// The directory of a path.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::collections::BTreeSet;

    /// A file of two sectors, synced with its name; then its second half is overwritten.
    fn disk(deaf: Option<&'static str>, sync_again: bool) -> Disk {
        let event = |kind, number, bytes: &[u8]| Event { kind, file: 1, number, bytes: bytes.to_owned() };
        let mut disk = Disk::new(deaf);
        disk.apply(&event(Kind::Create, 0, b"a-wal"));
        disk.apply(&event(Kind::Write, 0, &[1; 2 * SECTOR]));
        disk.apply(&event(Kind::Sync, 2, b""));
        disk.apply(&event(Kind::SyncDirectory, 3, b""));
        disk.apply(&event(Kind::Write, SECTOR as u64 / 2, &[2; SECTOR]));
        if sync_again {
            disk.apply(&event(Kind::Sync, 5, b""));
        }
        disk
    }

    fn states(disk: &Disk) -> BTreeSet<Vec<(usize, u8)>> {
        let mut random = SmallRng::seed_from_u64(7);
        let runs = |bytes: &[u8]| bytes.chunk_by(|a, b| a == b).map(|run| (run.len(), run[0])).collect();
        let contents = |state: State| state.get("a-wal").cloned().flatten().unwrap_or_default();
        (0..1000).map(|_| runs(&contents(disk.cut(&mut random)))).collect()
    }

    #[test]
    fn unsynced_sectors_are_kept_or_dropped_each_for_itself() {
        const HALF: usize = SECTOR / 2;
        let old = vec![(4 * HALF, 1)];
        let first = vec![(HALF, 1), (HALF, 2), (2 * HALF, 1)];
        let second = vec![(2 * HALF, 1), (HALF, 2), (HALF, 1)];
        let new = vec![(HALF, 1), (2 * HALF, 2), (HALF, 1)];
        assert_eq!(states(&disk(None, false)), BTreeSet::from([old, first, second, new.clone()]));
        assert_eq!(states(&disk(None, true)), BTreeSet::from([new]));
        // What no sync covered may also be missing as a whole.
        assert!(states(&disk(Some("-wal"), true)).contains(&vec![]));
    }

    #[test]
    fn a_name_without_a_sync_of_its_directory_may_vanish() {
        let mut disk = disk(None, true);
        let bytes = b"a-wal\0b".to_vec();
        disk.apply(&Event { kind: Kind::Rename, file: 1, number: 0, bytes });
        let mut random = SmallRng::seed_from_u64(7);
        let names: BTreeSet<Vec<String>> =
            (0..100).map(|_| disk.cut(&mut random).into_keys().collect()).collect();
        assert_eq!(names, BTreeSet::from([vec!["a-wal".to_owned()], vec!["b".to_owned()]]));
    }
}
