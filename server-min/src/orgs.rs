//! The organisations of a deployment, each with a store, event tables and a door for collections of its own.
//!
//! Nothing in a process is "the current organisation": whoever works for one holds an [`Org`], and its store says whose it
//! is. Users, rights and the list itself are in the root's store. An organisation is opened when it is first needed.

mod agents;
mod change;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use troodon_vql::{Denied, Permission};

use crate::acl::{Acl, Principal};
use crate::actor::{ActError, Actor};
use crate::artifact::Repository;
use crate::config::Config;
use crate::launcher::Launcher;
use crate::mail::Mailer;
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::id::OrgId;
use crate::monitoring::Monitoring;
use crate::store::org::{self, OrgRecord};
use crate::store::{Store, StoreError, now_us};

pub use change::NewOrg;

/// What people see of the root.
const ROOT_NAME: &str = "<root>";

/// What one organisation has.
pub struct Org {
    /// What is listed about it.
    pub record: OrgRecord,
    /// Its clients and all that belongs to them.
    pub store: Store,
    /// The door for its collections.
    pub launcher: Arc<Launcher>,
    /// What its clients watch.
    pub monitoring: Arc<Monitoring>,
    /// Held while a client is asked about its host, so that it is asked once.
    interrogating: Mutex<()>,
}

/// All organisations.
pub struct Orgs {
    folder: PathBuf,
    acl: Acl,
    root: Arc<Org>,
    open: Mutex<BTreeMap<OrgId, Arc<Org>>>,
    mail: Mailer,
}

impl Org {
    fn new(record: OrgRecord, launcher: Arc<Launcher>, monitoring: Arc<Monitoring>) -> Self {
        let store = launcher.store().clone();
        Self { record, store, launcher, monitoring, interrogating: Mutex::default() }
    }

    /// Its id.
    pub fn id(&self) -> &OrgId {
        self.store.org()
    }
}

impl Orgs {
    /// The root, whose store is open, and all others beside it.
    pub fn of(config: &Config, repository: Arc<Repository>, store: Store, acl: Acl) -> Self {
        let launcher = Arc::new(Launcher::new(config, repository, store.clone(), acl.clone()));
        let usual = &config.frontend.default_client_monitoring_artifacts;
        let monitoring = Arc::new(Monitoring::new(store, Arc::clone(&launcher), usual));
        let record = OrgRecord {
            id: OrgId::root(),
            name: ROOT_NAME.to_owned(),
            nonce: config.client.nonce.clone(),
            created_us: 0,
        };
        let folder = Path::new(&config.datastore.location).join("orgs");
        let root = Arc::new(Org::new(record, launcher, monitoring));
        Self { folder, acl, root, open: Mutex::default(), mail: Mailer::of(config) }
    }

    /// The rules by which access is decided, in all of them.
    pub const fn acl(&self) -> &Acl {
        &self.acl
    }

    /// Outgoing mail, of all of them.
    pub const fn mail(&self) -> &Mailer {
        &self.mail
    }

    /// The organisation that every deployment has.
    pub const fn root(&self) -> &Arc<Org> {
        &self.root
    }

    /// An organisation, which is opened if it is not open yet; `None` when there is none of this id.
    ///
    /// # Errors
    /// The list cannot be read, or the store not be opened.
    pub fn find(&self, id: &OrgId) -> Result<Option<Arc<Org>>, StoreError> {
        if id.is_root() {
            return Ok(Some(Arc::clone(&self.root)));
        }
        let found = self.root.store.read(|db| org::find(db, id))?;
        self.opened(id, found)
    }

    /// The organisation whose agents have this nonce.
    ///
    /// # Errors
    /// Those of [`Orgs::find`].
    pub fn of_nonce(&self, nonce: &str) -> Result<Option<Arc<Org>>, StoreError> {
        if nonce == self.root.record.nonce {
            return Ok(Some(Arc::clone(&self.root)));
        }
        let Some(found) = self.root.store.read(|db| org::of_nonce(db, nonce))? else {
            return Ok(None);
        };
        let id = found.id.clone();
        self.opened(&id, Some(found))
    }

