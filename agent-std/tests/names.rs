//! The names that queries on this machine can use.
#![cfg(all(feature = "docs", feature = "parsers"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use troodon_agent::plugin;
use troodon_vql::reference;

/// Names of the ranking that count, and how many of a hundred must be there.
const RANKED: usize = 97;
const PERCENT: usize = 90;

/// `UPDATE=1 cargo test -p troodon-agent --test names` writes the file anew.
#[test]
fn the_server_knows_what_queries_on_agents_can_use() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server-min/src/names/agent.json");
    let names = reference::json(&plugin::registry());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &names).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == names, "{} is stale: run this test with UPDATE=1", path.display());
}

/// The names that artifacts for Linux use most, from a table in tabs: rank, kind, name and, in the columns `Linux` and
/// `Generic`, how many artifacts use it; `availability` says which exist on clients.
#[test]
fn nine_of_ten_names_that_artifacts_use_most_are_there() {
    let Some(path) = std::env::var_os("TROODON_VQL_USAGE") else {
        eprintln!("SKIPPED: TROODON_VQL_USAGE names no table of the use of names");
        return;
    };
    let table = std::fs::read_to_string(path).unwrap();
    let mut lines = table.lines();
    let heads: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let column = |head| heads.iter().position(|one| *one == head).unwrap();
    let (linux, generic, place) = (column("Linux"), column("Generic"), column("availability"));
    let registry = plugin::registry();
    let is_there = |kind: &str, name: &str| match kind {
        // Artifacts call each other by name; each of them is a plugin where it is known.
        "plugin" if name == "Artifact.*" => true,
        "plugin" => registry.plugins().any(|plugin| plugin.entry.name == name),
        "function" => registry.functions().any(|function| function.entry.name == name),
        other => panic!("unknown kind {other}"),
    };
    let used: Vec<Vec<&str>> = lines
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row[place].contains("client") && (row[linux] != "0" || row[generic] != "0"))
        .take(RANKED)
        .collect();
    assert_eq!(used.len(), RANKED);
    let missing: Vec<String> = used
        .iter()
        .filter(|row| !is_there(row[1], row[2]))
        .map(|row| format!("{} {}", row[1], row[2]))
        .collect();
    let present = RANKED - missing.len();
    eprintln!(
        "{present} of the {RANKED} names used most are there; missing: {}",
        missing.join(", ")
    );
    assert!(present * 100 >= RANKED * PERCENT, "only {present} of {RANKED}: {missing:?}");
}
