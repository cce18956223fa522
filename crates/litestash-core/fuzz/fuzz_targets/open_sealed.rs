//! Ciphertext, keys and keyrings that were changed or made up: nothing opens but what was sealed, and nothing
//! makes more memory of it than the limit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use litestash_core::contract::format::{Cipher, Envelope, Format, Kdf, Keeper, Keyring, Unlock};
use litestash_core::contract::key::{KeyRef, StoredKey};
use litestash_core::contract::record::{self, Expiry};
use litestash_core::contract::route::{Place, Route, ShardId, Slot};
use litestash_core::{Compression, CountingRandom, Random, Result, Version};
use std::sync::{Arc, OnceLock};

const BODY_BYTES_MAX: usize = 1 << 16;
const TIME: Version = Version::from_micros(1_767_323_045_678_901);

struct Still(CountingRandom);

impl Keeper for Still {
    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        self.0.fill(bytes)
    }

    fn changed(&self, _known: u64) -> Result<Option<(u64, Keyring)>> {
        Ok(None)
    }
}

struct Sealed {
    format: Format,
    place: Place,
    body: Vec<u8>,
    /// A record, a compressed one, a key column, a keyring.
    sound: [Vec<u8>; 4],
}

fn sealed() -> &'static Sealed {
    static SEALED: OnceLock<Sealed> = OnceLock::new();
    SEALED.get_or_init(|| {
        let random = CountingRandom::default();
        let keyring = Keyring::generate(|bytes| random.fill(bytes)).expect("random bytes");
        let keeper = Arc::new(Still(random));
        let format = |compression| {
            let cipher = Cipher::new(&keyring, "", Arc::clone(&keeper) as Arc<dyn Keeper>);
            Format::new(BODY_BYTES_MAX, compression, Some(cipher))
        };
        let plain = format(None);
        let place = plain.place(KeyRef::Text("user:1001"));
        let mut body = vec![0xda, 0x02, 0x00];
        body.resize(515, b'a');
        let record = |format: &Format| {
            let mut out = Vec::new();
            format.encode(&place, TIME, Expiry::at(1), &body, &mut out).expect("a record");
            out
        };
        let column = plain.encode_key(&place, KeyRef::Text("user:1001")).expect("a key");
        let StoredKey::Blob(column) = column.as_stored() else { panic!("an encrypted key is a blob") };
        let secret = Unlock::key(&[7; 32]).and_then(|key| key.secret(&Kdf::Raw)).expect("a secret");
        let file = Envelope::seal(&keyring, Kdf::Raw, &secret, [0; 24]).and_then(|file| file.to_bytes());
        let compressing = format(Some(Compression { min_bytes: 0, level: 3 }));
        let sound = [record(&plain), record(&compressing), column.to_vec(), file.expect("a keyring")];
        Sealed { format: plain, place, body, sound }
    })
}

// The first bytes: what is changed, where it is found, and whether its CRC is made right. Then either changes (where,
// 2 bytes, and what to flip) or the whole of it.
fuzz_target!(|input: &[u8]| {
    let sealed = sealed();
    let Some((&[kind, moved, forge, whole], rest)) = input.split_first_chunk::<4>() else { return };
    let kind = usize::from(kind % 4);
    let mut bytes = sealed.sound[kind].clone();
    if whole % 4 == 0 {
        bytes = rest.to_vec();
    } else {
        for change in rest.as_chunks::<3>().0 {
            let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
            bytes[at] ^= change[2];
        }
    }
    let route = match (ShardId::new(moved % 16), Slot::new(moved >> 4 & 3)) {
        (Some(shard), Some(slot)) if moved >= 128 => Route { shard, slot },
        _ => sealed.place.route,
    };
    let place = Place { route, ..sealed.place };
    match kind {
        0 | 1 => {
            if forge % 4 != 0 && bytes.len() >= record::HEADER_BYTES {
                let (head, rest) = bytes.split_at(record::HEADER_BYTES);
                let crc = [
                    place.hash.0.as_slice(),
                    &TIME.timestamp().to_be_bytes(),
                    &TIME.microsecond().to_be_bytes(),
                    &head[..1],
                    rest,
                ]
                .concat();
                let crc = crc32(&crc).to_be_bytes();
                bytes[1..record::HEADER_BYTES].copy_from_slice(&crc);
            }
            if let Ok(record) = sealed.format.decode(&place, TIME, &bytes) {
                assert_eq!((record.body.as_ref(), record.expiry), (sealed.body.as_slice(), Expiry::at(1)));
                assert_eq!(place, sealed.place);
            }
            // A stash that is not encrypted reads what is compressed only.
            if let Ok(record) = Format::new(BODY_BYTES_MAX, None, None).decode(&place, TIME, &bytes) {
                assert!(record.body.len() <= bytes.len().max(BODY_BYTES_MAX));
            }
        }
        2 => {
            if let Ok(key) = sealed.format.decode_key(&place, StoredKey::Blob(&bytes)) {
                assert_eq!((key.as_text(), place), (Some("user:1001"), sealed.place));
            }
        }
        _ => {
            if forge % 4 != 0 && bytes.len() >= 4 {
                let map = bytes.len() - 4;
                let crc = crc32(&bytes[..map]).to_be_bytes();
                bytes[map..].copy_from_slice(&crc);
            }
            let opened = Envelope::from_bytes(&bytes).and_then(|envelope| {
                // A made-up passphrase function would only take its time.
                let secret = Unlock::key(&[7; 32]).and_then(|key| key.secret(envelope.kdf()))?;
                envelope.open(&secret)
            });
            assert!(opened.is_err() || bytes == sealed.sound[3]);
        }
    }
});

/// CRC-32/ISO-HDLC.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}
