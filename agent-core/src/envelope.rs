//! The sealed outside of every body: who sent it, that nobody changed it, and what is inside (docs/protocol.md section 2).
//!
//! Sending: [`Outbound`] makes its session keys once (one RSA signature, one RSA encryption) and seals every packet with
//! them. Receiving: [`FromServer`] is the agent's end, [`FromClients`] the server's. Both go through the same steps, each a
//! type that only the step before can make:
//!
//! ```text
//! body -> Sealed --(session known)-----------------------------> Session::open -> Verified<Packet>
//!            \--> Stranger (RSA, HMAC) --(key known, signed)--> Session -/
//!                     \--(key unknown or not signed)--> Unknown -> Enrolment, and nothing else
//! ```
//!
//! A busy server takes the steps one by one, so that its lock on [`Sessions`] is not held during RSA or decryption.
//! There is no protection against replay in this protocol; whoever acts on a message must bear to see it twice.

mod cache;
mod cipher;
mod inbound;
mod inflate;
#[cfg(test)]
mod known_answers;
mod messages;
mod outbound;
mod sealed;
mod session;
mod stranger;
mod verified;
mod walk;

pub use cache::Sessions;
pub use inbound::{FromClients, FromServer, Opened};
pub use messages::{Messages, Packet};
pub use outbound::{Deflated, Lists, Outbound, deflate};
pub use sealed::{Sealed, SessionId};
pub use session::{Server, Session};
pub use stranger::{Enrolment, Introduction, ProvenClient, Stranger, Unknown};
pub use verified::Verified;

/// The version that we speak, and the lowest that we accept (docs/protocol.md section 1.4).
pub const API_VERSION: u32 = 4;

/// Keeps a long poll alive: an envelope with nothing but padding, which vanishes when it is followed by a real one.
pub const PAD: [u8; 3] = [0x5a, 0x01, 0x00];
