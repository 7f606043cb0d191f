//! Somebody who acts on the store: their rights are asked for at a door, and what they do is kept on record with it.

use serde_json::Value;
use troodon_vql::{Denied, Permission};

use crate::acl::{Acl, Principal};
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::id::ArtifactName;
use crate::store::audit::QUEUE;
use crate::store::{Store, StoreError, now_us};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// Lockdown, or the caller's rights.
    #[error("PermissionDenied: {0}")]
    Denied(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// The store refuses or cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A principal, with the store on which it acts: its rights in that store's organisation count.
#[derive(Clone)]
pub struct Actor {
    store: Store,
    acl: Acl,
    principal: Principal,
}

impl Actor {
    /// As this principal may.
    pub fn new(store: Store, acl: Acl, principal: Principal) -> Self {
        Self { store, acl, principal }
    }

    /// On what it acts.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who it is.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether a door would open, to offer what is behind it.
    pub fn may(&self, door: Door) -> bool {
        self.acl.check(&self.principal, self.store.org(), door.permissions()).is_ok()
    }

    /// Passes a door. Answers the record that belongs into the transaction of what is done behind it.
    ///
    /// # Errors
    /// The caller may not, which is on record then; the store cannot be written.
    pub fn enter(&self, door: Door, details: Value) -> Result<Record, ActError> {
        let checked = self.acl.check(&self.principal, self.store.org(), door.permissions());
        self.entered(door, details, checked)
    }

    /// Passes a door that opens in lockdown to those for whom it opens outside of it.
    ///
    /// # Errors
    /// Those of [`Actor::enter`].
    pub(crate) fn enter_despite_lockdown(
        &self,
        door: Door,
        details: Value,
    ) -> Result<Record, ActError> {
        let (org, needed) = (self.store.org(), door.permissions());
        let checked = self.acl.check_despite_lockdown(&self.principal, org, needed);
        self.entered(door, details, checked)
    }

    fn entered(
        &self,
        door: Door,
        details: Value,
        checked: Result<(), Denied>,
    ) -> Result<Record, ActError> {
        let record = self.record(door.operation(), details);
        match checked {
            Ok(()) => Ok(record),
            Err(denied) => self.refuse(record, denied.to_string()),
        }
    }

    /// Refuses, on record, whoever does not hold a permission that a door asks for in one case only.
    ///
    /// # Errors
    /// The caller does not hold it; the store cannot be written.
    pub fn hold(
        &self,
        door: Door,
        permission: Permission,
        why: &str,
        details: &Value,
    ) -> Result<(), ActError> {
        match self.acl.check(&self.principal, self.store.org(), &[permission]) {
            Ok(()) => Ok(()),
            Err(denied) => {
                let record = self.record(door.operation(), details.clone());
                self.refuse(record, format!("{denied}: {why}"))
            }
        }
    }

    /// Refuses, on record, what somebody wants behind a door.
    ///
    /// # Errors
    /// Always: [`ActError::Denied`], unless the store cannot be written.
    pub fn refuse<T>(&self, mut record: Record, why: String) -> Result<T, ActError> {
        record.allowed = false;
        if let Some(details) = record.details.as_object_mut() {
            details.insert("refused".into(), why.as_str().into());
        }
        self.store.audit(record)?;
        Err(ActError::Denied(why))
    }

    /// Passes the door to a queue of events; answers the record of what is sent.
    ///
    /// # Errors
    /// The caller may not send there, which is on record then; the store cannot be written.
    pub fn publish(&self, queue: &ArtifactName, details: Value) -> Result<Record, ActError> {
        let mut record = self.record("send_event", details);
        if is_of_the_server(queue) {
            record.allowed = false;
            self.store.audit(record)?;
            return Err(ActError::Denied(format!("{queue} is written by the server only")));
        }
        if self.acl.may_publish(&self.principal, self.store.org(), queue.as_str()) {
            return Ok(record);
        }
        record.allowed = false;
        self.store.audit(record)?;
        Err(ActError::Denied(format!("PUBLISH to {queue}")))
    }

    /// Puts on record that the caller passed a door and that what it wanted behind it came to nothing.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn fail(&self, mut record: Record, why: &str) -> Result<(), StoreError> {
        if let Some(details) = record.details.as_object_mut() {
            details.insert("failed".into(), why.into());
        }
        self.store.audit(record)
    }

    fn record(&self, operation: &str, details: Value) -> Record {
        Record {
            time_us: now_us(),
            org: self.store.org().clone(),
            principal: self.principal.name().to_owned(),
            operation: operation.to_owned(),
            allowed: true,
            details,
        }
    }
}

/// Queues into which nobody writes: who could would make up what happened here.
fn is_of_the_server(queue: &ArtifactName) -> bool {
    let name = queue.artifact();
    name == QUEUE || ["Server.Internal.", "System."].iter().any(|own| name.starts_with(own))
}
