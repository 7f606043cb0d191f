//! Moves the beginning of the audit log into a file, and checks such files.

use std::io::{BufRead, Write};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::{append, base, from_row};
use crate::model::audit::{Link, Record, START, Sealed, link};
use crate::store::{Store, StoreError, signed};

/// One line of an archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    number: u64,
    time_us: u64,
    org: String,
    principal: String,
    operation: String,
    allowed: bool,
    /// JSON, as its hash covers it.
    details: String,
    hash: String,
}

/// The first and the last link of an archive, each with the number of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What the first record continues.
    pub base: (u64, Link),
    /// The last record.
    pub end: (u64, Link),
}

/// Why a file is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// This line is not what was written.
    #[error("line {0} is missing or was changed after it was written")]
    Line(usize),
    /// It does not continue the one before.
    #[error(
        "it continues record {found}, and not {expected}: an archive is missing, or in another order"
    )]
    Gap {
        /// Where the one before ended.
        expected: u64,
        /// Where this one begins.
        found: u64,
    },
}

impl Store {
    /// Writes all records up to the last one before `before_us` to `output`, in their order; answers the last one.
    /// `None` when there is none that old.
    ///
    /// # Errors
    /// The store cannot be read, or the file not be written.
    pub fn archive_audit(
        &self,
        before_us: u64,
        output: &mut impl Write,
    ) -> Result<Option<(u64, Link)>, StoreError> {
        self.read(|db| {
            let (number, hash) = base(db)?;
            let first = serde_json::json!({"base": number, "hash": hex::encode(hash)});
            writeln!(output, "{first}")?;
            let sql = "SELECT number, time_us, org, principal, operation, allowed, details, hash \
                       FROM audit WHERE number <= \
                       (SELECT max(number) FROM audit WHERE time_us < ?1) ORDER BY number";
            let mut query = db.prepare(sql)?;
            let mut rows = query.query([signed(before_us)])?;
            let mut last = None;
            while let Some(row) = rows.next()? {
                let (number, record, details, hash) = from_row(row)?;
                let line = Line {
                    number,
                    time_us: record.time_us,
                    org: record.org.as_str().to_owned(),
                    principal: record.principal,
                    operation: record.operation,
                    allowed: record.allowed,
                    details,
                    hash: hex::encode(hash),
                };
                writeln!(output, "{}", serde_json::to_string(&line)?)?;
                last = Some((number, hash));
            }
            Ok(last)
        })
    }

    /// Removes what was archived, up to and with the record `end`; `record` tells about it and stays.
    ///
    /// # Errors
    /// The store cannot be written, or `end` is no record of it.
    pub fn rotate_audit(&self, end: (u64, Link), record: Record) -> Result<(), StoreError> {
        self.write(move |db| rotate(db, end, &record))
    }
}

fn rotate(db: &Connection, (number, hash): (u64, Link), record: &Record) -> Result<(), StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM audit WHERE number = ?1 AND hash = ?2)";
    let is_here: bool = db.query_row(sql, params![signed(number), hash], |row| row.get(0))?;
    if !is_here {
        return Err(StoreError::Damaged("an audit record"));
    }
    append(db, record)?;
    let sql = "INSERT INTO audit_base (one, number, hash) VALUES (1, ?1, ?2) \
               ON CONFLICT (one) DO UPDATE SET number = excluded.number, hash = excluded.hash";
    db.execute(sql, params![signed(number), hash])?;
    db.execute("DELETE FROM audit WHERE number <= ?1", [signed(number)])?;
    Ok(())
}

/// Checks the lines of an archive, each against the one before. `before` is the end of the archive before it.
///
/// # Errors
/// See [`ArchiveError`].
pub fn verify_archive(
    input: impl BufRead,
    before: Option<(u64, Link)>,
) -> Result<Span, ArchiveError> {
    let mut lines = input.lines().enumerate();
    let first = lines.next().map(|(_, line)| line).transpose()?.unwrap_or_default();
    let start = begins(&first).ok_or(ArchiveError::Line(1))?;
    let expected = before.unwrap_or((0, START));
    if start != expected {
        return Err(ArchiveError::Gap { expected: expected.0, found: start.0 });
    }
    let mut end = start;
    for (at, line) in lines {
        let broken = || ArchiveError::Line(at.saturating_add(1));
        let line: Line = serde_json::from_str(&line?).map_err(|_| broken())?;
        let record = Sealed {
            number: line.number,
            time_us: line.time_us,
            org: &line.org,
            principal: &line.principal,
            operation: &line.operation,
            allowed: line.allowed,
            details: &line.details,
        };
        let hash = link(&end.1, &record);
        if line.number != end.0.saturating_add(1) || hex::encode(hash) != line.hash {
            return Err(broken());
        }
        end = (line.number, hash);
    }
    Ok(Span { base: start, end })
}

fn begins(line: &str) -> Option<(u64, Link)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let hash = hex::decode(line["hash"].as_str()?).ok()?.try_into().ok()?;
    Some((line["base"].as_u64()?, hash))
}
