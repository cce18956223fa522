//! Line numbers of CSV records.
//!
//! The parser's own numbers are those of where the record before ended: one too small behind `\r\n`, and
//! those of blank lines where there are any. So the lines are counted on their way into the parser.

use std::collections::VecDeque;
use std::io::{Read, Result};

/// A reader that knows where lines begin that are not blank.
pub(super) struct Lines<R> {
    input: R,
    offset: u64,
    line: u64,
    is_blank: bool,
    after_return: bool,
    /// Offset and number of each line that is not blank, as far as read and not yet asked for.
    begins: VecDeque<(u64, u64)>,
}

impl<R> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, offset: 0, line: 1, is_blank: true, after_return: false, begins: VecDeque::new() }
    }

    /// The number of the first line that is not blank and begins at `offset` or behind it. Offsets only grow.
    pub(super) fn line_from(&mut self, offset: u64) -> u64 {
        while self.begins.front().is_some_and(|(begin, _)| *begin < offset) {
            self.begins.pop_front();
        }
        self.begins.front().map_or(self.line, |(_, line)| *line)
    }

    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => {
                    self.line += 1;
                    self.is_blank = true;
                }
                _ if self.is_blank => {
                    self.is_blank = false;
                    self.begins.push_back((self.offset, self.line));
                }
                _ => {}
            }
            self.after_return = *byte == b'\r';
            self.offset += 1;
        }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.input.read(buffer)?;
        self.count(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_from_where_the_record_before_ended() {
        let mut lines = Lines::new("h\r\n\r\na\r\n\"b\nb\"\nc".as_bytes());
        std::io::copy(&mut lines, &mut std::io::sink()).unwrap();
        // Behind "h\r", behind "a\r", behind "\"b\nb\"\n".
        assert_eq!(lines.line_from(2), 3);
        assert_eq!(lines.line_from(7), 4);
        assert_eq!(lines.line_from(14), 6);
    }
}
