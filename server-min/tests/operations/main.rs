//! What responders do all day, from the command line: clients, hunts, exports.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod api;
mod artifacts;
mod bench;
mod clients;
#[path = "../python/environment.rs"]
mod environment;
mod hunts;
mod mail;
mod notebooks;
mod people;
mod remote;
mod remote_commands;
