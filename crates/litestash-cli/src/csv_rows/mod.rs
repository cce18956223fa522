//! CSV (RFC 4180) as rows of a stash.

mod cell;
mod lines;

pub(crate) use cell::Cells;

use crate::failure::Failure;
use crate::key_arg::KeyType;
use csv::StringRecord;
use lines::Lines;
use litestash_core::{Error, ErrorKind, Expiry, Line, Map, Result, Value};
use std::io::Read;

/// How columns become keys and values.
pub(crate) struct Columns<'a> {
    /// The column of the key.
    pub(crate) key: &'a str,
    /// What a cell of it stands for.
    pub(crate) key_type: KeyType,
    /// The column of the value, or `None`: all others together, as a map.
    pub(crate) value: Option<&'a str>,
    /// How cells are read.
    pub(crate) cells: Cells,
}

/// The records of a CSV text behind its header, as rows for `import_rows`.
pub(crate) struct Rows<R> {
    reader: csv::Reader<Lines<R>>,
    record: StringRecord,
    key: usize,
    key_type: KeyType,
    values: Values,
    cells: Cells,
    /// Where the last record ended.
    end: u64,
}

/// Where the value comes from: one column, or several with the names that they have in a map.
enum Values {
    One(usize),
    Map(Vec<(usize, String)>),
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    pub(crate) fn new(input: R, columns: &Columns<'_>) -> std::result::Result<Self, Failure> {
        let mut reader = csv::Reader::from_reader(Lines::new(input));
        let header = reader.headers().map_err(|error| refused(error, None))?.clone();
        let find = |name: &str, option: &str| {
            header.iter().position(|column| column == name).ok_or_else(|| {
                let known = header.iter().collect::<Vec<_>>().join(", ");
                Failure::Usage(format!(
                    "the CSV header has no column `{name}`; choose one with {option}: {known}"
                ))
            })
        };
        let key = find(columns.key, "--key-column")?;
        let values = match columns.value {
            Some(name) => Values::One(find(name, "--value-column")?),
            None => {
                let mut others: Vec<(usize, String)> = Vec::new();
                for (index, name) in header.iter().enumerate().filter(|(index, _)| *index != key) {
                    if others.iter().any(|(_, other)| other == name) {
                        return Err(Failure::Usage(format!("the CSV header has the column `{name}` twice")));
                    }
                    others.push((index, name.to_owned()));
                }
                Values::Map(others)
            }
        };
        Ok(Self {
            end: reader.position().byte(),
            record: StringRecord::new(),
            key_type: columns.key_type,
            cells: columns.cells,
            reader,
            key,
            values,
        })
    }

    fn row(&self) -> Result<Line> {
        let cell = |index: usize| self.record.get(index).unwrap_or_default();
        let key = self.key_type.key(cell(self.key))?;
        let value = match &self.values {
            Values::One(index) => self.cells.value(cell(*index))?,
            Values::Map(columns) => {
                let member = |(index, name): &(usize, String)| {
                    let value = self.cells.value(cell(*index));
                    Ok((name.clone(), value.map_err(|error| error.context(format_args!("column `{name}`")))?))
                };
                Value::Map(columns.iter().map(member).collect::<Result<Map>>()?)
            }
        };
        Ok(Line { key, value, expiry: Expiry::NEVER, version: None })
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<(u64, u64, Option<Result<Line>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.reader.read_record(&mut self.record) {
            Ok(false) => return None,
            Ok(true) => self.row(),
            Err(error) if matches!(error.kind(), csv::ErrorKind::Io(_)) => {
                return Some(Err(refused(error, Some("reading the import"))));
            }
            Err(error) => Err(refused(error, None)),
        };
        let end = self.reader.position().byte();
        let begin = std::mem::replace(&mut self.end, end);
        Some(Ok((self.reader.get_mut().line_from(begin), end - begin, Some(row))))
    }
}

fn refused(error: csv::Error, context: Option<&str>) -> Error {
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the record has {len} cells, the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "the record is not valid UTF-8".to_owned(),
        _ => error.to_string(),
    };
    match error.into_kind() {
        csv::ErrorKind::Io(error) => match context {
            Some(context) => Error::from(error).context(context),
            None => error.into(),
        },
        _ => Error::new(ErrorKind::InvalidValue, message),
    }
}
