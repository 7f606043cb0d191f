//! An inbound session whose sender is proven: opening its packets takes no RSA.

use alloc::sync::Arc;
use core::fmt;

use super::cipher::SessionKeys;
use super::{Packet, Sealed, SessionId, Verified};
use crate::error::PeerFault;

/// The pinned server as the sender of something; holds its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server(pub(super) Arc<str>);

impl Server {
    /// The pinned name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Session keys that were signed by `P`. Made by [`Stranger`](super::Stranger) only.
pub struct Session<P> {
    pub(super) id: SessionId,
    pub(super) keys: SessionKeys,
    pub(super) source: P,
}

impl<P: Clone> Session<P> {
    /// Who made the session.
    #[must_use]
    pub fn source(&self) -> &P {
        &self.source
    }

    /// Which envelopes belong to it.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Checks and decrypts an envelope of this session. `nonce` says whether a nonce is of this deployment.
    ///
    /// # Errors
    /// [`PeerFault`]: a wrong HMAC, padding, packet or nonce.
    pub fn open(
        &self,
        sealed: Sealed,
        nonce: impl FnOnce(&str) -> bool,
    ) -> Result<Verified<Packet, P>, PeerFault> {
        let packet = Packet::read(sealed.decrypt(&self.keys)?, nonce)?;
        Ok(Verified::new(packet, self.source.clone()))
    }
}

impl<P: fmt::Debug> fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("source", &self.source).finish_non_exhaustive()
    }
}
