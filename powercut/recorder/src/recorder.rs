//! What is known about the recorded directory, and the log.

use crate::event::{Event, Kind};
use crate::hidden;
use libc::{c_char, c_int, c_uint, c_void, size_t, ssize_t};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// The recorder, if the environment asks for one.
pub(crate) struct Shared(LazyLock<Option<Mutex<Recorder>>>);

pub(crate) static RECORDER: Shared = Shared(LazyLock::new(|| Recorder::new().map(Mutex::new)));

impl Shared {
    pub(crate) fn lock(&self) -> Option<MutexGuard<'_, Recorder>> {
        self.0.as_ref().map(|recorder| recorder.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a descriptor stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    File(u64),
    Directory(String),
    Notes,
}

pub(crate) struct Recorder {
    /// The recorded directory.
    root: String,
    log: c_int,
    events: u64,
    /// Files get numbers of their own: those of inodes are used again.
    next_file: u64,
    files: BTreeMap<String, u64>,
    directories: Vec<String>,
    descriptors: BTreeMap<c_int, Target>,
}

impl Recorder {
    fn new() -> Option<Self> {
        let root = std::env::var("LITESTASH_RECORD_DIRECTORY").ok()?;
        let log = CString::new(std::env::var("LITESTASH_RECORD_LOG").ok()?).ok()?;
        let open = hidden!(c"open" as fn(*const c_char, c_int, c_uint) -> c_int);
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        // SAFETY: the path is a C string.
        let log = unsafe { open(log.as_ptr(), flags, 0o600) };
        if log < 0 {
            // SAFETY: always. A test that records nothing must not pass.
            unsafe { libc::abort() };
        }
        Some(Self {
            root,
            log,
            events: 0,
            next_file: 0,
            files: BTreeMap::new(),
            directories: vec![String::new()],
            descriptors: BTreeMap::new(),
        })
    }

    /// Appends an event. Written at once, so that nothing is missing however the process ends.
    fn append(&mut self, kind: Kind, file: u64, number: u64, bytes: &[u8]) {
        let write = hidden!(c"write" as fn(c_int, *const c_void, size_t) -> ssize_t);
        let event = Event::encode(kind, file, number, bytes);
        // SAFETY: the pointer and the length are those of a vector.
        let written = unsafe { write(self.log, event.as_ptr().cast(), event.len()) };
        if usize::try_from(written) != Ok(event.len()) {
            // SAFETY: always. A log with a hole must not be replayed.
            unsafe { libc::abort() };
        }
        self.events += 1;
    }

    /// The number of events so far.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// The path relative to the recorded directory, if it is one that is recorded.
    pub(crate) fn relative(&self, directory: c_int, path: &str) -> Option<String> {
        let relative = if path.starts_with('/') {
            let rest = path.strip_prefix(&self.root)?;
            if rest.is_empty() { rest } else { rest.strip_prefix('/')? }.to_owned()
        } else if let Some(Target::Directory(parent)) = self.descriptors.get(&directory) {
            if parent.is_empty() { path.to_owned() } else { format!("{parent}/{path}") }
        } else {
            return None;
        };
        (!relative.ends_with("-shm")).then(|| relative.trim_end_matches('/').to_owned())
    }

    pub(crate) fn target(&self, descriptor: c_int) -> Option<Target> {
        self.descriptors.get(&descriptor).cloned()
    }

    pub(crate) fn opened(&mut self, descriptor: c_int, path: Option<String>, create: bool, truncate: bool) {
        self.descriptors.remove(&descriptor);
        let Some(path) = path else { return };
        let target = if path == "notes" {
            Target::Notes
        } else if self.directories.contains(&path) {
            Target::Directory(path)
        } else if let Some(&file) = self.files.get(&path) {
            if truncate {
                self.resized(file, 0);
            }
            Target::File(file)
        } else if create {
            self.made_file(path);
            Target::File(self.next_file)
        } else {
            return;
        };
        self.descriptors.insert(descriptor, target);
    }

    pub(crate) fn closed(&mut self, descriptor: c_int) {
        self.descriptors.remove(&descriptor);
    }

    pub(crate) fn written(&mut self, target: &Target, data: &[u8], offset: impl FnOnce() -> u64) {
        match target {
            Target::Notes => self.append(Kind::Note, 0, 0, data),
            Target::File(file) => self.append(Kind::Write, *file, offset(), data),
            Target::Directory(_) => {}
        }
    }

    pub(crate) fn resized(&mut self, file: u64, size: u64) {
        self.append(Kind::Resize, file, size, &[]);
    }

    /// `events`: how many there were when the sync began.
    pub(crate) fn synced(&mut self, target: &Target, events: u64) {
        match target {
            Target::File(file) => self.append(Kind::Sync, *file, events, &[]),
            Target::Directory(path) => self.append(Kind::SyncDirectory, 0, events, path.as_bytes()),
            Target::Notes => {}
        }
    }

    pub(crate) fn made_file(&mut self, path: String) {
        self.next_file += 1;
        self.append(Kind::Create, self.next_file, 0, path.as_bytes());
        self.files.insert(path, self.next_file);
    }

    pub(crate) fn made_directory(&mut self, path: String) {
        self.append(Kind::MakeDirectory, 0, 0, path.as_bytes());
        self.directories.push(path);
    }

    pub(crate) fn unlinked(&mut self, path: String) {
        if self.files.remove(&path).is_some() {
            self.append(Kind::Unlink, 0, 0, path.as_bytes());
        }
    }

    pub(crate) fn linked(&mut self, from: &str, to: String) {
        if let Some(&file) = self.files.get(from) {
            self.append(Kind::Link, file, 0, to.as_bytes());
            self.files.insert(to, file);
        }
    }

    pub(crate) fn renamed(&mut self, from: &str, to: String) {
        if let Some(file) = self.files.remove(from) {
            self.append(Kind::Rename, file, 0, format!("{from}\0{to}").as_bytes());
            self.files.insert(to, file);
        }
    }
}
