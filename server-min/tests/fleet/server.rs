//! The server: its store on disk, its rules for what agents may write, and a model of the frontend before them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use troodon_core::envelope::{FromClients, Lists, Opened, Outbound, Packet, Unknown, Verified};
use troodon_core::identity::ClientId;
use troodon_core::rsa::{PrivateKey, PublicKey};
use troodon_core::time::{Instant, Span, UnixTime};
use troodon_proto::{
    FlowRequest, Message, MessageList, VeloMessage, VqlCollectorArgs, VqlEventTable, VqlRequest,
};
use troodon_server::ingest::{self, Origin};
use troodon_server::model::flow::NewFlow;
use troodon_server::model::id::{ArtifactName, FlowId};
use troodon_server::store::{Store, StoreError};

use crate::certificates::{leaf, pem};
use crate::keys::{NONCE, SERVER, ca_key, server_key};
use crate::memo::{MemoKey, SimRng};

/// Under this name collections send their rows.
pub const ROWS: &str = "Custom.Rows";
/// Under this name event queries send theirs.
pub const TICKS: &str = "Custom.Ticks";
/// Collections that an agent has at a time.
const IN_FLIGHT: usize = 4;
/// How long a table that an agent did not take is not sent again.
const TABLE_AGAIN: Span = Span::from_secs(60);
/// From where all agents come.
const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 5);

/// What comes back.
pub enum Answer {
    Status(u16, Vec<u8>),
    /// A poll of this client begins: 200 at once, the body later.
    Poll(ClientId),
    /// The process dies.
    Crash,
}

/// When the process dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Crash {
    /// Parts of files are on disk, the transaction is not begun.
    BeforeCommit,
    /// All is durable, and nobody hears of it.
    AfterCommit,
}

pub struct Server {
    /// `None` while the process is not there.
    store: Option<Store>,
    folder: TempDir,
    runtime: Runtime,
    inbound: FromClients,
    outbound: BTreeMap<ClientId, Outbound>,
    pub key: MemoKey,
    pub table: VqlEventTable,
    tables_sent: BTreeMap<ClientId, (u64, Instant)>,
    /// The connections whose polls wait.
    pub polls: BTreeMap<ClientId, u64>,
    pub crash: Option<Crash>,
    /// How far its clock is from the world's, in seconds.
    pub skew: i64,
    /// Whether its clock jumps in this run.
    pub is_clock_shaky: bool,
}

