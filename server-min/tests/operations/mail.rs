//! `mail()`: what reaches the server of the configuration, and who may name another one.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use troodon_server::config::Config;

use super::bench::{Bench, text};

/// A mail server that takes everything from `count` connections; answers its port, and what it was told.
fn serve(count: usize) -> (u16, JoinHandle<String>) {
    listen(count, |mut stream| {
        stream.write_all(b"220 here\r\n").unwrap();
        take(&mut stream, &["8BITMIME"])
    })
}

/// One that takes nothing before TLS, and tells what it heard before and within.
fn serve_tls(count: usize, tls: Arc<ServerConfig>) -> (u16, JoinHandle<String>) {
    listen(count, move |mut stream| {
        stream.write_all(b"220 here\r\n").unwrap();
        let before = take(&mut stream, &["STARTTLS", "AUTH PLAIN LOGIN"]);
        let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        format!("{before}===\n{}", take(&mut stream, &["AUTH PLAIN LOGIN"]))
    })
}

fn listen(
    count: usize,
    answer: impl Fn(std::net::TcpStream) -> String + Send + 'static,
) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = thread::spawn(move || {
        let connections = (0..count).map(|_| answer(listener.accept().unwrap().0));
        connections.collect::<Vec<_>>().join("---\n")
    });
    (port, told)
}

/// The next line, without its end; `None` when there is none.
fn line(stream: &mut impl Read) -> Option<String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) if byte == *b"\n" => break,
            Ok(1) => line.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(line).unwrap().trim_end().to_owned())
}

