//! The cryptography that TLS may use on a board: what servers of this protocol speak, from the crates that the envelope
//! uses too.

use alloc::vec;

use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, WebPkiSupportedAlgorithms};

use super::client_key::Keys;
use super::{cipher, exchange};
use crate::tls::{random, signature};

/// TLS 1.3 with AES-128-GCM over P-256; certificates with RSA and P-256.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![cipher::AES_128_GCM_SHA256],
        kx_groups: vec![&exchange::P256],
        // For verifiers of rustls, of which there is none here: `verifier` has its own.
        signature_verification_algorithms: WebPkiSupportedAlgorithms {
            all: signature::FOR_CERTIFICATES,
            mapping: &[],
        },
        secure_random: &Random,
        key_provider: &Keys,
    }
}

/// The board's generator.
#[derive(Debug)]
struct Random;

impl SecureRandom for Random {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        random::fill(buffer).map_err(|_| GetRandomFailed)
    }
}
