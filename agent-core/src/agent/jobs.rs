//! What to do next on a link, from when on, and the request for it.

use super::channel::Link;
use super::config::Links;
use super::enrolment::Enrolment;
use super::{Agent, Event};
use crate::envelope::PAD;
use crate::http::request::{self, Request};
use crate::http::response::Response;
use crate::limits::{CONTROL_REPLY_BYTES, PEM_BYTES, POLL_PAUSE, POLL_SHARE, POSTS_IN_A_ROW};
use crate::queue::{CLIENT_INFO_ARTIFACT, MONITORING_SESSION, Priority};
use crate::storage::Storage;
use crate::time::Instant;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use rand_core::CryptoRng;
use troodon_proto::certificate;
use troodon_proto::{
    Certificate, ForemanCheckin, Message, MessageList, VeloMessage, VqlRequest, VqlResponse,
};

/// An exchange under way.
#[derive(Debug)]
pub(super) enum Job {
    /// `GET server.pem`.
    Certificate,
    /// The wish to be enrolled.
    Enrol,
    /// Asks for tasks; brings the client's description of itself when that is due.
    Poll { info: Option<String> },
    /// A poll that the server has accepted; tasks may still come.
    Wait,
    /// Brings a batch of the queue.
    Post { messages: usize },
    /// A batch that the server has; only the rest of its answer is still to come.
    Delivered,
}

/// A job that is to be begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Task {
    Certificate,
    Enrol,
    Poll,
    Post,
}

impl<S: Storage> Agent<S> {
    /// What `link` does next, and from when on. For the reader there is always something.
    pub(super) fn next_task(&self, link: Link) -> Option<(Instant, Task)> {
        let is_alone = self.config.links == Links::One;
        let task = match (link, &self.session) {
            (Link::Reader, None) => Some((Instant::ORIGIN, Task::Certificate)),
            (Link::Reader, Some(_)) if is_alone => Some(self.next_in_turn()),
            (Link::Reader, Some(_)) => Some((self.poll_at, Task::Poll)),
            (Link::Control, Some(_)) if !is_alone => self.next_on_control(),
            (Link::Control, _) => None,
        };
        task.map(|(at, task)| (at.max(self.pause_until), task))
    }

    fn next_on_control(&self) -> Option<(Instant, Task)> {
        match self.enrolment {
            Enrolment::Wanted => Some((self.enrol_at, Task::Enrol)),
            Enrolment::Accepted => self.post_at().map(|at| (at, Task::Post)),
            Enrolment::Unknown | Enrolment::Requested => None,
        }
    }

    /// On one link: results first, but not for ever.
    fn next_in_turn(&self) -> (Instant, Task) {
        let poll = (self.poll_at, Task::Poll);
        match self.next_on_control() {
            Some((at, _)) if at > self.poll_at => poll,
            Some((_, Task::Post)) if self.posts_in_a_row >= POSTS_IN_A_ROW => poll,
            Some(control) => control,
            None => poll,
        }
    }

    /// When what is queued should leave; `None` when nothing is.
    fn post_at(&self) -> Option<Instant> {
        let is_full = usize::try_from(self.queue.bytes()).map_or(true, |n| n >= self.batch);
        let is_pressing = self.queue.is_urgent() || is_full;
        let at = if is_pressing { Some(Instant::ORIGIN) } else { self.gathered_at };
        at.map(|at| at.max(self.post_after))
    }

    /// On one link: when a waiting poll has to make place for what is queued.
    pub(super) fn interrupt_at(&self) -> Option<Instant> {
        if self.config.links == Links::Two {
            return None;
        }
        let (job, started_at) = self.reader.underway()?;
        if !matches!(job, Job::Wait) {
            return None;
        }
        let (at, _) = self.next_on_control()?;
        Some(at.max(started_at.saturating_add(POLL_SHARE)))
    }

    /// Begins what is due. Says whether anything changed.
    pub(super) fn begin_due(&mut self, now: Instant, rng: &mut dyn CryptoRng) -> bool {
        if self.interrupt_at().is_some_and(|at| at <= now) {
            self.reader.abandon();
            // A server that has not yet noticed would answer 409.
            self.poll_at = now.saturating_add(POLL_PAUSE);
            return true;
        }
        for link in [Link::Reader, Link::Control] {
            if !self.channel(link).is_free() {
                continue;
            }
            if let Some((at, task)) = self.next_task(link)
                && at <= now
            {
                self.begin(now, rng, link, task);
                return true;
            }
        }
        false
    }

