//! From artifacts to collections.
//!
//! [`Launcher::launch`] is the one door: whoever collects something, by whatever road, comes through it, and it decides
//! with the caller's rights. The permissions that an artifact requires are asked for the launched artifact only, not
//! for those that it calls, so that a narrow wrapper can be given to people who may not run what it wraps.

mod compile;
mod request;
mod settings;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::{Value, json};
use troodon_proto::{FlowRequest, VqlCollectorArgs};
use troodon_vql::Permission;

use crate::acl::{Acl, Principal};
use crate::artifact::{ArtifactType, Repository};
use crate::basic;
use crate::config::Config;
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::flow::NewFlow;
use crate::model::id::{ClientId, FlowId, NameFault};
use crate::model::notebook::CellKind;
use crate::model::site::Site;
use crate::store::{Store, StoreError, now_us};

use compile::{Layers, compile};
pub use request::{Collect, CompileFault, Limits, Spec};
use settings::{MAX_UPLOAD_BYTES, Settings};

/// What an agent is asked when it enrols.
const INTERROGATION: &str = "Generic.Client.Info";
/// The same, when the deployment has a definition of its own.
const OWN_INTERROGATION: &str = "Custom.Generic.Client.Info";
/// Who asks it.
const INTERROGATOR: &str = "InterrogationService";

