//! Runners that do one job after the other (`conformance/PROTOCOL.md`, serve).

use super::json::Json;
use super::language::Language;
use super::read;
use crate::process;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The programs that wait for a job. Each does one at a time: threads that ask at once have programs of their own.
#[derive(Default)]
pub(super) struct Served {
    waiting: Mutex<BTreeMap<&'static str, Vec<Program>>>,
}

/// What came of a job.
pub(super) struct Answer {
    pub(super) printed: Vec<u8>,
    /// How the runner ended, if the job ended it.
    pub(super) failure: Option<String>,
}

impl Answer {
    /// The lines of a job that was done.
    pub(super) fn lines(&self) -> Result<Vec<Json>> {
        match &self.failure {
            Some(failure) => bail!("the runner {failure}"),
            None => read::parse(&self.printed),
        }
    }
}

impl Served {
    /// Lets the language's runner do a job, which is the words of its arguments.
    pub(super) fn answer(&self, language: &Language, job: &[&str]) -> Result<Answer> {
        let waiting = self.waiting().get_mut(language.name).and_then(Vec::pop);
        let mut program = match waiting {
            Some(program) => program,
            None => Program::start(&mut language.runner("serve"))?,
        };
        let (printed, is_done) = program.answer(job, read::LIMIT)?;
        let failure = if is_done {
            self.waiting().entry(language.name).or_default().push(program);
            None
        } else {
            Some(program.end(read::LIMIT)?.how)
        };
        Ok(Answer { printed, failure })
    }

    /// Ends all programs. Returns how those ended that did not do so as they should.
    pub(super) fn end(self) -> Result<Vec<(&'static str, String)>> {
        let mut problems = Vec::new();
        for (language, programs) in self.waiting.into_inner().unwrap_or_else(PoisonError::into_inner) {
            for program in programs {
                let ended = program.end(read::LIMIT)?;
                if !ended.well {
                    problems.push((language, format!("the runner {}", ended.how)));
                }
            }
        }
        Ok(problems)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<&'static str, Vec<Program>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines on the way from a program, at most.
const LINES_AHEAD: usize = 1024;

struct Program {
    child: Child,
    jobs: ChildStdin,
    lines: Receiver<Vec<u8>>,
    complaints: JoinHandle<Vec<u8>>,
}

struct Ended {
    /// With success, and nothing more on its output.
    well: bool,
    how: String,
}

impl Program {
    fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let (Some(jobs), Some(stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("{command:?}: no pipes");
        };
        let (sender, lines) = sync_channel(LINES_AHEAD);
        std::thread::spawn(move || send_lines(BufReader::new(stdout), &sender));
        let complaints = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What cannot be read is no complaint.
            let _ = stderr.read_to_end(&mut bytes);
            bytes
        });
        Ok(Self { child, jobs, lines, complaints })
    }

    /// What it prints, and whether it then waits for the next job: else it has ended.
    fn answer(&mut self, job: &[&str], limit: Duration) -> Result<(Vec<u8>, bool)> {
        let line = serde_json::to_string(job)? + "\n";
        // One that has ended does not read. That it has ended is seen by its output.
        let _ = self.jobs.write_all(line.as_bytes());
        let until = Instant::now() + limit;
        let mut printed = Vec::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line == b"\n" => return Ok((printed, true)),
                Ok(line) => printed.extend(line),
                Err(RecvTimeoutError::Disconnected) => return Ok((printed, false)),
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill()?;
                    self.child.wait()?;
                    bail!("killed after {} s: {}", limit.as_secs_f64(), line.trim_end());
                }
            }
        }
    }

    fn end(self, limit: Duration) -> Result<Ended> {
        let Self { mut child, jobs, lines, complaints } = self;
        drop(jobs);
        let until = Instant::now() + limit;
        let mut more = 0;
        loop {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(_) => more += 1,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    break;
                }
            }
        }
        let status = child.wait()?;
        let stderr = complaints.join().map_err(|_| anyhow!("reading complaints panicked"))?;
        let mut how = format!("ended with {status}: {}", process::last_lines(&stderr));
        if more > 0 {
            how += &format!("; it printed {more} lines that nobody asked for");
        }
        Ok(Ended { well: status.success() && more == 0, how })
    }
}

/// Sends each line with its end, until there are no more, or nobody listens.
fn send_lines(mut from: impl BufRead, to: &SyncSender<Vec<u8>>) {
    loop {
        let mut line = Vec::new();
        match from.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if to.send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Program {
        Program::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn each_job_has_its_own_lines() {
        let mut program = shell(r#"while read -r job; do printf '%s\n\n' "$job"; done"#);
        assert_eq!(
            program.answer(&["dump", "a b"], LIMIT).unwrap(),
            (b"[\"dump\",\"a b\"]\n".to_vec(), true)
        );
        assert_eq!(program.answer(&[], LIMIT).unwrap(), (b"[]\n".to_vec(), true));
        assert!(program.end(LIMIT).unwrap().well);
    }

    #[test]
    fn a_job_that_ends_the_program_says_how() {
        let mut program = shell("read -r job; echo 1; echo why >&2; exit 3");
        assert_eq!(program.answer(&["script"], LIMIT).unwrap(), (b"1\n".to_vec(), false));
        let ended = program.end(LIMIT).unwrap();
        assert!(!ended.well && ended.how.contains("3: why"), "{}", ended.how);
        let failed = Answer { printed: b"1\n".to_vec(), failure: Some(ended.how) };
        assert!(failed.lines().unwrap_err().to_string().contains("why"));
    }

    #[test]
    fn what_hangs_and_what_says_too_much_is_noticed() {
        assert!(shell("exec sleep 20").answer(&[], Duration::from_millis(50)).is_err());
        let mut program = shell("read -r job; echo; echo more");
        assert_eq!(program.answer(&[], LIMIT).unwrap(), (Vec::new(), true));
        let ended = program.end(LIMIT).unwrap();
        assert!(!ended.well && ended.how.contains("1 lines"), "{}", ended.how);
    }
}
