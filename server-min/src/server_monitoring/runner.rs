//! Keeps the event queries of the server running: one thread for each source, started and ended as the list says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use troodon_proto::VqlCollectorArgs;
use troodon_vql::{Budget, Interrupt, Level};

use super::gather::Gather;
use crate::acl::Principal;
use crate::launcher::Spec;
use crate::limits::{
    EVENT_GATHER_MS, HEARTBEAT_SECONDS, QUERY_NAP_MS, RESTART_MS, RESTART_MS_MAX, STEADY_SECONDS,
    WATCH_LIST_MS,
};
use crate::model::id::{ArtifactName, NameFault, OrgId};
use crate::model::monitoring::ServerWatch;
use crate::orgs::Org;
use crate::query::{Asked, Backend, Messages, QueryFault, Running, Turn};
use crate::services::Services;
use crate::store::StoreError;

/// The event queries of all organisations.
pub struct Runner {
    services: Services,
    running: BTreeMap<Place, (ServerWatch, Vec<Source>)>,
}

/// An artifact on the list of an organisation.
type Place = (OrgId, String);

/// One source of an artifact, on its thread.
struct Source {
    switch: Interrupt,
    thread: JoinHandle<()>,
}

impl Runner {
    /// None runs yet.
    #[must_use]
    pub const fn new(services: Services) -> Self {
        Self { services, running: BTreeMap::new() }
    }

    /// Follows the lists until `stop` is set, on a thread of its own.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(mut self, stop: Interrupt) -> std::io::Result<JoinHandle<()>> {
        let follow = move || {
            while !stop.is_set() {
                if let Err(error) = self.look() {
                    tracing::error!(%error, "the event queries of the server cannot be listed");
                }
                let store = &self.services.orgs.root().store;
                store.wait_for_commit(Duration::from_millis(WATCH_LIST_MS));
                nap(Duration::from_millis(QUERY_NAP_MS), &stop);
            }
            self.end(|_, _| true);
        };
        thread::Builder::new().name("server-events".into()).spawn(follow)
    }

    /// Starts and ends queries so that those on the lists run.
    fn look(&mut self) -> Result<(), StoreError> {
        let mut wanted: BTreeMap<Place, (Arc<Org>, ServerWatch)> = BTreeMap::new();
        for record in self.services.orgs.list()? {
            let Some(org) = self.services.orgs.find(&record.id)? else { continue };
            for watch in super::list(&org.store, &org.launcher)?.artifacts {
                let place = (record.id.clone(), watch.watch.artifact.clone());
                wanted.insert(place, (Arc::clone(&org), watch));
            }
        }
        self.end(|place, running| wanted.get(place).is_none_or(|(_, watch)| watch != running));
        for (place, (org, watch)) in wanted {
            if !self.running.contains_key(&place) {
                let sources = self.begin(&org, &watch);
                self.running.insert(place, (watch, sources));
            }
        }
        Ok(())
    }

    /// Ends those that are not wanted, and waits for them.
    fn end(&mut self, is_over: impl Fn(&Place, &ServerWatch) -> bool) {
        let mut over = Vec::new();
        self.running.retain(|place, (watch, sources)| {
            let is_over = is_over(place, watch);
            if is_over {
                over.append(sources);
            }
            !is_over
        });
        over.iter().for_each(|source| source.switch.set());
        for source in over {
            // A panic in the thread has been reported by the panic hook.
            drop(source.thread.join());
        }
    }

    fn begin(&self, org: &Arc<Org>, watch: &ServerWatch) -> Vec<Source> {
        let artifact = &watch.watch.artifact;
        let requests = match org.launcher.compile_server_events(&Spec::from(&watch.watch)) {
            Ok(requests) => requests,
            Err(error) => {
                tracing::error!(%artifact, %error, "an event artifact of the server does not run");
                return Vec::new();
            }
        };
        let mut sources = Vec::new();
        for request in requests {
            let query = EventQuery::new(self.services.clone(), Arc::clone(org), watch, request);
            match query.map(EventQuery::start) {
                Ok(Ok(source)) => sources.push(source),
                Ok(Err(error)) => {
                    tracing::error!(%artifact, %error, "an event query of the server has no thread");
                }
                Err(error) => {
                    tracing::error!(%artifact, %error, "an event query of the server has no owner");
                }
            }
        }
        sources
    }
}

/// One source with whose rights it runs.
struct EventQuery {
    services: Services,
    org: Arc<Org>,
    owner: Principal,
    artifact: String,
    name: ArtifactName,
    request: VqlCollectorArgs,
    switch: Interrupt,
}

