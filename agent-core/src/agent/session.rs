//! What two verified ends share: the proof of the server, and the keys in both directions.

use super::config::Compression;
#[cfg(feature = "compress")]
use crate::envelope::deflate;
use crate::envelope::{FromServer, Lists, Messages, Outbound, Server};
use crate::error::{PeerFault, SealFault};
use crate::pin::{Pinned, ServerKey};
use crate::rsa::PrivateKey;
use crate::time::UnixTime;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use rand_core::CryptoRng;

/// A session with a pinned server. There is no other way to seal a request than through one.
#[derive(Debug)]
pub(super) struct Session {
    outbound: Outbound,
    inbound: FromServer,
    nonce: String,
}

impl Session {
    /// Makes the session's keys: one signature and one encryption. Later requests need no RSA.
    pub(super) fn establish(
        rng: &mut dyn CryptoRng,
        key: &dyn PrivateKey,
        server: Pinned<ServerKey>,
        nonce: &str,
    ) -> Result<Self, SealFault> {
        let outbound = Outbound::to_server(rng, key, &server)?;
        let inbound = FromServer::new(server, nonce.into());
        Ok(Self { outbound, inbound, nonce: nonce.into() })
    }

    /// Whether this session is with the holder of the same key.
    pub(super) fn is_with(&self, server: &Pinned<ServerKey>) -> bool {
        self.inbound.server().key() == server.key()
    }

    /// Seals serialised `MessageList`s into the body of a request.
    pub(super) fn seal(
        &self,
        rng: &mut dyn CryptoRng,
        now: Option<UnixTime>,
        compression: Compression,
        lists: Vec<Vec<u8>>,
    ) -> Result<Vec<u8>, SealFault> {
        let lists = match compression {
            Compression::Off => Lists::Plain(lists.into_iter().map(Bytes::from).collect()),
            #[cfg(feature = "compress")]
            Compression::Zlib => Lists::Zlib(lists.iter().map(|list| deflate(list)).collect()),
        };
        self.outbound.seal(rng, now.unwrap_or(UnixTime::EPOCH), &self.nonce, lists)
    }

    /// Opens a reply. `None`: it carries nothing.
    pub(super) fn open(
        &mut self,
        rng: &mut dyn CryptoRng,
        key: &dyn PrivateKey,
        body: Vec<u8>,
        inflated_max: usize,
    ) -> Result<Option<Messages<Server>>, PeerFault> {
        let packet = self.inbound.open(rng, key, body.into())?;
        Ok(packet.map(|packet| packet.messages(inflated_max)))
    }
}
