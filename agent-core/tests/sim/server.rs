//! The servers of a deployment: one store, several fronts, each genuine or not.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use troodon_core::envelope::{FromClients, Lists, Opened, Outbound};
use troodon_core::identity::ClientId;
use troodon_core::rsa::soft::SoftKey;
use troodon_core::rsa::{PrivateKey, PublicKey};
use troodon_core::time::{Instant, UnixTime};
use troodon_proto::{Message, MessageList, VeloMessage};

use crate::certificates::{leaf, pem};
use crate::keys::{NONCE, SERVER, ca_key, other_key, server_key};
use crate::memo::{MemoKey, SimRng};
use crate::world::row_text;

/// What a front does with requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    Genuine,
    /// Answers every request with a page and 200.
    Portal,
    /// Answers every request with this status.
    Status(u16),
    /// Like genuine, with a certificate that must not be accepted.
    Impostor(Flaw),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    Expired,
    OtherCa,
    OtherName,
    NotPem,
}

/// What all fronts share.
pub struct Store {
    pub client: Option<(ClientId, PublicKey)>,
    /// Rows by flow and name, then by start row; a row that comes again is dropped, as the protocol says.
    pub rows: BTreeMap<(String, String), BTreeMap<u64, Vec<u8>>>,
    /// Rows in the order in which they came first.
    pub order: Vec<(String, u64)>,
    pub logs: Vec<VeloMessage>,
    pub descriptions: usize,
    pub tasks: VecDeque<VeloMessage>,
    pub enrolments: Vec<Instant>,
    /// Results of a client that is not known: thrown away.
    pub futile: usize,
    pub table_versions: Vec<u64>,
    pub key: MemoKey,
    pub keeps_enrolments: bool,
    /// By the server's key. There is one client, and its key is always the same.
    sessions: BTreeMap<Vec<u8>, Outbound>,
}

impl Store {
    pub fn new() -> Self {
        Self {
            client: None,
            rows: BTreeMap::new(),
            order: Vec::new(),
            logs: Vec::new(),
            descriptions: 0,
            tasks: VecDeque::new(),
            enrolments: Vec::new(),
            futile: 0,
            table_versions: Vec::new(),
            key: MemoKey(server_key()),
            keeps_enrolments: true,
            sessions: BTreeMap::new(),
        }
    }

    fn take(&mut self, message: VeloMessage) {
        if let Some(foreman) = &message.foreman_checkin {
            self.table_versions.push(foreman.last_event_table_version);
        }
        if let Some(response) = &message.vql_response {
            let name = response.query.as_ref().unwrap().name.clone();
            if name == "Server.Internal.ClientInfo" {
                assert!(response.jsonl_response.ends_with(b"}\n"));
                self.descriptions += 1;
                return;
            }
            let start = response.query_start_row;
            let rows = self.rows.entry((message.session_id.clone(), name)).or_default();
            if rows.insert(start, response.jsonl_response.to_vec()).is_none() {
                self.order.push((message.session_id.clone(), start));
            }
        } else if message.log_message.is_some() || message.flow_stats.is_some() {
            self.logs.push(message);
        }
    }
}

/// One URL of the deployment.
pub struct Front {
    pub mode: Mode,
    /// For the next requests to reader or control, before the mode is asked.
    pub script: VecDeque<u16>,
    pub inbound: FromClients,
    pub gets: usize,
    pub posts: usize,
    /// The connection whose poll is waiting.
    pub reader: Option<u64>,
}

/// What comes back.
pub enum Answer {
    Status(u16, &'static str, Vec<u8>),
    /// A poll begins: 200 at once, the body later.
    Poll,
}

impl Front {
    pub fn new(mode: Mode) -> Self {
        let script = VecDeque::new();
        Self { mode, script, inbound: FromClients::new(4), gets: 0, posts: 0, reader: None }
    }

    /// Forgets what a restart forgets.
    pub fn restart(&mut self) {
        self.inbound = FromClients::new(4);
        self.reader = None;
    }

