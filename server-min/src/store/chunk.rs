//! Some JSON lines, in the form in which they are kept.

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde::de::IgnoredAny;

use super::StoreError;
use crate::limits;

/// Fast: rows compress well at any level, and every agent's post waits for this.
const LEVEL: u8 = 1;

/// Lines that are known to be JSON objects, each followed by a line feed.
#[derive(Debug, Clone)]
pub struct Chunk {
    rows: u64,
    /// Length before compression.
    raw_bytes: u64,
    compressed: bool,
    data: Bytes,
}

/// What an agent sent is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// Not zlib, or longer than it said.
    #[error("rows do not inflate")]
    Inflate,
    /// A line is not a JSON object in UTF-8.
    #[error("row {0} is not a JSON object")]
    NotAnObject(u64),
    /// More than [`limits::MESSAGE_ROW_BYTES`], [`limits::MESSAGE_ROWS`] or [`limits::ROW_BYTES`].
    #[error("rows are beyond the limit of one message")]
    TooMany,
}

impl Chunk {
    /// Checks lines that came plain, and compresses them where that is worth it.
    ///
    /// # Errors
    /// Any [`RowFault`].
    pub fn from_plain(lines: Bytes) -> Result<Self, RowFault> {
        let rows = count_rows(&lines)?;
        let raw_bytes = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if lines.len() >= limits::COMPRESS_FROM_BYTES {
            let packed = compress_to_vec_zlib(&lines, LEVEL);
            if packed.len() < lines.len() {
                return Ok(Self { rows, raw_bytes, compressed: true, data: packed.into() });
            }
        }
        Ok(Self { rows, raw_bytes, compressed: false, data: lines })
    }

    /// Checks lines that came compressed, and keeps them so.
    ///
    /// # Errors
    /// Any [`RowFault`].
    pub fn from_zlib(packed: Bytes) -> Result<Self, RowFault> {
        let lines = decompress_to_vec_zlib_with_limit(&packed, limits::MESSAGE_ROW_BYTES)
            .map_err(|_| RowFault::Inflate)?;
        let rows = count_rows(&lines)?;
        let raw_bytes = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        Ok(Self { rows, raw_bytes, compressed: true, data: packed })
    }

    pub(super) const fn from_store(rows: u64, raw_bytes: u64, data: Bytes) -> Self {
        Self { rows, raw_bytes, compressed: raw_bytes > 0, data }
    }

    /// How many lines.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes before compression.
    #[must_use]
    pub const fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// What is written to the column `raw_bytes`: 0 for what is not compressed.
    pub(super) const fn stored_raw_bytes(&self) -> u64 {
        if self.compressed { self.raw_bytes } else { 0 }
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The lines.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they do not inflate.
    pub(super) fn lines(self) -> Result<Bytes, StoreError> {
        if !self.compressed {
            return Ok(self.data);
        }
        let lines = decompress_to_vec_zlib_with_limit(&self.data, limits::MESSAGE_ROW_BYTES);
        lines.map(Bytes::from).map_err(|_| StoreError::Damaged("a chunk of rows"))
    }
}

/// Counts lines; each must be a JSON object. The last may lack its line feed.
fn count_rows(lines: &[u8]) -> Result<u64, RowFault> {
    if lines.len() > limits::MESSAGE_ROW_BYTES {
        return Err(RowFault::TooMany);
    }
    let mut rows = 0;
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if rows == limits::MESSAGE_ROWS || line.len() > limits::ROW_BYTES {
            return Err(RowFault::TooMany);
        }
        let object = line.starts_with(b"{")
            && std::str::from_utf8(line)
                .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        if !object {
            return Err(RowFault::NotAnObject(rows));
        }
        rows += 1;
    }
    Ok(rows)
}

/// Cuts lines off a chunk without copying them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Bytes,
}

impl Lines {
    pub(super) const fn new(rest: Bytes) -> Self {
        Self { rest }
    }
}

impl Iterator for Lines {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
            let line = self.rest.split_to(end);
            if !self.rest.is_empty() {
                drop(self.rest.split_to(1));
            }
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_come_back_as_they_were() {
        let text = "{\"a\":1}\n{\"a\":\"\u{e9}\"}\n".repeat(100);
        let chunk = Chunk::from_plain(Bytes::from(text.clone())).unwrap();
        assert_eq!(chunk.rows(), 200);
        assert!(chunk.data().len() < text.len());
        assert_eq!(chunk.lines().unwrap(), text.as_bytes());
    }

    #[test]
    fn lines_that_are_no_json_objects_are_refused() {
        for (text, row) in [("[1]\n", 0), ("{\"a\":1}\nx\n", 1), ("{\n}\n", 0), ("{}{}\n", 0)] {
            let fault = Chunk::from_plain(Bytes::from_static(text.as_bytes())).unwrap_err();
            assert_eq!(fault, RowFault::NotAnObject(row), "{text:?}");
        }
        let fault = Chunk::from_plain(Bytes::from_static(b"{\"a\":\"\xff\"}\n")).unwrap_err();
        assert_eq!(fault, RowFault::NotAnObject(0));
    }

    #[test]
    fn what_inflates_beyond_the_limit_is_refused() {
        let bomb = compress_to_vec_zlib(&vec![b' '; limits::MESSAGE_ROW_BYTES + 1], 6);
        assert!(bomb.len() < 100_000);
        assert_eq!(Chunk::from_zlib(bomb.into()).unwrap_err(), RowFault::Inflate);
    }

    #[test]
    fn lines_are_cut_at_line_feeds() {
        let lines = Lines::new(Bytes::from_static(b"{}\n\n{\"a\":1}"));
        assert_eq!(lines.collect::<Vec<_>>(), ["{}", "{\"a\":1}"]);
    }
}
