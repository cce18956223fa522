//! `litestash export`

use crate::app::App;
use crate::duration;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::progress::Progress;
use crate::units;
use clap::Args;
use litestash_core::{Error, ExportReport, LiteStash, ScanOptions};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Write all rows as JSON Lines
///
/// A file appears whole or not at all: it is written beside its place and then renamed. Two stashes with
/// equal rows give equal text.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash export rows.jsonl
  litestash export - --prefix user: | gzip > users.jsonl.gz
  litestash --dir a export - | litestash --dir b import - --keep-versions")]
pub(crate) struct Export {
    /// The file, or - for stdout
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Only text keys that begin with this
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prefix: Option<String>,
}

impl Export {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let stash = app.open_existing()?;
        let to_stdout = self.file == Path::new("-");
        let progress = if to_stdout && io::stdout().is_terminal() {
            Progress::hidden()
        } else {
            // Counting costs a walk over the stash, which only a bar is worth.
            let total = match self.prefix {
                None if Progress::is_wanted(app) => Some(stash.len()?),
                _ => None,
            };
            Progress::of_rows(app, total)
        };
        let exported = if to_stdout {
            self.write(&stash, &mut app.out, &progress)
        } else {
            self.write_file(&stash, &progress)
        };
        progress.finish();
        let report = exported?;
        if app.json() && !to_stdout {
            app.out.line(serde_json::json!(report))?;
        } else if app.json() {
            app.say(serde_json::json!(report));
        } else {
            let (rows, bytes) = (units::counted(report.rows, "row"), units::bytes(report.bytes));
            app.say(format_args!("exported {rows}, {bytes}, in {}", duration::taken(progress.elapsed())));
        }
        Ok(Exit::Success)
    }

    fn write(
        &self,
        stash: &LiteStash,
        out: impl Write,
        progress: &Progress,
    ) -> Result<ExportReport, Failure> {
        let options = ScanOptions { prefix: self.prefix.clone(), ..ScanOptions::default() };
        Ok(stash.export(&mut Counted { out, rows: 0, progress }, options)?)
    }

    fn write_file(&self, stash: &LiteStash, progress: &Progress) -> Result<ExportReport, Failure> {
        let told = |error| Error::from(error).context(self.file.display());
        // What a link points to is replaced, not the link; a device or pipe is written, not replaced.
        let destination = std::fs::canonicalize(&self.file).unwrap_or_else(|_| self.file.clone());
        if destination.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let out = BufWriter::new(File::options().write(true).open(&destination).map_err(told)?);
            return self.write(stash, out, progress);
        }
        let mut name = destination
            .file_name()
            .ok_or_else(|| Failure::Usage(format!("{} is no file", self.file.display())))?
            .to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let partial = destination.with_file_name(name);
        let file = File::create(&partial).map_err(told)?;
        let written =
            self.write(stash, BufWriter::with_capacity(1 << 17, &file), progress).and_then(|report| {
                file.sync_all().and_then(|()| std::fs::rename(&partial, &destination)).map_err(told)?;
                Ok(report)
            });
        if written.is_err() {
            // What stopped the export is the error to report.
            let _ = std::fs::remove_file(&partial);
        }
        written
    }
}

/// Counts the lines that pass.
struct Counted<'a, W> {
    out: W,
    rows: u64,
    progress: &'a Progress,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        if bytes[..written].ends_with(b"\n") {
            self.rows += 1;
            if self.rows.is_multiple_of(1024) {
                self.progress.set(self.rows, self.rows);
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
