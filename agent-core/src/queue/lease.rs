//! How records leave the queue: leased in a batch, then acknowledged, released, or given up to make room.

use super::record::{self, Record};
use super::{Batch, Fill, Leased, LeasedLane, Priority, Queue, QueueFault, cost};
use crate::limits::LIST_BYTES;
use crate::state;
use crate::storage::{Lane, Position, Storage, StorageFault};
use crate::time::UnixTime;
use alloc::vec::Vec;

/// A full monitoring lane gives up this part of its budget at once, so that the count is stored once for many records.
const LOST_AT_ONCE: u64 = 16;

impl<S: Storage> Queue<S> {
    /// The next batch: urgent messages if there are any, else flows and monitoring, which begin in turn. A batch that is
    /// out already is released first. `now` dates the reports of losses.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`]; everything stays queued.
    pub fn lease(&mut self, now: Option<UnixTime>) -> Result<Option<Batch>, StorageFault> {
        self.release();
        loop {
            let priority = if self.is_urgent() { Priority::Urgent } else { Priority::Normal };
            let mut filling = Filling::default();
            for lane in self.lanes_in_turn(priority) {
                self.fill_batch(*lane, &mut filling)?;
            }
            if priority == Priority::Normal {
                for report in self.losses.reports(now) {
                    filling.push(&report);
                }
                filling.leased.reported = self.losses.clone();
            }
            let is_last = filling.leased.lanes.is_empty() && priority == Priority::Normal;
            self.leased = Some(filling.leased);
            if filling.messages > 0 {
                let Filling { lists, messages, .. } = filling;
                return Ok(Some(Batch { priority, lists, messages }));
            }
            // Only rows of cancelled flows, and notes of them: they need no server to be forgotten.
            self.acknowledge()?;
            if is_last {
                return Ok(None);
            }
        }
    }

    fn lanes_in_turn(&mut self, priority: Priority) -> &'static [Lane] {
        match (priority, self.turn) {
            (Priority::Urgent, _) => &[Lane::Urgent],
            (Priority::Normal, Lane::Monitoring) => {
                self.turn = Lane::Flows;
                &[Lane::Monitoring, Lane::Flows]
            }
            (Priority::Normal, Lane::Urgent | Lane::Flows) => {
                self.turn = Lane::Monitoring;
                &[Lane::Flows, Lane::Monitoring]
            }
        }
    }

    fn fill_batch(&mut self, lane: Lane, filling: &mut Filling) -> Result<(), StorageFault> {
        let (mut from, mut bytes) = (Position::START, Vec::new());
        let mut leased = None;
        let mut fill = Fill::default();
        while filling.bytes < self.limits.batch {
            let Some(at) = self.read(lane, &mut from, &mut bytes)? else { break };
            fill.add(cost(&bytes));
            leased = Some(at);
            if let Record::Message(list) = Record::parse(&bytes)
                && !self.is_forgotten(lane, list)
            {
                filling.push(list);
            }
        }
        match leased {
            Some(through) => filling.leased.lanes.push(LeasedLane { lane, through, fill }),
            // Only records that cannot be read are left; they must not look like something to send.
            None if filling.bytes < self.limits.batch => *self.fill_mut(lane) = Fill::default(),
            None => {}
        }
        Ok(())
    }

    /// Forgets the batch that is out: the server has it. Nothing happens when none is out.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`]: the batch stays queued, and the server will drop what it gets twice.
    pub fn acknowledge(&mut self) -> Result<(), StorageFault> {
        let Some(leased) = self.leased.take() else { return Ok(()) };
        for LeasedLane { lane, through, fill } in leased.lanes {
            self.storage.acknowledge(lane, through)?;
            self.fill_mut(lane).subtract(fill);
            self.is_dirty = true;
            if lane == Lane::Flows {
                self.forgotten.retain(|forgotten| forgotten.marker.is_none_or(|at| at > through));
            }
        }
        if !leased.reported.is_empty() || !leased.dropped.is_empty() {
            self.losses.subtract(&leased.reported);
            self.losses.subtract(&leased.dropped);
            self.store_losses()?;
        }
        Ok(())
    }

    /// Takes the batch that is out back; it leaves again with the next [`Self::lease`].
    pub fn release(&mut self) {
        self.leased = None;
    }

    /// Gives up monitoring records until `cost` more bytes fit into `lane`; other lanes refuse.
    pub(super) fn make_room(&mut self, lane: Lane, cost: u64) -> Result<(), QueueFault> {
        let over = self.fill(lane).bytes.saturating_add(cost).saturating_sub(self.budget(lane));
        if over == 0 {
            return Ok(());
        }
        match lane {
            Lane::Monitoring => self.lose_oldest(over),
            Lane::Urgent | Lane::Flows => Err(QueueFault::Full),
        }
    }

    /// Gives up at least `bytes` of the oldest monitoring records, as far as there are any.
    pub(super) fn lose_oldest(&mut self, bytes: u64) -> Result<(), QueueFault> {
        let wanted = bytes.max(self.limits.monitoring / LOST_AT_ONCE);
        let (mut from, mut record) = (Position::START, Vec::new());
        let mut last = None;
        let mut lost = Fill::default();
        while lost.bytes < wanted {
            let read = self.read(Lane::Monitoring, &mut from, &mut record);
            let Some(at) = read.map_err(QueueFault::Storage)? else { break };
            lost.add(cost(&record));
            last = Some(at);
            self.count_lost(at, &record);
        }
        let Some(through) = last else {
            // Only records that cannot be read are left.
            self.monitoring = Fill::default();
            return Ok(());
        };
        // The count is stored first: a power cut in between reports rows that are still there, never the reverse.
        self.store_losses().map_err(QueueFault::Storage)?;
        self.storage.acknowledge(Lane::Monitoring, through).map_err(QueueFault::Storage)?;
        self.monitoring.subtract(lost);
        Ok(())
    }

    fn count_lost(&mut self, at: Position, record: &[u8]) {
        let Record::Message(list) = Record::parse(record) else { return };
        let (artifact, rows) = record::artifact_and_rows(list).unwrap_or_default();
        let rows = rows.max(1);
        self.losses.add(&artifact, rows);
        let Some(leased) = &mut self.leased else { return };
        let lane = leased.lanes.iter_mut().find(|lane| lane.lane == Lane::Monitoring);
        if let Some(lane) = lane.filter(|lane| at <= lane.through) {
            lane.fill.subtract(Fill { bytes: cost(record), records: 1 });
            leased.dropped.add(&artifact, rows);
        }
    }

    fn store_losses(&mut self) -> Result<(), StorageFault> {
        self.is_dirty = true;
        state::store(&mut self.storage, &self.losses.to_stored())
    }
}

/// A batch while it is filled.
#[derive(Debug, Default)]
struct Filling {
    lists: Vec<Vec<u8>>,
    bytes: usize,
    messages: usize,
    leased: Leased,
}

impl Filling {
    /// Adds a `MessageList`, joined to the one before it as long as that is short.
    fn push(&mut self, list: &[u8]) {
        self.bytes = self.bytes.saturating_add(list.len());
        self.messages = self.messages.saturating_add(1);
        match self.lists.last_mut() {
            Some(last) if last.len().saturating_add(list.len()) <= LIST_BYTES => {
                last.extend_from_slice(list);
            }
            _ => self.lists.push(list.to_vec()),
        }
    }
}
