//! The executor against scripted servers: what it is told, what it answers, and when.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod anything;
mod artifacts;
mod bench;
mod cancellation;
mod interleaving;
mod lifecycle;
mod limits;
mod logs;
mod monitoring;
mod plugins;
mod recorded;
mod status;
mod uploads;
