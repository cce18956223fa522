//! What an encrypted record is bound to, and what a damaged, moved or hostile one becomes.

use super::*;
use crate::contract::record::{HEADER_BYTES, NONCE_BYTES};
use crate::contract::route::{Route, ShardId, Slot};
use crate::error::ErrorKind;
use crate::sync::Mutex;
use std::sync::Arc;

const TIME: Version = Version::from_micros(1_767_323_045_678_901);
const BODY: &[u8] = b"\x82\xa3age\x24\xa4name\xa3Ada";

/// A keyring in memory, and random bytes that are the same in every run.
#[derive(Default)]
struct Held {
    number: Mutex<u8>,
    newer: Mutex<Option<Keyring>>,
}

impl Held {
    fn fill(&self, bytes: &mut [u8]) {
        let mut number = self.number.lock();
        *number += 1;
        bytes.fill(*number);
    }

    fn keyring(&self) -> Keyring {
        Keyring::generate(|bytes| {
            self.fill(bytes);
            Ok(())
        })
        .unwrap()
    }
}

impl Keeper for Held {
    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        self.fill(bytes);
        Ok(())
    }

    fn changed(&self, seen: u64) -> Result<Option<(u64, Keyring)>> {
        Ok(self.newer.lock().take().map(|keyring| (seen + 1, keyring)))
    }
}

fn encrypted(held: &Arc<Held>, keyring: &Keyring, bucket: &str, compression: Option<Compression>) -> Format {
    let keeper = Arc::clone(held) as Arc<dyn Keeper>;
    Format::new(VALUE_BYTES_DEFAULT, compression, Some(Cipher::new(keyring, bucket, keeper)))
}

fn format() -> Format {
    let held = Arc::new(Held::default());
    let keyring = held.keyring();
    encrypted(&held, &keyring, "", None)
}

fn stored(format: &Format, place: &Place, expiry: Expiry) -> Vec<u8> {
    let mut out = Vec::new();
    format.encode(place, TIME, expiry, BODY, &mut out).unwrap();
    out
}

/// The record with its CRC made right for that place and time, as whoever can write the file can.
fn forged(place: &Place, version: Version, record: &[u8]) -> Vec<u8> {
    let mut record = record.to_vec();
    let flags = record[0];
    record::finish(&place.hash, version, flags, &mut record);
    record
}

#[track_caller]
fn check_corrupt<T: std::fmt::Debug>(result: Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_record_and_a_key_come_back() {
    let format = format();
    for key in [
        KeyRef::Text("user:1001"),
        KeyRef::Text(""),
        KeyRef::Int(-5),
        KeyRef::float(1.5).unwrap(),
        KeyRef::Bytes(&[]),
    ] {
        let place = format.place(key);
        assert_ne!(place.hash, KeyHash::of(key));
        for expiry in [Expiry::NEVER, Expiry { expires_at: Some(9), idle_us: Some(7) }] {
            let record = stored(&format, &place, expiry);
            assert!(!record.windows(3).any(|bytes| bytes == b"Ada"));
            let read = format.decode(&place, TIME, &record).unwrap();
            assert_eq!((read.expiry, read.body.as_ref()), (expiry, BODY));
        }
        let column = format.encode_key(&place, key).unwrap();
        assert_eq!(format.encode_key(&place, key).unwrap(), column, "one key has one column");
        assert_eq!(format.decode_key(&place, column.as_stored()).unwrap().as_ref(), key);
    }
}

#[test]
fn one_value_is_never_stored_the_same_twice() {
    let format = format();
    let place = format.place(KeyRef::Int(1));
    assert_ne!(stored(&format, &place, Expiry::NEVER), stored(&format, &place, Expiry::NEVER));
}

#[test]
fn every_flipped_bit_is_found_without_the_checksum_too() {
    let format = format();
    let place = format.place(KeyRef::Text("user:1001"));
    let record = stored(&format, &place, Expiry { expires_at: Some(i64::MAX), idle_us: Some(7) });
    for bit in 0..record.len() * 8 {
        let mut flipped = record.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check_corrupt(format.decode(&place, TIME, &flipped));
        if (8..HEADER_BYTES * 8).contains(&bit) {
            continue;
        }
        let result = format.decode(&place, TIME, &forged(&place, TIME, &flipped)).map(drop);
        let kind = result.expect_err("a changed record").kind();
        assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::UnsupportedFormat), "bit {bit}: {kind}");
    }
    let column = format.encode_key(&place, KeyRef::Text("user:1001")).unwrap();
    let StoredKey::Blob(column) = column.as_stored() else { panic!("an encrypted key is a blob") };
    for bit in 0..column.len() * 8 {
        let mut flipped = column.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check_corrupt(format.decode_key(&place, StoredKey::Blob(&flipped)));
    }
}

