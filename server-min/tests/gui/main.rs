//! The web pages as a browser without scripts sees them, and as somebody sees them who should not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod authority;
mod bench;
mod browser;
mod chromium;
mod clients;
mod collect;
mod doors;
mod editor;
#[path = "../python/environment.rs"]
mod environment;
mod holders;
mod hostile;
mod hunts;
mod keys;
mod notebooks;
mod pages;
mod peer;
mod people;
mod provider;
mod sign_in;
mod sign_on;
mod tools;
mod webdriver;
