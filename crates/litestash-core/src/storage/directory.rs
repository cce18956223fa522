//! The stash's directory: creating it, and refusing places where SQLite's locks are not safe.

use super::retry::while_busy;
use crate::contract::bucket::{BUCKETS, bucket_name, directory_name};
use crate::contract::route::ShardId;
use crate::contract::schema::JOURNAL_FILE;
use crate::error::{Error, ErrorKind, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A directory that was found fit to hold a stash, as an absolute path without symbolic links.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Whether the names of the directory and of those above it were made durable.
    is_named: Arc<AtomicBool>,
    /// Of a bucket: the directory that it is in.
    buckets: Option<Arc<Path>>,
}

impl Directory {
    /// Finds the directory, or creates it (mode 0700) if `create`.
    pub(crate) fn open(path: &Path, create: bool, allow_network: bool) -> Result<Self> {
        let failed = |error: std::io::Error| Error::from(error).context("the stash's directory");
        if create && !exists(path).map_err(|error| error.context("the stash's directory"))? {
            make(path).map_err(failed)?;
        }
        let path = path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::new(ErrorKind::NoStash, "there is no directory at that path")
            }
            _ => failed(error),
        })?;
        if !path.is_dir() {
            return Err(Error::new(ErrorKind::NotAStash, "the path is a file; a stash is a directory"));
        }
        if !allow_network {
            refuse_network(&path)?;
        }
        Ok(Self { path, is_named: Arc::default(), buckets: None })
    }

    /// The directory of a bucket of the stash in this one, which may be missing. `InvalidArgument` for a name
    /// that no bucket can have.
    pub(crate) fn bucket(&self, name: &str) -> Result<Self> {
        let buckets: Arc<Path> = self.buckets_path().into();
        let path = buckets.join(directory_name(name)?);
        Ok(Self { path, is_named: Arc::default(), buckets: Some(buckets) })
    }

    /// The names of the buckets of the stash in this directory, in ascending order of their bytes.
    pub(crate) fn bucket_names(&self) -> Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.buckets_path()) {
            Err(error) if error.kind() == Io::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| Error::from(error).context("the directory of the buckets"))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir()
                && let Some(name) = entry.file_name().to_str().and_then(bucket_name)
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The directory of the buckets of the stash in this one.
    pub(crate) fn buckets_path(&self) -> PathBuf {
        self.path.join(BUCKETS)
    }

    /// The directory that holds this one, if it is a bucket's.
    pub(crate) fn buckets(&self) -> Option<&Arc<Path>> {
        self.buckets.as_ref()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn shard_path(&self, shard: ShardId) -> PathBuf {
        self.path.join(shard.file_name())
    }

    /// Where the journal is, if there is one.
    pub(crate) fn journal_path(&self) -> PathBuf {
        self.path.join(JOURNAL_FILE)
    }

    /// The shards whose file exists.
    pub(crate) fn existing(&self) -> Result<Vec<ShardId>> {
        let found = |shard| exists(&self.shard_path(shard)).map(|exists| exists.then_some(shard));
        ShardId::all().filter_map(|shard| found(shard).transpose()).collect()
    }

    /// Holds the lock on a file of that name, which is made if it is missing (mode 0600), until what is returned is
    /// dropped. `Busy`, with the text `held`, if somebody else holds it for longer than `timeout`.
    pub(crate) fn lock(&self, name: &str, timeout: Duration, held: &'static str) -> Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(self.path.join(name))?;
        while_busy(timeout, || match lock.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::Busy, held)),
            Err(TryLockError::Error(error)) => Err(error.into()),
        })?;
        Ok(lock)
    }

    /// Makes the directory's entries durable, and the first time its own name and those above it, of which any
    /// may be new. Opening a directory is safe: no lock is held on it.
    pub(crate) fn sync(&self) -> Result<()> {
        match sync(&self.path) {
            // A bucket that was not written yet, or was dropped meanwhile.
            Err(error) if error.kind() == Io::NotFound && self.buckets.is_some() => return Ok(()),
            synced => synced?,
        }
        // A bucket that was dropped and made anew has a new name there.
        if let Some(buckets) = &self.buckets {
            sync(buckets)?;
        }
        if !self.is_named.load(Ordering::Acquire) {
            for above in self.path.ancestors().skip(1) {
                match sync(above).map_err(|error| (error.kind(), error)) {
                    // Not ours to sync, or not a place where names change.
                    Err((
                        Io::PermissionDenied | Io::InvalidInput | Io::Unsupported | Io::ReadOnlyFilesystem,
                        _,
                    )) => {}
                    Err((_, error)) => return Err(error.into()),
                    Ok(()) => {}
                }
            }
            self.is_named.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Whether the whole file system is mounted read-only, so that nobody can be writing.
    pub(crate) fn is_on_read_only_media(&self) -> bool {
        #[cfg(unix)]
        {
            rustix::fs::statvfs(&self.path)
                .is_ok_and(|fs| fs.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
        }
        #[cfg(not(unix))]
        false
    }
}

fn sync(directory: &Path) -> std::io::Result<()> {
    std::fs::File::open(directory)?.sync_all()
}

/// Whether there is a file of that name. Not being allowed to look is an error, not a no.
pub(crate) fn exists(path: &Path) -> Result<bool> {
    Ok(path.try_exists()?)
}

/// Creates a directory, and those above it, with mode 0700.
#[cfg(unix)]
pub(crate) fn make(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates a directory and those above it.
#[cfg(not(unix))]
pub(crate) fn make(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Creates an empty shard file with mode 0600, if there is none. Without a descriptor: closing one could drop
/// the locks of another handle in this process that opened the file in between.
#[cfg(target_os = "linux")]
pub(crate) fn create_shard_file(path: &Path) -> Result<()> {
    use rustix::fs::{CWD, FileType, Mode};
    match rustix::fs::mknodat(CWD, path, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(Error::from(std::io::Error::from(errno)).context("creating a shard file")),
    }
}

/// Creates an empty shard file with mode 0600, if there is none.
#[cfg(not(target_os = "linux"))]
pub(crate) fn create_shard_file(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::from(error).context("creating a shard file"))
        }
        _ => Ok(()),
    }
}

/// File systems on which POSIX locks or shared memory do not work across their users. The numbers are those
/// of `statfs(2)` and `linux/magic.h`.
const NETWORK_FILE_SYSTEMS: [(u32, &str); 9] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse or virtiofs"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
    (0x7461_636f, "ocfs2"),
];

