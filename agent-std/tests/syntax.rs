//! Mistakes in queries are shown at their place, whichever command meets them; queries can be laid out anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::{Command, Output};

fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_troodon-agent")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_mistake_in_a_query_is_shown_at_its_place() {
    let query = "SELECT 'é',\n  7 + FROM x";
    let wanted = "troodon-agent: line 2, column 7: expected an expression, found FROM\n    7 + FROM x\n        ^\n";
    for arguments in [&["query", query][..], &["query", "--reformat", query]] {
        let done = agent(arguments);
        assert!(!done.status.success(), "{arguments:?} works");
        assert_eq!(said(&done), wanted, "{arguments:?}");
    }
}

#[test]
fn a_mistake_in_an_artifact_is_shown_in_the_lines_of_its_query() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "name: A.B\nparameters:\n- name: N\n  type: int\nsources:\n- query: |\n    SELECT 1 AS One\n    FROM scope( WHERE\n";
    std::fs::write(folder.path().join("a.yaml"), yaml).unwrap();
    let done =
        agent(&["artifacts", "--definitions", folder.path().to_str().unwrap(), "collect", "A.B"]);
    assert!(!done.status.success());
    assert!(said(&done).contains("line 2, column 13: expected a name, found WHERE\n  FROM scope( WHERE\n              ^\n"), "{}", said(&done));
    assert!(said(&done).starts_with("troodon-agent: A.B: source ``: line 2"), "{}", said(&done));
}

#[test]
fn a_query_is_laid_out_and_not_run() {
    let done = agent(&["query", "--reformat", "let x= 1 // one", "select x from scope( )"]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(done.stdout, b"LET x = 1 // one\nSELECT x FROM scope()\n");
}
