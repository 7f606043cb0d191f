//! RSA as the protocol uses it: PKCS#1 v1.5 signatures with SHA-256, OAEP with SHA-1 (docs/protocol.md section 2.2).
//!
//! Private-key operations go through [`PrivateKey`], so that a secure element or an accelerator can stand behind them.
//! Back ends are additive: [`soft`] (cargo feature `soft`, any target) and `aws` (feature `aws-lc`, needs `std`), which
//! takes the public-key operations over when both are compiled in.

#[cfg(feature = "aws-lc")]
pub mod aws;
#[cfg(feature = "soft")]
pub mod soft;

#[cfg(feature = "aws-lc")]
use aws as backend;
#[cfg(all(feature = "soft", not(feature = "aws-lc")))]
use soft as backend;

#[cfg(not(any(feature = "soft", feature = "aws-lc")))]
compile_error!("choose an RSA back end: feature `soft` (any target) or `aws-lc` (hosts with std)");

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use der::asn1::{BitStringRef, UintRef};
use der::pem::LineEnding;
use der::{Decode, Encode};
use pkcs1::{ALGORITHM_ID, RsaPublicKeyRef};
use rand_core::CryptoRng;
use spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

use crate::error::{BadCiphertext, BadSignature, KeyFault};
use crate::limits::{RSA_BITS_MAX, RSA_BITS_MIN, RSA_EXPONENT};

/// PEM label of a private key (RFC 8017, "PKCS#1").
pub(crate) const PRIVATE_LABEL: &str = "RSA PRIVATE KEY";
const PUBLIC_LABEL: &str = "RSA PUBLIC KEY";

/// A key pair whose secret half stays where it is.
///
/// Implementations must not reveal by time or error which step of a decryption failed, and must blind.
pub trait PrivateKey: Send + Sync {
    /// The public half.
    fn public(&self) -> &PublicKey;

    /// RSASSA-PKCS1-v1_5 with SHA-256 over `message`.
    ///
    /// # Errors
    /// [`KeyFault::Signing`] when the device or library behind the key fails.
    fn sign_pkcs1_sha256(
        &self,
        rng: &mut dyn CryptoRng,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyFault>;

    /// RSAES-OAEP with SHA-1, MGF1-SHA-1 and an empty label.
    ///
    /// # Errors
    /// [`BadCiphertext`], whatever the reason.
    fn decrypt_oaep_sha1(
        &self,
        rng: &mut dyn CryptoRng,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BadCiphertext>;
}

/// An RSA public key of acceptable strength: 2048 to 4096 bits, exponent 65537. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    /// PKCS#1 DER, canonical: it was encoded by this module.
    der: Bytes,
    /// Big-endian, without leading zeros.
    modulus: Bytes,
}

impl PublicKey {
    /// From the two numbers, big-endian; leading zeros are allowed.
    ///
    /// # Errors
    /// [`KeyFault::Bits`], [`KeyFault::Exponent`] or [`KeyFault::Modulus`] for a key that is not acceptable.
    pub fn from_components(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyFault> {
        let modulus = UintRef::new(modulus).map_err(|_| KeyFault::Encoding)?;
        let public_exponent = UintRef::new(exponent).map_err(|_| KeyFault::Encoding)?;
        Self::from_numbers(&RsaPublicKeyRef { modulus, public_exponent })
    }

    /// From PKCS#1 `RSAPublicKey` DER.
    ///
    /// # Errors
    /// [`KeyFault::Encoding`] when it is not that; else as [`PublicKey::from_components`].
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, KeyFault> {
        Self::from_numbers(&RsaPublicKeyRef::from_der(der).map_err(|_| KeyFault::Encoding)?)
    }

    /// From X.509 `SubjectPublicKeyInfo` DER.
    ///
    /// # Errors
    /// As [`PublicKey::from_pkcs1_der`]; another algorithm is [`KeyFault::Encoding`].
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyFault> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyFault::Encoding)?;
        if info.algorithm.oid != ALGORITHM_ID.oid {
            return Err(KeyFault::Encoding);
        }
        Self::from_pkcs1_der(info.subject_public_key.as_bytes().ok_or(KeyFault::Encoding)?)
    }

