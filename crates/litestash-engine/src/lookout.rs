//! Waiting for the next request of a client that asks again as soon as it has its answer.
//!
//! To fall asleep and be woken costs more than most requests, above all where an idle processor sleeps too. So after
//! bytes that came soon after those before them, the pipe is looked at again and again for a moment. A client that
//! pauses for longer is waited for by sleeping; what looks out gives way to whoever wants the processor.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// For how long the pipe is looked at.
const LOOK: Duration = Duration::from_micros(60);

/// Bytes that came within that time after the last ones came soon. More than [`LOOK`], since whoever slept woke late.
const SOON: Duration = Duration::from_micros(150);

/// A pipe that is looked at before it is waited for.
pub(crate) struct Lookout<R> {
    pipe: R,
    /// Whether the last bytes came soon.
    looks: bool,
}

impl<R: Read + AsFd> Lookout<R> {
    pub(crate) fn new(pipe: R) -> Self {
        Self { pipe, looks: false }
    }

    fn has_input(&self) -> bool {
        let mut pipes = [PollFd::new(&self.pipe, PollFlags::IN)];
        // An error is left to the read.
        poll(&mut pipes, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(0)
    }
}

impl<R: Read + AsFd> Read for Lookout<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let began = Instant::now();
        while self.looks && !self.has_input() && began.elapsed() < LOOK {
            std::thread::yield_now();
        }
        let read = self.pipe.read(buffer);
        self.looks = began.elapsed() < SOON;
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn everything_arrives_whether_it_is_looked_for_or_waited_for() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut lookout = Lookout::new(reader);
        let sender = std::thread::spawn(move || {
            for byte in 0..200u8 {
                if byte % 8 == 0 {
                    std::thread::sleep(SOON * 2);
                }
                writer.write_all(&[byte]).unwrap();
            }
        });
        let mut all = Vec::new();
        lookout.read_to_end(&mut all).unwrap();
        sender.join().unwrap();
        assert_eq!(all, (0..200).collect::<Vec<_>>());
        // The end is an end however often it is asked for.
        assert_eq!(lookout.read(&mut [0; 4]).unwrap(), 0);
    }
}
