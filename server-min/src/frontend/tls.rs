//! TLS as agents expect it (docs/protocol.md section 4.5): version 1.3, the curves of NIST first, HTTP/2 by ALPN.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::TLS13;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{FrontendError, Settings};

/// The configuration for every connection.
pub(super) fn config(settings: &Settings) -> Result<Arc<ServerConfig>, FrontendError> {
    let (certificate, key) = match &settings.tls {
        Some((certificate, key)) => (certificate, key),
        None => (&settings.certificate, &settings.key_pem),
    };
    let fault = |what: &str, error: &dyn std::fmt::Display| {
        FrontendError::Certificate(format!("{what}: {error}"))
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| fault("certificate", &error))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| fault("private key", &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| fault("protocol", &error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| fault("certificate and key", &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
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
