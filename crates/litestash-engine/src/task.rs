//! Operations that take long.

use crate::answer::Answer;
use crate::request::Arguments;
use litestash_core::{Error, ErrorKind, ImportOptions, LiteStash, Result, ScanOptions, Zeroizing};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A long operation; it ends early once the flag is set.
pub(crate) type Work = Box<dyn FnOnce(&LiteStash, &Arc<AtomicBool>) -> Result<Answer> + Send>;

/// The task of that name with its arguments; `None` if there is none of that name.
pub(crate) fn parse(name: &str, arguments: &mut Arguments<'_>) -> Option<Result<Work>> {
    let parse: fn(&mut Arguments<'_>) -> Result<Work> = match name {
        "stats" => |arguments| plain(arguments, |stash| Ok(Answer::of(&stash.stats()?))),
        "verify" => |arguments| plain(arguments, |stash| Ok(Answer::of(&stash.verify()?))),
        "compact" => |arguments| plain(arguments, |stash| Ok(Answer::of(&stash.compact()?))),
        "sync" => |arguments| plain(arguments, |stash| stash.sync().map(|()| Answer::done())),
        "backup" => |arguments| {
            let path = arguments.text("the directory")?.to_owned();
            plain(arguments, move |stash| Ok(Answer::of(&stash.backup(&path)?)))
        },
        "rotate_key" => rotate_key,
        "change_key" => |arguments| {
            let key = Zeroizing::new(arguments.bytes("the key")?.to_vec());
            plain(arguments, move |stash| stash.change_key(&*key).map(|()| Answer::done()))
        },
        "change_passphrase" => |arguments| {
            let passphrase = Zeroizing::new(arguments.text("the passphrase")?.to_owned());
            plain(arguments, move |stash| stash.change_passphrase(&passphrase).map(|()| Answer::done()))
        },
        "export" => export,
        "import" => import,
        _ => return None,
    };
    Some(parse(arguments))
}

fn plain(
    arguments: &mut Arguments<'_>,
    work: impl FnOnce(&LiteStash) -> Result<Answer> + Send + 'static,
) -> Result<Work> {
    arguments.end()?;
    Ok(Box::new(move |stash, _| work(stash)))
}

/// A writer that fails once it was told to stop.
struct Stoppable<W> {
    inner: W,
    stop: Arc<AtomicBool>,
}

impl<W: Write> Write for Stoppable<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("cancelled"));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

fn rotate_key(arguments: &mut Arguments<'_>) -> Result<Work> {
    arguments.end()?;
    Ok(Box::new(|stash, stop| {
        let report = stash.rotate_key(|_| !stop.load(Ordering::Relaxed))?;
        Ok(Answer::of(&report))
    }))
}

fn export(arguments: &mut Arguments<'_>) -> Result<Work> {
    let path = arguments.text("the file")?.to_owned();
    let mut members = arguments.options()?;
    let options = ScanOptions { prefix: members.text("prefix")?, ..ScanOptions::default() };
    members.end()?;
    Ok(Box::new(move |stash, stop| {
        let file = File::create_new(&path)?;
        let mut out = BufWriter::new(Stoppable { inner: file, stop: Arc::clone(stop) });
        let exported = stash.export(&mut out, options);
        if stop.load(Ordering::Relaxed) {
            // Half an export is none.
            std::fs::remove_file(&path)?;
            return Err(Error::new(ErrorKind::Cancelled, "the export was cancelled"));
        }
        Ok(Answer::of(&exported?))
    }))
}

fn import(arguments: &mut Arguments<'_>) -> Result<Work> {
    let path = arguments.text("the file")?.to_owned();
    let mut members = arguments.options()?;
    let keep_versions = members.flag("keep_versions")?.unwrap_or(false);
    members.end()?;
    Ok(Box::new(move |stash, stop| {
        let input = BufReader::with_capacity(1 << 20, File::open(&path)?);
        let mut goes_on = |_: &_| !stop.load(Ordering::Relaxed);
        let options = ImportOptions { keep_versions, progress: Some(&mut goes_on) };
        Ok(Answer::of(&stash.import(input, options)?))
    }))
}
