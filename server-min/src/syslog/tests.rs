//! Receivers that listen, die, and are not who they say they are; and rsyslogd where it is installed.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use super::*;
use crate::config::CryptoConfig;
use crate::limits::SYSLOG_DATAGRAM_MAX;
use crate::model::audit::Record;
use crate::model::id::OrgId;

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data")).unwrap();
        Self { folder, store }
    }

    fn record(&self, operations: impl IntoIterator<Item = u64>) {
        for number in operations {
            let record = Record {
                time_us: number,
                org: OrgId::root(),
                principal: "ann".into(),
                operation: format!("op{number}"),
                allowed: true,
                details: json!({"text": "ä\n".repeat(9)}),
            };
            self.store.audit(record).unwrap();
        }
    }

    fn forwarder(&self, protocol: &str, port: u16, roots: &str) -> Forwarder {
        let target = Target::of(&config(&format!("localhost:{port}"), protocol, roots));
        Forwarder::new(self.store.clone(), target.unwrap().unwrap())
    }
}

fn config(server: &str, protocol: &str, roots: &str) -> Config {
    let mut config = Config::default();
    config.logging.remote_syslog_server = server.into();
    config.logging.remote_syslog_protocol = protocol.into();
    config.client.crypto =
        Some(CryptoConfig { root_certs: roots.into(), ..CryptoConfig::default() });
    config
}

