//! The agent under any sequence of facts: it never panics, never spins, always knows when to act again, and says nothing
//! but `GET` to a server that has not shown its certificate.

use std::sync::OnceLock;

use rand_core::CryptoRng;
use troodon_core::agent::{Agent, Config, Connection, Down, Event, Input, Links};
use troodon_core::envelope::{Lists, Outbound, PAD, Verified};
use troodon_core::error::{BadCiphertext, KeyFault};
use troodon_core::host::{Host, drive};
use troodon_core::http::url::BaseUrl;
use troodon_core::pin::Anchor;
use troodon_core::queue::{Priority, QueueLimits};
use troodon_core::rsa::{PrivateKey, PublicKey};
use troodon_core::storage::memory::MemoryStorage;
use troodon_core::time::{Instant, Span, UnixTime};
use troodon_proto::{
    FlowRequest, Message, MessageList, VeloMessage, VqlEventTable, VqlRequest, VqlResponse,
};
use zeroize::Zeroizing;

use crate::keys::{NONCE, client, rng, server};

const CA: &[u8] = include_bytes!("../seeds/ca.pem");
const SERVER: &[u8] = include_bytes!("../seeds/server.pem");

/// Two bytes for each step: what happens, and to which of the last connections, or how much.
pub fn agent_inputs(data: &[u8]) {
    let mut world = World::new(data.first().is_some_and(|byte| byte & 1 == 1));
    let mut rest = data.get(1..).unwrap_or_default();
    while let [what, which, tail @ ..] = rest {
        rest = world.step(*what, *which, tail);
        world.drive();
    }
}

struct World {
    now: Instant,
    agent: Agent<MemoryStorage>,
    links: Links,
    outside: Outside,
}

#[derive(Default)]
struct Outside {
    connections: Vec<Connection>,
    /// How many bytes a connection takes at once.
    takes: usize,
    has_shown: bool,
}

impl World {
    fn new(is_alone: bool) -> Self {
        let links = if is_alone { Links::One } else { Links::Two };
        let agent = agent(MemoryStorage::new(), links);
        let outside = Outside { takes: usize::MAX, ..Outside::default() };
        let mut world = Self { now: Instant::from_micros(1), agent, links, outside };
        world.drive();
        world
    }

    fn drive(&mut self) {
        let until = drive(&mut self.agent, self.now, &mut rng(), &mut self.outside);
        assert_eq!(until, self.agent.deadline());
        assert!(until > self.now, "it would spin");
    }

    /// One fact, which may use up some of `rest`.
    fn step<'a>(&mut self, what: u8, which: u8, rest: &'a [u8]) -> &'a [u8] {
        let recent = self.outside.connections.iter().rev().nth(usize::from(which % 4));
        let connection = recent
            .copied()
            .unwrap_or(Connection { link: troodon_core::agent::Link::Reader, number: 0 });
        match what % 11 {
            0 => self.now = self.now.saturating_add(Span::from_micros(1 << (which % 34))),
            1 => self.agent.handle(self.now, Input::Up(connection)),
            2 => {
                let down = [Down::Closed, Down::Unreachable, Down::Untrusted];
                let down = down[usize::from(which >> 2) % down.len()];
                self.agent.handle(self.now, Input::Down(connection, down));
            }
            3 => {
                let (bytes, rest) = rest.split_at(usize::from(which).min(rest.len()));
                self.agent.handle(self.now, Input::Received(connection, bytes));
                return rest;
            }
            4 => {
                let answers = answers();
                let answer = &answers[usize::from(which >> 2) % answers.len()];
                self.outside.has_shown |= answer.ends_with(SERVER);
                self.agent.handle(self.now, Input::Received(connection, answer));
            }
            5 => {
                let time = UnixTime::from_secs(1_700_000_000 + u64::from(which) * 1_000_000);
                self.agent.handle(self.now, Input::Clock(time));
            }
            6 => self.agent.handle(self.now, Input::ClientInfo("{\"hostname\":\"x\"}")),
            7 => self.queue(which),
            8 => self.agent.forget_flow("F.1").expect("memory"),
            9 => self.restart(),
            _ => self.outside.takes = usize::from(which),
        }
        rest
    }

    fn queue(&mut self, which: u8) {
        let priority = if which & 1 == 1 { Priority::Urgent } else { Priority::Normal };
        let session = if which & 2 == 2 { "F.Monitoring" } else { "F.1" };
        let response = VqlResponse {
            query: Some(VqlRequest { name: "Custom.A".into(), ..Default::default() }),
            jsonl_response: vec![b'x'; usize::from(which)].into(),
            ..Default::default()
        };
        let message = VeloMessage {
            session_id: session.into(),
            vql_response: Some(response),
            ..Default::default()
        };
        // Full is an answer like any other.
        let _ = self.agent.queue(priority, &message);
    }

    fn restart(&mut self) {
        let fresh = agent(MemoryStorage::new(), self.links);
        let storage = std::mem::replace(&mut self.agent, fresh).close().expect("memory");
        self.agent = agent(storage, self.links);
        self.outside.connections.clear();
        self.outside.has_shown = false;
    }
}

