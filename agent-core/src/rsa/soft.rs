//! RSA by the crate `rsa`: constant-time arithmetic in Rust, always blinded.
//!
//! The plain `sign` and `decrypt` of that crate do not blind; only the variants that take a random source are used here.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

mod prime;

use ::rsa::pkcs1::{DecodeRsaPublicKey, EncodeRsaPrivateKey};
use ::rsa::traits::PublicKeyParts;
use ::rsa::{BoxedUint, Oaep, Pkcs1v15Sign, Pss, RsaPrivateKey, RsaPublicKey};
use crypto_bigint::{ConcatenatingMul, NonZero, Resize};
use der::Decode;
use pkcs1::RsaPrivateKeyRef;
use rand_core::CryptoRng;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{PrivateKey, PublicKey};
use crate::error::{BadCiphertext, BadSignature, KeyFault};
use crate::limits::{RSA_BITS_MAX, RSA_BITS_MIN, RSA_EXPONENT};

/// A modulus is two primes of whole bytes.
const BITS_STEP: u32 = 2 * u8::BITS;
/// Pairs of primes for one key. The exponent, itself prime, divides a random number once in 65,537.
const PAIRS: u32 = 8;

/// A private key in memory; wiped when dropped.
pub struct SoftKey {
    inner: RsaPrivateKey,
    public: PublicKey,
}

impl SoftKey {
    /// Makes a key of `bits` bits, exponent 65537. Takes 10 to 40 seconds on a Cortex-M4 at 168 MHz for 2048 bits.
    ///
    /// # Errors
    /// [`KeyFault::Bits`] for a size that is not accepted or not a multiple of 16, [`KeyFault::Generation`] when the random
    /// source is broken.
    pub fn generate(rng: &mut dyn CryptoRng, bits: u32) -> Result<Self, KeyFault> {
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) || !bits.is_multiple_of(BITS_STEP) {
            return Err(KeyFault::Bits(bits));
        }
        let bytes = usize::try_from(bits / BITS_STEP).map_err(|_| KeyFault::Bits(bits))?;
        for _ in 0..PAIRS {
            let (p, q) = (prime::make(rng, bytes)?, prime::make(rng, bytes)?);
            let (one, modulus) = (BoxedUint::one(), p.concatenating_mul(&q));
            let less_one = Zeroizing::new([p.wrapping_sub(&one), q.wrapping_sub(&one)]);
            let [first, second] = &*less_one;
            let totient: Option<NonZero<BoxedUint>> =
                NonZero::new(first.concatenating_mul(second)).into();
            let totient = Zeroizing::new(totient.ok_or(KeyFault::Generation)?);
            let exponent = public_exponent().resize(totient.bits_precision());
            // There is none where the exponent divides one of the primes less one: then other primes are taken.
            let secret = exponent.invert_mod(&totient).into_option();
            if let Some(secret) = secret.filter(|_| p != q) {
                return Self::of(modulus, secret, [p, q]).map_err(|_| KeyFault::Generation);
            }
        }
        Err(KeyFault::Generation)
    }

    /// Reads PEM labelled `RSA PRIVATE KEY` (PKCS#1).
    ///
    /// # Errors
    /// [`KeyFault`] when it is something else, inconsistent, or of unacceptable strength.
    pub fn from_pkcs1_pem(pem: &[u8]) -> Result<Self, KeyFault> {
        Self::from_pkcs1_der(&super::private_der(pem)?)
    }

    /// Reads PKCS#1 DER, the form in which a board keeps its key.
    ///
    /// # Errors
    /// As [`SoftKey::from_pkcs1_pem`].
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, KeyFault> {
        let numbers = RsaPrivateKeyRef::from_der(der).map_err(|_| KeyFault::Encoding)?;
        let modulus = numbers.modulus.as_bytes();
        let bits = crate::rsa::bit_length(modulus).next_multiple_of(u8::BITS);
        let number =
            |bytes: &[u8]| BoxedUint::from_be_slice(bytes, bits).map_err(|_| KeyFault::Encoding);
        if numbers.other_prime_infos.is_some() {
            return Err(KeyFault::Encoding);
        }
        if numbers.public_exponent.as_bytes() != RSA_EXPONENT {
            return Err(KeyFault::Exponent);
        }
        let primes = [number(numbers.prime1.as_bytes())?, number(numbers.prime2.as_bytes())?];
        Self::of(number(modulus)?, number(numbers.private_exponent.as_bytes())?, primes)
    }

    /// PKCS#1 DER.
    ///
    /// # Errors
    /// [`KeyFault::Encoding`] never happens for a key that this type made or read.
    pub fn to_pkcs1_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
        let document = self.inner.to_pkcs1_der().map_err(|_| KeyFault::Encoding)?;
        Ok(Zeroizing::new(document.as_bytes().to_vec()))
    }

    /// PKCS#1 PEM.
    ///
    /// # Errors
    /// As [`SoftKey::to_pkcs1_der`].
    pub fn to_pkcs1_pem(&self) -> Result<Zeroizing<String>, KeyFault> {
        super::private_pem(&self.to_pkcs1_der()?)
    }

    /// RSASSA-PSS with SHA-256 and a salt of its length (RFC 8446 section 4.2.3), blinded: how a client shows TLS that it has
    /// the key of its certificate.
    ///
    /// # Errors
    /// [`KeyFault::Signing`] when the library fails.
    pub fn sign_pss_sha256(
        &self,
        rng: &mut dyn CryptoRng,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyFault> {
        let digest = Sha256::digest(message);
        self.inner
            .sign_with_rng(rng, Pss::<Sha256>::new_blinded(), &digest)
            .map_err(|_| KeyFault::Signing)
    }

    /// The one place that makes the library's key, and always of two primes: it is instantiated without its code for
    /// finding primes that are not given.
    fn of(modulus: BoxedUint, secret: BoxedUint, [p, q]: [BoxedUint; 2]) -> Result<Self, KeyFault> {
        let inner = RsaPrivateKey::from_components(modulus, public_exponent(), secret, vec![p, q]);
        let mut inner = inner.map_err(|_| KeyFault::Encoding)?;
        inner.precompute().map_err(|_| KeyFault::Encoding)?;
        let public = PublicKey::from_components(&inner.n_bytes(), &inner.e_bytes())?;
        Ok(Self { inner, public })
    }
}

