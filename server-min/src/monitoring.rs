//! Event tables: what each agent is to watch, compiled, with a version that changes when the content does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use troodon_proto::{Message, VqlCollectorArgs, VqlEventTable};

use crate::acl::Principal;
use crate::launcher::{CompileFault, LaunchError, Launcher, Spec};
use crate::model::audit::Record;
use crate::model::client::Client;
use crate::model::monitoring::{Watch, WatchList};
use crate::store::setting::{self, Setting};
use crate::store::{Store, StoreError, audit, now_us};

/// Why there is no table, or why it does not change.
#[derive(Debug, thiserror::Error)]
pub enum MonitoringError {
    /// The caller may not, or the artifact cannot be compiled.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// An artifact on the list cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileFault),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The tables of all agents.
pub struct Monitoring {
    store: Store,
    launcher: Arc<Launcher>,
    /// `Frontend.default_client_monitoring_artifacts`, until somebody edits the list.
    usual: Vec<String>,
    compiled: Mutex<Option<Compiled>>,
}

/// A list with the queries that it comes to.
struct Compiled {
    list: WatchList,
    version: u64,
    /// By label; `None` is the list of every client.
    events: BTreeMap<Option<String>, Vec<VqlCollectorArgs>>,
}

impl Monitoring {
    /// The tables of this store.
    pub fn new(store: Store, launcher: Arc<Launcher>, usual: &[String]) -> Self {
        Self { store, launcher, usual: usual.to_vec(), compiled: Mutex::default() }
    }

    /// The tables of another organisation.
    pub fn to(&self, store: Store, launcher: Arc<Launcher>) -> Self {
        Self::new(store, launcher, &self.usual)
    }

    /// What is on the list.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self) -> Result<WatchList, StoreError> {
        let kept = self.store.setting(Setting::EventTable)?;
        kept.map_or_else(|| Ok(self.usual_list()), |kept| Ok(serde_json::from_slice(&kept)?))
    }

    /// A configuration from elsewhere names artifacts that are not here: they are left out.
    fn usual_list(&self) -> WatchList {
        let is_here = |name: &&String| self.launcher.repository().get(name).is_some();
        let watch = |name: &String| Watch { artifact: name.clone(), parameters: BTreeMap::new() };
        let all = self.usual.iter().filter(is_here).map(watch).collect();
        WatchList { changed_ns: 0, all, labels: BTreeMap::new() }
    }

    /// Compiles the list, so that a mistake is heard of at the start.
    ///
    /// # Errors
    /// Those of [`Monitoring::table`].
    pub fn check(&self) -> Result<(), MonitoringError> {
        self.compile(self.list()?).map(drop)
    }

    /// The table for a client, when it has an older one.
    ///
    /// # Errors
    /// The store cannot be read, or an artifact on the list cannot be compiled.
    pub fn table(&self, client: &Client) -> Result<Option<VqlEventTable>, MonitoringError> {
        let list = self.list()?;
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let current = match compiled.take().filter(|compiled| compiled.list == list) {
            Some(current) => current,
            None => self.compile(list)?,
        };
        let current = compiled.insert(current);
        // Who gains or loses a label gets another table only where labels matter.
        let by_label = if current.list.labels.is_empty() { 0 } else { client.labels_changed_ns };
        let version = current.version.max(by_label);
        if client.event_table_version >= version {
            return Ok(None);
        }
        let lists = current.list.lists_for(client);
        let events = lists.filter_map(|label| current.events.get(&label.map(str::to_owned)));
        Ok(Some(VqlEventTable { event: events.flatten().cloned().collect(), version }))
    }

    /// The version changes when the content does, not with each start: a restart must not make every agent start its
    /// queries again.
    fn compile(&self, list: WatchList) -> Result<Compiled, MonitoringError> {
        let mut events = BTreeMap::new();
        let labelled = list.labels.iter().map(|(label, watches)| (Some(label.clone()), watches));
        for (label, watches) in std::iter::once((None, &list.all)).chain(labelled) {
            let specs: Vec<Spec> = watches.iter().map(Spec::from).collect();
            events.insert(label, self.launcher.compile_events(&specs)?);
        }
        let all: Vec<_> = events.values().flatten().cloned().collect();
        let kept = self.store.setting(Setting::CompiledEventTable)?;
        let kept = kept.and_then(|kept| VqlEventTable::decode(kept.as_slice()).ok());
        let version = match kept.filter(|kept| kept.event == all) {
            Some(kept) => kept.version,
            None => {
                let table = VqlEventTable { event: all, version: now_us().saturating_mul(1000) };
                self.store.set_setting(Setting::CompiledEventTable, table.encode_to_vec())?;
                table.version
            }
        };
        Ok(Compiled { version: version.max(list.changed_ns), list, events })
    }

    /// Lets clients watch an artifact: all, or those with a label. Connected agents hear of it at once.
    ///
    /// # Errors
    /// The caller may not launch this artifact, it is no CLIENT_EVENT, or the list is full.
    pub fn add(
        &self,
        principal: &Principal,
        label: Option<&str>,
        watch: Watch,
    ) -> Result<WatchList, MonitoringError> {
        let spec = Spec::from(&watch);
        self.launcher.allow_on_record(principal, OPERATION, std::slice::from_ref(&spec))?;
        self.launcher.compile_events(&[spec])?;
        let label = label.map(str::to_owned);
        self.edit(principal, move |list| list.add(label.as_deref(), watch))
    }

    /// Ends what [`Monitoring::add`] began.
    ///
    /// # Errors
    /// The caller may not collect from clients.
    pub fn remove(
        &self,
        principal: &Principal,
        label: Option<&str>,
        artifact: &str,
    ) -> Result<WatchList, MonitoringError> {
        self.launcher.allow_on_record(principal, OPERATION, &[])?;
        let (label, artifact) = (label.map(str::to_owned), artifact.to_owned());
        self.edit(principal, move |list| {
            list.remove(label.as_deref(), &artifact);
            true
        })
    }

    fn edit(
        &self,
        principal: &Principal,
        change: impl FnOnce(&mut WatchList) -> bool + Send + 'static,
    ) -> Result<WatchList, MonitoringError> {
        let usual = self.usual_list();
        let (principal, org) = (principal.name().to_owned(), self.store.org().clone());
        let list = self.store.write(move |db| {
            let mut list = match setting::find(db, Setting::EventTable)? {
                Some(kept) => serde_json::from_slice(&kept)?,
                None => usual,
            };
            if !change(&mut list) {
                let limit = u64::try_from(crate::limits::WATCHES).unwrap_or(u64::MAX);
                return Err(StoreError::Limit("the list of watched artifacts", limit));
            }
            let time_us = now_us();
            list.changed_ns = time_us.saturating_mul(1000);
            setting::put(db, Setting::EventTable, &serde_json::to_vec(&list)?)?;
            let record = Record {
                time_us,
                org,
                principal,
                operation: OPERATION.to_owned(),
                allowed: true,
                details: json!({"state": list}),
            };
            audit::append(db, &record)?;
            Ok(list)
        })?;
        Ok(list)
    }
}

/// The operation in the audit log.
const OPERATION: &str = "SetClientMonitoringState";
