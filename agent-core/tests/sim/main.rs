//! An agent, its servers and the network between them in one process: time is a number, and everything follows from a seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod anything;
#[allow(dead_code, reason = "shared with the crypto tests, which use more of it")]
#[path = "../crypto/certificates.rs"]
mod certificates;
mod delivery;
mod enrolment;
#[allow(dead_code, reason = "shared with the crypto tests, which use more of it")]
#[path = "../crypto/keys.rs"]
mod keys;
mod memo;
mod one_link;
mod refusal;
mod server;
mod storage;
mod world;
