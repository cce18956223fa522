//! Connections to the shards of a directory: which files there are, and what a bucket's need besides.

use super::armour::{Begun, Guard};
use super::birth;
use super::connection::{self, Access};
use super::database::Database;
use super::directory::{self, Directory, exists};
use super::drops;
use super::keyring;
use super::names::Names;
use crate::contract::format::StashId;
use crate::contract::route::ShardId;
use crate::error::Result;
use std::time::Duration;

/// How a shard is connected to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) shard: ShardId,
    /// What identifies the stash, if it is encrypted.
    pub(crate) stash: Option<&'a StashId>,
    pub(crate) access: Access,
    /// Whether a missing file is created, and a missing directory of a bucket.
    pub(crate) creates: bool,
    /// Whether a shard that is created counts its rows.
    pub(crate) counted: bool,
    /// How long to wait for the names of the buckets, and to finish what a drop of the bucket has left.
    pub(crate) timeout: Duration,
    /// Whether a guard of the shard is begun before the connection is opened.
    pub(crate) guarded: bool,
}

impl<'a> Wanted<'a> {
    /// A shard that exists.
    pub(crate) fn existing(
        shard: ShardId,
        stash: Option<&'a StashId>,
        access: Access,
        timeout: Duration,
    ) -> Self {
        Self { shard, stash, access, creates: false, counted: false, timeout, guarded: false }
    }
}

/// Opens a connection and calls `opened` with it, and with the guard that was begun before, while the file is sure to
/// have its name. `None` if there is no such shard.
pub(crate) fn connect(
    directory: &Directory,
    wanted: Wanted<'_>,
    opened: impl Fn(&Database, Option<Begun>) -> Result<()>,
) -> Result<Option<Database>> {
    let Some(buckets) = directory.buckets() else {
        let Some((database, begun)) = open(directory, wanted)? else { return Ok(None) };
        opened(&database, begun)?;
        return Ok(Some(database));
    };
    if wanted.creates {
        directory::make(buckets)?;
    }
    loop {
        let Some(names) = Names::hold(buckets, wanted.timeout)? else { return Ok(None) };
        if wanted.creates {
            directory::make(directory.path())?;
        }
        let Some((mut database, begun)) = open(directory, wanted)? else { return Ok(None) };
        database.set_bucket(buckets);
        if !database.is_dropped()? {
            opened(&database, begun)?;
            return Ok(Some(database));
        }
        // Whoever dropped the bucket has died before its directory was renamed: names are held until it is.
        drop((database, begun));
        drop(names);
        if !matches!(wanted.access, Access::Write | Access::Read) {
            return Ok(None);
        }
        drops::drop_bucket(directory, wanted.stash, false, wanted.timeout)?;
    }
}

fn open(directory: &Directory, wanted: Wanted<'_>) -> Result<Option<(Database, Option<Begun>)>> {
    let path = directory.shard_path(wanted.shard);
    if wanted.creates {
        make_missing(directory, wanted.shard, wanted.stash, wanted.counted)?;
    } else if !exists(&path)? {
        return Ok(None);
    }
    let mut begun = if wanted.guarded { Guard::begin(&path)? } else { None };
    let database = connection::open_guarded(&path, wanted.shard, wanted.stash, wanted.access, &mut begun)?;
    Ok(database.map(|database| (database, begun)))
}

/// Makes the file of a shard, if it is missing, in a directory that is there. For a bucket's, while its name is held.
pub(crate) fn make_missing(
    directory: &Directory,
    shard: ShardId,
    stash: Option<&StashId>,
    counted: bool,
) -> Result<()> {
    let path = directory.shard_path(shard);
    if exists(&path)? {
        return Ok(());
    }
    if stash.is_none() {
        // A plain shard is no part of an encrypted stash, which another process may have begun since the directory
        // was looked at.
        keyring::refuse(directory)?;
    }
    birth::create(&path, shard, stash, counted)
}
