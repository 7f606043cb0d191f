//! Files that queries make, through the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// The rows of a query and what it logged.
fn query(vql: &str, env: &[(&str, &Path)]) -> (Vec<Value>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_troodon-agent"));
    command.args(["query", vql, "--format", "json"]);
    for (name, value) in env {
        command.arg("--env").arg(format!("{name}={}", value.display()));
    }
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{vql}: {log}");
    (serde_json::from_slice(&output.stdout).unwrap_or_default(), log)
}

#[test]
fn temporary_files_are_private_and_go_with_the_query() {
    let (rows, log) = query(
        "LET T <= tempfile(data=('a', 'b'), extension='.sh', permissions='x')
         LET D <= tempdir()
         SELECT T, D, read_file(filename=T) AS Data, stat(filename=T).Mode AS Mode,
                stat(filename=D).Mode AS DirMode FROM scope()",
        &[],
    );
    let row = &rows[0];
    assert_eq!(row["Data"], "ab", "{log}");
    assert_eq!(row["Mode"], "-rwx------");
    assert_eq!(row["DirMode"], "drwx------");
    let file = row["T"].as_str().unwrap();
    assert!(file.ends_with(".sh"), "{file}");
    assert!(!Path::new(file).exists());
    assert!(!Path::new(row["D"].as_str().unwrap()).exists());
}

#[test]
fn an_extension_cannot_lead_elsewhere() {
    let (rows, log) = query("SELECT tempfile(extension='/../x') AS T FROM scope()", &[]);
    assert_eq!(rows[0]["T"], Value::Null);
    assert!(log.contains("extension should not contain a slash"), "{log}");
}

#[test]
fn copies_are_made_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, log) = query(
        "SELECT copy(filename='hello', accessor='data', dest=F + '/sub/c', create_directories=TRUE) AS C,
                copy(filename=' you', accessor='data', dest=F + '/sub/c', append=TRUE) AS A,
                read_file(filename=F + '/sub/c') AS Data,
                copy(filename=F + '/absent', dest=F + '/d') AS Missing,
                rm(filename=F + '/sub/c') AS R, rm(filename=F + '/sub/c') AS Again,
                rm(filename=F + '/sub') AS Folder
         FROM scope()",
        &[("F", folder.path())],
    );
    let path = folder.path().join("sub/c");
    let row = &rows[0];
    assert_eq!(row["C"], path.to_str().unwrap(), "{log}");
    assert_eq!(row["Data"], "hello you");
    assert_eq!(row["Missing"], Value::Null);
    assert!(!folder.path().join("d").exists());
    assert_eq!(
        (&row["R"], &row["Again"], &row["Folder"]),
        (&json!(true), &Value::Null, &json!(true))
    );
    assert!(!folder.path().join("sub").exists());
}

#[test]
fn a_copy_writes_neither_through_links_nor_to_devices() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, folder.path().join("link")).unwrap();
    let (rows, log) = query(
        "SELECT copy(filename='x', accessor='data', dest=F + '/link') AS L,
                copy(filename='x', accessor='data', dest='/dev/null') AS D FROM scope()",
        &[("F", folder.path())],
    );
    assert_eq!((&rows[0]["L"], &rows[0]["D"]), (&Value::Null, &Value::Null));
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    assert!(log.contains("/dev/null: is not a regular file"), "{log}");
}

#[test]
fn rows_are_written_and_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let vql = "SELECT * FROM write_csv(filename=F + '/x.csv', query={
                 SELECT _value AS A, 'x,y' AS B, NULL AS N FROM range(end=2) })";
    let (rows, log) = query(vql, &[("F", folder.path())]);
    assert_eq!(rows.len(), 2, "{log}");
    let path = folder.path().join("x.csv");
    assert_eq!(fs::read_to_string(&path).unwrap(), "A,B,N\n0,\"x,y\",\n1,\"x,y\",\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let vql = "SELECT * FROM write_jsonl(filename=F + '/x.json', append=TRUE, query={
                 SELECT _value AS A FROM range(end=1) })";
    query(vql, &[("F", folder.path())]);
    query(vql, &[("F", folder.path())]);
    let lines = fs::read_to_string(folder.path().join("x.json")).unwrap();
    assert_eq!(lines, "{\"A\":0}\n{\"A\":0}\n");
}

#[test]
fn a_sleep_takes_its_time() {
    let start = std::time::Instant::now();
    let (rows, _) = query("SELECT sleep(ms=120) AS S FROM scope()", &[]);
    assert_eq!(rows[0]["S"], true);
    assert!(start.elapsed().as_millis() >= 120);
}

#[test]
fn names_are_resolved() {
    let vql = "SELECT host(name='127.0.0.1') AS Own, host(name='localhost', type='A') AS Local,
                      host(name='x', server='1.1.1.1') AS Refused FROM scope()";
    let (rows, log) = query(vql, &[]);
    assert_eq!(rows[0]["Own"], json!(["127.0.0.1"]), "{log}");
    assert_eq!(rows[0]["Local"], json!(["127.0.0.1"]), "{log}");
    assert_eq!(rows[0]["Refused"], Value::Null);
}
