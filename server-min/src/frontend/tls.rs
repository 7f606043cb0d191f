//! TLS as agents expect it (docs/protocol.md section 4.5): version 1.3, the curves of NIST first, HTTP/2 by ALPN.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::TLS13;

use super::{Callers, FrontendError, Settings, Shown};
use crate::listener::Tls;

impl Settings {
    /// What web pages show: the same certificate. People are asked for theirs only where they sign in by them.
    ///
    /// # Errors
    /// The certificate or key cannot be used.
    pub fn tls_for_people(&self, callers: Option<&Callers>) -> Result<Tls, FrontendError> {
        config(self, callers)
    }
}

/// What a listener wants of TLS.
pub(crate) struct TlsWishes<'a> {
    /// The certificate that it shows.
    pub shown: Arc<Shown>,
    /// Whose certificates callers show.
    pub callers: Option<&'a Callers>,
    /// Protocols that it speaks (ALPN), the best first.
    pub protocols: &'a [&'a str],
}

/// The configuration for every connection of agents.
pub(super) fn for_agents(settings: &Settings) -> Result<Tls, FrontendError> {
    config(settings, settings.callers.as_ref())
}

fn config(settings: &Settings, callers: Option<&Callers>) -> Result<Tls, FrontendError> {
    let shown = match &settings.tls {
        Some(shown) => Arc::clone(shown),
        None => Arc::new(Shown::new(&settings.certificate, &settings.key_pem)?),
    };
    let config = server_tls(&TlsWishes { shown, callers, protocols: &["h2", "http/1.1"] })?;
    Ok(Tls { config, answers: settings.answers.clone() })
}

/// The configuration for every connection of a listener.
pub(crate) fn server_tls(wishes: &TlsWishes<'_>) -> Result<Arc<ServerConfig>, FrontendError> {
    let fault = |error: &dyn std::fmt::Display| FrontendError::Certificate(error.to_string());
    let provider = Arc::new(provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| fault(&error))?;
    let builder = match wishes.callers {
        None => builder.with_no_client_auth(),
        Some(callers) => builder.with_client_cert_verifier(callers.verifier(provider)?),
    };
    let mut config = builder.with_cert_resolver(Arc::<Shown>::clone(&wishes.shown));
    config.alpn_protocols = wishes.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    // Agents connect seldom and stay: tickets would only cost memory.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// Servers of this protocol offer P-521, P-384 and P-256 only; X25519 is there for agents of ours.
fn provider() -> CryptoProvider {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519};
    CryptoProvider {
        kx_groups: vec![SECP256R1, X25519, SECP384R1],
        ..aws_lc_rs::default_provider()
    }
}

#[cfg(test)]
mod limbo;
