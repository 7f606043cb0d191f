//! An answer, taken in any portions and delivered whole; its status is known before its body.
//!
//! The result does not depend on how the stream was cut: one byte at a time and all at once give the same answer or the
//! same fault. `fuzz/` holds that.

use super::HttpFault;
use super::chunked::Chunked;
use crate::limits::{HTTP_FIELDS, HTTP_HEAD_BYTES, HTTP_INTERIM};
use alloc::vec::Vec;

/// An answer while it arrives.
#[derive(Debug)]
pub struct Response {
    head: Vec<u8>,
    /// Bytes of the current line of the head, line end not counted.
    line: usize,
    interim: u32,
    body_max: usize,
    body: Vec<u8>,
    state: State,
}

/// What the head said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Status {
    /// 200 to 999: interim answers are read over.
    pub code: u16,
    /// Whether another request may follow on this connection.
    pub keeps_alive: bool,
    /// What the content claims to be.
    pub content: Content,
}

/// The kinds of content that matter to an agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Content {
    /// Text or bytes, as a server of this protocol says it, or nothing said.
    Plain,
    /// Anything else: the page of a captive portal, as a rule.
    Foreign,
}

#[derive(Debug)]
enum State {
    Head,
    Body(Status, Framing),
    Complete(Status),
}

#[derive(Debug)]
enum Framing {
    /// This many bytes are still to come.
    Length(u64),
    Chunked(Chunked),
    /// All bytes until the stream ends.
    UntilClose,
}

impl Response {
    /// Waits for an answer with a body of up to `body_max` bytes.
    #[must_use]
    pub fn new(body_max: usize) -> Self {
        let (head, body) = (Vec::new(), Vec::new());
        Self { head, line: 0, interim: 0, body_max, body, state: State::Head }
    }

    /// Takes bytes of the stream and says how many: all of them, unless the answer is complete.
    ///
    /// # Errors
    ///
    /// Every [`HttpFault`] but [`HttpFault::Truncated`]. After one, the answer is not to be used again.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, HttpFault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match &mut self.state {
                State::Head => self.receive_head(rest)?,
                State::Body(..) => self.receive_body(rest)?,
                State::Complete(_) => break,
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(bytes.len().saturating_sub(rest.len()))
    }

    /// Notes that the stream has ended, which completes an answer without a length.
    ///
    /// # Errors
    ///
    /// [`HttpFault::Truncated`] when the answer is not complete.
    pub fn end(&mut self) -> Result<(), HttpFault> {
        match &self.state {
            State::Body(status, Framing::UntilClose) => self.state = State::Complete(*status),
            State::Complete(_) => {}
            State::Head | State::Body(..) => return Err(HttpFault::Truncated),
        }
        Ok(())
    }

    /// What the head said, as soon as it is there.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match &self.state {
            State::Head => None,
            State::Body(status, _) | State::Complete(status) => Some(*status),
        }
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete(_))
    }

    /// The body, as far as it is there.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Collects the head up to its empty line, then parses it once: so no split can make a difference.
    fn receive_head(&mut self, bytes: &[u8]) -> Result<usize, HttpFault> {
        for (taken, byte) in (1_usize..).zip(bytes) {
            if self.head.len() >= HTTP_HEAD_BYTES {
                return Err(HttpFault::HeadTooLong);
            }
            self.head.push(*byte);
            match byte {
                b'\n' if self.line == 0 => {
                    self.end_head()?;
                    return Ok(taken);
                }
                b'\n' => self.line = 0,
                b'\r' => {}
                _ => self.line = self.line.saturating_add(1),
            }
        }
        Ok(bytes.len())
    }

    fn end_head(&mut self) -> Result<(), HttpFault> {
        let head = core::mem::take(&mut self.head);
        let (status, framing) = parse_head(&head)?;
        if (100..200).contains(&status.code) {
            self.interim = self.interim.saturating_add(1);
            if status.code == SWITCHING_PROTOCOLS || self.interim > HTTP_INTERIM {
                return Err(HttpFault::Interim);
            }
            return Ok(());
        }
        self.state = match framing {
            Framing::Length(0) => State::Complete(status),
            Framing::Length(length) if !fits(length, self.body_max) => {
                return Err(HttpFault::BodyTooLong);
            }
            framing => State::Body(status, framing),
        };
        Ok(())
    }

    fn receive_body(&mut self, bytes: &[u8]) -> Result<usize, HttpFault> {
        let State::Body(status, framing) = &mut self.state else { return Ok(0) };
        let (body, body_max) = (&mut self.body, self.body_max);
        let mut keep = |part: &[u8]| {
            if body.len().saturating_add(part.len()) > body_max {
                return Err(HttpFault::BodyTooLong);
            }
            grow(body, part.len(), body_max);
            body.extend_from_slice(part);
            Ok(())
        };
        let (taken, is_complete) = match framing {
            Framing::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                keep(bytes.get(..take).unwrap_or_default())?;
                *left = left.saturating_sub(u64::try_from(take).unwrap_or(u64::MAX));
                (take, *left == 0)
            }
            Framing::Chunked(chunked) => {
                let taken = chunked.receive(bytes, keep)?;
                (taken, chunked.is_complete())
            }
            Framing::UntilClose => {
                keep(bytes)?;
                (bytes.len(), false)
            }
        };
        if is_complete {
            self.state = State::Complete(*status);
        }
        Ok(taken)
    }
}