/// The name of the network file system with that number.
fn network_name(magic: u32) -> Option<&'static str> {
    NETWORK_FILE_SYSTEMS.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

#[cfg(target_os = "linux")]
fn refuse_network(path: &Path) -> Result<()> {
    let fs = rustix::fs::statfs(path).map_err(|errno| Error::from(std::io::Error::from(errno)))?;
    match network_name(fs.f_type as u32) {
        Some(name) => Err(network_error(name)),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_path: &Path) -> Result<()> {
    Ok(())
}

fn network_error(name: &str) -> Error {
    Error::new(
        ErrorKind::NetworkFileSystem,
        format!(
            "the directory is on {name}, where SQLite's locks and shared memory can fail without an error"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_named_and_local_ones_pass() {
        for (magic, name) in NETWORK_FILE_SYSTEMS {
            assert_eq!(network_name(magic), Some(name));
            assert_eq!(network_error(name).kind(), ErrorKind::NetworkFileSystem);
        }
        let local = [
            ("ext4", 0xef53),
            ("btrfs", 0x9123_683e),
            ("xfs", 0x5846_5342),
            ("tmpfs", 0x0102_1994),
            ("overlay", 0x794c_7630),
        ];
        for (name, magic) in local {
            assert_eq!(network_name(magic), None, "{name}");
        }
    }

    #[test]
    fn a_directory_is_private_and_a_file_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        assert_eq!(Directory::open(&path, false, false).unwrap_err().kind(), ErrorKind::NoStash);
        let directory = Directory::open(&path, true, false).unwrap();
        create_shard_file(&directory.shard_path(ShardId::new(3).unwrap())).unwrap();
        create_shard_file(&directory.shard_path(ShardId::new(3).unwrap())).unwrap();
        assert_eq!(directory.existing().unwrap(), [ShardId::new(3).unwrap()]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(&path.join("shard-3.db"))), (0o700, 0o600));
        }
        let file = parent.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(Directory::open(&file, true, false).unwrap_err().kind(), ErrorKind::NotAStash);
    }
}
