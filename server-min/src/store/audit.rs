//! The audit log: records are added, in the transaction of what they tell about, and never changed.

mod archive;
mod head;
mod verify;

use rusqlite::{Connection, OptionalExtension, Row, params};

use serde_json::Value;

use super::chunk::Chunk;
use super::{Store, StoreError, server_event, signed, unsigned};
use crate::limits;
use crate::model::audit::{Link, Record, START, link};

pub use archive::{ArchiveError, Span, verify_archive};
pub use verify::{AuditState, Fault};

/// The event artifact as which queries see records.
pub const QUEUE: &str = "Server.Audit.Logs";

/// The operation of the record that tells of an archive.
pub const ROTATED: &str = "audit_rotate";

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
    let hash = link(&before, &record.sealed(number, &details));
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
    tell(db, number, record)
}

/// Lets queries see a record as an event of the server, and follow those that come. The chain is the truth: what they
/// see is a copy.
fn tell(db: &Connection, number: u64, record: &Record) -> Result<(), StoreError> {
    let chunk = |row: Value| Chunk::from_plain(format!("{row}\n").into());
    let short = || Record { details: Value::Null, ..record.clone() };
    let chunk = chunk(record.row(number)).or_else(|_| chunk(short().row(number)));
    let chunk = chunk.map_err(|_| StoreError::Damaged("an audit record"))?;
    server_event::insert(db, &QUEUE.parse()?, &chunk, server_event::Kind::Rows)
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
}

/// Which records somebody looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    /// Only those before this number.
    pub before: Option<u64>,
    /// Only this principal's; empty: everybody's.
    pub principal: String,
    /// Only this operation; empty: all.
    pub operation: String,
    /// Only what was refused.
    pub only_refused: bool,
}

impl Store {
    /// At most `limit` (and [`limits::PAGE`]) records that fit, the latest first, each with its number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn search_audit(
        &self,
        sought: &Sought,
        limit: usize,
    ) -> Result<Vec<(u64, Record)>, StoreError> {
        self.read(|db| {
            let sql = "SELECT number, time_us, org, principal, operation, allowed, details, hash \
                       FROM audit WHERE number < ?1 AND (?2 = '' OR principal = ?2 COLLATE NOCASE) \
                       AND (?3 = '' OR operation = ?3 COLLATE NOCASE) AND NOT (?4 AND allowed) \
                       ORDER BY number DESC LIMIT ?5";
            let before = signed(sought.before.unwrap_or(u64::MAX));
            let limit = i64::try_from(limit.min(limits::PAGE)).unwrap_or(i64::MAX);
            let Sought { principal, operation, only_refused, .. } = sought;
            let mut query = db.prepare_cached(sql)?;
            let found = params![before, principal, operation, only_refused, limit];
            let rows = query.query_and_then(found, |row| {
                from_row(row).map(|(number, record, _, _)| (number, record))
            })?;
            rows.collect()
        })
    }
}

