//! The audit log: records are added, in the transaction of what they tell about, and never changed.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, StoreError, signed, unsigned};
use crate::limits;
use crate::model::audit::{Link, Record, START, link};

/// What [`Store::verify_audit`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditState {
    /// Every record fits the one before.
    Whole {
        /// How many there are.
        records: u64,
        /// The last link; noted elsewhere, it shows later that nothing up to here was changed.
        head: Link,
    },
    /// This record is not what was written, or does not follow the one before.
    Broken {
        /// Its number.
        number: u64,
    },
}

/// Adds a record, within the transaction of `db`.
///
/// # Errors
/// The store cannot be written; then what the record tells about must not happen either.
pub(crate) fn append(db: &Connection, record: &Record) -> Result<(), StoreError> {
    let sql = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1";
    let last = db.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)));
    let (number, before): (i64, Link) = last.optional()?.unwrap_or((0, START));
    let number = unsigned(number).saturating_add(1);
    let details = record.details.to_string();
    let hash = link(&before, number, record, &details);
    let sql = "INSERT INTO audit (number, time_us, org, principal, operation, allowed, details, hash) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    db.prepare_cached(sql)?.execute(params![
        signed(number),
        signed(record.time_us),
        record.org.as_str(),
        record.principal,
        record.operation,
        record.allowed,
        details,
        hash,
    ])?;
    Ok(())
}

impl Store {
    /// Adds a record and waits until it is durable.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn audit(&self, record: Record) -> Result<(), StoreError> {
        self.write(move |db| append(db, &record))
    }

    /// At most `limit` (and [`limits::PAGE`]) records behind number `after`, in their order, each with its number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn audit_records(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Record)>, StoreError> {
        self.read(|db| {
            let sql = "SELECT number, time_us, org, principal, operation, allowed, details, hash \
                       FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2";
            let limit = i64::try_from(limit.min(limits::PAGE)).unwrap_or(i64::MAX);
            let mut query = db.prepare_cached(sql)?;
            let rows = query.query_and_then(params![signed(after), limit], |row| {
                from_row(row).map(|(number, record, _, _)| (number, record))
            })?;
            rows.collect()
        })
    }

    /// Checks every record against the one before it.
    ///
    /// `noted` is a number and the link that it had: a log that was cut off or written again does not have it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn verify_audit(&self, noted: Option<(u64, Link)>) -> Result<AuditState, StoreError> {
        self.read(|db| {
            let sql = "SELECT number, time_us, org, principal, operation, allowed, details, hash \
                       FROM audit ORDER BY number";
            let mut query = db.prepare(sql)?;
            let mut rows = query.query([])?;
            let (mut records, mut head) = (0_u64, START);
            while let Some(row) = rows.next()? {
                let expected = records.saturating_add(1);
                let Ok((number, record, details, hash)) = from_row(row) else {
                    return Ok(AuditState::Broken { number: expected });
                };
                let fits = number == expected && hash == link(&head, number, &record, &details);
                let is_noted = noted.is_none_or(|(at, link)| at != number || link == hash);
                if !fits || !is_noted {
                    return Ok(AuditState::Broken { number: expected });
                }
                (records, head) = (expected, hash);
            }
            match noted {
                Some((at, _)) if at > records => {
                    Ok(AuditState::Broken { number: records.saturating_add(1) })
                }
                _ => Ok(AuditState::Whole { records, head }),
            }
        })
    }
}

fn from_row(row: &Row<'_>) -> Result<(u64, Record, String, Link), StoreError> {
    let damaged = |_| StoreError::Damaged("an audit record");
    let details: String = row.get(6)?;
    let record = Record {
        time_us: unsigned(row.get(1)?),
        org: row.get::<_, String>(2)?.parse().map_err(damaged)?,
        principal: row.get(3)?,
        operation: row.get(4)?,
        allowed: row.get(5)?,
        details: serde_json::from_str(&details)?,
    };
    Ok((unsigned(row.get(0)?), record, details, row.get(7)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::OrgId;
    use serde_json::json;

    fn log(records: u64) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for time_us in 1..=records {
            let record = Record {
                time_us,
                org: OrgId::root(),
                principal: "ann".into(),
                operation: "user_grant".into(),
                allowed: true,
                details: json!({"n": time_us}),
            };
            store.audit(record).unwrap();
        }
        (folder, store)
    }

    /// What somebody with access to the file can do.
    fn tamper(store: &Store, sql: &'static str) {
        let drop = "DROP TRIGGER audit_keeps; DROP TRIGGER audit_stays;";
        store.write(move |db| Ok(db.execute_batch(&format!("{drop}{sql}"))?)).unwrap();
    }

    #[test]
    fn a_log_that_nobody_touched_is_whole() {
        let (_folder, store) = log(3);
        let AuditState::Whole { records: 3, head } = store.verify_audit(None).unwrap() else {
            panic!("broken");
        };
        assert!(matches!(store.verify_audit(Some((3, head))).unwrap(), AuditState::Whole { .. }));
        assert_eq!(store.audit_records(1, 9).unwrap().len(), 2);
    }

    #[test]
    fn every_way_to_change_a_record_is_found() {
        for (sql, number) in [
            ("UPDATE audit SET principal = 'bob' WHERE number = 2", 2),
            ("UPDATE audit SET time_us = 7 WHERE number = 2", 2),
            ("UPDATE audit SET allowed = 0 WHERE number = 2", 2),
            ("UPDATE audit SET details = '{\"n\":9}' WHERE number = 2", 2),
            ("UPDATE audit SET details = '{\"n\": 2}' WHERE number = 2", 2),
            ("UPDATE audit SET hash = zeroblob(32) WHERE number = 2", 2),
            ("UPDATE audit SET hash = zeroblob(3) WHERE number = 2", 2),
            ("UPDATE audit SET org = 'OA' WHERE number = 3", 3),
            ("DELETE FROM audit WHERE number = 2", 2),
            ("DELETE FROM audit WHERE number = 1", 1),
            ("UPDATE audit SET number = 9 WHERE number = 3", 3),
        ] {
            let (_folder, store) = log(3);
            tamper(&store, sql);
            assert_eq!(store.verify_audit(None).unwrap(), AuditState::Broken { number }, "{sql}");
        }
    }

    #[test]
    fn a_log_that_was_cut_off_is_found_with_a_link_that_was_noted() {
        let (_folder, store) = log(3);
        let AuditState::Whole { head, .. } = store.verify_audit(None).unwrap() else {
            panic!("broken");
        };
        tamper(&store, "DELETE FROM audit WHERE number = 3");
        assert!(matches!(store.verify_audit(None).unwrap(), AuditState::Whole { .. }));
        let found = store.verify_audit(Some((3, head))).unwrap();
        assert_eq!(found, AuditState::Broken { number: 3 });
    }

    #[test]
    fn the_store_itself_changes_no_record() {
        let (_folder, store) = log(1);
        for sql in ["UPDATE audit SET principal = 'bob'", "DELETE FROM audit"] {
            let done = store.write(move |db| Ok(db.execute(sql, [])?));
            assert!(done.unwrap_err().to_string().contains("only grows"), "{sql}");
        }
    }
}
