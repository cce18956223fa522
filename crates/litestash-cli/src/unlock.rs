//! The key or passphrase of an encrypted stash: from a file or an environment variable, never from the command
//! line itself, which other users of the machine can read.

use crate::failure::Failure;
use clap::Args;
use litestash_core::{Options, Zeroizing, parse_key, read_key_file, read_passphrase_file};
use std::path::PathBuf;

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
    Key(Zeroizing<Vec<u8>>),
    Passphrase(Zeroizing<String>),
}

impl Unlock {
    /// Adds the key or passphrase, if one is given.
    pub(crate) fn apply(&self, options: Options) -> Result<Options, Failure> {
        Ok(match self.secret()? {
            None => options,
            Some(Secret::Key(key)) => options.encryption_key(&*key),
            Some(Secret::Passphrase(passphrase)) => options.passphrase(&*passphrase),
        })
    }

    /// Whether a key or passphrase is given.
    pub(crate) fn is_given(&self) -> Result<bool, Failure> {
        Ok(self.secret()?.is_some())
    }

    fn secret(&self) -> Result<Option<Secret>, Failure> {
        let key = |name: &String| Ok(Secret::Key(parse_key(&variable(name)?)?));
        let passphrase = |name: &String| Ok(Secret::Passphrase(variable(name)?));
        let mut given = of_files(self.key_file.clone(), self.passphrase_file.clone());
        given.extend([self.key_env.as_ref().map(key), self.passphrase_env.as_ref().map(passphrase)]);
        // Options count more than what the environment says.
        if given.iter().all(Option::is_none) {
            let file = |name| std::env::var_os(name).filter(|file| !file.is_empty()).map(PathBuf::from);
            given = of_files(file("LITESTASH_KEY_FILE"), file("LITESTASH_PASSPHRASE_FILE"));
        }
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(_), Some(_)) => {
                Err(Failure::Usage("give one key or one passphrase, not several".to_owned()))
            }
            (secret, _) => secret.transpose(),
        }
    }
}

fn of_files(key: Option<PathBuf>, passphrase: Option<PathBuf>) -> Vec<Option<Result<Secret, Failure>>> {
    let key = key.map(|file| Ok(Secret::Key(read_key_file(file)?)));
    vec![key, passphrase.map(|file| Ok(Secret::Passphrase(read_passphrase_file(file)?)))]
}

fn variable(name: &str) -> Result<Zeroizing<String>, Failure> {
    std::env::var(name).map(Zeroizing::new).map_err(|_| {
        Failure::Usage(format!("the environment variable {name} is not set, or its value is not UTF-8"))
    })
}
