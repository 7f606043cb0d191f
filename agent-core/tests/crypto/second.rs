//! A second implementation of the envelope: other primitives (aws-lc), protobuf and zlib written out by hand, straight from
//! docs/protocol.md section 2. It can also break every rule, one at a time.

use aws_lc_rs::cipher::{
    AES_128, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use aws_lc_rs::{hmac, signature};
use troodon_core::identity::ClientId;
use troodon_core::rsa::soft::SoftKey;
use troodon_core::rsa::{PrivateKey, PublicKey};

use crate::keys::{NONCE, SERVER, client_key, server_key};

/// Everything that an envelope is made of; correct until something is changed.
#[derive(Clone)]
pub struct Recipe {
    pub cipher_name: String,
    pub key: Vec<u8>,
    pub metadata_iv: Vec<u8>,
    pub mac_key: Vec<u8>,
    pub hmac_type: u64,
    pub source: String,
    pub signer: &'static SoftKey,
    pub receiver: PublicKey,
    pub lists: Vec<Vec<u8>>,
    pub compression: u64,
    pub nonce: String,
    /// Instead of a packet made from the fields above.
    pub packet: Option<Vec<u8>>,
    /// Instead of PKCS#7.
    pub padding: Option<Vec<u8>>,
    pub packet_iv: Vec<u8>,
    pub api_version: u32,
}

/// From the client to the server.
pub fn upstream(lists: &[&[u8]]) -> Recipe {
    Recipe {
        cipher_name: "aes_128_cbc".into(),
        key: (0x00..0x10).collect(),
        metadata_iv: (0x10..0x20).collect(),
        mac_key: (0x20..0x30).collect(),
        hmac_type: 1,
        source: ClientId::of(client_key().public()).to_string(),
        signer: client_key(),
        receiver: server_key().public().clone(),
        lists: lists.iter().map(|list| list.to_vec()).collect(),
        compression: 0,
        nonce: NONCE.into(),
        packet: None,
        padding: None,
        packet_iv: (0x30..0x40).collect(),
        api_version: 4,
    }
}

/// From the server to the client.
pub fn downstream(lists: &[&[u8]]) -> Recipe {
    Recipe {
        source: SERVER.into(),
        signer: server_key(),
        receiver: client_key().public().clone(),
        ..upstream(lists)
    }
}

/// The parts of an envelope, after encryption.
#[derive(Clone)]
pub struct Cooked {
    pub encrypted: Vec<u8>,
    pub encrypted_cipher: Vec<u8>,
    pub metadata: Vec<u8>,
    pub packet_iv: Vec<u8>,
    pub api_version: u32,
    pub mac: Vec<u8>,
}

impl Recipe {
    pub fn properties(&self) -> Vec<u8> {
        [
            bytes(1, self.cipher_name.as_bytes()),
            bytes(2, &self.key),
            bytes(3, &self.metadata_iv),
            bytes(5, &self.mac_key),
            number(6, self.hmac_type),
        ]
        .concat()
    }

    pub fn packet(&self) -> Vec<u8> {
        let lists: Vec<u8> = self.lists.iter().flat_map(|list| bytes(1, list)).collect();
        let compression = number(4, self.compression);
        let rest = [number(6, 1_700_000_000_000_000), bytes(7, self.nonce.as_bytes())].concat();
        [lists, compression, rest].concat()
    }

    pub fn cook(&self) -> Cooked {
        let properties = self.properties();
        let metadata =
            [bytes(1, self.source.as_bytes()), bytes(2, &sign(self.signer, &properties))].concat();
        let packet = self.packet.clone().unwrap_or_else(|| self.packet());
        let plain = match &self.padding {
            Some(padding) => [packet.as_slice(), padding].concat(),
            None => pad(&packet),
        };
        Cooked {
            encrypted: encrypt(&self.key, &self.packet_iv, &plain),
            encrypted_cipher: oaep(&self.receiver, &properties),
            metadata: encrypt(&self.key, &self.metadata_iv, &pad(&metadata)),
            packet_iv: self.packet_iv.clone(),
            api_version: self.api_version,
            mac: Vec::new(),
        }
        .authenticate(&self.mac_key)
    }

    pub fn seal(&self) -> Vec<u8> {
        self.cook().serve()
    }
}

impl Cooked {
    pub fn authenticate(mut self, key: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        self.mac = hmac::sign(&key, &self.covered()).as_ref().to_vec();
        self
    }

    fn covered(&self) -> Vec<u8> {
        let version = self.api_version.to_le_bytes();
        [&self.encrypted[..], &self.encrypted_cipher, &self.metadata, &self.packet_iv, &version]
            .concat()
    }

    pub fn serve(&self) -> Vec<u8> {
        [
            bytes(1, &self.encrypted),
            bytes(2, &self.encrypted_cipher),
            number(6, self.api_version.into()),
            bytes(8, &self.packet_iv),
            bytes(9, &self.metadata),
            bytes(10, &self.mac),
        ]
        .concat()
    }
}

/// What the second implementation finds in an envelope.
pub struct Found {
    pub source: String,
    pub nonce: String,
    pub compression: u64,
    pub lists: Vec<Vec<u8>>,
    pub encrypted_cipher: Vec<u8>,
    pub packet_iv: Vec<u8>,
}

/// Opens an envelope with the receiver's key and checks it with the sender's.
pub fn open(body: &[u8], receiver: &SoftKey, sender: &PublicKey) -> Found {
    let outside = Fields::parse(body);
    let encrypted_cipher = outside.bytes(2);
    let properties = unoaep(receiver, &encrypted_cipher);
    let inside = Fields::parse(&properties);
    assert_eq!(inside.bytes(1), b"aes_128_cbc");
    assert_eq!(inside.number(6), 1, "FULL_HMAC");
    let cooked = Cooked {
        encrypted: outside.bytes(1),
        encrypted_cipher: encrypted_cipher.clone(),
        metadata: outside.bytes(9),
        packet_iv: outside.bytes(8),
        api_version: outside.number(6).try_into().unwrap(),
        mac: outside.bytes(10),
    };
    let mac = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &inside.bytes(5));
    hmac::verify(&mac, &cooked.covered(), &cooked.mac).unwrap();
    let key = inside.bytes(2);
    let metadata = Fields::parse(&unpad(decrypt(&key, &inside.bytes(3), &cooked.metadata)));
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, sender.pkcs1_der())
        .verify(&properties, &metadata.bytes(2))
        .unwrap();
    let packet = Fields::parse(&unpad(decrypt(&key, &cooked.packet_iv, &cooked.encrypted)));
    Found {
        source: String::from_utf8(metadata.bytes(1)).unwrap(),
        nonce: String::from_utf8(packet.bytes(7)).unwrap(),
        compression: packet.number(4),
        lists: packet.all_bytes(1),
        encrypted_cipher,
        packet_iv: cooked.packet_iv,
    }
}

