//! What a client of the sidecar sends: frames in pieces, requests, arguments in any legal form. Frames come out as they
//! were put in, and what is taken for a value has one canonical encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use litestash_core::contract::msgpack;
use litestash_engine::frame::{Broken, FrameReader, HEAD_BYTES};
use litestash_engine::loose;
use litestash_engine::request::{self, Request};
use std::io::Read;

const PAYLOAD_BYTES_MAX: usize = 1 << 16;

/// A pipe that gives a few bytes at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let (piece, rest) = self.rest.split_at(self.size.min(out.len()).min(self.rest.len()));
        out[..piece.len()].copy_from_slice(piece);
        self.rest = rest;
        Ok(piece.len())
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    frames(usize::from(size) + 1, bytes);
    payload(bytes);
});

/// The frames, compared with those that a plain loop finds.
fn frames(size: usize, bytes: &[u8]) {
    let mut reader = FrameReader::new(Pieces { rest: bytes, size }, PAYLOAD_BYTES_MAX);
    let mut rest = bytes;
    let end = loop {
        match reader.wait() {
            Ok(true) => {}
            end => break end,
        }
        while let Some(found) = reader.take() {
            let (head, after) = rest.split_first_chunk::<HEAD_BYTES>().expect("a frame has a head");
            let (wanted, after) = after.split_at(u32::from_be_bytes(*head) as usize);
            assert_eq!(found, wanted);
            payload(found);
            rest = after;
        }
    };
    let claimed = rest.first_chunk::<HEAD_BYTES>().map_or(0, |head| u32::from_be_bytes(*head) as usize);
    match end {
        Ok(_) => assert!(claimed <= PAYLOAD_BYTES_MAX && rest.len() < HEAD_BYTES + claimed.max(1)),
        Err(Broken::TooLarge { claimed: told, .. }) => assert!(told == claimed && told > PAYLOAD_BYTES_MAX),
        Err(Broken::Io(error)) => panic!("{error}"),
    }
}

fn payload(bytes: &[u8]) {
    value(bytes);
    let Ok(mut request) = Request::parse(bytes) else { return };
    if let Some(bucket) = request.bucket {
        let _ = bucket.parse();
    }
    while let Ok(Some(argument)) = request.arguments.raw() {
        let _ = request::key(argument);
        value(argument);
    }
}

fn value(bytes: &[u8]) {
    if let Ok((value, rest)) = loose::split(bytes) {
        assert_eq!(value.len() + rest.len(), bytes.len());
    }
    if let Ok(canonical) = loose::canonical(bytes) {
        assert!(msgpack::validate(&canonical).is_ok());
        let value = loose::decode(bytes).expect("what has an encoding is a value");
        assert_eq!(msgpack::decode(&canonical).expect("it is canonical"), value);
    }
}
