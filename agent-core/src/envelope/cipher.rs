//! The symmetric half of a session: AES-128-CBC with PKCS#7 padding, and HMAC-SHA1 over what was encrypted.

use alloc::vec::Vec;
use core::fmt;

use aes::Aes128;
use bytes::{Bytes, BytesMut};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::CryptoRng;
use sha1::Sha1;
use troodon_proto::{CipherProperties, Message, cipher_properties::HmacType};
use zeroize::Zeroizing;

use super::sealed::Authenticated;
use crate::error::{Excerpt, PeerFault};
use crate::limits::PROPERTIES_BYTES;

/// Bytes of a block, of a key and of an initialisation vector.
pub(super) const BLOCK: usize = 16;
/// Bytes of an HMAC-SHA1.
pub(super) const MAC: usize = 20;

const CIPHER_NAME: &str = "aes_128_cbc";

/// What encrypts and authenticates the packets of one session. Wiped when dropped.
#[derive(Clone)]
pub(super) struct SessionKeys {
    key: Zeroizing<[u8; BLOCK]>,
    mac: Zeroizing<[u8; BLOCK]>,
}

/// The keys with all that travels beside them at the start of a session.
pub(super) struct Fresh {
    pub(super) keys: SessionKeys,
    pub(super) metadata_iv: [u8; BLOCK],
    /// `CipherProperties` as bytes: what is signed and encrypted. Wiped when the last reference goes.
    pub(super) properties: Bytes,
}

impl Fresh {
    /// Draws the keys of an outbound session (docs/protocol.md section 2.2, steps 1 and 2).
    pub(super) fn draw(rng: &mut dyn CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; BLOCK * 3]);
        rng.fill_bytes(&mut *secret);
        Self::from_secret(secret)
    }

    /// From key, metadata IV and HMAC key, one after another.
    pub(super) fn from_secret(secret: Zeroizing<[u8; BLOCK * 3]>) -> Self {
        let mut parts = [[0; BLOCK]; 3];
        for (part, bytes) in parts.iter_mut().zip(secret.chunks_exact(BLOCK)) {
            part.copy_from_slice(bytes);
        }
        let [key, metadata_iv, mac] = parts;
        let secret = Bytes::from_owner(secret);
        let properties = CipherProperties {
            name: CIPHER_NAME.into(),
            key: secret.slice(..BLOCK),
            metadata_iv: secret.slice(BLOCK..BLOCK * 2),
            hmac_key: secret.slice(BLOCK * 2..),
            hmac_type: HmacType::FullHmac.into(),
        };
        let encoded = Zeroizing::new(properties.encode_to_vec());
        Self {
            keys: SessionKeys { key: Zeroizing::new(key), mac: Zeroizing::new(mac) },
            metadata_iv,
            properties: Bytes::from_owner(encoded),
        }
    }

    /// Reads what a peer encrypted to us.
    pub(super) fn read(plain: Zeroizing<Vec<u8>>) -> Result<Self, PeerFault> {
        if plain.len() > PROPERTIES_BYTES {
            return Err(PeerFault::Properties);
        }
        let bytes = Bytes::from_owner(plain);
        // Fields of `properties` borrow from `bytes`, so that no copy of a key outlives the wiped buffer.
        let properties =
            CipherProperties::decode(bytes.clone()).map_err(|_| PeerFault::Properties)?;
        if properties.name != CIPHER_NAME {
            return Err(PeerFault::Cipher(Excerpt::of(&properties.name)));
        }
        if properties.hmac_type() != HmacType::FullHmac {
            return Err(PeerFault::Properties);
        }
        let sized = |field: &Bytes| -> Result<[u8; BLOCK], PeerFault> {
            field.as_ref().try_into().map_err(|_| PeerFault::Properties)
        };
        Ok(Self {
            keys: SessionKeys {
                key: Zeroizing::new(sized(&properties.key)?),
                mac: Zeroizing::new(sized(&properties.hmac_key)?),
            },
            metadata_iv: sized(&properties.metadata_iv)?,
            properties: bytes,
        })
    }
}

impl SessionKeys {
    /// The HMAC over everything that is authenticated (docs/protocol.md section 2.4).
    pub(super) fn mac(&self, parts: &Authenticated<'_>) -> [u8; MAC] {
        self.mac_state(parts).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(super) fn check_mac(
        &self,
        parts: &Authenticated<'_>,
        mac: &[u8; MAC],
    ) -> Result<(), PeerFault> {
        self.mac_state(parts).verify(mac.into()).map_err(|_| PeerFault::Mac)
    }

    fn mac_state(&self, parts: &Authenticated<'_>) -> Hmac<Sha1> {
        // A key shorter than a block of the hash is padded with zeros by definition (RFC 2104), so a padded key is the
        // same key; this constructor cannot fail.
        let mut padded = Zeroizing::new([0; 64]);
        for (slot, byte) in padded.iter_mut().zip(self.mac.iter()) {
            *slot = *byte;
        }
        let mut state = Hmac::<Sha1>::new((&*padded).into());
        state.update(parts.encrypted);
        state.update(parts.encrypted_cipher);
        state.update(parts.metadata);
        state.update(parts.packet_iv);
        state.update(&parts.api_version.to_le_bytes());
        state
    }

    /// Encrypts the first `length` bytes of `buffer` in place; `buffer` is longer by exactly the padding.
    pub(super) fn encrypt(
        &self,
        iv: &[u8; BLOCK],
        buffer: &mut [u8],
        length: usize,
    ) -> Result<(), Overflow> {
        cbc::Encryptor::<Aes128>::new((&*self.key).into(), iv.into())
            .encrypt_padded::<Pkcs7>(buffer, length)
            .map(|_| ())
            .map_err(|_| Overflow)
    }

    /// Decrypts and checks every byte of the padding. In place when nobody else holds the buffer of `sealed`.
    pub(super) fn decrypt(&self, iv: &[u8; BLOCK], sealed: Bytes) -> Result<Bytes, PeerFault> {
        let mut buffer = sealed.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
        let length = cbc::Decryptor::<Aes128>::new((&*self.key).into(), iv.into())
            .decrypt_padded::<Pkcs7>(&mut buffer)
            .map_err(|_| PeerFault::Padding)?
            .len();
        buffer.truncate(length);
        Ok(buffer.freeze())
    }
}

/// The buffer has no room for the padding.
pub(super) struct Overflow;

/// Bytes that `length` bytes take when padded: 1 to 16 more (RFC 5652 section 6.3).
pub(super) fn padded(length: usize) -> Option<usize> {
    length.checked_add(BLOCK)?.checked_sub(length % BLOCK)
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod wycheproof;
