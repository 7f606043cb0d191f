//! What a running query can ask of its host.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{Any, TypeId};
use core::fmt;

use spin::Mutex;

use crate::access::{Access, DangerAllowAll, Permission};
use crate::accessor::Accessor;
use crate::budget::{Budget, Failure, Fault, Interrupt, Ledger, Level, Limit, Stop};
use crate::engine::State;
use crate::limits::{LOG_BYTES_MAX, LOG_MESSAGES_MAX};
use crate::pattern::{Case, Pattern, Patterns};
use crate::registry::{AccessorEntry, Found, Registry};
use crate::sorted::SortedMap;
use crate::value::{Instant, Now, Text, Time};

/// Takes the messages of a query.
pub trait LogSink: Send {
    /// Notes one message, which may contain line feeds.
    fn log(&mut self, level: Level, message: &str);
}

/// Throws messages away.
#[derive(Clone, Copy, Debug)]
pub struct NoLog;

impl LogSink for NoLog {
    fn log(&mut self, _: Level, _: &str) {}
}

/// What a host decides about a session.
pub struct Setup {
    /// Plugins, functions and accessors.
    pub registry: Arc<Registry>,
    /// Who may do what.
    pub access: Arc<dyn Access>,
    /// How much may be used.
    pub budget: Budget,
    /// Where messages go.
    pub log: Box<dyn LogSink>,
    /// Stops the session from outside.
    pub interrupt: Interrupt,
}

impl Setup {
    /// The set-up of an agent: the server it is pinned to may do everything.
    #[must_use]
    pub fn agent(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            access: Arc::new(DangerAllowAll),
            budget: Budget::host(),
            log: Box::new(NoLog),
            interrupt: Interrupt::new(),
        }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("budget", &self.budget).finish_non_exhaustive()
    }
}

type States = SortedMap<TypeId, Box<dyn Any + Send>>;

/// The services of a session, handed to every plugin and function.
pub struct Context {
    pub(crate) registry: Arc<Registry>,
    pub(crate) budget: Budget,
    pub(crate) engine: State,
    pub(crate) ledger: Ledger,
    pub(crate) now: Now,
    access: Arc<dyn Access>,
    extensions: SortedMap<TypeId, Arc<dyn Any + Send + Sync>>,
    states: States,
    /// What the states of other threads' contexts become: they live as long as the session.
    orphans: Arc<Mutex<Vec<States>>>,
    log: Box<dyn LogSink>,
    log_left: u32,
    log_once: SortedMap<String, ()>,
    interrupt: Interrupt,
    patterns: Patterns,
    steps: u64,
    fuel: u64,
}