/// Takes mail until the other side has enough, or begins TLS.
fn take(stream: &mut (impl Read + Write), extensions: &[&str]) -> String {
    let (mut told, mut is_text) = (String::new(), false);
    while let Some(line) = line(stream) {
        told.push_str(&format!("{line}\n"));
        let answer = match (is_text, line.split(' ').next().unwrap()) {
            (true, ".") => {
                is_text = false;
                "250 taken\r\n".to_owned()
            }
            (true, _) => continue,
            (_, "EHLO") => {
                let extensions = extensions.iter().map(|one| format!("250-{one}\r\n"));
                format!("250-here\r\n{}250 SIZE 1000000\r\n", extensions.collect::<String>())
            }
            (_, "DATA") => {
                is_text = true;
                "354 go on\r\n".to_owned()
            }
            (_, "AUTH") => "235 you are\r\n".to_owned(),
            (_, "STARTTLS") => {
                stream.write_all(b"220 go on\r\n").unwrap();
                return told;
            }
            (_, "QUIT") => {
                // Who says so may have gone already.
                drop(stream.write_all(b"221 bye\r\n"));
                return told;
            }
            _ => "250 fine\r\n".to_owned(),
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
    told
}

fn bench(port: u16) -> Bench {
    let mail = json!({"from": "server@example.com", "server": "127.0.0.1", "server_port": port});
    let bench = Bench::merged(&json!({"Mail": mail}).to_string());
    for (name, policy) in [("net", r#"{"network":true}"#), ("plain", "{}")] {
        bench.output(&["user", "add", name, "some words", "--role", "api"]);
        bench.output(&["acl", "grant", name, policy, "--merge"]);
    }
    bench
}

impl Bench {
    /// What a call of `mail()` answers, and what it says.
    fn mail(&self, user: &str, arguments: &str) -> (Value, String) {
        let vql = format!("SELECT mail({arguments}) AS Answer FROM scope()");
        let done = self.run(&["--runas", user, "query", "--format", "json", &vql]);
        let rows: Value = serde_json::from_slice(&done.stdout).unwrap();
        (rows[0]["Answer"]["ErrorStatus"].clone(), text(&done.stderr).to_owned())
    }
}

#[test]
fn a_mail_reaches_the_server_of_the_configuration_for_who_may_use_the_network() {
    let (port, told) = serve(1);
    let bench = bench(port);
    let call = "to=['a@example.com', 'b@example.com'], cc='c@example.com', subject='Störung', body='one\n.\ntwo', period=0";
    let (answer, said) = bench.mail("plain", call);
    assert_eq!(answer, Value::Null);
    assert!(said.contains("mail: PermissionDenied: Permission denied: [NETWORK]"), "{said}");
    let (answer, said) = bench.mail("net", call);
    assert_eq!(answer, "OK: Message Sent", "{said}");
    let told = told.join().unwrap();
    for line in [
        "MAIL FROM:<server@example.com>",
        "RCPT TO:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "RCPT TO:<c@example.com>",
        "..",
    ] {
        assert!(told.lines().any(|said| said.starts_with(line)), "{line}: {told}");
    }
    assert!(told.contains("one") && told.contains("two"), "{told}");
}

#[test]
fn a_mail_that_comes_too_soon_or_goes_nowhere_is_not_sent() {
    let (port, told) = serve(1);
    let bench = bench(port);
    let call = |to: &str| format!("mail(to='{to}', body='x', period=600).ErrorStatus");
    let vql = format!(
        "SELECT {} AS A, {} AS B FROM scope()",
        call("a@example.com"),
        call("b@example.com")
    );
    let done = bench.run(&["--runas", "net", "query", "--format", "json", &vql]);
    let rows: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(rows, json!([{"A": "OK: Message Sent", "B": "Send too fast, suppressing."}]));
    assert_eq!(told.join().unwrap().matches("RCPT TO").count(), 1);
    let (answer, _) =
        bench.mail("net", "to='a@example.com\r\nBcc: x@example.com', body='x', period=0");
    assert!(answer.as_str().unwrap().contains("is no address"), "{answer}");
    let nowhere = Bench::new();
    let rows = nowhere.run(&[
        "query",
        "--format",
        "json",
        &format!("SELECT {} AS A FROM scope()", call("a@example.com")),
    ]);
    assert!(text(&rows.stdout).contains("Mail.server is not set"), "{}", text(&rows.stdout));
}

#[test]
fn another_server_takes_server_admin_and_no_password_goes_in_plain() {
    let (port, told) = serve(2);
    let bench = bench(1);
    let call =
        format!("to='a@example.com', body='x', period=0, server='127.0.0.1', server_port={port}");
    let (answer, said) = bench.mail("net", &call);
    assert_eq!(answer, Value::Null);
    assert!(said.contains("[SERVER_ADMIN]"), "{said}");
    bench.output(&["acl", "grant", "net", r#"{"server_admin":true}"#, "--merge"]);
    assert_eq!(bench.mail("net", &call).0, "OK: Message Sent");
    let with = format!("{call}, auth_username='u', auth_password='secret word'");
    let (answer, said) = bench.mail("net", &with);
    assert_ne!(answer, "OK: Message Sent", "{said}");
    let told = told.join().unwrap();
    assert!(!told.contains("AUTH") && !told.contains("secret word"), "{told}");
}

#[test]
fn a_password_goes_within_tls_to_who_shows_the_right_certificate_only() {
    let bench = Bench::new();
    let config = Config::load(&bench.config).unwrap();
    let certificate =
        CertificateDer::from_pem_slice(config.frontend.certificate.as_bytes()).unwrap();
    let key =
        PrivateKeyDer::from_pem_slice(config.frontend.private_key.expose().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let (port, told) = serve_tls(2, Arc::new(tls));
    let call = |more: &str| {
        let vql = format!(
            "SELECT mail(to='a@example.com', `from`='b@example.com', body='hello', period=0, server='127.0.0.1', \
             server_port={port}, auth_username='user', auth_password='secret'{more}).ErrorStatus AS A FROM scope()"
        );
        let rows: Value =
            serde_json::from_slice(&bench.run(&["query", "--format", "json", &vql]).stdout)
                .unwrap();
        rows[0]["A"].as_str().unwrap().to_owned()
    };
    let refused = call("");
    assert_ne!(refused, "OK: Message Sent");
    assert_eq!(call(", skip_verify=TRUE"), "OK: Message Sent", "{refused}");
    let told = told.join().unwrap();
    let (first, second) = told.split_once("---\n").unwrap();
    assert!(!first.contains("AUTH") && !first.contains("hello"), "{first}");
    let (before, within) = second.split_once("===\n").unwrap();
    assert!(before.ends_with("STARTTLS\n") && !before.contains("AUTH"), "{before}");
    // user and secret as RFC 4616 joins them.
    assert!(within.contains("AUTH PLAIN AHVzZXIAc2VjcmV0") && within.contains("hello"), "{within}");
}
