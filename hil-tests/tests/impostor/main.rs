//! Captive portals, interception and wrong certificates, at the sockets of the real agent and of boards.
//!
//! While the server is away something else answers on its port. The agent must give it nothing but requests for
//! `server.pem`, keep the rows that it owes to the server, and deliver them when the server is back. A board that was never
//! there before must give it nothing else either.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod authority;
mod fake_server;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hil_tests::{
    BoardKey, Deployment, Device, Firmware, Options, Pair, Process, Programs, wait_until,
};
use rustls::ServerConfig;

use authority::{Authority, Valid};
use fake_server::{FakeServer, Heard};

/// How long an agent may take to come by, and all rows to arrive.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// Visits after which an impostor has seen enough.
const VISITS: usize = 2;
/// The name in the server's certificate.
const SERVER: &str = "VelociraptorServer";

/// Who answers, and what the agent may say to it.
struct Impostor {
    who: &'static str,
    tls: Option<Arc<ServerConfig>>,
    answer: Vec<u8>,
    allowed: fn(&Heard) -> bool,
}

fn nothing(heard: &Heard) -> bool {
    matches!(heard, Heard::NoHandshake)
}

/// The first message of TLS: a handshake record.
fn only_a_hello(heard: &Heard) -> bool {
    matches!(heard, Heard::Said(said) if said.first() == Some(&0x16) && !contains(said, b"HTTP/1.1"))
}