/// A `MessageList` of messages that carry nothing but a session id.
pub fn list(session_ids: &[&str]) -> Vec<u8> {
    session_ids.iter().flat_map(|id| bytes(1, &bytes(1, id.as_bytes()))).collect()
}

/// A field of bytes, text or a message.
pub fn bytes(tag: u64, value: &[u8]) -> Vec<u8> {
    let length = u64::try_from(value.len()).unwrap();
    [varint(tag << 3 | 2), varint(length), value.to_vec()].concat()
}

/// A field with a number; left out when zero, as proto3 demands.
pub fn number(tag: u64, value: u64) -> Vec<u8> {
    if value == 0 { Vec::new() } else { [varint(tag << 3), varint(value)].concat() }
}

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

/// A zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4).
pub fn stored(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut chunks = content.chunks(0xffff).peekable();
    if chunks.peek().is_none() {
        out.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(chunk) = chunks.next() {
        let length = u16::try_from(chunk.len()).unwrap();
        out.push(u8::from(chunks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(chunk);
    }
    let (a, b) = content.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    out.extend((b << 16 | a).to_be_bytes());
    out
}

struct Fields(Vec<(u64, Vec<u8>, u64)>);

impl Fields {
    fn parse(mut rest: &[u8]) -> Self {
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let key = take_varint(&mut rest);
            let value = take_varint(&mut rest);
            if key & 7 == 2 {
                let (content, after) = rest.split_at(value.try_into().unwrap());
                fields.push((key >> 3, content.to_vec(), 0));
                rest = after;
            } else {
                assert_eq!(key & 7, 0, "only numbers and bytes are used");
                fields.push((key >> 3, Vec::new(), value));
            }
        }
        Self(fields)
    }

    fn bytes(&self, tag: u64) -> Vec<u8> {
        self.all_bytes(tag).pop().unwrap_or_default()
    }

    fn all_bytes(&self, tag: u64) -> Vec<Vec<u8>> {
        self.0.iter().filter(|field| field.0 == tag).map(|field| field.1.clone()).collect()
    }

    fn number(&self, tag: u64) -> u64 {
        self.0.iter().rfind(|field| field.0 == tag).map_or(0, |field| field.2)
    }
}

fn take_varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().unwrap();
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number of more than ten bytes");
}

fn pad(plain: &[u8]) -> Vec<u8> {
    let count = 16 - plain.len() % 16;
    [plain, &vec![u8::try_from(count).unwrap(); count]].concat()
}

fn unpad(mut plain: Vec<u8>) -> Vec<u8> {
    let count = usize::from(*plain.last().unwrap());
    assert!((1..=16).contains(&count));
    assert!(plain[plain.len() - count..].iter().all(|byte| usize::from(*byte) == count));
    plain.truncate(plain.len() - count);
    plain
}

fn encrypt(key: &[u8], iv: &[u8], plain: &[u8]) -> Vec<u8> {
    // Lengths that AES does not have are for the receiver to refuse; nothing can be encrypted with them.
    let (Ok(key), Ok(iv)) = (UnboundCipherKey::new(&AES_128, key), <[u8; 16]>::try_from(iv)) else {
        return plain.to_vec();
    };
    let mut buffer = plain.to_vec();
    if !buffer.is_empty() && buffer.len().is_multiple_of(16) {
        EncryptingKey::cbc(key)
            .unwrap()
            .less_safe_encrypt(&mut buffer, EncryptionContext::Iv128(FixedLength::from(iv)))
            .unwrap();
    }
    buffer
}

fn decrypt(key: &[u8], iv: &[u8], sealed: &[u8]) -> Vec<u8> {
    let key = UnboundCipherKey::new(&AES_128, key).unwrap();
    let iv = <[u8; 16]>::try_from(iv).unwrap();
    let mut buffer = sealed.to_vec();
    DecryptingKey::cbc(key)
        .unwrap()
        .decrypt(&mut buffer, DecryptionContext::Iv128(FixedLength::from(iv)))
        .unwrap();
    buffer
}

fn pair(key: &SoftKey) -> KeyPair {
    KeyPair::from_der(&key.to_pkcs1_der().unwrap()).unwrap()
}

fn sign(key: &SoftKey, message: &[u8]) -> Vec<u8> {
    let pair: signature::RsaKeyPair = pair(key);
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

fn oaep(receiver: &PublicKey, plain: &[u8]) -> Vec<u8> {
    let key = PublicEncryptingKey::from_der(&receiver.to_spki_der().unwrap()).unwrap();
    let key = OaepPublicEncryptingKey::new(key).unwrap();
    let mut buffer = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA1_MGF1SHA1, plain, &mut buffer, None).unwrap().to_vec()
}

fn unoaep(receiver: &SoftKey, sealed: &[u8]) -> Vec<u8> {
    let der: Pkcs8V1Der<'_> = pair(receiver).as_der().unwrap();
    let key = PrivateDecryptingKey::from_pkcs8(der.as_ref()).unwrap();
    let key = OaepPrivateDecryptingKey::new(key).unwrap();
    let mut buffer = vec![0; key.min_output_size()];
    key.decrypt(&OAEP_SHA1_MGF1SHA1, sealed, &mut buffer, None).unwrap().to_vec()
}
