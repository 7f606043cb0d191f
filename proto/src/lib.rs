//! Messages of the Velociraptor client/server protocol, and nothing else.
//!
//! Generated from `schema/*.proto`; `docs/protocol.md` says what each field means and who sends it. Fields of type
//! `bytes` are [`bytes::Bytes`]: decoding from a `Bytes` borrows them from the received buffer.
//! Nothing here is verified. `troodon_core::envelope` is the only road from network bytes to these types.

#![no_std]

extern crate alloc;

#[allow(
    missing_docs,
    clippy::pedantic,
    clippy::use_self,
    reason = "generated; the comments of the schema become its documentation"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/proto.rs"));
}

pub use generated::*;
pub use prost::{DecodeError, EncodeError, Message};