/// Why nothing was launched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The caller may not.
    #[error("PermissionDenied: {0}")]
    Denied(String),
    /// The artifacts cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileFault),
    /// A name of an artifact cannot be stored.
    #[error(transparent)]
    Name(#[from] NameFault),
    /// The store refuses: the client is unknown, or its queue is full.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The definitions of all organisations.
struct Definitions {
    /// Replaced as a whole, so that whoever compiles sees one state of it.
    current: RwLock<Arc<Repository>>,
    /// Held by whoever makes the next one.
    changing: Mutex<()>,
}

/// The one door through which collections start.
pub struct Launcher {
    definitions: Arc<Definitions>,
    store: Store,
    acl: Acl,
    settings: Settings,
}

impl Launcher {
    /// A door to this store. Rights in the store's organisation count.
    pub fn new(config: &Config, repository: Arc<Repository>, store: Store, acl: Acl) -> Self {
        let (current, changing) = (RwLock::new(repository), Mutex::default());
        let definitions = Arc::new(Definitions { current, changing });
        Self { definitions, store, acl, settings: Settings::of(config) }
    }

    /// The same door to the store of another organisation.
    pub fn to(&self, store: Store) -> Self {
        let (definitions, settings) = (Arc::clone(&self.definitions), self.settings.clone());
        Self { definitions, store, acl: self.acl.clone(), settings }
    }

    /// Where collections are queued.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The definitions that it compiles.
    pub fn repository(&self) -> Arc<Repository> {
        Arc::clone(&self.definitions.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the definitions, unless `change` fails: then nothing is changed.
    ///
    /// # Errors
    /// Those of `change`.
    pub(crate) fn change_repository<T, E>(
        &self,
        change: impl FnOnce(&mut Repository) -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = self.definitions.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Repository::clone(&self.repository());
        let done = change(&mut next)?;
        *self.definitions.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(done)
    }

    /// Queues a collection for a client or for the server; returns its id once that is durable. A running server notices
    /// by itself.
    ///
    /// # Errors
    /// The caller may not, the artifacts cannot be compiled, or the client is unknown.
    pub fn launch(
        &self,
        principal: &Principal,
        site: impl Into<Site>,
        wanted: &Collect,
    ) -> Result<FlowId, LaunchError> {
        let site = site.into();
        let details = json!({"client": site.as_str(), "details": wanted.shown()});
        let operation = Door::of_collecting(site).operation();
        let mut record = self.record(principal, operation, details);
        let allowed = match site {
            Site::Client(_) => self.allow(principal, &wanted.specs),
            Site::Server => self.allow_on_server(principal, &wanted.specs),
        };
        if let Err(refusal) = allowed {
            return self.refuse(record, refusal);
        }
        if wanted.expires > 0 && wanted.expires <= now_us() / 1_000_000 {
            return Err(CompileFault::Over(wanted.expires).into());
        }
        if site == Site::Server && wanted.limits.iops_limit > 0.0 {
            return Err(CompileFault::Operations.into());
        }
        let mut request = match site {
            Site::Client(_) => self.compile(wanted)?,
            Site::Server => self.compile_server(wanted)?,
        };
        // The agent looks as well: what it is handed may be older than it seems.
        for action in &mut request.vql_client_actions {
            action.expiry = wanted.expires;
        }
        let flow = new_flow(principal.name(), wanted, request)?;
        record.details["flow_id"] = flow.id.as_str().into();
        Ok(self.store.create_flow_on_record(site, flow, record)?)
    }

    /// Queues what a collection was asked for once more, with the rights of whoever asks now; values of `changed` stand in
    /// the place of what it was given for parameters of these names.
    ///
    /// # Errors
    /// There is no such collection, or it does not say what was asked for; those of [`Launcher::launch`].
    pub fn launch_again(
        &self,
        principal: &Principal,
        site: Site,
        id: &FlowId,
        changed: &[(String, String)],
    ) -> Result<FlowId, LaunchError> {
        let before = self.store.flow(site, id)?;
        let mut wanted = Collect::read(&before.spec)?;
        if wanted.expires > 0 {
            // It waits as long as the one before did.
            let wait = wanted.expires.saturating_sub(before.created_us / 1_000_000);
            wanted.expires = (now_us() / 1_000_000).saturating_add(wait);
        }
        wanted.specs.iter_mut().for_each(|spec| changed.iter().for_each(|one| spec.set(one)));
        self.launch(principal, site, &wanted)
    }

    /// Asks a client about its host. Nobody's rights are asked for, since nobody chooses what runs: it happens in
    /// lockdown as well.
    ///
    /// # Errors
    /// The client is unknown, or an own definition of the artifact cannot be compiled.
    pub fn interrogate(&self, client: &ClientId) -> Result<FlowId, LaunchError> {
        let is_own = self.repository().get(OWN_INTERROGATION).is_some();
        let name = if is_own { OWN_INTERROGATION } else { INTERROGATION };
        let wanted = Collect { specs: vec![Spec::of(name)], ..Collect::default() };
        Ok(self.store.create_flow(client, self.flow(INTERROGATOR, &wanted)?)?)
    }

    /// A collection that is ready to be queued; nobody's rights are asked for.
    pub(crate) fn flow(&self, creator: &str, wanted: &Collect) -> Result<NewFlow, LaunchError> {
        new_flow(creator, wanted, self.compile(wanted)?)
    }

    /// Whether the caller may launch all of these, by whatever road. A refusal is recorded as of `operation`.
    ///
    /// # Errors
    /// [`LaunchError::Denied`], or there is no such artifact.
    pub fn allow_on_record(
        &self,
        principal: &Principal,
        operation: &str,
        specs: &[Spec],
    ) -> Result<(), LaunchError> {
        match self.allow(principal, specs) {
            Ok(()) => Ok(()),
            Err(refusal) => {
                let artifacts: Vec<_> = specs.iter().map(|spec| spec.artifact.as_str()).collect();
                let about = json!({"artifacts": artifacts});
                self.refuse(self.record(principal, operation, about), refusal)
            }
        }
    }

    fn record(&self, principal: &Principal, operation: &str, details: Value) -> Record {
        Record {
            time_us: now_us(),
            org: self.store.org().clone(),
            principal: principal.name().to_owned(),
            operation: operation.to_owned(),
            allowed: true,
            details,
        }
    }

    fn refuse<T>(&self, mut record: Record, refusal: LaunchError) -> Result<T, LaunchError> {
        record.allowed = false;
        record.details["refused"] = refusal.to_string().into();
        self.store.audit(record)?;
        Err(refusal)
    }

    /// Whether the caller may let this artifact run on the server, in a query or from then on. A refusal is recorded.
    ///
    /// # Errors
    /// [`LaunchError::Denied`], or there is no such artifact.
    pub fn allow_call(&self, principal: &Principal, artifact: &str) -> Result<(), LaunchError> {
        let spec = Spec::of(artifact);
        self.required(principal, &[&spec]).or_else(|refusal| {
            let details = json!({"artifacts": [artifact]});
            self.refuse(self.record(principal, "Artifact", details), refusal)
        })
    }

    fn allow(&self, principal: &Principal, specs: &[Spec]) -> Result<(), LaunchError> {
        let rest = self.beyond_basic(principal, specs)?;
        if rest.is_empty() && !specs.is_empty() {
            return Ok(());
        }
        let name = principal.name();
        let org = self.store.org();
        self.acl.check(principal, org, Door::Collect.permissions()).map_err(|denied| {
            LaunchError::Denied(format!("{name} may not collect from clients: {denied}"))
        })?;
        self.required(principal, &rest)
    }

    /// Whether the caller may run these on the server: asked when they are queued, and again when they begin. What is basic
    /// is so on clients only.
    ///
    /// # Errors
    /// [`LaunchError::Denied`], or there is no such artifact.
    fn allow_on_server(&self, principal: &Principal, specs: &[Spec]) -> Result<(), LaunchError> {
        let (name, org) = (principal.name(), self.store.org());
        self.acl.check(principal, org, Door::CollectServer.permissions()).map_err(|denied| {
            LaunchError::Denied(format!("{name} may not collect on the server: {denied}"))
        })?;
        self.required(principal, &specs.iter().collect::<Vec<_>>())
    }

    /// [`Launcher::allow_on_server`] for a collection that is about to begin. A refusal is recorded.
    ///
    /// # Errors
    /// Those of [`Launcher::allow_on_server`].
    pub(crate) fn allow_beginning(
        &self,
        principal: &Principal,
        flow: &FlowId,
        specs: &[Spec],
    ) -> Result<(), LaunchError> {
        self.allow_on_server(principal, specs).or_else(|refusal| {
            let details = json!({"client": Site::SERVER, "flow_id": flow.as_str()});
            let operation = Door::CollectServer.operation();
            self.refuse(self.record(principal, operation, details), refusal)
        })
    }

    /// Those that the caller may not launch with COLLECT_BASIC.
    fn beyond_basic<'a>(
        &self,
        principal: &Principal,
        specs: &'a [Spec],
    ) -> Result<Vec<&'a Spec>, LaunchError> {
        let org = self.store.org();
        let basic = match self.acl.check(principal, org, &[Permission::CollectBasic]) {
            Ok(()) => basic::marked(&self.store)?,
            Err(_) => BTreeSet::new(),
        };
        Ok(specs.iter().filter(|spec| !basic.contains(&spec.artifact)).collect())
    }

    /// Whether the caller has what these artifacts require.
    fn required(&self, principal: &Principal, specs: &[&Spec]) -> Result<(), LaunchError> {
        let name = principal.name();
        let org = self.store.org();
        let repository = self.repository();
        for spec in specs {
            let entry = repository
                .get(&spec.artifact)
                .ok_or_else(|| CompileFault::Unknown(spec.artifact.clone()))?;
            let artifact = &entry.artifact;
            for required in &artifact.required_permissions {
                let refused = |why: String| {
                    LaunchError::Denied(format!("{name} may not collect {}: {why}", artifact.name))
                };
                // Definitions are checked when read; a name that is unknown here is held by nobody.
                let permission = Permission::named(required)
                    .ok_or_else(|| refused(format!("there is no permission {required}")))?;
                self.acl
                    .check(principal, org, &[permission])
                    .map_err(|d| refused(d.to_string()))?;
            }
        }
        Ok(())
    }

    /// The request that an agent gets, without asking for rights and without queueing it.
    ///
    /// # Errors
    /// The artifacts cannot be compiled.
    pub fn compile(&self, wanted: &Collect) -> Result<FlowRequest, CompileFault> {
        self.compile_for(wanted, ArtifactType::Client)
    }

    /// The same for the server, where it runs with the rights of whoever asks for it and never with another's.
    fn compile_server(&self, wanted: &Collect) -> Result<FlowRequest, CompileFault> {
        let repository = self.repository();
        let entries = wanted.specs.iter().filter_map(|spec| repository.get(&spec.artifact));
        let mut artifacts = entries.map(|entry| &entry.artifact);
        match artifacts.find(|artifact| !artifact.impersonate.is_empty()) {
            None => self.compile_for(wanted, ArtifactType::Server),
            Some(artifact) => Err(CompileFault::Impersonates(artifact.name.clone())),
        }
    }

    fn compile_for(
        &self,
        wanted: &Collect,
        kind: ArtifactType,
    ) -> Result<FlowRequest, CompileFault> {
        if wanted.specs.is_empty() {
            return Err(CompileFault::Nothing);
        }
        let limits = Layers { caller: &wanted.limits, server: &self.settings.batch };
        let actions = compile(&self.repository(), &wanted.specs, &limits, kind)?;
        let limits = wanted.limits.over(&self.largest(&wanted.specs));
        Ok(FlowRequest {
            vql_client_actions: actions,
            log_batch_time: self.settings.log_batch_time,
            max_rows: limits.max_rows,
            max_upload_bytes: match limits.max_upload_bytes {
                0 => MAX_UPLOAD_BYTES,
                bytes => bytes,
            },
            max_logs: self.settings.max_logs,
            log_error_regex: self.settings.log_error_regex.clone(),
            compression: self.settings.compression.into(),
            ..FlowRequest::default()
        })
    }

    /// The limits of a whole collection: the largest of its artifacts.
    fn largest(&self, specs: &[Spec]) -> Limits {
        let repository = self.repository();
        let artifacts = specs.iter().filter_map(|spec| repository.get(&spec.artifact));
        artifacts.fold(Limits::default(), |all, entry| {
            let own = &entry.artifact.resources;
            Limits {
                max_rows: all.max_rows.max(own.max_rows),
                max_upload_bytes: all.max_upload_bytes.max(own.max_upload_bytes),
                ..all
            }
        })
    }

    /// The event queries of an agent's monitoring table.
    ///
    /// # Errors
    /// An artifact is unknown or no CLIENT_EVENT.
    pub fn compile_events(&self, specs: &[Spec]) -> Result<Vec<VqlCollectorArgs>, CompileFault> {
        let server = Limits { max_batch_wait: self.settings.event_wait, ..self.settings.batch };
        let limits = Layers { caller: &Limits::default(), server: &server };
        compile(&self.repository(), specs, &limits, ArtifactType::ClientEvent)
    }

    /// The event queries of an artifact that runs on the server.
    ///
    /// # Errors
    /// The artifact is unknown or no SERVER_EVENT, or has no such parameter.
    pub fn compile_server_events(
        &self,
        spec: &Spec,
    ) -> Result<Vec<VqlCollectorArgs>, CompileFault> {
        self.compile_here(spec, ArtifactType::ServerEvent)
    }

    /// The queries of an artifact that a query on the server calls, whatever its type.
    ///
    /// # Errors
    /// The artifact is unknown, or cannot be compiled.
    pub fn compile_call(&self, artifact: &str) -> Result<Vec<VqlCollectorArgs>, CompileFault> {
        let repository = self.repository();
        let entry = repository.get(artifact);
        let entry = entry.ok_or_else(|| CompileFault::Unknown(artifact.to_owned()))?;
        self.compile_here(&Spec::of(artifact), entry.artifact.kind)
    }

    /// What a NOTEBOOK artifact puts into a notebook.
    ///
    /// # Errors
    /// The artifact is unknown or no NOTEBOOK, or has no such parameter.
    pub fn notebook_template(
        &self,
        artifact: &str,
        parameters: &[(String, String)],
    ) -> Result<Template, CompileFault> {
        let spec = Spec { artifact: artifact.to_owned(), parameters: parameters.to_vec() };
        let requests = self.compile_here(&spec, ArtifactType::Notebook)?;
        let repository = self.repository();
        let entry = repository.get(artifact);
        let artifact = &entry.ok_or(CompileFault::Unknown(spec.artifact))?.artifact;
        let mut preamble = String::new();
        if let Some(request) = requests.first() {
            for variable in &request.env {
                let name = variable.key.replace('`', "");
                let value = json!({"value": variable.value});
                preamble.push_str(&format!(
                    "LET `{name}` <= parse_json(data={}).value\n",
                    quoted(&value)
                ));
            }
            let statements = request.query.iter().filter(|query| query.name.is_empty());
            statements.for_each(|query| preamble.push_str(&format!("{}\n", query.vql)));
        }
        let cells = artifact.sources.iter().flat_map(|source| &source.notebook);
        let cells = cells.filter_map(|cell| {
            CellKind::named(&cell.kind).map(|kind| (kind, cell.template.clone()))
        });
        Ok(Template { preamble, cells: cells.collect() })
    }

    fn compile_here(
        &self,
        spec: &Spec,
        kind: ArtifactType,
    ) -> Result<Vec<VqlCollectorArgs>, CompileFault> {
        let none = Limits::default();
        let limits = Layers { caller: &none, server: &none };
        compile(&self.repository(), std::slice::from_ref(spec), &limits, kind)
    }

    /// `Frontend.default_server_monitoring_artifacts`: what runs on the server until somebody edits the list. Those that
    /// are not here are left out.
    pub fn usual_server_events(&self) -> impl Iterator<Item = &str> {
        let (repository, names) = (self.repository(), self.settings.server_events.iter());
        names.map(String::as_str).filter(move |name| repository.get(name).is_some())
    }
}

/// A JSON value as a raw text of a query. JSON writes the quotes that would end it in another way.
fn quoted(value: &Value) -> String {
    format!("'''{}'''", value.to_string().replace('\'', "\\u0027"))
}

/// What a NOTEBOOK artifact puts into a notebook.
#[derive(Debug, Clone, Default)]
pub struct Template {
    /// Statements that go before each query.
    pub preamble: String,
    /// The cells.
    pub cells: Vec<(CellKind, String)>,
}

/// A collection with an id of its own.
fn new_flow(creator: &str, wanted: &Collect, request: FlowRequest) -> Result<NewFlow, LaunchError> {
    let artifacts = wanted.specs.iter().map(|spec| spec.artifact.parse());
    let artifacts = artifacts.collect::<Result<_, _>>()?;
    let mut random = [0; 4];
    getrandom::fill(&mut random)?;
    Ok(NewFlow {
        id: FlowId::generate(now_us() / 1_000_000, random),
        creator: creator.to_owned(),
        artifacts,
        spec: wanted.shown(),
        request,
        urgent: wanted.urgent,
    })
}
