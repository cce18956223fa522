//! Changing the keys of an encrypted stash while it is in use.

use crate::contract::format::Unlock;
use crate::contract::route::{Route, Slot};
use crate::error::{Error, ErrorKind, Result};
use crate::stash::LiteStash;
use crate::storage::Durability;
use crate::storage::keyring::{Edit, KeyringFile};
use crate::storage::reseal;
use crate::storage::shard::Shard;
use serde::Serialize;

/// What [`LiteStash::rotate_key`] did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RotateReport {
    /// The number of the new key.
    pub epoch: u32,
    /// Whether an earlier rotation was taken up that had not been finished.
    pub resumed: bool,
    /// Tables looked through, of all that exist.
    pub tables: u64,
    /// Rows looked at.
    pub rows: u64,
    /// Rows encrypted anew. What others wrote meanwhile has the new key already.
    pub resealed: u64,
    /// Rows that cannot be decrypted. While there are any, the old key is kept.
    pub damaged: u64,
    /// Whether the old key was dropped.
    pub finished: bool,
}

impl LiteStash {
    /// Gives the stash a new data key, encrypts every row with it, and drops the old one. Others go on reading
    /// and writing meanwhile, in this and in other processes.
    ///
    /// Rows keep their versions and deadlines. `progress` is called after each small transaction; if it returns
    /// false, the rotation stops with `Cancelled`. A rotation that was stopped, or whose process died, is taken
    /// up by the next call. Buckets are included. The key that hashes keys stays as it is: only an export and an
    /// import into a new stash change it.
    ///
    /// `InvalidArgument` if the stash is not encrypted or is a bucket, `ReadOnly`, `Busy` if somebody else changes
    /// the keys for longer than the busy time-out, and the errors of writes.
    pub fn rotate_key(&self, mut progress: impl FnMut(&RotateReport) -> bool) -> Result<RotateReport> {
        let edit = self.edit_keyring()?;
        let mut keyring = edit.keyring()?;
        let resumed = keyring.epochs() > 1;
        if !resumed {
            keyring.add_epoch(|bytes| edit.random(bytes))?;
            // Durable before anything is written with it.
            edit.store(&keyring)?;
        }
        self.inner.format().refresh()?;
        let mut report = RotateReport { epoch: keyring.current(), resumed, ..RotateReport::default() };
        self.reseal_shards(&mut report, &mut progress)?;
        // A bucket that others make from now on has the new key from the start.
        self.for_each_bucket(|_, bucket| bucket.reseal_shards(&mut report, &mut progress))?;
        if report.damaged == 0 {
            // A power cut must not bring rows back that need the old key.
            self.sync()?;
            keyring.drop_old_epochs();
            edit.store(&keyring)?;
            self.inner.format().refresh()?;
            report.finished = true;
        }
        Ok(report)
    }

    /// Gives the stash another key of 32 bytes instead of its key or passphrase; no row is touched.
    ///
    /// From then on the old one opens nothing. Handles that are open in other processes go on reading, and
    /// refuse to write with `WrongKey` until they are opened anew. Errors as of [`LiteStash::rotate_key`].
    ///
    /// Whoever had the old key and a copy of the files could read the data keys; to shut them out of what is
    /// written later, rotate the key as well.
    pub fn change_key(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.change_unlock(&Unlock::key(key.as_ref())?)
    }

    /// [`LiteStash::change_key`] to a passphrase.
    pub fn change_passphrase(&self, passphrase: &str) -> Result<()> {
        self.change_unlock(&Unlock::passphrase(passphrase)?)
    }

    fn change_unlock(&self, unlock: &Unlock) -> Result<()> {
        let edit = self.edit_keyring()?;
        edit.store_for(&edit.keyring()?, unlock)?;
        self.inner.format().refresh()
    }

    /// Whether the stash is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.inner.format().is_encrypted()
    }

    fn edit_keyring(&self) -> Result<Edit<'_>> {
        self.inner.usable()?;
        if self.is_bucket() {
            return Err(Error::invalid_argument("a bucket has the key of the stash that it is in"));
        }
        let keyring: &KeyringFile = self
            .inner
            .keyring
            .as_deref()
            .ok_or_else(|| Error::invalid_argument("the stash is not encrypted, so it has no key"))?;
        if !self.inner.settings.writable() {
            return Err(Error::new(ErrorKind::ReadOnly, "the stash was opened read-only"));
        }
        keyring.edit(self.inner.settings.busy_timeout)
    }

    fn reseal_shards(
        &self,
        report: &mut RotateReport,
        progress: &mut impl FnMut(&RotateReport) -> bool,
    ) -> Result<()> {
        // What the journal has was encrypted with the old key.
        self.inner.finish_transactions()?;
        self.inner.shards().try_for_each(|shard| self.reseal_shard(shard, report, progress))
    }

    fn reseal_shard(
        &self,
        shard: &Shard,
        report: &mut RotateReport,
        progress: &mut impl FnMut(&RotateReport) -> bool,
    ) -> Result<()> {
        // Whoever held the shard's lock when the keyring was replaced may have written with the old key; it has
        // committed once the lock was had. Whoever gets it later looks at the keyring first.
        if shard.write_existing(Durability::Normal, |_| Ok(()))?.is_none() {
            return Ok(());
        }
        for slot in Slot::all() {
            let route = Route { shard: shard.id(), slot };
            let mut after = Vec::new();
            loop {
                self.inner.usable()?;
                let format = self.inner.format();
                let page =
                    shard.read(|database| reseal::look(database.connection(), format, route, &after))?;
                let Some(page) = page else { return Ok(()) };
                report.rows += page.rows;
                report.damaged += page.damaged;
                if !page.stale.is_empty() {
                    let done = shard
                        .write_existing(Durability::Normal, |txn| reseal::reseal(txn, route, &page.stale))?;
                    let done = done.unwrap_or_default();
                    report.resealed += done.rows;
                    report.damaged += done.damaged;
                }
                if page.last.is_none() {
                    report.tables += 1;
                }
                if !progress(report) {
                    return Err(Error::new(ErrorKind::Cancelled, "the rotation was stopped; call it again"));
                }
                match page.last {
                    Some(last) => after = last.0.to_vec(),
                    None => break,
                }
            }
        }
        let mut after = Some(0);
        while let Some(from) = after {
            self.inner.usable()?;
            after = shard
                .write_existing(Durability::Normal, |txn| reseal::reseal_changes(txn, shard.id(), from))?
                .flatten();
        }
        Ok(())
    }
}
