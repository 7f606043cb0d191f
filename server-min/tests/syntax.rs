//! Mistakes in queries are shown at their place, whichever command meets them; queries can be laid out anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::{Command, Output};

fn troodon(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_troodon")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What a command that must fail says.
fn refusal(arguments: &[&str]) -> String {
    let done = troodon(arguments);
    assert!(!done.status.success(), "{arguments:?} works");
    assert!(done.stdout.is_empty(), "{arguments:?} prints something");
    text(&done.stderr).to_owned()
}

#[test]
fn a_mistake_in_a_query_is_shown_before_anything_is_opened() {
    let query = "SELECT 'é',\n  7 + FROM x";
    let said = "troodon: line 2, column 7: expected an expression, found FROM\n    7 + FROM x\n        ^\n";
    assert_eq!(refusal(&["query", query]), said);
    assert_eq!(refusal(&["query", "--reformat", query]), said);
    let cut = refusal(&["query", "SELECT 1 FROM\n\n-- nothing"]);
    assert_eq!(
        cut,
        "troodon: line 1, column 14: expected a name, found the end\n  SELECT 1 FROM\n               ^\n"
    );
}

#[test]
fn a_mistake_in_an_artifact_is_shown_at_its_place_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    let yaml = "name: A\nsources:\n- query: |\n    SELECT 1 AS One\n    FROM scope( WHERE\n";
    std::fs::write(&file, yaml).unwrap();
    let path = file.to_str().unwrap();
    let said = refusal(&["artifacts", "verify", path]);
    let wanted = format!(
        "{path}:5:17: query: expected a name, found WHERE\n  FROM scope( WHERE\n              ^\ntroodon: 1 of 1 definitions are wrong\n"
    );
    assert_eq!(said, wanted);
    // YAML joins the lines of a folded text, so the column is only in the excerpt.
    std::fs::write(&file, yaml.replace('|', ">")).unwrap();
    let said = refusal(&["artifacts", "verify", path]);
    assert!(said.contains(":0: query: expected a name"), "{said}");
    assert!(said.contains("\n  SELECT 1 AS One FROM scope( WHERE\n"), "{said}");
}

#[test]
fn a_query_is_laid_out_without_a_configuration() {
    let done = troodon(&["query", "--reformat", "let x= 1 // one\nselect x from scope( )"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout), "LET x = 1 // one\nSELECT x FROM scope()\n");
}
