//! Who somebody is by the certificate that opened their connection.
//!
//! TLS has checked that the internal authority issued it and that its holder has the key. A user is tied to that key: who
//! gets a certificate under a name that somebody else had before is somebody else.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::Identity;
use crate::model::id::UserName;
use crate::model::role::Role;
use crate::pki;

/// People who come by certificate.
#[derive(Debug, Clone, Default)]
pub struct Holders {
    /// Names the authority: SHA-256 of its key, in hex.
    authority: String,
    /// The key of the certificate that all agents share.
    of_agents: Option<Vec<u8>>,
    /// Roles of people who are no users yet; none means that they stay out.
    pub newcomers: BTreeSet<Role>,
}

/// Why a certificate is nobody's.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    /// The browser showed none.
    #[error(
        "your browser shows no certificate of this server's authority; import yours, close the browser, and try again"
    )]
    None,
    /// Every agent has it.
    #[error("that is the certificate of agents, which all of them have")]
    Agents,
    /// It names nobody.
    #[error("the certificate names no user, or several")]
    Name,
}

impl Holders {
    /// Holders of certificates of an authority, but for the one of agents; both are PEM.
    #[must_use]
    pub fn new(authority: &str, of_agents: &str, newcomers: BTreeSet<Role>) -> Self {
        let authority = pki::key_of(authority).map(|key| hex::encode(Sha256::digest(key)));
        Self {
            authority: authority.unwrap_or_default(),
            of_agents: pki::key_of(of_agents),
            newcomers,
        }
    }

    /// Who holds a certificate (DER) that TLS has verified.
    ///
    /// # Errors
    /// See [`HolderError`].
    pub fn identify(&self, shown: Option<&[u8]>) -> Result<Identity, HolderError> {
        let shown = shown.ok_or(HolderError::None)?;
        let key = pki::key_in(shown).ok_or(HolderError::Name)?;
        if self.of_agents.as_ref() == Some(&key) {
            return Err(HolderError::Agents);
        }
        let name: UserName =
            pki::common_name(shown).and_then(|name| name.parse().ok()).ok_or(HolderError::Name)?;
        Ok(Identity {
            issuer: format!("certificate authority {}", self.authority),
            subject: hex::encode(Sha256::digest(key)),
            name,
            roles: None,
        })
    }
}