#[test]
fn a_moved_record_never_opens() {
    let held = Arc::new(Held::default());
    let keyring = held.keyring();
    let format = encrypted(&held, &keyring, "", None);
    let place = format.place(KeyRef::Text("user:1001"));
    let record = stored(&format, &place, Expiry::at(i64::MAX));
    let column = format.encode_key(&place, KeyRef::Text("user:1001")).unwrap();
    let refused = |format: &Format, place: &Place, version: Version| {
        check_corrupt(format.decode(place, version, &forged(place, version, &record)));
    };
    let mut moved = Vec::new();
    // To another row, with and without its hash.
    moved.push(format.place(KeyRef::Text("user:1002")));
    moved.push(Place { route: place.route, ..format.place(KeyRef::Text("user:1002")) });
    // To every other shard and table, hash and all.
    for shard in ShardId::all() {
        for slot in Slot::all() {
            let route = Route { shard, slot };
            if route != place.route {
                moved.push(Place { route, ..place });
            }
        }
    }
    for to in &moved {
        refused(&format, to, TIME);
        check_corrupt(format.decode_key(to, column.as_stored()));
    }
    // To another time.
    for us in [-1, 1, 1_000_000] {
        refused(&format, &place, Version::from_micros(TIME.micros() + us));
    }
    // To a bucket, and to another stash with all its keys.
    refused(&encrypted(&held, &keyring, "a", None), &place, TIME);
    let other = Keyring::from_bytes([9; STASH_ID_BYTES], &keyring.to_bytes()).unwrap();
    refused(&encrypted(&held, &other, "", None), &place, TIME);
    // To a stash that is not encrypted, and from one.
    refused(&Format::plain(), &place, TIME);
    let plain = stored(&Format::plain(), &place, Expiry::NEVER);
    check_corrupt(format.decode(&place, TIME, &plain));
    assert_eq!(format.decode(&place, TIME, &record).unwrap().body.as_ref(), BODY);
}

#[test]
fn another_deadline_window_or_flag_does_not_open() {
    let format = format();
    let place = format.place(KeyRef::Int(1));
    let record = stored(&format, &place, Expiry::at(1000));
    let mut later = record.clone();
    later[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&2000i64.to_be_bytes());
    check_corrupt(format.decode(&place, TIME, &forged(&place, TIME, &later)));
    let mut forever = record.clone();
    forever.drain(HEADER_BYTES..HEADER_BYTES + 8);
    forever[0] &= !flags::EXPIRES;
    check_corrupt(format.decode(&place, TIME, &forged(&place, TIME, &forever)));
    let mut plain = record.clone();
    plain.drain(HEADER_BYTES + 8..HEADER_BYTES + 8 + 4 + NONCE_BYTES);
    plain[0] &= !flags::ENCRYPTED;
    check_corrupt(format.decode(&place, TIME, &forged(&place, TIME, &plain)));
}

#[test]
fn a_new_epoch_is_learnt_when_it_is_met_and_old_rows_are_sealed_anew() {
    let held = Arc::new(Held::default());
    let mut keyring = held.keyring();
    let (one, other) = (encrypted(&held, &keyring, "", None), encrypted(&held, &keyring, "", None));
    let key = KeyRef::Text("user:1001");
    let place = one.place(key);
    let old = stored(&one, &place, Expiry::at(5));
    let old_key = one.encode_key(&place, key).unwrap();
    assert!(one.is_current(&place, TIME, old_key.as_stored(), &old).unwrap());

    let random = |bytes: &mut [u8]| {
        held.fill(bytes);
        Ok(())
    };
    keyring.add_epoch(random).unwrap();
    *held.newer.lock() = Some(keyring.clone());
    one.refresh().unwrap();
    assert!(!one.is_current(&place, TIME, old_key.as_stored(), &old).unwrap());
    let mut new = Vec::new();
    let new_key = KeyColumn::Sealed(one.reseal(&place, TIME, old_key.as_stored(), &old, &mut new).unwrap());
    assert!(one.is_current(&place, TIME, new_key.as_stored(), &new).unwrap());

    check_corrupt(other.decode(&place, TIME, &new));
    *held.newer.lock() = Some(keyring.clone());
    let read = other.decode(&place, TIME, &new).unwrap();
    assert_eq!((read.expiry, read.body.as_ref()), (Expiry::at(5), BODY));
    assert_eq!(other.decode_key(&place, new_key.as_stored()).unwrap().as_ref(), key);
    assert_eq!(other.decode(&place, TIME, &old).unwrap().body.as_ref(), BODY);

    keyring.drop_old_epochs();
    *held.newer.lock() = Some(keyring.clone());
    other.refresh().unwrap();
    check_corrupt(other.decode(&place, TIME, &old));
    let mut foreign = keyring;
    foreign = Keyring::from_bytes([99; STASH_ID_BYTES], &foreign.to_bytes()).unwrap();
    *held.newer.lock() = Some(foreign);
    assert_eq!(other.refresh().unwrap_err().kind(), ErrorKind::NotAStash);
}

