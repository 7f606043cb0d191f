//! An envelope as it came: its parts are there and have possible lengths, nothing more is known.

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use super::API_VERSION;
use super::cipher::{BLOCK, MAC, SessionKeys};
use crate::error::PeerFault;
use crate::limits::{METADATA_BYTES, RSA_BITS_MAX, RSA_BITS_MIN, SEALED_BYTES};

const ENCRYPTED: u32 = 1;
const ENCRYPTED_CIPHER: u32 = 2;
const PACKET_IV: u32 = 8;
const METADATA: u32 = 9;
const FULL_HMAC: u32 = 10;

/// `ClientCommunication` without its padding field: a body of nothing but pads would take eight times its length in
/// memory, for numbers that mean nothing.
#[derive(Clone, PartialEq, Message)]
struct Outside {
    #[prost(bytes = "bytes", tag = "1")]
    encrypted: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    encrypted_cipher: Bytes,
    #[prost(uint32, tag = "6")]
    api_version: u32,
    #[prost(bytes = "bytes", tag = "8")]
    packet_iv: Bytes,
    #[prost(bytes = "bytes", tag = "9")]
    metadata: Bytes,
    #[prost(bytes = "bytes", tag = "10")]
    full_hmac: Bytes,
}

/// An envelope that is complete; neither its sender nor its integrity is known.
#[derive(Debug)]
pub struct Sealed {
    encrypted: Bytes,
    pub(super) encrypted_cipher: Bytes,
    pub(super) metadata: Bytes,
    packet_iv: [u8; BLOCK],
    api_version: u32,
    full_hmac: [u8; MAC],
}

/// Names a session: a hash of its encrypted keys. Equal bytes have equal hashes; nobody can make different bytes that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 32]);

impl SessionId {
    pub(super) fn of(encrypted_cipher: &[u8]) -> Self {
        Self(Sha256::digest(encrypted_cipher).into())
    }
}

/// What the HMAC covers, in its order.
pub(super) struct Authenticated<'a> {
    pub(super) encrypted: &'a [u8],
    pub(super) encrypted_cipher: &'a [u8],
    pub(super) metadata: &'a [u8],
    pub(super) packet_iv: &'a [u8],
    pub(super) api_version: u32,
}

impl Sealed {
    /// Cuts a body into the parts of an envelope. `None` for an empty body or one of pads only, which is no error: that is
    /// how a long poll ends without a message (docs/protocol.md section 2.5, step 2).
    ///
    /// # Errors
    /// [`PeerFault::Body`], [`PeerFault::Missing`], [`PeerFault::Length`] or [`PeerFault::ApiVersion`].
    pub fn parse(body: Bytes) -> Result<Option<Self>, PeerFault> {
        if body.len() > SEALED_BYTES {
            return Err(PeerFault::Length { field: 0, bytes: body.len() });
        }
        let outside = Outside::decode(body).map_err(|_| PeerFault::Body)?;
        if outside == Outside::default() {
            return Ok(None);
        }
        let Outside { encrypted, encrypted_cipher, api_version, packet_iv, metadata, full_hmac } =
            outside;
        check_rsa_length(&encrypted_cipher)?;
        check_blocks(ENCRYPTED, &encrypted, SEALED_BYTES)?;
        check_blocks(METADATA, &metadata, METADATA_BYTES)?;
        let sealed = Self {
            packet_iv: exactly(PACKET_IV, &packet_iv)?,
            full_hmac: exactly(FULL_HMAC, &full_hmac)?,
            encrypted,
            encrypted_cipher,
            metadata,
            api_version,
        };
        if api_version < API_VERSION {
            return Err(PeerFault::ApiVersion(api_version));
        }
        Ok(Some(sealed))
    }

    /// Which session the envelope says it belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId::of(&self.encrypted_cipher)
    }

    pub(super) fn check_mac(&self, keys: &SessionKeys) -> Result<(), PeerFault> {
        let parts = Authenticated {
            encrypted: &self.encrypted,
            encrypted_cipher: &self.encrypted_cipher,
            metadata: &self.metadata,
            packet_iv: &self.packet_iv,
            api_version: self.api_version,
        };
        keys.check_mac(&parts, &self.full_hmac)
    }

    /// The packet inside. The HMAC comes first, always: nothing is decrypted that was not made with these keys.
    pub(super) fn decrypt(self, keys: &SessionKeys) -> Result<Bytes, PeerFault> {
        self.check_mac(keys)?;
        let Self { encrypted, packet_iv, encrypted_cipher, metadata, .. } = self;
        // These share the body's buffer, which can be decrypted in place only by its last holder.
        drop((encrypted_cipher, metadata));
        keys.decrypt(&packet_iv, encrypted)
    }
}

fn check_rsa_length(encrypted_cipher: &Bytes) -> Result<(), PeerFault> {
    let bytes = encrypted_cipher.len();
    if bytes == 0 {
        return Err(PeerFault::Missing(ENCRYPTED_CIPHER));
    }
    let bits = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_mul(u8::BITS);
    if (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        Ok(())
    } else {
        Err(PeerFault::Length { field: ENCRYPTED_CIPHER, bytes })
    }
}

fn check_blocks(field: u32, value: &Bytes, limit: usize) -> Result<(), PeerFault> {
    match value.len() {
        0 => Err(PeerFault::Missing(field)),
        bytes if bytes > limit || !bytes.is_multiple_of(BLOCK) => {
            Err(PeerFault::Length { field, bytes })
        }
        _ => Ok(()),
    }
}

fn exactly<const N: usize>(field: u32, value: &Bytes) -> Result<[u8; N], PeerFault> {
    if value.is_empty() {
        return Err(PeerFault::Missing(field));
    }
    value.as_ref().try_into().map_err(|_| PeerFault::Length { field, bytes: value.len() })
}
