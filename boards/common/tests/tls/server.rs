//! A TLS 1.3 server that says exactly what it is told to, in any order (RFC 8446).

use aes_gcm::Aes128Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use p256::PublicKey;
use p256::ecdh::EphemeralSecret;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::Generate;
use p256::elliptic_curve::sec1::ToSec1Point;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rsa::Pss;
use sha2::{Digest, Sha256};

use super::authority::{Identity, ServerKey};

pub const HANDSHAKE: u8 = 22;
pub const ALERT: u8 = 21;
pub const DATA: u8 = 23;

/// What the server says after ServerHello, each sealed in a record of its own.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    EncryptedExtensions,
    CertificateRequest,
    Certificate,
    CertificateVerify,
    /// Signed by a key that is not that of the certificate.
    ForeignCertificateVerify,
    Finished,
    /// With a wrong sum.
    WrongFinished,
    /// Anything else: the type of its content and the content.
    Record(u8, &'static [u8]),
    /// The same, not sealed.
    Bare(u8, &'static [u8]),
}

/// What a server of the protocol says.
pub const HONEST: [Step; 4] =
    [Step::EncryptedExtensions, Step::Certificate, Step::CertificateVerify, Step::Finished];

pub struct Server {
    identity: Identity,
    flight: Vec<Step>,
    /// What it says when the handshake is done, sealed with the keys of data.
    pub then: Vec<(u8, Vec<u8>)>,
    /// Most bytes of handshake in a record.
    pub record_len: usize,
    pub share: Share,
    /// What the client said in the end.
    pub heard: Vec<u8>,
    /// Its messages of the handshake, and all those before them.
    pub client_flight: Vec<u8>,
    pub transcript: Vec<u8>,
    state: State,
}

/// What is in ServerHello.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Share {
    P256,
    /// A group that the client did not offer a share of.
    X25519,
    /// A point that is not on the curve.
    NoPoint,
    /// No version, no share: TLS 1.2.
    Tls12,
}

enum State {
    Fresh,
    Flown { transcript: Vec<u8>, master: Hkdf<Sha256>, client: Vec<u8> },
    Done { client: Box<Keys> },
}

struct Keys {
    cipher: Aes128Gcm,
    iv: Vec<u8>,
    count: u64,
}

impl Keys {
    fn of(secret: &[u8]) -> Self {
        let secret = Hkdf::<Sha256>::from_prk(secret).unwrap();
        let key = expand(&secret, "key", b"", 16);
        let cipher = Aes128Gcm::new_from_slice(&key).unwrap();
        Self { cipher, iv: expand(&secret, "iv", b"", 12), count: 0 }
    }

    fn nonce(&mut self) -> [u8; 12] {
        let mut nonce: [u8; 12] = self.iv.as_slice().try_into().unwrap();
        nonce[4..]
            .iter_mut()
            .zip(self.count.to_be_bytes())
            .for_each(|(byte, count)| *byte ^= count);
        self.count += 1;
        nonce
    }

    fn seal(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let text = [content, &[kind]].concat();
        let head = record_head(DATA, text.len() + 16);
        let payload = Payload { msg: &text, aad: &head };
        let nonce = self.nonce().into();
        let sealed = self.cipher.encrypt(&nonce, payload).unwrap();
        [head.as_slice(), &sealed].concat()
    }

    fn open(&mut self, record: &[u8]) -> Vec<u8> {
        let (head, sealed) = record.split_at(5);
        let payload = Payload { msg: sealed, aad: head };
        let nonce = self.nonce().into();
        let mut text = self.cipher.decrypt(&nonce, payload).expect("sealed by the client");
        text.pop();
        text
    }
}

impl Server {
    pub fn new(identity: Identity, flight: &[Step]) -> Self {
        Self {
            identity,
            flight: flight.to_vec(),
            then: Vec::new(),
            record_len: 16_000,
            share: Share::P256,
            heard: Vec::new(),
            client_flight: Vec::new(),
            transcript: Vec::new(),
            state: State::Fresh,
        }
    }

