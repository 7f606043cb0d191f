//! Checks the audit log record by record, as it is on disk.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde_json::Value;
use troodon_core::rsa::PublicKey;

use super::{ROTATED, base, head};
use crate::model::audit::{Link, Sealed, link};
use crate::store::{Store, StoreError};

/// What [`Store::verify_audit`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditState {
    /// Every record fits the one before.
    Whole {
        /// Records before this one are in archives.
        first: u64,
        /// The number of the last record; 0 when there is none.
        last: u64,
        /// The last link; noted elsewhere, it shows later that nothing up to here was changed.
        head: Link,
        /// The last record that this server has signed for; 0 for none.
        signed: u64,
    },
    /// This record is not what was written, or does not follow the one before.
    Broken {
        /// Its number.
        number: u64,
        /// How that is known.
        why: Fault,
    },
}

/// How it is known that a record is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its hash does not cover what it says and the record before.
    #[error("its hash does not fit")]
    Hash,
    /// Its number is not the next one.
    #[error("it is missing")]
    Number,
    /// A head that was noted elsewhere has another hash.
    #[error("it is not the record of the head that was noted")]
    Noted,
    /// A head with the server's signature has another hash, or the signature is wrong.
    #[error("it is not the record that the server has signed for")]
    Signed,
    /// The log does not begin where it says that an archive ended.
    #[error("no record says that what was before was moved to an archive")]
    Base,
}

impl Store {
    /// Checks every record against the one before it, and heads against records.
    ///
    /// `noted` is a number and the link that it had: a log that was cut off or written again does not have it. `key` is
    /// the server's: heads that it signed have to fit, and their signatures have to be right.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn verify_audit(
        &self,
        noted: Option<(u64, Link)>,
        key: Option<&PublicKey>,
    ) -> Result<AuditState, StoreError> {
        self.read(|db| verify(db, noted, key))
    }
}

/// [`Store::verify_audit`] on a connection.
pub(super) fn verify(
    db: &Connection,
    noted: Option<(u64, Link)>,
    key: Option<&PublicKey>,
) -> Result<AuditState, StoreError> {
    let broken = |number, why| Ok(AuditState::Broken { number, why });
    let (base, before) = base(db)?;
    let mut expected: BTreeMap<u64, (Link, Fault)> = BTreeMap::new();
    if let Some(key) = key {
        for (number, signed) in head::signed(db, key)? {
            match signed {
                Some(link) => drop(expected.insert(number, (link, Fault::Signed))),
                None => return broken(number, Fault::Signed),
            }
        }
    }
    let signed = expected.last_key_value().map_or(0, |(number, _)| *number);
    if let Some((number, link)) = noted {
        expected.insert(number, (link, Fault::Noted));
    }
    // Records in an archive are checked with the archive, except for its last one.
    expected.retain(|number, _| *number >= base.max(1));
    if let Some((link, why)) = expected.remove(&base)
        && link != before
    {
        return broken(base, why);
    }
    let sql = "SELECT number, time_us, org, principal, operation, allowed, details, hash \
               FROM audit ORDER BY number";
    let mut query = db.prepare(sql)?;
    let mut rows = query.query([])?;
    let (mut last, mut hash, mut is_told) = (base, before, base == 0);
    while let Some(row) = rows.next()? {
        let number = last.saturating_add(1);
        let Some((record, kept)) = sealed(row) else { return broken(number, Fault::Hash) };
        if record.number != number {
            return broken(number, Fault::Number);
        }
        if link(&hash, &record) != kept {
            return broken(number, Fault::Hash);
        }
        if let Some((link, why)) = expected.remove(&number)
            && link != kept
        {
            return broken(number, why);
        }
        is_told |= record.operation == ROTATED && tells(record.details, base, &before);
        (last, hash) = (number, kept);
    }
    if !is_told {
        return broken(base, Fault::Base);
    }
    match expected.pop_first() {
        // The log is shorter than it was.
        Some((_, (_, why))) => broken(last.saturating_add(1), why),
        None => Ok(AuditState::Whole { first: base.saturating_add(1), last, head: hash, signed }),
    }
}

/// A row, when each column is exactly what is ever written into it.
fn sealed<'a>(row: &'a Row<'_>) -> Option<(Sealed<'a>, Link)> {
    let number = |at: usize| match row.get_ref(at) {
        Ok(ValueRef::Integer(value)) => u64::try_from(value).ok(),
        _ => None,
    };
    let text = |at: usize| match row.get_ref(at) {
        Ok(ValueRef::Text(bytes)) => std::str::from_utf8(bytes).ok(),
        _ => None,
    };
    let allowed = match number(5)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let record = Sealed {
        number: number(0)?,
        time_us: number(1)?,
        org: text(2)?,
        principal: text(3)?,
        operation: text(4)?,
        allowed,
        details: text(6)?,
    };
    let Ok(ValueRef::Blob(hash)) = row.get_ref(7) else { return None };
    Some((record, hash.try_into().ok()?))
}

/// Whether the record of a rotation is about this end of an archive.
fn tells(details: &str, number: u64, hash: &Link) -> bool {
    let Ok(details) = serde_json::from_str::<Value>(details) else { return false };
    details["through"] == number && details["hash"] == hex::encode(hash)
}
