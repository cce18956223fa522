//! `litestash import`

use super::foreign::Foreign;
use crate::app::App;
use crate::csv_rows::{Cells, Columns, Rows};
use crate::duration;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::key_arg::KeyType;
use crate::progress::Progress;
use crate::units;
use clap::{Args, ValueEnum};
use litestash_core::{Error, ImportOptions, ImportReport};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Refused lines that a summary for people names.
const REJECTED_SHOWN: usize = 20;

/// Load rows from JSON Lines, CSV or another package's store
///
/// JSON Lines: {"key": KEY, "value": VALUE} with "expires_at" and "version" where there are any, as `export`
/// writes them. CSV: a header, one row for each record. Lines that are no row are named and left out, the
/// others are stored; the exit code is then 3.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash import rows.jsonl
  litestash import people.csv --key-column id --infer
  litestash import prices.csv --key-column sku --value-column price --json-cells
  zcat rows.jsonl.gz | litestash import -
  litestash import backup.jsonl --keep-versions
  litestash import --from diskcache /var/cache/old")]
pub(crate) struct Import {
    /// The file, or - for stdin; with --from the file or directory of the store
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file's format [default: by its name; JSON Lines unless it ends in .csv]
    #[arg(long, value_enum, conflicts_with = "from")]
    format: Option<Format>,
    /// Keep the versions of the lines; a row that the stash has in the same or a newer version is left alone
    #[arg(long, conflicts_with = "from")]
    keep_versions: bool,
    /// The column that holds the key
    #[arg(long, value_name = "NAME", default_value = "key", help_heading = "CSV")]
    key_column: String,
    /// What the cells of the key column stand for; bytes are hexadecimal
    #[arg(long, value_enum, value_name = "TYPE", default_value_t, help_heading = "CSV")]
    key_type: KeyType,
    /// The column that holds the value [default: all other columns, as a map]
    #[arg(long, value_name = "NAME", help_heading = "CSV")]
    value_column: Option<String>,
    /// Cells are JSON, not text
    #[arg(long, conflicts_with = "infer", help_heading = "CSV")]
    json_cells: bool,
    /// Cells that look like an integer, a float, true or false become one; empty ones become nil
    #[arg(long, help_heading = "CSV")]
    infer: bool,
    #[command(flatten)]
    foreign: Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

impl Import {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        if let Some(kind) = self.foreign.kind() {
            return self.foreign.import(app, kind, &self.file);
        }
        let (input, size) = open(&self.file)?;
        // A header that does not fit makes no stash.
        let source = match self.format() {
            Format::Jsonl => Source::Lines(input),
            Format::Csv => Source::Csv(Box::new(Rows::new(input, &self.columns())?)),
        };
        let stash = app.open_or_create()?;
        let progress = Progress::of_bytes(app, size);
        let mut update = |report: &ImportReport| {
            progress.set(report.bytes, report.rows);
            true
        };
        let options = ImportOptions { keep_versions: self.keep_versions, progress: Some(&mut update) };
        let imported = match source {
            Source::Lines(lines) => stash.import(lines, options),
            Source::Csv(rows) => stash.import_rows(*rows, options),
        };
        progress.finish();
        let report = imported?;
        stash.close()?;
        if app.json() {
            app.out.line(serde_json::json!(report))?;
        } else {
            app.say(summary(&report, progress.elapsed()));
        }
        Ok(if report.rejected_lines > 0 { Exit::Rejected } else { Exit::Success })
    }

    fn format(&self) -> Format {
        let is_csv = || self.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        self.format.unwrap_or_else(|| if is_csv() { Format::Csv } else { Format::Jsonl })
    }

    fn columns(&self) -> Columns<'_> {
        let cells = match (self.json_cells, self.infer) {
            (true, _) => Cells::Json,
            (false, true) => Cells::Infer,
            (false, false) => Cells::Text,
        };
        Columns { key: &self.key_column, key_type: self.key_type, value: self.value_column.as_deref(), cells }
    }
}

type Input = Box<dyn BufRead + Send>;

enum Source {
    Lines(Input),
    Csv(Box<Rows<Input>>),
}

/// The input and, if it is a file, its size.
fn open(path: &Path) -> Result<(Input, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(std::io::stdin())), None));
    }
    let told = |error| Error::from(error).context(path.display());
    let file = File::open(path).map_err(told)?;
    let metadata = file.metadata().map_err(told)?;
    let size = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(1 << 17, file)), size))
}

fn summary(report: &ImportReport, elapsed: Duration) -> String {
    let mut text = format!(
        "imported {} in {}, {}/s",
        units::counted(report.rows, "row"),
        duration::taken(elapsed),
        units::count(units::per_second(report.rows, elapsed)),
    );
    if report.older > 0 {
        text += &format!(
            "\nleft alone {} that the stash has as new or newer",
            units::counted(report.older, "row")
        );
    }
    if report.rejected_lines > 0 {
        text += &format!("\nrefused {}:", units::counted(report.rejected_lines, "line"));
        for rejected in report.rejected.iter().take(REJECTED_SHOWN) {
            text += &format!("\n  line {}: {}: {}", rejected.line, rejected.error, rejected.message);
        }
        let more = report.rejected_lines.saturating_sub(REJECTED_SHOWN as u64);
        if more > 0 {
            text += &format!("\n  and {} more; --json names the first thousand", units::count(more));
        }
    }
    text
}
