//! The same queries to our engine and to a real Velociraptor: the rows must be the same JSON, columns in the same order.
//!
//! `VELOCIRAPTOR_BIN` names the program; without it the test says that it was skipped. `TROODON_SEED` repeats a run, and
//! `TROODON_QUERIES` sets how many queries it has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test fails by panicking"
)]

mod grammar;
mod known;

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use grammar::Grammar;
use hil_tests::{Peer, Programs};
use serde_json::Value;

/// Queries of a run, unless `TROODON_QUERIES` says otherwise.
const QUERIES: u64 = 2_000;
/// Queries that one process runs; a start of the real one takes a quarter of a second.
const BATCH: usize = 100;
/// The seed of a run, unless `TROODON_SEED` says otherwise: a test that fails today fails tomorrow.
const SEED: u64 = 1;
/// Differences that are shown.
const SHOWN: usize = 40;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |value| value.parse().expect(variable))
}

#[test]
fn both_engines_answer_the_same_rows() {
    let Some(peer) = Peer::find("differential test of VQL").expect("a peer") else { return };
    let ours = Programs::find().expect("the programs under test").agent;
    let seed = number("TROODON_SEED", SEED);
    let queries: Vec<String> = (0..number("TROODON_QUERIES", QUERIES))
        .map(|at| Grammar::from_seed(seed.wrapping_mul(1_000_003).wrapping_add(at)).query())
        .collect();
    let mut reasons = BTreeMap::new();
    let mut unexplained = Vec::new();
    for batch in queries.chunks(BATCH) {
        let (own, real) = (answers(&ours, batch), answers(peer.path(), batch));
        for ((query, own), real) in batch.iter().zip(own).zip(real) {
            if own == real {
                continue;
            }
            let reason = known::reason(query, own.as_deref(), real.as_deref());
            match reason.or_else(|| cause(query, &ours, peer.path())) {
                Some(reason) => *reasons.entry(reason).or_insert(0) += 1,
                None => unexplained.push(format!("{query}\n  ours {own:?}\n  real {real:?}")),
            }
        }
    }
    eprintln!("seed {seed}: {} queries, known differences: {reasons:#?}", queries.len());
    let shown = unexplained.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(unexplained.is_empty(), "{} unexplained differences\n{shown}", unexplained.len());
}

/// The cause without which both answer the same rows.
fn cause(query: &str, ours: &Path, real: &Path) -> Option<&'static str> {
    let mut causes = known::CAUSES.iter().filter(|(cause, ..)| query.contains(cause));
    let (.., reason) = causes.find(|(cause, other, _)| {
        let query = [query.replace(cause, other)];
        answers(ours, &query) == answers(real, &query)
    })?;
    Some(reason)
}

/// The rows of each query, as lines of JSON; `None` for a query that ends the program with an error.
fn answers(program: &Path, queries: &[String]) -> Vec<Option<Vec<String>>> {
    let mut all = Vec::new();
    while all.len() < queries.len() {
        all.extend(run(program, &queries[all.len()..]).into_iter().map(Some));
        if all.len() < queries.len() {
            all.push(None);
        }
    }
    all
}

/// The rows of each query up to the first that ends the program. A marker query after each tells where its rows end.
fn run(program: &Path, queries: &[String]) -> Vec<Vec<String>> {
    let mut command = Command::new(program);
    command.args(["query", "--format", "jsonl"]).stderr(Stdio::null());
    for query in queries {
        command.arg(query).arg("SELECT 'end' AS DifferentialMarker FROM scope()");
    }
    let output = command.output().expect("a program that runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut answers = vec![Vec::new()];
    for line in text.lines() {
        if line == r#"{"DifferentialMarker":"end"}"# {
            answers.push(Vec::new());
        } else {
            answers.last_mut().expect("a list").push(plain(line));
        }
    }
    answers.pop();
    answers
}

/// A row with as few escapes as JSON allows: which of them a program writes is its own affair.
fn plain(line: &str) -> String {
    serde_json::from_str::<Value>(line).map_or_else(|_| line.to_owned(), |row| row.to_string())
}
