//! Runs a query to its end, for the tests of what it answers.

use std::sync::{Arc, Mutex};

use troodon_vql::{
    Event, Level, LogSink, Now, Program, Query, Registry, Session, Setup, json, standard,
};

/// A registry of the language and of the parsers.
pub fn registry() -> Registry {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    troodon_parsers::add(&mut registry);
    registry
}

/// The rows of a query as JSON, and what it logged. `prepare` sets up its session.
pub fn ask(
    registry: Registry,
    vql: &str,
    prepare: impl FnOnce(&mut Setup),
    variables: impl FnOnce(&mut Session),
) -> (Vec<String>, Vec<String>) {
    let log = Log::default();
    let mut setup = Setup::agent(Arc::new(registry));
    setup.log = Box::new(log.clone());
    prepare(&mut setup);
    let mut session = Session::new(setup);
    variables(&mut session);
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

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl LogSink for Log {
    fn log(&mut self, _: Level, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}
