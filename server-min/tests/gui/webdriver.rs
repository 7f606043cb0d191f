//! A real browser, driven over WebDriver (W3C): headless Chromium.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// The program that opens browsers; it ends with this value, and they with it.
pub struct Driver {
    child: Child,
    address: SocketAddr,
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A browser.
pub struct Window {
    address: SocketAddr,
    path: String,
    site: String,
}

impl Driver {
    /// `None`, said aloud, when the machine has none.
    pub fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                println!("SKIPPED: chromedriver: {error} (install chromium-driver)");
                return None;
            }
        };
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map(Result::unwrap).find(|line| line.contains("successfully on port"));
        let said = said.expect("a port");
        let port = said.rsplit(' ').next().unwrap().trim_end_matches('.').parse().unwrap();
        Some(Self { child, address: SocketAddr::new([127, 0, 0, 1].into(), port) })
    }

    /// Opens a browser with a profile of its own.
    pub async fn open(&self, profile: &Path, scripts: bool, site: SocketAddr) -> Window {
        let profile = format!("--user-data-dir={}", profile.display());
        let args =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900", &profile];
        let allowed = if scripts { 1 } else { 2 };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "args": args,
                "prefs": {"profile.managed_default_content_settings.javascript": allowed},
            },
        }}});
        let made = call(self.address, Method::POST, "/session", &wanted).await;
        let path = format!("/session/{}", made["sessionId"].as_str().unwrap());
        Window { address: self.address, path, site: format!("http://{site}") }
    }
}

impl Window {
    async fn post(&self, what: &str, value: &Value) -> Value {
        call(self.address, Method::POST, &format!("{}{what}", self.path), value).await
    }

    pub async fn go(&self, path: &str) {
        self.post("/url", &json!({"url": format!("{}{path}", self.site)})).await;
    }

    /// The path that is shown.
    pub async fn place(&self) -> String {
        let url =
            call(self.address, Method::GET, &format!("{}/url", self.path), &Value::Null).await;
        url.as_str().unwrap().strip_prefix(&self.site).unwrap().to_owned()
    }

    async fn element(&self, selector: &str) -> String {
        let wanted = json!({"using": "css selector", "value": selector});
        let found = self.post("/element", &wanted).await;
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    pub async fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.post(&format!("/element/{element}/value"), &json!({"text": text})).await;
    }

    pub async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.post(&format!("/element/{element}/click"), &json!({})).await;
    }

    /// What the body of a function returns.
    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []})).await
    }

    /// What a script hands to its last argument.
    pub async fn run_until_told(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({"script": script, "args": []})).await
    }

    /// What was complained about since the last time: errors of scripts, of the policy, of requests.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"})).await;
        let all = log.as_array().unwrap().iter();
        let bad = all.filter(|one| one["level"] == "SEVERE" || one["level"] == "WARNING");
        bad.map(|one| one["message"].as_str().unwrap().to_owned()).collect()
    }
}

async fn call(address: SocketAddr, method: Method, path: &str, value: &Value) -> Value {
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let body = if method == Method::GET { String::new() } else { value.to_string() };
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let request = request.header("content-type", "application/json");
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await;
    let (head, body) = answer.unwrap().into_parts();
    let body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    assert!(head.status.is_success(), "{path}: {body}");
    body["value"].clone()
}
