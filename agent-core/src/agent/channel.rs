//! One link: connects when there is something to say, carries one exchange at a time, keeps the deadlines.
//!
//! It knows HTTP and time, and nothing of what the exchanges mean.

use crate::http::HttpFault;
use crate::http::response::{Response, Status};
use crate::limits::{LINK_IDLE, LINK_SILENCE};
use crate::time::{Instant, Span};
use alloc::vec::Vec;

/// The two links of an agent (docs/protocol.md section 0).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Link {
    /// Asks for tasks and waits for them.
    Reader,
    /// Brings results.
    Control,
}

/// The name of one connection. What a host tells about an earlier connection of the same link is not believed of this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Connection {
    /// Which link it serves.
    pub link: Link,
    /// Counts the connections of the link.
    pub number: u32,
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Down {
    /// It was open, and the other end or the network ended it.
    Closed,
    /// It never was open: no name, no route, no answer.
    Unreachable,
    /// It never was open: TLS does not trust the other end.
    Untrusted,
}

/// Why an exchange came to nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    Down(Down),
    Http(HttpFault),
    /// A kept connection was closed before anything came back: the server was tired of it, and meant nothing by it.
    Stale,
    /// Nothing was heard for too long.
    Silent,
}

/// What a link wants or has achieved.
#[derive(Debug)]
pub(super) enum Step<J> {
    Connect(Connection),
    Close(Connection),
    Send(Connection),
    Up,
    /// A connection without an exchange was lost.
    Lost(Down),
    /// The head of the answer is there; comes once in each exchange, before `Done`.
    Status(Status),
    Done {
        job: J,
        started_at: Instant,
        status: Status,
        body: Vec<u8>,
    },
    Failed {
        job: J,
        started_at: Instant,
        failure: Failure,
    },
}

/// A link and what it is doing. `J` says what an exchange is for.
#[derive(Debug)]
pub(super) struct Channel<J> {
    link: Link,
    number: u32,
    phase: Phase,
    exchange: Option<Exchange<J>>,
    /// Noted, to be acted upon by [`Self::poll`].
    down: Option<Down>,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Connecting {
        give_up_at: Instant,
        is_up: bool,
    },
    Up {
        close_at: Instant,
    },
    /// The host is still to be told.
    Closing,
}

#[derive(Debug)]
struct Exchange<J> {
    job: J,
    request: Vec<u8>,
    sent: usize,
    response: Response,
    is_status_told: bool,
    fault: Option<HttpFault>,
    /// Whether the connection carried another exchange before.
    is_reused: bool,
    has_heard: bool,
    /// Whether more came than the answer.
    has_extra: bool,
    started_at: Instant,
    silent_at: Instant,
    /// How long the server may take until its answer begins.
    patience: Span,
    is_blocked: bool,
}

impl<J> Channel<J> {
    pub(super) fn new(link: Link) -> Self {
        Self { link, number: 0, phase: Phase::Closed, exchange: None, down: None }
    }

    fn connection(&self) -> Connection {
        Connection { link: self.link, number: self.number }
    }

    fn is(&self, connection: Connection) -> bool {
        self.connection() == connection && !matches!(self.phase, Phase::Closed | Phase::Closing)
    }

    /// Whether the link takes an exchange.
    pub(super) fn is_free(&self) -> bool {
        self.exchange.is_none() && !matches!(self.phase, Phase::Closing) && self.down.is_none()
    }

    /// What is under way, and since when.
    pub(super) fn underway(&self) -> Option<(&J, Instant)> {
        self.exchange.as_ref().map(|it| (&it.job, it.started_at))
    }

    /// What is under way, to say how far it has come.
    pub(super) fn job_mut(&mut self) -> Option<&mut J> {
        self.exchange.as_mut().map(|it| &mut it.job)
    }

