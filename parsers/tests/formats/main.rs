//! The parsers through VQL, as queries use them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod asking;
mod packed;
#[cfg(all(feature = "http", feature = "sqlite"))]
mod query;
mod remap;
