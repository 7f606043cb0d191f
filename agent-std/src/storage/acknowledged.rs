//! How far a lane was acknowledged: two slots, written in turn, so that a torn write leaves the older one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crc::{CRC_32_ISO_HDLC, Crc};

use super::open_for_writing;

/// Slots lie in different sectors.
const SLOT_DISTANCE: u64 = 4096;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The file with the position.
#[derive(Debug)]
pub(super) struct Acknowledged {
    file: File,
    /// Records below this position are forgotten.
    pub(super) below: u64,
    next_slot: u64,
}

impl Acknowledged {
    /// Reads the file; without a valid slot nothing is acknowledged.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open_for_writing(path)?;
        let slots = [read_slot(&file, 0), read_slot(&file, 1)];
        let newest = if slots[1] > slots[0] { 1 } else { 0 };
        let below = slots.into_iter().flatten().max().unwrap_or(0);
        Ok(Self { file, below, next_slot: 1 - newest })
    }

    /// Writes a higher position.
    pub(super) fn advance(&mut self, below: u64) -> io::Result<()> {
        let position = below.to_le_bytes();
        let mut slot = [0; 12];
        slot[..8].copy_from_slice(&position);
        slot[8..].copy_from_slice(&CRC.checksum(&position).to_le_bytes());
        self.file.write_all_at(&slot, self.next_slot * SLOT_DISTANCE)?;
        self.next_slot = 1 - self.next_slot;
        self.below = below;
        Ok(())
    }

    /// Makes the position durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn read_slot(file: &File, slot: u64) -> Option<u64> {
    let (mut position, mut sum) = ([0; 8], [0; 4]);
    let at = slot * SLOT_DISTANCE;
    // A file that is too short has no such slot.
    file.read_exact_at(&mut position, at).ok()?;
    file.read_exact_at(&mut sum, at + 8).ok()?;
    (CRC.checksum(&position) == u32::from_le_bytes(sum)).then(|| u64::from_le_bytes(position))
}
