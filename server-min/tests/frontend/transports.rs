//! TLS, HTTP/2, websockets, paths.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use troodon_server::frontend::{Frontend, Shown};
use troodon_server::store::Store;

use super::agent::{Agent, foreman, post, rows};
use super::bench::{NAME, Notes, Server, Wishes, deployment, settings};

fn tls() -> Wishes {
    Wishes { plain_http: false, ..Wishes::default() }
}

async fn connect(
    server: &Server,
    version: &'static SupportedProtocolVersion,
    group: &'static dyn SupportedKxGroup,
    alpn: &[&str],
) -> Result<TlsStream<TcpStream>, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(deployment().ca.as_bytes()).unwrap()).unwrap();
    let provider = CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_version_1_3_with_the_groups_of_real_agents() {
    let server = Server::start(tls()).await;
    for group in [kx_group::SECP256R1, kx_group::SECP384R1, kx_group::X25519] {
        let stream = connect(&server, &rustls::version::TLS13, group, &["http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    let old = connect(&server, &rustls::version::TLS12, kx_group::SECP256R1, &[]).await;
    assert!(old.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_and_posts_share_one_http2_connection() {
    let server = Server::start(tls()).await;
    let mut agent = Agent::new();
    let stream =
        connect(&server, &rustls::version::TLS13, kx_group::SECP256R1, &["h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let send = |path: &str, body: Vec<u8>| {
        let request = Request::post(format!("https://{NAME}{path}"))
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let mut sender = sender.clone();
        async move { sender.send_request(request).await.unwrap() }
    };
    let enrol = send("/control", agent.seal(vec![agent.request()])).await;
    assert_eq!(enrol.status(), 406);
    let poll = send("/reader", agent.seal(vec![foreman(0)])).await;
    assert_eq!(poll.status(), 200);
    // Eight large posts at the same time, while the poll is open.
    let info = "x".repeat(900_000);
    let large = rows("F.404", "A", 0, &[&format!("{{\"a\":\"{info}\"}}")]);
    let posts: Vec<_> =
        (0..8).map(|_| tokio::spawn(send("/control", agent.seal(vec![large.clone()])))).collect();
    for post in posts {
        let answer = timeout(Duration::from_secs(60), post).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
    }
    server.collect(agent.id, "F.1", "A").await;
    let body = poll.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(agent.open(body)[0].session_id, "F.1");
}

async fn socket(server: &Server, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    client_async(format!("ws://localhost{path}"), stream).await.unwrap().0
}

async fn answer(socket: &mut WebSocketStream<TcpStream>) -> serde_json::Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => return serde_json::from_slice(&bytes).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, body: Vec<u8>) {
    socket.send(Message::Binary(body.into())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_works_over_websockets() {
    let server = Server::start(Wishes::default()).await;
    let mut agent = Agent::new();
    let mut control = socket(&server, "/control").await;
    say(&mut control, agent.seal(vec![agent.request()])).await;
    assert_eq!(answer(&mut control).await["code"], 406);

    let mut reader = socket(&server, "/reader").await;
    say(&mut reader, agent.seal(vec![foreman(0)])).await;
    server.collect(agent.id, "F.1", "A").await;
    for flow in ["F.1", "F.2"] {
        let reply = answer(&mut reader).await;
        assert_eq!(reply["code"], 200);
        let data = STANDARD.decode(reply["data"].as_str().unwrap()).unwrap();
        assert_eq!(agent.open(data.into())[0].session_id, flow);
        if flow == "F.1" {
            server.collect(agent.id, "F.2", "A").await;
        }
    }

    let mut control = socket(&server, "/control").await;
    for row in 0..3 {
        say(&mut control, agent.seal(vec![rows("F.1", "A", row, &["{\"a\":1}"])])).await;
        assert_eq!(answer(&mut control).await, serde_json::json!({"code": 200}));
    }
    assert_eq!(server.rows(agent.id, &"F.1".parse().unwrap(), "A").len(), 3);
    say(&mut control, b"garbage".to_vec()).await;
    assert_eq!(answer(&mut control).await["code"], 403);

    let mut second = socket(&server, "/reader").await;
    say(&mut second, agent.seal(vec![foreman(0)])).await;
    assert_eq!(answer(&mut second).await["code"], 409);

    let mut pem = socket(&server, "/server.pem").await;
    say(&mut pem, Vec::new()).await;
    let reply = answer(&mut pem).await;
    let text = STANDARD.decode(reply["data"].as_str().unwrap()).unwrap();
    assert_eq!(text, deployment().server.certificate.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_are_served_under_the_base_path_with_their_aliases() {
    let server = Server::start(Wishes { base_path: "/v1", ..Wishes::default() }).await;
    let agent = Agent::new();
    for path in ["/v1/control", "/v1/send_messages", "/v1/reader", "/v1/receive_messages"] {
        assert_eq!(post(server.address, path, agent.seal(vec![foreman(0)])).await.0, 406, "{path}");
    }
    assert_eq!(post(server.address, "/v1/healthz", Vec::new()).await.0, 200);
    let (status, pem) = post(server.address, "/v1/server.pem", Vec::new()).await;
    assert_eq!((status, &pem[..]), (200, deployment().server.certificate.as_bytes()));
    for path in ["/", "/control", "/v1/", "/v1/nosuch", "/v1/../control"] {
        assert_eq!(post(server.address, path, Vec::new()).await.0, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_at_the_same_address_where_no_agent_goes() {
    let wishes = Wishes { base_path: "/v1", ..Wishes::default() };
    let temporary = tempfile::tempdir().unwrap();
    let store = Store::open(temporary.path()).unwrap();
    let settings = settings(deployment(), wishes);
    let bound = Frontend::bind(settings, store, Arc::<Notes>::default()).await.unwrap();
    let guests = Router::new().fallback(async |uri: Uri| format!("for {uri}"));
    let address = bound.address();
    let bound = bound.with_guests(guests);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(bound.serve(async move { drop(stopped.await) }));
    let (status, pem) = post(address, "/v1/server.pem", Vec::new()).await;
    assert_eq!((status, &pem[..]), (200, deployment().server.certificate.as_bytes()));
    for path in ["/", "/control", "/v1/", "/v1/nosuch?a=b", "/app/index.html"] {
        let (status, text) = post(address, path, Vec::new()).await;
        assert_eq!((status, &text[..]), (200, format!("for {path}").as_bytes()));
    }
    drop(stop);
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_without_a_restart() {
    let made = || {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().clone())
    };
    let (first, second) = (made(), made());
    let shown = Arc::new(Shown::new(&first.0, &first.1).unwrap());
    let server = Server::start(Wishes { shown: Some(Arc::clone(&shown)), ..tls() }).await;
    let seen = async |wanted: &CertificateDer<'static>| {
        let mut roots = RootCertStore::empty();
        roots.add(wanted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    let mut open = seen(&first.2).await.unwrap();
    seen(&second.2).await.unwrap_err();
    assert!(shown.replace(&second.0, &first.1).is_err(), "the key is of the other");
    seen(&first.2).await.unwrap();
    shown.replace(&second.0, &second.1).unwrap();
    seen(&second.2).await.unwrap();
    seen(&first.2).await.unwrap_err();
    open.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_head_is_cut_off() {
    let server = Server::start(Wishes::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST /control HTTP/1.1\r\nx: ").await.unwrap();
    // The server may close before everything is written.
    let _ = stream.write_all(&vec![b'a'; 1 << 20]).await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{answer:?}");
}
