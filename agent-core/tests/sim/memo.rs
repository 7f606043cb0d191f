//! RSA that computes nothing twice, and randomness that lets it: so hundreds of runs take seconds.
//!
//! Keys and initialisation vectors are the same in every run. What is tested here are the decisions of the agent; the
//! envelope has its own tests, with real randomness.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, OnceLock};

use rand_chacha::ChaCha8Rng;
use rand_core::{CryptoRng, Rng, SeedableRng, TryCryptoRng, TryRng};
use troodon_core::error::{BadCiphertext, KeyFault};
use troodon_core::rsa::soft::SoftKey;
use troodon_core::rsa::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// Numbers come from the seed; bytes are always the same.
pub struct SimRng(ChaCha8Rng);

impl SimRng {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

impl TryRng for SimRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        ChaCha8Rng::seed_from_u64(0).fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SimRng {}

/// A key that remembers its results.
#[derive(Clone, Copy)]
pub struct MemoKey(pub &'static SoftKey);

type Results = HashMap<(Vec<u8>, Vec<u8>), Vec<u8>>;

fn remembered(key: &MemoKey, input: &[u8], compute: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    static RESULTS: OnceLock<Mutex<Results>> = OnceLock::new();
    let name = (key.public().modulus().to_vec(), input.to_vec());
    let results = RESULTS.get_or_init(Mutex::default);
    let found = results.lock().unwrap().get(&name).cloned();
    found.unwrap_or_else(|| {
        let result = compute();
        results.lock().unwrap().insert(name, result.clone());
        result
    })
}

impl PrivateKey for MemoKey {
    fn public(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign_pkcs1_sha256(
        &self,
        rng: &mut dyn CryptoRng,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyFault> {
        Ok(remembered(self, message, || self.0.sign_pkcs1_sha256(rng, message).unwrap()))
    }

    fn decrypt_oaep_sha1(
        &self,
        rng: &mut dyn CryptoRng,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BadCiphertext> {
        // An empty result stands for a failure: nothing that is encrypted here is empty.
        let plain = remembered(self, ciphertext, || {
            let plain = self.0.decrypt_oaep_sha1(rng, ciphertext);
            plain.map(|plain| plain.to_vec()).unwrap_or_default()
        });
        if plain.is_empty() { Err(BadCiphertext) } else { Ok(Zeroizing::new(plain)) }
    }
}
