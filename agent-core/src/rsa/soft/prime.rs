//! Primes for new keys.
//!
//! The library's own generator sieves with 25 KB of tables, which a board would carry for its one key. Here a candidate that
//! a small number divides is thrown away, and what is prime is for the library to say (FIPS 186-5 appendix A.1.3).

use alloc::vec;

use ::rsa::BoxedUint;
use crypto_primes::Flavor;
use crypto_primes::fips::{FipsOptions, is_prime};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::error::KeyFault;

/// Rounds of the test of Miller and Rabin: for the smallest primes in use, a composite passes once in 2^128 (FIPS 186-5
/// appendix B.3); larger ones would need fewer.
const ROUNDS: usize = 6;
/// Odd numbers below this are tried as divisors: one candidate in seven is left, and each costs a hundredth of a round.
const DIVISORS_END: u32 = 1 << 11;
/// Candidates for one prime. Of random odd numbers of 2048 bits one in 710 is prime.
const CANDIDATES: u32 = 1 << 16;

/// A random prime of `bytes` bytes whose two highest bits are set, so that the product of two is twice as long.
///
/// # Errors
/// [`KeyFault::Generation`] when none is found, which a working random source makes impossible.
pub(super) fn make(rng: &mut dyn CryptoRng, bytes: usize) -> Result<BoxedUint, KeyFault> {
    let options = FipsOptions::with_mr_iterations(ROUNDS);
    let bits = u32::try_from(bytes).ok().and_then(|bytes| bytes.checked_mul(u8::BITS));
    let bits = bits.ok_or(KeyFault::Generation)?;
    let mut candidate = Zeroizing::new(vec![0; bytes]);
    for _ in 0..CANDIDATES {
        rng.fill_bytes(&mut candidate);
        if let Some(first) = candidate.first_mut() {
            *first |= 0b1100_0000;
        }
        if let Some(last) = candidate.last_mut() {
            *last |= 1;
        }
        if has_small_divisor(&candidate) {
            continue;
        }
        let number =
            BoxedUint::from_be_slice(&candidate, bits).map_err(|_| KeyFault::Generation)?;
        if is_prime(rng, Flavor::Any, &number, options) {
            return Ok(number);
        }
    }
    Err(KeyFault::Generation)
}

fn has_small_divisor(number: &[u8]) -> bool {
    (3..DIVISORS_END).step_by(2).any(|divisor| {
        // A remainder is less than 2^11: with a byte behind it, it has room.
        let remainder = number.iter().try_fold(0_u32, |remainder, byte| {
            ((remainder << u8::BITS) | u32::from(*byte)).checked_rem(divisor)
        });
        remainder == Some(0)
    })
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_multiple_of_a_small_number_is_recognised() {
        let is_left = |number: u32| !has_small_divisor(&number.to_be_bytes());
        assert!(is_left(65_537));
        assert!(is_left(2053 * 2063), "both are larger than the last divisor");
        for composite in [3 * 65_537, 2047 * 2053, 2039 * 2039, 0x0100_0000 - 1] {
            assert!(!is_left(composite), "{composite}");
        }
    }

    #[test]
    fn the_rounds_suffice_for_the_smallest_primes() {
        let bits = crate::limits::RSA_BITS_MIN / 2;
        let least = crypto_primes::hazmat::minimum_mr_iterations(bits, 128).unwrap();
        assert_eq!(ROUNDS, least);
    }

    #[test]
    fn a_prime_has_its_highest_bits_set_and_passes_the_other_test_of_the_library() {
        for seed in 0..3 {
            let prime = make(&mut ChaCha20Rng::seed_from_u64(seed), 128).unwrap();
            assert_eq!(prime.to_be_bytes()[0] >> 6, 0b11);
            // Baillie, Pomerance, Selfridge and Wagstaff, which `make` does not use.
            assert!(crypto_primes::is_prime(Flavor::Any, &prime));
        }
    }

    #[test]
    fn a_broken_random_source_is_a_fault_and_no_loop_without_end() {
        struct Zeros;
        impl rand_core::TryRng for Zeros {
            type Error = core::convert::Infallible;
            fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
                Ok(0)
            }
            fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
                Ok(0)
            }
            fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
                bytes.fill(0);
                Ok(())
            }
        }
        impl rand_core::TryCryptoRng for Zeros {}
        assert!(matches!(make(&mut Zeros, 128), Err(KeyFault::Generation)));
    }
}
