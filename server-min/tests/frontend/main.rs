//! The frontend over real sockets, with agents made of the core's envelopes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod acme;
mod agent;
mod authority;
mod bench;
mod certificates;
mod collections;
mod durability;
mod enrolment;
mod events;
mod exports;
mod hunts;
mod orgs;
mod pebble;
mod polls;
mod recorded;
mod rogue;
mod transports;
