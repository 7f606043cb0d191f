//! The agent without I/O: identity, pinning, envelope, comms, queue, flows, monitoring.

#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::string_slice
)]

extern crate alloc;

pub mod limits;
pub mod queue;
pub mod state;
pub mod storage;
pub mod time;
