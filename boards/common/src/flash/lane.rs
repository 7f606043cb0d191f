//! One lane: a queue of `sequential-storage`, whose items are records or parts of them.
//!
//! ```text
//! sequence number of the record u32 | this part u8 | the last part u8 | bytes      (little endian)
//! ```
//!
//! The parts of a record follow each other. One that is not whole was cut off while it was written, or is left over from
//! one that was being forgotten; it is passed over. A gap in the numbers is a record that cannot be read.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use embedded_storage::nor_flash::MultiwriteNorFlash;
use sequential_storage::Error;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::queue::{QueueConfig, QueueStorage};
use troodon_core::storage::{Position, StorageFault};

use super::nor::{Counted, ready};
use super::{fault, item_len};

/// Bytes before those of the record.
const HEAD: usize = 6;

type NorQueue<'a, F> = QueueStorage<&'a mut Counted<F>, Cache<Uncached, Uncached, Uncached>>;

/// A lane of a flash.
#[derive(Debug)]
pub(super) struct FlashLane {
    range: Range<u32>,
    /// The number of the next record.
    next: u32,
}

/// The head of an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Part {
    number: u32,
    index: u8,
    last: u8,
}

impl Part {
    fn parse(item: &[u8]) -> Option<(Self, &[u8])> {
        let (head, bytes) = item.split_first_chunk::<HEAD>()?;
        let [a, b, c, d, index, last] = *head;
        Some((Self { number: u32::from_le_bytes([a, b, c, d]), index, last }, bytes))
    }

    fn emit(self) -> [u8; HEAD] {
        let [a, b, c, d] = self.number.to_le_bytes();
        [a, b, c, d, self.index, self.last]
    }
}

/// A record that is being put together.
#[derive(Debug, Default)]
struct Assembly {
    record: Vec<u8>,
    expected: Option<Part>,
}

impl Assembly {
    /// Takes a part; `Some` when the record is whole with it.
    fn take(&mut self, part: Part, bytes: &[u8]) -> Option<&[u8]> {
        if part.index == 0 {
            self.record.clear();
        } else if self.expected != Some(part) {
            self.expected = None;
            return None;
        }
        self.record.extend_from_slice(bytes);
        if part.index == part.last {
            self.expected = None;
            return Some(&self.record);
        }
        self.expected = part.index.checked_add(1).map(|index| Part { index, ..part });
        None
    }
}

impl FlashLane {
    /// Finds what an earlier run left. `true` beside it: that could not be read, and was erased.
    pub(super) fn open<F: MultiwriteNorFlash>(
        flash: &mut Counted<F>,
        range: Range<u32>,
    ) -> Result<(Self, bool), StorageFault> {
        let mut lane = Self { range, next: 0 };
        match lane.recover(flash) {
            Ok(()) => Ok((lane, false)),
            Err(Error::Storage { .. }) => Err(StorageFault::Broken),
            Err(_) => {
                lane.next = 0;
                let mut queue = lane.queue(flash).map_err(|()| StorageFault::Broken)?;
                ready(queue.erase_all()).map_err(fault)?;
                Ok((lane, true))
            }
        }
    }

