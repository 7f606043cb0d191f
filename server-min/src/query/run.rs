//! Runs the statements of one text.

use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use troodon_vql::standard::Entropy;
use troodon_vql::{
    Budget, Event, Fault, Instant, Interrupt, LogSink, Now, ParseError, Program, Query, Registry,
    Row, Session, Setup, Stop, Time,
};

use super::Backend;
use crate::limits::{QUERY_FUEL, QUERY_NAP_MS};
use crate::store::now_us;

/// Why a query ended early.
#[derive(Debug, thiserror::Error)]
pub enum QueryFault {
    /// The text is no VQL.
    #[error("{0}")]
    Syntax(#[from] ParseError),
    /// A limit was reached, or somebody stopped it.
    #[error("{0}")]
    Stopped(#[from] Stop),
    /// Whoever reads the rows wants no more.
    #[error("the rows cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs all statements of `text` in one scope, with the rights of [`Backend::token`], and hands each row to `sink`.
///
/// # Errors
/// The text does not parse, the query was stopped, or `sink` failed. A plugin that fails is no error: it says so in
/// the log, and yields nothing.
pub fn run(
    text: &str,
    variables: &[(String, String)],
    backend: Arc<Backend>,
    registry: Arc<Registry>,
    log: Box<dyn LogSink>,
    interrupt: Interrupt,
    mut sink: impl FnMut(Row) -> std::io::Result<()>,
) -> Result<(), QueryFault> {
    let program = Program::parse(text)?;
    let access = Arc::new(backend.token.clone());
    let mut session =
        Session::new(Setup { registry, access, budget: Budget::host(), log, interrupt });
    for (name, value) in variables {
        session.set(name.as_str(), value.as_str());
    }
    session.extend(backend);
    session.extend::<Box<dyn Entropy>>(Arc::new(Box::new(SystemEntropy)));
    let start = Clock::now();
    let mut query = Query::new(program);
    loop {
        match query.step(&mut session, now(start), QUERY_FUEL)? {
            Event::Row(row) => sink(row)?,
            Event::Pending(until) => std::thread::sleep(wait(start, until)),
            Event::OutOfFuel => {}
            Event::End => return Ok(()),
        }
    }
}

/// Random numbers of the operating system.
struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Fault> {
        getrandom::fill(buffer).map_err(super::fault)
    }
}

fn now(start: Clock) -> Now {
    let nanos = i64::try_from(now_us().saturating_mul(1000)).unwrap_or(i64::MAX);
    Now { time: Time::from_nanos(nanos), instant: instant(start) }
}

fn instant(start: Clock) -> Instant {
    Instant::from_start(start.elapsed())
}

fn wait(start: Clock, until: Instant) -> Duration {
    until.since_start().saturating_sub(start.elapsed()).min(Duration::from_millis(QUERY_NAP_MS))
}
