//! Queries on this machine, without a server.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use troodon_vql::{
    Entropy, Event, Interrupt, Level, LogSink, Now, Program, Query, Session, Setup, Stop, Time,
    Uploader,
};

use crate::limits::{LOCAL_FUEL, LOCAL_NAP};
use crate::output::Printer;
use crate::plugin::{SystemEntropy, registry};
use crate::upload::FolderUploader;

/// Why a local query failed.
#[derive(Debug, thiserror::Error)]
pub enum LocalFault {
    /// The text is no VQL.
    #[error("{0}")]
    Parse(String),
    /// The query was stopped by its budget or by a signal.
    #[error("{0}")]
    Stopped(Stop),
    /// The rows could not be written.
    #[error("writing rows: {0}")]
    Output(#[source] io::Error),
    /// Signals cannot be received.
    #[error("receiving signals: {0}")]
    Signals(#[source] io::Error),
}

/// The session of a local query: everything that this machine offers, messages to standard error, uploads to a folder.
///
/// # Errors
///
/// When signals, which stop the query, cannot be received.
pub fn session(uploads: Option<&Path>) -> Result<Session, LocalFault> {
    let mut setup = Setup::agent(Arc::new(registry()));
    setup.log = Box::new(StandardError);
    stop_on_signals(setup.interrupt.clone())?;
    let mut session = Session::new(setup);
    session.extend::<Box<dyn Entropy>>(Arc::new(Box::new(SystemEntropy)));
    if let Some(folder) = uploads {
        let uploader = FolderUploader::new(folder.to_owned());
        session.extend::<Box<dyn Uploader>>(Arc::new(Box::new(uploader)));
    }
    Ok(session)
}

/// Runs statements to their end and prints their rows.
///
/// # Errors
///
/// [`LocalFault`].
pub fn run<W: Write>(
    session: &mut Session,
    text: &str,
    printer: &mut Printer<W>,
) -> Result<(), LocalFault> {
    each_event(session, text, |event| match event {
        Event::Row(row) => printer.row(row),
        Event::Pending(_) => printer.flush(),
        Event::OutOfFuel | Event::End => Ok(()),
    })
}

/// Runs statements to their end and hands out what happens; waits where they wait.
///
/// # Errors
///
/// [`LocalFault`]; a failure of `take` counts as one of the output.
pub fn each_event(
    session: &mut Session,
    text: &str,
    mut take: impl FnMut(&Event) -> io::Result<()>,
) -> Result<(), LocalFault> {
    let program = Program::parse(text).map_err(|why| LocalFault::Parse(why.to_string()))?;
    let mut query = Query::new(program);
    let start = Instant::now();
    loop {
        let event = query.step(session, now(start), LOCAL_FUEL).map_err(LocalFault::Stopped)?;
        take(&event).map_err(LocalFault::Output)?;
        match event {
            Event::Row(_) | Event::OutOfFuel => {}
            Event::Pending(until) => {
                let wait = until.since_start().saturating_sub(start.elapsed());
                // Short, so that a signal ends the wait.
                std::thread::sleep(wait.min(LOCAL_NAP));
                if session.context().interrupted() {
                    return Err(LocalFault::Stopped(Stop::Interrupted));
                }
            }
            Event::End => return Ok(()),
        }
    }
}

fn now(start: Instant) -> Now {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanos = i64::try_from(since_epoch.unwrap_or(Duration::ZERO).as_nanos());
    Now {
        instant: troodon_vql::Instant::from_start(start.elapsed()),
        time: Time::from_nanos(nanos.unwrap_or(i64::MAX)),
    }
}

/// The first signal stops the query, which kills the programs that it runs; a second one ends the process.
fn stop_on_signals(interrupt: Interrupt) -> Result<(), LocalFault> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(LocalFault::Signals)?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if interrupt.is_set() {
                // The only error is an unknown signal.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            interrupt.set();
        }
    });
    Ok(())
}

/// Messages of queries on standard error, one line for each.
struct StandardError;

impl LogSink for StandardError {
    fn log(&mut self, level: Level, message: &str) {
        // Messages quote file names, which may hold sequences that a terminal obeys.
        let text: String = message
            .trim_end()
            .chars()
            .flat_map(|letter| {
                let is_shown = !letter.is_control() || letter == '\n';
                let escaped = (!is_shown).then(|| letter.escape_default());
                is_shown.then_some(letter).into_iter().chain(escaped.into_iter().flatten())
            })
            .collect();
        eprintln!("{}: {text}", level.name());
    }
}
