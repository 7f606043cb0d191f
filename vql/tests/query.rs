//! Runs the queries in `tests/query/*.txt` and compares rows, log and errors.
//!
//! A case is a block of lines: `> ` the query, `! ` a log message, `? ` an error, everything else a row. Each
//! case has its own session. `UPDATE=1 cargo test -p troodon-vql --test query` rewrites what is
//! expected; the difference is then for people to judge.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use troodon_vql::{
    Event, Level, LogSink, Now, Program, Query, Registry, Session, Setup, Text, Time, json,
};

#[test]
fn queries_answer_as_their_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/query");
    let update = std::env::var_os("UPDATE").is_some();
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("the folder of queries") {
        let path = entry.expect("a file").path();
        if path.ends_with("unicode.txt") && !cfg!(feature = "unicode-patterns") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a readable file");
        let found = answered(&text);
        if update {
            fs::write(&path, found).expect("a writable file");
        } else {
            assert_eq!(found, text, "{}", path.display());
        }
        files += 1;
    }
    assert!(files > 5, "the folder holds one file for each topic");
}

/// The file with what each query answers in place of what is expected.
fn answered(text: &str) -> String {
    let mut out = String::new();
    for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        if !out.is_empty() {
            out.push('\n');
        }
        let mut query = String::new();
        for line in block.lines() {
            if let Some(part) = line.strip_prefix("> ") {
                writeln!(query, "{part}").expect("a string takes text");
            }
            if line.starts_with("> ") || line.starts_with('#') {
                writeln!(out, "{line}").expect("a string takes text");
            }
        }
        if !query.is_empty() {
            run(&query, &mut out);
        }
    }
    out
}

fn run(text: &str, out: &mut String) {
    let log = Log::default();
    let mut setup = Setup::agent(Arc::new(Registry::core()));
    setup.log = Box::new(log.clone());
    let mut session = Session::new(setup);
    session.set("Name", "troodon");
    session.set("Bytes", Text::from(&b"\xff\x00A"[..]));
    let result = rows(text, &mut session, out);
    for (level, message) in log.0.lock().expect("one thread").iter() {
        writeln!(out, "! {}: {message}", level.name()).expect("a string takes text");
    }
    if let Err(error) = result {
        for line in error.lines() {
            writeln!(out, "? {line}").expect("a string takes text");
        }
    }
}

fn rows(text: &str, session: &mut Session, out: &mut String) -> Result<(), String> {
    let program = Program::parse(text).map_err(|error| error.to_string())?;
    let mut query = Query::new(program);
    let now = Now { time: Time::from_seconds(1_700_000_000), ..Now::default() };
    loop {
        match query.step(session, now, 10).map_err(|stop| stop.to_string())? {
            Event::Row(row) => {
                let mut line = Vec::new();
                json::write_line(&row, &mut line);
                out.push_str(&String::from_utf8(line).expect("repaired text"));
            }
            Event::OutOfFuel => {}
            Event::Pending(_) => return Err("the query waits".into()),
            Event::End => return Ok(()),
        }
    }
}

/// Keeps messages.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl LogSink for Log {
    fn log(&mut self, level: Level, message: &str) {
        self.0.lock().expect("one thread").push((level, message.into()));
    }
}
