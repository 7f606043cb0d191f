//! Signatures: of authorities and servers, to be checked; of the board, to be made.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use p256::ecdsa::signature::Verifier;
use rsa::pkcs1::{ALGORITHM_OID, DecodeRsaPublicKey};
use rsa::pkcs8::{AssociatedOid, PrivateKeyInfoRef};
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm, alg_id,
};
use sha2::digest::FixedOutputReset;
use sha2::{Digest, Sha256, Sha384, Sha512};
use troodon_core::rsa::soft::SoftKey;

use super::{TlsFault, random};

/// Bits of RSA keys that are accepted, as for the envelope.
const RSA_BITS: core::ops::RangeInclusive<u32> = 2048..=4096;

/// What certificates may be signed with.
pub(super) static FOR_CERTIFICATES: &[&dyn SignatureVerificationAlgorithm] = &[
    &PKCS1_SHA256,
    &PKCS1_SHA384,
    &PKCS1_SHA512,
    &PSS_SHA256,
    &PSS_SHA384,
    &PSS_SHA512,
    &P256_SHA256,
];

/// What a server may sign a handshake with, by its number; PKCS #1 is for certificates only (RFC 8446 section 4.2.3).
pub(super) fn for_handshake(scheme: u16) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    match scheme {
        0x0403 => Some(&P256_SHA256),
        0x0804 => Some(&PSS_SHA256),
        0x0805 => Some(&PSS_SHA384),
        0x0806 => Some(&PSS_SHA512),
        _ => None,
    }
}

static PKCS1_SHA256: Algorithm = rsa(alg_id::RSA_PKCS1_SHA256, pkcs1::<Sha256>);
static PKCS1_SHA384: Algorithm = rsa(alg_id::RSA_PKCS1_SHA384, pkcs1::<Sha384>);
static PKCS1_SHA512: Algorithm = rsa(alg_id::RSA_PKCS1_SHA512, pkcs1::<Sha512>);
static PSS_SHA256: Algorithm = rsa(alg_id::RSA_PSS_SHA256, pss::<Sha256>);
static PSS_SHA384: Algorithm = rsa(alg_id::RSA_PSS_SHA384, pss::<Sha384>);
static PSS_SHA512: Algorithm = rsa(alg_id::RSA_PSS_SHA512, pss::<Sha512>);
static P256_SHA256: Algorithm =
    Algorithm { key: alg_id::ECDSA_P256, signature: alg_id::ECDSA_SHA256, is_valid: p256 };

/// A way to sign.
#[derive(Debug)]
struct Algorithm {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    /// Whether this key made this signature of this message; anything that cannot be read makes it `false`.
    is_valid: fn(key: &[u8], message: &[u8], signature: &[u8]) -> bool,
}

const fn rsa(
    signature: AlgorithmIdentifier,
    is_valid: fn(&[u8], &[u8], &[u8]) -> bool,
) -> Algorithm {
    Algorithm { key: alg_id::RSA_ENCRYPTION, signature, is_valid }
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if (self.is_valid)(key, message, signature) { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// An RSA key of a size that is accepted.
fn rsa_key(der: &[u8]) -> Option<RsaPublicKey> {
    RsaPublicKey::from_pkcs1_der(der).ok().filter(|key| RSA_BITS.contains(&key.n().bits()))
}

fn pkcs1<D: Digest + AssociatedOid>(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    rsa_key(key).is_some_and(|key| {
        key.verify(Pkcs1v15Sign::new::<D>(), &D::digest(message), signature).is_ok()
    })
}

/// The salt is as long as the digest (RFC 8446 section 4.2.3).
fn pss<D: Digest + FixedOutputReset>(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let scheme = Pss::<D>::new_with_salt(<D as Digest>::output_size());
    rsa_key(key).is_some_and(|key| key.verify(scheme, &D::digest(message), signature).is_ok())
}

fn p256(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key);
    let signature = p256::ecdsa::DerSignature::from_bytes(signature);
    key.is_ok_and(|key| signature.is_ok_and(|signature| key.verify(message, &signature).is_ok()))
}

/// The key of the client certificate. Signs with RSA-PSS and SHA-256 only, always blinded.
#[derive(Clone)]
pub(super) struct ClientKey(Arc<SoftKey>);

impl ClientKey {
    /// Reads PKCS #1 or PKCS #8; `None` when there is no RSA key of 2048 to 4096 bits in it.
    pub(super) fn parse(key: &PrivateKeyDer<'_>) -> Option<Self> {
        let der = match key {
            PrivateKeyDer::Pkcs1(key) => Some(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => PrivateKeyInfoRef::try_from(key.secret_pkcs8_der())
                .ok()
                .filter(|info| info.algorithm.oid == ALGORITHM_OID)
                .map(|info| info.private_key.as_bytes()),
            _ => None,
        };
        der.and_then(|der| SoftKey::from_pkcs1_der(der).ok()).map(|key| Self(Arc::new(key)))
    }

    /// Signs a message.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TlsFault> {
        let mut rng = random::generator()?;
        let key = TlsFault::Settings("client certificate's key");
        self.0.sign_pss_sha256(&mut rng, message).map_err(|_| key)
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey(..)")
    }
}
