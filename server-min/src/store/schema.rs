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
    include_str!("schema/v13.sql"),
    include_str!("schema/v14.sql"),
    include_str!("schema/v15.sql"),
    include_str!("schema/v16.sql"),
];
/// The version from which on clients are found by an index.
const INDEXED: u32 = 3;

/// Brings the tables to the current version, in one transaction.
///
/// # Errors
/// [`StoreError::TooNew`] when a later program has written this store; it is left alone.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    // A table that others refer to can be made anew only while nobody looks after references.
    connection.pragma_update(None, "foreign_keys", false)?;
    let migrated = step_by_step(connection);
    connection.pragma_update(None, "foreign_keys", true)?;
    migrated
}

fn step_by_step(connection: &mut Connection) -> Result<(), StoreError> {
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
    if found < current && transaction.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err(StoreError::Damaged("a reference"));
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
    use crate::store::identity;

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
    fn collections_of_an_older_store_stay_with_what_they_brought_and_go_with_their_client() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in MIGRATIONS.iter().take(12) {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 12).unwrap();
        let older = "INSERT INTO client (id, public_key, enrolled_us) VALUES ('C.1', x'01', 1), ('C.2', x'02', 1); \
             INSERT INTO flow (number, client, id, creator, artifacts, spec, request, urgent, created_us, rows) \
             VALUES (7, 'C.1', 'F.1', 'ann', '[]', '{}', x'', 0, 5, 9), (8, 'C.2', 'F.2', 'ann', '[]', '{}', x'', 0, 6, 0); \
             INSERT INTO task (client, flow, urgent) VALUES ('C.1', 7, 0); \
             INSERT INTO result_set (number, flow, name, rows) VALUES (3, 7, 'A', 9); \
             INSERT INTO chunk (result_set, start_row, rows, raw_bytes, data) VALUES (3, 0, 9, 0, x'00'); \
             INSERT INTO upload VALUES (7, 0, '', '', '[]', 0, 0, 1, NULL, 0, 0, 0, 0, 0);";
        connection.execute_batch(older).unwrap();
        migrate(&mut connection).unwrap();
        let count = |connection: &Connection, table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        let all = ["flow", "task", "result_set", "chunk", "upload"];
        assert_eq!(all.map(|table| count(&connection, table)), [2, 1, 1, 1, 1]);
        let kept = "SELECT creator, created_us, rows FROM flow WHERE client = 'C.1' AND id = 'F.1'";
        let kept: (String, i64, i64) = connection
            .query_row(kept, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        assert_eq!(kept, ("ann".to_owned(), 5, 9));
        let expires: i64 =
            connection.query_row("SELECT max(expires_us) FROM flow", [], |row| row.get(0)).unwrap();
        assert_eq!(expires, 0, "what waited goes on waiting");
        connection.execute("DELETE FROM client WHERE id = 'C.1'", []).unwrap();
        assert_eq!(all.map(|table| count(&connection, table)), [1, 0, 0, 0, 0]);
        let refused = "INSERT INTO result_set (flow, name) VALUES (7, 'A')";
        assert!(connection.execute(refused, []).is_err(), "references are looked after again");
    }

    #[test]
    fn the_users_of_an_older_store_have_no_identity_and_can_get_one() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in MIGRATIONS.iter().take(13) {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 13).unwrap();
        let sql = "INSERT INTO user (key, name, locked, failures, failed_us, created_us) \
                   VALUES ('ann', 'Ann', 0, 0, 0, 1)";
        connection.execute(sql, []).unwrap();
        migrate(&mut connection).unwrap();
        let ann = "ann".parse().unwrap();
        assert!(identity::of_user(&connection, &ann).unwrap().is_none());
        let given = identity::Pin {
            issuer: "https://id.example".to_owned(),
            subject: "1".to_owned(),
            pinned_us: 2,
        };
        identity::put(&connection, &ann, &given).unwrap();
        let found = identity::of_user(&connection, &ann).unwrap();
        assert_eq!(found.as_ref(), Some(&given));
        // One user, one identity; one identity, one user.
        assert!(identity::put(&connection, &ann, &given).is_err());
        assert!(identity::put(&connection, &"bob".parse().unwrap(), &given).is_err());
    }

    #[test]
    fn the_store_of_a_later_program_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 9999).unwrap();
        assert!(matches!(migrate(&mut connection), Err(StoreError::TooNew { found: 9999, .. })));
        assert_eq!(version(&connection), 9999);
    }
}
