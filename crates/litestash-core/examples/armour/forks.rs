//! A process that forks while it has a stash open.
//!
//! `reopen`: the child opens the stash anew, the parent closes its own, the child goes on writing; all of it
//! must be there. `orphan`: the parent is killed in the middle of its writes while the child sleeps; nobody
//! must wait for locks of the dead.

use crate::{Failure, Plan, acknowledge, compare, write};
use litestash_core::{Durability, ErrorKind, LiteStash};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the child goes on after its parent is gone.
const LATER: Duration = Duration::from_millis(200);

/// A file that says that there is a child, and how long it may take to come.
const FORKED: &str = "forked";
const FORKED_WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn run(plan: &Plan, mode: &str, dir: &Path) -> Result<u64, Failure> {
    let mut role = plan.spawn(&["--forks", mode], dir)?;
    if mode == "reopen" {
        return compare(dir, &role.end()?);
    }
    let forked = dir.join(FORKED);
    let since = Instant::now();
    while !forked.exists() {
        if since.elapsed() > FORKED_WITHIN {
            return Err("the process did not fork".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(LATER);
    // The forked child lives on until the pipe of its standard input is closed.
    let lifeline = role.child.stdin.take();
    let reports = {
        if let Some(status) = role.stop()? {
            return Err(format!("a process that writes ended by itself: {status}").into());
        }
        // The locks are what is asked about here, and `compare` does not write.
        let stash = LiteStash::options().busy_timeout(Duration::from_secs(2)).open(dir)?;
        for number in 0..200 {
            stash.set(format!("after:{number}"), &number)?;
        }
        stash.close()?;
        drop(lifeline);
        role.reports()?
    };
    compare(dir, &reports)
}

pub(crate) fn child(mode: &str, dir: &Path) -> Result<(), Failure> {
    // With syncs a writer is nearly always in a transaction: so `orphan` is killed with locks held.
    let durability = if mode == "orphan" { Durability::Full } else { Durability::Normal };
    let stash = LiteStash::options().durability(durability).open(dir)?;
    stash.set("before", &1)?;
    if mode == "reopen" { reopen(stash, dir) } else { orphan(&stash, dir) }
}

fn reopen(stash: LiteStash, dir: &Path) -> Result<(), Failure> {
    for number in 0..100 {
        stash.set(format!("parent:{number}"), &number)?;
        // Twice, so that a read transaction is kept open over the fork.
        stash.get(format!("parent:{number}"))?;
        stash.get(format!("parent:{number}"))?;
    }
    let (mut closed, closing) = std::io::pipe()?;
    let child = fork()?;
    if child == 0 {
        let outcome = (|| -> Result<(), Failure> {
            drop(closing);
            if !stash.get("before").is_err_and(|error| error.kind() == ErrorKind::Forked) {
                return Err("the parent's handle works in the child".into());
            }
            let own = LiteStash::open(dir)?;
            let write = |number| -> Result<(), Failure> {
                own.set(format!("child:{number}"), &number)?;
                acknowledge(&format!("child:{number}"), number)
            };
            (0..200).try_for_each(write)?;
            // The parent has closed its stash when this ends.
            closed.read_to_end(&mut Vec::new())?;
            (200..400).try_for_each(write)
        })();
        if let Err(failure) = &outcome {
            eprintln!("armour: in the child of a fork: {failure}");
        }
        leave(outcome.is_ok());
    }
    for number in 100..200 {
        stash.set(format!("parent:{number}"), &number)?;
        acknowledge(&format!("parent:{number}"), number)?;
    }
    stash.close()?;
    drop(closing);
    wait(child)
}

fn orphan(stash: &LiteStash, dir: &Path) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2).map(|writer| scope.spawn(move || write(stash, writer))).collect();
        std::thread::sleep(LATER / 2);
        if fork()? == 0 {
            // Nothing but this until the pipe is closed: the other threads' locks are whatever they were.
            let mut byte = 0u8;
            // SAFETY: reads into a byte that outlives the call.
            #[expect(unsafe_code, reason = "only raw calls are safe in this child")]
            unsafe {
                libc::read(0, (&raw mut byte).cast(), 1);
            }
            leave(true);
        }
        std::fs::write(dir.join(FORKED), "")?;
        writers.into_iter().try_for_each(|writer| writer.join().unwrap_or_else(|_| Err("a panic".into())))
    })
}

fn fork() -> Result<libc::pid_t, Failure> {
    // SAFETY: in `reopen` the process has no other thread but one that waits; in `orphan` the child only makes
    // system calls.
    #[expect(unsafe_code, reason = "fork has no safe form")]
    let child = unsafe { libc::fork() };
    if child < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(child) }
}

fn leave(well: bool) -> ! {
    // SAFETY: ends the child at once, without the parent's exit handlers.
    #[expect(unsafe_code, reason = "_exit has no safe form")]
    unsafe {
        libc::_exit(i32::from(!well))
    }
}

fn wait(child: libc::pid_t) -> Result<(), Failure> {
    let mut status = 0;
    // SAFETY: waits for the child forked above; `status` outlives the call.
    #[expect(unsafe_code, reason = "waitpid for a raw fork")]
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    if (waited, status) == (child, 0) { Ok(()) } else { Err(format!("the child ended with {status}").into()) }
}
