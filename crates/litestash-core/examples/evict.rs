//! Processes write far more into one directory than its limit; it stays within it on disk, no write fails, and the
//! counters are right afterwards.
//!
//! `evict [--limit MIB] [--volume MIB] [--value BYTES] [--processes N] [--eviction NAME] [--unlimited]`. The directory
//! is looked at all the time: the sum of the files' lengths, and of their allocated blocks.

use litestash_core::{Eviction, Limits, LiteStash, Options};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const MIB: u64 = 1 << 20;

/// Keys written again, of each hundred writes: the rest are new.
const AGAIN: u64 = 10;

/// What the directory may take beyond its limit, in percent.
const SPARE: u64 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let outcome = match arguments.get(1).map(String::as_str) {
        Some("--child") => child(&arguments[2..]),
        _ => parent(&arguments[1..]),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("evict: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn text<'a>(arguments: &'a [String], name: &str) -> Result<Option<&'a str>, Failure> {
    match arguments.iter().position(|argument| argument == name) {
        Some(at) => Ok(Some(arguments.get(at + 1).ok_or(format!("{name} needs a value"))?)),
        None => Ok(None),
    }
}

fn number(arguments: &[String], name: &str, default: u64) -> Result<u64, Failure> {
    Ok(text(arguments, name)?.map_or(Ok(default), str::parse)?)
}

fn eviction(name: &str) -> Result<Eviction, Failure> {
    Ok(match name {
        "stored" => Eviction::LeastRecentlyStored,
        "used" => Eviction::LeastRecentlyUsed,
        "frequency" => Eviction::LeastFrequentlyUsed,
        "random" => Eviction::Random,
        other => return Err(format!("no policy {other}").into()),
    })
}

fn open(dir: &Path, limit: u64, policy: &str) -> Result<LiteStash, Failure> {
    let bytes = (limit > 0).then_some(limit);
    let eviction = if limit > 0 { eviction(policy)? } else { Eviction::None };
    Ok(Options::new().limits(Limits { bytes, rows: None, eviction }).open(dir)?)
}

fn parent(arguments: &[String]) -> Result<(), Failure> {
    let limit = number(arguments, "--limit", 64)? * MIB;
    let volume = number(arguments, "--volume", 2048)? * MIB;
    let value = number(arguments, "--value", 1000)?;
    let processes = number(arguments, "--processes", 2)?;
    let policy = text(arguments, "--eviction")?.unwrap_or("used");
    let writes = volume / value / processes;
    if arguments.iter().any(|argument| argument == "--unlimited") {
        let rate = run(0, policy, writes.min(500 * MIB / value / processes), value, processes)?;
        println!("evict: without limits {rate:.0} writes/s");
    }
    let rate = run(limit, policy, writes, value, processes)?;
    println!("evict: with a limit of {} MiB ({policy}) {rate:.0} writes/s", limit / MIB);
    Ok(())
}

fn run(limit: u64, policy: &str, writes: u64, value: u64, processes: u64) -> Result<f64, Failure> {
    let dir = tempfile::tempdir()?;
    let started = Instant::now();
    let mut children = (0..processes)
        .map(|process| {
            Command::new(std::env::current_exe()?)
                .arg("--child")
                .arg(dir.path())
                .args([limit, process, writes, value].map(|number| number.to_string()))
                .arg(policy)
                .stdout(Stdio::piped())
                .spawn()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let (mut samples, mut longest, mut most) = (0u64, 0, 0);
    let mut over = 0u64;
    loop {
        let (lengths, blocks) = size(dir.path());
        samples += 1;
        longest = longest.max(lengths);
        most = most.max(blocks);
        over += u64::from(lengths.max(blocks) > limit + limit * SPARE / 100);
        let mut running = false;
        for child in &mut children {
            running |= child.try_wait()?.is_none();
        }
        if !running {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = started.elapsed().as_secs_f64();
    let (mut failed, mut evicted) = (0, 0);
    for child in children {
        let output = child.wait_with_output()?;
        let figures: Vec<u64> =
            String::from_utf8(output.stdout)?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [failures, rows] = figures[..] else { return Err("a process printed no figures".into()) };
        failed += failures;
        evicted += rows;
    }
    if limit == 0 {
        return Ok((writes * processes) as f64 / seconds);
    }
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    println!(
        "evict: {samples} looks: at most {:.2} MiB by lengths, {:.2} MiB by blocks; {over} looks over the limit and \
         {SPARE} %",
        mib(longest),
        mib(most),
    );
    let stash = LiteStash::open(dir.path())?;
    let report = stash.verify()?;
    if !report.is_sound() {
        return Err(format!("verify found {:?}", report.problems).into());
    }
    let stats = stash.stats()?;
    println!(
        "evict: {} writes, {failed} failed, {evicted} rows evicted; {} rows left, {:.1} MiB of keys and records",
        writes * processes,
        report.rows,
        mib(stats.key_bytes + stats.record_bytes),
    );
    if stats.limits.counted_rows != Some(report.rows)
        || stats.limits.counted_bytes != Some(stats.key_bytes + stats.record_bytes)
    {
        return Err(format!("the counters are off: {:?}", stats.limits).into());
    }
    if failed > 0 || over > 0 {
        return Err("a write failed, or the directory was too large".into());
    }
    if evicted == 0 {
        return Err("nothing was evicted; the campaign says nothing".into());
    }
    Ok((writes * processes) as f64 / seconds)
}

/// Bytes of a directory by the lengths of its files and by their allocated blocks.
fn size(dir: &Path) -> (u64, u64) {
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        // A file may go while the directory is read.
        let Ok(metadata) = entry.metadata() else { continue };
        sum.0 += metadata.len();
        #[cfg(unix)]
        {
            sum.1 += std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
        }
    }
    sum
}

fn child(arguments: &[String]) -> Result<(), Failure> {
    let [dir, limit, process, writes, value, policy] = arguments else {
        return Err("wrong arguments".into());
    };
    let (limit, process, writes, value): (u64, u64, u64, u64) =
        (limit.parse()?, process.parse()?, writes.parse()?, value.parse()?);
    let stash = open(Path::new(dir), limit, policy)?;
    let mut random = 0x9e37_79b9_7f4a_7c15 ^ process;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut failed = 0u64;
    let mut bytes = vec![0u8; usize::try_from(value)?];
    for write in 0..writes {
        let again = next() % 100 < AGAIN;
        let at = if again { write - next() % 1000.min(write + 1) } else { write };
        bytes[..8].copy_from_slice(&next().to_be_bytes());
        let text = String::from_utf8_lossy(&bytes[8..]);
        if let Err(error) = stash.set(format!("p{process}:{at}"), &text) {
            failed += 1;
            eprintln!("evict: {error}");
        }
        if again {
            stash.get(format!("p{process}:{}", write - next() % 1000.min(write + 1)))?;
        }
    }
    let stats = stash.stats()?;
    stash.close()?;
    println!("{failed} {}", stats.limits.evicted_rows);
    Ok(())
}
