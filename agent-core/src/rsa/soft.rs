//! RSA by the crate `rsa`: constant-time arithmetic in Rust, always blinded.
//!
//! The plain `sign` and `decrypt` of that crate do not blind; only the variants that take a random source are used here.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ::rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey, EncodeRsaPrivateKey};
use ::rsa::traits::PublicKeyParts;
use ::rsa::{Oaep, Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use rand_core::CryptoRng;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{PrivateKey, PublicKey};
use crate::error::{BadCiphertext, BadSignature, KeyFault};

/// A private key in memory; wiped when dropped.
pub struct SoftKey {
    inner: RsaPrivateKey,
    public: PublicKey,
}

impl SoftKey {
    /// Makes a key of `bits` bits, exponent 65537. Takes 10 to 40 seconds on a Cortex-M4 at 168 MHz for 2048 bits.
    ///
    /// # Errors
    /// [`KeyFault::Bits`] for a size that is not accepted, [`KeyFault::Generation`] when the library gives up.
    pub fn generate(rng: &mut dyn CryptoRng, bits: u32) -> Result<Self, KeyFault> {
        if !(crate::limits::RSA_BITS_MIN..=crate::limits::RSA_BITS_MAX).contains(&bits) {
            return Err(KeyFault::Bits(bits));
        }
        let bits = usize::try_from(bits).map_err(|_| KeyFault::Bits(bits))?;
        Self::wrap(RsaPrivateKey::new(rng, bits).map_err(|_| KeyFault::Generation)?)
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
        Self::wrap(RsaPrivateKey::from_pkcs1_der(der).map_err(|_| KeyFault::Encoding)?)
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

    fn wrap(mut inner: RsaPrivateKey) -> Result<Self, KeyFault> {
        inner.precompute().map_err(|_| KeyFault::Encoding)?;
        let public = PublicKey::from_components(&inner.n_bytes(), &inner.e_bytes())?;
        Ok(Self { inner, public })
    }
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
