//! Every operation against a map, of a stash and of its bucket, with the events of each, under a clock that runs,
//! jumps forward and jumps back, with sweeps, orderly reopening and crashes in between.

use super::expected::Model;
use super::world::{Step, World, steps};
use crate::support::{Stored, again};
use litestash_core::FixedClock;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

/// Sequences for one run of the suite; `LITESTASH_MODEL_CASES` overrides it.
const SEQUENCES: u32 = 2_000;

/// And as many of a stash that is encrypted.
const ENCRYPTED_SEQUENCES: u32 = 600;

/// Long ones, of each kind of stash; `LITESTASH_LONG_MODEL_CASES` overrides it.
const LONG_SEQUENCES: u32 = 2;

/// Processes that are lost in one run of the suite.
const CRASHES: u64 = 40;

/// And those that write an encrypted stash.
const ENCRYPTED_CRASHES: u64 = 15;

fn run(stored: Stored, steps: &[Step]) {
    // In memory where there is such a place: what is tested here is meaning, and syncs are most of the
    // time elsewhere.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut model = Model::new(stored);
    let mut world = World::open(dir.path(), stored, FixedClock::new(model.now_us()));
    for (number, step) in steps.iter().chain([&Step::List]).enumerate() {
        let expected = model.step(step);
        assert_eq!(world.perform(step), expected, "step {number}, {step:?}");
        assert_eq!(world.take_told(), model.take_told(), "events of step {number}, {step:?}");
    }
    assert_eq!(world.rows(), model.rows());
    assert_eq!(world.bucket_rows(), model.bucket_rows());
    assert_eq!(world.verify(), "sound");
}

#[test]
fn random_sequences_agree_with_a_map() {
    random_sequences(Stored::Plain, SEQUENCES);
}

#[test]
fn random_sequences_of_an_encrypted_stash_agree_with_a_map() {
    random_sequences(Stored::CompressedAndEncrypted, ENCRYPTED_SEQUENCES);
}

fn random_sequences(stored: Stored, cases: u32) {
    let cases = asked_for("LITESTASH_MODEL_CASES").unwrap_or(cases);
    let workers = 2;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(move || {
                let config =
                    Config { cases: cases / workers, failure_persistence: None, ..Config::default() };
                let sequences = steps(1..40, true);
                TestRunner::new(config)
                    .run(&sequences, |steps| {
                        run(stored, &steps);
                        Ok(())
                    })
                    .unwrap();
            });
        }
    });
}

fn asked_for(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn a_long_sequence_agrees_with_a_map() {
    long_sequence(Stored::Plain);
    long_sequence(Stored::Encrypted);
}

fn long_sequence(stored: Stored) {
    let cases = asked_for("LITESTASH_LONG_MODEL_CASES").unwrap_or(LONG_SEQUENCES);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(1500..2000, true), |steps| {
            run(stored, &steps);
            Ok(())
        })
        .unwrap();
}

/// The same steps in every process.
fn steps_of(seed: u64) -> Vec<Step> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    steps(1..60, false).new_tree(&mut runner).unwrap().current()
}

/// The stash that it performs them on.
fn stored_of(seed: u64) -> Stored {
    if seed < CRASHES { Stored::Plain } else { Stored::CompressedAndEncrypted }
}

const ROLE: &str = "LITESTASH_TEST_DEADLINES";

/// A process performs steps and is lost in the middle of everything; what it was told is there, and uses that
/// were only noted are forgotten.
#[test]
fn what_was_acknowledged_before_a_crash_is_there() {
    if let Ok(role) = std::env::var(ROLE) {
        let mut words = role.splitn(3, ' ');
        let mut number = || words.next().unwrap().parse::<i64>().unwrap();
        let (seed, now_us) = (number().unsigned_abs(), number());
        let dir = words.next().unwrap();
        let mut world = World::open(dir.as_ref(), stored_of(seed), FixedClock::new(now_us));
        for step in steps_of(seed) {
            println!("> {}", world.perform(&step));
        }
        std::process::abort();
    }
    for seeds in [0..CRASHES, CRASHES..CRASHES + ENCRYPTED_CRASHES] {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::new(stored_of(seeds.start));
        for seed in seeds {
            lose(seed, dir.path(), &mut model);
        }
    }
}

/// Runs a process that is lost at its end, and compares what it left.
fn lose(seed: u64, dir: &Path, model: &mut Model) {
    let role = format!("{seed} {} {}", model.now_us(), dir.display());
    let test = "deadlines::model::what_was_acknowledged_before_a_crash_is_there";
    let mut child = again(test, ROLE, role).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // Behind what the test program itself prints.
    let answers: Vec<_> =
        lines.filter_map(|line| line.split_once("> ").map(|(_, answer)| answer.to_owned())).collect();
    assert!(!child.wait().unwrap().success());
    let steps = steps_of(seed);
    assert_eq!(answers.len(), steps.len(), "seed {seed}");
    for (number, (step, answer)) in steps.iter().zip(answers).enumerate() {
        let expected = model.step(step);
        assert_eq!(answer, expected, "seed {seed}, step {number}, {step:?}");
    }
    model.crash();
    let world = World::open(dir, stored_of(seed), FixedClock::new(model.now_us()));
    assert_eq!(world.rows(), model.rows(), "seed {seed}");
    assert_eq!(world.bucket_rows(), model.bucket_rows(), "seed {seed}");
    assert_eq!(world.verify(), "sound", "seed {seed}");
    world.close();
}
