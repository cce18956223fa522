//! The file `keyring` of an encrypted stash (`docs/CONTRACT.md` 15): read, created by the first one to come,
//! replaced whole.
//!
//! No lock of SQLite's is on it, so it may be opened and closed by hand.

use super::birth::Newborn;
use super::directory::{Directory, exists};
use crate::contract::format::{Envelope, Kdf, Keeper, Keyring, Secret, Unlock};
use crate::contract::record::NONCE_BYTES;
use crate::env::Random;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as Io, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Its name.
pub(crate) const NAME: &str = "keyring";

/// Held by whoever replaces it.
const LOCK_NAME: &str = "keyring.lock";

/// More than any keyring has.
const BYTES_MAX: u64 = 64 << 10;

/// The keyring file of an open stash.
pub(crate) struct KeyringFile {
    directory: Directory,
    random: Arc<dyn Random>,
    state: Mutex<State>,
}

struct State {
    /// The file that was read last. Kept open, so that no other file can get its number.
    read: Opened,
    /// How many files were read before that one.
    generation: u64,
    secret: Secret,
    kdf: Kdf,
}

/// A keyring file that was read.
struct Opened {
    #[cfg_attr(not(unix), expect(dead_code, reason = "only numbers of files need it"))]
    file: File,
    bytes: Vec<u8>,
}

impl KeyringFile {
    /// Opens the keyring of a stash.
    ///
    /// Where there is none, one is made if `create` is set and there is no shard file either: a stash that has
    /// lost its keyring never gets another one.
    pub(crate) fn open(
        directory: &Directory,
        unlock: &Unlock,
        random: Arc<dyn Random>,
        create: bool,
    ) -> Result<(Arc<Self>, Keyring)> {
        let path = path(directory);
        let mut made = None;
        if !exists(&path)? {
            if !directory.existing()?.is_empty() || !directory.bucket_names()?.is_empty() {
                return Err(Error::new(
                    ErrorKind::WrongKey,
                    "a key was given, and the stash is not encrypted or has lost its keyring",
                ));
            }
            if !create {
                return Err(Error::new(ErrorKind::NoStash, "there is no encrypted stash in the directory"));
            }
            made = Some(make(directory, &path, unlock, &*random)?);
        }
        let read = read(&path)?.ok_or_else(gone)?;
        let envelope = Envelope::from_bytes(&read.bytes)?;
        let kdf = *envelope.kdf();
        // The passphrase's function takes its time, and the file is usually the one just made.
        let secret = match made {
            Some((made_kdf, secret)) if made_kdf == kdf => secret,
            _ => unlock.secret(&kdf)?,
        };
        let keyring = envelope.open(&secret)?;
        let state = Mutex::new(State { read, generation: 0, secret, kdf });
        Ok((Arc::new(Self { directory: directory.clone(), random, state }), keyring))
    }

    /// Begins to replace the keyring, which one at a time does; `Busy` if somebody else does for longer than
    /// `timeout`.
    pub(crate) fn edit(&self, timeout: Duration) -> Result<Edit<'_>> {
        let held = "another process or thread changes the stash's keys";
        let lock = self.directory.lock(LOCK_NAME, timeout, held)?;
        Ok(Edit { file: self, _lock: lock })
    }

    /// The keyring for who makes another [`Cipher`](crate::contract::format::Cipher) of it: as it is now, or as it
    /// was read last if others have given the stash another key since.
    pub(crate) fn known(&self) -> Result<Keyring> {
        match self.keyring() {
            Err(error) if error.kind() == ErrorKind::WrongKey => {
                let state = self.state.lock();
                Envelope::from_bytes(&state.read.bytes)?.open(&state.secret)
            }
            other => other,
        }
    }

    /// The keyring as it is now.
    pub(crate) fn keyring(&self) -> Result<Keyring> {
        let state = self.state.lock();
        Envelope::from_bytes(&self.bytes()?)?.open(&state.secret)
    }

    /// The file as it is now.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        Ok(read(&path(&self.directory))?.ok_or_else(gone)?.bytes)
    }
}

impl Keeper for KeyringFile {
    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        self.random.fill(bytes)
    }

    fn changed(&self, seen: u64) -> Result<Option<(u64, Keyring)>> {
        let path = path(&self.directory);
        let mut state = self.state.lock();
        if !state.read.is_still(&path)? {
            let read = read(&path)?.ok_or_else(gone)?;
            let keyring = Envelope::from_bytes(&read.bytes)?.open(&state.secret)?;
            state.read = read;
            state.generation += 1;
            return Ok(Some((state.generation, keyring)));
        }
        if state.generation == seen {
            return Ok(None);
        }
        // Somebody else has asked since, the stash itself or another bucket.
        let keyring = Envelope::from_bytes(&state.read.bytes)?.open(&state.secret)?;
        Ok(Some((state.generation, keyring)))
    }
}