    /// From PEM labelled `RSA PUBLIC KEY`, as the server keeps client keys.
    ///
    /// # Errors
    /// As [`PublicKey::from_pkcs1_der`].
    pub fn from_pkcs1_pem(pem: &[u8]) -> Result<Self, KeyFault> {
        match der::pem::decode_vec(pem) {
            Ok((PUBLIC_LABEL, der)) => Self::from_pkcs1_der(&der),
            _ => Err(KeyFault::Encoding),
        }
    }

    fn from_numbers(key: &RsaPublicKeyRef<'_>) -> Result<Self, KeyFault> {
        let modulus = key.modulus.as_bytes();
        let bits = bit_length(modulus);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(KeyFault::Bits(bits));
        }
        if key.public_exponent.as_bytes() != RSA_EXPONENT {
            return Err(KeyFault::Exponent);
        }
        if modulus.last().is_none_or(|last| last & 1 == 0) {
            return Err(KeyFault::Modulus);
        }
        let der = key.to_der().map_err(|_| KeyFault::Encoding)?;
        Ok(Self { der: der.into(), modulus: Bytes::copy_from_slice(modulus) })
    }

    /// PKCS#1 DER.
    #[must_use]
    pub fn pkcs1_der(&self) -> &[u8] {
        &self.der
    }

    /// PKCS#1 PEM, label `RSA PUBLIC KEY`.
    #[must_use]
    pub fn to_pkcs1_pem(&self) -> String {
        // Fails only for a label or a length that PEM cannot carry; both are fixed here.
        der::pem::encode_string(PUBLIC_LABEL, LineEnding::LF, &self.der).unwrap_or_default()
    }

    /// X.509 `SubjectPublicKeyInfo` DER.
    ///
    /// # Errors
    /// [`KeyFault::Encoding`] never happens for a key of acceptable length.
    pub fn to_spki_der(&self) -> Result<Vec<u8>, KeyFault> {
        let info = SubjectPublicKeyInfoRef {
            algorithm: ALGORITHM_ID,
            subject_public_key: BitStringRef::from_bytes(&self.der)
                .map_err(|_| KeyFault::Encoding)?,
        };
        info.to_der().map_err(|_| KeyFault::Encoding)
    }

    /// The modulus, big-endian without leading zeros.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// Checks an RSASSA-PKCS1-v1_5 SHA-256 signature.
    ///
    /// # Errors
    /// [`BadSignature`] when it was not made over `message` by this key.
    pub fn verify_pkcs1_sha256(
        &self,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        backend::verify_pkcs1_sha256(self, message, signature)
    }

    /// RSAES-OAEP with SHA-1, MGF1-SHA-1 and an empty label. Randomised: the same text never gives the same bytes.
    ///
    /// # Errors
    /// [`KeyFault::Encryption`] when `plaintext` is longer than the modulus less 42 bytes.
    pub fn encrypt_oaep_sha1(
        &self,
        rng: &mut dyn CryptoRng,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, KeyFault> {
        backend::encrypt_oaep_sha1(self, rng, plaintext)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} bits)", bit_length(&self.modulus))
    }
}

/// The DER inside a PKCS#1 private key's PEM.
fn private_der(pem: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    if pem.len() > crate::limits::KEY_PEM_BYTES {
        return Err(KeyFault::Encoding);
    }
    match der::pem::decode_vec(pem) {
        Ok((PRIVATE_LABEL, der)) => Ok(Zeroizing::new(der)),
        Ok((_, other)) => {
            drop(Zeroizing::new(other));
            Err(KeyFault::Encoding)
        }
        Err(_) => Err(KeyFault::Encoding),
    }
}

/// A private key's DER as PEM, label `RSA PRIVATE KEY`.
fn private_pem(der: &[u8]) -> Result<Zeroizing<String>, KeyFault> {
    der::pem::encode_string(PRIVATE_LABEL, LineEnding::LF, der)
        .map(Zeroizing::new)
        .map_err(|_| KeyFault::Encoding)
}

fn bit_length(number: &[u8]) -> u32 {
    let Some((first, rest)) = number.split_first() else {
        return 0;
    };
    let rest = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    rest.saturating_mul(u8::BITS).saturating_add(u8::BITS.saturating_sub(first.leading_zeros()))
}