impl EventQuery {
    fn new(
        services: Services,
        org: Arc<Org>,
        watch: &ServerWatch,
        request: VqlCollectorArgs,
    ) -> Result<Self, NameFault> {
        let owner = match &watch.owner {
            None => Principal::Server { name: services.acl.server_name().to_owned() },
            Some(name) => Principal::User { name: name.parse()? },
        };
        let artifact = watch.watch.artifact.clone();
        let name = request.query.last().map_or("", |query| query.name.as_str()).parse()?;
        Ok(Self { services, org, owner, artifact, name, request, switch: Interrupt::new() })
    }

    fn start(self) -> std::io::Result<Source> {
        let switch = self.switch.clone();
        let thread =
            thread::Builder::new().name("server-event".into()).spawn(move || self.run())?;
        Ok(Source { switch, thread })
    }

    /// Runs the query again and again; what ends soon waits longer each time.
    fn run(self) {
        let mut pause = RESTART_MS;
        let mut gather = Gather::new(self.org.store.clone(), self.name.clone());
        while !self.switch.is_set() {
            let start = Instant::now();
            let outcome = self.run_once(&mut gather);
            if start.elapsed() >= Duration::from_secs(STEADY_SECONDS) {
                pause = RESTART_MS;
            }
            if !self.switch.is_set() {
                let seconds = pause / 1000;
                match outcome {
                    Ok(()) => {
                        let text = format!("The query has ended; it starts again in {seconds} s");
                        gather.messages().note(Level::Info, &text);
                    }
                    Err(error) => {
                        let text = format!("{error}; the query starts again in {seconds} s");
                        gather.messages().note(Level::Error, &text);
                    }
                }
            }
            self.store(&mut gather);
            nap(Duration::from_millis(pause), &self.switch);
            pause = pause.saturating_mul(2).min(RESTART_MS_MAX);
        }
    }

    fn run_once(&self, gather: &mut Gather) -> Result<(), QueryFault> {
        let messages = gather.messages();
        messages.note(Level::Info, &format!("Starting as {}", self.owner.name()));
        if !self.request.precondition.is_empty() && !self.has_row(&messages)? {
            return Ok(());
        }
        let texts: Vec<&str> = self.request.query.iter().map(|query| query.vql.as_str()).collect();
        let mut running = self.begin(&texts.join("\n"), &messages)?;
        let mut heartbeat = Instant::now();
        loop {
            match running.step()? {
                Turn::Row(row) => gather.row(&row),
                Turn::Wait(time) => {
                    thread::sleep(time.min(Duration::from_millis(EVENT_GATHER_MS)));
                }
                Turn::Busy => {}
                Turn::End => return Ok(()),
            }
            if heartbeat.elapsed() >= Duration::from_secs(HEARTBEAT_SECONDS) {
                heartbeat = Instant::now();
                messages.note(Level::Debug, "The query is running");
            }
            if gather.is_due() {
                self.store(gather);
            }
        }
    }

    /// Whether the precondition yields anything.
    fn has_row(&self, messages: &Messages) -> Result<bool, QueryFault> {
        let mut running = self.begin(&self.request.precondition, messages)?;
        loop {
            match running.step()? {
                Turn::Row(_) => return Ok(true),
                Turn::Wait(time) => thread::sleep(time),
                Turn::Busy => {}
                Turn::End => return Ok(false),
            }
        }
    }

    fn begin(&self, text: &str, messages: &Messages) -> Result<Running, QueryFault> {
        let Services { orgs, acl, registry } = self.services.clone();
        let token = acl.token_of_monitoring(self.owner.clone(), self.org.store.clone());
        let backend = Backend { token, ..Backend::new(&orgs, &self.org, &acl, self.owner.clone()) };
        let asked = Asked {
            backend: Arc::new(backend),
            registry,
            log: Box::new(messages.clone()),
            interrupt: self.switch.clone(),
            // It never ends, so its steps and rows have no limit.
            budget: Budget { steps: None, rows: None, ..Budget::host() },
            artifact: Some(self.artifact.clone()),
            uploader: None,
        };
        let variables: Vec<(String, String)> =
            self.request.env.iter().map(|one| (one.key.clone(), one.value.clone())).collect();
        Ok(Running::start(text, &variables, asked)?)
    }

    /// Stores what waits. While the store refuses, the query waits: nothing is dropped.
    fn store(&self, gather: &mut Gather) {
        loop {
            match gather.flush() {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(name = %self.name, %error, "events of the server are not stored");
                }
            }
            if self.switch.is_set() {
                return;
            }
            nap(Duration::from_millis(RESTART_MS), &self.switch);
        }
    }
}

/// Sleeps so long, or until `switch` is set.
fn nap(time: Duration, switch: &Interrupt) {
    let end = Instant::now() + time;
    while !switch.is_set() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(Duration::from_millis(QUERY_NAP_MS)));
    }
}