#[test]
fn the_envelope_opens_with_its_secret_alone() {
    let held = Held::default();
    let keyring = held.keyring();
    let key = Unlock::key(&[7; 32]).unwrap();
    let secret = key.secret(&Kdf::Raw).unwrap();
    let envelope = Envelope::seal(&keyring, Kdf::Raw, &secret, [1; NONCE_BYTES]).unwrap();
    let bytes = envelope.to_bytes().unwrap();
    assert_eq!(Envelope::from_bytes(&bytes).unwrap(), envelope);
    assert_eq!(*envelope.open(&secret).unwrap().to_bytes(), *keyring.to_bytes());
    let other = Unlock::key(&[8; 32]).unwrap().secret(&Kdf::Raw).unwrap();
    assert_eq!(envelope.open(&other).unwrap_err().kind(), ErrorKind::WrongKey);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check_corrupt(Envelope::from_bytes(&flipped));
        // With a right checksum it is malformed, does not open, or says that the key is another one.
        let map = flipped.len() - 4;
        let crc = crc32fast::hash(&flipped[..map]);
        flipped[map..].copy_from_slice(&crc.to_be_bytes());
        if bit / 8 < map {
            let opened = Envelope::from_bytes(&flipped).and_then(|envelope| envelope.open(&secret));
            assert!(opened.is_err(), "bit {bit}");
        }
    }
    let shown = format!("{keyring:?} {key:?}");
    assert!(!shown.contains('7') && !shown.contains("[1"), "{shown}");
}

