//! What `embedded-tls` asks for: random numbers, the verdict on the server, the board's certificate and signature.

use alloc::sync::Arc;
use alloc::vec::Vec;

use digest::FixedOutput;
use embedded_tls::{
    Certificate, CertificateEntryRef, CertificateRef, CertificateVerifyRef, CryptoProvider,
    CryptoRng, CryptoRngCore, SignatureScheme, TlsError, TlsVerifier,
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use rand_core_06::RngCore;
use rustls_pki_types::{CertificateDer, ServerName};
use signature::{Signer, SignerMut};

use super::Configuration;
use super::cipher::{Hash, Suite};
use super::wire::Wire;
use crate::tls::signature::ClientKey;
use crate::tls::trust::{check_signature, moment};
use crate::tls::{Authenticated, TlsFault, random};

/// What stands before the hash in what a server signs (RFC 8446 section 4.4.3), after 64 spaces.
const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";

/// What one connection needs.
pub(super) struct Provider {
    rng: Random,
    verifier: Verifier,
}

impl Provider {
    pub(super) fn new(
        configuration: Arc<Configuration>,
        url_name: ServerName<'static>,
        wire: Wire,
    ) -> Result<Self, TlsFault> {
        let verifier = Verifier { configuration, url_name, wire, seen: None };
        Ok(Self { rng: Random(random::generator()?), verifier })
    }
}

impl CryptoProvider for Provider {
    type CipherSuite = Suite;
    type Signature = Vec<u8>;

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut self.rng
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Suite>, TlsError> {
        Ok(&mut self.verifier)
    }

    fn signer(&mut self) -> Result<(impl SignerMut<Vec<u8>>, SignatureScheme), TlsError> {
        let (_, key) =
            self.verifier.configuration.identity.as_ref().ok_or(TlsError::InvalidPrivateKey)?;
        let signature = Signature { key: key.clone(), wire: self.verifier.wire.clone() };
        Ok((signature, SignatureScheme::RsaPssRsaeSha256))
    }

    fn client_cert(&mut self) -> Option<Certificate<impl AsRef<[u8]>>> {
        let (certificate, _) = self.verifier.configuration.identity.as_ref()?;
        Some(Certificate::X509(certificate.clone()))
    }
}

/// Says who the server is.
struct Verifier {
    configuration: Arc<Configuration>,
    url_name: ServerName<'static>,
    wire: Wire,
    /// A certificate that is trusted, and the hash of all that was said up to it, until its signature comes.
    seen: Option<(CertificateDer<'static>, [u8; 32])>,
}

impl Verifier {
    fn certificate(&mut self, hash: &Hash, shown: &CertificateRef<'_>) -> Result<(), TlsFault> {
        let mut chain = shown.entries.iter().map(|entry| match *entry {
            CertificateEntryRef::X509(der) => Ok(CertificateDer::from(der)),
            CertificateEntryRef::RawPublicKey(_) => Err(TlsFault::Certificate),
        });
        let leaf = chain.next().ok_or(TlsFault::Certificate)??;
        let intermediates = chain.collect::<Result<Vec<_>, _>>()?;
        let Configuration { trust, clock, .. } = self.configuration.as_ref();
        trust.check(&leaf, &intermediates, &self.url_name, moment(clock.as_ref()))?;
        self.seen = Some((leaf.into_owned(), hash.clone().finalize_fixed().into()));
        self.wire.has_certificate();
        Ok(())
    }

    fn signature(&mut self, shown: &CertificateVerifyRef<'_>) -> Result<(), TlsFault> {
        let (leaf, hash) = self.seen.take().ok_or(TlsFault::Protocol)?;
        let message = [[b' '; 64].as_slice(), CONTEXT, &hash].concat();
        check_signature(&leaf, shown.signature_scheme.as_u16(), &message, shown.signature)?;
        self.wire.prove(Authenticated(()));
        Ok(())
    }
}

impl TlsVerifier<Suite> for Verifier {
    /// Which name counts depends on who signed the certificate: [`crate::tls`].
    fn set_hostname_verification(&mut self, _: &str) -> Result<(), TlsError> {
        Ok(())
    }

    fn verify_certificate(&mut self, hash: &Hash, shown: CertificateRef) -> Result<(), TlsError> {
        self.certificate(hash, &shown).map_err(|fault| {
            self.wire.fail(fault);
            TlsError::InvalidCertificate
        })
    }

    fn verify_signature(&mut self, shown: CertificateVerifyRef) -> Result<(), TlsError> {
        self.signature(&shown).map_err(|fault| {
            self.wire.fail(fault);
            TlsError::InvalidSignature
        })
    }
}

/// The board's signature. `embedded-tls` panics where it gets none, so that one that fails is empty: no server takes it,
/// and the conversation ends.
struct Signature {
    key: ClientKey,
    wire: Wire,
}

impl Signer<Vec<u8>> for Signature {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let signature = self.key.sign(message);
        Ok(signature.inspect_err(|fault| self.wire.fail(*fault)).unwrap_or_default())
    }
}

/// The board's generator, behind the traits of an earlier generation.
struct Random(ChaCha20Rng);

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, room: &mut [u8]) {
        self.0.fill_bytes(room);
    }

    fn try_fill_bytes(&mut self, room: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(room);
        Ok(())
    }
}

impl CryptoRng for Random {}
