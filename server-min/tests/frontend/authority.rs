//! Something that speaks just enough ACME to misbehave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::routing::any;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use troodon_server::listener::{Listener, Tls};

/// How it misbehaves once somebody orders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Manner {
    /// There are too many certificates; come again in thirty hours.
    Limited,
    /// Status 500 and no problem document.
    Failing,
    /// The order is invalid from the beginning.
    Invalid,
    /// An answer without an end.
    Endless,
    /// Another address is to be asked.
    Elsewhere,
    /// Orders go without TLS.
    Plain,
    /// The name can be shown in a way that nobody knows.
    NoChallenge,
}

pub struct Authority {
    address: SocketAddr,
    /// PEM.
    pub root: String,
    asked: Arc<AtomicUsize>,
    /// Dropping it stops the authority.
    _stop: watch::Sender<bool>,
}

#[derive(Clone)]
struct Shared {
    manner: Manner,
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

/// PEM of a certificate for this machine, and of its key.
pub fn own_certificate() -> (String, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Trusts one certificate.
pub fn trusting(root: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

impl Authority {
    pub async fn start(manner: Manner) -> Self {
        let (root, key) = own_certificate();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(root.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            );
        let tls = Tls { config: Arc::new(config.unwrap()), answers: None };
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Some(tls)).await.unwrap();
        let (address, asked) = (listener.address(), Arc::default());
        let shared = Shared { manner, address, asked: Arc::clone(&asked) };
        let router = Router::new()
            .route("/dir", any(directory))
            .route("/nonce", any(nonce))
            .route("/account", any(account))
            .route("/order", any(order))
            .route("/order/1", any(order))
            .route("/authorization", any(authorization))
            .with_state(shared);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(listener.serve(router, stopped));
        Self { address, root, asked, _stop: stop }
    }

    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.address.port())
    }

    /// Requests so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    fn note(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &Value) -> Response<Body> {
    let mut answer = Response::builder().status(status).header("replay-nonce", "AAAA");
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Body::from(body.to_string())).unwrap()
}

async fn directory(State(shared): State<Shared>) -> Response<Body> {
    shared.note();
    let order = match shared.manner {
        Manner::Plain => format!("http://{}/order", shared.address),
        _ => shared.url("/order"),
    };
    let all = json!({
        "newNonce": shared.url("/nonce"),
        "newAccount": shared.url("/account"),
        "newOrder": order,
    });
    answer(200, &[], &all)
}

async fn nonce(State(shared): State<Shared>) -> Response<Body> {
    shared.note();
    answer(200, &[], &json!({}))
}

async fn account(State(shared): State<Shared>) -> Response<Body> {
    shared.note();
    answer(201, &[("location", &shared.url("/account/1"))], &json!({"status": "valid"}))
}

async fn order(State(shared): State<Shared>) -> Response<Body> {
    shared.note();
    let place = shared.url("/order/1");
    let mut body = json!({
        "status": "pending",
        "identifiers": [{"type": "dns", "value": "troodon.example.org"}],
        "authorizations": [shared.url("/authorization")],
        "finalize": shared.url("/finalize"),
    });
    match shared.manner {
        Manner::Limited => {
            let problem = json!({
                "type": "urn:ietf:params:acme:error:rateLimited",
                "detail": "too many certificates already issued",
                "status": 429,
            });
            return answer(429, &[("retry-after", "108000")], &problem);
        }
        Manner::Failing => {
            let mut failing = Response::new(Body::from("<h1>oops</h1>"));
            *failing.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return failing;
        }
        Manner::Elsewhere => {
            return answer(302, &[("location", &shared.url("/account"))], &json!({}));
        }
        Manner::Endless => body["x"] = Value::from("x".repeat(2 << 20)),
        Manner::Invalid => {
            body["status"] = "invalid".into();
            body["authorizations"] = json!([]);
        }
        Manner::Plain | Manner::NoChallenge => {}
    }
    answer(201, &[("location", &place)], &body)
}

async fn authorization(State(shared): State<Shared>) -> Response<Body> {
    shared.note();
    let body = json!({
        "identifier": {"type": "dns", "value": "troodon.example.org"},
        "status": "pending",
        "challenges": [{"type": "dance-01", "url": shared.url("/dance"), "token": "x", "status": "pending"}],
    });
    answer(200, &[], &body)
}

/// Status and place of an answer without TLS.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get(path).header("host", "evil.example");
    let answer = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await;
    let answer = answer.unwrap();
    let place = answer.headers().get("location").map_or("", |place| place.to_str().unwrap());
    (answer.status().as_u16(), place.to_owned())
}
