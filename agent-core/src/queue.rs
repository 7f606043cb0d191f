//! Store and forward: what the agent owes the server, kept in [`Storage`] until the server has it.
//!
//! Each lane has a budget of bytes. A flow that meets a full lane is held back ([`QueueFault::Full`]) and loses nothing; a
//! monitoring query cannot be held back, so its lane gives up its oldest records, counts the rows, and says so to the server
//! in a log message of the artifact. The budgets are separate: a large collection on a device that is offline does not
//! erase what monitoring saw, nor the other way round.
//!
//! Records leave in a [`Batch`] and are forgotten only by [`Queue::acknowledge`], so each reaches the server at least once;
//! the server drops what it has by `query_start_row` (docs/protocol.md section 3.9).

mod lease;
mod losses;
mod record;

use crate::state::{self, StoredLosses};
use crate::storage::{Lane, Position, Storage, StorageFault};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use losses::Losses;
use record::Record;
use troodon_proto::VeloMessage;

/// The session of everything that monitoring sends (docs/protocol.md section 1.4).
pub const MONITORING_SESSION: &str = "F.Monitoring";
/// The monitoring artifact that every server has and every client fills (docs/protocol.md section 7.5).
pub const CLIENT_INFO_ARTIFACT: &str = "Server.Internal.ClientInfo";

/// How soon a message has to leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Priority {
    /// In its turn.
    Normal,
    /// Before all others, with `X-Priority: urgent`.
    Urgent,
}

/// Sizes of the queue, all in bytes. The host sets them from its medium and its memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueueLimits {
    /// Urgent messages.
    pub urgent: u64,
    /// Messages of flows.
    pub flows: u64,
    /// Monitoring messages.
    pub monitoring: u64,
    /// The longest message. It is held in memory a few times while it is sealed and sent.
    pub message: usize,
    /// What one POST carries, before compression; the last message may exceed it.
    pub batch: usize,
}

impl Default for QueueLimits {
    /// For Linux: the original's buffer of 50 MiB and POSTs of 5 MiB (docs/protocol.md section 1.5).
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            urgent: 8 * MIB,
            flows: 34 * MIB,
            monitoring: 8 * MIB,
            message: 4 * 1024 * 1024,
            batch: 5 * 1024 * 1024,
        }
    }
}

/// What goes out in one POST.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// All of it urgent, or none.
    pub priority: Priority,
    /// Serialised `MessageList`s.
    pub lists: Vec<Vec<u8>>,
    /// How many messages they hold.
    pub messages: usize,
}

/// The queue over a storage. At most one [`Batch`] is out at a time.
#[derive(Debug)]
pub struct Queue<S> {
    storage: S,
    limits: QueueLimits,
    urgent: Fill,
    flows: Fill,
    monitoring: Fill,
    leased: Option<Leased>,
    /// The lane from which the next batch that is not urgent is filled first.
    turn: Lane,
    forgotten: VecDeque<Forgotten>,
    losses: Losses,
    corrupt: u64,
    is_dirty: bool,
}

/// How full a lane is.
#[derive(Clone, Copy, Debug, Default)]
struct Fill {
    bytes: u64,
    records: u64,
}

/// What of each lane is in the batch that is out.
#[derive(Debug, Default)]
struct Leased {
    lanes: Vec<LeasedLane>,
    /// Rows that were dropped from the storage while their batch was out: lost only if it fails.
    dropped: Losses,
    /// Losses that the batch reports.
    reported: Losses,
}

#[derive(Debug)]
struct LeasedLane {
    lane: Lane,
    through: Position,
    fill: Fill,
}

/// A cancelled flow: its rows are not sent, its logs and statistics are.
#[derive(Debug)]
struct Forgotten {
    session_id: String,
    /// Where the storage remembers it; gone with the rows before it.
    marker: Option<Position>,
}

