//! The commands, one file for each: its arguments and what it does.

mod apply;
mod backup;
mod buckets;
mod compact;
mod completions;
mod count;
mod del;
mod demo;
mod drop_bucket;
mod exists;
mod expire;
mod expire_older_than;
mod export;
mod foreign;
mod get;
mod import;
mod key;
mod list;
mod repair;
mod set;
mod stats;
mod sweep;
mod touch;
mod ttl;
mod verify;
mod watch;

use crate::app::App;
use crate::failure::Done;
use clap::Subcommand;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Get(get::Get),
    Set(set::Set),
    Del(del::Del),
    Exists(exists::Exists),
    Ttl(ttl::Ttl),
    Touch(touch::Touch),
    Expire(expire::Expire),
    Persist(expire::Persist),
    Keys(list::Keys),
    Items(list::Items),
    Count(count::Count),
    Watch(watch::Watch),
    Import(import::Import),
    Export(export::Export),
    Apply(apply::Apply),
    Buckets(buckets::Buckets),
    DropBucket(drop_bucket::DropBucket),
    Stats(stats::Stats),
    Verify(verify::Verify),
    Repair(repair::Repair),
    Backup(backup::Backup),
    Compact(compact::Compact),
    Sweep(sweep::Sweep),
    ExpireOlderThan(expire_older_than::ExpireOlderThan),
    Key(key::Key),
    Demo(demo::Demo),
    Completions(completions::Completions),
}

impl Command {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        match self {
            Self::Get(get) => get.run(app),
            Self::Set(set) => set.run(app),
            Self::Del(del) => del.run(app),
            Self::Exists(exists) => exists.run(app),
            Self::Ttl(ttl) => ttl.run(app),
            Self::Touch(touch) => touch.run(app),
            Self::Expire(expire) => expire.run(app),
            Self::Persist(persist) => persist.run(app),
            Self::Keys(keys) => keys.run(app),
            Self::Items(items) => items.run(app),
            Self::Count(count) => count.run(app),
            Self::Watch(watch) => watch.run(app),
            Self::Import(import) => import.run(app),
            Self::Export(export) => export.run(app),
            Self::Apply(apply) => apply.run(app),
            Self::Buckets(buckets) => buckets.run(app),
            Self::DropBucket(drop_bucket) => drop_bucket.run(app),
            Self::Stats(stats) => stats.run(app),
            Self::Verify(verify) => verify.run(app),
            Self::Repair(repair) => repair.run(app),
            Self::Backup(backup) => backup.run(app),
            Self::Compact(compact) => compact.run(app),
            Self::Sweep(sweep) => sweep.run(app),
            Self::ExpireOlderThan(older) => older.run(app),
            Self::Key(key) => key.run(app),
            Self::Demo(demo) => demo.run(app),
            Self::Completions(completions) => completions.run(app),
        }
    }
}
