//! `litestash stats`

use crate::app::App;
use crate::chart;
use crate::exit::Exit;
use crate::failure::Done;
use crate::style::Style;
use crate::units;
use clap::Args;
use litestash_core::{BucketStats, limits};

/// Show figures of the stash and how its rows spread over shards and tables
#[derive(Debug, Args)]
pub(crate) struct Stats {}

impl Stats {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let stash = app.open_existing()?;
        let stats = stash.stats()?;
        if app.json() {
            app.out.line(serde_json::json!(stats))?;
            return Ok(Exit::Success);
        }
        let style = app.out_style;
        if let Some(path) = stash.path() {
            app.out.line(style.bold(path.display()))?;
        }
        app.out.line(totals(&stats, style))?;
        app.out.line("")?;
        app.out.raw(chart::spread(&stats, style).as_bytes())?;
        Ok(Exit::Success)
    }
}

/// The limits that were given and the counters, where there are any.
fn limits(stats: &litestash_core::Stats) -> String {
    let litestash_core::LimitStats { limits, counted_rows, counted_bytes, disk_bytes, .. } = stats.limits;
    let mut parts = vec![format!("{} on disk", units::bytes(disk_bytes))];
    parts.extend(limits.bytes.map(|bytes| format!("of {} at most", units::bytes(bytes))));
    parts.extend(limits.rows.map(|rows| format!("{} rows at most", units::count(rows))));
    if let (Some(rows), Some(bytes)) = (counted_rows, counted_bytes) {
        parts.push(format!("counted {} rows with {}", units::count(rows), units::bytes(bytes)));
    }
    parts.join(", ")
}

/// Five lines of totals, and one about buckets if there are any.
pub(super) fn totals(stats: &litestash_core::Stats, style: Style) -> String {
    let sum = |part: fn(&litestash_core::ShardStats) -> u64| stats.shards.iter().map(part).sum::<u64>();
    let expired = match stats.expired_rows {
        0 => String::new(),
        expired => format!(", and {} expired", units::count(expired)),
    };
    let lines = [
        ("rows", format!("{}{expired}", units::count(stats.rows))),
        (
            "data",
            format!(
                "{} of keys, {} of values",
                units::bytes(stats.key_bytes),
                units::bytes(stats.record_bytes)
            ),
        ),
        (
            "files",
            format!(
                "{} in {} of {} shards; {} of it write-ahead log, {} free",
                units::bytes(stats.file_bytes),
                stats.shards.len(),
                limits::SHARDS,
                units::bytes(sum(|shard| shard.wal_bytes)),
                units::bytes(sum(|shard| shard.free_bytes))
            ),
        ),
        ("limits", limits(stats)),
        ("format", format!("contract {}, SQLite {}", stats.format, stats.sqlite_version)),
    ];
    let buckets = (stats.buckets.buckets > 0).then(|| {
        let BucketStats { buckets, rows, file_bytes, .. } = stats.buckets;
        let text = format!(
            "{}, with {} and {} of files",
            units::counted(buckets, "bucket"),
            units::counted(rows, "row"),
            units::bytes(file_bytes)
        );
        ("buckets", text)
    });
    let line = |(name, text)| format!("{}  {text}", style.dim(format_args!("{name:<7}")));
    lines.into_iter().chain(buckets).map(line).collect::<Vec<_>>().join("\n")
}