impl<S: Storage> Queue<S> {
    /// Reads what an earlier run left and continues with it.
    ///
    /// Records that cannot be read are skipped and counted ([`Self::take_corrupt`]); unreadable loss counts start at zero.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`]: there is no queue without a medium.
    pub fn open(mut storage: S, limits: QueueLimits) -> Result<Self, StorageFault> {
        let losses = match state::load::<StoredLosses>(&mut storage) {
            Err(state::StateFault::Storage(fault)) => return Err(fault),
            Err(_) | Ok(None) => Losses::default(),
            Ok(Some(stored)) => Losses::from(stored),
        };
        let mut queue = Self {
            storage,
            limits,
            urgent: Fill::default(),
            flows: Fill::default(),
            monitoring: Fill::default(),
            leased: None,
            turn: Lane::Flows,
            forgotten: VecDeque::new(),
            losses,
            corrupt: 0,
            is_dirty: false,
        };
        for lane in Lane::ALL {
            queue.recover(lane)?;
        }
        Ok(queue)
    }

    fn recover(&mut self, lane: Lane) -> Result<(), StorageFault> {
        let (mut fill, mut forgotten) = (Fill::default(), Vec::new());
        self.storage.scan(lane, &mut |at, record| {
            fill.add(cost(record));
            if let Record::Forget(session_id) = Record::parse(record) {
                forgotten.push((String::from(session_id), at));
            }
        })?;
        *self.fill_mut(lane) = fill;
        for (session_id, at) in forgotten {
            self.remember_forgotten(session_id, Some(at));
        }
        Ok(())
    }

    /// Keeps `message` until the server has it. Durable after the next [`Self::sync`].
    ///
    /// # Errors
    ///
    /// [`QueueFault::Full`]: try again when [`Self::room`] says so; monitoring messages never meet it, they make room.
    /// [`QueueFault::TooLong`]: it never fits. [`QueueFault::Storage`]: the medium failed and the message is not kept.
    pub fn push(&mut self, priority: Priority, message: &VeloMessage) -> Result<(), QueueFault> {
        let lane = record::lane(priority, message);
        let bytes = record::emit(message);
        let cost = cost(&bytes);
        if bytes.len() > self.limits.message || cost > self.budget(lane) {
            return Err(QueueFault::TooLong);
        }
        self.make_room(lane, cost)?;
        while let Err(fault) = self.storage.append(lane, &bytes) {
            // The medium is smaller than the budget: for monitoring that is one more reason to lose the oldest.
            if fault != StorageFault::Full {
                return Err(QueueFault::Storage(fault));
            }
            if lane != Lane::Monitoring || self.fill(lane).records == 0 {
                return Err(QueueFault::Full);
            }
            self.lose_oldest(cost)?;
        }
        self.fill_mut(lane).add(cost);
        self.is_dirty = true;
        Ok(())
    }

    /// How many bytes of flow messages of this priority still fit.
    #[must_use]
    pub fn room(&self, priority: Priority) -> u64 {
        let lane = match priority {
            Priority::Normal => Lane::Flows,
            Priority::Urgent => Lane::Urgent,
        };
        self.budget(lane).saturating_sub(self.fill(lane).bytes)
    }

