//! Runs the statements of one text.

use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use troodon_vql::{
    Budget, Event, Instant, Interrupt, LogSink, Now, ParseError, Program, Query, Registry, Row,
    Session, Stop, Time,
};

use super::Backend;
use super::session::{Asked, SessionMaker};
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
    let budget = Budget::host();
    let asked = Asked { backend, registry, log, interrupt, budget, artifact: None, uploader: None };
    let mut running = Running::start(text, variables, asked)?;
    loop {
        match running.step()? {
            Turn::Row(row) => sink(row)?,
            Turn::Wait(time) => std::thread::sleep(time),
            Turn::Busy => {}
            Turn::End => return Ok(()),
        }
    }
}

/// A query that its host drives.
pub struct Running {
    session: Session,
    query: Query,
    start: Clock,
}

/// What a step of a query came to.
pub enum Turn {
    /// A row.
    Row(Row),
    /// There is nothing to do for so long; never more than [`QUERY_NAP_MS`], so that a host notices what else happens.
    Wait(Duration),
    /// The next step goes on.
    Busy,
    /// All statements are done.
    End,
}

impl Running {
    /// Begins all statements of `text` in one scope.
    ///
    /// # Errors
    /// The text does not parse.
    pub fn start(
        text: &str,
        variables: &[(String, String)],
        asked: Asked,
    ) -> Result<Self, ParseError> {
        let program = Program::parse(text)?;
        let mut session = SessionMaker::new(asked).make();
        for (name, value) in variables {
            session.set(name.as_str(), value.as_str());
        }
        Ok(Self { session, query: Query::new(program), start: Clock::now() })
    }

    /// Begins all statements of another text in the same scope, behind those that are done.
    ///
    /// # Errors
    /// The text does not parse.
    pub fn go_on(&mut self, text: &str) -> Result<(), ParseError> {
        self.query = Query::new(Program::parse(text)?);
        Ok(())
    }

    /// Works for some milliseconds at most, unless a plugin waits for the network.
    ///
    /// # Errors
    /// A limit was reached, or somebody stopped the query.
    pub fn step(&mut self) -> Result<Turn, Stop> {
        self.step_within(QUERY_FUEL)
    }

    /// Works for so many steps at most; see [`Running::steps_of`].
    ///
    /// # Errors
    /// Those of [`Running::step`].
    pub fn step_within(&mut self, fuel: u64) -> Result<Turn, Stop> {
        Ok(match self.query.step(&mut self.session, now(self.start), fuel)? {
            Event::Row(row) => Turn::Row(row),
            Event::Pending(until) => Turn::Wait(wait(self.start, until)),
            Event::OutOfFuel => Turn::Busy,
            Event::End => Turn::End,
        })
    }

    /// How many of the steps that it was given last it has made.
    pub fn steps_of(&mut self, fuel: u64) -> u64 {
        fuel.saturating_sub(self.session.context().fuel())
    }
}

fn now(start: Clock) -> Now {
    let nanos = i64::try_from(now_us().saturating_mul(1000)).unwrap_or(i64::MAX);
    Now { time: Time::from_nanos(nanos), instant: Instant::from_start(start.elapsed()) }
}

fn wait(start: Clock, until: Instant) -> Duration {
    until.since_start().saturating_sub(start.elapsed()).min(Duration::from_millis(QUERY_NAP_MS))
}
