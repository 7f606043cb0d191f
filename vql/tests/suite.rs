//! Runs a folder of conformance cases: `expressions.json`, `queries.json`, `scripts.json`.
//!
//! The folder is named by `TROODON_VQL_SUITE`. Each case compares rows, column names and their order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "suite/environment.rs"]
mod environment;

use std::path::PathBuf;

use serde_json::Value as Json;
use troodon_vql::{Event, Expression, Now, Program, Query, Session, json};

/// Cases that ask for what only Go has, and why.
const NOT_APPLICABLE: &[(&str, &str)] = &[
    ("070/", "methods of Go objects are columns, called anew at each access"),
    ("071/", "methods of Go objects are members, called anew at each access"),
    (
        "dict(x='Hello', y='World') =~ 'he'",
        "Velociraptor matches a dict by its JSON, the bare library does not",
    ),
    (
        "1 or sleep(a=100)",
        "Velociraptor answers the operand; the library's tests count 1 and TRUE as the same",
    ),
    ("086/000", "Velociraptor reads a text beside a time as a date, the bare library does not"),
];

fn folder() -> Option<PathBuf> {
    let fallback = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora/vql");
    let folder =
        std::env::var_os("TROODON_VQL_SUITE").map_or_else(|| fallback.into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: no conformance suite, set TROODON_VQL_SUITE");
    None
}

fn read(name: &str) -> Option<Json> {
    let path = folder()?.join(name);
    let text = std::fs::read_to_string(&path).expect("a readable suite");
    Some(serde_json::from_str(&text).expect("a suite in JSON"))
}

fn run(session: &mut Session, text: &str) -> Result<Json, String> {
    let program = Program::parse(text).map_err(|error| error.to_string())?;
    let mut query = Query::new(program);
    let mut rows = Vec::new();
    loop {
        match query.step(session, Now::default(), 100).map_err(|stop| stop.to_string())? {
            Event::Row(row) => {
                let mut out = Vec::new();
                json::write_row(&row, &mut out);
                rows.push(serde_json::from_slice(&out).expect("valid JSON"));
            }
            Event::Pending(_) => return Err("the query waits".into()),
            Event::OutOfFuel => {}
            Event::End => break,
        }
    }
    Ok(if rows.is_empty() { Json::Null } else { Json::Array(rows) })
}

/// The query of a key `NNN name: QUERY`. Names contain colons too.
fn query_of(key: &str) -> &str {
    let starts = [": SELECT ", ": LET ", ": EXPLAIN "].map(|start| key.find(start));
    let at = starts.into_iter().flatten().min().expect("a key with a query");
    key.get(at..).and_then(|rest| rest.strip_prefix(": ")).expect("a key with a query")
}

struct Report {
    passed: usize,
    skipped: usize,
    failed: Vec<String>,
}

impl Report {
    fn new() -> Self {
        Self { passed: 0, skipped: 0, failed: Vec::new() }
    }

    fn check(&mut self, key: &str, wanted: &Json, found: Result<Json, String>) {
        // Printed, because equality of objects ignores the order of keys.
        let (wanted, found) = (wanted.to_string(), found.map(|rows| rows.to_string()));
        if found.as_ref() == Ok(&wanted) {
            self.passed += 1;
            return;
        }
        let found = found.unwrap_or_else(|error| error);
        self.failed.push(format!("{key}\n  wanted {wanted}\n  found  {found}"));
    }

    fn finish(self, name: &str) {
        let total = self.passed + self.failed.len();
        println!("{name}: {} of {total} pass, {} not applicable", self.passed, self.skipped);
        assert!(self.failed.is_empty(), "{}", self.failed.join("\n"));
    }
}

#[test]
fn expressions_have_the_values_of_the_suite() {
    let Some(Json::Array(cases)) = read("expressions.json") else { return };
    let mut report = Report::new();
    for case in cases {
        let text = case["expression"].as_str().expect("an expression");
        if NOT_APPLICABLE.iter().any(|(start, _)| text == *start) {
            report.skipped += 1;
            continue;
        }
        let wanted = serde_json::from_str(case["result"].as_str().expect("a result"));
        let found =
            Expression::parse(text).map_err(|error| error.to_string()).and_then(|expression| {
                let value = environment::session().evaluate(Now::default(), &expression);
                let value = value.map_err(|stop| stop.to_string())?;
                serde_json::from_str(&json::to_string(&value)).map_err(|error| error.to_string())
            });
        report.check(text, &wanted.expect("a result in JSON"), found);
    }
    report.finish("expressions");
}

#[test]
fn queries_yield_the_rows_of_the_suite() {
    let Some(Json::Object(cases)) = read("queries.json") else { return };
    let mut report = Report::new();
    for (key, wanted) in &cases {
        let found = run(&mut environment::session(), query_of(key));
        report.check(key, wanted, found);
    }
    report.finish("queries");
}

#[test]
fn scripts_yield_the_rows_of_the_suite() {
    let Some(Json::Object(cases)) = read("scripts.json") else { return };
    let mut report = Report::new();
    let mut session = environment::session();
    let mut script = String::new();
    for (key, wanted) in &cases {
        let number = key.split('/').next().unwrap_or("");
        if number != script {
            script = number.to_string();
            session = environment::session();
        }
        if NOT_APPLICABLE.iter().any(|(start, _)| key.starts_with(start)) {
            report.skipped += 1;
            continue;
        }
        report.check(key, wanted, run(&mut session, query_of(key)));
    }
    report.finish("scripts");
}

#[test]
fn what_is_printed_is_parsed_as_the_same_query() {
    for name in ["queries.json", "scripts.json"] {
        let Some(Json::Object(cases)) = read(name) else { return };
        for key in cases.keys() {
            let text = query_of(key);
            let program = Program::parse(text).expect("a query");
            let printed: Vec<_> = program.statements().iter().map(ToString::to_string).collect();
            assert_eq!(printed.join(" "), text);
        }
    }
}
