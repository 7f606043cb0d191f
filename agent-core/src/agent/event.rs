//! What a host may want to tell its operator. Values, not text; the host finds the words.

use super::channel::{Down, Link};
use crate::error::{PeerFault, PinFault, SealFault};
use crate::http::HttpFault;
use crate::state::StateFault;
use crate::storage::StorageFault;
use crate::time::Instant;

/// Something happened. None of them needs an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A reply could not be opened; nothing in it was believed.
    BadReply(PeerFault),
    /// Another client with the same key is connected (409): a cloned disk, or our own lost connection.
    Conflict,
    /// Records of the queue that the medium could not read back; they are lost.
    CorruptRecords(u64),
    /// The server has this many messages more.
    Delivered(usize),
    /// The server knows this client; results may leave from here on.
    Enrolled,
    /// The server does not know this client; it is asked to.
    Enrolling,
    /// A connection was lost or could not be made.
    LinkDown(Link, Down),
    /// A connection is open.
    LinkUp(Link),
    /// A server.pem was accepted.
    Pinned(ServerIs),
    /// The server cannot read us (403), as after a change of its key; server.pem is fetched again.
    ReadRejected,
    /// The server was not used: nothing but the request for server.pem was sent, or nothing more is.
    Refused(Refusal),
    /// The server refused these messages (400); they are dropped, as the protocol wants.
    Rejected(usize),
    /// Nothing is sent before this instant. The next server in the list is tried then.
    Retry(Instant),
    /// A request could not be sealed.
    Seal(SealFault),
    /// Something that should have lasted could not be used.
    State(StateFault),
    /// The medium failed.
    Storage(StorageFault),
    /// An answer that is no success and has no event of its own.
    Status(u16),
    /// An answer that is no HTTP.
    WrongHttp(HttpFault),
}

/// Whether a pinned server is the one of before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerIs {
    /// Another certificate than that of the last time: rotated or reissued.
    Changed,
    /// The first one that this agent ever saw.
    First,
    /// The same as the last time.
    Known,
}

/// Why a server is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// Its server.pem is not acceptable.
    Pin(PinFault),
    /// It answers with a page: a captive portal.
    Portal,
    /// It wants to send us elsewhere (3xx). Where to go is in the configuration and nowhere else.
    Redirect(u16),
    /// Its TLS certificate is not acceptable to the host.
    Tls,
}