#[test]
fn a_passphrase_has_its_own_function_within_bounds() {
    let unlock = Unlock::passphrase("correct horse").unwrap();
    let kdf = unlock
        .new_kdf(|bytes| {
            bytes.fill(5);
            Ok(())
        })
        .unwrap();
    let Kdf::Argon2id { memory_kib, passes, lanes, salt } = kdf else { panic!("{kdf:?}") };
    assert_eq!((memory_kib, passes, lanes, salt), (65_536, 3, 1, [5; 16]));
    assert_eq!(unlock.secret(&Kdf::Raw).unwrap_err().kind(), ErrorKind::WrongKey);
    assert_eq!(Unlock::key(&[0; 32]).unwrap().secret(&kdf).unwrap_err().kind(), ErrorKind::WrongKey);
    let secret = unlock.secret(&kdf).unwrap();
    assert_ne!(*secret, *Unlock::passphrase("correct horsf").unwrap().secret(&kdf).unwrap());
    let keyring = Held::default().keyring();
    let sealed = |kdf| Envelope::seal(&keyring, kdf, &secret, [0; NONCE_BYTES]).unwrap().to_bytes().unwrap();
    assert!(Envelope::from_bytes(&sealed(kdf)).is_ok());
    for (memory_kib, passes, lanes) in
        [(65_535, 3, 1), (65_536, 2, 1), (65_536, 3, 0), (2 << 20, 3, 1), (65_536, 65, 1)]
    {
        check_corrupt(Envelope::from_bytes(&sealed(Kdf::Argon2id { memory_kib, passes, lanes, salt })));
    }
    assert_eq!(Unlock::passphrase("").unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(Unlock::key(&[0; 31]).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

mod compressed {
    use super::*;

    fn body(text: usize) -> Vec<u8> {
        let mut body = vec![0xdb];
        body.extend_from_slice(&(text as u32).to_be_bytes());
        body.resize(5 + text, b'a');
        body
    }

    fn compressing() -> Format {
        Format::new(VALUE_BYTES_DEFAULT, Some(Compression { min_bytes: 64, level: 3 }), None)
    }

    #[test]
    fn what_is_worth_it_is_stored_smaller_and_comes_back() {
        let held = Arc::new(Held::default());
        let keyring = held.keyring();
        let both = encrypted(&held, &keyring, "", Some(Compression { min_bytes: 64, level: 3 }));
        for (format, reader) in
            [(&compressing(), &Format::plain()), (&both, &encrypted(&held, &keyring, "", None))]
        {
            let place = format.place(KeyRef::Int(1));
            let body = body(100_000);
            let mut out = Vec::new();
            format.encode(&place, TIME, Expiry::at(7), &body, &mut out).unwrap();
            assert!(out.len() < 200 && out[0] & flags::CODEC != 0);
            assert_eq!(reader.decode(&place, TIME, &out).unwrap().body.as_ref(), body);
        }
    }

    #[test]
    fn what_is_short_or_saves_less_than_an_eighth_is_stored_as_it_is() {
        let format = compressing();
        let place = format.place(KeyRef::Int(1));
        let mut out = Vec::new();
        let mut noise = vec![0xc5, 0x0f, 0xfd];
        let mut state = 1u64;
        for _ in 0..4093 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise.push((state >> 56) as u8);
        }
        for body in [body(58), noise.clone()] {
            format.encode(&place, TIME, Expiry::NEVER, &body, &mut out).unwrap();
            assert_eq!((out[0], &out[HEADER_BYTES..]), (0, body.as_slice()));
        }
        // Just below and above the rule: noise with a tail of zeros.
        let mut seen = [false; 2];
        for zeros in 0..1200 {
            let mut body = noise[..4096 - zeros].to_vec();
            body.resize(4096, 0);
            format.encode(&place, TIME, Expiry::NEVER, &body, &mut out).unwrap();
            let compressed = out[0] & flags::CODEC != 0;
            assert!(!compressed || (out.len() - HEADER_BYTES) * 8 <= body.len() * 7);
            seen[usize::from(compressed)] = true;
        }
        assert_eq!(seen, [true, true]);
    }

    /// The record of a body that is said to be so long before compression.
    fn record(place: &Place, id: u8, stated: u32, body: &[u8]) -> Vec<u8> {
        let mut out = vec![0; HEADER_BYTES];
        out.push(id);
        out.extend_from_slice(&stated.to_be_bytes());
        out.extend_from_slice(body);
        record::finish(&place.hash, TIME, flags::CODEC, &mut out);
        out
    }

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(body.len()));
        zstd_safe::compress(&mut frame, body, 3).unwrap();
        frame
    }

    #[test]
    fn a_bomb_is_refused_by_our_limit_and_by_what_it_states() {
        let format = Format::new(1 << 20, None, None);
        let place = format.place(KeyRef::Int(1));
        let bomb = frame(&body(64 << 20));
        assert!(bomb.len() < 10_000);
        let decoded =
            |stated, body: &[u8]| format.decode(&place, TIME, &record(&place, 1, stated, body)).map(drop);
        let kind = |stated, body: &[u8]| decoded(stated, body).unwrap_err().kind();
        assert_eq!(kind((64 << 20) + 5, &bomb), ErrorKind::TooLarge);
        assert_eq!(kind(u32::MAX, &bomb), ErrorKind::TooLarge);
        assert_eq!(kind(1 << 20, &bomb), ErrorKind::Corrupt);
        let small = frame(&body(1000));
        assert!(decoded(1005, &small).is_ok());
        for (stated, body) in [
            (1004, small.clone()),
            (1006, small.clone()),
            (0, small.clone()),
            (1005, small[..small.len() - 1].to_vec()),
            (1005, [small.as_slice(), b"\0"].concat()),
            (2010, [small.as_slice(), &small].concat()),
            // A skippable frame before it.
            (1005, [b"\x50\x2a\x4d\x18\0\0\0\0", small.as_slice()].concat()),
            (1005, body(1000)),
        ] {
            assert_eq!(kind(stated, &body), ErrorKind::Corrupt);
        }
        let unknown = format.decode(&place, TIME, &record(&place, 2, 1005, &small)).map(drop);
        assert_eq!(unknown.unwrap_err().kind(), ErrorKind::UnsupportedFormat);
    }
}
