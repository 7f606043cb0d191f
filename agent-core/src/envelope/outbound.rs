//! Sealing: session keys once, then packets without RSA (docs/protocol.md sections 2.2 and 2.3).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec_zlib;
use rand_core::CryptoRng;
use troodon_proto::packed_message_list::Compression;
use troodon_proto::{CipherMetadata, ClientCommunication, Message, PackedMessageList};

use super::API_VERSION;
use super::cipher::{BLOCK, Fresh, MAC, SessionKeys, padded};
use super::sealed::Authenticated;
use crate::error::SealFault;
use crate::identity::ClientId;
use crate::limits::{NAME_BYTES, SEALED_BYTES};
use crate::pin::{Pinned, ServerKey};
use crate::rsa::{PrivateKey, PublicKey};
use crate::time::UnixTime;

/// An outbound session: one for each receiver, used for both channels and kept until the receiver's key changes.
///
/// The encrypted keys are repeated byte for byte in every packet; they are what the receiver finds the session by.
pub struct Outbound {
    keys: SessionKeys,
    encrypted_cipher: Bytes,
    pub(super) metadata: Bytes,
}

/// Serialised `MessageList`s on their way into one packet.
#[derive(Clone, Debug)]
pub enum Lists {
    /// As they are.
    Plain(Vec<Bytes>),
    /// Each compressed on its own.
    Zlib(Vec<Deflated>),
}

/// A zlib stream, made by [`deflate`].
#[derive(Clone, Debug)]
pub struct Deflated(Bytes);

impl Deflated {
    /// Bytes after compression.
    #[must_use]
    pub fn compressed_len(&self) -> usize {
        self.0.len()
    }
}

/// Compresses one message list at the fastest level, as the original client does. A program that never calls this carries
/// no compressor.
// The compressor's tables take 60 KB of stack, which a caller that does not compress must not pay.
#[inline(never)]
#[must_use]
pub fn deflate(list: &[u8]) -> Deflated {
    const BEST_SPEED: u8 = 1;
    Deflated(compress_to_vec_zlib(list, BEST_SPEED).into())
}

impl Outbound {
    /// A client's session towards the server whose certificate was pinned.
    ///
    /// # Errors
    /// [`SealFault::Key`] when a key fails.
    pub fn to_server(
        rng: &mut dyn CryptoRng,
        key: &dyn PrivateKey,
        server: &Pinned<ServerKey>,
    ) -> Result<Self, SealFault> {
        Self::establish(rng, key, ClientId::of(key.public()).as_str(), server.key())
    }

    /// The server's session towards an enrolled client. `name` is the name in the server's certificate.
    ///
    /// # Errors
    /// [`SealFault::Key`] when a key fails, [`SealFault::Source`] for an impossible name.
    pub fn to_client(
        rng: &mut dyn CryptoRng,
        key: &dyn PrivateKey,
        name: &str,
        client: &PublicKey,
    ) -> Result<Self, SealFault> {
        Self::establish(rng, key, name, client)
    }

    fn establish(
        rng: &mut dyn CryptoRng,
        key: &dyn PrivateKey,
        source: &str,
        receiver: &PublicKey,
    ) -> Result<Self, SealFault> {
        if source.is_empty() || source.len() > NAME_BYTES {
            return Err(SealFault::Source);
        }
        let fresh = Fresh::draw(rng);
        let signature = key.sign_pkcs1_sha256(rng, &fresh.properties)?;
        let encrypted_cipher = receiver.encrypt_oaep_sha1(rng, &fresh.properties)?;
        Self::assemble(fresh, source, signature, encrypted_cipher)
    }

    pub(super) fn assemble(
        fresh: Fresh,
        source: &str,
        signature: Vec<u8>,
        encrypted_cipher: Vec<u8>,
    ) -> Result<Self, SealFault> {
        let Fresh { keys, metadata_iv, .. } = fresh;
        let metadata = CipherMetadata { source: String::from(source), signature: signature.into() };
        let mut metadata = metadata.encode_to_vec();
        let length = metadata.len();
        metadata.resize(padded(length).ok_or(SealFault::TooLarge)?, 0);
        keys.encrypt(&metadata_iv, &mut metadata, length).map_err(|_| SealFault::TooLarge)?;
        Ok(Self { keys, encrypted_cipher: encrypted_cipher.into(), metadata: metadata.into() })
    }

    /// Seals one packet into a buffer of its exact length: a serialised `ClientCommunication`, the body of a POST.
    ///
    /// `now` is written down and read by nobody; a host without a clock passes [`UnixTime::EPOCH`].
    ///
    /// # Errors
    /// [`SealFault::TooLarge`] beyond [`SEALED_BYTES`].
    pub fn seal(
        &self,
        rng: &mut dyn CryptoRng,
        now: UnixTime,
        nonce: &str,
        lists: Lists,
    ) -> Result<Vec<u8>, SealFault> {
        let mut packet_iv = [0; BLOCK];
        rng.fill_bytes(&mut packet_iv);
        self.seal_with(packet_iv, now, nonce, lists)
    }

    pub(super) fn seal_with(
        &self,
        packet_iv: [u8; BLOCK],
        now: UnixTime,
        nonce: &str,
        lists: Lists,
    ) -> Result<Vec<u8>, SealFault> {
        let packet = packed(now, nonce, lists);
        let length = packet.encoded_len();
        let sealed = padded(length).filter(|n| *n <= SEALED_BYTES).ok_or(SealFault::TooLarge)?;
        let mut outside = ClientCommunication {
            encrypted_cipher: self.encrypted_cipher.clone(),
            encrypted_cipher_metadata: self.metadata.clone(),
            packet_iv: Bytes::copy_from_slice(&packet_iv),
            api_version: API_VERSION,
            full_hmac: Bytes::from_static(&[0; MAC]),
            ..ClientCommunication::default()
        };
        // The first field is written by hand so that the packet is encoded and encrypted where it will stay.
        const ENCRYPTED: u8 = 1 << 3 | 2;
        let head = prost::length_delimiter_len(sealed).saturating_add(1);
        let capacity = head.saturating_add(sealed).saturating_add(outside.encoded_len());
        let mut out = Vec::new();
        out.try_reserve_exact(capacity).map_err(|_| SealFault::TooLarge)?;
        out.push(ENCRYPTED);
        prost::encode_length_delimiter(sealed, &mut out).map_err(|_| SealFault::TooLarge)?;
        packet.encode_raw(&mut out);
        out.resize(head.saturating_add(sealed), 0);
        let encrypted = out.get_mut(head..).unwrap_or_default();
        self.keys.encrypt(&packet_iv, encrypted, length).map_err(|_| SealFault::TooLarge)?;
        let parts = Authenticated {
            encrypted,
            encrypted_cipher: &self.encrypted_cipher,
            metadata: &self.metadata,
            packet_iv: &packet_iv,
            api_version: API_VERSION,
        };
        outside.full_hmac = Bytes::copy_from_slice(&self.keys.mac(&parts));
        outside.encode_raw(&mut out);
        Ok(out)
    }
}

fn packed(now: UnixTime, nonce: &str, lists: Lists) -> PackedMessageList {
    let (message_list, compression) = match lists {
        Lists::Plain(lists) => (lists, Compression::Uncompressed),
        Lists::Zlib(lists) => {
            (lists.into_iter().map(|list| list.0).collect(), Compression::Zcompression)
        }
    };
    PackedMessageList {
        message_list,
        compression: compression.into(),
        timestamp: now.as_micros(),
        nonce: String::from(nonce),
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}
