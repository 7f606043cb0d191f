//! Secrets at rest: sealed with a key that is derived from the server's own, so that whoever gets the store alone, from a
//! backup for example, has none of them.
//!
//! AES-256-GCM with random nonces; what a secret is about is authenticated with it, so that one cannot stand for another.
//! The key comes from the server's private key by HKDF (RFC 5869) with SHA-256.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// Sets this use of the private key apart from all others.
const SALT: &[u8] = b"troodon";
const PURPOSE: &[u8] = b"secrets in the store, 1";

/// The key with which secrets are sealed.
pub struct Seal(RandomizedNonceKey);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

/// There is no key, or nothing can be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("secrets in the store cannot be sealed; is Frontend.private_key a PEM text?")]
pub struct SealError;

impl Seal {
    /// From the server's private key, a PEM text.
    ///
    /// # Errors
    /// It is none.
    pub fn of(pem: &str) -> Result<Self, SealError> {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| SealError)?;
        let extracted = Salt::new(HKDF_SHA256, SALT).extract(key.secret_der());
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let expanded = extracted.expand(&[PURPOSE], &AES_256_GCM).map_err(|_| SealError)?;
        expanded.fill(&mut *bytes).map_err(|_| SealError)?;
        RandomizedNonceKey::new(&AES_256_GCM, &*bytes).map(Self).map_err(|_| SealError)
    }

    /// Seals a secret about something.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn close(&self, about: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = Zeroizing::new(secret.to_vec());
        let nonce = self.0.seal_in_place_append_tag(Aad::from(about.as_bytes()), &mut *sealed);
        let nonce = nonce.map_err(|_| SealError)?;
        Ok([nonce.as_ref(), sealed.as_slice()].concat())
    }

    /// What was sealed about something; `None` when it was not, or with another key.
    #[must_use]
    pub fn open(&self, about: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut secret = Zeroizing::new(sealed.to_vec());
        let aad = Aad::from(about.as_bytes());
        let length = self.0.open_in_place(nonce, aad, &mut secret).ok()?.len();
        secret.truncate(length);
        Some(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Authority;

    fn seal() -> Seal {
        let key = Authority::generate().unwrap().0.issue("x", 1).unwrap().private_key;
        Seal::of(key.expose()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_about_the_same_thing_and_unchanged() {
        let (seal, another) = (seal(), seal());
        let sealed = seal.close("ann", b"secret").unwrap();
        assert_eq!(sealed.len(), NONCE_LEN + b"secret".len() + 16);
        assert_eq!(seal.open("ann", &sealed).unwrap().as_slice(), b"secret");
        assert_ne!(seal.close("ann", b"secret").unwrap(), sealed, "a nonce each");
        assert!(seal.open("bob", &sealed).is_none());
        assert!(another.open("ann", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert!(seal.open("ann", &other).is_none(), "{at}");
            assert!(seal.open("ann", &sealed[..at]).is_none(), "{at}");
        }
        assert_eq!(format!("{seal:?}"), "Seal(..)");
        assert_eq!(Seal::of("no key").unwrap_err(), SealError);
    }
}
