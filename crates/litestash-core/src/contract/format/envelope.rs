//! The file `keyring`: the keys of a stash, wrapped with what the caller has (`docs/CONTRACT.md` 15).

use super::keyring::{Keyring, SECRET_BYTES, STASH_ID_BYTES, Secret, StashId, derive};
use crate::contract::msgpack;
use crate::contract::record::NONCE_BYTES;
use crate::contract::schema::FORMAT;
use crate::contract::value::{Map, Value};
use crate::error::{Error, ErrorKind, Result};
use argon2::{Algorithm, Argon2, Params};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const TAG_BYTES: usize = 16;
const SALT_BYTES: usize = 16;
const CRC_BYTES: usize = 4;

/// The name of the one function for passphrases.
const ARGON2ID: &str = "argon2id";

/// What opens a stash.
#[derive(Clone)]
pub enum Unlock {
    /// A key of 32 bytes.
    Key(Secret),
    /// A passphrase, not empty.
    Passphrase(Zeroizing<Vec<u8>>),
}

impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(…)",
            Self::Passphrase(_) => "Passphrase(…)",
        })
    }
}

/// How a secret is made from what the caller has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kdf {
    /// It is the caller's key.
    Raw,
    /// Argon2id of the passphrase, version 0x13.
    Argon2id {
        /// Memory in KiB, 65 536 to 1 048 576.
        memory_kib: u32,
        /// Passes over it, 3 to 64.
        passes: u32,
        /// Lanes, 1 to 16.
        lanes: u32,
        /// Random.
        salt: [u8; SALT_BYTES],
    },
}

impl Unlock {
    /// `InvalidArgument` if the key has not 32 bytes.
    pub fn key(key: &[u8]) -> Result<Self> {
        let key: &[u8; SECRET_BYTES] =
            key.try_into().map_err(|_| Error::invalid_argument("an encryption key has 32 bytes"))?;
        Ok(Self::Key(Secret::new(*key)))
    }

    /// `InvalidArgument` if the passphrase is empty.
    pub fn passphrase(passphrase: &str) -> Result<Self> {
        if passphrase.is_empty() {
            return Err(Error::invalid_argument("the passphrase is empty"));
        }
        Ok(Self::Passphrase(Zeroizing::new(passphrase.as_bytes().to_vec())))
    }

    /// How a new stash makes a secret of it: 64 MiB, three passes, one lane.
    pub fn new_kdf(&self, mut random: impl FnMut(&mut [u8]) -> Result<()>) -> Result<Kdf> {
        match self {
            Self::Key(_) => Ok(Kdf::Raw),
            Self::Passphrase(_) => {
                let mut salt = [0; SALT_BYTES];
                random(&mut salt)?;
                Ok(Kdf::Argon2id { memory_kib: Kdf::MEMORY_KIB_MIN, passes: Kdf::PASSES_MIN, lanes: 1, salt })
            }
        }
    }

    /// The secret that wraps the keyring. Takes its time if it is of a passphrase.
    pub fn secret(&self, kdf: &Kdf) -> Result<Secret> {
        match (self, kdf) {
            (Self::Key(key), Kdf::Raw) => Ok(key.clone()),
            (Self::Passphrase(passphrase), Kdf::Argon2id { memory_kib, passes, lanes, salt }) => {
                let failed = |error: argon2::Error| match error {
                    argon2::Error::OutOfMemory => {
                        Error::new(ErrorKind::OutOfMemory, "no memory for the passphrase's function")
                    }
                    other => Error::invalid_argument(format!("the passphrase: {other}")),
                };
                let params = Params::new(*memory_kib, *passes, *lanes, Some(SECRET_BYTES)).map_err(failed)?;
                let mut secret = Secret::default();
                Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params)
                    .hash_password_into(passphrase, salt, &mut *secret)
                    .map_err(failed)?;
                Ok(secret)
            }
            (Self::Key(_), _) => Err(wrong("the stash is opened with a passphrase, and a key was given")),
            (Self::Passphrase(_), _) => {
                Err(wrong("the stash is opened with a key, and a passphrase was given"))
            }
        }
    }
}

impl Kdf {
    const MEMORY_KIB_MIN: u32 = 64 << 10;
    const PASSES_MIN: u32 = 3;

    fn to_value(self) -> Value {
        match self {
            Self::Raw => Value::Nil,
            Self::Argon2id { memory_kib, passes, lanes, salt } => Value::Map(Map::from([
                ("lanes".to_owned(), Value::Int(lanes.into())),
                ("memory_kib".to_owned(), Value::Int(memory_kib.into())),
                ("name".to_owned(), Value::Text(ARGON2ID.to_owned())),
                ("passes".to_owned(), Value::Int(passes.into())),
                ("salt".to_owned(), Value::Bytes(salt.to_vec())),
            ])),
        }
    }

