//! Which servers are trusted: see [`crate::tls`].

use alloc::sync::Arc;
use alloc::vec::Vec;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::certificates;
use crate::tls::{TlsFault, TlsSettings};

/// The verdict on a server's certificate.
#[derive(Debug)]
pub(super) struct Trust {
    /// The embedded authority alone; goes with the pinned name.
    own: Arc<WebPkiServerVerifier>,
    pinned_name: ServerName<'static>,
    /// The further roots; go with the name in the URL.
    others: Option<Arc<WebPkiServerVerifier>>,
}

impl Trust {
    pub(super) fn new(
        settings: &TlsSettings,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsFault> {
        let own = verifier(&settings.ca_certificate, "embedded authority", provider)?;
        let pinned_name = ServerName::try_from(settings.pinned_name.clone())
            .map_err(|_| TlsFault::Settings("pinned name"))?;
        let others = match settings.root_certs.trim() {
            "" => None,
            pem => Some(verifier(pem, "further roots", provider)?),
        };
        Ok(Self { own, pinned_name, others })
    }
}

fn verifier(
    pem: &str,
    what: &'static str,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, what)? {
        roots.add(certificate).map_err(|_| TlsFault::Settings(what))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|_| TlsFault::Settings(what))
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        url_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The embedded authority signs servers itself: nothing stands between.
        let own = self.own.verify_server_cert(leaf, &[], &self.pinned_name, ocsp, now);
        match (own, &self.others) {
            (Err(_), Some(others)) => {
                others.verify_server_cert(leaf, intermediates, url_name, ocsp, now)
            }
            (own, _) => own,
        }
    }

    /// Nothing but TLS 1.3 is offered; a signature of another version is none.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 was not offered".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.own.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.own.supported_verify_schemes()
    }
}
