//! Who somebody is, as another server says it: OpenID Connect, and what GitHub has in its place.
//!
//! A [`Provider`] sends a browser away with [`Provider::begin`] and makes an [`Identity`] of what the browser brings back
//! with [`Provider::finish`]: authorization code flow with PKCE (RFC 7636), a state and a nonce for each. Signatures and
//! tokens are the business of the crate `openidconnect`; what it leaves open is decided here. Nothing here knows users:
//! `account::arrive` decides whether an identity is one.

mod certificate;
mod claims;
mod github;
mod oidc;

use std::collections::BTreeSet;
use std::sync::Arc;

use openidconnect::url::Url;
use openidconnect::{CsrfToken, Nonce, PkceCodeVerifier};
use rustls::ClientConfig;
use zeroize::Zeroizing;

pub use certificate::{HolderError, Holders};

use crate::config::{ProviderConfig, ProviderKind};
use crate::limits;
use crate::model::id::UserName;
use crate::model::role::Role;
use crate::outgoing::Http;

/// A server that says who people are.
pub struct Provider {
    config: ProviderConfig,
    http: Http,
    /// What the provider said about itself, and when.
    known: tokio::sync::Mutex<Option<oidc::Known>>,
}

/// What is remembered while a browser is away.
pub struct Begun {
    /// Where the browser is sent.
    pub address: String,
    /// What it brings back.
    pub state: Zeroizing<String>,
    away: Away,
}

/// What only this server knows of a sign-in that is away.
#[derive(Default)]
pub struct Away {
    nonce: Zeroizing<String>,
    verifier: Zeroizing<String>,
}

/// Who somebody is, by a signature or a connection that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who says so.
    pub issuer: String,
    /// Who it is there, for good: addresses and names are given to others some day.
    pub subject: String,
    /// The name at the provider, which finds a user the first time.
    pub name: UserName,
    /// The roles that the provider's mean here; `None` when the configuration takes none from there.
    pub roles: Option<BTreeSet<Role>>,
}

/// Why nobody is who they seem to be.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No answer, or none that could be.
    #[error(
        "{what} of the provider cannot be had: {why}; try again, and ask an administrator if it stays so"
    )]
    Unreachable {
        /// What was asked for.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
    /// The provider describes another one, or itself so that it cannot be used.
    #[error(
        "the provider's description of itself is refused: {0}; an administrator has to check oidc_issuer"
    )]
    Description(String),
    /// The provider did not sign anybody in.
    #[error("the provider says: {0}")]
    Said(String),
    /// The provider takes no code, or gives no token for it.
    #[error("the provider gives no token for this sign-in: {0}; begin again")]
    Exchange(String),
    /// What it gives does not prove anything.
    #[error("the provider's token is refused: {0}")]
    Token(String),
    /// The claim is missing, or no name that users can have.
    #[error(
        "the provider's claim `{claim}` names no user: {why}; an administrator can choose another claim"
    )]
    Name {
        /// Which claim.
        claim: String,
        /// What is wrong with it.
        why: String,
    },
    /// Anybody could have typed the address.
    #[error(
        "the provider has not verified the e-mail address {0}; verify it there, and sign in again"
    )]
    Unverified(String),
}

impl Provider {
    /// Speaks with a provider; `tls` says whose certificates it may have.
    #[must_use]
    pub fn new(config: ProviderConfig, tls: Arc<ClientConfig>) -> Self {
        let first = match &config.kind {
            ProviderKind::Oidc { issuer, .. } => issuer,
            ProviderKind::GitHub { site, .. } => site,
        };
        let http = Http::new(tls, first.starts_with("http://"));
        Self { config, http, known: tokio::sync::Mutex::new(None) }
    }

    /// The part of its addresses that names it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.config.path
    }

    /// For people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.config.title
    }

    /// How it deals with those who are no users.
    #[must_use]
    pub const fn newcomers(&self) -> &BTreeSet<Role> {
        &self.config.newcomers
    }

    /// Whether roles of the provider replace those that were granted here.
    #[must_use]
    pub const fn replaces_roles(&self) -> bool {
        self.config.replaces_roles
    }

    /// Begins a sign-in.
    ///
    /// # Errors
    /// The provider cannot be reached, or describes another one.
    pub async fn begin(&self) -> Result<Begun, Refusal> {
        match &self.config.kind {
            ProviderKind::Oidc { issuer, .. } => oidc::begin(self, issuer).await,
            ProviderKind::GitHub { site, .. } => github::begin(self, site),
        }
    }

    /// Ends a sign-in with the code that the browser brought; `issuer` is whom the browser says it was at (RFC 9207).
    ///
    /// # Errors
    /// The provider does not confirm it, or its token does not hold.
    pub async fn finish(
        &self,
        away: &Away,
        code: String,
        issuer: Option<&str>,
    ) -> Result<Identity, Refusal> {
        let is_own = |said: &str| match &self.config.kind {
            ProviderKind::Oidc { issuer, .. } => said == issuer,
            // It signs people in below its name.
            ProviderKind::GitHub { site, .. } => {
                said.strip_prefix(site.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
        };
        if !issuer.is_none_or(is_own) {
            return Err(Refusal::Token("the browser comes from another issuer".to_owned()));
        }
        match &self.config.kind {
            ProviderKind::Oidc { issuer, tenant } => {
                oidc::finish(self, issuer, tenant.as_deref(), away, code).await
            }
            ProviderKind::GitHub { site, api } => {
                github::finish(self, (site, api), away, code).await
            }
        }
    }
}

impl Begun {
    fn new(address: Url, state: &CsrfToken, nonce: &Nonce, verifier: &PkceCodeVerifier) -> Self {
        let secret = |text: &String| Zeroizing::new(text.clone());
        Self {
            address: address.into(),
            state: secret(state.secret()),
            away: Away { nonce: secret(nonce.secret()), verifier: secret(verifier.secret()) },
        }
    }

    /// The parts that go with the browser, and the one that stays.
    #[must_use]
    pub fn part(self) -> (String, Zeroizing<String>, Away) {
        (self.address, self.state, self.away)
    }
}

/// What somebody else says, as it can be shown: one line of bounded length.
#[must_use]
pub fn words(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(limits::PROVIDER_WORDS).collect()
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    words(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}
