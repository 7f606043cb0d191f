//! Queries on this machine, without a server.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use troodon_core::artifact::{self, Artifacts};
use troodon_vql::{
    Budget, Entropy, Event, Interrupt, Level, LogSink, Now, Program, Query, Registry, Session,
    Setup, Stop, Time, Uploader,
};

use crate::artifact::Artifact;
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

/// What the local queries of one command share.
#[derive(Clone, Debug)]
pub struct Local {
    /// What queries can use.
    registry: Arc<Registry>,
    /// The artifacts that queries can call.
    definitions: Arc<[troodon_proto::Artifact]>,
    /// The artifacts that are being called, the outermost first.
    callers: Vec<String>,
    budget: Budget,
    uploads: Option<PathBuf>,
    interrupt: Interrupt,
}

impl Local {
    /// Everything that this machine offers; uploads go to a folder, and signals stop the queries.
    ///
    /// # Errors
    ///
    /// When signals cannot be received.
    pub fn new(artifacts: &[Artifact], uploads: Option<PathBuf>) -> Result<Self, LocalFault> {
        let interrupt = Interrupt::new();
        stop_on_signals(interrupt.clone())?;
        Ok(Self {
            registry: artifact::with_calls(Arc::new(registry())),
            definitions: artifacts.iter().map(Artifact::definition).collect(),
            callers: Vec::new(),
            budget: Budget::host(),
            uploads,
            interrupt,
        })
    }

    /// A session without variables; its messages go to standard error.
    #[must_use]
    pub fn session(&self) -> Session {
        let mut setup = Setup::agent(Arc::clone(&self.registry));
        setup.budget = self.budget;
        setup.log = Box::new(StandardError);
        setup.interrupt = self.interrupt.clone();
        let mut session = Session::new(setup);
        session.extend::<Box<dyn Entropy>>(Arc::new(Box::new(SystemEntropy)));
        if let Some(folder) = &self.uploads {
            let uploader = FolderUploader::new(folder.clone());
            session.extend::<Box<dyn Uploader>>(Arc::new(Box::new(uploader)));
        }
        session.extend::<Box<dyn Artifacts>>(Arc::new(Box::new(self.clone())));
        session
    }
}

impl Artifacts for Local {
    fn definitions(&self) -> &[troodon_proto::Artifact] {
        &self.definitions
    }

    fn callers(&self) -> &[String] {
        &self.callers
    }

    fn below(&self, name: &str) -> Session {
        let mut called = self.clone();
        called.callers.push(name.to_owned());
        called.budget = artifact::below(called.budget);
        called.session()
    }
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
        // A plugin that waits by itself, such as execve(), comes by here.
        Event::OutOfFuel => printer.send(),
        Event::End => Ok(()),
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