    pub fn answer(&mut self, now: Instant, store: &mut Store, head: &str, body: &[u8]) -> Answer {
        let is_get = head.starts_with("GET /server.pem ");
        if is_get {
            self.gets += 1;
        } else {
            assert!(head.contains("\r\nContent-Type: application/binary\r\n"), "{head}");
            self.posts += 1;
            if let Some(status) = self.script.pop_front() {
                return plain(status, b"scripted".to_vec());
            }
        }
        match self.mode {
            Mode::Portal => Answer::Status(200, "text/html", b"<html>Welcome</html>".to_vec()),
            Mode::Status(status) => plain(status, b"no".to_vec()),
            Mode::Genuine if is_get => plain(200, certificate(store.key.0, None)),
            Mode::Impostor(flaw) if is_get => plain(200, certificate(store.key.0, Some(flaw))),
            Mode::Genuine | Mode::Impostor(_) => self.post(now, store, head, body),
        }
    }

    fn post(&mut self, now: Instant, store: &mut Store, head: &str, body: &[u8]) -> Answer {
        let is_control = head.starts_with("POST /control ");
        assert!(is_control || head.starts_with("POST /reader "), "{head}");
        let key_of =
            |id| store.client.as_ref().filter(|(known, _)| *known == id).map(|c| c.1.clone());
        let body = Bytes::copy_from_slice(body);
        let rng = &mut SimRng::new(0);
        let opened = self.inbound.open(rng, &store.key, body, |nonce| nonce == NONCE, key_of);
        match opened {
            Err(_) => plain(403, b"\n".to_vec()),
            Ok(Opened::Empty) => plain(406, Vec::new()),
            Ok(Opened::Unknown(unknown)) => {
                let enrolment = unknown.enrolment();
                store.futile += usize::from(is_control && enrolment.is_err());
                if is_control && let Ok(enrolment) = enrolment {
                    let client = (enrolment.client_id(), enrolment.public_key().clone());
                    store.enrolments.push(now);
                    if store.keeps_enrolments {
                        store.client = Some(client);
                    }
                }
                plain(406, b"Please Enrol".to_vec())
            }
            Ok(Opened::Messages(packet)) => {
                if !is_control && self.reader.is_some() {
                    return plain(409, b"Another client".to_vec());
                }
                for message in packet.messages(1 << 20).collect_all().unwrap() {
                    store.take(message.into_inner());
                }
                if is_control { plain(200, reply(store, Vec::new())) } else { Answer::Poll }
            }
        }
    }
}

/// Whether every row has the text that belongs to its number.
pub fn row_texts_match(store: &Store) -> bool {
    store.rows.values().flatten().all(|(start, text)| *text == row_text(*start).into_bytes())
}

fn plain(status: u16, body: Vec<u8>) -> Answer {
    Answer::Status(status, "text/plain; charset=utf-8", body)
}

/// A sealed reply with these messages.
pub fn reply(store: &mut Store, job: Vec<VeloMessage>) -> Vec<u8> {
    let Some((_, client)) = &store.client else { return Vec::new() };
    let rng = &mut SimRng::new(0);
    let modulus = store.key.public().modulus().to_vec();
    let session = store
        .sessions
        .entry(modulus)
        .or_insert_with(|| Outbound::to_client(rng, &store.key, SERVER, client).unwrap());
    let list = MessageList { job }.encode_to_vec();
    session.seal(rng, UnixTime::EPOCH, NONCE, Lists::Plain(vec![list.into()])).unwrap()
}

fn certificate(key: &'static SoftKey, flaw: Option<Flaw>) -> Vec<u8> {
    type Made = BTreeMap<(Vec<u8>, String), Vec<u8>>;
    static MADE: std::sync::Mutex<Made> = std::sync::Mutex::new(BTreeMap::new());
    let name = (key.public().modulus().to_vec(), format!("{flaw:?}"));
    let make = || {
        let good = leaf(SERVER, key.public());
        let der = match flaw {
            None => good.sign(ca_key()),
            Some(Flaw::OtherCa) => good.sign(other_key()),
            Some(Flaw::OtherName) => leaf("GRPC_GW", key.public()).sign(ca_key()),
            Some(Flaw::Expired) => {
                let validity = ("200101000000Z", "210101000000Z");
                crate::certificates::Plan { validity, ..good }.sign(ca_key())
            }
            Some(Flaw::NotPem) => return b"<html>Welcome</html>".to_vec(),
        };
        pem(&der).into_bytes()
    };
    MADE.lock().unwrap().entry(name).or_insert_with(make).clone()
}
