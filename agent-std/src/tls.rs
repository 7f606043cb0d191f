//! Which servers the agent talks TLS with (docs/protocol.md section 4.4).
//!
//! TLS hides the traffic and keeps strangers out early. It is not what makes a server the right one: `server.pem` is
//! pinned by the core whatever is accepted here.

mod provider;

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};
use thiserror::Error as ThisError;

/// What the configuration says about TLS, in PEM and hex as it stands there.
#[derive(Debug, Default)]
pub struct TlsSettings<'a> {
    /// The embedded CA.
    pub ca_certificate: &'a str,
    /// The name in the frontend's own certificate.
    pub pinned_name: &'a str,
    /// Trust the embedded CA and the pinned name only.
    pub self_signed: bool,
    /// Further roots, such as those of an inspection proxy.
    pub root_certs: &'a str,
    /// SHA-256 of accepted leaf certificates in hex; colons and letter case do not count.
    pub thumbprints: &'a [String],
    /// `PKI`, `PKI_OR_THUMBPRINT` or `THUMBPRINT_ONLY`; empty means `PKI`.
    pub verification_mode: &'a str,
    /// Certificate that the agent shows if it is asked for one.
    pub client_certificate: &'a str,
    /// Its private key.
    pub client_certificate_private_key: &'a str,
}

/// A part of the configuration that cannot be used. Each says what to look at.
#[derive(Debug, ThisError)]
pub enum TlsFault {
    /// A PEM text without a certificate in it.
    #[error("{key}: no certificate in PEM form")]
    NoCertificate {
        /// Where the text stands in the configuration.
        key: &'static str,
    },
    /// A certificate that cannot serve as a root.
    #[error("{key}: {problem}")]
    BadRoot {
        /// Where the text stands in the configuration.
        key: &'static str,
        /// What the verifier says.
        problem: String,
    },
    /// A thumbprint that is not 32 bytes in hex.
    #[error("Client.Crypto.certificate_thumbprints: {0:?} is not a SHA-256 in hex")]
    BadThumbprint(String),
    /// A mode that does not exist.
    #[error(
        "Client.Crypto.certificate_verification_mode: {0:?} is none of PKI, PKI_OR_THUMBPRINT, THUMBPRINT_ONLY"
    )]
    BadMode(String),
    /// A name that no certificate can have.
    #[error("Client.pinned_server_name: {0:?} is not a DNS name")]
    BadName(String),
    /// The agent's own certificate or key.
    #[error("Client.Crypto.client_certificate: {0}")]
    BadClientCertificate(String),
}

/// Builds the TLS configuration of the agent.
///
/// # Errors
///
/// [`TlsFault`] names the key of the configuration that cannot be used.
pub fn client_config(settings: &TlsSettings<'_>) -> Result<ClientConfig, TlsFault> {
    let provider = Arc::new(provider::provider());
    let trust = Arc::new(Trust::new(settings, &provider)?);
    // Both versions that the protocol allows; a genuine server takes 1.3 (docs/protocol.md section 4.5).
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFault::BadClientCertificate(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(trust);
    if settings.client_certificate.is_empty() {
        return Ok(builder.with_no_client_auth());
    }
    let chain = certificates("Client.Crypto.client_certificate", settings.client_certificate)?;
    let key = PrivateKeyDer::from_pem_slice(settings.client_certificate_private_key.as_bytes())
        .map_err(|error| TlsFault::BadClientCertificate(format!("private key: {error}")))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| TlsFault::BadClientCertificate(error.to_string()))
}

/// The verdict on a server's certificate.
#[derive(Debug)]
struct Trust {
    /// The embedded CA alone; goes with the pinned name.
    own: Arc<WebPkiServerVerifier>,
    pinned_name: ServerName<'static>,
    /// All other roots; goes with the name in the URL. `None`: self-signed mode.
    public: Option<Arc<WebPkiServerVerifier>>,
    thumbprints: Vec<[u8; 32]>,
    /// Thumbprints are all that counts.
    thumbprint_only: bool,
}

impl Trust {
    fn new(settings: &TlsSettings<'_>, provider: &Arc<CryptoProvider>) -> Result<Self, TlsFault> {
        let ca = certificates("Client.ca_certificate", settings.ca_certificate)?;
        let own = verifier("Client.ca_certificate", &ca, RootCertStore::empty(), provider)?;
        let name = settings.pinned_name.to_owned();
        let pinned_name =
            ServerName::try_from(name.clone()).map_err(|_| TlsFault::BadName(name))?;
        let (with_thumbprints, thumbprint_only) =
            match settings.verification_mode.to_ascii_uppercase().as_str() {
                "" | "PKI" => (false, false),
                "PKI_OR_THUMBPRINT" => (true, false),
                "THUMBPRINT_ONLY" => (true, true),
                _ => return Err(TlsFault::BadMode(settings.verification_mode.to_owned())),
            };
        let thumbprints = if with_thumbprints {
            settings.thumbprints.iter().map(|text| thumbprint(text)).collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        let public = public_verifier(settings, provider)?;
        Ok(Self { own, pinned_name, public, thumbprints, thumbprint_only })
    }

    fn has_thumbprint(&self, leaf: &CertificateDer<'_>) -> bool {
        // A thumbprint is public, so a plain comparison leaks nothing.
        self.thumbprints.iter().any(|thumbprint| *thumbprint == *Sha256::digest(leaf))
    }
}

/// In self-signed mode further roots count only if they were given: an inspection proxy that the owner trusts.
fn public_verifier(
    settings: &TlsSettings<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>, TlsFault> {
    let key = "Client.Crypto.root_certs";
    let given = match settings.root_certs.trim() {
        "" => Vec::new(),
        text => certificates(key, text)?,
    };
    let mut roots = RootCertStore::empty();
    if !settings.self_signed {
        // A store without a usable certificate is what a router has: the embedded CA still counts.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        #[cfg(feature = "public-roots")]
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if roots.is_empty() && given.is_empty() {
        return Ok(None);
    }
    verifier(key, &given, roots, provider).map(Some)
}

fn verifier(
    key: &'static str,
    given: &[CertificateDer<'_>],
    mut roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsFault> {
    let bad_root = |problem: String| TlsFault::BadRoot { key, problem };
    for certificate in given {
        roots.add(certificate.clone().into_owned()).map_err(|error| bad_root(error.to_string()))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| bad_root(error.to_string()))
}

fn certificates(key: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(TlsFault::NoCertificate { key }),
    }
}

fn thumbprint(text: &str) -> Result<[u8; 32], TlsFault> {
    let bad = || TlsFault::BadThumbprint(text.to_owned());
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b':')
        .map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .ok_or_else(bad)?;
    let pairs =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit));
    let bytes: Vec<u8> = if digits.len() == 64 { pairs.collect() } else { Vec::new() };
    bytes.try_into().map_err(|_| bad())
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
        if self.has_thumbprint(leaf) {
            return Ok(ServerCertVerified::assertion());
        }
        if self.thumbprint_only {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        let own = self.own.verify_server_cert(leaf, &[], &self.pinned_name, ocsp, now);
        match (own, &self.public) {
            (Err(_), Some(public)) => {
                public.verify_server_cert(leaf, intermediates, url_name, ocsp, now)
            }
            (own, _) => own,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.own.verify_tls12_signature(message, certificate, signed)
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
