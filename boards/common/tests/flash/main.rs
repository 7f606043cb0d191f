//! The storage on flash: power cuts at every step, what a day costs, and flash that holds anything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod medium;
mod power_cut;
mod storage;
mod wear;
