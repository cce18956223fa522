//! One event of a recording, and its bytes in the log. The replayer includes this very file: a crate of its own
//! would be linked into the replayer together with the functions that the recorder replaces.

/// What happened. The fields of [`Event`] that a kind does not name are 0 or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The workload wrote the line `bytes`.
    Note,
    /// The file `file` came into being under the path `bytes`.
    Create,
    /// A directory came into being under the path `bytes`.
    MakeDirectory,
    /// The file `file` got a further path, `bytes`.
    Link,
    /// A file was renamed; `bytes` are both paths, separated by a zero byte.
    Rename,
    /// The path `bytes` was removed.
    Unlink,
    /// `bytes` were written to `file` at the offset `number`.
    Write,
    /// `file` got the size `number`.
    Resize,
    /// `file` was synced: the first `number` events are durable, as far as they concern its contents.
    Sync,
    /// The directory `bytes` was synced: the first `number` events are durable, as far as they concern its entries.
    SyncDirectory,
}

const KINDS: [Kind; 10] = [
    Kind::Note,
    Kind::Create,
    Kind::MakeDirectory,
    Kind::Link,
    Kind::Rename,
    Kind::Unlink,
    Kind::Write,
    Kind::Resize,
    Kind::Sync,
    Kind::SyncDirectory,
];

/// One event. Paths are relative to the recorded directory, which is itself the empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) file: u64,
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Bytes before those of the payload: kind, file, number, length.
const HEADER: usize = 1 + 3 * 8;

impl Event {
    /// The event as it stands in the log.
    pub(crate) fn encode(kind: Kind, file: u64, number: u64, bytes: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(HEADER + bytes.len());
        encoded.push(kind as u8);
        for field in [file, number, bytes.len() as u64] {
            encoded.extend_from_slice(&field.to_le_bytes());
        }
        encoded.extend_from_slice(bytes);
        encoded
    }

    /// The first event of `log`, and what follows it. `None` if the log ends before.
    pub(crate) fn decode(log: &[u8]) -> Option<(Self, &[u8])> {
        let (header, rest) = log.split_at_checked(HEADER)?;
        let field = |at: usize| header[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let (file, number, length) = (field(1)?, field(9)?, usize::try_from(field(17)?).ok()?);
        let (bytes, rest) = rest.split_at_checked(length)?;
        let kind = *KINDS.get(usize::from(header[0]))?;
        Some((Self { kind, file, number, bytes: bytes.to_owned() }, rest))
    }
}
