//! Random moments that can be had again: `TROODON_SEED` repeats a run.

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// The variable that names the seed of a run to repeat.
const VARIABLE: &str = "TROODON_SEED";

/// A source of random numbers (xorshift64). Good for choosing moments, and for nothing that has to be secret.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Starts from `TROODON_SEED`, else from the clock, and says from what.
    ///
    /// # Errors
    ///
    /// The variable is no number.
    pub fn announced() -> Result<Self> {
        let seed = match env::var(VARIABLE) {
            Ok(seed) => seed.parse().with_context(|| format!("{VARIABLE}={seed} is no number"))?,
            Err(_) => u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos()),
        };
        eprintln!("{VARIABLE}={seed}");
        Ok(Self::from_seed(seed))
    }

    /// Starts from a seed.
    pub fn from_seed(seed: u64) -> Self {
        // Seeds that differ by one shall not give streams that begin alike (Fibonacci hashing); the state must not be zero.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    /// A number from 0 to `end`, without `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A time from nothing to `most`.
    pub fn moment(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.below(most))
    }

    /// Bytes that neither compress nor repeat.
    pub fn bytes(&mut self, size: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes()).flatten().take(size).collect()
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
