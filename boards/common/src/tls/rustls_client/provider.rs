//! The cryptography that TLS may use on a board: what servers of this protocol speak, from the crates that the envelope
//! uses too.

use alloc::sync::Arc;
use alloc::vec;

use rustls::Error;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;

use super::random::Random;
use super::{cipher, exchange, signature};

/// TLS 1.3 with AES-128-GCM over P-256; certificates with RSA and P-256.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![cipher::AES_128_GCM_SHA256],
        kx_groups: vec![&exchange::P256],
        signature_verification_algorithms: signature::ALGORITHMS,
        secure_random: &Random,
        key_provider: &Keys,
    }
}

/// Reads client keys.
#[derive(Debug)]
struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        signature::RsaClientKey::parse(&key).map(|key| Arc::new(key) as Arc<dyn SigningKey>)
    }
}
