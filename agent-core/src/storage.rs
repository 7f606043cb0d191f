//! What must outlive power: three logs of records and a few named blobs, behind one trait.
//!
//! Flash on a board, files on Linux, memory in tests ([`memory`]). The core never asks where the bytes lie; it relies on
//! this contract about power cuts:
//!
//! - What was appended, acknowledged or stored before a [`Storage::sync`] that returned `Ok` is there after a power cut.
//! - Of what came after the last sync, each log may lose a suffix of its appends, and an acknowledgement may be undone. A
//!   record is never there in part, never changed, never out of order.
//! - A blob holds its old bytes or its new bytes, whole; never a mixture and never nothing.
//!
//! Records are forgotten only by [`Storage::acknowledge`]. So a storage may group many appends into one write to the
//! medium, and the queue decides when to pay for it.

pub mod memory;

use alloc::vec::Vec;
use core::fmt;

/// The three logs. Each is first in, first out; nothing is ordered between them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Lane {
    /// What overtakes everything: answers that the server waits for.
    Urgent,
    /// Rows, logs and statistics of flows. A full lane holds the flow back; nothing is lost.
    Flows,
    /// Rows of monitoring queries. A full lane loses its oldest records.
    Monitoring,
}

impl Lane {
    /// All lanes, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Flows, Self::Monitoring];

    /// A short name, for files and partitions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Flows => "flows",
            Self::Monitoring => "monitoring",
        }
    }
}

/// The named blobs, each replaced as a whole.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Blob {
    /// The private key: written once, never rewritten. Secret: a file for the owner only.
    Identity,
    /// The server certificate that was pinned last.
    Server,
    /// The monitoring table that the server sent last.
    EventTable,
    /// How many monitoring rows were lost and not yet reported.
    Losses,
}

impl Blob {
    /// All blobs.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Server, Self::EventTable, Self::Losses];

    /// A short name, for files and flash keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Server => "server",
            Self::EventTable => "event-table",
            Self::Losses => "losses",
        }
    }
}

/// The place of a record in its lane. Grows with each append, by any step; valid until the storage is opened again.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position(pub u64);

impl Position {
    /// At or before the oldest record of every lane.
    pub const START: Self = Self(0);

    /// The place from which the record after this one is found.
    #[must_use]
    pub const fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// An append-only log for each [`Lane`], and the [`Blob`]s. The module says what survives a power cut.
pub trait Storage {
    /// Adds `record` (1 byte or more) to the end of `lane`.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Full`] when the medium has no room for it in this lane; nothing was changed then.
    fn append(&mut self, lane: Lane, record: &[u8]) -> Result<Position, StorageFault>;

    /// Replaces `into` by the oldest record of `lane` that is at `from` or later, and says where it is.
    /// `None`: there is none, and `into` is empty.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Corrupt`] names a record that is there but cannot be read; reading goes on after it.
    fn read(
        &mut self,
        lane: Lane,
        from: Position,
        into: &mut Vec<u8>,
    ) -> Result<Option<Position>, StorageFault>;

    /// Shows every record of `lane`, the oldest first; those that cannot be read are passed over. For a storage whose
    /// [`Storage::read`] has to look for its place, this is the way to read all.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`].
    fn scan(
        &mut self,
        lane: Lane,
        visit: &mut dyn FnMut(Position, &[u8]),
    ) -> Result<(), StorageFault> {
        let (mut from, mut record) = (Position::START, Vec::new());
        loop {
            match self.read(lane, from, &mut record) {
                Ok(None) => return Ok(()),
                Ok(Some(at)) => {
                    visit(at, &record);
                    from = at.after();
                }
                // A storage that names a place before the one asked for would be read for ever.
                Err(StorageFault::Corrupt(at)) if at >= from => from = at.after(),
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Forgets the records of `lane` up to and including `through`. Records that are gone already are no fault.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`].
    fn acknowledge(&mut self, lane: Lane, through: Position) -> Result<(), StorageFault>;

    /// Makes everything before it durable.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`]: what came after the last sync may be lost.
    fn sync(&mut self) -> Result<(), StorageFault>;

    /// The bytes of a blob; `None` when it was never stored.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`].
    fn load(&mut self, blob: Blob) -> Result<Option<Vec<u8>>, StorageFault>;

    /// Replaces a blob, atomically; empty `bytes` are a value like any other.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Full`] and [`StorageFault::Broken`]; the old bytes stay then.
    fn store(&mut self, blob: Blob, bytes: &[u8]) -> Result<(), StorageFault>;
}

/// What the medium could not do. Never caused by a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StorageFault {
    /// The medium refuses reads or writes, or its driver failed.
    Broken,
    /// A record that is there and cannot be read back as it was written.
    Corrupt(Position),
    /// No room left for what was to be written.
    Full,
}

impl fmt::Display for StorageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("the storage cannot be read or written"),
            Self::Corrupt(Position(at)) => write!(f, "record {at} in the storage is corrupt"),
            Self::Full => f.write_str("the storage is full"),
        }
    }
}

impl core::error::Error for StorageFault {}
