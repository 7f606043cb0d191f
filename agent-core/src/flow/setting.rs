//! What every query of the agent runs with: plugins, budget, variables.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;

use spin::Mutex;
use troodon_proto::{Artifact, VqlEnv};
use troodon_vql::{
    Budget, DangerAllowAll, Interrupt, Level, LogSink, Registry, Session, Setup, Uploader, Value,
};

use super::uploads::Outlet;
use crate::artifact::{Artifacts, below};
use crate::limits;

/// What the host decides about queries.
pub struct Setting {
    /// Plugins, functions and accessors of the host.
    pub registry: Arc<Registry>,
    /// The variable `config`: a dict with `Version` (Name, BuildTime, Version, ci_build_url, install_time) and `Labels`
    /// (docs/protocol.md section 8.2).
    pub config: Value,
    /// Gives a session what the host's plugins look for with `Context::extension`.
    pub prepare: Arc<dyn Fn(&mut Session) + Send + Sync>,
    /// Where chunks of uploaded files go.
    pub outlet: Arc<dyn Outlet>,
    /// How much may be used.
    pub sizes: Sizes,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("sizes", &self.sizes).finish_non_exhaustive()
    }
}

/// How much the queries of an agent may use.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Flows that run at the same time; urgent ones come on top, as many again.
    pub flows_running: usize,
    /// Flows that wait for their turn.
    pub flows_waiting: usize,
    /// Bytes of rows that are collected before they are shipped.
    pub part_bytes: usize,
    /// Bytes of a chunk of an uploaded file.
    pub chunk_bytes: usize,
    /// Steps of a query in one call of [`crate::executor::Executor::poll`]; at least [`limits::FUEL_MIN`] are taken.
    pub fuel: u64,
    /// What the queries of one batch may use.
    pub budget: Budget,
}

impl Sizes {
    /// For a machine with megabytes to spare. Parts are smaller than the original's 5 MiB, so that one fits in a POST with
    /// others ([`limits::LIST_BYTES`]).
    #[must_use]
    pub const fn host() -> Self {
        Self {
            flows_running: 2,
            flows_waiting: 64,
            part_bytes: 1 << 20,
            chunk_bytes: 1 << 20,
            fuel: 10_000,
            budget: Budget::host(),
        }
    }

    /// The fuel of a slice.
    pub(crate) fn slice_fuel(&self) -> u64 {
        self.fuel.max(limits::FUEL_MIN)
    }

    /// For a microcontroller: a part and a chunk fit beside the TLS records on their way out.
    #[must_use]
    pub const fn board() -> Self {
        Self {
            flows_running: 2,
            flows_waiting: 4,
            part_bytes: 4 << 10,
            chunk_bytes: 4 << 10,
            fuel: 500,
            budget: Budget::board(),
        }
    }
}

/// What a batch of statements sees of its request: variables, and artifacts that it may call. They can be as long as the
/// request, so a session takes them instead of copying them.
pub(crate) type Scope = (Vec<VqlEnv>, Arc<[Artifact]>);

impl Setting {
    /// A session with variables and definitions of artifacts, and the log that it writes to.
    pub(crate) fn session(
        &self,
        (env, definitions): Scope,
        budget: Budget,
        interrupt: &Interrupt,
        uploader: Box<dyn Uploader>,
    ) -> (Session, Inbox) {
        let inbox = Inbox::default();
        let maker = SessionMaker {
            registry: Arc::clone(&self.registry),
            config: self.config.clone(),
            prepare: Arc::clone(&self.prepare),
            budget,
            inbox: inbox.clone(),
            interrupt: interrupt.clone(),
            uploader: Arc::new(uploader),
            definitions,
            callers: Vec::new(),
        };
        let mut session = maker.make();
        for VqlEnv { key, value, .. } in env {
            session.set(key, value);
        }
        (session, inbox)
    }
}

/// Makes the sessions of one batch: its own, and those of the artifacts that it calls.
#[derive(Clone)]
struct SessionMaker {
    registry: Arc<Registry>,
    config: Value,
    prepare: Arc<dyn Fn(&mut Session) + Send + Sync>,
    budget: Budget,
    inbox: Inbox,
    interrupt: Interrupt,
    uploader: Arc<Box<dyn Uploader>>,
    /// Definitions that came with the request.
    definitions: Arc<[Artifact]>,
    callers: Vec<String>,
}

impl SessionMaker {
    /// A session with the variables that every query has.
    fn make(&self) -> Session {
        let mut session = Session::new(Setup {
            registry: Arc::clone(&self.registry),
            // Queries come from the server to which the agent is pinned; it may do everything.
            access: Arc::new(DangerAllowAll),
            budget: self.budget,
            log: Box::new(self.inbox.clone()),
            interrupt: self.interrupt.clone(),
        });
        (self.prepare)(&mut session);
        session.extend(Arc::clone(&self.uploader));
        session.extend::<Box<dyn Artifacts>>(Arc::new(Box::new(self.clone())));
        session.set("config", self.config.clone());
        session
    }
}

impl Artifacts for SessionMaker {
    fn definitions(&self) -> &[Artifact] {
        &self.definitions
    }

    fn callers(&self) -> &[String] {
        &self.callers
    }

    fn below(&self, artifact: &str) -> Session {
        let mut maker = self.clone();
        maker.callers.push(String::from(artifact));
        maker.budget = below(maker.budget);
        maker.make()
    }
}

/// Messages of a session that wait to be put in the flow's log.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<Vec<(Level, String)>>>);

impl Inbox {
    /// The messages since the last call.
    pub(crate) fn take(&self) -> Vec<(Level, String)> {
        mem::take(&mut *self.0.lock())
    }
}

impl LogSink for Inbox {
    fn log(&mut self, level: Level, message: &str) {
        self.0.lock().push((level, message.into()));
    }
}