    /// The organisation in which somebody wants to do something. Whether they may is asked at the door of what they do;
    /// here only those who have no rights in it do not learn whether it exists.
    ///
    /// # Errors
    /// There is none of this id, or the caller cannot know.
    pub fn of_caller(&self, caller: &Principal, id: &OrgId) -> Result<Arc<Org>, ActError> {
        match (self.find(id)?, caller) {
            (Some(org), _) => Ok(org),
            (None, Principal::Server { .. }) => {
                Err(ActError::Wrong(format!("there is no organisation {id}")))
            }
            (None, Principal::User { .. }) => self.refuse(caller, id),
        }
    }

    /// Refuses an organisation to somebody, on record, whether or not there is one.
    ///
    /// # Errors
    /// Always.
    pub fn refuse<T>(&self, caller: &Principal, id: &OrgId) -> Result<T, ActError> {
        let denied = Denied::no_policy(&[Permission::ReadResults]).to_string();
        self.root.store.audit(Record {
            time_us: now_us(),
            org: OrgId::root(),
            principal: caller.name().to_owned(),
            operation: "User Unauthorized for Org".to_owned(),
            allowed: false,
            details: json!({"org_id": id.as_str()}),
        })?;
        Err(ActError::Denied(denied))
    }

    /// All organisations, the root first.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn list(&self) -> Result<Vec<OrgRecord>, StoreError> {
        let mut all = vec![self.root.record.clone()];
        all.extend(self.root.store.orgs()?);
        Ok(all)
    }

    /// The organisations of which somebody may know: all for who manages them, else those in which one may read
    /// results or administer.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn visible(&self, caller: &Principal) -> Result<Vec<OrgRecord>, StoreError> {
        if self.acl.check(caller, &OrgId::root(), &[Permission::OrgAdmin]).is_ok() {
            return self.list();
        }
        self.of_member(caller)
    }

    /// The organisations to which somebody belongs, the root first.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn of_member(&self, caller: &Principal) -> Result<Vec<OrgRecord>, StoreError> {
        let mut all = self.list()?;
        all.retain(|one| self.is_member(caller, &one.id));
        Ok(all)
    }

    /// Whether somebody belongs to an organisation: may read its results or administer it.
    pub fn is_member(&self, caller: &Principal, id: &OrgId) -> bool {
        let may = |permission| self.acl.check(caller, id, &[permission]).is_ok();
        may(Permission::ReadResults) || may(Permission::ServerAdmin)
    }

    /// Does something in each organisation, one after another, and goes on when one cannot be opened.
    pub fn each(
        &self,
        mut work: impl FnMut(&Org) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        for one in self.list()? {
            let done = match self.find(&one.id) {
                Ok(Some(org)) => work(&org),
                // It was deleted meanwhile.
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if done.is_err() {
                outcome = done;
            }
        }
        outcome
    }

    fn opened(
        &self,
        id: &OrgId,
        listed: Option<OrgRecord>,
    ) -> Result<Option<Arc<Org>>, StoreError> {
        let mut open = self.open();
        let Some(record) = listed else {
            open.remove(id);
            return Ok(None);
        };
        if let Some(org) = open.get(id) {
            return Ok(Some(Arc::clone(org)));
        }
        let store = Store::open_of(&self.folder_of(id), id.clone())?;
        store.limit(self.root.store.quotas());
        let launcher = Arc::new(self.root.launcher.to(store.clone()));
        let monitoring = Arc::new(self.root.monitoring.to(store, Arc::clone(&launcher)));
        let org = Arc::new(Org::new(record, launcher, monitoring));
        open.insert(id.clone(), Arc::clone(&org));
        Ok(Some(org))
    }

    /// The caller at the doors of the list itself, which are in the root.
    fn actor(&self, caller: &Principal) -> Actor {
        Actor::new(self.root.store.clone(), self.acl.clone(), caller.clone())
    }

    fn enter(
        &self,
        caller: &Principal,
        door: Door,
        about: serde_json::Value,
    ) -> Result<Record, ActError> {
        self.actor(caller).enter(door, about)
    }

    /// Ids are parsed, so that this is a folder below ours.
    fn folder_of(&self, id: &OrgId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<OrgId, Arc<Org>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
