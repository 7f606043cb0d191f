//! What is inside an envelope: message lists, opened one after another so that only one is in memory.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};
use troodon_proto::packed_message_list::Compression;
use troodon_proto::{Message, PackedMessageList, VeloMessage};

use super::Verified;
use super::inflate::inflate;
use super::walk::count_fields;
use crate::error::PeerFault;
use crate::limits::{
    FIELDS_PER_MESSAGE, INFLATED_BYTES, LISTS_PER_PACKET, MESSAGES_PER_PACKET, NONCE_BYTES,
};
use crate::time::UnixTime;

/// Fields of a packet besides its lists, each of which may come more than once.
const OTHER_FIELDS: usize = 16;

/// A decrypted packet of this deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    lists: Vec<Bytes>,
    compression: Compression,
    claimed_time: UnixTime,
    nonce: String,
}

impl Packet {
    pub(super) fn read(plain: Bytes, nonce: impl FnOnce(&str) -> bool) -> Result<Self, PeerFault> {
        let fields = LISTS_PER_PACKET.saturating_add(OTHER_FIELDS);
        match count_fields(&plain, fields, false) {
            Ok(Some(_)) => {}
            Ok(None) => return Err(PeerFault::TooManyLists(LISTS_PER_PACKET)),
            Err(_) => return Err(PeerFault::Packet),
        }
        let packed = PackedMessageList::decode(plain).map_err(|_| PeerFault::Packet)?;
        if packed.nonce.len() > NONCE_BYTES || !nonce(&packed.nonce) {
            return Err(PeerFault::Nonce);
        }
        let compression =
            Compression::try_from(packed.compression).map_err(|_| PeerFault::Packet)?;
        Ok(Self {
            lists: packed.message_list,
            compression,
            claimed_time: UnixTime::from_micros(packed.timestamp),
            nonce: packed.nonce,
        })
    }

    /// Which deployment or org the packet names; it was accepted when the packet was opened.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The sender's clock. Nothing may depend on it.
    #[must_use]
    pub fn claimed_time(&self) -> UnixTime {
        self.claimed_time
    }
}

impl<P: Clone> Verified<Packet, P> {
    /// The messages, each a proof of its own. `inflated` bounds the bytes of each message list after inflation; at most
    /// [`INFLATED_BYTES`] count.
    #[must_use]
    pub fn messages(self, inflated: usize) -> Messages<P> {
        let (packet, source) = self.into_parts();
        Messages::new(packet, source, inflated)
    }
}

/// The messages of a packet in their order. After an error in a list, the next item is of the next list.
#[derive(Debug)]
pub struct Messages<P> {
    lists: vec::IntoIter<Bytes>,
    rest: Bytes,
    compression: Compression,
    inflated: usize,
    source: P,
}

impl<P: Clone> Messages<P> {
    pub(super) fn new(packet: Packet, source: P, inflated: usize) -> Self {
        Self {
            lists: packet.lists.into_iter(),
            rest: Bytes::new(),
            compression: packet.compression,
            inflated: inflated.min(INFLATED_BYTES),
            source,
        }
    }

    /// All of them at once, for packets that are known to be small.
    ///
    /// # Errors
    /// The first [`PeerFault`], or [`PeerFault::TooManyMessages`].
    pub fn collect_all(self) -> Result<Vec<Verified<VeloMessage, P>>, PeerFault> {
        let mut all = Vec::new();
        for message in self {
            if all.len() >= MESSAGES_PER_PACKET {
                return Err(PeerFault::TooManyMessages(MESSAGES_PER_PACKET));
            }
            all.push(message?);
        }
        Ok(all)
    }

    fn next_list(&mut self, list: Bytes) -> Result<(), PeerFault> {
        self.rest = match self.compression {
            Compression::Uncompressed if list.len() > self.inflated => {
                return Err(PeerFault::InflatedTooLarge(self.inflated));
            }
            Compression::Uncompressed => list,
            Compression::Zcompression => inflate(&list, self.inflated)?.into(),
        };
        Ok(())
    }

    /// The next message of the list in `rest`; `None` for another field.
    fn next_field(&mut self) -> Result<Option<VeloMessage>, PeerFault> {
        const JOB: u32 = 1;
        let (tag, wire) = decode_key(&mut self.rest).map_err(|_| PeerFault::Message)?;
        if tag != JOB || wire != WireType::LengthDelimited {
            skip_field(wire, tag, &mut self.rest, DecodeContext::default())
                .map_err(|_| PeerFault::Message)?;
            return Ok(None);
        }
        let length =
            prost::decode_length_delimiter(&mut self.rest).map_err(|_| PeerFault::Message)?;
        if length > self.rest.remaining() {
            return Err(PeerFault::Message);
        }
        read_message(self.rest.split_to(length)).map(Some)
    }
}

/// Decodes one message and forgets what only the envelope can know (docs/protocol.md section 9, P3).
fn read_message(bytes: Bytes) -> Result<VeloMessage, PeerFault> {
    match count_fields(&bytes, FIELDS_PER_MESSAGE, true) {
        Ok(Some(_)) => {}
        Ok(None) => return Err(PeerFault::TooManyFields(FIELDS_PER_MESSAGE)),
        Err(_) => return Err(PeerFault::Message),
    }
    let mut message = VeloMessage::decode(bytes).map_err(|_| PeerFault::Message)?;
    message.source.clear();
    message.org_id.clear();
    message.auth_state = 0;
    Ok(message)
}

impl<P: Clone> Iterator for Messages<P> {
    type Item = Result<Verified<VeloMessage, P>, PeerFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let step = if self.rest.is_empty() {
                let list = self.lists.next()?;
                self.next_list(list).map(|()| None)
            } else {
                self.next_field()
            };
            match step {
                Ok(None) => {}
                Ok(Some(message)) => return Some(Ok(Verified::new(message, self.source.clone()))),
                Err(fault) => {
                    self.rest = Bytes::new();
                    return Some(Err(fault));
                }
            }
        }
    }
}