fn only_questions_for_the_certificate(heard: &Heard) -> bool {
    match heard {
        Heard::NoHandshake => true,
        Heard::Said(said) => {
            (said.is_empty() || said.starts_with(b"GET /server.pem HTTP/1.1\r\n"))
                && !contains(said, b"POST ")
        }
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn http(status: &str, header: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{header}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn impostors(ours: &Authority) -> anyhow::Result<Vec<Impostor>> {
    let stranger = Authority::stranger()?;
    let page = http("200 OK", "Content-Type: text/html\r\n", "<html>Please sign in</html>");
    let moved = http("302 Found", "Location: https://127.0.0.1:9/\r\n", "");
    let pem = |text: String| http("200 OK", "", &text);
    let genuine = ours.tls(SERVER, Valid::Long)?;
    let before_tls = |who, tls| Impostor { who, tls, answer: page.clone(), allowed: nothing };
    let behind_tls = |who, answer| {
        let tls = Some(Arc::clone(&genuine));
        Impostor { who, tls, answer, allowed: only_questions_for_the_certificate }
    };
    Ok(vec![
        Impostor { allowed: only_a_hello, ..before_tls("a page without TLS", None) },
        before_tls("a stranger's certificate", Some(stranger.tls(SERVER, Valid::Long)?)),
        before_tls("another name", Some(ours.tls("GRPC_GW", Valid::Long)?)),
        before_tls("an expired certificate", Some(ours.tls(SERVER, Valid::NoLonger)?)),
        behind_tls("a page for server.pem", page.clone()),
        behind_tls("a redirect for server.pem", moved),
        behind_tls("a stranger's server.pem", pem(stranger.certificate(SERVER, Valid::Long)?)),
        behind_tls("a server.pem of another name", pem(ours.certificate("admin", Valid::Long)?)),
        behind_tls("an expired server.pem", pem(ours.certificate(SERVER, Valid::NoLonger)?)),
    ])
}

/// Lets one impostor after the other wait for an agent on the server's port.
fn receive(agent: &mut Process, impostors: Vec<Impostor>, port: u16) {
    for impostor in impostors {
        let Impostor { who, tls, answer, allowed } = impostor;
        let fake = FakeServer::start(port, tls, answer).expect("a port");
        let start = Instant::now();
        let visits = || fake.heard().len() >= VISITS;
        agent
            .wait_until("visits", WAIT_MAX, visits)
            .unwrap_or_else(|error| panic!("{who}: {error}"));
        eprintln!("{who}: {VISITS} visits in {:.1} s", start.elapsed().as_secs_f32());
        for heard in fake.heard() {
            assert!(allowed(&heard), "{who} heard {heard:?}");
        }
    }
}

#[test]
fn an_agent_gives_impostors_nothing_and_the_server_everything() {
    let programs = Programs::find().expect("programs");
    let options = Options::with_test_artifacts(&[]).impatient();
    let Pair { mut agent, server, deployment, client } =
        Pair::start(&programs, &options).expect("a pair");
    let flow = deployment.schedule(&client, "Troodon.Test.Fifteen", &[]).expect("a flow");
    wait_until("a row", WAIT_MAX, || Ok(!flow.numbers("N")?.is_empty())).expect("a row");
    server.kill().expect("a kill");

    let authority = Authority::of(&deployment).expect("the authority");
    receive(&mut agent, impostors(&authority).expect("certificates"), deployment.port());

    let server = deployment.start_server().expect("the server again");
    let record = flow.wait(WAIT_MAX).expect("an end");
    assert_eq!(record["state"], "FINISHED", "{record}");
    wait_until("the rows", WAIT_MAX, || Ok(flow.numbers("N")?.len() >= 15)).expect("rows");
    assert_eq!(flow.numbers("N").expect("rows"), (1..=15).collect::<Vec<_>>());
    agent.stop().expect("an end of the agent");
    server.stop().expect("an end of the server");
}

#[test]
fn an_agent_without_an_identity_enrols_with_nobody_but_the_server() {
    let programs = Programs::find().expect("programs");
    let options = Options::default().impatient();
    let deployment = Deployment::generate_with(&programs, &options).expect("keys");
    let stranger = Authority::stranger().expect("a stranger");
    let genuine = Authority::of(&deployment).expect("the authority");
    let tls = genuine.tls(SERVER, Valid::Long).expect("TLS");
    let answer = http("200 OK", "", &stranger.certificate(SERVER, Valid::Long).expect("a PEM"));
    let fake = FakeServer::start(deployment.port(), Some(tls), answer).expect("a port");
    let mut agent = deployment.start_agent().expect("an agent");
    agent.wait_until("visits", WAIT_MAX, || fake.heard().len() >= VISITS).expect("visits");
    for heard in fake.heard() {
        assert!(only_questions_for_the_certificate(&heard), "heard {heard:?}");
    }
    drop(fake);
    let server = deployment.start_server().expect("the server");
    deployment.wait_for_client(&mut agent).expect("enrolment");
    agent.stop().expect("an end of the agent");
    server.stop().expect("an end of the server");
}

/// Portals of networks without TLS.
fn portals(_: &Deployment) -> Vec<Impostor> {
    let page = http("200 OK", "Content-Type: text/html\r\n", "<html>Please sign in</html>");
    let moved = http("302 Found", "Location: http://127.0.0.1:9/\r\n", "");
    let portal = |who, answer| Impostor {
        who,
        tls: None,
        answer,
        allowed: only_questions_for_the_certificate,
    };
    vec![portal("a portal's page", page), portal("a portal's redirect", moved)]
}

/// Impostors on a network with TLS.
fn interceptors(deployment: &Deployment) -> Vec<Impostor> {
    let authority = Authority::of(deployment).expect("the authority");
    impostors(&authority).expect("certificates")
}

/// Switches a board of each kind on among impostors; it has to enrol with the server that comes last.
fn boards_among(options: &Options, impostors: fn(&Deployment) -> Vec<Impostor>) {
    let programs = Programs::find().expect("programs");
    let among = |device: Device| {
        let firmware = Firmware::find(&device, "a board among impostors").expect("firmware");
        let Some(firmware) = firmware else { return };
        let deployment = Deployment::generate_with(&programs, options).expect("keys");
        let board = deployment.provision(&firmware, "pump-9", BoardKey::Provisioned);
        let mut running = board.expect("a board").start().expect("an emulator");
        receive(&mut running, impostors(&deployment), deployment.port());
        let server = deployment.start_server().expect("the server");
        deployment.wait_for_client(&mut running).expect("enrolment");
        server.stop().expect("an end of the server");
    };
    thread::scope(|scope| {
        for device in Device::emulated().expect("devices") {
            scope.spawn(|| among(device));
        }
    });
}

#[test]
fn boards_give_impostors_nothing_and_enrol_with_the_server() {
    boards_among(&Options::default().impatient(), interceptors);
}

#[test]
fn boards_give_portals_nothing_but_questions_for_the_certificate() {
    let mut options = Options { scheme: "http", ..Options::default() }.impatient();
    options.merge["Frontend"] = serde_json::json!({ "use_plain_http": true });
    boards_among(&options, portals);
}
