//! Identity, pinning and envelope against known answers, recordings of a real pair, a second implementation, and damage.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod certificates;
mod damage;
mod enrolment;
mod keys;
mod pin;
mod recorded;
mod round_trip;
mod rsa;
mod second;
mod sessions;
mod vectors;
mod wycheproof;
