//! A storage in memory, for agents without a medium and for tests that cut the power.
//!
//! What is not synced is kept apart from what is, so that [`MemoryStorage::cut_power`] can do the worst that the contract
//! of [`Storage`] allows.

use super::{Blob, Lane, Position, Storage, StorageFault};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Logs and blobs in memory. Nothing survives the process.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    lanes: BTreeMap<Lane, Log>,
    blobs: BTreeMap<Blob, Vec<u8>>,
    synced: Option<Durable>,
    capacity: Option<u64>,
    failing: bool,
    failing_to_forget: bool,
}

/// What a power cut leaves. Its blobs are those of the last sync: `store` may be undone, never torn.
#[derive(Clone, Debug, Default)]
struct Durable {
    lanes: BTreeMap<Lane, Log>,
    blobs: BTreeMap<Blob, Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
struct Log {
    records: VecDeque<(Position, Vec<u8>)>,
    bytes: u64,
    next: u64,
}

impl MemoryStorage {
    /// An empty storage without a limit of its own; the queue in front of it has one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty storage that keeps up to `bytes` of records in each lane and then answers [`StorageFault::Full`].
    #[must_use]
    pub fn with_capacity(bytes: u64) -> Self {
        Self { capacity: Some(bytes), ..Self::default() }
    }

    /// Keeps what a [`Storage::sync`] has made durable, so that [`Self::cut_power`] can return to it.
    /// Costs a copy of everything at each sync: for tests.
    #[must_use]
    pub fn remembering_syncs(mut self) -> Self {
        self.synced = Some(Durable::default());
        self
    }

    /// Returns to the state of the last sync, as if power had failed. Without [`Self::remembering_syncs`] nothing is lost.
    pub fn cut_power(&mut self) {
        if let Some(durable) = &self.synced {
            self.lanes = durable.lanes.clone();
            self.blobs = durable.blobs.clone();
        }
        self.failing = false;
        self.failing_to_forget = false;
    }

    /// While `true`, every operation answers [`StorageFault::Broken`] and changes nothing.
    pub fn set_failing(&mut self, failing: bool) {
        self.failing = failing;
    }

    /// While `true`, [`Storage::acknowledge`] answers [`StorageFault::Broken`] and changes nothing.
    pub fn set_failing_to_forget(&mut self, failing: bool) {
        self.failing_to_forget = failing;
    }

    /// How many records of `lane` are not acknowledged.
    #[must_use]
    pub fn records(&self, lane: Lane) -> usize {
        self.lanes.get(&lane).map_or(0, |log| log.records.len())
    }

    fn check(&self) -> Result<(), StorageFault> {
        if self.failing { Err(StorageFault::Broken) } else { Ok(()) }
    }
}

impl Storage for MemoryStorage {
    fn append(&mut self, lane: Lane, record: &[u8]) -> Result<Position, StorageFault> {
        self.check()?;
        let log = self.lanes.entry(lane).or_default();
        let bytes = log.bytes.saturating_add(len(record));
        if self.capacity.is_some_and(|capacity| bytes > capacity) {
            return Err(StorageFault::Full);
        }
        let position = Position(log.next);
        log.next = log.next.saturating_add(1);
        log.bytes = bytes;
        log.records.push_back((position, record.to_vec()));
        Ok(position)
    }

    fn read(
        &mut self,
        lane: Lane,
        from: Position,
        into: &mut Vec<u8>,
    ) -> Result<Option<Position>, StorageFault> {
        self.check()?;
        into.clear();
        let Some(log) = self.lanes.get(&lane) else { return Ok(None) };
        let index = log.records.partition_point(|(position, _)| *position < from);
        Ok(log.records.get(index).map(|(position, record)| {
            into.extend_from_slice(record);
            *position
        }))
    }

    fn acknowledge(&mut self, lane: Lane, through: Position) -> Result<(), StorageFault> {
        self.check()?;
        if self.failing_to_forget {
            return Err(StorageFault::Broken);
        }
        let Some(log) = self.lanes.get_mut(&lane) else { return Ok(()) };
        while let Some((position, record)) = log.records.front() {
            if *position > through {
                break;
            }
            log.bytes = log.bytes.saturating_sub(len(record));
            log.records.pop_front();
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageFault> {
        self.check()?;
        if let Some(durable) = &mut self.synced {
            *durable = Durable { lanes: self.lanes.clone(), blobs: self.blobs.clone() };
        }
        Ok(())
    }

    fn load(&mut self, blob: Blob) -> Result<Option<Vec<u8>>, StorageFault> {
        self.check()?;
        Ok(self.blobs.get(&blob).cloned())
    }

    fn store(&mut self, blob: Blob, bytes: &[u8]) -> Result<(), StorageFault> {
        self.check()?;
        self.blobs.insert(blob, bytes.to_vec());
        Ok(())
    }
}

fn len(record: &[u8]) -> u64 {
    u64::try_from(record.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(storage: &mut MemoryStorage, lane: Lane) -> Vec<Vec<u8>> {
        let (mut found, mut from, mut record) = (Vec::new(), Position::START, Vec::new());
        while let Some(at) = storage.read(lane, from, &mut record).unwrap() {
            found.push(record.clone());
            from = at.after();
        }
        found
    }

    #[test]
    fn gives_back_records_in_order_until_they_are_acknowledged() {
        let mut storage = MemoryStorage::new();
        storage.append(Lane::Flows, b"one").unwrap();
        let two = storage.append(Lane::Flows, b"two").unwrap();
        storage.append(Lane::Flows, b"three").unwrap();
        storage.append(Lane::Urgent, b"other lane").unwrap();
        assert_eq!(
            all(&mut storage, Lane::Flows),
            [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]
        );

        storage.acknowledge(Lane::Flows, two).unwrap();
        storage.acknowledge(Lane::Flows, two).unwrap();
        assert_eq!(all(&mut storage, Lane::Flows), [b"three".to_vec()]);
        assert_eq!(storage.records(Lane::Urgent), 1);
    }

    #[test]
    fn a_power_cut_takes_what_was_not_synced() {
        let mut storage = MemoryStorage::new().remembering_syncs();
        storage.append(Lane::Flows, b"kept").unwrap();
        storage.store(Blob::Losses, b"old").unwrap();
        storage.sync().unwrap();
        storage.append(Lane::Flows, b"gone").unwrap();
        storage.store(Blob::Losses, b"new").unwrap();
        storage.cut_power();
        assert_eq!(all(&mut storage, Lane::Flows), [b"kept".to_vec()]);
        assert_eq!(storage.load(Blob::Losses).unwrap().as_deref(), Some(&b"old"[..]));
    }

    #[test]
    fn a_full_lane_refuses_and_keeps_what_it_has() {
        let mut storage = MemoryStorage::with_capacity(4);
        storage.append(Lane::Flows, b"1234").unwrap();
        assert_eq!(storage.append(Lane::Flows, b"5"), Err(StorageFault::Full));
        storage.append(Lane::Monitoring, b"5").unwrap();
        assert_eq!(all(&mut storage, Lane::Flows), [b"1234".to_vec()]);
    }
}
