//! An agent without a mind of its own: it seals what a test says and opens what comes back.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use troodon_core::envelope::{FromServer, Lists, Outbound, deflate};
use troodon_core::identity::{ClientId, request_pem};
use troodon_core::pin::Anchor;
use troodon_core::rsa::PrivateKey;
use troodon_core::rsa::aws::AwsKey;
use troodon_core::time::UnixTime;
use troodon_proto::velo_status::Status;
use troodon_proto::{
    Certificate, FlowStats, ForemanCheckin, Message, MessageList, VeloMessage, VeloStatus,
    VqlRequest, VqlResponse,
};
use troodon_server::entropy;

use super::bench::{Deployment, NAME, NONCE, Server, deployment};

pub struct Agent {
    pub id: ClientId,
    pub key: AwsKey,
    outbound: Outbound,
    inbound: FromServer,
}

impl Agent {
    pub fn new() -> Self {
        Self::with_key(AwsKey::generate().unwrap(), deployment())
    }

    pub fn with_key(key: AwsKey, deployment: &Deployment) -> Self {
        let anchor = Anchor::from_pem(deployment.ca.as_bytes()).unwrap();
        let pinned = anchor.check(deployment.server.certificate.as_bytes(), NAME, None).unwrap();
        let mut rng = entropy::generator().unwrap();
        let outbound = Outbound::to_server(&mut rng, &key, &pinned).unwrap();
        let inbound = FromServer::new(pinned, NONCE.to_owned());
        Self { id: ClientId::of(key.public()), key, outbound, inbound }
    }

    /// An agent that the server has taken in.
    pub async fn enrolled(server: &Server) -> Self {
        let agent = Self::new();
        assert_eq!(agent.control(server, vec![agent.request()]).await, 406);
        agent
    }

    pub fn request(&self) -> VeloMessage {
        let pem = request_pem(&mut entropy::generator().unwrap(), &self.key).unwrap();
        VeloMessage {
            session_id: "E:Enrol".into(),
            csr: Some(Certificate { pem: pem.into(), ..Certificate::default() }),
            urgent: true,
            ..VeloMessage::default()
        }
    }

    pub fn seal(&self, messages: Vec<VeloMessage>) -> Vec<u8> {
        self.seal_for(NONCE, messages)
    }

    pub fn seal_for(&self, nonce: &str, messages: Vec<VeloMessage>) -> Vec<u8> {
        let list = MessageList { job: messages }.encode_to_vec();
        let lists = Lists::Zlib(vec![deflate(&list)]);
        let mut rng = entropy::generator().unwrap();
        self.outbound.seal(&mut rng, UnixTime::from_micros(1), nonce, lists).unwrap()
    }

    /// Opens a reply; pads only are no messages.
    pub fn open(&mut self, body: Bytes) -> Vec<VeloMessage> {
        let mut rng = entropy::generator().unwrap();
        match self.inbound.open(&mut rng, &self.key, body).unwrap() {
            None => Vec::new(),
            Some(packet) => {
                let messages = packet.messages(1 << 20).collect_all().unwrap();
                messages.into_iter().map(|message| message.into_inner()).collect()
            }
        }
    }

    /// Posts messages; answers the status.
    pub async fn control(&self, server: &Server, messages: Vec<VeloMessage>) -> u16 {
        post(server.address, "/control", self.seal(messages)).await.0
    }

    /// Begins a poll; answers when the head of the response is here.
    pub async fn poll(&self, server: &Server) -> Response<Incoming> {
        request(server.address, "/reader", self.seal(vec![foreman(0)])).await
    }

    /// Polls until there is something.
    pub async fn tasks(&mut self, server: &Server) -> Vec<VeloMessage> {
        let response = self.poll(server).await;
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        self.open(body)
    }
}

pub fn foreman(version: u64) -> VeloMessage {
    let checkin = ForemanCheckin { last_event_table_version: version, ..ForemanCheckin::default() };
    VeloMessage {
        session_id: "E.Foreman".into(),
        foreman_checkin: Some(checkin),
        ..VeloMessage::default()
    }
}

pub fn rows(session: &str, name: &str, start: u64, rows: &[&str]) -> VeloMessage {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let response = VqlResponse {
        query: Some(VqlRequest { name: name.into(), ..VqlRequest::default() }),
        jsonl_response: lines.into(),
        total_rows: u64::try_from(rows.len()).unwrap(),
        query_start_row: start,
        timestamp: 5,
        ..VqlResponse::default()
    };
    VeloMessage {
        session_id: session.into(),
        vql_response: Some(response),
        ..VeloMessage::default()
    }
}

pub fn stats(session: &str, status: Status, complete: bool) -> VeloMessage {
    let query = VeloStatus { status: status.into(), ..VeloStatus::default() };
    let stats =
        FlowStats { query_status: vec![query], flow_complete: complete, ..FlowStats::default() };
    VeloMessage { session_id: session.into(), flow_stats: Some(stats), ..VeloMessage::default() }
}

pub async fn request(address: SocketAddr, path: &str, body: Vec<u8>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    // Ends with the response, or when the test drops it.
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::post(path)
        .header("host", "localhost")
        .header("content-type", "application/binary")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    sender.send_request(request).await.unwrap()
}

pub async fn post(address: SocketAddr, path: &str, body: Vec<u8>) -> (u16, Bytes) {
    let response = request(address, path, body).await;
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}
