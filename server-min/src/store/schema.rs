//! The tables, and how an older store becomes a current one.

use rusqlite::Connection;

use super::{StoreError, search};

/// Each entry brings the schema from the version that is its index to the next. Entries are never edited, only added.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/v1.sql"),
    include_str!("schema/v2.sql"),
    include_str!("schema/v3.sql"),
    include_str!("schema/v4.sql"),
    include_str!("schema/v5.sql"),
    include_str!("schema/v6.sql"),
    include_str!("schema/v7.sql"),
    include_str!("schema/v8.sql"),
    include_str!("schema/v9.sql"),
    include_str!("schema/v10.sql"),
    include_str!("schema/v11.sql"),
    include_str!("schema/v12.sql"),
];
/// The version from which on clients are found by an index.
const INDEXED: u32 = 3;

/// Brings the tables to the current version, in one transaction.
///
/// # Errors
/// [`StoreError::TooNew`] when a later program has written this store; it is left alone.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let current = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > current {
        return Err(StoreError::TooNew { found, current });
    }
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    if found < INDEXED {
        search::index_all(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", current)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> u32 {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn every_older_store_becomes_a_current_one() {
        for start in 0..=MIGRATIONS.len() {
            let mut connection = Connection::open_in_memory().unwrap();
            for step in MIGRATIONS.iter().take(start) {
                connection.execute_batch(step).unwrap();
            }
            connection.pragma_update(None, "user_version", u32::try_from(start).unwrap()).unwrap();
            migrate(&mut connection).unwrap();
            assert_eq!(version(&connection), u32::try_from(MIGRATIONS.len()).unwrap());
            connection.prepare("SELECT id FROM client").unwrap();
        }
    }

    #[test]
    fn the_clients_of_an_older_store_are_found() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in MIGRATIONS.iter().take(2) {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 2).unwrap();
        let sql = "INSERT INTO client (id, public_key, enrolled_us, host, labels) \
                   VALUES ('C.0123456789abcdef', x'01', 1, '{\"hostname\":\"Web\"}', '[\"Lab\"]')";
        connection.execute(sql, []).unwrap();
        migrate(&mut connection).unwrap();
        let sql = "SELECT count(*) FROM client_term WHERE term IN ('host:web', 'label:lab')";
        assert_eq!(connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 2);
    }

    #[test]
    fn the_store_of_a_later_program_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 9999).unwrap();
        assert!(matches!(migrate(&mut connection), Err(StoreError::TooNew { found: 9999, .. })));
        assert_eq!(version(&connection), 9999);
    }
}
