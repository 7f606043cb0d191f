//! What an agent may write, and how it gets into the store.
//!
//! A message is sorted into a [`Fact`] (`sort`), files are put on disk (`files`), and then one transaction checks each
//! fact against what this client was asked for, leaves out what came before, and keeps the rest (`store::ingest`). What is
//! refused is named in the answer and logged; it never stops the facts beside it.

mod claims;
mod sort;

use std::net::SocketAddr;
use std::sync::Arc;

use troodon_core::envelope::{Packet, Verified};
use troodon_core::error::PeerFault;
use troodon_core::obfuscation::Obfuscator;
use troodon_proto::{FileBuffer, FlowStats};

use crate::limits;
use crate::model::client::Host;
use crate::model::id::{ArtifactName, ClientId, FlowId};
use crate::store::chunk::{Chunk, RowFault};
use crate::store::{Store, StoreError, now_us};

pub use claims::{claims_of_interrogation, is_interrogation};

/// One thing that an agent wants to be kept.
#[derive(Debug, Clone)]
pub enum Fact {
    /// Rows of a collection. `start_row` counts the rows that the agent sent before under this name.
    Rows {
        /// The collection.
        flow: FlowId,
        /// Artifact and source.
        name: ArtifactName,
        /// In the counting of the agent.
        start_row: u64,
        /// The rows.
        chunk: Chunk,
    },
    /// Lines of the query log of a collection.
    Logs {
        /// The collection.
        flow: FlowId,
        /// In the counting of the agent.
        start_row: u64,
        /// The lines.
        chunk: Chunk,
    },
    /// How far a collection is.
    Stats {
        /// The collection.
        flow: FlowId,
        /// All of its queries.
        stats: FlowStats,
    },
    /// A part of a file; its data is inflated.
    File {
        /// The collection.
        flow: FlowId,
        /// Number of the file in the collection.
        upload: u64,
        /// The part.
        part: Box<FileBuffer>,
    },
    /// Rows or log lines of an event query.
    Event {
        /// Artifact and source.
        name: ArtifactName,
        /// A log and not rows.
        log: bool,
        /// Recognises the message when it comes again; `None` when it has nothing that tells it from its like.
        digest: Option<[u8; 16]>,
        /// The rows.
        chunk: Chunk,
    },
    /// What the agent says about its host by itself.
    Host {
        /// The claims.
        host: Box<Host>,
        /// Labels that the agent was configured with.
        labels: Vec<String>,
    },
    /// The event table that the agent has, as its version.
    EventTable(u64),
}

/// Why something was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The session is neither a collection nor a well-known one.
    #[error("session {0:?} is unknown")]
    Session(String),
    /// This client was never given this collection.
    #[error("{0} is not a collection of this client")]
    ForeignFlow(FlowId),
    /// The collection asks for no such rows.
    #[error("{flow} does not ask for rows of {name}")]
    ForeignName {
        /// The collection.
        flow: FlowId,
        /// What was sent.
        name: ArtifactName,
    },
    /// No event table that this client was given has this name.
    #[error("this client was not asked to watch {0}")]
    ForeignEvent(ArtifactName),
    /// A name that is none, or that another deployment obfuscated.
    #[error("a result has no usable name")]
    Name,
    /// Rows that are none.
    #[error("{0}")]
    Rows(#[from] RowFault),
    /// A part of a file that does not fit what is there.
    #[error("a part of file {upload} starts at {offset}, but {stored} bytes are here")]
    Gap {
        /// Number of the file.
        upload: u64,
        /// Where the part starts.
        offset: u64,
        /// What is here.
        stored: u64,
    },
    /// A part of a file that is not what it says.
    #[error("a part of a file is damaged")]
    File,
    /// A limit of [`crate::limits`] is reached.
    #[error("{what} would exceed {limit}")]
    Quota {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Bytes that are no message, or more of them than one list may hold.
    #[error("{0}")]
    Message(PeerFault),
    /// Nothing that a server takes from an agent.
    #[error("a message has no payload that a server takes")]
    Payload,
}

/// Where and when messages came.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The other end of the connection.
    pub address: SocketAddr,
    /// Microseconds since 1970.
    pub now_us: u64,
}

impl Origin {
    /// From this address, now.
    #[must_use]
    pub fn now(address: SocketAddr) -> Self {
        Self { address, now_us: now_us() }
    }
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was not kept, and why.
    pub refused: Vec<Refusal>,
    /// Collections that ended with this batch.
    pub completed: Vec<FlowId>,
    /// Collections that were lost on the way and are queued again.
    pub requeued: Vec<FlowId>,
}

/// Facts that are ready for the transaction, and what was refused on the way.
#[derive(Debug, Default)]
pub struct Sorted {
    /// In the order of the messages.
    pub facts: Vec<Fact>,
    /// What is not among them.
    pub refused: Vec<Refusal>,
}

impl Sorted {
    /// The event table that the agent says it has, as its version.
    #[must_use]
    pub fn event_table(&self) -> Option<u64> {
        self.facts.iter().rev().find_map(|fact| match fact {
            Fact::EventTable(version) => Some(*version),
            _ => None,
        })
    }
}

/// Sorts the messages of a packet, one after another, and puts parts of files on disk.
///
/// # Errors
/// A file cannot be written, or the store cannot be read.
pub async fn sort(
    store: &Store,
    packet: Verified<Packet, ClientId>,
    names: Option<Arc<Obfuscator>>,
) -> Result<Sorted, StoreError> {
    let store = store.clone();
    let work = move || {
        let client = *packet.source();
        let mut sorted = Sorted::default();
        for message in packet.messages(limits::INFLATED_LIST_BYTES) {
            let fact = match message {
                Ok(message) => sort::fact(message.into_inner(), names.as_deref()),
                Err(fault) => Err(Refusal::Message(fault)),
            };
            match fact {
                Ok(Some(fact)) => sorted.facts.push(fact),
                Ok(None) => {}
                Err(refusal) => sorted.refused.push(refusal),
            }
        }
        store.write_files(&client, sorted)
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}

/// Keeps facts of a client; when this answers, they are on disk.
///
/// # Errors
/// [`StoreError::NoClient`] when the client was deleted; the store cannot be written. Nothing is kept then.
pub async fn apply(
    store: &Store,
    client: ClientId,
    origin: Origin,
    sorted: Sorted,
) -> Result<Outcome, StoreError> {
    let mut outcome = store.apply(client, origin, sorted.facts, sorted.refused.len()).await?;
    outcome.refused.splice(0..0, sorted.refused);
    for refusal in outcome.refused.iter().take(limits::LOGGED_REFUSALS) {
        tracing::warn!(%client, %refusal, "refused what a client sent");
    }
    Ok(outcome)
}
