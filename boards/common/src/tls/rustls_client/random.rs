//! Random numbers for TLS: a generator that is seeded at boot from the board's source.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rustls::crypto::{GetRandomFailed, SecureRandom};
use spin::Mutex;

/// rustls asks its provider's statics; without a seed they have nothing to give.
static GENERATOR: Mutex<Option<ChaCha20Rng>> = Mutex::new(None);

/// Sets the generator.
pub(super) fn seed(seed: [u8; 32]) {
    *GENERATOR.lock() = Some(ChaCha20Rng::from_seed(seed));
}

/// The generator, as rustls wants it.
#[derive(Debug)]
pub(super) struct Random;

impl SecureRandom for Random {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        GENERATOR.lock().as_mut().ok_or(GetRandomFailed)?.fill_bytes(buffer);
        Ok(())
    }
}

/// A generator for one operation, seeded from that of the board.
pub(super) fn generator() -> Result<ChaCha20Rng, GetRandomFailed> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    Random.fill(seed.as_mut())?;
    Ok(ChaCha20Rng::from_seed(*seed))
}
