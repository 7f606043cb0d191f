//! Opens what arrives: known sessions at once, new ones at a bounded rate, since each costs RSA operations.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use troodon_core::envelope::{
    Introduction, Packet, Sealed, Session, SessionId, Sessions, Stranger, Unknown, Verified,
};
use troodon_core::error::{KeyFault, PeerFault};
use troodon_core::rsa::PublicKey;

use super::pace::Pace;
use super::realm::Desk;
use super::{Settings, Shared};
use crate::entropy;
use crate::limits;
use crate::model::id::ClientId;
use crate::store::StoreError;

pub(super) struct Door {
    sessions: Mutex<Sessions<ClientId>>,
    /// Strangers that were met and know a nonce of ours: one that enrols is seen three times, and costs RSA once.
    introductions: Mutex<LruCache<SessionId, Introduction>>,
    pace: Pace,
    /// RSA operations at a time.
    strangers: Semaphore,
}

/// What a body turned out to be.
pub(super) enum Caller {
    /// From a client that is enrolled in this organisation.
    Known(Arc<Desk>, Verified<Packet, ClientId>),
    /// Readable, but its sender is not enrolled in this organisation.
    Unknown(Arc<Desk>, Unknown),
    /// Nothing but padding, or nothing at all.
    Nobody,
}

/// Why a body was not opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    /// Nothing in it may be believed.
    #[error("{0}")]
    Peer(#[from] PeerFault),
    /// More new sessions than allowed.
    #[error("too many new sessions")]
    Busy,
    /// The key of the client could not be looked up.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The operating system gives no random bytes.
    #[error("no random bytes: {0}")]
    Entropy(#[from] getrandom::Error),
}

impl Door {
    pub(super) fn new(settings: &Settings) -> Self {
        let longest_wait = Duration::from_secs(limits::STRANGER_WAIT_SECONDS);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            sessions: Mutex::new(Sessions::new(settings.expected_clients)),
            introductions: Mutex::new(LruCache::unbounded()),
            pace: Pace::new(settings.enrolments_per_second, longest_wait, Instant::now()),
            strangers: Semaphore::new(cores),
        }
    }

    /// Drops the session of a client that was deleted.
    pub(super) fn forget(&self, client: &ClientId) {
        self.lock().forget(client);
    }

    fn lock(&self) -> MutexGuard<'_, Sessions<ClientId>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn introductions(&self) -> MutexGuard<'_, LruCache<SessionId, Introduction>> {
        self.introductions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what makes the next envelope of a stranger cheap; the longest unused gives way.
    fn introduce(&self, session: SessionId, introduction: Introduction) {
        let mut introductions = self.introductions();
        introductions.put(session, introduction);
        while introductions.len() > limits::INTRODUCTIONS {
            introductions.pop_lru();
        }
    }
}

impl Shared {
    /// Opens a body.
    pub(super) async fn open(self: &Arc<Self>, body: Bytes) -> Result<Caller, Closed> {
        let length = body.len();
        let Some(sealed) = Sealed::parse(body)? else { return Ok(Caller::Nobody) };
        let known = self.door.lock().get(sealed.session());
        match known {
            Some(session) => self.open_known(session, sealed, length).await,
            None => self.open_stranger(sealed).await,
        }
    }

    async fn open_known(
        self: &Arc<Self>,
        session: Arc<Session<ClientId>>,
        sealed: Sealed,
        length: usize,
    ) -> Result<Caller, Closed> {
        let shared = Arc::clone(self);
        let work = move || {
            // Whoever has a session was let in by the desk of an organisation, which is open since then.
            let mut desk = None;
            let find = |nonce: &str| {
                desk = shared.realms.known(nonce);
                desk.is_some()
            };
            let packet = session.open(sealed, find)?;
            desk.map(|desk| Caller::Known(desk, packet)).ok_or(PeerFault::Nonce)
        };
        if length <= limits::OPEN_AT_ONCE_BYTES {
            return Ok(work()?);
        }
        Ok(tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)??)
    }

    async fn open_stranger(self: &Arc<Self>, sealed: Sealed) -> Result<Caller, Closed> {
        let introduction = self.door.introductions().get(&sealed.session()).cloned();
        if introduction.is_none() {
            let wait = self.door.pace.reserve(Instant::now()).ok_or(Closed::Busy)?;
            tokio::time::sleep(wait).await;
        }
        let _turn = self.door.strangers.acquire().await.map_err(|_| Closed::Busy)?;
        let shared = Arc::clone(self);
        let work = move || shared.meet(sealed, introduction);
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
    }

    /// The private-key operation, unless the stranger was met before, and the proof of who it is. Its key is looked up in
    /// the organisation that the nonce names: enrolled in one is unknown in all others.
    fn meet(
        self: &Arc<Self>,
        sealed: Sealed,
        introduction: Option<Introduction>,
    ) -> Result<Caller, Closed> {
        let id = sealed.session();
        let stranger = match introduction {
            Some(introduction) => introduction.meet(sealed)?,
            None => Stranger::meet(&mut entropy::generator()?, &self.settings.key, sealed)?,
        };
        let introduction = stranger.introduction().clone();
        let claimed = ClientId::parse(stranger.claimed()).map_err(|_| PeerFault::Sender)?;
        let mut desk = Ok(None);
        let unknown = stranger.unknown(|nonce| {
            desk = self.desk(nonce);
            matches!(desk, Ok(Some(_)))
        });
        let desk = desk?;
        let (unknown, desk) = (unknown?, desk.ok_or(PeerFault::Nonce)?);
        let proven = match desk.client_key(&claimed)? {
            Some(key) => unknown.prove_client(&key),
            None => Err(Box::new(unknown)),
        };
        match proven {
            Ok((session, packet)) => {
                self.door.lock().put(Arc::new(session));
                self.door.introductions().pop(&id);
                Ok(Caller::Known(desk, packet))
            }
            Err(unknown) => {
                self.door.introduce(id, introduction);
                Ok(Caller::Unknown(desk, *unknown))
            }
        }
    }
}

impl Desk {
    /// The key on record for a client.
    pub(super) fn client_key(&self, client: &ClientId) -> Result<Option<PublicKey>, StoreError> {
        let der = self.store.public_key(client)?;
        let key = der.map(|der| PublicKey::from_pkcs1_der(&der)).transpose();
        key.map_err(|_: KeyFault| StoreError::Damaged("the key of a client"))
    }
}