    /// What it says to what the client said; nothing when it is satisfied.
    pub fn answer(&mut self, said: &[u8]) -> Vec<u8> {
        match std::mem::replace(&mut self.state, State::Fresh) {
            State::Fresh => self.begin(said),
            State::Flown { transcript, master, client } => {
                // A client that says nothing waits for more; there is none.
                if !records(said).iter().any(|record| record[0] == DATA) {
                    return Vec::new();
                }
                let hash = Sha256::digest(&transcript);
                let mut server = Keys::of(&expand(&master, "s ap traffic", &hash, 32));
                let client_data = Keys::of(&expand(&master, "c ap traffic", &hash, 32));
                let mut handshake = Keys::of(&client);
                for record in records(said).into_iter().filter(|record| record[0] == DATA) {
                    self.client_flight.extend(handshake.open(record));
                }
                self.transcript = transcript;
                self.state = State::Done { client: Box::new(client_data) };
                self.then.iter().flat_map(|(kind, content)| server.seal(*kind, content)).collect()
            }
            done @ State::Done { .. } => {
                self.state = done;
                self.hear(said);
                Vec::new()
            }
        }
    }

    /// Opens what a client says after the handshake.
    pub fn hear(&mut self, said: &[u8]) {
        let State::Done { client } = &mut self.state else { panic!("no handshake before data") };
        for record in records(said) {
            self.heard.extend(client.open(record));
        }
    }

    fn begin(&mut self, said: &[u8]) -> Vec<u8> {
        let hello = &said[5..];
        let (theirs, session_id) = parse_hello(hello);
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let secret = EphemeralSecret::generate_from_rng(&mut rng);
        let server_hello = self.server_hello(&secret, session_id);
        let mut transcript = [hello, server_hello.as_slice()].concat();
        let shared = secret.diffie_hellman(&PublicKey::from_sec1_bytes(&theirs).unwrap());
        let hash = Sha256::digest(&transcript);
        let handshake = extract(&early_derived(), shared.raw_secret_bytes());
        let server_secret = expand(&handshake, "s hs traffic", &hash, 32);
        let client_secret = expand(&handshake, "c hs traffic", &hash, 32);
        let mut keys = Keys::of(&server_secret);
        let mut wire = record(HANDSHAKE, &server_hello);
        for step in self.flight.clone() {
            let message = match step {
                Step::Record(kind, content) => {
                    wire.extend(keys.seal(kind, content));
                    continue;
                }
                Step::Bare(kind, content) => {
                    wire.extend(record(kind, content));
                    continue;
                }
                other => self.message(other, &transcript, &server_secret),
            };
            for part in message.chunks(self.record_len) {
                wire.extend(keys.seal(HANDSHAKE, part));
            }
            transcript.extend(message);
        }
        let derived = expand(&handshake, "derived", &Sha256::digest(b""), 32);
        let master = extract(&derived, &[0; 32]);
        self.state = State::Flown { transcript, master, client: client_secret };
        wire
    }

    fn server_hello(&self, secret: &EphemeralSecret, session_id: &[u8]) -> Vec<u8> {
        let point = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
        let (group, point) = match self.share {
            Share::P256 | Share::Tls12 => (23_u16, point),
            Share::X25519 => (29, vec![9; 32]),
            Share::NoPoint => (23, [&[4], [1; 64].as_slice()].concat()),
        };
        let share = [&group.to_be_bytes(), with_len16(&point).as_slice()].concat();
        let mut extensions = extension(43, &[3, 4]);
        extensions.extend(extension(51, &share));
        if self.share == Share::Tls12 {
            extensions.clear();
        }
        let body = [
            &[3, 3],
            [5; 32].as_slice(),
            &[u8::try_from(session_id.len()).unwrap()],
            session_id,
            &[0x13, 0x01, 0],
            &with_len16(&extensions),
        ];
        handshake(2, &body.concat())
    }

