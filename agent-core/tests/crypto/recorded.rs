//! Traffic of a real client and server: every message of it opens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use troodon_core::envelope::{FromClients, FromServer, Opened};
use troodon_core::error::PeerFault;
use troodon_core::identity::ClientId;
use troodon_core::limits::INFLATED_BYTES;
use troodon_core::pin::Anchor;
use troodon_core::rsa::PrivateKey;
use troodon_core::rsa::soft::SoftKey;

use crate::keys::{SERVER, rng};
use crate::vectors::{RECORDED, folder};

const TO_SERVER: u8 = 0;

/// The keys of one deployment and of one of its clients.
struct Pair {
    client: SoftKey,
    server: SoftKey,
    at_server: FromClients,
    at_client: FromServer,
    nonce: String,
}

impl Pair {
    fn new(folder: &Path, client: &str) -> Self {
        let read = |name: &str| std::fs::read(folder.join("keys").join(name)).unwrap();
        let key = |name: &str| SoftKey::from_pkcs1_pem(&read(name)).unwrap();
        let anchor = Anchor::from_pem(&read("ca.pem")).unwrap();
        let pinned = anchor.check(&read("server.pem"), SERVER, Some(RECORDED)).unwrap();
        let nonce = String::from_utf8(read("nonce.txt")).unwrap();
        Self {
            client: key(&format!("traffic_{client}.key.pem")),
            server: key("server.key.pem"),
            at_server: FromClients::new(4),
            at_client: FromServer::new(pinned, nonce.clone()),
            nonce,
        }
    }

    /// How many messages the envelope carries.
    fn open(&mut self, direction: u8, body: Bytes) -> Result<usize, PeerFault> {
        if direction != TO_SERVER {
            let packet = self.at_client.open(&mut rng(1), &self.client, body)?;
            let messages = packet.map(|packet| packet.messages(INFLATED_BYTES).collect_all());
            return Ok(messages.transpose()?.map_or(0, |messages| messages.len()));
        }
        let client = self.client.public();
        let find = |id| (id == ClientId::of(client)).then(|| client.clone());
        let nonce = |nonce: &str| nonce == self.nonce;
        match self.at_server.open(&mut rng(1), &self.server, body, nonce, find)? {
            Opened::Messages(packet) => Ok(packet.messages(INFLATED_BYTES).collect_all()?.len()),
            other => panic!("from the client, but {other:?}"),
        }
    }
}

/// `u8` direction, `u32` little-endian length, envelope; a length of zero was left out.
fn records(path: &Path) -> Vec<(u8, Bytes)> {
    let mut rest = Bytes::from(std::fs::read(path).unwrap());
    let mut records = Vec::new();
    while !rest.is_empty() {
        let head = rest.split_to(5);
        let length = u32::from_le_bytes(head[1..].try_into().unwrap());
        let body = rest.split_to(length.try_into().unwrap());
        if !body.is_empty() {
            records.push((head[0], body));
        }
    }
    records
}

fn recordings(folder: &Path) -> BTreeMap<String, PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect()
}

#[test]
fn every_recorded_message_opens() {
    let Some(folder) = folder() else { return };
    let (mut envelopes, mut messages) = (0, 0);
    for prefix in ["https", "wss", "nocomp", "clean"] {
        let mut pair = Pair::new(&folder, prefix);
        for (name, path) in recordings(&folder) {
            if !name.starts_with(&format!("{prefix}_")) {
                continue;
            }
            for (number, (direction, body)) in records(&path).into_iter().enumerate() {
                let found = pair.open(direction, body);
                envelopes += 1;
                messages +=
                    found.unwrap_or_else(|fault| panic!("{name}, record {number}: {fault}"));
            }
        }
    }
    assert!(envelopes > 400 && messages > 400, "{envelopes} envelopes, {messages} messages");
}

#[test]
fn the_recorded_wrong_nonce_is_refused() {
    let Some(folder) = folder() else { return };
    let (mut pair, mut refused) = (Pair::new(&folder, "https"), 0);
    for (direction, body) in records(&folder.join("badnonce_01.bin")) {
        if direction == TO_SERVER {
            let receiver = &mut pair.at_server;
            let nonce = |nonce: &str| nonce == pair.nonce;
            let opened = receiver.open(&mut rng(1), &pair.server, body, nonce, |_| None);
            assert_eq!(opened.err(), Some(PeerFault::Nonce));
            refused += 1;
        }
    }
    assert!(refused > 0);
}

#[test]
fn the_recorded_first_contact_enrols() {
    let Some(folder) = folder() else { return };
    for (name, client) in
        [("https_01_enrol_interrogate", "https"), ("wss_01_enrol_interrogate", "wss")]
    {
        let pair = Pair::new(&folder, client);
        let mut receiver = FromClients::new(1);
        let enrolled =
            records(&folder.join(format!("{name}.bin"))).into_iter().find_map(|(to, body)| {
                if to != TO_SERVER {
                    return None;
                }
                let opened = receiver.open(&mut rng(1), &pair.server, body, |_| true, |_| None);
                match opened.unwrap() {
                    Opened::Unknown(unknown) => unknown.enrolment().ok(),
                    _ => None,
                }
            });
        let enrolled = enrolled.unwrap_or_else(|| panic!("no request in {name}"));
        assert_eq!(enrolled.public_key(), pair.client.public());
    }
}
