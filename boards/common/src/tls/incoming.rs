//! What a server sent and nobody has used yet: parts of records.

use alloc::vec::Vec;

use super::TlsFault;
use crate::limits::{RECEIVE_LEN, TLS_INCOMING_LEN_MAX};

/// Bytes before the content of a record; the last two are its length (RFC 8446 section 5.1).
const HEAD_LEN: usize = 5;

/// Takes no more memory than the record in work: none while nothing is there, and a record is not moved while it grows.
#[derive(Debug, Default)]
pub(super) struct Incoming(Vec<u8>);

impl Incoming {
    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// [`TlsFault::Oversized`]: there are more than [`TLS_INCOMING_LEN_MAX`], and still no end of what they belong to.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), TlsFault> {
        let len = self.0.len().saturating_add(bytes.len());
        if len > TLS_INCOMING_LEN_MAX {
            return Err(TlsFault::Oversized);
        }
        // The begin of the next record comes with the end of this one.
        let wanted = match self.0.as_slice() {
            [_, _, _, high, low, ..] => {
                let content = usize::from(u16::from_be_bytes([*high, *low]));
                content.saturating_add(HEAD_LEN + RECEIVE_LEN).min(TLS_INCOMING_LEN_MAX)
            }
            _ => 0,
        };
        self.0.reserve_exact(wanted.max(len).saturating_sub(self.0.len()));
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// Removes what was used, and gives memory back that only a long record needed.
    pub(super) fn remove(&mut self, len: usize) {
        self.0.drain(..len.min(self.0.len()));
        if len > 0 && self.0.len() <= RECEIVE_LEN {
            self.0.shrink_to_fit();
        }
    }

    /// What is there.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::limits::TLS_RECORD_LEN_MAX;

    /// A record with this much content.
    fn record(len: usize) -> Vec<u8> {
        let [high, low] = u16::try_from(len).unwrap().to_be_bytes();
        let mut record = vec![0x17, 3, 3, high, low];
        record.resize(HEAD_LEN + len, 0);
        record
    }

    #[test]
    fn a_long_record_is_moved_once_and_its_memory_given_back() {
        let mut incoming = Incoming::default();
        let record = record(TLS_RECORD_LEN_MAX);
        let mut capacities = Vec::new();
        for portion in record.chunks(RECEIVE_LEN) {
            incoming.add(portion).unwrap();
            capacities.push(incoming.0.capacity());
        }
        capacities.dedup();
        assert_eq!(capacities.len(), 2, "the first portion, then all: {capacities:?}");
        assert!(capacities.iter().all(|capacity| *capacity <= TLS_INCOMING_LEN_MAX));
        assert_eq!(incoming.bytes(), record);
        incoming.remove(record.len());
        assert_eq!(incoming.0.capacity(), 0);
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut incoming = Incoming::default();
        let refused = record(TLS_INCOMING_LEN_MAX)
            .chunks(RECEIVE_LEN)
            .find_map(|portion| incoming.add(portion).err());
        assert_eq!(refused, Some(TlsFault::Oversized));
    }
}
