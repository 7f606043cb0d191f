//! Seals what agents are to get; the keys for each agent are made once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use troodon_core::envelope::{Lists, Outbound};
use troodon_core::error::{KeyFault, SealFault};
use troodon_core::time::UnixTime;
use troodon_proto::{Message, MessageList, VeloMessage};

use super::realm::Desk;
use crate::entropy;
use crate::model::id::ClientId;
use crate::store::{StoreError, now_us};

/// Outbound sessions by client, bounded: one of another client gives way when it is full.
pub(super) struct Outbox {
    capacity: usize,
    sessions: Mutex<BTreeMap<ClientId, Arc<Outbound>>>,
}

/// Why nothing was sealed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    /// The envelope cannot be made.
    #[error("cannot seal: {0}")]
    Seal(#[from] SealFault),
    /// The key of the client could not be looked up, or there is none.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system gives no random bytes.
    #[error("no random bytes: {0}")]
    Entropy(#[from] getrandom::Error),
}

impl From<KeyFault> for SealError {
    fn from(fault: KeyFault) -> Self {
        Self::Seal(fault.into())
    }
}

impl Outbox {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), sessions: Mutex::default() }
    }

    fn find(&self, client: &ClientId) -> Option<Arc<Outbound>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(client).cloned()
    }

    fn keep(&self, client: ClientId, session: Arc<Outbound>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= self.capacity && !sessions.contains_key(&client) {
            sessions.pop_first();
        }
        sessions.insert(client, session);
    }
}

impl Desk {
    /// One envelope with these messages for a client.
    pub(super) async fn seal(
        self: &Arc<Self>,
        client: ClientId,
        messages: Vec<VeloMessage>,
    ) -> Result<Bytes, SealError> {
        let desk = Arc::clone(self);
        let work = move || desk.seal_blocking(client, messages);
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
    }

    fn seal_blocking(
        &self,
        client: ClientId,
        messages: Vec<VeloMessage>,
    ) -> Result<Bytes, SealError> {
        let mut rng = entropy::generator()?;
        let session = match self.outbox.find(&client) {
            Some(session) => session,
            None => {
                let key = self.client_key(&client)?;
                let key = key.ok_or_else(|| StoreError::NoClient(client.to_string()))?;
                let settings = &self.shared.settings;
                let (own, name) = (&settings.key, &settings.name);
                let session = Arc::new(Outbound::to_client(&mut rng, own, name, &key)?);
                self.outbox.keep(client, Arc::clone(&session));
                session
            }
        };
        let list = Bytes::from(MessageList { job: messages }.encode_to_vec());
        let now = UnixTime::from_micros(now_us());
        let sealed = session.seal(&mut rng, now, &self.nonce, Lists::Plain(vec![list]))?;
        Ok(sealed.into())
    }
}
