//! What the end of an exchange means (docs/protocol.md section 3.5; where we differ, a comment says so).

use super::channel::{Down, Failure, Link};
use super::event::{Event, Refusal, ServerIs};
use super::jobs::Job;
use super::servers::random_span;
use super::session::Session;
use super::{Agent, Enrolment};
use crate::http::response::{Content, Status};
use crate::limits::{CONFLICT_PAUSE, POLL_PAUSE, QUICK_POLL, QUICK_POLLS};
use crate::state::{self, StoredServer};
use crate::storage::Storage;
use crate::time::{Instant, Span};
use alloc::vec::Vec;
use rand_core::CryptoRng;

const OK: u16 = 200;
const BAD_REQUEST: u16 = 400;
const FORBIDDEN: u16 = 403;
const NOT_ACCEPTABLE: u16 = 406;
const TIMEOUT: u16 = 408;
const CONFLICT: u16 = 409;
const UNAVAILABLE: u16 = 503;

impl<S: Storage> Agent<S> {
    /// The head of an answer: 200 to results means that the server has them, whatever follows.
    pub(super) fn status_known(&mut self, now: Instant, link: Link, status: Status) {
        if status.code != OK || status.content == Content::Foreign {
            return;
        }
        let Some(job) = self.channel_mut(link).job_mut() else { return };
        match job {
            Job::Poll { .. } => {
                *job = Job::Wait;
                self.accepted();
            }
            Job::Post { messages } => {
                let messages = *messages;
                *job = Job::Delivered;
                self.accepted();
                self.servers.succeed(Link::Control);
                self.forget_batch(now);
                self.note(Event::Delivered(messages));
            }
            Job::Certificate | Job::Enrol | Job::Wait | Job::Delivered => {}
        }
    }

    fn forget_batch(&mut self, now: Instant) {
        self.gathered_at = None;
        if let Err(fault) = self.queue.acknowledge() {
            // It stays queued and is sent again, after a pause; the server drops what it has.
            self.storage_failed(now, fault);
        }
    }

    /// A whole answer.
    pub(super) fn done(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        link: Link,
        (job, started_at): (Job, Instant),
        (status, body): (Status, Vec<u8>),
    ) {
        let is_portal = status.code == OK && status.content == Content::Foreign;
        match (job, status.code) {
            (job, OK) if is_portal => self.refused(now, rng, link, job, Refusal::Portal),
            (job, code @ 300..400) => {
                self.refused(now, rng, link, job, Refusal::Redirect(code));
            }
            (Job::Certificate, OK) => self.pin(now, rng, &body),
            (Job::Wait, OK) => self.reply(now, rng, started_at, body),
            (Job::Enrol, OK | NOT_ACCEPTABLE) => {
                self.servers.succeed(Link::Control);
                self.enrolment_requested(now);
            }
            (Job::Delivered, OK) => {}
            (Job::Post { messages }, BAD_REQUEST) => {
                self.note(Event::Rejected(messages));
                self.forget_batch(now);
            }
            (job @ (Job::Poll { .. } | Job::Post { .. }), NOT_ACCEPTABLE) => {
                self.take_back(job);
                self.unknown_here(now);
            }
            (job @ (Job::Poll { .. } | Job::Post { .. } | Job::Enrol), FORBIDDEN) => {
                self.take_back(job);
                self.read_rejected(now, rng, link);
            }
            (job @ Job::Poll { .. }, CONFLICT) => {
                self.take_back(job);
                self.note(Event::Conflict);
                self.poll_at = now
                    .saturating_add(CONFLICT_PAUSE)
                    .saturating_add(random_span(rng, CONFLICT_PAUSE));
            }
            (job, code @ (TIMEOUT | UNAVAILABLE)) => {
                self.take_back(job);
                self.note(Event::Status(code));
                self.fail(now, rng, link);
            }
            (job, code) => {
                self.take_back(job);
                self.note(Event::Status(code));
                self.next_server(now, rng, link);
            }
        }
    }

