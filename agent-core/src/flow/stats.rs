//! What is told about one batch of statements: status, times, counts (docs/protocol.md section 6.5).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use troodon_proto::{VeloStatus, velo_status::Status};

use crate::time::{Instant, Span, UnixTime};

/// Progress of one batch.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    state: State,
    /// The first error; the others are in the log.
    error: Option<String>,
    started: Option<(Instant, UnixTime)>,
    active: (Instant, UnixTime),
    names: Vec<String>,
    /// Log rows of this batch.
    pub(crate) log_rows: u64,
    result_rows: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Ended,
}

impl Progress {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Waiting,
            error: None,
            started: None,
            active: (Instant::ORIGIN, UnixTime::EPOCH),
            names: Vec::new(),
            log_rows: 0,
            result_rows: 0,
        }
    }

    /// Notes that the batch did something.
    pub(crate) fn touch(&mut self, now: Instant, wall: UnixTime) {
        if self.state == State::Waiting {
            self.state = State::Running;
            self.started = Some((now, wall));
        }
        self.active = (now, wall);
    }

    /// Notes that the batch ended.
    pub(crate) fn end(&mut self, now: Instant, wall: UnixTime) {
        self.touch(now, wall);
        self.state = State::Ended;
    }

    /// Notes an error; the first one is told.
    pub(crate) fn fail(&mut self, message: &str) {
        if self.error.is_none() {
            self.error = Some(message.trim_end().to_string());
        }
    }

    /// Notes that rows of `name`, as the server wrote it, were shipped.
    pub(crate) fn shipped(&mut self, name: &str, rows: u64) {
        self.result_rows = self.result_rows.saturating_add(rows);
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_string());
        }
    }

    /// Says in a log line that the batch lives.
    pub(crate) fn sentence(&self) -> String {
        format!("still running, {} rows so far", self.result_rows)
    }

    /// The status as the server wants it, without the counts of uploads.
    pub(crate) fn status(&self) -> VeloStatus {
        let status = match (&self.error, self.state) {
            (Some(_), _) => Status::GenericError,
            (None, State::Ended) => Status::Ok,
            (None, State::Waiting | State::Running) => Status::Progress,
        };
        let (first_active, duration) = self
            .started
            .map_or((0, Span::ZERO), |(at, wall)| (wall.as_micros(), self.active.0.since(at)));
        VeloStatus {
            status: status.into(),
            error_message: self.error.clone().unwrap_or_default(),
            duration: signed(duration.as_nanos()),
            names_with_response: self.names.clone(),
            log_rows: signed(self.log_rows),
            result_rows: signed(self.result_rows),
            last_active: self.active.1.as_micros(),
            first_active,
            ..VeloStatus::default()
        }
    }
}

/// The signed numbers of the wire, for counts that are never negative.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
