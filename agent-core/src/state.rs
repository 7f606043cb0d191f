//! What lasts beside the queue: identity, pinned server, monitoring table and loss counts, each a blob of [`Storage`].
//!
//! A blob is a version byte, the value in postcard, and a CRC-32 over both. A blob that fails any of the three is refused
//! with the blob named, and the caller recovers in the way that is safe for it: without the server certificate the agent
//! fetches it again, without the table it runs no monitoring until the server sends one, and an identity is never replaced
//! silently, because a fresh one is a different client to the server.

use crate::storage::{Blob, Storage, StorageFault};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use crc::{CRC_32_ISO_HDLC, Crc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A value that lasts: where it is kept, and the version of its layout.
pub trait Lasting: Serialize + DeserializeOwned {
    /// The blob that holds it.
    const BLOB: Blob;
    /// Raised whenever the fields change; older ones are refused, not guessed at.
    const VERSION: u8;
}

/// The private key, which is the client's identity. Its `Debug` shows nothing; wiped on drop.
#[derive(Serialize, Deserialize)]
pub struct StoredIdentity {
    /// PKCS#1 PEM.
    pub private_key_pem: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for StoredIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredIdentity(..)")
    }
}

impl Lasting for StoredIdentity {
    const BLOB: Blob = Blob::Identity;
    const VERSION: u8 = 1;
}

/// The server that was pinned last, so that a change of its key can be told.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct StoredServer {
    /// server.pem as it was fetched.
    pub pem: Vec<u8>,
}

impl Lasting for StoredServer {
    const BLOB: Blob = Blob::Server;
    const VERSION: u8 = 1;
}

/// The monitoring table that the server sent last: it runs from boot, before the server is reached (docs/protocol.md
/// section 7.3).
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct StoredTable {
    /// Its version, nanoseconds since 1970 on the server's clock.
    pub version: u64,
    /// A serialised `VQLEventTable`.
    pub table: Vec<u8>,
}

impl Lasting for StoredTable {
    const BLOB: Blob = Blob::EventTable;
    const VERSION: u8 = 1;
}

/// Monitoring rows that were lost and are to be reported, by artifact.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct StoredLosses {
    /// Rows, by the name under which they would have been sent.
    pub rows: Vec<(String, u64)>,
}

impl Lasting for StoredLosses {
    const BLOB: Blob = Blob::Losses;
    const VERSION: u8 = 1;
}

/// The value as it is stored: version, postcard, checksum.
#[must_use]
pub fn emit<T: Lasting>(value: &T) -> Zeroizing<Vec<u8>> {
    let bytes = postcard::to_allocvec_crc32(&(T::VERSION, value), CHECKSUM.digest());
    // Postcard fails only on sequences of unknown length and on a full buffer; the types above have neither.
    Zeroizing::new(bytes.unwrap_or_default())
}

/// Reads what [`emit`] wrote.
///
/// # Errors
///
/// [`StateFault::Version`] when the layout is another one, [`StateFault::Corrupt`] when the checksum or the content is wrong.
pub fn parse<T: Lasting>(bytes: &[u8]) -> Result<T, StateFault> {
    match bytes.first() {
        Some(&found) if found == T::VERSION => {}
        Some(&found) => return Err(StateFault::Version { blob: T::BLOB, found }),
        None => return Err(StateFault::Corrupt(T::BLOB)),
    }
    let (_, value) = postcard::from_bytes_crc32::<(u8, T)>(bytes, CHECKSUM.digest())
        .map_err(|_| StateFault::Corrupt(T::BLOB))?;
    Ok(value)
}

/// Loads a value; `None` when it was never stored.
///
/// # Errors
///
/// Those of [`parse`], and [`StateFault::Storage`].
pub fn load<T: Lasting>(storage: &mut impl Storage) -> Result<Option<T>, StateFault> {
    let bytes = storage.load(T::BLOB).map_err(StateFault::Storage)?;
    bytes.map(|bytes| parse(&Zeroizing::new(bytes))).transpose()
}

/// Stores a value. Durable after the next [`Storage::sync`].
///
/// # Errors
///
/// Those of [`Storage::store`]; the old value stays then.
pub fn store<T: Lasting>(storage: &mut impl Storage, value: &T) -> Result<(), StorageFault> {
    storage.store(T::BLOB, &emit(value))
}

/// Why a stored value cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StateFault {
    /// The checksum or the content is wrong.
    Corrupt(Blob),
    /// The medium failed.
    Storage(StorageFault),
    /// Written by a program with another layout.
    Version {
        /// Which value.
        blob: Blob,
        /// The version byte in it.
        found: u8,
    },
}

impl fmt::Display for StateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(blob) => write!(f, "the stored {} is corrupt", blob.name()),
            Self::Storage(fault) => fault.fmt(f),
            Self::Version { blob, found } => {
                write!(f, "the stored {} has the unknown version {found}", blob.name())
            }
        }
    }
}

impl core::error::Error for StateFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::memory::MemoryStorage;
    use alloc::format;
    use alloc::vec;

    fn table() -> StoredTable {
        StoredTable { version: 1_700_000_000_000_000_000, table: vec![1, 2, 3] }
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let mut storage = MemoryStorage::new();
        assert_eq!(load::<StoredTable>(&mut storage), Ok(None));
        store(&mut storage, &table()).unwrap();
        assert_eq!(load(&mut storage), Ok(Some(table())));
        let losses = StoredLosses { rows: [("Custom.Temperature".into(), 7)].into() };
        store(&mut storage, &losses).unwrap();
        assert_eq!(load(&mut storage), Ok(Some(losses)));
        assert_eq!(load(&mut storage), Ok(Some(table())));
    }

    #[test]
    fn any_changed_bit_is_refused() {
        let good = emit(&table());
        for bit in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(parse::<StoredTable>(&bad).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(parse::<StoredTable>(&good[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn another_layout_is_named_and_not_guessed_at() {
        let mut other = emit(&table()).to_vec();
        other[0] = 9;
        let fault = parse::<StoredTable>(&other).unwrap_err();
        assert_eq!(fault, StateFault::Version { blob: Blob::EventTable, found: 9 });
        assert_eq!(format!("{fault}"), "the stored event-table has the unknown version 9");
    }

    #[test]
    fn an_identity_does_not_show_its_key() {
        let identity = StoredIdentity { private_key_pem: Zeroizing::new(b"secret".to_vec()) };
        assert_eq!(format!("{identity:?}"), "StoredIdentity(..)");
        assert_eq!(
            parse::<StoredIdentity>(&emit(&identity)).unwrap().private_key_pem.as_slice(),
            b"secret"
        );
    }
}