    /// Begins an exchange on a free link; [`Self::poll`] carries it out. The server may take `patience` to answer.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        job: J,
        request: Vec<u8>,
        response: Response,
        patience: Span,
    ) {
        self.exchange = Some(Exchange {
            job,
            request,
            sent: 0,
            response,
            is_status_told: false,
            fault: None,
            is_reused: matches!(self.phase, Phase::Up { .. }),
            has_heard: false,
            has_extra: false,
            started_at: now,
            silent_at: now.saturating_add(LINK_SILENCE),
            patience,
            is_blocked: false,
        });
    }

    /// Gives up the exchange and the connection; nothing of either is left. The job is given back.
    pub(super) fn abandon(&mut self) -> Option<J> {
        match self.phase {
            Phase::Closed => {}
            Phase::Connecting { .. } | Phase::Up { .. } | Phase::Closing => {
                self.phase = Phase::Closing;
            }
        }
        self.down = None;
        self.exchange.take().map(|exchange| exchange.job)
    }

    pub(super) fn note_up(&mut self, connection: Connection) {
        if self.is(connection)
            && let Phase::Connecting { is_up, .. } = &mut self.phase
        {
            *is_up = true;
        }
    }

    pub(super) fn note_down(&mut self, connection: Connection, down: Down) {
        if self.is(connection) && self.down.is_none() {
            self.down = Some(down);
        }
    }

    pub(super) fn note_received(&mut self, now: Instant, connection: Connection, bytes: &[u8]) {
        if !self.is(connection) || self.down.is_some() {
            return;
        }
        let Some(exchange) = &mut self.exchange else {
            // An answer to no question: whatever it is, this connection is not to be used again.
            self.abandon();
            return;
        };
        exchange.has_heard = true;
        exchange.silent_at = now.saturating_add(LINK_SILENCE);
        if exchange.fault.is_some() {
            return;
        }
        match exchange.response.receive(bytes) {
            Ok(taken) => exchange.has_extra |= taken < bytes.len(),
            Err(fault) => exchange.fault = Some(fault),
        }
    }

    /// Notes that the host took `count` bytes; with none, it is not asked again before the next round.
    pub(super) fn note_sent(&mut self, now: Instant, connection: Connection, count: usize) {
        if !self.is(connection) {
            return;
        }
        let Some(exchange) = &mut self.exchange else { return };
        exchange.is_blocked = count == 0;
        if count == 0 {
            return;
        }
        exchange.sent = exchange.sent.saturating_add(count).min(exchange.request.len());
        let is_all = exchange.sent == exchange.request.len();
        if !exchange.has_heard {
            let span = if is_all { exchange.patience } else { LINK_SILENCE };
            exchange.silent_at = now.saturating_add(span);
        }
    }

    /// A new round begins: links that were full may be tried again.
    pub(super) fn unblock(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.is_blocked = false;
        }
    }

    /// What is still to be sent on the connection.
    pub(super) fn unsent(&self) -> &[u8] {
        let exchange = self.exchange.as_ref();
        exchange.and_then(|it| it.request.get(it.sent..)).unwrap_or_default()
    }

    /// When the link has to be looked at, whatever happens; `None` when it is closed and idle.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (&self.phase, &self.exchange) {
            (Phase::Closed, None) => None,
            (Phase::Closed, Some(exchange)) => Some(exchange.started_at),
            (Phase::Connecting { give_up_at, .. }, _) => Some(*give_up_at),
            (Phase::Up { .. }, Some(exchange)) => Some(exchange.silent_at),
            (Phase::Up { close_at }, None) => Some(*close_at),
            (Phase::Closing, _) => Some(Instant::ORIGIN),
        }
    }

    /// Acts on what was noted and on the time. `None`: nothing to do before [`Self::deadline`] or the next fact.
    pub(super) fn poll(&mut self, now: Instant, connect_within: Span) -> Option<Step<J>> {
        match self.phase {
            Phase::Closing => {
                self.phase = Phase::Closed;
                Some(Step::Close(self.connection()))
            }
            Phase::Closed => {
                self.exchange.as_ref()?;
                self.number = self.number.wrapping_add(1);
                let give_up_at = now.saturating_add(connect_within);
                self.phase = Phase::Connecting { give_up_at, is_up: false };
                self.down = None;
                Some(Step::Connect(self.connection()))
            }
            Phase::Connecting { give_up_at, is_up } => self.poll_connecting(now, give_up_at, is_up),
            Phase::Up { .. } if self.exchange.is_some() => self.poll_exchange(now),
            Phase::Up { close_at } => self.poll_idle(now, close_at),
        }
    }

    fn poll_connecting(
        &mut self,
        now: Instant,
        give_up_at: Instant,
        is_up: bool,
    ) -> Option<Step<J>> {
        if is_up {
            self.phase = Phase::Up { close_at: now.saturating_add(LINK_IDLE) };
            if let Some(exchange) = &mut self.exchange {
                exchange.silent_at = now.saturating_add(LINK_SILENCE);
            }
            return Some(Step::Up);
        }
        if let Some(down) = self.down.take() {
            self.phase = Phase::Closed;
            return self.failed(Failure::Down(down));
        }
        if now >= give_up_at {
            self.phase = Phase::Closing;
            return self.failed(Failure::Silent);
        }
        None
    }

    fn poll_idle(&mut self, now: Instant, close_at: Instant) -> Option<Step<J>> {
        if let Some(down) = self.down.take() {
            self.phase = Phase::Closed;
            return Some(Step::Lost(down));
        }
        if now >= close_at {
            self.phase = Phase::Closed;
            return Some(Step::Close(self.connection()));
        }
        None
    }

    fn poll_exchange(&mut self, now: Instant) -> Option<Step<J>> {
        let down = self.down;
        let exchange = self.exchange.as_mut()?;
        if let Some(status) = exchange.response.status()
            && !exchange.is_status_told
        {
            exchange.is_status_told = true;
            return Some(Step::Status(status));
        }
        if let Some(fault) = exchange.fault {
            self.phase = Phase::Closing;
            return self.failed(Failure::Http(fault));
        }
        if down.is_some() && exchange.response.end().is_err() {
            self.down = None;
            self.phase = Phase::Closed;
            let is_stale = exchange.is_reused && !exchange.has_heard;
            let failure = if is_stale { Failure::Stale } else { Failure::Down(Down::Closed) };
            return self.failed(failure);
        }
        if exchange.response.is_complete() {
            return self.done(now);
        }
        if now >= exchange.silent_at {
            self.phase = Phase::Closing;
            return self.failed(Failure::Silent);
        }
        let is_sending = exchange.sent < exchange.request.len() && !exchange.is_blocked;
        is_sending.then(|| Step::Send(self.connection()))
    }

    fn done(&mut self, now: Instant) -> Option<Step<J>> {
        let exchange = self.exchange.take()?;
        let status = exchange.response.status()?;
        let is_clean = exchange.sent == exchange.request.len() && !exchange.has_extra;
        self.phase = match self.down.take() {
            Some(_) => Phase::Closed,
            None if status.keeps_alive && is_clean => {
                Phase::Up { close_at: now.saturating_add(LINK_IDLE) }
            }
            None => Phase::Closing,
        };
        let (job, started_at) = (exchange.job, exchange.started_at);
        Some(Step::Done { job, started_at, status, body: exchange.response.into_body() })
    }

    fn failed(&mut self, failure: Failure) -> Option<Step<J>> {
        let Exchange { job, started_at, .. } = self.exchange.take()?;
        Some(Step::Failed { job, started_at, failure })
    }
}