/// The end of what was moved to archives, which the first record here continues.
fn base(db: &Connection) -> Result<(u64, Link), StoreError> {
    let sql = "SELECT number, hash FROM audit_base";
    let found = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map_or((0, START), |(number, hash): (i64, Link)| (unsigned(number), hash)))
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
    use rusqlite::types::Value as Sql;
    use serde_json::json;
    use std::sync::OnceLock;
    use troodon_core::rsa::PrivateKey;
    use troodon_core::rsa::aws::AwsKey;

    fn key() -> &'static AwsKey {
        static KEY: OnceLock<AwsKey> = OnceLock::new();
        KEY.get_or_init(|| AwsKey::generate().unwrap())
    }

    fn record(time_us: u64) -> Record {
        Record {
            time_us,
            org: OrgId::root(),
            principal: "ann".into(),
            operation: "user_grant".into(),
            allowed: true,
            details: json!({"n": time_us}),
        }
    }

    fn log(records: u64) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.write(move |db| (1..=records).try_for_each(|n| append(db, &record(n)))).unwrap();
        (folder, store)
    }

    #[test]
    fn records_are_found_by_who_and_what_latest_first() {
        let (_folder, store) = log(5);
        let odd = Record { principal: "Bob".into(), allowed: false, ..record(9) };
        store.audit(odd).unwrap();
        let numbers = |sought: Sought| -> Vec<u64> {
            store.search_audit(&sought, 3).unwrap().into_iter().map(|(number, _)| number).collect()
        };
        assert_eq!(numbers(Sought::default()), [6, 5, 4]);
        assert_eq!(numbers(Sought { before: Some(3), ..Sought::default() }), [2, 1]);
        assert_eq!(numbers(Sought { principal: "bob".into(), ..Sought::default() }), [6]);
        assert_eq!(numbers(Sought { only_refused: true, ..Sought::default() }), [6]);
        assert_eq!(numbers(Sought { operation: "Login".into(), ..Sought::default() }), [0; 0]);
    }

    fn checked(store: &Store) -> AuditState {
        store.verify_audit(None, Some(key().public())).unwrap()
    }

    fn head_of(store: &Store) -> (u64, Link) {
        match checked(store) {
            AuditState::Whole { last, head, .. } => (last, head),
            broken => panic!("{broken:?}"),
        }
    }

    /// What somebody with access to the file can do.
    fn tamper(store: &Store, sql: &'static str) {
        let drop = "DROP TRIGGER IF EXISTS audit_keeps; DROP TRIGGER IF EXISTS audit_stays;";
        store.write(move |db| Ok(db.execute_batch(&format!("{drop}{sql}"))?)).unwrap();
    }

    #[test]
    fn a_log_that_nobody_touched_is_whole() {
        let (_folder, store) = log(3);
        let (last, head) = head_of(&store);
        assert_eq!(last, 3);
        let again = store.verify_audit(Some((3, head)), None).unwrap();
        assert!(matches!(again, AuditState::Whole { .. }));
        assert_eq!(store.audit_records(1, 9).unwrap().len(), 2);
    }

    #[test]
    fn every_way_to_change_a_record_is_found() {
        for (sql, number, why) in [
            ("UPDATE audit SET principal = 'bob' WHERE number = 2", 2, Fault::Hash),
            ("UPDATE audit SET time_us = 7 WHERE number = 2", 2, Fault::Hash),
            ("UPDATE audit SET allowed = 0 WHERE number = 2", 2, Fault::Hash),
            ("UPDATE audit SET allowed = 3 WHERE number = 2", 2, Fault::Hash),
            ("UPDATE audit SET details = '{\"n\":9}' WHERE number = 2", 2, Fault::Hash),
            ("UPDATE audit SET details = '{\"n\": 2}' WHERE number = 2", 2, Fault::Hash),
            ("UPDATE audit SET hash = zeroblob(32) WHERE number = 2", 2, Fault::Hash),
            ("UPDATE audit SET hash = zeroblob(3) WHERE number = 2", 2, Fault::Hash),
            ("UPDATE audit SET org = 'OA' WHERE number = 3", 3, Fault::Hash),
            ("DELETE FROM audit WHERE number = 2", 2, Fault::Number),
            ("DELETE FROM audit WHERE number = 1", 1, Fault::Number),
            ("UPDATE audit SET number = 9 WHERE number = 3", 3, Fault::Number),
            (
                "UPDATE audit SET number = 9 WHERE number = 3; UPDATE audit SET number = 3 \
                 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 9",
                2,
                Fault::Hash,
            ),
        ] {
            let (_folder, store) = log(3);
            tamper(&store, sql);
            assert_eq!(checked(&store), AuditState::Broken { number, why }, "{sql}");
        }
    }

    #[test]
    fn a_log_that_was_cut_off_is_found_with_a_link_that_was_noted() {
        let (_folder, store) = log(3);
        let head = head_of(&store);
        tamper(&store, "DELETE FROM audit WHERE number = 3");
        assert!(matches!(checked(&store), AuditState::Whole { .. }));
        let found = store.verify_audit(Some(head), None).unwrap();
        assert_eq!(found, AuditState::Broken { number: 3, why: Fault::Noted });
    }

    #[test]
    fn a_log_that_was_cut_off_or_written_again_does_not_fit_what_the_server_signed() {
        let (_folder, store) = log(3);
        store.sign_audit(key()).unwrap();
        store.sign_audit(key()).unwrap();
        assert!(matches!(checked(&store), AuditState::Whole { signed: 3, .. }));
        tamper(&store, "DELETE FROM audit WHERE number = 3");
        assert_eq!(checked(&store), AuditState::Broken { number: 3, why: Fault::Signed });
        // The whole chain made anew, as the program itself would.
        tamper(&store, "DELETE FROM audit");
        store.write(|db| (7..=9).try_for_each(|n| append(db, &record(n)))).unwrap();
        assert_eq!(checked(&store), AuditState::Broken { number: 3, why: Fault::Signed });
        // With a head for it: the key is what is missing.
        let other = AwsKey::generate().unwrap();
        tamper(&store, "UPDATE audit_head SET hash = (SELECT hash FROM audit WHERE number = 3)");
        assert_eq!(checked(&store), AuditState::Broken { number: 3, why: Fault::Signed });
        tamper(&store, "DELETE FROM audit_head");
        store.sign_audit(&other).unwrap();
        assert!(matches!(checked(&store), AuditState::Whole { signed: 0, .. }));
    }

    #[test]
    fn the_store_itself_changes_no_record() {
        let (_folder, store) = log(1);
        for sql in ["UPDATE audit SET principal = 'bob'", "DELETE FROM audit"] {
            let done = store.write(move |db| Ok(db.execute(sql, [])?));
            assert!(done.unwrap_err().to_string().contains("only grows"), "{sql}");
        }
    }

    fn rotated(store: &Store, before_us: u64) -> (Vec<u8>, (u64, Link)) {
        let mut archive = Vec::new();
        let end = store.archive_audit(before_us, &mut archive).unwrap().unwrap();
        let (number, hash) = end;
        let details = json!({"through": number, "hash": hex::encode(hash)});
        let told = Record { operation: ROTATED.into(), details, ..record(100) };
        store.rotate_audit(end, told).unwrap();
        (archive, end)
    }

    #[test]
    fn archives_and_what_stays_are_one_chain() {
        let (_folder, store) = log(9);
        store.sign_audit(key()).unwrap();
        let (first, end) = rotated(&store, 4);
        assert_eq!(end.0, 3);
        let (second, later) = rotated(&store, 8);
        assert_eq!(later.0, 7);
        assert!(matches!(checked(&store), AuditState::Whole { first: 8, last: 11, signed: 9, .. }));
        assert_eq!(verify_archive(&*first, None).unwrap().end, end);
        assert_eq!(verify_archive(&*second, Some(end)).unwrap().end, later);
        assert!(matches!(verify_archive(&*second, None), Err(ArchiveError::Gap { .. })));
        assert!(matches!(verify_archive(&*first, Some(later)), Err(ArchiveError::Gap { .. })));
        let text = String::from_utf8(second).unwrap();
        for changed in [
            text.replace("user_grant", "user_lock"),
            text.lines()
                .enumerate()
                .filter(|(n, _)| *n != 2)
                .map(|(_, l)| format!("{l}\n"))
                .collect(),
        ] {
            let found = verify_archive(changed.as_bytes(), Some(end));
            assert!(matches!(found, Err(ArchiveError::Line(2 | 3))), "{found:?}");
        }
        // Nothing was archived that is not there.
        assert!(store.rotate_audit((9, [7; 32]), record(1)).is_err());
    }

    #[test]
    fn records_do_not_vanish_under_the_name_of_an_archive() {
        let (_folder, store) = log(4);
        tamper(
            &store,
            "INSERT INTO audit_base SELECT 1, number, hash FROM audit WHERE number = 2; \
             DELETE FROM audit WHERE number <= 2",
        );
        assert_eq!(checked(&store), AuditState::Broken { number: 2, why: Fault::Base });
    }

    /// In every column of every record, drawn by a generator with a fixed seed.
    #[test]
    fn every_changed_bit_is_found() {
        const POSITIONS: u32 = 10_000;
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let db = Connection::open(super::super::database(folder.path())).unwrap();
        let drop = "DROP TRIGGER audit_keeps; DROP TRIGGER audit_stays; PRAGMA synchronous = off;";
        db.execute_batch(drop).unwrap();
        (1..=24).for_each(|n| append(&db, &record(n * 1_000_003)).unwrap());
        let columns =
            ["number", "time_us", "org", "principal", "operation", "allowed", "details", "hash"];
        let mut seed = 0x5eed_u64;
        let mut draw = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        db.execute_batch("BEGIN").unwrap();
        for _ in 0..POSITIONS {
            let number = draw(24) + 1;
            let column = columns[usize::try_from(draw(8)).unwrap()];
            db.execute_batch("SAVEPOINT one").unwrap();
            let sql = format!("SELECT {column} FROM audit WHERE number = {number}");
            let value: Sql = db.query_row(&sql, [], |row| row.get(0)).unwrap();
            let mut flip = |bytes: &mut [u8]| {
                let bit = draw(bytes.len() as u64 * 8);
                bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
            };
            let (changed, cast) = match value {
                Sql::Integer(value) => {
                    let mut bytes = value.to_be_bytes();
                    flip(&mut bytes);
                    (Sql::Integer(i64::from_be_bytes(bytes)), "?1")
                }
                Sql::Text(text) => {
                    let mut bytes = text.into_bytes();
                    flip(&mut bytes);
                    (Sql::Blob(bytes), "CAST(?1 AS TEXT)")
                }
                Sql::Blob(mut bytes) => {
                    flip(&mut bytes);
                    (Sql::Blob(bytes), "?1")
                }
                other => panic!("{other:?}"),
            };
            let sql =
                format!("UPDATE OR REPLACE audit SET {column} = {cast} WHERE number = {number}");
            db.execute(&sql, [changed]).unwrap();
            let found = verify::verify(&db, None, None).unwrap();
            assert!(matches!(found, AuditState::Broken { .. }), "{column} of {number}");
            db.execute_batch("ROLLBACK TO one; RELEASE one").unwrap();
        }
        assert!(matches!(
            verify::verify(&db, None, None).unwrap(),
            AuditState::Whole { last: 24, .. }
        ));
        println!("{POSITIONS} changed bits");
    }

    /// A copy of the files at every moment of a write is what a crash leaves.
    #[test]
    fn a_crash_at_any_moment_leaves_a_chain_that_is_whole() {
        let (folder, store) = log(1);
        (2..=12).for_each(|n| store.audit(record(n)).unwrap());
        let file = super::super::database(folder.path());
        let wal = std::fs::read(file.with_extension("sqlite-wal")).unwrap();
        let main = std::fs::read(&file).unwrap();
        let mut lengths: Vec<_> = (0..=wal.len()).step_by(509).collect();
        lengths.push(wal.len());
        let mut most = 0;
        for length in lengths {
            let crashed = tempfile::tempdir().unwrap();
            let copy = super::super::database(crashed.path());
            std::fs::write(&copy, &main).unwrap();
            std::fs::write(copy.with_extension("sqlite-wal"), &wal[..length]).unwrap();
            let store = Store::open(crashed.path()).unwrap();
            let AuditState::Whole { last, .. } = checked(&store) else {
                panic!("broken at {length}")
            };
            assert!(last >= most, "{last} of {most} records at {length}");
            most = last;
        }
        assert_eq!(most, 12);
    }

    /// `cargo test --release` prints the figure that docs/benchmarks.md has.
    #[test]
    fn a_million_records_are_verified_in_seconds() {
        let records = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
        let (_folder, store) = log(records);
        let start = std::time::Instant::now();
        assert_eq!(head_of(&store).0, records);
        let took = start.elapsed();
        println!("{records} records verified in {took:?}");
        assert!(took.as_secs() < 5, "{took:?}");
    }
}