/// Makes room for more bytes: by doubling up to a quarter of the longest body, then for all of it. Small devices have no memory
/// for what cannot come, and no whole piece of it for the fourth copy of a body that grows.
fn grow(body: &mut Vec<u8>, more: usize, max: usize) {
    let wanted = body.len().saturating_add(more);
    if wanted > body.capacity() {
        let doubled = body.capacity().saturating_mul(2).max(wanted);
        let room = if doubled > max / 4 { max.max(wanted) } else { doubled };
        body.reserve_exact(room.saturating_sub(body.len()));
    }
}

const SWITCHING_PROTOCOLS: u16 = 101;
const NO_CONTENT: u16 = 204;
const NOT_MODIFIED: u16 = 304;

fn fits(length: u64, max: usize) -> bool {
    usize::try_from(length).is_ok_and(|length| length <= max)
}

fn parse_head(head: &[u8]) -> Result<(Status, Framing), HttpFault> {
    let mut fields = [httparse::EMPTY_HEADER; HTTP_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) | Err(_) => return Err(HttpFault::Head),
    }
    let code = response.code.ok_or(HttpFault::Head)?;
    let is_persistent = response.version == Some(1);
    let mut framing = Head { is_persistent, ..Head::default() };
    for field in response.headers.iter() {
        framing.add(field)?;
    }
    framing.finish(code)
}

/// The fields of a head that matter here.
#[derive(Debug, Default)]
struct Head {
    is_persistent: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_foreign: bool,
}

impl Head {
    fn add(&mut self, field: &httparse::Header<'_>) -> Result<(), HttpFault> {
        let value = field.value.trim_ascii();
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = parse_length(value).ok_or(HttpFault::Framing)?;
            if self.length.replace(length).is_some() {
                return Err(HttpFault::Framing);
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HttpFault::Framing);
            }
            self.is_chunked = true;
        } else if field.name.eq_ignore_ascii_case("connection") {
            let mut options = value.split(|byte| *byte == b',');
            if options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close")) {
                self.is_persistent = false;
            }
        } else if field.name.eq_ignore_ascii_case("content-type") {
            let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            self.is_foreign |= !PLAIN.iter().any(|plain| kind.eq_ignore_ascii_case(plain));
        }
        Ok(())
    }

    fn finish(self, code: u16) -> Result<(Status, Framing), HttpFault> {
        let framing = match (code, self.is_chunked, self.length) {
            (_, true, Some(_)) => return Err(HttpFault::Framing),
            (NO_CONTENT | NOT_MODIFIED, ..) => Framing::Length(0),
            (_, true, None) => Framing::Chunked(Chunked::new()),
            (_, false, Some(length)) => Framing::Length(length),
            (_, false, None) => Framing::UntilClose,
        };
        let content = if self.is_foreign { Content::Foreign } else { Content::Plain };
        let keeps_alive = self.is_persistent && !matches!(framing, Framing::UntilClose);
        Ok((Status { code, keeps_alive, content }, framing))
    }
}

/// What servers of this protocol say (docs/protocol.md section 3.3), and what a proxy may make of it.
const PLAIN: [&[u8]; 5] = [
    b"text/plain",
    b"application/octet-stream",
    b"application/binary",
    b"application/x-pem-file",
    b"",
];

/// Digits and nothing else: a sign, a list or a space would be read differently by others.
fn parse_length(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
