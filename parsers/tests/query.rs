//! The parsers through VQL, as queries use them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use troodon_vql::{
    Event, Level, LogSink, Now, Program, Query, Registry, Session, Setup, Text, json, standard,
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl LogSink for Log {
    fn log(&mut self, _: Level, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

/// The rows of a query as JSON, and what it logged.
fn rows(vql: &str, data: &[u8]) -> (Vec<String>, Vec<String>) {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    troodon_parsers::add(&mut registry);
    let log = Log::default();
    let mut setup = Setup::agent(Arc::new(registry));
    setup.log = Box::new(log.clone());
    let mut session = Session::new(setup);
    session.set("Data", Text::from(data));
    let mut query = Query::new(Program::parse(vql).unwrap());
    let mut rows = Vec::new();
    loop {
        match query.step(&mut session, Now::default(), 1_000).unwrap() {
            Event::Row(row) => {
                let mut line = Vec::new();
                json::write_row(&row, &mut line);
                rows.push(String::from_utf8(line).unwrap());
            }
            Event::OutOfFuel => {}
            Event::Pending(_) => panic!("{vql} waits"),
            Event::End => break,
        }
    }
    let log = log.0.lock().unwrap().clone();
    (rows, log)
}

fn database() -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let connection = Connection::open(file.path()).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (id INTEGER, name TEXT, raw BLOB, part REAL);
             INSERT INTO t VALUES (1, 'one', x'00FF', 1.5), (2, NULL, NULL, NULL);",
        )
        .unwrap();
    drop(connection);
    std::fs::read(file.path()).unwrap()
}

fn sql(statement: &str, data: &[u8]) -> (Vec<String>, Vec<String>) {
    let vql = format!(
        "SELECT * FROM sqlite(accessor='data', file=Data, query=\"{statement}\", args=(2,))"
    );
    rows(&vql, data)
}

#[test]
fn rows_of_a_database_have_its_types() {
    let (rows, log) =
        sql("SELECT id, name, length(raw) AS L, part FROM t WHERE id < ?", &database());
    assert_eq!(rows, [r#"{"id":1,"name":"one","L":2,"part":1.5}"#], "{log:?}");
    let (rows, _) = sql("SELECT name AS N FROM t WHERE id = ?", &database());
    assert_eq!(rows, [r#"{"N":null}"#]);
}

#[test]
fn sql_that_does_more_than_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("made");
    let target = target.display();
    for statement in [
        format!("ATTACH DATABASE '{target}' AS other"),
        format!("VACUUM INTO '{target}'"),
        "DELETE FROM t WHERE id = ?".to_owned(),
        "PRAGMA journal_mode=DELETE".to_owned(),
        "CREATE TABLE x (y)".to_owned(),
    ] {
        let (rows, log) = sql(&statement, &database());
        assert!(rows.is_empty() && !log.is_empty(), "{statement}: {rows:?} {log:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn damaged_databases_are_a_message() {
    let whole = database();
    let (rows, log) =
        sql("SELECT id FROM t WHERE id = ?", b"no database at all, but long enough to be one");
    assert_eq!((rows.len(), log.len()), (0, 1), "{log:?}");
    let mut damaged = whole.clone();
    damaged[4096..].fill(0xEE);
    let (rows, log) = sql("SELECT id FROM t WHERE id = ?", &damaged);
    assert_eq!((rows.len(), log.len()), (0, 1), "{log:?}");
    let (rows, log) = sql("SELECT id FROM t WHERE id = ?", &whole[..4096]);
    assert_eq!((rows.len(), log.len()), (0, 1), "{log:?}");
}

#[test]
fn an_endless_query_stops_when_its_rows_are_enough() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT ? UNION ALL SELECT x + 1 FROM n) SELECT x FROM n";
    let vql = format!(
        "SELECT * FROM sqlite(accessor='data', file=Data, query='{endless}', args=(2,)) LIMIT 2"
    );
    assert_eq!(rows(&vql, &database()).0, [r#"{"x":2}"#, r#"{"x":3}"#]);
}

#[test]
fn documents_are_read_through_accessors() {
    let (yaml, _) =
        rows("SELECT parse_yaml(accessor='data', filename=Data).a AS A FROM scope()", b"a: [1, x]");
    assert_eq!(yaml, [r#"{"A":[1,"x"]}"#]);
    let (xml, _) = rows(
        "SELECT parse_xml(accessor='data', file=Data).a.b AS B FROM scope()",
        b"<a><b>1</b></a>",
    );
    assert_eq!(xml, [r#"{"B":"1"}"#]);
    let (xml, log) = rows("SELECT parse_xml(accessor='data', file=Data) AS B FROM scope()", b"<a>");
    assert_eq!(xml, [r#"{"B":null}"#]);
    assert_eq!(log, ["parse_xml: byte 3: unexpected end of file"]);
}
