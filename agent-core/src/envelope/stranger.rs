//! The first envelope of a session: its keys decrypt with ours and its HMAC matches, but who made it is only claimed.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;
use rand_core::CryptoRng;
use troodon_proto::{Certificate, CipherMetadata, Message, VeloMessage, certificate};

use super::cipher::{Fresh, SessionKeys};
use super::{Messages, Packet, Sealed, Server, Session, SessionId, Verified};
use crate::error::{EnrolFault, PeerFault};
use crate::identity::{ClientId, Request};
use crate::limits::{NAME_BYTES, STRANGER_BYTES};
use crate::pin::{Pinned, ServerKey};
use crate::rsa::{PrivateKey, PublicKey};

/// An envelope of a session that is not known yet.
pub struct Stranger {
    sealed: Sealed,
    introduction: Introduction,
}

/// Session keys that were encrypted to us, and who claims to have made them: with it, later envelopes of the same stranger
/// need no private-key operation. It proves nothing about anybody.
#[derive(Clone)]
pub struct Introduction {
    keys: SessionKeys,
    proof: Proof,
}

impl Introduction {
    /// Meets the stranger again in another envelope; only the HMAC is checked.
    ///
    /// # Errors
    /// [`PeerFault`]: the envelope was not made with these session keys, or was changed on its way.
    pub fn meet(self, sealed: Sealed) -> Result<Stranger, PeerFault> {
        sealed.check_mac(&self.keys)?;
        Ok(Stranger { sealed, introduction: self })
    }
}

/// What ties session keys to whoever made them.
#[derive(Clone)]
struct Proof {
    /// `CipherProperties` as they were signed; wiped when dropped.
    properties: Bytes,
    signature: Bytes,
    claimed: String,
}

impl Stranger {
    /// Decrypts the session keys and checks the envelope's HMAC: one private-key operation.
    ///
    /// # Errors
    /// [`PeerFault`]: not encrypted to `key`, malformed, or changed on its way.
    pub fn meet(
        rng: &mut dyn CryptoRng,
        key: &dyn PrivateKey,
        sealed: Sealed,
    ) -> Result<Self, PeerFault> {
        let plain = key
            .decrypt_oaep_sha1(rng, &sealed.encrypted_cipher)
            .map_err(|_| PeerFault::SessionKeys)?;
        let Fresh { keys, metadata_iv, properties } = Fresh::read(plain)?;
        sealed.check_mac(&keys)?;
        let metadata = keys.decrypt(&metadata_iv, sealed.metadata.clone())?;
        let CipherMetadata { source, signature } =
            CipherMetadata::decode(metadata).map_err(|_| PeerFault::Metadata)?;
        if source.is_empty() || source.len() > NAME_BYTES {
            return Err(PeerFault::Sender);
        }
        let proof = Proof { properties, signature, claimed: source };
        Ok(Self { sealed, introduction: Introduction { keys, proof } })
    }

    /// What makes the next envelope of this session cheaper to open.
    #[must_use]
    pub fn introduction(&self) -> &Introduction {
        &self.introduction
    }

    /// Who says that it made the session. Good for looking its key up, and for nothing else.
    #[must_use]
    pub fn claimed(&self) -> &str {
        &self.introduction.proof.claimed
    }

    /// Proves that the client which holds `key` made the session; hands the envelope back to be opened with it.
    ///
    /// # Errors
    /// The stranger itself, when `key` is not the key of the claimed id or did not sign.
    pub fn prove_client(self, key: &PublicKey) -> Result<(Session<ClientId>, Sealed), Box<Self>> {
        let id = ClientId::of(key);
        if id.as_str() != self.introduction.proof.claimed
            || !self.introduction.proof.is_signed_by(key)
        {
            return Err(self.into());
        }
        Ok(self.accept(id))
    }

    /// Proves that the pinned server made the session; hands the envelope back to be opened with it.
    ///
    /// # Errors
    /// [`PeerFault::Sender`] for another name, [`PeerFault::Signature`] for another key.
    pub fn prove_server(
        self,
        server: &Pinned<ServerKey>,
    ) -> Result<(Session<Server>, Sealed), PeerFault> {
        if self.introduction.proof.claimed != server.name() {
            return Err(PeerFault::Sender);
        }
        if !self.introduction.proof.is_signed_by(server.key()) {
            return Err(PeerFault::Signature);
        }
        Ok(self.accept(Server(Arc::from(server.name()))))
    }