    fn message(&self, step: Step, transcript: &[u8], server_secret: &[u8]) -> Vec<u8> {
        let hash = Sha256::digest(transcript);
        match step {
            Step::EncryptedExtensions => handshake(8, &[0, 0]),
            Step::CertificateRequest => {
                let schemes = extension(13, &with_len16(&[8, 4, 4, 3]));
                handshake(13, &[&[0], with_len16(&schemes).as_slice()].concat())
            }
            Step::Certificate => {
                let entry = |der: &Vec<u8>| [with_len24(der).as_slice(), &[0, 0]].concat();
                let list: Vec<u8> = self.identity.chain.iter().flat_map(entry).collect();
                handshake(11, &[&[0], with_len24(&list).as_slice()].concat())
            }
            Step::CertificateVerify => verify_message(&self.identity.key, &hash),
            Step::ForeignCertificateVerify => {
                let key = SigningKey::generate_from_rng(&mut ChaCha20Rng::from_seed([9; 32]));
                verify_message(&ServerKey::P256(key), &hash)
            }
            Step::Finished | Step::WrongFinished => {
                let secret = Hkdf::<Sha256>::from_prk(server_secret).unwrap();
                let key = expand(&secret, "finished", b"", 32);
                let mut sum = Hmac::<Sha256>::new_from_slice(&key).unwrap();
                sum.update(&hash);
                let mut sum = sum.finalize().into_bytes().to_vec();
                sum[0] ^= u8::from(matches!(step, Step::WrongFinished));
                handshake(20, &sum)
            }
            Step::Record(..) | Step::Bare(..) => unreachable!("no handshake message"),
        }
    }
}

fn verify_message(key: &ServerKey, hash: &[u8]) -> Vec<u8> {
    let text = [[0x20; 64].as_slice(), b"TLS 1.3, server CertificateVerify\0", hash].concat();
    let (scheme, signature) = match key {
        ServerKey::P256(key) => {
            let signature: DerSignature = key.sign(&text);
            ([4, 3], signature.as_bytes().to_vec())
        }
        ServerKey::Rsa(key) => {
            let mut rng = ChaCha20Rng::from_seed([11; 32]);
            let (scheme, hash) = (Pss::<Sha256>::new(), Sha256::digest(&text));
            ([8, 4], key.sign_with_rng(&mut rng, scheme, &hash).unwrap())
        }
    };
    handshake(15, &[&scheme, with_len16(&signature).as_slice()].concat())
}

/// The key share for P-256 and the session id of a ClientHello.
fn parse_hello(hello: &[u8]) -> (Vec<u8>, &[u8]) {
    let len16 = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let rest = &hello[4 + 2 + 32..];
    let (session_id, rest) = rest[1..].split_at(rest[0].into());
    let rest = &rest[2 + len16(rest)..];
    let mut extensions = &rest[1 + usize::from(rest[0]) + 2..];
    while !extensions.is_empty() {
        let (kind, len) = (len16(extensions), len16(&extensions[2..]));
        let (body, rest) = extensions[4..].split_at(len);
        if kind == 51 {
            return (body[6..6 + len16(&body[4..])].to_vec(), session_id);
        }
        extensions = rest;
    }
    panic!("no key share in ClientHello")
}

pub fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while bytes.len() > 5 {
        let len = 5 + usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        let (record, rest) = bytes.split_at(len.min(bytes.len()));
        records.push(record);
        bytes = rest;
    }
    records
}

fn record_head(kind: u8, len: usize) -> [u8; 5] {
    let [a, b] = u16::try_from(len).unwrap().to_be_bytes();
    [kind, 3, 3, a, b]
}

pub fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    [record_head(kind, content.len()).as_slice(), content].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], with_len24(body).as_slice()].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes(), with_len16(body).as_slice()].concat()
}

fn with_len16(bytes: &[u8]) -> Vec<u8> {
    [u16::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
}

fn with_len24(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[1..], bytes].concat()
}

fn extract(salt: &[u8], secret: &[u8]) -> Hkdf<Sha256> {
    Hkdf::new(Some(salt), secret)
}

fn early_derived() -> Vec<u8> {
    expand(&extract(&[0; 32], &[0; 32]), "derived", &Sha256::digest(b""), 32)
}

/// HKDF-Expand-Label (RFC 8446 section 7.1).
fn expand(secret: &Hkdf<Sha256>, label: &str, context: &[u8], len: u8) -> Vec<u8> {
    let label = [b"tls13 ", label.as_bytes()].concat();
    let one = |bytes: &[u8]| [&[u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let info = [&[0, len], one(&label).as_slice(), &one(context)].concat();
    let mut out = vec![0; len.into()];
    secret.expand(&info, &mut out).unwrap();
    out
}
