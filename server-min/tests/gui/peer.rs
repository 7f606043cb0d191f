//! A provider that others wrote signs somebody in: PyPI's `oidc-provider-mock`, in an environment of its own.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use troodon_server::config::Config;
use troodon_server::gui::SignOn;
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;

use super::bench::Bench;
use super::environment;

/// The newest for the Python of Debian 12.
const PACKAGE: &str = "oidc-provider-mock==0.3.4";

struct Peer {
    server: Child,
    address: String,
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

fn start(program: &Path) -> Peer {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ann = r#"{"sub": "1", "email": "ann@example.org", "email_verified": true}"#;
    let server = Command::new(program)
        .args(["--port", &port.to_string(), "--require-nonce", "true", "--user-claims", ann])
        .args(["--user-claims", r#"{"sub": "2", "email": "ann@example.org"}"#])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(120), "the provider does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Peer { server, address: format!("127.0.0.1:{port}") }
}

/// Says at the provider who one is; answers where it sends the browser.
async fn agree(peer: &Peer, address: &str, form: &'static str) -> String {
    let path = address.strip_prefix(&format!("http://{}", peer.address)).unwrap();
    let stream = tokio::net::TcpStream::connect(&peer.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::post(path)
        .header("host", &peer.address)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from_static(form.as_bytes())))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let place = response.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
    let text = response.into_body().collect().await.unwrap().to_bytes();
    place.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&text)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_others_wrote_signs_people_in() {
    let Some(programs) = environment::programs(PACKAGE) else { return };
    let peer = start(&programs.join("oidc-provider-mock"));
    let text = format!(
        "GUI:\n  public_url: https://troodon.example/app/index.html\n  authenticator: {{type: OIDC, oidc_issuer: \
         'http://{}', oauth_client_id: troodon, oauth_client_secret: secret}}\n",
        peer.address
    );
    let config = Config::parse(&text, "test").unwrap();
    let bench = Bench::with(|settings| settings.sign_on = SignOn::of(&config).unwrap()).await;
    let make = |all: &troodon_server::account::Accounts, name: &_| {
        all.add(name, None, &Policy::of([Role::Reader])).unwrap();
    };
    bench.change_accounts(make, "ann@example.org").await;
    for (form, status) in [
        ("sub=1", StatusCode::OK),
        ("sub=2", StatusCode::UNAUTHORIZED),
        ("action=deny", StatusCode::UNAUTHORIZED),
        ("sub=stranger", StatusCode::UNAUTHORIZED),
    ] {
        let mut browser = bench.browser();
        let away = browser.get("/auth/oidc/login").await;
        assert_eq!(away.status, StatusCode::SEE_OTHER, "{}", away.text);
        let back = agree(&peer, away.place(), form).await;
        let back = back.strip_prefix("https://troodon.example").unwrap();
        let page = browser.get(back).await;
        assert_eq!(page.status, status, "{form}: {}", page.text);
        let is_in = browser.get("/").await.status == StatusCode::OK;
        assert_eq!(is_in, status == StatusCode::OK, "{form}");
    }
}
