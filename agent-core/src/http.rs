//! HTTP/1.1 over byte streams: the three requests that an agent makes, and what answers may look like (docs/protocol.md
//! sections 3.1 to 3.5).
//!
//! No connections here and no time: [`request::emit`] makes bytes, [`response::Response`] takes bytes in any portions.
//! Heads are parsed by `httparse`; what this module adds is the framing of bodies, limits, and refusing whatever two parsers
//! could read differently (RFC 9112 section 6.3).

mod chunked;
pub mod request;
pub mod response;
pub mod url;

use core::fmt;

/// What is wrong with an answer. The connection is closed on each of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HttpFault {
    /// The body is longer than the caller takes.
    BodyTooLong,
    /// A chunk is not framed as RFC 9112 section 7.1 says.
    Chunk,
    /// Neither a usable length nor chunks, or more than one of them.
    Framing,
    /// The head is no HTTP/1 response, or has too many fields.
    Head,
    /// The head is longer than [`crate::limits::HTTP_HEAD_BYTES`].
    HeadTooLong,
    /// More interim answers (1xx) than [`crate::limits::HTTP_INTERIM`], or an upgrade that nobody asked for.
    Interim,
    /// The stream ended before the answer did.
    Truncated,
}

impl fmt::Display for HttpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BodyTooLong => "the body is too long",
            Self::Chunk => "a chunk is malformed",
            Self::Framing => "the length of the body is ambiguous",
            Self::Head => "the head is no HTTP/1 response",
            Self::HeadTooLong => "the head is too long",
            Self::Interim => "too many interim responses",
            Self::Truncated => "the response is cut off",
        })
    }
}

impl core::error::Error for HttpFault {}