    /// Whether nothing is owed to the server.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.losses.is_empty() && Lane::ALL.into_iter().all(|lane| self.fill(lane).records == 0)
    }

    /// Whether an urgent message waits.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.urgent.records > 0
    }

    /// Bytes that wait in all lanes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.urgent.bytes.saturating_add(self.flows.bytes).saturating_add(self.monitoring.bytes)
    }

    /// Whether something was changed since the last [`Self::sync`].
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`]; it stays dirty.
    pub fn sync(&mut self) -> Result<(), StorageFault> {
        self.storage.sync()?;
        self.is_dirty = false;
        Ok(())
    }

    /// The storage, for the blobs in it.
    pub fn storage_mut(&mut self) -> &mut S {
        self.is_dirty = true;
        &mut self.storage
    }

    /// Gives the storage back, as it is.
    #[must_use]
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Records found unreadable since the last call.
    pub fn take_corrupt(&mut self) -> u64 {
        core::mem::take(&mut self.corrupt)
    }

    /// Drops the queued messages of a cancelled flow, except logs and statistics (docs/protocol.md section 3.9).
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`]: they are dropped in this run, but after a restart they would be sent.
    pub fn forget_flow(&mut self, session_id: &str) -> Result<(), StorageFault> {
        if self.forgotten.iter().any(|forgotten| forgotten.session_id == session_id) {
            return Ok(());
        }
        let bytes = record::emit_forget(session_id);
        let marker = match self.storage.append(Lane::Flows, &bytes) {
            Ok(marker) => {
                self.flows.add(cost(&bytes));
                self.is_dirty = true;
                Some(marker)
            }
            Err(StorageFault::Full) => None,
            Err(fault) => {
                self.remember_forgotten(session_id.into(), None);
                return Err(fault);
            }
        };
        self.remember_forgotten(session_id.into(), marker);
        Ok(())
    }

    fn remember_forgotten(&mut self, session_id: String, marker: Option<Position>) {
        if self.forgotten.len() >= crate::limits::FORGOTTEN_FLOWS {
            self.forgotten.pop_front();
        }
        self.forgotten.push_back(Forgotten { session_id, marker });
    }

    fn is_forgotten(&self, lane: Lane, list: &[u8]) -> bool {
        lane != Lane::Monitoring
            && !self.forgotten.is_empty()
            && record::forgettable_session(list).is_some_and(|session_id| {
                self.forgotten.iter().any(|forgotten| forgotten.session_id == session_id)
            })
    }

    /// Reads the next record at or after `from` and moves `from` behind it; corrupt ones are skipped and counted.
    fn read(
        &mut self,
        lane: Lane,
        from: &mut Position,
        into: &mut Vec<u8>,
    ) -> Result<Option<Position>, StorageFault> {
        loop {
            match self.storage.read(lane, *from, into) {
                Ok(found) => {
                    *from = found.map_or(*from, Position::after);
                    return Ok(found);
                }
                // A storage that names a place before the one asked for would be read for ever.
                Err(StorageFault::Corrupt(at)) if at >= *from => {
                    self.corrupt = self.corrupt.saturating_add(1);
                    *from = at.after();
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    fn budget(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Urgent => self.limits.urgent,
            Lane::Flows => self.limits.flows,
            Lane::Monitoring => self.limits.monitoring,
        }
    }

    fn fill(&self, lane: Lane) -> Fill {
        match lane {
            Lane::Urgent => self.urgent,
            Lane::Flows => self.flows,
            Lane::Monitoring => self.monitoring,
        }
    }

    fn fill_mut(&mut self, lane: Lane) -> &mut Fill {
        match lane {
            Lane::Urgent => &mut self.urgent,
            Lane::Flows => &mut self.flows,
            Lane::Monitoring => &mut self.monitoring,
        }
    }
}

impl Fill {
    fn add(&mut self, cost: u64) {
        self.bytes = self.bytes.saturating_add(cost);
        self.records = self.records.saturating_add(1);
    }

    fn subtract(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.records = self.records.saturating_sub(other.records);
    }
}

/// What a record takes of its lane's budget: a medium keeps a header with each.
fn cost(record: &[u8]) -> u64 {
    u64::try_from(record.len()).unwrap_or(u64::MAX).saturating_add(crate::limits::RECORD_OVERHEAD)
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum QueueFault {
    /// The lane is full; the flow waits until there is room.
    Full,
    /// The medium failed.
    Storage(StorageFault),
    /// Longer than [`QueueLimits::message`] or than the budget of its lane.
    TooLong,
}

impl fmt::Display for QueueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the queue is full"),
            Self::Storage(fault) => fault.fmt(f),
            Self::TooLong => f.write_str("the message is longer than the queue takes"),
        }
    }
}

impl core::error::Error for QueueFault {}

#[cfg(test)]
mod tests;
