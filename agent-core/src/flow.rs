//! One collection: its batches, its log, its counts, from the request to the last message (docs/protocol.md section 6).

pub(crate) mod batch;
pub(crate) mod history;
pub(crate) mod json;
pub(crate) mod logs;
pub(crate) mod member;
pub(crate) mod moment;
pub(crate) mod rows;
pub(crate) mod setting;
pub(crate) mod stats;
pub(crate) mod uploads;
pub(crate) mod watch;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use troodon_proto::{
    FlowRequest, FlowStats, LogMessage, VeloMessage, VeloStatus, velo_status::Status,
};
use troodon_vql::{Case, Interrupt, Level, Pattern};

use crate::limits;
use crate::time::{Instant, Span};

use batch::{Ready, Turn};
use logs::Logs;
use member::Member;
use moment::Moment;
use setting::Setting;
use uploads::FlowUploads;

/// `request_id` of logs and of statistics (docs/protocol.md section 1.4).
pub(crate) const LOG_REQUEST_ID: u64 = 980;
const STATS_REQUEST_ID: u64 = 981;

/// A flow that was asked for and waits for its turn.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: String,
    pub(crate) is_urgent: bool,
    pub(crate) request: FlowRequest,
    pub(crate) since: Instant,
}

impl Asked {
    /// When the flow is given up, if it did not start.
    pub(crate) const fn gives_up_at(&self) -> Instant {
        self.since.saturating_add(limits::FLOW_PATIENCE)
    }

    /// What the server is told while the flow waits.
    pub(crate) fn stats(&self) -> FlowStats {
        let waiting = VeloStatus { status: Status::Progress.into(), ..VeloStatus::default() };
        FlowStats {
            query_status: self.request.vql_client_actions.iter().map(|_| waiting.clone()).collect(),
            ..FlowStats::default()
        }
    }

    /// What the server is told when the flow never ran.
    pub(crate) fn refused(&self, why: &str) -> FlowStats {
        let refused = VeloStatus {
            status: Status::GenericError.into(),
            error_message: why.to_string(),
            ..VeloStatus::default()
        };
        let count = self.request.vql_client_actions.len().max(1);
        FlowStats {
            query_status: core::iter::repeat_n(refused, count).collect(),
            flow_complete: true,
            ..FlowStats::default()
        }
    }
}

/// A flow that runs.
pub(crate) struct Flow {
    id: String,
    is_urgent: bool,
    members: Vec<Member>,
    /// The member that runs next.
    turn: usize,
    logs: Logs,
    errors: Option<Pattern>,
    rows_left: u64,
    max_rows: u64,
    uploads: Arc<FlowUploads>,
    interrupt: Interrupt,
    stats_wait: Span,
    stats_at: Instant,
}

impl Flow {
    /// Starts the batches of a request.
    pub(crate) fn start(asked: Asked, setting: &Setting, moment: Moment) -> Self {
        let Asked { id, is_urgent, request, .. } = asked;
        let interrupt = Interrupt::new();
        let uploads = Arc::new(FlowUploads::new(
            id.clone(),
            Arc::clone(&setting.outlet),
            setting.sizes.chunk_bytes,
            request.max_upload_bytes,
        ));
        let max_logs = if request.max_logs == 0 { limits::FLOW_LOGS } else { request.max_logs };
        let mut flow = Self {
            id,
            is_urgent,
            members: Vec::new(),
            turn: 0,
            logs: Logs::new(String::new(), Span::from_millis(request.log_batch_time), max_logs),
            errors: None,
            rows_left: if request.max_rows == 0 { u64::MAX } else { request.max_rows },
            max_rows: request.max_rows,
            uploads,
            interrupt,
            stats_wait: match request.flow_update_time {
                0 => limits::STATS_WAIT,
                given => Span::from_secs(given),
            },
            stats_at: moment.now,
        };
        for args in request.vql_client_actions {
            let member = Member::start(args, setting, &flow.uploads, &flow.interrupt, moment);
            flow.members.push(member);
        }
        flow.compile_errors(&request.log_error_regex, moment);
        flow
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) const fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    pub(crate) const fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Does what is due by time: timeouts, heartbeats, rows and log lines that waited long enough, statistics.
    pub(crate) fn tick(&mut self, moment: Moment, out: &mut Vec<VeloMessage>) {
        for at in 0..self.members.len() {
            if let Some(member) = self.members.get_mut(at) {
                member.tick(moment);
            }
            self.take_ready(at, moment, out);
        }
        while let Some(batch) = self.logs.take_due(moment.now) {
            out.push(self.log_message(batch));
        }
        if moment.now >= self.stats_at && !self.is_over() {
            self.stats_at = moment.now.saturating_add(self.stats_wait);
            out.push(self.stats_message(false));
        }
    }

    /// Whether a slice of work could be done.
    pub(crate) fn may_run(&self, now: Instant) -> bool {
        self.members.iter().any(|member| member.may_run_at() <= now)
    }

