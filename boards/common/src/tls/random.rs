//! Random numbers for TLS: a generator that is seeded at boot from the board's source.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use spin::Mutex;

use super::TlsFault;

/// rustls asks its provider's statics; without a seed they have nothing to give.
static GENERATOR: Mutex<Option<ChaCha20Rng>> = Mutex::new(None);

/// Sets the generator.
pub(super) fn seed(seed: [u8; 32]) {
    *GENERATOR.lock() = Some(ChaCha20Rng::from_seed(seed));
}

/// Fills a buffer.
pub(super) fn fill(buffer: &mut [u8]) -> Result<(), TlsFault> {
    GENERATOR.lock().as_mut().ok_or(TlsFault::Entropy)?.fill_bytes(buffer);
    Ok(())
}

/// A generator for one operation or connection, seeded from that of the board.
pub(super) fn generator() -> Result<ChaCha20Rng, TlsFault> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    fill(seed.as_mut())?;
    Ok(ChaCha20Rng::from_seed(*seed))
}
