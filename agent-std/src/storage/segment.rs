//! One file of a log: entries one after the other.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crc::{CRC_32_ISO_HDLC, Crc};

use super::open_for_writing;
use crate::limits::RECORD_LEN_MAX;

/// Length, checksum and position before each record.
const HEADER_LEN: u64 = 16;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A segment file.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    /// Its number in the name; segments are in the order of their numbers.
    pub(super) number: u32,
    /// Bytes of whole entries.
    pub(super) length: u64,
    /// Position of the first entry; meaningless while there is none.
    pub(super) first: u64,
    /// Position of the last entry; meaningless while there is none.
    pub(super) last: u64,
}

/// An entry that was read.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) position: u64,
    /// Where the next entry begins.
    pub(super) next: u64,
    /// Whether the checksum is right.
    pub(super) is_whole: bool,
}

impl Segment {
    /// Opens or makes a segment and walks its entries; what is torn at its end is cut off if it is the last one.
    pub(super) fn open(path: &Path, number: u32, is_last: bool) -> io::Result<Self> {
        let file = open_for_writing(path)?;
        let on_disk = file.metadata()?.len();
        let mut segment =
            Self { file, path: path.to_owned(), number, length: on_disk, first: 0, last: 0 };
        let (mut at, mut record) = (0, Vec::new());
        while let Some(entry) = segment.read_at(at, &mut record)?.filter(|entry| entry.is_whole) {
            if at == 0 {
                segment.first = entry.position;
            }
            segment.last = entry.position;
            at = entry.next;
        }
        segment.length = at;
        if is_last && at < on_disk {
            segment.file.set_len(at)?;
        }
        Ok(segment)
    }

    /// Whether there is no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds an entry. After an error the segment is as it was.
    pub(super) fn append(&mut self, position: u64, record: &[u8]) -> io::Result<()> {
        let too_long = || io::Error::from(io::ErrorKind::FileTooLarge);
        let length = u32::try_from(record.len()).map_err(|_| too_long())?;
        if length > RECORD_LEN_MAX {
            return Err(too_long());
        }
        let mut entry = Vec::with_capacity(record.len() + 16);
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(&checksum(length, position, record).to_le_bytes());
        entry.extend_from_slice(&position.to_le_bytes());
        entry.extend_from_slice(record);
        if let Err(error) = self.file.write_all_at(&entry, self.length) {
            // Part of it may be there. If cutting fails too, the checksum refuses what is left.
            let _cut = self.file.set_len(self.length);
            return Err(error);
        }
        if self.is_empty() {
            self.first = position;
        }
        self.last = position;
        self.length += HEADER_LEN + u64::from(length);
        Ok(())
    }

    /// Reads the entry that begins at `at`; `None` at the end, and where no entry can be.
    pub(super) fn read_at(&self, at: u64, record: &mut Vec<u8>) -> io::Result<Option<Entry>> {
        record.clear();
        let body = at + HEADER_LEN;
        if body > self.length {
            return Ok(None);
        }
        let (mut length, mut sum, mut position) = ([0; 4], [0; 4], [0; 8]);
        self.file.read_exact_at(&mut length, at)?;
        self.file.read_exact_at(&mut sum, at + 4)?;
        self.file.read_exact_at(&mut position, at + 8)?;
        let (length, position) = (u32::from_le_bytes(length), u64::from_le_bytes(position));
        let next = body + u64::from(length);
        if length > RECORD_LEN_MAX || next > self.length {
            return Ok(None);
        }
        record.resize(usize::try_from(length).unwrap_or(0), 0);
        self.file.read_exact_at(record, body)?;
        let is_whole = checksum(length, position, record) == u32::from_le_bytes(sum);
        Ok(Some(Entry { position, next, is_whole }))
    }

    /// Makes its entries durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Deletes the file.
    pub(super) fn delete(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn checksum(length: u32, position: u64, record: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&length.to_le_bytes());
    digest.update(&position.to_le_bytes());
    digest.update(record);
    digest.finalize()
}