    /// An exchange without an answer.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        link: Link,
        (job, started_at): (Job, Instant),
        failure: Failure,
    ) {
        match failure {
            Failure::Down(down) => self.note(Event::LinkDown(link, down)),
            Failure::Silent => self.note(Event::LinkDown(link, Down::Closed)),
            Failure::Http(fault) => self.note(Event::WrongHttp(fault)),
            Failure::Stale => {}
        }
        let is_untrusted = failure == Failure::Down(Down::Untrusted);
        match job {
            job if is_untrusted => self.refused(now, rng, link, job, Refusal::Tls),
            Job::Delivered => {}
            // Proxies cut long polls; after the 200 that is only the end of a poll without tasks.
            Job::Wait if !matches!(failure, Failure::Http(_)) => {
                self.poll_ended(now, rng, started_at);
            }
            job if failure == Failure::Stale => self.take_back(job),
            job => {
                self.take_back(job);
                self.fail(now, rng, link);
            }
        }
    }

    /// Returns what a job carried, so that it leaves again.
    pub(super) fn take_back(&mut self, job: Job) {
        match job {
            Job::Poll { info: Some(info) } => {
                self.info.get_or_insert(info);
            }
            Job::Post { .. } => self.queue.release(),
            Job::Certificate
            | Job::Enrol
            | Job::Poll { info: None }
            | Job::Wait
            | Job::Delivered => {}
        }
    }

    fn refused(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        link: Link,
        job: Job,
        why: Refusal,
    ) {
        self.take_back(job);
        self.note(Event::Refused(why));
        self.next_server(now, rng, link);
    }

    /// A failure that may pass: another attempt soon, or the next server.
    pub(super) fn fail(&mut self, now: Instant, rng: &mut dyn CryptoRng, link: Link) {
        if self.servers.may_retry(link) {
            self.pause_until = now.saturating_add(short_pause(rng));
        } else {
            self.next_server(now, rng, link);
        }
    }

    /// Leaves the server: both links are closed, and whichever comes next has to prove itself.
    pub(super) fn next_server(&mut self, now: Instant, rng: &mut dyn CryptoRng, link: Link) {
        let (max_poll, jitter) = (self.config.max_poll, self.config.max_poll_std);
        let pause = self.servers.advance(link, rng, max_poll, jitter);
        self.pause_until = now.saturating_add(pause);
        self.note(Event::Retry(self.pause_until));
        self.leave();
    }

    fn leave(&mut self) {
        for link in [Link::Reader, Link::Control] {
            if let Some(job) = self.channel_mut(link).abandon() {
                self.take_back(job);
            }
        }
        if let Some(session) = self.session.take() {
            self.retired = Some(session);
        }
        self.enrolment = Enrolment::Unknown;
        self.poll_at = Instant::ORIGIN;
    }

    /// 403: the server cannot open what we seal. Its key was changed, as a rule, so its certificate is fetched again and
    /// the session is made anew; if that has just been done, something else is wrong.
    fn read_rejected(&mut self, now: Instant, rng: &mut dyn CryptoRng, link: Link) {
        self.note(Event::ReadRejected);
        if self.is_proven {
            self.leave();
            self.pause_until = now.saturating_add(short_pause(rng));
        } else {
            self.next_server(now, rng, link);
        }
        self.retired = None;
    }

    fn pin(&mut self, now: Instant, rng: &mut dyn CryptoRng, pem: &[u8]) {
        let time = self.unix(now);
        let server = match self.config.anchor.check(pem, &self.config.pinned_name, time) {
            Ok(server) => server,
            Err(fault) => {
                self.note(Event::Refused(Refusal::Pin(fault)));
                self.next_server(now, rng, Link::Reader);
                return;
            }
        };
        let retired = self.retired.take().filter(|session| session.is_with(&server));
        let session = match retired {
            Some(session) => Ok(session),
            None => Session::establish(rng, self.key.as_ref(), server, &self.config.nonce),
        };
        match session {
            Ok(session) => {
                self.session = Some(session);
                self.is_proven = false;
                self.poll_at = now;
                self.remember_server(pem);
            }
            Err(fault) => {
                self.note(Event::Seal(fault));
                self.next_server(now, rng, Link::Reader);
            }
        }
    }

    fn remember_server(&mut self, pem: &[u8]) {
        let stored = state::load::<StoredServer>(self.queue.storage_mut());
        let known = match &stored {
            Ok(Some(stored)) if stored.pem == pem => ServerIs::Known,
            Ok(Some(_)) => ServerIs::Changed,
            Ok(None) => ServerIs::First,
            Err(fault) => {
                self.note(Event::State(*fault));
                ServerIs::First
            }
        };
        self.note(Event::Pinned(known));
        if known != ServerIs::Known {
            let server = StoredServer { pem: pem.to_vec() };
            if let Err(fault) = state::store(self.queue.storage_mut(), &server) {
                self.note(Event::Storage(fault));
            }
        }
    }

    fn reply(&mut self, now: Instant, rng: &mut dyn CryptoRng, started_at: Instant, body: Vec<u8>) {
        let Some(session) = &mut self.session else { return };
        match session.open(rng, self.key.as_ref(), body, self.config.inflated_max) {
            Ok(None) => self.poll_ended(now, rng, started_at),
            Ok(Some(messages)) => {
                self.servers.succeed(Link::Reader);
                self.inbox = Some(messages);
                self.quick_polls = 0;
                self.poll_at = now.saturating_add(POLL_PAUSE);
            }
            Err(fault) => {
                self.note(Event::BadReply(fault));
                self.next_server(now, rng, Link::Reader);
            }
        }
    }

    /// A poll has ended without tasks. Servers that end polls at once are asked less and less often.
    fn poll_ended(&mut self, now: Instant, rng: &mut dyn CryptoRng, started_at: Instant) {
        self.servers.succeed(Link::Reader);
        let is_quick = now.since(started_at) < QUICK_POLL;
        self.quick_polls = if is_quick { self.quick_polls.saturating_add(1) } else { 0 };
        let pause = if self.quick_polls < QUICK_POLLS {
            short_pause(rng)
        } else {
            Span::from_micros(self.config.max_poll.as_micros() / 2)
        };
        self.poll_at = now.saturating_add(pause);
    }
}

/// [`POLL_PAUSE`] and up to as much again: a server that restarts should not meet all agents in the same second.
fn short_pause(rng: &mut dyn CryptoRng) -> Span {
    POLL_PAUSE.saturating_add(random_span(rng, POLL_PAUSE))
}
