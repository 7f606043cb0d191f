//! RSA by aws-lc-rs: fast, constant-time, needs an operating system.
//!
//! The library blinds and pads with its own random source; the one passed in is not used.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use der::Decode;
use pkcs8::PrivateKeyInfoRef;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{PrivateKey, PublicKey};
use crate::error::{BadCiphertext, BadSignature, KeyFault};

/// A private key held by aws-lc.
pub struct AwsKey {
    pair: KeyPair,
    decrypting: OaepPrivateDecryptingKey,
    public: PublicKey,
}

impl AwsKey {
    /// Makes a key of 2048 bits, exponent 65537, with the operating system's random source.
    ///
    /// # Errors
    /// [`KeyFault::Generation`] when the library gives up.
    pub fn generate() -> Result<Self, KeyFault> {
        Self::wrap(KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyFault::Generation)?)
    }

    /// Reads PEM labelled `RSA PRIVATE KEY` (PKCS#1).
    ///
    /// # Errors
    /// [`KeyFault`] when it is something else, inconsistent, or of unacceptable strength.
    pub fn from_pkcs1_pem(pem: &[u8]) -> Result<Self, KeyFault> {
        Self::from_pkcs1_der(&super::private_der(pem)?)
    }

    /// Reads PKCS#1 DER.
    ///
    /// # Errors
    /// As [`AwsKey::from_pkcs1_pem`].
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, KeyFault> {
        Self::wrap(KeyPair::from_der(der).map_err(|_| KeyFault::Encoding)?)
    }

    /// PKCS#1 DER.
    ///
    /// # Errors
    /// [`KeyFault::Encoding`] when the library does not hand the key out.
    pub fn to_pkcs1_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
        let document = pkcs8_der(&self.pair)?;
        let info =
            PrivateKeyInfoRef::from_der(document.as_ref()).map_err(|_| KeyFault::Encoding)?;
        Ok(Zeroizing::new(info.private_key.as_bytes().to_vec()))
    }

    /// PKCS#1 PEM.
    ///
    /// # Errors
    /// As [`AwsKey::to_pkcs1_der`].
    pub fn to_pkcs1_pem(&self) -> Result<Zeroizing<String>, KeyFault> {
        super::private_pem(&self.to_pkcs1_der()?)
    }

    fn wrap(pair: KeyPair) -> Result<Self, KeyFault> {
        let public = PublicKey::from_pkcs1_der(pair.public_key().as_ref())?;
        let decrypting = PrivateDecryptingKey::from_pkcs8(pkcs8_der(&pair)?.as_ref())
            .and_then(|key| OaepPrivateDecryptingKey::new(key).map_err(Into::into))
            .map_err(|_| KeyFault::Encoding)?;
        Ok(Self { pair, decrypting, public })
    }
}

/// The library wipes this buffer when it is dropped.
fn pkcs8_der(pair: &KeyPair) -> Result<Pkcs8V1Der<'static>, KeyFault> {
    AsDer::<Pkcs8V1Der<'static>>::as_der(pair).map_err(|_| KeyFault::Encoding)
}

impl PrivateKey for AwsKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign_pkcs1_sha256(
        &self,
        _rng: &mut dyn CryptoRng,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyFault> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| KeyFault::Signing)?;
        Ok(signature)
    }

    fn decrypt_oaep_sha1(
        &self,
        _rng: &mut dyn CryptoRng,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BadCiphertext> {
        let mut buffer = Zeroizing::new(vec![0; self.decrypting.min_output_size()]);
        let used = self
            .decrypting
            .decrypt(&OAEP_SHA1_MGF1SHA1, ciphertext, &mut buffer, None)
            .map_err(|_| BadCiphertext)?
            .len();
        buffer.truncate(used);
        Ok(buffer)
    }
}

impl fmt::Debug for AwsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// See [`PublicKey::verify_pkcs1_sha256`].
pub(super) fn verify_pkcs1_sha256(
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.pkcs1_der())
        .verify(message, signature)
        .map_err(|_| BadSignature)
}

/// See [`PublicKey::encrypt_oaep_sha1`].
pub(super) fn encrypt_oaep_sha1(
    key: &PublicKey,
    _rng: &mut dyn CryptoRng,
    plaintext: &[u8],
) -> Result<Vec<u8>, KeyFault> {
    let key = PublicEncryptingKey::from_der(&key.to_spki_der()?)
        .and_then(|key| OaepPublicEncryptingKey::new(key).map_err(Into::into))
        .map_err(|_| KeyFault::Encoding)?;
    let mut buffer = vec![0; key.ciphertext_size()];
    let used = key
        .encrypt(&OAEP_SHA1_MGF1SHA1, plaintext, &mut buffer, None)
        .map_err(|_| KeyFault::Encryption)?
        .len();
    buffer.truncate(used);
    Ok(buffer)
}
