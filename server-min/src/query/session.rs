//! Sessions of queries on the server: who asks, what they may use, where messages go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use troodon_vql::standard::Entropy;
use troodon_vql::{
    Budget, Elsewhere, Fault, Interrupt, Level, LogSink, Registry, Session, Setup, Uploader,
};

use super::Backend;
use super::elsewhere::Noted;
use crate::events;
use crate::limits::{ARTIFACT_CALLS, QUERY_ALERTS};
use crate::store::Store;

/// What a query runs with.
pub struct Asked {
    /// What it works on, with whose rights.
    pub backend: Arc<Backend>,
    /// What it can use.
    pub registry: Arc<Registry>,
    /// Where its messages go.
    pub log: Box<dyn LogSink>,
    /// Stops it.
    pub interrupt: Interrupt,
    /// How much it may use.
    pub budget: Budget,
    /// The artifact that it belongs to, when that was launched.
    pub artifact: Option<String>,
    /// Where `upload()` brings files; without it there is nowhere.
    pub uploader: Option<Arc<Box<dyn Uploader>>>,
}

/// Makes the session of a query, and those of the artifacts that it calls. Each session finds its maker as an extension.
#[derive(Clone)]
pub(super) struct SessionMaker {
    pub(super) backend: Arc<Backend>,
    registry: Arc<Registry>,
    log: SharedLog,
    interrupt: Interrupt,
    budget: Budget,
    uploader: Option<Arc<Box<dyn Uploader>>>,
    /// Artifacts that are being called with these rights, the outermost first.
    pub(super) callers: Vec<String>,
    /// Sessions around this one.
    depth: usize,
    /// What of this query and all that it calls is on record.
    pub(super) noted: Arc<Noted>,
}

impl SessionMaker {
    pub(super) fn new(asked: Asked) -> Self {
        let Asked { backend, registry, log, interrupt, budget, artifact, uploader } = asked;
        let log =
            SharedLog { log: Arc::new(Mutex::new(log)), alerts: Alerts::of(&backend, budget) };
        let callers: Vec<_> = artifact.into_iter().collect();
        let depth = callers.len();
        let noted = Arc::default();
        Self { backend, registry, log, interrupt, budget, uploader, callers, depth, noted }
    }

    /// A session without variables.
    pub(super) fn make(&self) -> Session {
        let mut session = Session::new(Setup {
            registry: Arc::clone(&self.registry),
            access: Arc::new(self.backend.token.clone()),
            budget: self.budget,
            log: Box::new(self.log.clone()),
            interrupt: self.interrupt.clone(),
        });
        session.extend(Arc::clone(&self.backend));
        session.extend::<Box<dyn Entropy>>(Arc::new(Box::new(SystemEntropy)));
        session.extend(Arc::new(self.clone()));
        session.extend::<Box<dyn Elsewhere>>(Arc::new(Box::new(self.clone())));
        if let Some(uploader) = &self.uploader {
            session.extend(Arc::clone(uploader));
        }
        session
    }

    /// The maker for what `artifact` calls. Its queries run on top of the caller's stack, so they get half of its depth.
    pub(super) fn below(&self, artifact: &str) -> Self {
        let mut maker = self.clone();
        maker.callers.push(artifact.to_owned());
        maker.depth += 1;
        maker.budget.depth /= 2;
        maker
    }

    /// The maker for a query with other rights. Nobody has launched anything with them yet, so that an artifact that it
    /// calls is asked for what it requires.
    pub(super) fn elsewhere(&self, backend: Arc<Backend>) -> Self {
        let mut maker = Self { backend, callers: Vec::new(), ..self.clone() };
        maker.depth += 1;
        maker.budget.depth /= 2;
        maker
    }

    /// Refuses to go deeper for ever.
    pub(super) fn check_depth(&self) -> Result<(), Fault> {
        if self.depth < ARTIFACT_CALLS {
            return Ok(());
        }
        Err(Fault::error(format!("Stack overflow: {}", self.callers.join(", "))))
    }
}

/// One log for the query and for the artifacts that it calls.
#[derive(Clone)]
struct SharedLog {
    log: Arc<Mutex<Box<dyn LogSink>>>,
    alerts: Alerts,
}

impl LogSink for SharedLog {
    fn log(&mut self, level: Level, message: &str) {
        if level == Level::Alert {
            self.alerts.keep(message);
        }
        self.log.lock().unwrap_or_else(PoisonError::into_inner).log(level, message);
    }
}

/// Where alerts of a query go beside its log.
#[derive(Clone)]
struct Alerts {
    store: Store,
    /// Whose query it is.
    principal: String,
    /// How many more are kept; a query without end has no limit, since the log waits for each of them.
    left: Arc<AtomicU64>,
}

impl Alerts {
    fn of(backend: &Backend, budget: Budget) -> Self {
        let left = if budget.rows.is_some() { QUERY_ALERTS } else { u64::MAX };
        let principal = backend.token.principal().name().to_owned();
        Self { store: backend.store.clone(), principal, left: Arc::new(AtomicU64::new(left)) }
    }

    fn keep(&self, message: &str) {
        let take = |left: u64| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return;
        }
        if let Err(error) = events::alert(&self.store, &self.principal, message) {
            tracing::error!(%error, "an alert is not kept");
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
