//! Several processes that write one shard without a pause. What they get is measured by the example `fairness`.

use crate::support::stash;
use litestash_core::{LiteStash, Options};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "LITESTASH_TEST_FAIRNESS";
const RUN: Duration = Duration::from_millis(1500);

/// In a child: writes one key until the time is over and prints how often, and how often in the last third.
fn write_if_child() -> bool {
    let Ok(dir) = std::env::var(ROLE) else { return false };
    let stash: LiteStash = Options::new().busy_timeout(Duration::from_secs(60)).open(dir).unwrap();
    stash.set("shared", &0).unwrap();
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let started = Instant::now();
    let (mut commits, mut late) = (0u64, 0u64);
    while started.elapsed() < RUN {
        stash.increment("shared", 1).unwrap();
        commits += 1;
        late += u64::from(started.elapsed() > RUN * 2 / 3);
    }
    println!("commits {commits} {late}");
    true
}

fn start(test: &str, dir: &std::path::Path, processes: usize) -> Vec<Child> {
    let mut children: Vec<Child> = (0..processes)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", test, "--nocapture"])
                .env(ROLE, dir)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in &mut children {
        let output = child.stdout.as_mut().unwrap();
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"ready\n") {
            output.read_exact(&mut byte).unwrap();
            seen.extend(byte);
        }
    }
    // All are ready; the end of their input is the signal.
    children.iter_mut().for_each(|child| drop(child.stdin.take()));
    children
}

fn figures(child: Child) -> [u64; 2] {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("commits ")).unwrap();
    let figures: Vec<u64> = line.split(' ').map(|figure| figure.parse().unwrap()).collect();
    figures.try_into().unwrap()
}

#[test]
fn two_processes_share_a_shard() {
    if write_if_child() {
        return;
    }
    let (dir, stash) = stash();
    let children = start("fairness::two_processes_share_a_shard", dir.path(), 2);
    let commits: Vec<u64> = children.into_iter().map(|child| figures(child)[0]).collect();
    assert_eq!(stash.get_as("shared").unwrap(), Some(commits.iter().sum::<u64>()));
    println!("commits {commits:?}");
    if cfg!(target_os = "linux") {
        assert!(commits[0] < 3 * commits[1] && commits[1] < 3 * commits[0], "{commits:?}");
    }
}

/// One process is stopped and goes on, another is killed; whoever is left is not held up.
#[cfg(unix)]
#[test]
fn a_stopped_or_killed_process_holds_nobody_up() {
    use rustix::process::{Pid, Signal, kill_process};
    if write_if_child() {
        return;
    }
    let (dir, stash) = stash();
    let mut children = start("fairness::a_stopped_or_killed_process_holds_nobody_up", dir.path(), 3);
    let stopped = Pid::from_child(&children[1]);
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(80));
        kill_process(stopped, Signal::STOP).unwrap();
        // Short, because it may have been stopped in the middle of a transaction.
        std::thread::sleep(Duration::from_millis(40));
        kill_process(stopped, Signal::CONT).unwrap();
    }
    let mut killed = children.remove(2);
    killed.kill().unwrap();
    killed.wait().unwrap();
    for child in children {
        let [commits, late] = figures(child);
        println!("commits {commits}, {late} of them late");
        assert!(late > 0);
    }
    assert!(stash.verify().unwrap().is_sound());
}