/// The right to replace a keyring.
pub(crate) struct Edit<'a> {
    file: &'a KeyringFile,
    _lock: File,
}

impl Edit<'_> {
    /// The keyring as it is now.
    pub(crate) fn keyring(&self) -> Result<Keyring> {
        self.file.keyring()
    }

    /// Fills `bytes` with random bytes.
    pub(crate) fn random(&self, bytes: &mut [u8]) -> Result<()> {
        self.file.random.fill(bytes)
    }

    /// Replaces the keyring, wrapped as it was.
    pub(crate) fn store(&self, keyring: &Keyring) -> Result<()> {
        let (kdf, secret) = {
            let state = self.file.state.lock();
            (state.kdf, state.secret.clone())
        };
        self.replace(keyring, kdf, &secret)
    }

    /// Replaces the keyring, wrapped for another key or passphrase.
    pub(crate) fn store_for(&self, keyring: &Keyring, unlock: &Unlock) -> Result<()> {
        let kdf = unlock.new_kdf(|bytes| self.file.random.fill(bytes))?;
        let secret = unlock.secret(&kdf)?;
        self.replace(keyring, kdf, &secret)
    }

    fn replace(&self, keyring: &Keyring, kdf: Kdf, secret: &Secret) -> Result<()> {
        let path = path(&self.file.directory);
        let newborn = Newborn::write(&path, &wrap(keyring, kdf, secret, &*self.file.random)?)?;
        let mut state = self.file.state.lock();
        std::fs::rename(newborn.path(), &path)?;
        // Before anybody else looks whether it changed.
        state.secret = secret.clone();
        state.kdf = kdf;
        drop(state);
        self.file.directory.sync()
    }
}

impl Opened {
    #[cfg(unix)]
    fn is_still(&self, path: &Path) -> Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let number = |file: std::fs::Metadata| (file.dev(), file.ino());
        match path.symlink_metadata() {
            Ok(now) => Ok(number(now) == number(self.file.metadata()?)),
            Err(error) if error.kind() == Io::NotFound => Err(gone()),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(unix))]
    fn is_still(&self, path: &Path) -> Result<bool> {
        Ok(read(path)?.ok_or_else(gone)?.bytes == self.bytes)
    }
}

/// `WrongKey` if the directory, or the stash of a bucket, has a keyring: for who has no key.
pub(crate) fn refuse(directory: &Directory) -> Result<()> {
    if exists(&path(directory))? {
        return Err(Error::new(ErrorKind::WrongKey, "the stash is encrypted, and no key was given"));
    }
    Ok(())
}

/// Whether the directory has a keyring.
pub(crate) fn is_there(directory: &Directory) -> Result<bool> {
    exists(&path(directory))
}

/// Puts a keyring into the directory of a copy.
pub(crate) fn write_copy(directory: &Path, bytes: &[u8]) -> Result<()> {
    let path = directory.join(NAME);
    let newborn = Newborn::write(&path, bytes)?;
    Ok(std::fs::rename(newborn.path(), &path)?)
}

/// Buckets have that of their stash.
fn path(directory: &Directory) -> PathBuf {
    let stash = directory.buckets().and_then(|buckets| buckets.parent());
    stash.unwrap_or(directory.path()).join(NAME)
}

/// Makes the keyring of a new stash, unless another process is faster.
fn make(directory: &Directory, path: &Path, unlock: &Unlock, random: &dyn Random) -> Result<(Kdf, Secret)> {
    let keyring = Keyring::generate(|bytes| random.fill(bytes))?;
    let kdf = unlock.new_kdf(|bytes| random.fill(bytes))?;
    let secret = unlock.secret(&kdf)?;
    let newborn = Newborn::write(path, &wrap(&keyring, kdf, &secret, random)?)?;
    match std::fs::hard_link(newborn.path(), path) {
        Err(error) if error.kind() != Io::AlreadyExists => Err(Error::from(error).context(
            "the file system has no hard links, without which two processes could begin one encrypted stash",
        )),
        _ => {
            directory.sync()?;
            Ok((kdf, secret))
        }
    }
}

fn wrap(keyring: &Keyring, kdf: Kdf, secret: &Secret, random: &dyn Random) -> Result<Vec<u8>> {
    let mut nonce = [0; NONCE_BYTES];
    random.fill(&mut nonce)?;
    Envelope::seal(keyring, kdf, secret, nonce)?.to_bytes()
}

fn read(path: &Path) -> Result<Option<Opened>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let mut file = match options.open(path) {
        Err(error) if error.kind() == Io::NotFound => return Ok(None),
        opened => opened.map_err(|error| Error::from(error).context("the keyring"))?,
    };
    let mut bytes = Vec::new();
    (&mut file).take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(Opened { file, bytes }))
}

fn gone() -> Error {
    Error::new(ErrorKind::NotAStash, "the keyring of the encrypted stash is gone")
}
