//! `litestash key`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::units;
use clap::{Args, Subcommand};
use litestash_core::{Error, Random, SystemRandom, Zeroizing, read_key_file, read_passphrase_file};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Make and change the keys of encrypted stashes
///
/// A stash is encrypted from its beginning or never: give --key-file or --passphrase-file when the first value
/// is stored. Keep a copy of the key, and of the file `keyring` in the stash's directory, in a safe place:
/// without either nobody can read the stash.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash key new ~/stash.key
  litestash set --key-file ~/stash.key user:1 '{\"name\": \"Ada\"}'
  litestash key rotate --key-file ~/stash.key
  litestash key change --key-file ~/stash.key --new-passphrase-file ~/passphrase")]
pub(crate) struct Key {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    New(New),
    Rotate(Rotate),
    Change(Change),
}

/// Write a new random key into a file that only its owner can read
#[derive(Debug, Args)]
struct New {
    /// The file, which must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Encrypt every row with a new data key, while others go on working
///
/// The key or passphrase that opens the stash stays the same. A rotation that was interrupted is taken up by the
/// next one. The exit code is 4 if damaged rows keep the old data key from being dropped.
#[derive(Debug, Args)]
struct Rotate {}

/// Give the stash another key or passphrase; no row is touched
///
/// Other programs that have the stash open refuse to write until they open it anew.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("new").required(true))]
struct Change {
    /// The file with the new key
    #[arg(long, value_name = "FILE", group = "new")]
    new_key_file: Option<PathBuf>,
    /// The file with the new passphrase: its first line
    #[arg(long, value_name = "FILE", group = "new")]
    new_passphrase_file: Option<PathBuf>,
}

impl Key {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        match &self.command {
            KeyCommand::New(new) => new.run(app),
            KeyCommand::Rotate(rotate) => rotate.run(app),
            KeyCommand::Change(change) => change.run(app),
        }
    }
}

impl New {
    fn run(&self, app: &mut App) -> Done {
        let mut key = Zeroizing::new([0; 32]);
        SystemRandom.fill(&mut *key)?;
        let mut digits = Zeroizing::new(String::with_capacity(2 * key.len() + 1));
        for byte in key.iter() {
            let nibbles = [byte >> 4, byte & 0xf].into_iter();
            digits.extend(nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)));
        }
        digits.push('\n');
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let named = |error: std::io::Error| Failure::from(Error::from(error).context(self.file.display()));
        let mut file = options.open(&self.file).map_err(named)?;
        file.write_all(digits.as_bytes()).and_then(|()| file.sync_all()).map_err(named)?;
        app.say(format_args!("wrote a key to {}; keep a copy in a safe place", self.file.display()));
        Ok(Exit::Success)
    }
}

impl Rotate {
    #[expect(clippy::unused_self, reason = "as every command")]
    fn run(&self, app: &mut App) -> Done {
        let stash = app.open_existing()?;
        let report = stash.rotate_key(|_| true)?;
        stash.close()?;
        if app.json() {
            app.out.line(serde_json::json!(report))?;
        } else {
            let rows = units::counted(report.resealed, "row");
            app.out.line(format_args!("encrypted {rows} with data key {}", report.epoch))?;
            if !report.finished {
                let damaged = units::counted(report.damaged, "damaged row");
                app.say(format_args!("{damaged}: the old data key was kept; see `litestash verify`"));
            }
        }
        Ok(if report.finished { Exit::Success } else { Exit::Unsound })
    }
}

impl Change {
    fn run(&self, app: &mut App) -> Done {
        let stash = app.open_existing()?;
        if let Some(file) = &self.new_key_file {
            stash.change_key(&*read_key_file(file)?)?;
        } else if let Some(file) = &self.new_passphrase_file {
            stash.change_passphrase(&read_passphrase_file(file)?)?;
        }
        stash.close()?;
        app.say("the stash has its new key; the old one opens it no more");
        Ok(Exit::Success)
    }
}
