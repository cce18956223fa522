//! The sections of the demo, in their order.

use super::report::Report;
use crate::commands::{stats, verify};
use crate::failure::Failure;
use crate::{chart, duration, key_arg, units};
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::interchange::value_to_json;
use litestash_core::contract::route::Route;
use litestash_core::{Condition, ImportOptions, Key, KeyRef, LiteStash, ScanOptions, SetOptions, Value};
use std::path::Path;
use std::time::{Duration, Instant};

type Shown = Result<(), Failure>;

/// The 5000 most populous cities; `data/README.md` says where they come from.
const CITIES: &[u8] = include_bytes!("../../../data/cities.jsonl");

/// Longer names are cut.
const NAME_WIDTH: usize = 20;

const SHOWN: [&str; 6] =
    ["city:1850147", "city:360630", "city:3448439", "city:184745", "city:745044", "city:2657896"];

pub(super) fn import(stash: &LiteStash, report: &mut Report<'_>) -> Shown {
    let begun = Instant::now();
    let imported = stash.import(CITIES, ImportOptions::default())?;
    let elapsed = begun.elapsed();
    report.section("Import JSON Lines")?;
    report.line(format_args!(
        "{} cities, {}, in {}: {} rows/s",
        units::count(imported.rows),
        units::bytes(imported.bytes),
        duration::taken(elapsed),
        units::count(units::per_second(imported.rows, elapsed))
    ))?;
    report.line(report.style().dim("Data: GeoNames, CC BY 4.0 (https://www.geonames.org)"))
}

pub(super) fn read(stash: &LiteStash, report: &mut Report<'_>) -> Shown {
    report.section("Read")?;
    for key in SHOWN {
        report.call(format_args!("get {key}"), city(stash.get(key)?.as_ref()))?;
    }
    let keys = ["city:3936456", "city:1275339", "city:0"];
    for (key, value) in keys.iter().zip(stash.get_many(keys)?) {
        report.call(format_args!("get_many … {key}"), city(value.as_ref()))?;
    }
    Ok(())
}

fn city(value: Option<&Value>) -> String {
    let Some(city) = value else { return "(not there)".to_owned() };
    let text = |name| city.get(name).and_then(Value::as_text).unwrap_or("?");
    let population = city.get("population").and_then(Value::as_int).unwrap_or(0).unsigned_abs();
    let name: String = text("name").chars().take(NAME_WIDTH).collect();
    format!("{name:<NAME_WIDTH$}  {}  {:>10}", text("countrycode"), units::count(population))
}

pub(super) fn list(stash: &LiteStash, report: &mut Report<'_>) -> Shown {
    report.section("List by prefix, with a limit")?;
    let options = ScanOptions { limit: Some(5), ..ScanOptions::prefix("city:29") };
    for item in stash.items(options) {
        let (key, value) = item?;
        let key = key_arg::for_people(&key);
        report.call(format_args!("items --prefix city:29   {key}"), city(Some(&value)))?;
    }
    Ok(())
}

pub(super) fn write(stash: &LiteStash, report: &mut Report<'_>) -> Shown {
    report.section("Write")?;
    let key = "demo:note";
    let first = stash.set(key, "first")?;
    report.call(format_args!("set {key} \"first\""), format_args!("version {first}"))?;
    let second = stash.set(key, "second")?;
    report.call(format_args!("set {key} \"second\""), format_args!("version {second}"))?;
    let late = stash.set_with(key, "late", SetOptions::when(Condition::Version(first)))?;
    report.call(
        format_args!("set {key} \"late\" if version is {}…", first.to_string().get(..4).unwrap_or_default()),
        late.map_or("refused: somebody wrote in between".to_owned(), |version| format!("version {version}")),
    )?;
    let swapped = stash.compare_and_set(key, Some("second"), "third")?;
    report.call(format_args!("compare_and_set {key} \"second\" \"third\""), swapped)?;
    stash.set("demo:counter", &40)?;
    report.call("increment demo:counter by 2", stash.increment("demo:counter", 2)?)?;
    stash.set_with("demo:session", &true, SetOptions::ttl(Duration::from_secs(1800)))?;
    let left = stash.ttl("demo:session")?.flatten().map(duration::for_people).unwrap_or_default();
    report.call("set demo:session true --ttl 30m; ttl", left)?;
    report.call(format_args!("delete {key}"), stash.delete(key)?)?;
    report.call(format_args!("get {key}"), stash.get(key)?.map_or("(not there)", |_| "still there"))
}

pub(super) fn speed(stash: &LiteStash, report: &mut Report<'_>) -> Shown {
    let keys: Vec<Key> = stash.keys(ScanOptions::prefix("city:")).collect::<Result<_, _>>()?;
    let begun = Instant::now();
    for key in &keys {
        stash.get_encoded(key)?;
    }
    let gets = begun.elapsed();
    let begun = Instant::now();
    let counted = 1000;
    for _ in 0..counted {
        stash.increment("demo:counter", 1)?;
    }
    let increments = begun.elapsed();
    report.section("Speed, one thread, each call for itself")?;
    let each = |elapsed: Duration, calls: usize| {
        duration::taken(Duration::from_secs_f64(elapsed.as_secs_f64() / calls.max(1) as f64))
    };
    let calls = |number: usize, name: &str| format!("{} {name}", units::count(number as u64));
    report.call(calls(keys.len(), "× get"), format_args!("{} each", each(gets, keys.len())))?;
    report.call(calls(counted, "× increment"), format_args!("{} each", each(increments, counted)))
}

pub(super) fn check(stash: &LiteStash, report: &mut Report<'_>) -> Shown {
    let found = stash.verify()?;
    report.section("Verify")?;
    let verdict = if found.is_sound() { "sound" } else { "unsound" };
    report.line(format_args!("{verdict}: {}", verify::looked_at(&found)))
}

pub(super) fn spread(stash: &LiteStash, report: &mut Report<'_>) -> Shown {
    // The write-ahead logs are moved into the files, so that the figures are those of a stash at rest.
    stash.compact()?;
    let figures = stash.stats()?;
    report.section("Spread over 16 files of 4 tables")?;
    report.block(&stats::totals(&figures, report.style()))?;
    report.line("")?;
    report.block(&chart::spread(&figures, report.style()))
}

pub(super) fn files(directory: &Path, report: &mut Report<'_>) -> Shown {
    let tokyo = SHOWN[0];
    let Route { shard, slot } = Route::of(&KeyHash::of(KeyRef::Text(tokyo)));
    let file = directory.join(shard.file_name());
    report.section("Plain SQLite")?;
    report.line(format_args!(
        "The files are in {} and belong to you; Tokyo is in this table:",
        directory.display()
    ))?;
    report.line(format_args!(
        "sqlite3 {} \"select key, timestamp, length(value) from slot_{slot} where key = '{tokyo}'\"",
        file.display()
    ))?;
    report.section("Go on")?;
    let mut json = String::new();
    value_to_json(&Value::from("Ada"), &mut json);
    for command in [
        format!("get {tokyo}"),
        "keys --prefix city:29".to_owned(),
        format!("set user:1 '{{\"name\": {json}}}'"),
        "stats".to_owned(),
        "--help".to_owned(),
    ] {
        report.line(format_args!("litestash -d {} {command}", directory.display()))?;
    }
    Ok(())
}
