//! The agent without I/O: identity, pinning, envelope, comms, queue, flows, monitoring.
//!
//! No clock, random source, file or socket: time, randomness and bytes are arguments. What a peer sent becomes usable
//! only as a proof: [`envelope::Verified`] for messages, [`pin::Pinned`] for a server's key, [`envelope::Enrolment`] for a
//! client that asks to be let in. `docs/protocol.md` is the wire contract that the comments cite.

#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::string_slice
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod agent;
pub mod config;
pub mod envelope;
pub mod error;
pub mod host;
pub mod http;
pub mod identity;
pub mod limits;
pub mod obfuscation;
pub mod pin;
pub mod queue;
pub mod rsa;
mod signed_der;
pub mod state;
pub mod storage;
pub mod time;
