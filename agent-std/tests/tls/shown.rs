//! Chains of [`suite`](super::suite) in the hands of rustls: a time to judge them at, and somebody who shows them.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{Error, ServerConfig, SignatureScheme, version};

use super::suite::{At, Case};

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

/// Shows a chain, whatever is in it.
#[derive(Debug)]
pub struct Shown(Arc<CertifiedKey>);

impl Shown {
    pub fn new(case: &Case, provider: &CryptoProvider) -> Result<Arc<Self>, Error> {
        let key = provider.key_provider.load_private_key(case.key.clone_key())?;
        Ok(Arc::new(Self(Arc::new(CertifiedKey::new(case.chain.clone(), key)))))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A server that shows a chain; an error when no server can, with a key of that kind.
pub fn server(case: &Case, provider: CryptoProvider) -> Result<Arc<ServerConfig>, Error> {
    let shown = Shown::new(case, &provider)?;
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(shown);
    Ok(Arc::new(config))
}
