//! The log of one lane: its segments in order, and how far they are acknowledged.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use troodon_core::storage::{Lane, Position, StorageFault};

use super::acknowledged::Acknowledged;
use super::fault;
use super::segment::Segment;
use crate::limits::SEGMENT_LEN_MAX;

/// A lane in its files.
#[derive(Debug)]
pub(super) struct LaneLog {
    folder: PathBuf,
    lane: Lane,
    segments: VecDeque<Segment>,
    acknowledged: Acknowledged,
    /// The position of the next record.
    next: u64,
    /// Where the last read ended: readers go on from there.
    cursor: Option<Cursor>,
    is_dirty: bool,
    /// A segment was made or deleted since the last sync.
    is_folder_dirty: bool,
}

#[derive(Clone, Copy, Debug)]
struct Cursor {
    segment: u32,
    at: u64,
    /// Every record at or after this position is at or after the place.
    position: u64,
}

impl LaneLog {
    /// Finds the lane's segments in the folder.
    pub(super) fn open(folder: &Path, lane: Lane) -> io::Result<Self> {
        let acknowledged = Acknowledged::open(&folder.join(format!("{}.ack", lane.name())))?;
        let numbers = segment_numbers(folder, lane)?;
        let mut segments = VecDeque::new();
        for number in &numbers {
            let is_last = numbers.last() == Some(number);
            segments.push_back(Segment::open(
                &segment_path(folder, lane, *number),
                *number,
                is_last,
            )?);
        }
        let newest = segments.iter().rev().find(|segment| !segment.is_empty());
        let after = newest.map_or(0, |segment| segment.last + 1);
        let next = after.max(acknowledged.below);
        let folder = folder.to_owned();
        let (is_dirty, is_folder_dirty) = (false, false);
        Ok(Self {
            folder,
            lane,
            segments,
            acknowledged,
            next,
            cursor: None,
            is_dirty,
            is_folder_dirty,
        })
    }

    /// Adds a record to the end.
    pub(super) fn append(&mut self, record: &[u8]) -> io::Result<Position> {
        if self.segments.back().is_none_or(|segment| segment.length >= SEGMENT_LEN_MAX) {
            self.begin_segment()?;
        }
        let position = self.next;
        if let Some(segment) = self.segments.back_mut() {
            segment.append(position, record)?;
        }
        self.next += 1;
        self.is_dirty = true;
        Ok(Position(position))
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        if let Some(full) = self.segments.back() {
            full.sync()?;
        }
        let number = self.segments.back().map_or(1, |segment| segment.number.wrapping_add(1));
        let path = segment_path(&self.folder, self.lane, number);
        self.segments.push_back(Segment::open(&path, number, true)?);
        self.is_folder_dirty = true;
        Ok(())
    }

    /// Reads the oldest record at or after `from` that is not acknowledged.
    pub(super) fn read(
        &mut self,
        from: Position,
        into: &mut Vec<u8>,
    ) -> Result<Option<Position>, StorageFault> {
        into.clear();
        let from = from.0.max(self.acknowledged.below);
        let start = self.cursor.filter(|cursor| cursor.position <= from);
        for segment in &self.segments {
            if segment.is_empty() || segment.last < from {
                continue;
            }
            let mut at = match start {
                Some(cursor) if cursor.segment == segment.number => cursor.at,
                _ => 0,
            };
            while let Some(entry) = segment.read_at(at, into).map_err(fault)? {
                at = entry.next;
                if entry.position < from {
                    continue;
                }
                let position = entry.position + 1;
                self.cursor = Some(Cursor { segment: segment.number, at, position });
                if !entry.is_whole {
                    into.clear();
                    return Err(StorageFault::Corrupt(Position(entry.position)));
                }
                return Ok(Some(Position(entry.position)));
            }
        }
        into.clear();
        Ok(None)
    }

    /// Forgets records up to `through`, and deletes the segments that are done with.
    pub(super) fn acknowledge(&mut self, through: Position) -> io::Result<()> {
        let below = through.0.saturating_add(1).min(self.next);
        if below <= self.acknowledged.below {
            return Ok(());
        }
        self.acknowledged.advance(below)?;
        self.is_dirty = true;
        while let Some(segment) = self.segments.front() {
            // An acknowledgement may be undone by a power cut, a deletion must not come before it.
            if !segment.is_empty() && segment.last >= below {
                break;
            }
            self.acknowledged.sync()?;
            if let Some(done) = self.segments.pop_front() {
                // The number, and with it the file's name, may be used again.
                self.cursor = self.cursor.filter(|cursor| cursor.segment != done.number);
                done.delete()?;
            }
            self.is_folder_dirty = true;
        }
        Ok(())
    }

    /// Makes everything before it durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.is_dirty {
            if let Some(segment) = self.segments.back() {
                segment.sync()?;
            }
            self.acknowledged.sync()?;
            self.is_dirty = false;
        }
        if self.is_folder_dirty {
            File::open(&self.folder)?.sync_all()?;
            self.is_folder_dirty = false;
        }
        Ok(())
    }
}

fn segment_path(folder: &Path, lane: Lane, number: u32) -> PathBuf {
    folder.join(format!("{}.{number:08}", lane.name()))
}

fn segment_numbers(folder: &Path, lane: Lane) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix(lane.name())?.strip_prefix('.'));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
