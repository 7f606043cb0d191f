//! Runs the collections of the server itself: SERVER artifacts, each with the rights of whoever asked for it.
//!
//! They wait in the store of their organisation until a thread is free. What ran when the process ended is not begun again,
//! because nobody knows what of it has happened: its log says so. What nobody has begun in its time is ended here, also what
//! waits for a client.

mod pace;
mod run;
mod uploads;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use troodon_vql::Interrupt;

use crate::flows;
use crate::limits::{BEGIN_LOOK_SECONDS, QUERY_NAP_MS, SERVER_COLLECTIONS, WATCH_LIST_MS};
use crate::model::id::OrgId;
use crate::orgs::Org;
use crate::services::Services;
use crate::store::StoreError;

use run::Run;

/// Follows the queues of all organisations.
pub struct Runner {
    services: Services,
    /// Organisations whose queues are followed: what ran there before is ended.
    known: BTreeSet<OrgId>,
    running: Vec<Running>,
    /// When it is looked again whether collections have expired.
    expiry_due: Instant,
}

/// One collection on its thread.
struct Running {
    switch: Interrupt,
    thread: JoinHandle<()>,
}

impl Runner {
    /// None runs yet.
    #[must_use]
    pub fn new(services: Services) -> Self {
        let (known, running) = (BTreeSet::new(), Vec::new());
        Self { services, known, running, expiry_due: Instant::now() }
    }

    /// Runs what is queued until `stop` is set, on a thread of its own.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(mut self, stop: Interrupt) -> std::io::Result<JoinHandle<()>> {
        let follow = move || {
            while !stop.is_set() {
                if let Err(error) = self.look() {
                    tracing::error!(%error, "collections of the server cannot be looked for");
                }
                let store = &self.services.orgs.root().store;
                store.wait_for_commit(Duration::from_millis(WATCH_LIST_MS));
                if !stop.is_set() {
                    thread::sleep(Duration::from_millis(QUERY_NAP_MS));
                }
            }
            self.running.iter().for_each(|one| one.switch.set());
            for one in self.running {
                // A panic in the thread has been reported by the panic hook.
                drop(one.thread.join());
            }
        };
        thread::Builder::new().name("collector".into()).spawn(follow)
    }

    /// Begins what waits, while there are threads for it; each organisation in turn.
    fn look(&mut self) -> Result<(), StoreError> {
        self.running.retain(|one| !one.thread.is_finished());
        if Instant::now() >= self.expiry_due {
            self.expiry_due = Instant::now() + Duration::from_secs(BEGIN_LOOK_SECONDS);
            flows::expire(&self.services.orgs, self.services.acl.server_name())?;
        }
        let mut orgs = Vec::new();
        for record in self.services.orgs.list()? {
            let Some(org) = self.services.orgs.find(&record.id)? else { continue };
            if self.known.insert(record.id) {
                let ended = org.store.end_interrupted_flows()?;
                if ended > 0 {
                    tracing::warn!(ended, "collections of the server were interrupted");
                }
            }
            orgs.push(org);
        }
        let mut has_begun = true;
        while has_begun {
            has_begun = false;
            for org in &orgs {
                if self.running.len() >= SERVER_COLLECTIONS {
                    return Ok(());
                }
                has_begun |= self.begin(org)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, org: &Arc<Org>) -> Result<bool, StoreError> {
        let Some((number, flow)) = org.store.begin_server_flow()? else { return Ok(false) };
        let switch = Interrupt::new();
        let run = Run::new(self.services.clone(), Arc::clone(org), number, flow, switch.clone());
        let thread =
            thread::Builder::new().name("server-flow".into()).spawn(move || run.finish())?;
        self.running.push(Running { switch, thread });
        Ok(true)
    }
}
