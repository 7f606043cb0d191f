//! A board's side of a connection, and what came of it.

use std::sync::Arc;

use troodon_board::tls::embedded_client::EmbeddedTls;
use troodon_board::tls::rustls_client::RustlsTls;
use troodon_board::tls::{Clock, Tls, TlsFault, TlsSettings};
use troodon_core::time::UnixTime;

use super::authority::{Authority, HOST, PINNED};
use super::server::Server;

/// 2023-11-14.
pub const NOW: u64 = 1_700_000_000;

#[derive(Debug)]
struct Fixed(u64);

impl Clock for Fixed {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0)
    }
}

/// What a board is told: the embedded authority, and perhaps further roots.
pub fn settings(own: &Authority, others: &[&Authority]) -> TlsSettings {
    TlsSettings {
        ca_certificate: own.pem.clone(),
        pinned_name: PINNED.into(),
        root_certs: others.iter().map(|other| other.pem.as_str()).collect(),
        ..TlsSettings::default()
    }
}

/// What makes connections secure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BackEnd {
    Embedded,
    Rustls,
}

/// Every one is held to the same.
pub const BACK_ENDS: [BackEnd; 2] = [BackEnd::Embedded, BackEnd::Rustls];

impl BackEnd {
    pub fn client(self, settings: &TlsSettings, now: u64) -> Result<Box<dyn Tls>, TlsFault> {
        let (clock, seed) = (Arc::new(Fixed(now)), [7; 32]);
        Ok(match self {
            Self::Embedded => Box::new(EmbeddedTls::new(settings, clock, seed)?),
            Self::Rustls => Box::new(RustlsTls::new(settings, clock, seed)?),
        })
    }
}

/// What a connection came to.
#[derive(Debug, Eq, PartialEq)]
pub struct Outcome {
    /// `None`: the handshake waits for more, or is done.
    pub fault: Option<TlsFault>,
    pub is_proved: bool,
    /// What the agent would have got.
    pub plain: Vec<u8>,
}

impl Outcome {
    pub fn refused(&self) -> TlsFault {
        assert!(!self.is_proved, "proved: {self:?}");
        assert!(self.plain.is_empty(), "the agent got something: {self:?}");
        self.fault.expect("a fault")
    }
}

/// Lets a client of each back end talk with a server of its own; both come to the same.
pub fn talk_with_each(
    settings: &TlsSettings,
    now: u64,
    server: impl Fn() -> Server,
    portion: usize,
) -> Outcome {
    let outcome =
        |back_end: BackEnd| talk(&*back_end.client(settings, now).unwrap(), &mut server(), portion);
    let [embedded, rustls] = BACK_ENDS.map(outcome);
    assert_eq!(embedded, rustls, "embedded-tls, rustls");
    rustls
}

/// Lets a client talk with a server, whose bytes come `portion` at a time.
pub fn talk(client: &dyn Tls, server: &mut Server, portion: usize) -> Outcome {
    let mut session = client.begin(HOST).unwrap();
    let mut outcome = Outcome { fault: None, is_proved: false, plain: Vec::new() };
    // A handshake has three flights; who needs more goes round in circles.
    for _ in 0..8 {
        let said = std::mem::take(session.outgoing());
        let answer = server.answer(&said);
        if answer.is_empty() {
            break;
        }
        for bytes in answer.chunks(portion) {
            if let Err(fault) = session.receive(bytes, &mut |plain| outcome.plain.extend(plain)) {
                outcome.fault = Some(fault);
                assert!(session.proof().is_none(), "a proof after {fault}");
                return outcome;
            }
        }
    }
    if let Some(proof) = session.proof() {
        outcome.is_proved = true;
        match session.seal(&proof, b"POST /control") {
            // A server that says that it closes may be spoken to, or not.
            Err(TlsFault::Closed) => return outcome,
            sealed => sealed.unwrap(),
        }
        server.hear(&std::mem::take(session.outgoing()));
        assert!(server.heard.ends_with(b"POST /control"), "{:?}", server.heard);
    }
    outcome
}
