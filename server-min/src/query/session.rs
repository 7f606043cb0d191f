//! Sessions of queries on the server: who asks, what they may use, where messages go.

use std::sync::{Arc, Mutex, PoisonError};

use troodon_vql::standard::Entropy;
use troodon_vql::{Budget, Fault, Interrupt, Level, LogSink, Registry, Session, Setup};

use super::Backend;

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
}

/// Makes the session of a query, and those of the artifacts that it calls. Each session finds its maker as an extension.
#[derive(Clone)]
pub(super) struct SessionMaker {
    backend: Arc<Backend>,
    registry: Arc<Registry>,
    log: SharedLog,
    interrupt: Interrupt,
    budget: Budget,
    /// Artifacts that are being called, the outermost first.
    pub(super) callers: Vec<String>,
}

impl SessionMaker {
    pub(super) fn new(asked: Asked) -> Self {
        let Asked { backend, registry, log, interrupt, budget, artifact } = asked;
        let log = SharedLog(Arc::new(Mutex::new(log)));
        let callers = artifact.into_iter().collect();
        Self { backend, registry, log, interrupt, budget, callers }
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
        session
    }

    /// The maker for what `artifact` calls. Its queries run on top of the caller's stack, so they get half of its depth.
    pub(super) fn below(&self, artifact: &str) -> Self {
        let mut maker = self.clone();
        maker.callers.push(artifact.to_owned());
        maker.budget.depth /= 2;
        maker
    }
}

/// One log for the query and for the artifacts that it calls.
#[derive(Clone)]
struct SharedLog(Arc<Mutex<Box<dyn LogSink>>>);

impl LogSink for SharedLog {
    fn log(&mut self, level: Level, message: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).log(level, message);
    }
}

/// Random numbers of the operating system.
struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Fault> {
        getrandom::fill(buffer).map_err(super::fault)
    }
}
