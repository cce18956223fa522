//! Frames: a length of four bytes, big-endian, then that many bytes (`docs/ENGINE.md` 1).

use std::io::{ErrorKind, Read};
use std::ops::Range;

/// Bytes before a frame's payload.
pub const HEAD_BYTES: usize = 4;

/// How much is asked of the pipe at once.
const READ_BYTES: usize = 256 << 10;

/// A buffer that grew beyond this is given back once it is empty.
const KEPT_BYTES: usize = 1 << 20;

/// Why no more frames can be had.
#[derive(Debug)]
pub enum Broken {
    /// A frame claims more bytes than are allowed; where the next one begins is unknown.
    TooLarge {
        /// What it claims.
        claimed: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// The stream failed.
    Io(std::io::Error),
}

/// Takes frames off a stream, all that wait at a time.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    buffer: Vec<u8>,
    /// What of the buffer is read and not yet taken.
    filled: Range<usize>,
    payload_bytes_max: usize,
    ended: bool,
}

impl<R: Read> FrameReader<R> {
    /// A reader of frames with payloads of at most that many bytes.
    pub fn new(stream: R, payload_bytes_max: usize) -> Self {
        Self { stream, buffer: Vec::new(), filled: 0..0, payload_bytes_max, ended: false }
    }

    /// Changes how long payloads may be.
    pub fn set_payload_bytes_max(&mut self, bytes: usize) {
        self.payload_bytes_max = bytes;
    }

    /// Waits until at least one whole frame is there; `false` at the end of the stream, where an unfinished
    /// frame is forgotten. Memory grows with what arrives, never with what a length claims.
    pub fn wait(&mut self) -> Result<bool, Broken> {
        loop {
            if self.whole()?.is_some() {
                return Ok(true);
            }
            if self.ended {
                return Ok(false);
            }
            self.make_room();
            match self.stream.read(&mut self.buffer[self.filled.end..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.filled.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Io(error)),
            }
        }
    }

    /// The payload of the next frame that is whole already. A length that is too large is told by the next
    /// [`FrameReader::wait`].
    pub fn take(&mut self) -> Option<&[u8]> {
        let end = self.whole().ok().flatten()?;
        let start = self.filled.start + HEAD_BYTES;
        self.filled.start = end;
        Some(&self.buffer[start..end])
    }

    /// Where the first frame ends, if it is whole.
    fn whole(&self) -> Result<Option<usize>, Broken> {
        let Some(head) = self.buffer[self.filled.clone()].first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let claimed = u32::from_be_bytes(*head) as usize;
        if claimed > self.payload_bytes_max {
            return Err(Broken::TooLarge { claimed, allowed: self.payload_bytes_max });
        }
        let end = self.filled.start + HEAD_BYTES + claimed;
        Ok((end <= self.filled.end).then_some(end))
    }

    fn make_room(&mut self) {
        if self.filled.start > 0 {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        if self.filled.is_empty() && self.buffer.len() > KEPT_BYTES {
            self.buffer = Vec::new();
        }
        if self.buffer.len() - self.filled.end < READ_BYTES / 2 {
            // Doubling keeps the copying of a long frame linear.
            let len = (self.filled.end * 2).max(self.filled.end + READ_BYTES);
            self.buffer.resize(len, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8], max: usize) -> (Vec<Vec<u8>>, Result<bool, Broken>) {
        let mut reader = FrameReader::new(bytes, max);
        let mut found = Vec::new();
        loop {
            match reader.wait() {
                Ok(true) => {
                    while let Some(payload) = reader.take() {
                        found.push(payload.to_vec());
                    }
                }
                end => return (found, end),
            }
        }
    }

    #[test]
    fn whole_frames_are_taken_and_an_unfinished_one_is_forgotten() {
        let (found, end) = frames(b"\0\0\0\x02ab\0\0\0\0\0\0\0\x03xy", 10);
        assert_eq!(found, [b"ab".to_vec(), b"".to_vec()]);
        assert!(matches!(end, Ok(false)));
    }

    #[test]
    fn a_length_over_the_limit_is_told_after_the_frames_before_it() {
        let (found, end) = frames(b"\0\0\0\x01a\xff\xff\xff\xff", 10);
        assert_eq!(found, [b"a".to_vec()]);
        assert!(matches!(end, Err(Broken::TooLarge { claimed: 0xffff_ffff, allowed: 10 })));
    }

    #[test]
    fn frames_longer_than_a_read_and_split_anywhere_arrive_whole() {
        struct Dribble(Vec<u8>, usize);
        impl Read for Dribble {
            fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
                let len = out.len().min(self.0.len() - self.1).min(fastrand::usize(1..100_000));
                out[..len].copy_from_slice(&self.0[self.1..self.1 + len]);
                self.1 += len;
                Ok(len)
            }
        }
        let payloads: Vec<Vec<u8>> = (0..50).map(|n| vec![n as u8; n * 20_011]).collect();
        let mut stream = Vec::new();
        for payload in &payloads {
            stream.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(0).to_be_bytes());
            stream.extend_from_slice(payload);
        }
        let mut reader = FrameReader::new(Dribble(stream, 0), 1 << 20);
        let mut found = Vec::new();
        while reader.wait().is_ok_and(|more| more) {
            while let Some(payload) = reader.take() {
                found.push(payload.to_vec());
            }
        }
        assert!(found == payloads);
    }
}
