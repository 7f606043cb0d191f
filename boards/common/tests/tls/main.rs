//! Servers that do what they must not: each is refused, nothing panics, nothing waits for ever, and there is no proof.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod authority;
mod certificates;
mod client;
mod limbo;
mod protocol;
mod server;