    fn begin(&mut self, now: Instant, rng: &mut dyn CryptoRng, link: Link, task: Task) {
        match task {
            Task::Certificate => {
                let patience = self.config.connection_timeout;
                let Some(url) = self.servers.current() else { return };
                let request = request::emit(url, Request::Certificate);
                let response = Response::new(PEM_BYTES);
                self.reader.begin(now, Job::Certificate, request, response, patience);
            }
            Task::Poll => self.begin_poll(now, rng),
            Task::Enrol => self.begin_enrol(now, rng, link),
            Task::Post => self.begin_post(now, rng, link),
        }
    }

    fn begin_poll(&mut self, now: Instant, rng: &mut dyn CryptoRng) {
        self.posts_in_a_row = 0;
        let foreman = ForemanCheckin {
            last_event_table_version: self.table_version,
            ..ForemanCheckin::default()
        };
        let mut jobs = vec![VeloMessage {
            session_id: FOREMAN_SESSION.to_string(),
            foreman_checkin: Some(foreman),
            ..VeloMessage::default()
        }];
        let info = self.info.take();
        jobs.extend(info.as_ref().map(|info| client_info(rng.next_u64(), info)));
        let list = MessageList { job: jobs }.encode_to_vec();
        let job = Job::Poll { info };
        let reply_max = self.config.reply_max.max(PAD.len());
        self.begin_sealed(now, rng, Link::Reader, (job, Priority::Normal), vec![list], reply_max);
    }

    fn begin_enrol(&mut self, now: Instant, rng: &mut dyn CryptoRng, link: Link) {
        let pem = match crate::identity::request_pem(rng, self.key.as_ref()) {
            Ok(pem) => pem,
            Err(fault) => {
                self.note(Event::Seal(fault.into()));
                self.fail(now, rng, link);
                return;
            }
        };
        let csr = Certificate {
            r#type: certificate::Type::Csr.into(),
            pem: pem.into_bytes().into(),
            ..Certificate::default()
        };
        let message = VeloMessage {
            session_id: ENROL_SESSION.to_string(),
            urgent: true,
            csr: Some(csr),
            ..VeloMessage::default()
        };
        self.note(Event::Enrolling);
        let list = MessageList { job: vec![message] }.encode_to_vec();
        let job = (Job::Enrol, Priority::Urgent);
        self.begin_sealed(now, rng, link, job, vec![list], CONTROL_REPLY_BYTES);
    }

    fn begin_post(&mut self, now: Instant, rng: &mut dyn CryptoRng, link: Link) {
        self.posts_in_a_row = self.posts_in_a_row.saturating_add(1);
        let batch = match self.queue.lease(self.unix(now)) {
            Ok(Some(batch)) => batch,
            Ok(None) => {
                self.gathered_at = None;
                return;
            }
            Err(fault) => {
                self.storage_failed(now, fault);
                return;
            }
        };
        let job = (Job::Post { messages: batch.messages }, batch.priority);
        self.begin_sealed(now, rng, link, job, batch.lists, CONTROL_REPLY_BYTES);
    }

    fn begin_sealed(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        link: Link,
        (job, priority): (Job, Priority),
        lists: Vec<Vec<u8>>,
        reply_max: usize,
    ) {
        let unix = self.unix(now);
        let (Some(session), Some(url)) = (&self.session, self.servers.current()) else { return };
        let body = match session.seal(rng, unix, self.config.compression, lists) {
            Ok(body) => body,
            Err(fault) => {
                self.take_back(job);
                self.note(Event::Seal(fault));
                self.fail(now, rng, link);
                return;
            }
        };
        let request = match job {
            Job::Certificate | Job::Poll { .. } | Job::Wait => Request::Reader(&body),
            Job::Enrol | Job::Post { .. } | Job::Delivered => Request::Control(priority, &body),
        };
        let request = request::emit(url, request);
        let (response, patience) = (Response::new(reply_max), self.config.connection_timeout);
        self.channel_mut(link).begin(now, job, request, response, patience);
    }
}

/// docs/protocol.md section 1.4.
const FOREMAN_SESSION: &str = "E.Foreman";
const ENROL_SESSION: &str = "E:Enrol";

/// The client's description of itself as one monitoring row (docs/protocol.md section 7.5).
fn client_info(query_id: u64, json: &str) -> VeloMessage {
    let mut row = json.trim_end().to_string();
    row.push('\n');
    let query = VqlRequest { name: CLIENT_INFO_ARTIFACT.to_string(), ..VqlRequest::default() };
    let response = VqlResponse {
        query: Some(query),
        query_id,
        jsonl_response: row.into_bytes().into(),
        total_rows: 1,
        ..VqlResponse::default()
    };
    VeloMessage {
        session_id: MONITORING_SESSION.to_string(),
        vql_response: Some(response),
        ..VeloMessage::default()
    }
}