impl Server {
    pub fn new() -> Self {
        let shm = std::path::Path::new("/dev/shm");
        // Memory, where there is such a thing: here it matters what is written, not how fast.
        let folder = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
        let folder = folder.unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            store: Some(Store::open(folder.path()).unwrap()),
            folder,
            runtime,
            inbound: FromClients::new(16),
            outbound: BTreeMap::new(),
            key: MemoKey(server_key()),
            table: VqlEventTable::default(),
            tables_sent: BTreeMap::new(),
            polls: BTreeMap::new(),
            crash: None,
            skew: 0,
            is_clock_shaky: false,
        }
    }

    /// The process ends at once.
    pub fn kill(&mut self) {
        self.store = None;
        self.inbound = FromClients::new(16);
        self.outbound.clear();
        self.tables_sent.clear();
        self.polls.clear();
        self.crash = None;
    }

    pub fn start(&mut self) {
        self.store = Some(Store::open(self.folder.path()).unwrap());
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().expect("the server runs")
    }

    fn now_us(&self, now: Instant) -> u64 {
        let seconds = crate::keys::NOW.as_seconds().saturating_add_signed(self.skew);
        seconds * 1_000_000 + now.as_micros()
    }

    pub fn collect(&self, client: &ClientId, number: u64, vql: String) -> FlowId {
        let id: FlowId = format!("F.{number}").parse().unwrap();
        let name: ArtifactName = ROWS.parse().unwrap();
        let action = VqlCollectorArgs {
            query: vec![VqlRequest { name: ROWS.into(), vql }],
            max_wait: 5,
            heartbeat: 10,
            ..VqlCollectorArgs::default()
        };
        let flow = NewFlow {
            id: id.clone(),
            creator: "somebody".into(),
            artifacts: vec![name],
            spec: serde_json::json!({}),
            request: FlowRequest { vql_client_actions: vec![action], ..FlowRequest::default() },
            urgent: false,
        };
        self.store().create_flow(client, flow).unwrap()
    }

    /// Lets all agents watch the time with this period, in seconds.
    pub fn watch(&mut self, version: u64, period: u64) {
        let vql = format!("SELECT * FROM ticks(period={period})");
        let query = vec![VqlRequest { name: TICKS.into(), vql }];
        let event = VqlCollectorArgs { query, max_wait: 5, ..VqlCollectorArgs::default() };
        self.table = VqlEventTable { event: vec![event], version };
    }

    /// Answers a request.
    pub fn answer(&mut self, now: Instant, request: &[u8]) -> Answer {
        let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&request[..end]).unwrap();
        if head.starts_with("GET /server.pem ") {
            let certificate = pem(&leaf(SERVER, self.key.0.public()).sign(ca_key()));
            return Answer::Status(200, certificate.into_bytes());
        }
        let is_control = head.starts_with("POST /control ");
        assert!(is_control || head.starts_with("POST /reader "), "{head}");
        let body = Bytes::copy_from_slice(&request[end + 4..]);
        let store = self.store().clone();
        let key_of = |id: ClientId| public_key(&store, &id);
        let rng = &mut SimRng::new(0);
        let opened = self.inbound.open(rng, &self.key, body, |nonce| nonce == NONCE, key_of);
        match opened {
            Err(_) => Answer::Status(403, Vec::new()),
            Ok(Opened::Empty) => Answer::Status(406, Vec::new()),
            Ok(Opened::Unknown(unknown)) => self.enrol(*unknown),
            Ok(Opened::Messages(packet)) => self.take(now, packet, is_control),
        }
    }

    fn enrol(&self, unknown: Unknown) -> Answer {
        if let Ok(enrolment) = unknown.enrolment() {
            let key = enrolment.public_key().pkcs1_der().to_vec();
            self.runtime.block_on(self.store().enrol(enrolment.client_id(), key)).unwrap();
        }
        Answer::Status(406, b"Please Enrol".to_vec())
    }

    fn take(
        &mut self,
        now: Instant,
        packet: Verified<Packet, ClientId>,
        is_control: bool,
    ) -> Answer {
        let client = *packet.source();
        if !is_control && self.polls.contains_key(&client) {
            return Answer::Status(409, b"Another client".to_vec());
        }
        let origin = Origin { address: SocketAddr::from(ADDRESS), now_us: self.now_us(now) };
        let store = self.store().clone();
        let sorted = self.runtime.block_on(ingest::sort(&store, packet, None)).unwrap();
        if self.crash == Some(Crash::BeforeCommit) {
            return Answer::Crash;
        }
        let outcome = self.runtime.block_on(ingest::apply(&store, client, origin, sorted)).unwrap();
        assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
        if self.crash == Some(Crash::AfterCommit) {
            return Answer::Crash;
        }
        if is_control {
            let reply = self.seal(&client, Vec::new());
            Answer::Status(200, reply)
        } else {
            Answer::Poll(client)
        }
    }

    /// What is due for a client, sealed.
    pub fn due(&mut self, now: Instant, client: &ClientId) -> Option<Vec<u8>> {
        let (store, now_us) = (self.store().clone(), self.now_us(now));
        let mut messages =
            self.runtime.block_on(store.take_tasks(client, IN_FLIGHT, true, now_us)).unwrap();
        messages.extend(self.table_for(now, client));
        (!messages.is_empty()).then(|| self.seal(client, messages))
    }

    fn table_for(&mut self, now: Instant, client: &ClientId) -> Option<VeloMessage> {
        let version = self.store().client(client).unwrap()?.event_table_version;
        let (sent, at) = self.tables_sent.get(client).copied().unwrap_or((0, Instant::ORIGIN));
        let again = sent == self.table.version && now.since(at) < TABLE_AGAIN;
        if version >= self.table.version || again {
            return None;
        }
        self.tables_sent.insert(*client, (self.table.version, now));
        self.runtime.block_on(self.store().grant_events(*client, &self.table)).unwrap();
        Some(VeloMessage {
            session_id: FlowId::MONITORING.into(),
            update_event_table: Some(self.table.clone()),
            ..VeloMessage::default()
        })
    }

    fn seal(&mut self, client: &ClientId, job: Vec<VeloMessage>) -> Vec<u8> {
        let rng = &mut SimRng::new(0);
        let store = self.store.as_ref().unwrap();
        let session = self.outbound.entry(*client).or_insert_with(|| {
            let key = public_key(store, client).unwrap();
            Outbound::to_client(rng, &self.key, SERVER, &key).unwrap()
        });
        let list = MessageList { job }.encode_to_vec();
        session.seal(rng, UnixTime::EPOCH, NONCE, Lists::Plain(vec![list.into()])).unwrap()
    }

    /// The log of the event query.
    pub fn event_logs(&self, client: &ClientId) -> Vec<String> {
        let rows = self.store().event_logs(client, &TICKS.parse().unwrap(), 0..u64::MAX);
        rows.map(|row| text(&row.unwrap().row)).collect()
    }

    /// The rows of a collection, or of the event query.
    pub fn lines(&self, client: &ClientId, session: &str) -> Vec<String> {
        if session == FlowId::MONITORING {
            let rows = self.store().events(client, &TICKS.parse().unwrap(), 0..u64::MAX);
            return rows.map(|row| text(&row.unwrap().row)).collect();
        }
        let id = session.parse().unwrap();
        match self.store().rows(client, &id, &ROWS.parse().unwrap(), 0) {
            Ok(rows) => rows.map(|row| text(&row.unwrap())).collect(),
            Err(StoreError::NoFlow { .. }) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn public_key(store: &Store, client: &ClientId) -> Option<PublicKey> {
    let der = store.public_key(client).unwrap()?;
    Some(PublicKey::from_pkcs1_der(&der).unwrap())
}
