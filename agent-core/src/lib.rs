//! The agent without I/O: identity, pinning, envelope, comms, queue, flows, monitoring.
//!
//! No clock, random source, file or socket: time, randomness and bytes are arguments. What a peer sent becomes usable
//! only as a proof: [`envelope::Verified`] for messages, [`pin::Pinned`] for a server's key, [`envelope::Enrolment`] for a
//! client that asks to be let in. `docs/protocol.md` is the wire contract that the comments cite.
//!
//! # The contract
//!
//! [`agent::Agent`] speaks with the server. A host hands it facts and carries out its wants:
//!
//! - [`agent::Agent::handle`] takes note of a fact ([`agent::Input`]) and does nothing else.
//! - [`agent::Agent::poll`] acts and answers a want ([`agent::Output`]); it is called until the want is to wait.
//!   [`host::drive`] is that loop, and a program calls it after every fact, after [`agent::Agent::queue`], and at the
//!   instant that it returned. There is always such an instant.
//! - A connection has a name ([`agent::Connection`]). Facts about earlier connections are not believed of later ones.
//! - What the agent owes the server lies in a [`storage::Storage`]; its documentation says what a power cut may take.
//! - No call blocks. Those that may compute for long are the ones after a new server was pinned, or a server restarted:
//!   one operation with the private key each.
//!
//! What the server wants done arrives at [`host::Host::message`]; results go back through [`agent::Agent::queue`]. Who
//! carries it out is not the agent's business: on Linux another thread, on a board the same loop.
//!
//! # A complete loop
//!
//! ```no_run
//! use rand_core::CryptoRng;
//! use troodon_core::agent::{Agent, Config, Connection, Event, Input};
//! use troodon_core::envelope::Verified;
//! use troodon_core::host::{Host, drive};
//! use troodon_core::http::url::BaseUrl;
//! use troodon_core::queue::QueueLimits;
//! use troodon_core::rsa::PrivateKey;
//! use troodon_core::storage::Storage;
//! use troodon_core::time::Instant;
//! use troodon_proto::{VeloMessage, VqlEventTable};
//!
//! /// What the board's network stack, clock and queries offer.
//! struct Board { /* sockets, timer, executor */ }
//!
//! impl Board {
//!     fn now(&self) -> Instant { Instant::ORIGIN }
//!     /// Sleeps until `wake_at` or until something happens, and hands each fact with its time to `note`.
//!     fn sleep(&mut self, wake_at: Instant, note: impl FnMut(Instant, Input<'_>)) { /* ... */ }
//!     /// Lets queries run for a while; their results.
//!     fn results(&mut self) -> Vec<VeloMessage> { Vec::new() }
//! }
//!
//! impl Host for Board {
//!     fn connect(&mut self, connection: Connection, url: &BaseUrl) { /* begin TCP and TLS */ }
//!     fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize { bytes.len() }
//!     fn close(&mut self, connection: Connection) { /* flush, then close */ }
//!     fn message(&mut self, message: Verified<VeloMessage>) { /* to the executor */ }
//!     fn table(&mut self, table: VqlEventTable) { /* to the executor */ }
//!     fn describe_client(&mut self) -> Option<String> { Some(r#"{"hostname":"board"}"#.into()) }
//!     fn event(&mut self, event: Event) { /* a line in the log */ }
//! }
//!
//! fn run(
//!     mut board: Board,
//!     config: Config,
//!     key: Box<dyn PrivateKey>,
//!     flash: impl Storage,
//!     rng: &mut dyn CryptoRng,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut agent = Agent::new(config, key, flash, QueueLimits::default(), rng)?;
//!     loop {
//!         let now = board.now();
//!         for message in board.results() {
//!             // On `QueueFault::Full` a board holds the query back and tries again; here it gives up.
//!             agent.queue(troodon_core::queue::Priority::Normal, &message)?;
//!         }
//!         let wake_at = drive(&mut agent, now, rng, &mut board);
//!         board.sleep(wake_at, |now, fact| agent.handle(now, fact));
//!     }
//! }
//! ```

#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::string_slice
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod agent;
pub mod artifact;
pub mod config;
pub mod envelope;
pub mod error;
pub mod executor;
mod flow;
pub mod host;
pub mod http;
pub mod identity;
pub mod limits;
mod monitoring;
mod name;
pub mod obfuscation;
pub mod pin;
pub mod provision;
pub mod queue;
pub mod rsa;
mod signed_der;
pub mod state;
pub mod storage;
pub mod time;