impl Host for Outside {
    fn connect(&mut self, connection: Connection, _: &BaseUrl) {
        self.connections.push(connection);
    }

    fn send(&mut self, _: Connection, bytes: &[u8]) -> usize {
        // A request that was taken in part goes on with its rest, which has no method.
        let is_post = bytes.windows(5).any(|window| window == b"POST ");
        assert!(self.has_shown || !is_post, "posted to an unknown server");
        bytes.len().min(self.takes)
    }

    fn close(&mut self, _: Connection) {}

    fn message(&mut self, _: Verified<VeloMessage>) {
        assert!(self.has_shown);
    }

    fn table(&mut self, _: VqlEventTable) {}

    fn describe_client(&mut self) -> Option<String> {
        None
    }

    fn event(&mut self, _: Event) {}
}

fn agent(storage: MemoryStorage, links: Links) -> Agent<MemoryStorage> {
    let urls = ["https://a.example/", "http://b.example:8000/base/"];
    let urls = urls.map(|url| BaseUrl::parse(url).expect("a good URL")).to_vec();
    let mut config = Config::new(urls, Anchor::from_pem(CA).expect("a good CA"), NONCE.into());
    config.links = links;
    let limits =
        QueueLimits { urgent: 2_000, flows: 2_000, monitoring: 2_000, message: 1_000, batch: 500 };
    Agent::new(config, Box::new(Key), storage, limits, &mut rng()).expect("a good start")
}

/// The client's key, by name.
struct Key;

impl PrivateKey for Key {
    fn public(&self) -> &PublicKey {
        client().public()
    }

    fn sign_pkcs1_sha256(
        &self,
        rng: &mut dyn CryptoRng,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyFault> {
        client().sign_pkcs1_sha256(rng, message)
    }

    fn decrypt_oaep_sha1(
        &self,
        rng: &mut dyn CryptoRng,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BadCiphertext> {
        client().decrypt_oaep_sha1(rng, ciphertext)
    }
}

/// Whole answers, genuine and others.
fn answers() -> &'static [Vec<u8>] {
    static ANSWERS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ANSWERS.get_or_init(|| {
        let tasks = [
            VeloMessage { flow_request: Some(FlowRequest::default()), ..Default::default() },
            VeloMessage {
                update_event_table: Some(VqlEventTable { version: 9, ..Default::default() }),
                ..Default::default()
            },
        ];
        let list = MessageList { job: tasks.into() }.encode_to_vec();
        let name = "VelociraptorServer";
        let session = Outbound::to_client(&mut rng(), server(), name, client().public());
        let reply = session
            .and_then(|it| {
                it.seal(&mut rng(), UnixTime::EPOCH, NONCE, Lists::Plain(vec![list.into()]))
            })
            .expect("a short reply");
        let mut answers = vec![
            answer(200, "text/plain", SERVER),
            answer(200, "text/plain", &reply),
            answer(200, "text/plain", &PAD),
            answer(200, "text/plain", b""),
            answer(200, "text/html", b"<html>"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\x5a\x01\x00\r\n".to_vec(),
        ];
        answers.extend(
            [301, 400, 403, 404, 406, 408, 409, 500, 503]
                .map(|status| answer(status, "text/plain", b"no")),
        );
        answers
    })
}

fn answer(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Connects, pins, enrols, polls, sends; on two links and on one.
pub fn steps() -> Vec<Vec<u8>> {
    const UP: [u8; 2] = [1, 0];
    const LATER: [u8; 2] = [0, 22];
    let answer = |number: u8| [4, number << 2];
    let run: Vec<[u8; 2]> = vec![
        UP,
        answer(0),
        answer(10),
        LATER,
        UP,
        answer(10),
        LATER,
        [0, 24],
        [4, 5 << 2],
        answer(1),
        [7, 1],
        LATER,
        UP,
        answer(2),
        [7, 0],
        LATER,
        LATER,
        answer(3),
        [4, (5 << 2) | 1],
        [10, 3],
        LATER,
        [2, 0],
        [0, 33],
        UP,
        [9, 0],
        UP,
        answer(0),
        [5, 1],
        [6, 0],
        [8, 0],
    ];
    [0, 1].map(|links| [vec![links], run.concat()].concat()).into()
}
