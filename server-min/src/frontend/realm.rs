//! The organisations at the door: each envelope names one by its nonce, and reaches that one's store and no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::outbox::Outbox;
use super::poll::Polls;
use super::presence::Presence;
use super::{Hooks, Shared, watch};
use crate::model::id::ClientId;
use crate::store::{Store, StoreError};

/// An organisation, as the frontend sees it.
pub struct Realm {
    /// What its agents say.
    pub nonce: String,
    /// Where its agents are known.
    pub store: Store,
    /// What is done for its agents.
    pub hooks: Arc<dyn Hooks>,
}

/// Where the frontend finds organisations.
pub trait Realms: Send + Sync + 'static {
    /// The organisation whose agents have this nonce. May block.
    ///
    /// # Errors
    /// It cannot be looked up or opened.
    fn find(&self, nonce: &str) -> Result<Option<Realm>, StoreError>;
}

/// A deployment without organisations.
impl Realms for Realm {
    fn find(&self, nonce: &str) -> Result<Option<Realm>, StoreError> {
        Ok((nonce == self.nonce).then(|| Self {
            nonce: self.nonce.clone(),
            store: self.store.clone(),
            hooks: Arc::clone(&self.hooks),
        }))
    }
}

/// What the connections of one organisation's agents share.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) nonce: String,
    pub(super) store: Store,
    pub(super) outbox: Outbox,
    pub(super) polls: Polls,
    pub(super) presence: Presence,
    hooks: Arc<dyn Hooks>,
}

impl Desk {
    fn new(shared: &Arc<Shared>, realm: Realm) -> Self {
        Self {
            nonce: realm.nonce,
            store: realm.store,
            hooks: realm.hooks,
            outbox: Outbox::new(shared.settings.expected_clients),
            polls: Polls::default(),
            presence: Presence::default(),
            shared: Arc::clone(shared),
        }
    }

    /// Runs a hook on a thread that may block.
    pub(super) async fn hook<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Hooks) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let hooks = Arc::clone(&self.hooks);
        tokio::task::spawn_blocking(move || call(&*hooks)).await.map_err(|_| StoreError::Closed)
    }

    /// Drops what is remembered of a client that was deleted, so that it enrols again.
    pub(super) fn forget(&self, client: &ClientId) {
        self.shared.door.forget(client);
        self.presence.forget(client);
    }

    /// Whether it is still served: not when its organisation was deleted.
    pub(super) fn is_served(&self) -> bool {
        self.shared.realms.known(&self.nonce).is_some_and(|desk| std::ptr::eq(&*desk, self))
    }
}

/// The desks that are occupied, by nonce. The watch of its queue keeps a desk alive.
pub(super) struct Desks {
    realms: Arc<dyn Realms>,
    open: Mutex<HashMap<String, Weak<Desk>>>,
}

impl Desks {
    pub(super) fn new(realms: Arc<dyn Realms>) -> Self {
        Self { realms, open: Mutex::default() }
    }

    /// The desk of agents with this nonce, when one of them was here before.
    pub(super) fn known(&self, nonce: &str) -> Option<Arc<Desk>> {
        self.lock().get(nonce).and_then(Weak::upgrade)
    }

    /// Closes the desks of organisations that are gone. May block.
    pub(super) fn tidy(&self) -> Result<(), StoreError> {
        let all: Vec<String> = self.lock().keys().cloned().collect();
        for nonce in all {
            if self.realms.find(&nonce)?.is_none() {
                self.lock().remove(&nonce);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Desk>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The desk of agents with this nonce; it is opened for the first of them. May block.
    pub(super) fn desk(self: &Arc<Self>, nonce: &str) -> Result<Option<Arc<Desk>>, StoreError> {
        if let Some(desk) = self.realms.known(nonce) {
            return Ok(Some(desk));
        }
        let Some(realm) = self.realms.realms.find(nonce)? else { return Ok(None) };
        let mut open = self.realms.lock();
        if let Some(desk) = open.get(nonce).and_then(Weak::upgrade) {
            return Ok(Some(desk));
        }
        let desk = Arc::new(Desk::new(self, realm));
        open.insert(nonce.to_owned(), Arc::downgrade(&desk));
        watch::start(Arc::clone(&desk))?;
        Ok(Some(desk))
    }
}