fn public_exponent() -> BoxedUint {
    let [high, middle, low] = RSA_EXPONENT;
    BoxedUint::from(u32::from_be_bytes([0, high, middle, low]))
}

impl PrivateKey for SoftKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign_pkcs1_sha256(
        &self,
        rng: &mut dyn CryptoRng,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyFault> {
        let digest = Sha256::digest(message);
        self.inner
            .sign_with_rng(rng, Pkcs1v15Sign::new::<Sha256>(), &digest)
            .map_err(|_| KeyFault::Signing)
    }

    fn decrypt_oaep_sha1(
        &self,
        rng: &mut dyn CryptoRng,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BadCiphertext> {
        self.inner
            .decrypt_blinded(rng, Oaep::<Sha1>::new(), ciphertext)
            .map(Zeroizing::new)
            .map_err(|_| BadCiphertext)
    }
}

impl fmt::Debug for SoftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// See [`PublicKey::verify_pkcs1_sha256`].
#[cfg_attr(feature = "aws-lc", allow(dead_code, reason = "aws-lc serves the public operations"))]
pub(super) fn verify_pkcs1_sha256(
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    let key = RsaPublicKey::from_pkcs1_der(key.pkcs1_der()).map_err(|_| BadSignature)?;
    let digest = Sha256::digest(message);
    key.verify(Pkcs1v15Sign::new::<Sha256>(), &digest, signature).map_err(|_| BadSignature)
}

/// See [`PublicKey::encrypt_oaep_sha1`].
#[cfg_attr(feature = "aws-lc", allow(dead_code, reason = "aws-lc serves the public operations"))]
pub(super) fn encrypt_oaep_sha1(
    key: &PublicKey,
    rng: &mut dyn CryptoRng,
    plaintext: &[u8],
) -> Result<Vec<u8>, KeyFault> {
    let key = RsaPublicKey::from_pkcs1_der(key.pkcs1_der()).map_err(|_| KeyFault::Encoding)?;
    key.encrypt(rng, Oaep::<Sha1>::new(), plaintext).map_err(|_| KeyFault::Encryption)
}
