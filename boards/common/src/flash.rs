//! The core's storage on NOR flash: three logs and the named blobs, over `sequential-storage`.
//!
//! What `append`, `acknowledge` and `store` have written is durable when they return, so a sync has nothing to do. A power
//! cut in the middle of one of them leaves it done or not done, except that an acknowledgement of many records may have
//! forgotten the older of them only. A lane that cannot be read at all is erased when the storage is opened: a board that
//! lost its queue is worth more than one that does not start. The blobs are never erased: the identity is among them.
//!
//! Nothing in flash is encrypted. Who can read it has the board's key, as who can write it owns the board.

mod blobs;
mod lane;
mod mapped;
mod nor;

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use embedded_storage::nor_flash::{MultiwriteNorFlash, NorFlash};
use sequential_storage::Error;
use troodon_core::queue::QueueLimits;
use troodon_core::storage::{Blob, Lane, Position, Storage, StorageFault};
use zeroize::Zeroizing;

pub use mapped::MappedNor;

use crate::limits::{BATCH_LEN, MESSAGE_LEN_MAX};
use lane::FlashLane;
use nor::Counted;

/// Where in a flash what lies, in bytes from its begin. Every border is one of an erase page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    /// Identity, pinned server, monitoring table, losses.
    pub state: Range<u32>,
    /// [`Lane::Urgent`].
    pub urgent: Range<u32>,
    /// [`Lane::Flows`].
    pub flows: Range<u32>,
    /// [`Lane::Monitoring`].
    pub monitoring: Range<u32>,
}

impl Layout {
    const STATE: u32 = 64 << 10;
    const URGENT: u32 = 16 << 10;
    const FLOWS: u32 = 128 << 10;
    const MONITORING: u32 = 256 << 10;
    /// Bytes that [`Layout::at`] takes.
    pub const LEN: u32 = Self::STATE + Self::URGENT + Self::FLOWS + Self::MONITORING;

    /// The usual one, for flash with pages of 4 KiB, from `start` on.
    #[must_use]
    pub const fn at(start: u32) -> Self {
        let urgent = start + Self::STATE;
        let flows = urgent + Self::URGENT;
        let monitoring = flows + Self::FLOWS;
        Self {
            state: start..urgent,
            urgent: urgent..flows,
            flows: flows..monitoring,
            monitoring: monitoring..monitoring + Self::MONITORING,
        }
    }

    /// What a queue may hold on this flash. A record does not go over the end of a page, and one page is always free: a
    /// quarter of each lane is left for that.
    #[must_use]
    pub fn limits(&self) -> QueueLimits {
        let budget = |range: &Range<u32>| u64::from(range.end.saturating_sub(range.start)) / 4 * 3;
        QueueLimits {
            urgent: budget(&self.urgent),
            flows: budget(&self.flows),
            monitoring: budget(&self.monitoring),
            message: MESSAGE_LEN_MAX,
            batch: BATCH_LEN,
        }
    }
}

/// How much a flash was used since it was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wear {
    /// Pages erased.
    pub erased_pages: u64,
    /// Bytes written.
    pub written: u64,
}

/// Storage on a flash.
#[derive(Debug)]
pub struct FlashStorage<F> {
    flash: Counted<F>,
    state: Range<u32>,
    urgent: FlashLane,
    flows: FlashLane,
    monitoring: FlashLane,
    lost_lanes: usize,
}

impl<F: MultiwriteNorFlash> FlashStorage<F> {
    /// Opens what an earlier run left, or blank flash.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`]: the flash refuses, or the layout is none that it can have.
    pub fn open(flash: F, layout: Layout) -> Result<Self, StorageFault> {
        let mut flash = Counted::new(flash);
        for range in [&layout.state, &layout.urgent, &layout.flows, &layout.monitoring] {
            flash.finish_erasing(range).map_err(|_| StorageFault::Broken)?;
        }
        let mut lost_lanes = 0;
        let mut open = |range: Range<u32>| {
            let (lane, is_lost) = FlashLane::open(&mut flash, range)?;
            lost_lanes += usize::from(is_lost);
            Ok(lane)
        };
        let urgent = open(layout.urgent)?;
        let flows = open(layout.flows)?;
        let monitoring = open(layout.monitoring)?;
        blobs::check::<F>(&layout.state)?;
        Ok(Self { flash, state: layout.state, urgent, flows, monitoring, lost_lanes })
    }

    /// How many lanes could not be read when the storage was opened, and are empty therefore.
    #[must_use]
    pub fn lost_lanes(&self) -> usize {
        self.lost_lanes
    }

    /// How much the flash was used since it was opened.
    #[must_use]
    pub fn wear(&self) -> Wear {
        self.flash.wear()
    }

    /// Gives the flash back.
    #[must_use]
    pub fn into_flash(self) -> F {
        self.flash.into_inner()
    }

    fn lane(&mut self, lane: Lane) -> (&mut Counted<F>, &mut FlashLane) {
        let chosen = match lane {
            Lane::Urgent => &mut self.urgent,
            Lane::Flows => &mut self.flows,
            Lane::Monitoring => &mut self.monitoring,
        };
        (&mut self.flash, chosen)
    }
}

impl<F: MultiwriteNorFlash> Storage for FlashStorage<F> {
    fn append(&mut self, lane: Lane, record: &[u8]) -> Result<Position, StorageFault> {
        let (flash, lane) = self.lane(lane);
        lane.append(flash, record)
    }

    fn read(
        &mut self,
        lane: Lane,
        from: Position,
        into: &mut Vec<u8>,
    ) -> Result<Option<Position>, StorageFault> {
        let (flash, lane) = self.lane(lane);
        lane.read(flash, from, into)
    }

    fn scan(
        &mut self,
        lane: Lane,
        visit: &mut dyn FnMut(Position, &[u8]),
    ) -> Result<(), StorageFault> {
        let (flash, lane) = self.lane(lane);
        lane.walk(flash, |position, record| {
            visit(Position(position.into()), record);
            ControlFlow::Continue(())
        })
        .map_err(fault)
    }

    fn acknowledge(&mut self, lane: Lane, through: Position) -> Result<(), StorageFault> {
        let (flash, lane) = self.lane(lane);
        lane.acknowledge(flash, through).map_err(fault)
    }

    fn sync(&mut self) -> Result<(), StorageFault> {
        Ok(())
    }

    fn load(&mut self, blob: Blob) -> Result<Option<Vec<u8>>, StorageFault> {
        blobs::load(&mut self.flash, &self.state, blob).map_err(fault)
    }

    fn store(&mut self, blob: Blob, bytes: &[u8]) -> Result<(), StorageFault> {
        blobs::store(&mut self.flash, &self.state, blob, bytes).map_err(fault)?;
        // Worn or strange flash takes what it does not keep. Blobs are few; this is the moment to notice.
        let kept = Zeroizing::new(self.load(blob)?);
        if kept.as_deref() == Some(bytes) { Ok(()) } else { Err(StorageFault::Broken) }
    }
}

fn fault<E>(error: Error<E>) -> StorageFault {
    match error {
        Error::FullStorage | Error::ItemTooBig => StorageFault::Full,
        _ => StorageFault::Broken,
    }
}

/// Bytes of one item of `sequential-storage`, which does not go over the end of a page: short enough that little of a page
/// is left over, and that a buffer for one costs little memory.
const fn item_len<F: NorFlash>() -> usize {
    let quarter = F::ERASE_SIZE / 4;
    if quarter < 1024 { quarter } else { 1024 }
}