    /// Reads every item. Numbers that no run of ours wrote are as good as unreadable.
    fn recover<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut Counted<F>,
    ) -> Result<(), Error<F::Error>> {
        let (mut next, mut records, mut items) = (0, 0_usize, 0_usize);
        let mut assembly = Assembly::default();
        self.items(flash, |part, bytes| {
            let after = part.number.checked_add(1).filter(|_| part.number >= next);
            let after = after.ok_or(Error::Corrupted {})?;
            // The number of a record that is not whole is given again.
            next = part.number;
            if assembly.take(part, bytes).is_some() {
                (next, records) = (after, records.saturating_add(1));
            }
            items = items.saturating_add(1);
            Ok(ControlFlow::Continue(()))
        })?;
        self.next = next;
        if records == 0 && items > 0 {
            // Nothing but parts that are left over; they would take room for ever.
            self.acknowledge(flash, Position(u64::MAX))?;
        }
        Ok(())
    }

    pub(super) fn append<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut Counted<F>,
        record: &[u8],
    ) -> Result<Position, StorageFault> {
        let number = self.next;
        let after = number.checked_add(1).ok_or(StorageFault::Full)?;
        let parts = record.chunks(item_len::<F>() - HEAD);
        let last = parts.len().saturating_sub(1);
        let last = u8::try_from(last).map_err(|_| StorageFault::Full)?;
        let mut queue = self.queue(flash).map_err(|()| StorageFault::Broken)?;
        if last > 0 {
            // A record is written whole or not at all.
            let left = ready(queue.space_left()).map_err(fault)?;
            if usize::try_from(left).unwrap_or(usize::MAX) < room_for::<F>(record.len()) {
                return Err(StorageFault::Full);
            }
        }
        let mut item = Vec::with_capacity(record.len().saturating_add(HEAD).min(item_len::<F>()));
        for (index, bytes) in (0..=last).zip(parts) {
            item.clear();
            item.extend_from_slice(&Part { number, index, last }.emit());
            item.extend_from_slice(bytes);
            ready(queue.push(&item, false)).map_err(fault)?;
        }
        self.next = after;
        Ok(Position(number.into()))
    }

    pub(super) fn read<F: MultiwriteNorFlash>(
        &self,
        flash: &mut Counted<F>,
        from: Position,
        into: &mut Vec<u8>,
    ) -> Result<Option<Position>, StorageFault> {
        into.clear();
        let mut before = None;
        let mut found = Ok(None);
        self.walk(flash, |number, record| {
            let position = u64::from(number);
            if position < from.0 {
                before = Some(position);
                return ControlFlow::Continue(());
            }
            let missing = before.map_or(position, |before| before.saturating_add(1).max(from.0));
            found = if missing < position {
                // One report for the gap: reading goes on at the record behind it.
                Err(StorageFault::Corrupt(Position(position - 1)))
            } else {
                into.extend_from_slice(record);
                Ok(Some(Position(position)))
            };
            ControlFlow::Break(())
        })
        .map_err(fault)?;
        found
    }

    /// Forgets records, the oldest first.
    pub(super) fn acknowledge<F: MultiwriteNorFlash>(
        &self,
        flash: &mut Counted<F>,
        through: Position,
    ) -> Result<(), Error<F::Error>> {
        let mut buffer = vec![0; item_len::<F>()];
        let mut queue = self.queue(flash).map_err(|()| Error::Corrupted {})?;
        let mut items = ready(queue.iter())?;
        while let Some(item) = ready(items.next(&mut buffer))? {
            if Part::parse(&item).is_some_and(|(part, _)| u64::from(part.number) > through.0) {
                break;
            }
            ready(item.pop())?;
        }
        Ok(())
    }

    /// Shows every record that is whole, the oldest first, until `visit` has enough.
    pub(super) fn walk<F: MultiwriteNorFlash>(
        &self,
        flash: &mut Counted<F>,
        mut visit: impl FnMut(u32, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error<F::Error>> {
        let mut assembly = Assembly::default();
        self.items(flash, |part, bytes| {
            Ok(match assembly.take(part, bytes) {
                Some(record) => visit(part.number, record),
                None => ControlFlow::Continue(()),
            })
        })
    }

    fn items<F: MultiwriteNorFlash>(
        &self,
        flash: &mut Counted<F>,
        mut visit: impl FnMut(Part, &[u8]) -> Result<ControlFlow<()>, Error<F::Error>>,
    ) -> Result<(), Error<F::Error>> {
        let mut buffer = vec![0; item_len::<F>()];
        let mut queue = self.queue(flash).map_err(|()| Error::Corrupted {})?;
        let mut items = ready(queue.iter())?;
        while let Some(item) = ready(items.next(&mut buffer))? {
            let (part, bytes) = Part::parse(&item).ok_or(Error::Corrupted {})?;
            if visit(part, bytes)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Nothing is cached between calls: a lane costs no memory but its numbers.
    fn queue<'a, F: MultiwriteNorFlash>(
        &self,
        flash: &'a mut Counted<F>,
    ) -> Result<NorQueue<'a, F>, ()> {
        let config = QueueConfig::try_new(self.range.clone()).map_err(|_| ())?;
        Ok(QueueStorage::new(flash, config, Cache::new_uncached()))
    }
}

/// Bytes that must be left for a record in parts: each part has a head, and the end of a page may be too short for one.
const fn room_for<F: MultiwriteNorFlash>(record: usize) -> usize {
    let item = item_len::<F>();
    let parts = record.div_ceil(item - HEAD);
    let pages = parts.div_ceil(F::ERASE_SIZE / item - 1) + 1;
    // Eight bytes of `sequential-storage` before each item, and up to a word behind it.
    (parts + pages) * (item + 8 + F::WRITE_SIZE)
}
