//! The key or passphrase of an encrypted stash: from a file or an environment variable, never from the command
//! line itself, which other users of the machine can read.

use crate::failure::Failure;
use clap::Args;
use litestash_core::{Error, ErrorKind, Options};
use std::path::{Path, PathBuf};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Where the key or passphrase is.
#[derive(Debug, Args)]
pub(crate) struct Unlock {
    /// The file with the key of an encrypted stash: 32 bytes, or 64 hexadecimal digits [env: LITESTASH_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    key_file: Option<PathBuf>,
    /// The file with the passphrase of an encrypted stash: its first line [env: LITESTASH_PASSPHRASE_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    passphrase_file: Option<PathBuf>,
    /// The environment variable that holds the key of an encrypted stash, as 64 hexadecimal digits
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    key_env: Option<String>,
    /// The environment variable that holds the passphrase of an encrypted stash
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    passphrase_env: Option<String>,
}

/// A key or a passphrase.
pub(crate) enum Secret {
    Key(Vec<u8>),
    Passphrase(String),
}

impl Unlock {
    /// Adds the key or passphrase, if one is given.
    pub(crate) fn apply(&self, options: Options) -> Result<Options, Failure> {
        Ok(match self.secret()? {
            None => options,
            Some(Secret::Key(key)) => options.encryption_key(key),
            Some(Secret::Passphrase(passphrase)) => options.passphrase(passphrase),
        })
    }

    fn secret(&self) -> Result<Option<Secret>, Failure> {
        let given = [
            self.key_file.as_deref().map(|file| read_key(file).map(Secret::Key)),
            self.passphrase_file.as_deref().map(|file| read_passphrase(file).map(Secret::Passphrase)),
            self.key_env.as_deref().map(|name| parse_key(variable(name)?.as_bytes()).map(Secret::Key)),
            self.passphrase_env.as_deref().map(|name| variable(name).map(Secret::Passphrase)),
        ];
        // Options count more than what the environment says.
        let found = if given.iter().all(Option::is_none) { from_environment() } else { given.into() };
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                Err(Failure::Usage("give one key or one passphrase, not several".to_owned()))
            }
            (secret, _) => secret.transpose(),
        }
    }
}

/// What the environment names.
fn from_environment() -> Vec<Option<Result<Secret, Failure>>> {
    let file = |name| std::env::var_os(name).filter(|file| !file.is_empty()).map(PathBuf::from);
    vec![
        file("LITESTASH_KEY_FILE").map(|file| read_key(&file).map(Secret::Key)),
        file("LITESTASH_PASSPHRASE_FILE").map(|file| read_passphrase(&file).map(Secret::Passphrase)),
    ]
}

/// The key in a file.
pub(crate) fn read_key(file: &Path) -> Result<Vec<u8>, Failure> {
    parse_key(&read(file)?)
}

/// The passphrase in a file: its first line.
pub(crate) fn read_passphrase(file: &Path) -> Result<String, Failure> {
    let text = String::from_utf8(read(file)?)
        .map_err(|_| Failure::from(invalid("the passphrase's file is not UTF-8")))?;
    Ok(text.lines().next().unwrap_or("").to_owned())
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(file).map_err(|error| Error::from(error).context(file.display()))?)
}

fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| {
        Failure::Usage(format!("the environment variable {name} is not set, or its value is not UTF-8"))
    })
}

fn parse_key(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    if bytes.len() == KEY_BYTES {
        return Ok(bytes.to_vec());
    }
    let digits = bytes.trim_ascii();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let key: Option<Vec<u8>> =
        digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect();
    let key = key.filter(|key| key.len() == KEY_BYTES);
    Ok(key.ok_or_else(|| invalid("a key is 32 bytes, or 64 hexadecimal digits"))?)
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}
