//! Answers as frames (`docs/ENGINE.md` 1).

use crate::answer::Answer;
use crate::frame::HEAD_BYTES;
use crate::request::Id;
use litestash_core::contract::msgpack::write;
use litestash_core::{Error, ErrorKind};

/// Frames of answers, to be sent together.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) bytes: Vec<u8>,
    payload_bytes_max: usize,
}

impl Frames {
    pub(crate) fn new(payload_bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), payload_bytes_max }
    }

    /// Adds an answer; one that is longer than a frame may be becomes the error that says so.
    pub(crate) fn push(&mut self, id: Option<Id>, answer: &Answer) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        self.bytes.push(0x93);
        match id {
            Some(id) => write::uint(&mut self.bytes, id),
            None => write::nil(&mut self.bytes),
        }
        answer.write(&mut self.bytes);
        let payload = self.bytes.len() - start - HEAD_BYTES;
        match u32::try_from(payload) {
            Ok(length) if payload <= self.payload_bytes_max => {
                self.bytes[start..start + HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
            }
            _ => {
                self.bytes.truncate(start);
                let error = Error::new(ErrorKind::TooLarge, "the answer is longer than a frame may be");
                self.push(id, &Answer::failed(&error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_fits_no_frame_becomes_an_error() {
        let mut frames = Frames::new(200);
        frames.push(Some(3), &Answer::encoded(vec![0xc4; 300]));
        assert_eq!(frames.bytes[4..7], [0x93, 3, 1]);
        assert!(frames.bytes.len() < 204);
    }
}