    /// Within bounds, so that a hostile file can neither make guessing cheap nor opening endless.
    fn from_value(value: &Value) -> Result<Self> {
        let Value::Map(map) = value else {
            return if matches!(value, Value::Nil) { Ok(Self::Raw) } else { Err(malformed()) };
        };
        match map.get("name") {
            Some(Value::Text(name)) if name == ARGON2ID => {}
            Some(Value::Text(_)) => {
                return Err(newer("the keyring's passphrase function is one that this build does not know"));
            }
            _ => return Err(malformed()),
        }
        let number = |name, range: std::ops::RangeInclusive<u32>| match map.get(name) {
            Some(Value::Int(int)) => {
                u32::try_from(*int).ok().filter(|int| range.contains(int)).ok_or_else(malformed)
            }
            _ => Err(malformed()),
        };
        if map.len() != 5 {
            return Err(malformed());
        }
        Ok(Self::Argon2id {
            memory_kib: number("memory_kib", Self::MEMORY_KIB_MIN..=1 << 20)?,
            passes: number("passes", Self::PASSES_MIN..=64)?,
            lanes: number("lanes", 1..=16)?,
            salt: bytes(map, "salt")?,
        })
    }
}

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    stash: StashId,
    kdf: Kdf,
    commitment: [u8; SECRET_BYTES],
    nonce: [u8; NONCE_BYTES],
    wrapped: Vec<u8>,
}

impl Envelope {
    /// Wraps a keyring.
    pub fn seal(keyring: &Keyring, kdf: Kdf, secret: &Secret, nonce: [u8; NONCE_BYTES]) -> Result<Self> {
        let stash = *keyring.stash();
        let commitment = *commitment(secret, &stash);
        let mut envelope = Self { stash, kdf, commitment, nonce, wrapped: Vec::new() };
        let mut bytes = keyring.to_bytes();
        let tag = wrapping(secret, &stash)
            .encrypt_inout_detached(&nonce.into(), &envelope.map_bytes()?, bytes.as_mut_slice().into())
            .map_err(|_| Error::new(ErrorKind::Internal, "the keyring could not be wrapped"))?;
        envelope.wrapped = [bytes.as_slice(), tag.as_slice()].concat();
        Ok(envelope)
    }

    /// The keyring. `WrongKey` if the secret is another one, `Corrupt` if it is the right one and the rest was
    /// changed.
    pub fn open(&self, secret: &Secret) -> Result<Keyring> {
        if !bool::from(commitment(secret, &self.stash).ct_eq(&self.commitment)) {
            return Err(wrong("the key or passphrase is not that of this stash"));
        }
        let head = Self { wrapped: Vec::new(), ..self.clone() };
        let (wrapped, tag) = self.wrapped.split_last_chunk::<TAG_BYTES>().ok_or_else(malformed)?;
        let mut bytes = Zeroizing::new(wrapped.to_vec());
        wrapping(secret, &self.stash)
            .decrypt_inout_detached(
                &self.nonce.into(),
                &head.map_bytes()?,
                bytes.as_mut_slice().into(),
                &(*tag).into(),
            )
            .map_err(|_| Error::corrupt("the keyring was changed"))?;
        Keyring::from_bytes(self.stash, &bytes).ok_or_else(malformed)
    }

    /// How the secret is made.
    pub fn kdf(&self) -> &Kdf {
        &self.kdf
    }

    /// What identifies the stash.
    pub fn stash(&self) -> &StashId {
        &self.stash
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = self.map_bytes()?;
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        Ok(bytes)
    }

    /// Reads the file's bytes. `Corrupt` or `UnsupportedFormat`.
    pub fn from_bytes(file: &[u8]) -> Result<Self> {
        let (map, crc) = file.split_last_chunk::<CRC_BYTES>().ok_or_else(malformed)?;
        if crc32fast::hash(map).to_be_bytes() != *crc {
            return Err(Error::corrupt("the keyring's checksum does not match"));
        }
        let Ok(Value::Map(map)) = msgpack::decode(map) else { return Err(malformed()) };
        match map.get("format") {
            Some(Value::Int(FORMAT)) => {}
            Some(Value::Int(format)) if *format > FORMAT => {
                return Err(newer(format!(
                    "the keyring has format {format}; this build reads format {FORMAT}"
                )));
            }
            _ => return Err(malformed()),
        }
        let Some(Value::Bytes(wrapped)) = map.get("wrapped") else { return Err(malformed()) };
        if map.len() != 6 {
            return Err(malformed());
        }
        Ok(Self {
            stash: bytes::<STASH_ID_BYTES>(&map, "stash")?,
            kdf: Kdf::from_value(map.get("kdf").ok_or_else(malformed)?)?,
            commitment: bytes(&map, "commitment")?,
            nonce: bytes(&map, "nonce")?,
            wrapped: wrapped.clone(),
        })
    }

    fn map_bytes(&self) -> Result<Vec<u8>> {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        let map = Map::from([
            ("commitment".to_owned(), bytes(&self.commitment)),
            ("format".to_owned(), Value::Int(FORMAT)),
            ("kdf".to_owned(), self.kdf.to_value()),
            ("nonce".to_owned(), bytes(&self.nonce)),
            ("stash".to_owned(), bytes(&self.stash)),
            ("wrapped".to_owned(), bytes(&self.wrapped)),
        ]);
        let mut out = Vec::new();
        msgpack::encode(&Value::Map(map), &mut out)?;
        Ok(out)
    }
}

fn wrapping(secret: &Secret, stash: &StashId) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*derive(secret, b"litestash:wrap", stash)).into())
}

fn commitment(secret: &Secret, stash: &StashId) -> Secret {
    derive(secret, b"litestash:commit", stash)
}

fn bytes<const N: usize>(map: &Map, name: &str) -> Result<[u8; N]> {
    match map.get(name) {
        Some(Value::Bytes(bytes)) => bytes.as_slice().try_into().map_err(|_| malformed()),
        _ => Err(malformed()),
    }
}

fn malformed() -> Error {
    Error::corrupt("the keyring is malformed")
}

fn newer(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::UnsupportedFormat, message)
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorKind::WrongKey, message)
}
