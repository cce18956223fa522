//! What the C interface costs: `cargo xtask capi --bench`.
//!
//! The library is loaded as a C program would load it, and its calls take turns with the engine's own, in rounds. Of
//! each the best round counts: everything that disturbs a round makes it longer.
#![expect(unsafe_code, reason = "functions of a C library are called")]

use anyhow::{Context, Result, ensure};
use libloading::Library;
use litestash_core::{LiteStash, SetOptions};
use std::ffi::{CString, c_char, c_void};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

const ROUNDS: usize = 40;
const CALLS: u32 = 50_000;

/// The greatest ratio of `litestash_get_into` to the engine's `get_encoded` that is accepted.
const RATIO_MAX: f64 = 1.15;

/// The longest that a call which does nothing may take.
const NOTHING_MAX: Duration = Duration::from_nanos(5);

#[repr(C)]
#[derive(Clone, Copy)]
struct Stash(u64);

/// A key of text; the other contents are not needed here.
#[repr(C)]
#[derive(Clone, Copy)]
struct Key {
    data: *const c_void,
    length: u32,
    kind: u32,
}

#[repr(C)]
struct Buffer {
    data: *mut u8,
    length: usize,
}

type Open = unsafe extern "C" fn(*const c_char, *const c_void, *mut Stash) -> i32;
type Close = unsafe extern "C" fn(Stash) -> i32;
type Get = unsafe extern "C" fn(Stash, Key, *mut Buffer) -> i32;
type GetInto = unsafe extern "C" fn(Stash, Key, *mut u8, usize, *mut usize) -> i32;
type Free = unsafe extern "C" fn(*mut Buffer);
type Nothing = extern "C" fn() -> u32;

/// A measured call, and the time that a round of it took at best.
struct Case<'a> {
    name: &'static str,
    round: Box<dyn Fn() + 'a>,
    best: Duration,
}

impl<'a> Case<'a> {
    fn new(name: &'static str, call: impl Fn() + 'a) -> Self {
        // The loop is inside, so that the call through the box is not counted with each.
        let round = move || {
            for _ in 0..CALLS {
                call();
            }
        };
        Self { name, round: Box::new(round), best: Duration::MAX }
    }

    fn nanoseconds(&self) -> f64 {
        self.best.as_secs_f64() * 1e9 / f64::from(CALLS)
    }
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: litestash-c-bench LIBRARY")?;
    // SAFETY: it is this repository's library, whose loading runs nothing; the signatures are those of its header.
    let (library, folder) = (unsafe { Library::new(&path) }?, tempfile::tempdir()?);
    // SAFETY: each is the function of that name, with the signature that the header gives it; the library stays
    // loaded to the end.
    let (open, close, get, get_into, free, nothing, check) = unsafe {
        (
            *library.get::<Open>(b"litestash_open")?,
            *library.get::<Close>(b"litestash_close")?,
            *library.get::<Get>(b"litestash_get")?,
            *library.get::<GetInto>(b"litestash_get_into")?,
            *library.get::<Free>(b"litestash_buffer_free")?,
            *library.get::<Nothing>(b"litestash_version_number")?,
            *library.get::<Close>(b"litestash_check")?,
        )
    };

    // Two stashes: one process has two copies of the engine here, and each keeps its own rows.
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    let value = encoded();
    for place in [&ours, &theirs] {
        let stash = LiteStash::open(place)?;
        stash.set_encoded("user:1001", value.clone(), SetOptions::default())?;
        stash.close()?;
    }
    let stash = LiteStash::open(&ours)?;
    let place = CString::new(theirs.as_os_str().as_encoded_bytes())?;
    let mut foreign = Stash(0);
    // SAFETY: the path ends with a zero byte, null stands for the defaults, and there is a place for the answer.
    let opened = unsafe { open(place.as_ptr(), std::ptr::null(), &raw mut foreign) };
    ensure!(opened == 0, "litestash_open failed");
    let text = "user:1001";
    let key = Key { data: text.as_ptr().cast(), length: text.len() as u32, kind: 1 };

    let mut cases = [
        Case::new("engine: get_encoded", || {
            assert!(black_box(stash.get_encoded(black_box("user:1001"))).is_ok_and(|found| found.is_some()));
        }),
        Case::new("litestash_get_into", || {
            // As on the stack of a C program: not filled with zeros first.
            let (mut room, mut length) = (MaybeUninit::<[u8; 256]>::uninit(), 0);
            let memory = room.as_mut_ptr().cast();
            // SAFETY: key and memory are there.
            let status = unsafe { get_into(foreign, black_box(key), memory, 256, &raw mut length) };
            assert!(status == 0 && black_box(length) > 0);
            black_box(&room);
        }),
        Case::new("litestash_get and litestash_buffer_free", || {
            let mut buffer = Buffer { data: std::ptr::null_mut(), length: 0 };
            // SAFETY: as above, and the buffer is the library's.
            let status = unsafe { get(foreign, black_box(key), &raw mut buffer) };
            assert!(status == 0 && black_box(buffer.length) > 0);
            // SAFETY: as above.
            unsafe { free(&raw mut buffer) };
        }),
        // SAFETY: any number can be given.
        Case::new("litestash_check (a handle)", || assert!(unsafe { check(black_box(foreign)) } == 0)),
        Case::new("litestash_version_number (nothing)", || {
            black_box(nothing());
        }),
    ];
    for _ in 0..ROUNDS {
        for case in &mut cases {
            let started = Instant::now();
            (case.round)();
            case.best = case.best.min(started.elapsed());
        }
    }

    let measure = cases[0].nanoseconds();
    println!(
        "A row of {} bytes that is in memory; nanoseconds per call, best of {ROUNDS} rounds:",
        value.len()
    );
    for case in &cases {
        let nanoseconds = case.nanoseconds();
        println!("{:>42} {nanoseconds:8.1}  {:5.2} of the engine's", case.name, nanoseconds / measure);
    }
    let (ratio, empty) = (cases[1].nanoseconds() / measure, cases[4].best / CALLS);
    // SAFETY: any number can be given.
    ensure!(unsafe { close(foreign) } == 0, "litestash_close failed");
    ensure!(
        ratio <= RATIO_MAX,
        "litestash_get_into costs {ratio:.2} of the engine's call; at most {RATIO_MAX}"
    );
    ensure!(empty <= NOTHING_MAX, "a call that does nothing takes {empty:?}; at most {NOTHING_MAX:?}");
    Ok(())
}

/// A map of about a hundred bytes.
fn encoded() -> Vec<u8> {
    let row = [("name", "Ada Lovelace"), ("place", "London"), ("note", &"x".repeat(60))];
    litestash_core::contract::typed::to_bytes(&std::collections::BTreeMap::from(row)).unwrap_or_default()
}
