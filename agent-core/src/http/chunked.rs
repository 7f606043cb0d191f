//! Bodies in chunks (RFC 9112 section 7.1): extensions and trailers are read over, never interpreted.

use super::HttpFault;
use crate::limits::{HTTP_CHUNK_LINE_BYTES, HTTP_TRAILER_BYTES};
use alloc::vec::Vec;

/// Where in the body the next byte belongs.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// The current line of framing, without its end.
    line: Vec<u8>,
    trailer_bytes: usize,
}

#[derive(Debug)]
enum State {
    /// In a line with the size of a chunk.
    Size,
    /// In a chunk, with this many bytes to come.
    Data(u64),
    /// In the line end after a chunk.
    DataEnd,
    /// In the fields after the last chunk.
    Trailer,
    Complete,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Size, line: Vec::new(), trailer_bytes: 0 }
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Takes bytes of the stream, hands the body's to `data`, and says how many it took: all, unless the body is complete.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]) -> Result<(), HttpFault>,
    ) -> Result<usize, HttpFault> {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_complete() {
            rest = match self.state {
                State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let (chunk, after) = rest.split_at(take);
                    data(chunk)?;
                    let left = left.saturating_sub(u64::try_from(take).unwrap_or(u64::MAX));
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    after
                }
                State::Size | State::DataEnd | State::Trailer | State::Complete => {
                    self.receive_line(rest)?
                }
            };
        }
        Ok(bytes.len().saturating_sub(rest.len()))
    }

    fn receive_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], HttpFault> {
        let Some((&byte, rest)) = bytes.split_first() else { return Ok(bytes) };
        if self.line.last() == Some(&b'\r') {
            if byte != b'\n' {
                return Err(HttpFault::Chunk);
            }
            self.line.pop();
            let line = core::mem::take(&mut self.line);
            self.end_line(&line)?;
            return Ok(rest);
        }
        if byte == b'\n' || self.line.len() >= HTTP_CHUNK_LINE_BYTES {
            return Err(HttpFault::Chunk);
        }
        self.line.push(byte);
        Ok(rest)
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), HttpFault> {
        self.state = match self.state {
            State::Size => match parse_size(line)? {
                0 => State::Trailer,
                size => State::Data(size),
            },
            State::DataEnd if line.is_empty() => State::Size,
            State::DataEnd => return Err(HttpFault::Chunk),
            State::Trailer if line.is_empty() => State::Complete,
            State::Trailer => {
                self.trailer_bytes = self.trailer_bytes.saturating_add(line.len());
                if self.trailer_bytes > HTTP_TRAILER_BYTES {
                    return Err(HttpFault::Chunk);
                }
                State::Trailer
            }
            State::Data(left) => State::Data(left),
            State::Complete => State::Complete,
        };
        Ok(())
    }
}

/// 1 to 16 hexadecimal digits, then nothing or an extension after `;`. httparse wants the line with its end, and takes a
/// line without digits for zero.
fn parse_size(line: &[u8]) -> Result<u64, HttpFault> {
    if !line.first().is_some_and(u8::is_ascii_hexdigit) {
        return Err(HttpFault::Chunk);
    }
    let mut with_end = Vec::with_capacity(line.len().saturating_add(2));
    with_end.extend_from_slice(line);
    with_end.extend_from_slice(b"\r\n");
    match httparse::parse_chunk_size(&with_end) {
        Ok(httparse::Status::Complete((end, size))) if end == with_end.len() => Ok(size),
        Ok(_) | Err(_) => Err(HttpFault::Chunk),
    }
}
