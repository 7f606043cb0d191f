//! The process tracker, through the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::Command;

use serde_json::Value;

fn query(vql: &str) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_troodon-agent"));
    let output = command.args(["query", vql, "--format", "json"]).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{vql}: {log}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {log}"))
}

#[test]
fn the_chain_of_a_process_ends_with_itself_below_its_parent() {
    let rows = query("SELECT process_tracker_callchain(id=getpid()).Id AS Ids FROM scope()");
    let ids: Vec<&str> =
        rows[0]["Ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert!(ids.len() >= 2, "{ids:?}");
    assert_eq!(ids[ids.len() - 2], std::process::id().to_string());
}

#[test]
fn a_process_its_children_and_its_tree_agree() {
    let own = std::process::id();
    let rows = query(&format!(
        "SELECT process_tracker_get(id={own}) AS Own, process_tracker_children(id={own}).Id AS Children,
                process_tracker_tree(id={own}, data_callback='x=>x.Data.Name') AS Tree, getpid() AS Agent,
                process_tracker_get(id='no such') AS Missing FROM scope()"
    ));
    let row = &rows[0];
    let agent = row["Agent"].to_string();
    assert_eq!(row["Own"]["Id"], own.to_string());
    assert!(row["Own"]["Children"].as_array().unwrap().iter().any(|id| *id == agent));
    assert!(row["Children"].as_array().unwrap().iter().any(|id| *id == agent));
    let branch = row["Tree"]["children"].as_array().unwrap().iter().find(|one| one["id"] == agent);
    assert_eq!(branch.unwrap()["data"], "troodon-agent");
    assert_eq!(row["Missing"], Value::Null);
}

#[test]
fn all_processes_are_listed_with_their_times() {
    let rows = query(
        "SELECT Pid, Ppid, Name, StartTime, EndTime FROM process_tracker_pslist() WHERE Pid = str(str=getpid())",
    );
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["Name"], "troodon-agent");
    assert_eq!(rows[0]["EndTime"], Value::Null);
}