    /// Does one slice of work of the next batch that has any. Says whether the host set the switch of the flow, which
    /// then wants to be cancelled.
    pub(crate) fn run(
        &mut self,
        setting: &Setting,
        moment: Moment,
        out: &mut Vec<VeloMessage>,
    ) -> bool {
        let count = self.members.len();
        let order = (self.turn..count).chain(0..self.turn);
        let ready = |at: &usize| {
            self.members.get(*at).is_some_and(|member| member.may_run_at() <= moment.now)
        };
        let Some(at) = order.into_iter().find(ready) else { return false };
        self.turn = at.saturating_add(1).checked_rem(count).unwrap_or(0);
        let Some(member) = self.members.get_mut(at) else { return false };
        let turn = member.run(moment, setting.sizes.slice_fuel(), &mut self.rows_left);
        self.take_ready(at, moment, out);
        if turn == Turn::TooManyRows {
            let why = format!("more rows than the limit of {}", self.max_rows);
            self.give_up(&why, moment, out);
        } else if let Some(max) = self.uploads.exceeded() {
            let why = format!("uploads exceed the limit of {max} bytes");
            self.give_up(&why, moment, out);
        }
        turn == Turn::Interrupted
    }

    /// When there is something to do at the latest.
    pub(crate) fn wake_at(&self) -> Instant {
        let members = self.members.iter().map(Member::wake_at).min().unwrap_or(Instant::ORIGIN);
        members.min(self.logs.due_at()).min(self.stats_at)
    }

    /// Whether all batches ended, so that [`Flow::finish`] is due.
    pub(crate) fn is_over(&self) -> bool {
        self.members.iter().all(Member::is_over)
    }

    /// Ends the flow on the server's wish. Rows that were not shipped are dropped.
    pub(crate) fn cancel(&mut self, moment: Moment) {
        self.interrupt.set();
        for member in &mut self.members {
            member.abandon("Cancelled", moment);
        }
        self.log(0, Level::Error, "the flow was cancelled", moment);
    }

    /// The last messages, and the statistics to remember.
    pub(crate) fn finish(mut self, out: &mut Vec<VeloMessage>) -> (String, FlowStats) {
        while let Some(batch) = self.logs.take() {
            out.push(self.log_message(batch));
        }
        out.push(self.stats_message(true));
        let stats = self.stats(true);
        (self.id, stats)
    }

    /// The statistics: always of all batches, since the server replaces what it has by what it gets.
    pub(crate) fn stats(&self, is_complete: bool) -> FlowStats {
        FlowStats {
            query_status: self.members.iter().map(Member::status).collect(),
            flow_complete: is_complete,
            ..FlowStats::default()
        }
    }

    fn stats_message(&self, is_complete: bool) -> VeloMessage {
        stats_message(&self.id, self.stats(is_complete))
    }

    fn log_message(&self, batch: LogMessage) -> VeloMessage {
        VeloMessage {
            session_id: self.id.clone(),
            request_id: LOG_REQUEST_ID,
            log_message: Some(batch),
            ..VeloMessage::default()
        }
    }

    /// Ends all batches because the flow passed a limit; what they have is shipped.
    fn give_up(&mut self, why: &str, moment: Moment, out: &mut Vec<VeloMessage>) {
        self.interrupt.set();
        for at in 0..self.members.len() {
            if let Some(member) = self.members.get_mut(at) {
                member.give_up(why, moment);
            }
            self.take_ready(at, moment, out);
        }
    }

    /// Turns what a batch has ready into messages.
    fn take_ready(&mut self, at: usize, moment: Moment, out: &mut Vec<VeloMessage>) {
        while let Some(ready) = self.members.get_mut(at).and_then(Member::take) {
            match ready {
                Ready::Log(level, text) => self.log(at, level, &text, moment),
                Ready::Part(response) => out.push(VeloMessage {
                    session_id: self.id.clone(),
                    vql_response: Some(*response),
                    ..VeloMessage::default()
                }),
            }
        }
    }

    /// Logs a line. An error marks its batch as failed (docs/protocol.md section 6.3).
    fn log(&mut self, at: usize, level: Level, text: &str, moment: Moment) {
        let (level, text) = split_level(level, text);
        let is_error = level == Level::Error
            || self.errors.as_ref().is_some_and(|errors| errors.is_match(text.as_bytes()));
        let is_taken = self.logs.push(moment.now, moment.wall, level, text);
        if let Some(member) = self.members.get_mut(at) {
            member.logged(is_taken, is_error.then_some(text));
        }
    }

    fn compile_errors(&mut self, given: &str, moment: Moment) {
        let own = if given.is_empty() { limits::LOG_ERROR_PATTERN } else { given };
        match Pattern::new(own.as_bytes(), Case::Exact) {
            Ok(pattern) => self.errors = Some(pattern),
            // Also without it lines of the level ERROR count.
            Err(_) => self.log(0, Level::Warn, "log_error_regex does not compile", moment),
        }
    }
}

/// A message with the statistics of a flow.
pub(crate) fn stats_message(id: &str, stats: FlowStats) -> VeloMessage {
    VeloMessage {
        session_id: id.to_string(),
        request_id: STATS_REQUEST_ID,
        flow_stats: Some(stats),
        ..VeloMessage::default()
    }
}

/// Queries log with a level before the text, `ERROR:no such file`.
pub(crate) fn split_level(level: Level, text: &str) -> (Level, &str) {
    let named = text.split_once(':').and_then(|(name, rest)| Some((Level::named(name)?, rest)));
    match named {
        Some((named, rest)) if level == Level::Default || level == named => {
            (named, rest.trim_start())
        }
        _ => (level, text),
    }
}
