//! The two receiving ends: an agent listens to one pinned server, a server to every enrolled client.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use bytes::Bytes;
use rand_core::CryptoRng;

use super::{Packet, Sealed, Server, Session, Sessions, Stranger, Unknown, Verified};
use crate::error::PeerFault;
use crate::identity::ClientId;
use crate::pin::{Pinned, ServerKey};
use crate::rsa::{PrivateKey, PublicKey};

/// The agent's end: opens what the pinned server sealed, and nothing else. A newly pinned certificate needs a new one.
#[derive(Debug)]
pub struct FromServer {
    server: Pinned<ServerKey>,
    nonce: String,
    /// The one that was proven last; a sender has one at a time (docs/protocol.md section 2.7).
    session: Option<Arc<Session<Server>>>,
}

impl FromServer {
    /// For replies of `server` that carry `nonce`.
    #[must_use]
    pub fn new(server: Pinned<ServerKey>, nonce: String) -> Self {
        Self { server, nonce, session: None }
    }

    /// Opens a reply. `None` when it carries nothing: an empty body, or pads only.
    ///
    /// # Errors
    /// [`PeerFault`]: nothing in the body may be believed.
    pub fn open(
        &mut self,
        rng: &mut dyn CryptoRng,
        key: &dyn PrivateKey,
        body: Bytes,
    ) -> Result<Option<Verified<Packet>>, PeerFault> {
        let Some(sealed) = Sealed::parse(body)? else {
            return Ok(None);
        };
        let nonce = self.nonce.as_str();
        let known = self.session.as_ref().filter(|known| known.id == sealed.session());
        let (session, sealed) = match known {
            Some(session) => (Arc::clone(session), sealed),
            None => {
                let stranger = Stranger::meet(rng, key, sealed)?;
                let (session, sealed) = stranger.prove_server(&self.server)?;
                let session = Arc::new(session);
                self.session = Some(Arc::clone(&session));
                (session, sealed)
            }
        };
        session.open(sealed, |theirs| theirs == nonce).map(Some)
    }

    /// The server that is listened to.
    #[must_use]
    pub fn server(&self) -> &Pinned<ServerKey> {
        &self.server
    }
}

/// The server's end.
#[derive(Debug)]
pub struct FromClients {
    sessions: Sessions<ClientId>,
}

/// What a client's body turned out to be.
#[derive(Debug)]
pub enum Opened {
    /// Nothing: an empty body, or pads only.
    Empty,
    /// Readable, but nobody knows the sender: answer 406, after looking for an enrolment where one is allowed.
    Unknown(Box<Unknown>),
    /// From an enrolled client.
    Messages(Verified<Packet, ClientId>),
}

impl FromClients {
    /// Keeps the sessions of up to `capacity` clients.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { sessions: Sessions::new(capacity) }
    }

    /// Opens a body. `nonce` says whether a nonce is of this deployment; `key_of` finds the key of an enrolled client.
    ///
    /// # Errors
    /// [`PeerFault`]: nothing in the body may be believed; answer 403.
    pub fn open(
        &mut self,
        rng: &mut dyn CryptoRng,
        key: &dyn PrivateKey,
        body: Bytes,
        nonce: impl FnOnce(&str) -> bool,
        key_of: impl FnOnce(ClientId) -> Option<PublicKey>,
    ) -> Result<Opened, PeerFault> {
        let Some(sealed) = Sealed::parse(body)? else {
            return Ok(Opened::Empty);
        };
        if let Some(session) = self.sessions.get(sealed.session()) {
            return session.open(sealed, nonce).map(Opened::Messages);
        }
        let stranger = Stranger::meet(rng, key, sealed)?;
        let claimed = ClientId::parse(stranger.claimed()).map_err(|_| PeerFault::Sender)?;
        let proven = match key_of(claimed) {
            Some(client) => stranger.prove_client(&client),
            None => Err(Box::new(stranger)),
        };
        match proven {
            Ok((session, sealed)) => {
                let session = Arc::new(session);
                self.sessions.put(Arc::clone(&session));
                session.open(sealed, nonce).map(Opened::Messages)
            }
            Err(stranger) => {
                stranger.unknown(nonce).map(|unknown| Opened::Unknown(Box::new(unknown)))
            }
        }
    }

    /// Forgets the session of a client that was deleted.
    pub fn forget(&mut self, client: ClientId) {
        self.sessions.forget(&client);
    }
}