impl Context {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            registry: setup.registry,
            ledger: Ledger::new(setup.budget.held_bytes),
            budget: setup.budget,
            engine: State::default(),
            now: Now::default(),
            access: setup.access,
            extensions: SortedMap::default(),
            states: SortedMap::default(),
            orphans: Arc::default(),
            log: setup.log,
            log_left: LOG_MESSAGES_MAX,
            log_once: SortedMap::default(),
            interrupt: setup.interrupt,
            patterns: Patterns::default(),
            steps: 0,
            fuel: 0,
        }
    }

    /// A context for another thread: the same host, rights and held bytes, and the steps that are left here. What
    /// bodies keep in it, and its patterns, are its own.
    #[cfg(feature = "threads")]
    pub(crate) fn fork(&mut self, log: Box<dyn LogSink>, interrupt: Interrupt) -> Self {
        let steps_left = self.budget.steps.map(|max| max.saturating_sub(self.steps));
        Self {
            registry: Arc::clone(&self.registry),
            budget: Budget { steps: steps_left, ..self.budget },
            engine: self.engine.fork(),
            ledger: self.ledger.clone(),
            now: self.now,
            access: Arc::clone(&self.access),
            extensions: self.extensions.clone(),
            states: SortedMap::default(),
            orphans: Arc::clone(&self.orphans),
            log,
            log_left: self.log_left,
            log_once: SortedMap::default(),
            interrupt,
            patterns: Patterns::default(),
            steps: 0,
            fuel: 0,
        }
    }

    /// Steps that were charged.
    #[cfg(feature = "threads")]
    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    /// The wall clock when the host called the engine.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now.time
    }

    /// The steady clock when the host called the engine; [`Step::Pending`](crate::Step) counts on it.
    #[must_use]
    pub const fn instant(&self) -> Instant {
        self.now.instant
    }

    /// Logs a message: `cx.log(Level::Info, format_args!("read {n} files"))`.
    ///
    /// Long messages are cut and, after very many, dropped.
    pub fn log(&mut self, level: Level, message: fmt::Arguments<'_>) {
        let left = self.log_left;
        self.log_left = left.saturating_sub(1);
        match left {
            0 => {}
            1 => self.log.log(Level::Warn, "too many messages, the rest is not logged"),
            _ => {
                let mut text = message.to_string();
                if text.len() > LOG_BYTES_MAX {
                    text.truncate(text.floor_char_boundary(LOG_BYTES_MAX));
                    text.push('…');
                }
                self.log.log(level, &text);
            }
        }
    }

    /// Logs a message unless the session has logged the same one before.
    pub fn log_once(&mut self, level: Level, message: fmt::Arguments<'_>) {
        let text = message.to_string();
        if self.log_left > 0 && self.log_once.insert(text, ()) {
            self.log(level, message);
        }
    }

    /// Logs a fault after the name of the plugin or function; passes a stop on.
    pub(crate) fn report(&mut self, name: &str, fault: Fault) -> Result<(), Stop> {
        match fault.into_failure() {
            Failure::Stop(stop) => return Err(stop),
            Failure::Log(level, message) => self.log(level, format_args!("{name}: {message}")),
        }
        Ok(())
    }

    /// Whether the host wants the query to stop. Bodies that block look at it.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// The switch itself, for a body that waits on another thread.
    #[must_use]
    pub const fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Notes work done: one step is about one expression, one row or one KiB read.
    ///
    /// # Errors
    ///
    /// The budget is exceeded or the query was cancelled; the body returns the error with `?`.
    pub fn charge(&mut self, steps: u64) -> Result<(), Stop> {
        if self.interrupt.is_set() {
            return Err(Stop::Interrupted);
        }
        self.steps = self.steps.saturating_add(steps);
        self.fuel = self.fuel.saturating_sub(steps);
        match self.budget.steps {
            Some(max) if self.steps > max => Err(Limit::Steps(max).into()),
            _ => Ok(()),
        }
    }

    /// Whether the fuel of this call is spent: a source that loops answers [`Step::Yield`](crate::Step).
    #[must_use]
    pub const fn is_out_of_fuel(&self) -> bool {
        self.fuel == 0
    }

    /// Runs something to its end that cannot be left in the middle. What it used is taken from the
    /// fuel afterwards.
    pub(crate) fn run_through<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let fuel = core::mem::replace(&mut self.fuel, u64::MAX);
        let result = run(self);
        let used = u64::MAX.saturating_sub(self.fuel);
        self.fuel = fuel.saturating_sub(used);
        result
    }

    /// Steps until this call of the host ends; behind it, those that it did not need.
    #[must_use]
    pub const fn fuel(&self) -> u64 {
        self.fuel
    }

    pub(crate) const fn refuel(&mut self, now: Now, fuel: u64) {
        self.now = now;
        self.fuel = fuel;
    }

    /// What the host put in under this type with [`Session::extend`](crate::Session::extend).
    #[must_use]
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.extensions.get(&TypeId::of::<T>())?).downcast().ok()
    }

    pub(crate) fn extend<T: Any + Send + Sync>(&mut self, extension: Arc<T>) {
        self.extensions.insert(TypeId::of::<T>(), extension);
    }

    /// Takes out a value that lives as long as the session, such as the cache of a plugin; a default
    /// one the first time. The body puts it back with [`Context::keep_state`].
    pub fn take_state<T: Any + Default + Send>(&mut self) -> Box<T> {
        let state = self.states.remove(&TypeId::of::<T>());
        state.and_then(|state| state.downcast().ok()).unwrap_or_default()
    }

    /// Keeps a value of this type for the next [`Context::take_state`].
    pub fn keep_state<T: Any + Default + Send>(&mut self, state: Box<T>) {
        self.states.insert(TypeId::of::<T>(), state);
    }

    /// Checks permissions of `asker` that depend on arguments; the table's are checked already.
    ///
    /// # Errors
    ///
    /// The refusal in the words that Velociraptor logs.
    pub fn require(&self, asker: &str, permissions: &[Permission]) -> Result<(), Fault> {
        if permissions.is_empty() {
            return Ok(());
        }
        self.access
            .check(asker, permissions)
            .map_err(|denied| Fault::note(format!("PermissionDenied: {denied}")))
    }

    /// Whether the caller holds these permissions, of somebody who goes on without them as well: nothing is refused.
    #[must_use]
    pub fn allows(&self, permissions: &[Permission]) -> bool {
        self.access.check("", permissions).is_ok()
    }

    /// The accessor of a name, once its permissions are checked. An empty name is `auto`.
    ///
    /// # Errors
    ///
    /// It does not exist, is blocked by the configuration, or is not permitted.
    pub fn accessor(&self, name: &str) -> Result<Arc<dyn Accessor>, Fault> {
        self.permitted(name, Registry::accessor)
    }

    /// The host's own accessor of a name, whatever [`Self::show_accessor`] put in its place.
    ///
    /// # Errors
    ///
    /// As [`Self::accessor`].
    pub fn host_accessor(&self, name: &str) -> Result<Arc<dyn Accessor>, Fault> {
        self.permitted(name, Registry::host_accessor)
    }

    /// Shows something else under the name of an accessor for the rest of the session; false if the host has none of this
    /// name. No permission is needed to use it, so it gets what it shows from [`Self::host_accessor`] at each use.
    pub fn show_accessor(&mut self, name: &str, accessor: Arc<dyn Accessor>) -> bool {
        Arc::make_mut(&mut self.registry).show_accessor(name, accessor)
    }

    /// Takes back all that [`Self::show_accessor`] did.
    pub fn show_host_accessors(&mut self) {
        Arc::make_mut(&mut self.registry).show_host_accessors();
    }

    fn permitted(
        &self,
        name: &str,
        find: fn(&Registry, &str) -> Found<AccessorEntry>,
    ) -> Result<Arc<dyn Accessor>, Fault> {
        let name = if name.is_empty() { "auto" } else { name };
        match find(&self.registry, name) {
            Found::Entry(entry) => {
                self.access.check(name, entry.permissions).map_err(|denied| {
                    Fault::note(format!("Accessor {name}: PermissionDenied: {denied}"))
                })?;
                Ok(entry.accessor)
            }
            Found::Blocked => {
                Err(Fault::note("Not implemented: Accessor denied by configuration".to_string()))
            }
            Found::Nothing => Err(Fault::note(format!("Unknown filesystem accessor {name}"))),
        }
    }

    /// Compiles a pattern, or takes it from the session's cache.
    ///
    /// # Errors
    ///
    /// What is wrong with the pattern.
    pub fn pattern(&mut self, text: &Text, case: Case) -> Result<Arc<Pattern>, Fault> {
        self.patterns.compile(text, case)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.states.is_empty() {
            self.orphans.lock().push(core::mem::take(&mut self.states));
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("budget", &self.budget)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
