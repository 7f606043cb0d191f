//! How much a query may use, and how it is told that it used too much.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The budget of a session. `None` means no limit.
///
/// A query that exceeds one stops with [`Stop::Budget`], which names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// Expressions and rows evaluated. Event queries run for ever and have no such limit; theirs is
    /// the fuel of each call.
    pub steps: Option<u64>,
    /// Rows that leave the query.
    pub rows: Option<u64>,
    /// Bytes of the rows that are held at one time by GROUP BY, ORDER BY, sub-selects and `LET <=`.
    pub held_bytes: usize,
    /// Bytes of one value, as printed.
    pub value_bytes: usize,
    /// Nested evaluations. They use the thread's stack: a level takes up to some 2 KB of it in an
    /// optimised build. Beyond it an expression is NULL and logs "Stack Overflow", as in
    /// Velociraptor, because a recursive LET is a mistake that people make.
    pub depth: u16,
}

impl Budget {
    /// For a machine with megabytes to spare.
    #[must_use]
    pub const fn host() -> Self {
        Self {
            steps: Some(1_000_000_000),
            rows: Some(10_000_000),
            held_bytes: 256 << 20,
            value_bytes: 100 << 20,
            depth: 300,
        }
    }

    /// For a microcontroller.
    #[must_use]
    pub const fn board() -> Self {
        Self {
            steps: Some(10_000_000),
            rows: Some(100_000),
            held_bytes: 16 << 10,
            value_bytes: 8 << 10,
            depth: 40,
        }
    }
}

/// Which part of the [`Budget`] was exceeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Budget::held_bytes`].
    HeldBytes(usize),
    /// [`Budget::rows`].
    Rows(u64),
    /// [`Budget::steps`].
    Steps(u64),
    /// [`Budget::value_bytes`].
    ValueBytes(usize),
    /// [`crate::limits::VALUE_DEPTH_MAX`].
    ValueDepth(u16),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |max: usize| u64::try_from(max).unwrap_or(u64::MAX);
        let (max, what) = match *self {
            Self::HeldBytes(max) => (bytes(max), "bytes of held rows"),
            Self::Rows(max) => (max, "rows"),
            Self::Steps(max) => (max, "steps"),
            Self::ValueBytes(max) => (bytes(max), "bytes in one value"),
            Self::ValueDepth(max) => (max.into(), "levels in one value"),
        };
        write!(f, "{max} {what}")
    }
}

/// Why a query cannot go on. One word, since every level of the evaluator hands it on.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Stop {
    /// The budget is exceeded.
    Budget(Box<Limit>),
    /// The host set the [`Interrupt`].
    Interrupted,
}

impl From<Limit> for Stop {
    #[cold]
    #[inline(never)]
    fn from(limit: Limit) -> Self {
        Self::Budget(Box::new(limit))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(limit) => write!(f, "query exceeded its budget of {limit}"),
            Self::Interrupted => f.write_str("query was cancelled"),
        }
    }
}

impl core::error::Error for Stop {}

/// How the body of a plugin or function fails. One word, as [`Stop`] is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault(Box<Failure>);

/// What a [`Fault`] is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The whole query stops.
    Stop(Stop),
    /// The message is logged after the name of the plugin or function, which ends or is NULL.
    Log(Level, String),
}

impl Fault {
    /// A mistake in the query, such as a pattern that does not compile. The collection is
    /// marked as failed.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::log(Level::Error, message.into())
    }

    /// Something that the machine under examination does not have or does not let us do.
    #[must_use]
    pub fn note(message: impl Into<String>) -> Self {
        Self::log(Level::Default, message.into())
    }

    /// A message of any level.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn log(level: Level, message: String) -> Self {
        Self(Box::new(Failure::Log(level, message)))
    }

    /// Why the whole query stops, if it does.
    #[must_use]
    pub const fn stop(&self) -> Option<&Stop> {
        match &*self.0 {
            Failure::Stop(stop) => Some(stop),
            Failure::Log(..) => None,
        }
    }

    /// What it is.
    #[must_use]
    pub const fn failure(&self) -> &Failure {
        &self.0
    }

    /// What it is, to be taken apart.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        *self.0
    }
}

impl From<Stop> for Fault {
    #[cold]
    #[inline(never)]
    fn from(stop: Stop) -> Self {
        Self(Box::new(Failure::Stop(stop)))
    }
}

/// The level of a log message. The names are those on the wire (protocol section 6.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// No level given.
    Default,
    /// For whoever debugs a query.
    Debug,
    /// Progress.
    Info,
    /// Unusual, still working.
    Warn,
    /// The collection counts as failed.
    Error,
    /// For whoever is on watch.
    Alert,
}

impl Level {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Alert => "ALERT",
        }
    }

    /// The level of a wire name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Default, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Alert]
            .into_iter()
            .find(|level| level.name() == name)
    }
}

/// Stops a running query from outside; clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    is_on: AtomicBool,
    /// Switches this one on, too.
    above: Option<Interrupt>,
}

impl Interrupt {
    /// A switch that is off.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the query at its next step. It cannot be taken back.
    pub fn set(&self) {
        self.0.is_on.store(true, Ordering::Relaxed);
    }

    /// Whether the query shall stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        let above = || self.0.above.as_ref().is_some_and(Self::is_set);
        self.0.is_on.load(Ordering::Relaxed) || above()
    }

    /// A switch that is on when it or this one is set.
    #[cfg(feature = "threads")]
    pub(crate) fn below(&self) -> Self {
        Self(Arc::new(Switch { is_on: AtomicBool::new(false), above: Some(self.clone()) }))
    }
}

/// The sum of what all tables of a session hold.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    held: Arc<AtomicUsize>,
    max: usize,
}

impl Ledger {
    pub(crate) fn new(max: usize) -> Self {
        Self { held: Arc::default(), max }
    }

    /// An account from which nothing is taken yet.
    pub(crate) fn open(&self) -> Held {
        Held { ledger: self.clone(), bytes: 0 }
    }
}

/// What one table holds; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    ledger: Ledger,
    bytes: usize,
}

impl Held {
    /// Takes `bytes` more.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        let max = self.ledger.max;
        let before = self.ledger.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes = self.bytes.saturating_add(bytes);
        if before.checked_add(bytes).is_none_or(|sum| sum > max) {
            return Err(Limit::HeldBytes(max).into());
        }
        Ok(())
    }
}

impl Held {
    /// Gives `bytes` back.
    pub(crate) fn give(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.ledger.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Leaves what was taken in the ledger for good: a variable of the session holds it.
    pub(crate) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