    /// Decrypts the packet of a sender that stays unknown. Of its content only an enrolment can be reached.
    ///
    /// # Errors
    /// [`PeerFault`]: a wrong padding, packet or nonce.
    pub fn unknown(self, nonce: impl FnOnce(&str) -> bool) -> Result<Unknown, PeerFault> {
        let id = self.sealed.session();
        let Introduction { keys, proof } = self.introduction;
        let packet = Packet::read(self.sealed.decrypt(&keys)?, nonce)?;
        Ok(Unknown { id, keys, packet, proof })
    }

    fn accept<P>(self, source: P) -> (Session<P>, Sealed) {
        let Self { sealed, introduction } = self;
        (Session { id: sealed.session(), keys: introduction.keys, source }, sealed)
    }
}

impl Proof {
    fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verify_pkcs1_sha256(&self.properties, &self.signature).is_ok()
    }
}

impl fmt::Debug for Introduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introduction").field("claimed", &self.proof.claimed).finish_non_exhaustive()
    }
}

impl fmt::Debug for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stranger")
            .field("claimed", &self.introduction.proof.claimed)
            .finish_non_exhaustive()
    }
}

/// The session of a client that proved its key, and what its packet holds.
pub type ProvenClient = (Session<ClientId>, Verified<Packet, ClientId>);

/// A readable envelope of an unknown sender, or of one whose signature is wrong. Its messages stay inside.
pub struct Unknown {
    id: SessionId,
    keys: SessionKeys,
    packet: Packet,
    proof: Proof,
}

impl Unknown {
    /// The id that the sender claims; good for a log line only.
    #[must_use]
    pub fn claimed(&self) -> &str {
        &self.proof.claimed
    }

    /// [`Stranger::prove_client`] for a server that looks the key up where the packet's nonce says: hands out the packet.
    ///
    /// # Errors
    /// The unknown sender itself, when `key` is not the key of the claimed id or did not sign.
    pub fn prove_client(self, key: &PublicKey) -> Result<ProvenClient, Box<Self>> {
        let source = ClientId::of(key);
        if source.as_str() != self.proof.claimed || !self.proof.is_signed_by(key) {
            return Err(self.into());
        }
        let Self { id, keys, packet, .. } = self;
        Ok((Session { id, keys, source }, Verified::new(packet, source)))
    }

    /// The one thing that a stranger may say: "let me in", with a request that names the id of its key and an envelope that
    /// this key made (docs/protocol.md section 5.1).
    ///
    /// # Errors
    /// [`EnrolFault`]: no request, or one that does not hold.
    pub fn enrolment(self) -> Result<Enrolment, EnrolFault> {
        let Self { packet, proof, .. } = self;
        let request = Request::check(&find_request(packet)?)?;
        let (id, key) = (request.id(), request.key());
        if id.as_str() != proof.claimed || !proof.is_signed_by(key) {
            return Err(EnrolFault::NotSender);
        }
        Ok(Enrolment { id, key: key.clone() })
    }
}

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unknown").field("claimed", &self.proof.claimed).finish_non_exhaustive()
    }
}

fn find_request(packet: Packet) -> Result<Bytes, EnrolFault> {
    for message in Messages::new(packet, (), STRANGER_BYTES) {
        if let VeloMessage { csr: Some(Certificate { r#type, pem, .. }), .. } =
            message?.into_inner()
            && certificate::Type::try_from(r#type) == Ok(certificate::Type::Csr)
        {
            return Ok(pem);
        }
    }
    Err(EnrolFault::NoRequest)
}

/// A client that proved to hold its key and asks to be let in.
#[derive(Clone, Debug)]
pub struct Enrolment {
    id: ClientId,
    key: PublicKey,
}

impl Enrolment {
    /// The id, derived from the key.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.id
    }

    /// The key to keep under this id.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }
}
