//! What a program around the core provides, and the one loop that serves every program.

use crate::agent::{Agent, Connection, Event, Input, Output};
use crate::envelope::Verified;
use crate::http::url::BaseUrl;
use crate::storage::Storage;
use crate::time::Instant;
use alloc::string::String;
use rand_core::CryptoRng;
use troodon_proto::{VeloMessage, VqlEventTable};

/// The outside world. No method may wait: what takes time is answered later by a fact.
pub trait Host {
    /// Begins to open a connection; [`Input::Up`] or [`Input::Down`] follows.
    fn connect(&mut self, connection: Connection, url: &BaseUrl);

    /// Takes bytes to send and says how many; none when the connection is full. When it takes bytes again, [`drive`] is to
    /// be called.
    fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize;

    /// Closes the connection, after what was taken has left; in the middle of opening it, too.
    fn close(&mut self, connection: Connection);

    /// Hands a verified message to whoever carries it out.
    fn message(&mut self, message: Verified<VeloMessage>);

    /// Hands over the monitoring table of the last run, before any message.
    fn table(&mut self, table: VqlEventTable);

    /// What the client is, as one line of JSON; `None` when it will follow as [`Input::ClientInfo`], or not at all.
    fn describe_client(&mut self) -> Option<String>;

    /// Something for the operator.
    fn event(&mut self, event: Event);
}

/// Carries out what the agent wants until it wants nothing more, and says until when it can wait.
///
/// To be called after every fact, after [`Agent::queue`], when a connection takes bytes again, and at the instant returned.
pub fn drive<S: Storage>(
    agent: &mut Agent<S>,
    now: Instant,
    rng: &mut dyn CryptoRng,
    host: &mut impl Host,
) -> Instant {
    loop {
        match agent.poll(now, rng) {
            Output::Close(connection) => host.close(connection),
            Output::Connect(connection, url) => host.connect(connection, url),
            Output::DescribeClient => {
                if let Some(json) = host.describe_client() {
                    agent.handle(now, Input::ClientInfo(&json));
                }
            }
            Output::Event(event) => host.event(event),
            Output::Message(message) => host.message(*message),
            Output::Send(connection, bytes) => {
                let taken = host.send(connection, bytes);
                agent.sent(now, connection, taken);
            }
            Output::Table(table) => host.table(table),
            Output::Wait(until) => return until,
        }
    }
}
