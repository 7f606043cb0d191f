//! Whose certificates callers may show, and which of those are taken back.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::FrontendError;
use crate::pki;

/// Whose certificates callers may show.
#[derive(Debug, Clone, Default)]
pub struct Callers {
    /// PEM of the authorities.
    pub roots: String,
    /// Nobody is asked for more than what they have.
    pub may_have_none: bool,
    /// Serial numbers that count no more (`security.revoked_certificates`).
    pub revoked: BTreeSet<Vec<u8>>,
}

impl Callers {
    /// Lets nobody in whose certificate is not of these authorities, valid today, and still good.
    pub(super) fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, FrontendError> {
        let fault = |error: &dyn std::fmt::Display| {
            FrontendError::Certificate(format!("authorities of client certificates: {error}"))
        };
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(self.roots.as_bytes()) {
            store.add(root.map_err(|error| fault(&error))?).map_err(|error| fault(&error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
        let verifier = match self.may_have_none {
            true => verifier.allow_unauthenticated(),
            false => verifier,
        };
        let inner = verifier.build().map_err(|error| fault(&error))?;
        Ok(Arc::new(Unrevoked { inner, revoked: self.revoked.clone() }))
    }
}

/// Looks at serial numbers after everything else.
#[derive(Debug)]
struct Unrevoked {
    inner: Arc<dyn ClientCertVerifier>,
    revoked: BTreeSet<Vec<u8>>,
}

impl ClientCertVerifier for Unrevoked {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(shown, between, now)?;
        let serial = pki::serial(shown).ok_or(CertificateError::BadEncoding)?;
        match self.revoked.contains(&serial) {
            true => Err(CertificateError::Revoked.into()),
            false => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, shown, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
