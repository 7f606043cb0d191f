//! Files that grow, through the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Runs an event query on a file and appends to it, more and more, until the query has seen enough.
fn watched(vql: &str, appended: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "old\n").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_troodon-agent"))
        .args(["query", vql, "--format", "jsonl", "--env"])
        .arg(format!("F={}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut rows = Vec::new();
    // The query says by its first row that it is watching.
    assert_eq!(lines.next().unwrap().unwrap(), r#"{"Ready":1}"#);
    // It begins to watch behind that row, so marks are written until one arrives.
    let writer = std::thread::spawn({
        let path = path.clone();
        let appended: Vec<String> = appended.iter().map(|line| (*line).to_owned()).collect();
        move || {
            for line in appended.iter().cycle() {
                let Ok(mut file) = fs::OpenOptions::new().append(true).open(&path) else { return };
                file.write_all(line.as_bytes()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
    });
    for line in lines {
        rows.push(line.unwrap());
    }
    assert!(child.wait().unwrap().success());
    drop(folder);
    writer.join().unwrap();
    rows
}

#[test]
fn lines_that_are_appended_become_rows() {
    let rows = watched(
        "SELECT * FROM chain(a={ SELECT 1 AS Ready FROM scope() },
                             b={ SELECT Line FROM watch_syslog(filename=F) WHERE NOT Line =~ '^part$' LIMIT 2 })",
        &["half ", "of a line\n"],
    );
    assert!(rows.iter().all(|row| !row.contains("old")), "{rows:?}");
    assert_eq!(rows.last().unwrap(), r#"{"Line":"half of a line"}"#);
}

#[test]
fn objects_that_are_appended_become_rows() {
    let rows = watched(
        "SELECT * FROM chain(a={ SELECT 1 AS Ready FROM scope() },
                             b={ SELECT * FROM watch_jsonl(filename=F) LIMIT 1 })",
        &["no object\n{\"a\":1}\n"],
    );
    assert_eq!(rows, [r#"{"a":1}"#]);
}