/// The address that `localhost` stands for first, since that is where the sender looks first as well.
fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("localhost", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The numbers of as many messages, which are framed and follow each other without anything between.
fn numbers(stream: impl Read, count: usize) -> Vec<u64> {
    let mut stream = BufReader::new(stream);
    let mut numbers = Vec::new();
    for _ in 0..count {
        let mut len = Vec::new();
        stream.read_until(b' ', &mut len).unwrap();
        let len: usize = std::str::from_utf8(&len).unwrap().trim_end().parse().unwrap();
        let mut message = vec![0; len];
        stream.read_exact(&mut message).unwrap();
        numbers.push(number(&message));
    }
    numbers
}

fn number(message: &[u8]) -> u64 {
    let start = message.iter().position(|byte| *byte == b'{').unwrap();
    let body: Value = serde_json::from_slice(&message[start..]).unwrap();
    assert_eq!(body["operation"], format!("op{}", body["number"]));
    body["number"].as_u64().unwrap()
}

#[test]
fn records_go_to_the_receiver_and_are_settled_when_the_connection_lives_on() {
    let bench = Bench::new();
    let (listener, port) = listen();
    let mut forwarder = bench.forwarder("tcp", port, "");
    bench.record(1..=3);
    let now = Instant::now();
    forwarder.step(now).unwrap();
    let stream = accept(&listener);
    assert_eq!(numbers(&stream, 3), [1, 2, 3]);
    assert_eq!(forwarder.settled().unwrap(), 0);
    bench.record(4..=4);
    forwarder.step(now + SYSLOG_SETTLED).unwrap();
    assert_eq!(numbers(&stream, 1), [4]);
    assert_eq!(forwarder.settled().unwrap(), 3);
    // A restart begins behind what is settled.
    let mut forwarder = bench.forwarder("tcp", port, "");
    forwarder.step(now).unwrap();
    assert_eq!(numbers(accept(&listener), 1), [4]);
}

#[test]
fn what_a_receiver_did_not_read_before_it_died_goes_again() {
    let bench = Bench::new();
    let (listener, port) = listen();
    let mut forwarder = bench.forwarder("tcp", port, "");
    bench.record(1..=100);
    let now = Instant::now();
    forwarder.step(now).unwrap();
    drop(accept(&listener));
    let late = now + SYSLOG_SETTLED * 2;
    assert!(matches!(forwarder.step(late), Err(SyslogError::Link(_))));
    forwarder.step(late).unwrap();
    assert_eq!(numbers(accept(&listener), 100), (1..=100).collect::<Vec<_>>());
}

#[test]
fn records_wait_in_the_store_while_nobody_listens() {
    let bench = Bench::new();
    let (listener, port) = listen();
    drop(listener);
    let mut forwarder = bench.forwarder("tcp", port, "");
    bench.record(1..=2);
    let now = Instant::now();
    assert!(forwarder.step(now).is_err());
    bench.record(3..=3);
    assert!(forwarder.step(now + SYSLOG_SETTLED * 2).is_err());
    assert_eq!(forwarder.settled().unwrap(), 0);
    let listener = TcpListener::bind(("localhost", port)).unwrap();
    forwarder.step(now).unwrap();
    assert_eq!(numbers(accept(&listener), 3), [1, 2, 3]);
}

#[test]
fn datagrams_are_cut_and_never_torn_within_a_character() {
    let bench = Bench::new();
    let socket = std::net::UdpSocket::bind(("localhost", 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut forwarder = bench.forwarder("", socket.local_addr().unwrap().port(), "");
    bench.record(1..=1);
    let details = json!({"text": "ä".repeat(5_000)});
    let record = Record {
        time_us: 2,
        org: OrgId::root(),
        principal: "bob".into(),
        operation: "op2".into(),
        allowed: true,
        details,
    };
    bench.store.audit(record).unwrap();
    forwarder.step(Instant::now()).unwrap();
    let mut datagram = [0; 10_000];
    let len = socket.recv(&mut datagram).unwrap();
    assert_eq!(number(&datagram[..len]), 1);
    let len = socket.recv(&mut datagram).unwrap();
    assert!(len == SYSLOG_DATAGRAM_MAX || len == SYSLOG_DATAGRAM_MAX - 1, "{len}");
    assert!(std::str::from_utf8(&datagram[..len]).unwrap().ends_with('ä'));
    assert_eq!(forwarder.settled().unwrap(), 2);
}

/// A certificate of `localhost` and its key, in PEM; the certificate is its own authority.
fn certificate() -> (rcgen::Certificate, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (parameters.self_signed(&key).unwrap(), key)
}

#[test]
fn nothing_is_sent_to_a_receiver_that_no_trusted_authority_vouches_for() {
    let bench = Bench::new();
    let (listener, port) = listen();
    let (own, key) = certificate();
    let (other, _) = certificate();
    bench.record(1..=2);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    let tls = Arc::new(tls);
    let receive = |count: usize| {
        let (listener, tls) = (listener.try_clone().unwrap(), Arc::clone(&tls));
        std::thread::spawn(move || {
            let mut connection = ServerConnection::new(tls).unwrap();
            let mut stream = accept(&listener);
            if count == 0 {
                // The handshake fails: the sender refuses the certificate.
                while connection.is_handshaking() {
                    if connection.complete_io(&mut stream).is_err() {
                        return Vec::new();
                    }
                }
                panic!("the sender accepted a certificate of an unknown authority");
            }
            numbers(StreamOwned::new(connection, stream), count)
        })
    };
    let refused = receive(0);
    let mut forwarder = bench.forwarder("tls", port, &other.pem());
    assert!(matches!(forwarder.step(Instant::now()), Err(SyslogError::Link(_))));
    refused.join().unwrap();
    let received = receive(2);
    let mut forwarder = bench.forwarder("tls", port, &own.pem());
    forwarder.step(Instant::now()).unwrap();
    assert_eq!(received.join().unwrap(), [1, 2]);
}

#[test]
fn what_cannot_be_sent_is_refused_by_the_name_of_its_key() {
    for (server, protocol, part) in [
        ("", "", "remote_syslog_components"),
        ("host:0", "udp", "Logging.remote_syslog_server: `host:0`"),
        ("[::1", "tcp", "Logging.remote_syslog_server: `[::1`"),
        ("a b", "tls", "Logging.remote_syslog_server: `a b`"),
        ("host", "quic", "Logging.remote_syslog_protocol: `quic`"),
    ] {
        let mut config = config(server, protocol, "");
        if server.is_empty() {
            config.logging.remote_syslog_server = "host".into();
            config.logging.remote_syslog_components = vec![AUDIT.into(), "VelociraptorGUI".into()];
        }
        let error = Target::of(&config).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(Target::of(&Config::default()).unwrap().is_none());
    let places = [
        ("h", ("h", 514)),
        ("h:6514", ("h", 6514)),
        ("[::1]", ("::1", 514)),
        ("[::1]:9", ("::1", 9)),
    ];
    for (text, (host, port)) in places {
        assert_eq!(split(text).unwrap(), (host.to_owned(), port));
    }
}

/// rsyslogd with one input; ends when dropped.
struct Rsyslogd(Child);

impl Rsyslogd {
    fn start(folder: &Path, port: u16, tls: bool) -> Self {
        let place = folder.display();
        let stream = if tls {
            "StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\""
        } else {
            ""
        };
        let files = if tls {
            format!(
                "global(DefaultNetstreamDriverCAFile=\"{place}/own.pem\" \
                 DefaultNetstreamDriverCertFile=\"{place}/own.pem\" \
                 DefaultNetstreamDriverKeyFile=\"{place}/key.pem\")\n"
            )
        } else {
            String::new()
        };
        let text = format!(
            "{files}module(load=\"imtcp\" {stream})\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\" listenPortFileName=\"{place}/port\")\n\
             template(name=\"body\" type=\"string\" string=\"%msg%\\n\")\n\
             action(type=\"omfile\" file=\"{place}/received\" template=\"body\")\n"
        );
        std::fs::write(folder.join("rsyslog.conf"), text).unwrap();
        let _none = std::fs::remove_file(folder.join("port"));
        let mut command = Command::new("rsyslogd");
        command.arg("-n").arg("-f").arg(folder.join("rsyslog.conf"));
        Self(command.arg("-i").arg(folder.join("pid")).spawn().unwrap())
    }

    /// Asks it to end, and waits.
    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Asks again and again, since another program is at work.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < end, "rsyslogd takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn across_a_restart_of_rsyslogd(tls: bool) {
    if Command::new("rsyslogd").arg("-v").output().is_err() {
        eprintln!("SKIPPED: rsyslogd is not installed");
        return;
    }
    let folders =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let has_tls = |folder: &&str| Path::new(folder).join("rsyslog/lmnsd_ossl.so").exists();
    if tls && !folders.iter().any(has_tls) {
        eprintln!("SKIPPED: rsyslogd is installed without rsyslog-openssl");
        return;
    }
    let bench = Bench::new();
    let folder = bench.folder.path();
    let (own, key) = certificate();
    std::fs::write(folder.join("own.pem"), own.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    let first = Rsyslogd::start(folder, 0, tls);
    let port = until(|| std::fs::read_to_string(folder.join("port")).ok()?.trim().parse().ok());
    let protocol = if tls { "tls" } else { "tcp" };
    let mut forwarder = bench.forwarder(protocol, port, &own.pem());
    bench.record(1..=200);
    until(|| forwarder.step(Instant::now()).ok());
    first.stop();
    bench.record(201..=300);
    let _noticed = forwarder.step(Instant::now());
    let second = Rsyslogd::start(folder, port, tls);
    bench.record(301..=310);
    until(|| {
        let _waits = forwarder.step(Instant::now());
        let text = std::fs::read_to_string(folder.join("received")).unwrap_or_default();
        let whole = text.lines().filter(|line| line.trim_end().ends_with('}'));
        let mut found: Vec<u64> = whole.map(|line| number(line.as_bytes())).collect();
        found.sort_unstable();
        found.dedup();
        (found == (1..=310).collect::<Vec<_>>()).then_some(())
    });
    second.stop();
}

#[test]
fn rsyslogd_has_every_record_across_its_restart() {
    across_a_restart_of_rsyslogd(false);
}

#[test]
fn rsyslogd_has_every_record_across_its_restart_over_tls() {
    across_a_restart_of_rsyslogd(true);
}
