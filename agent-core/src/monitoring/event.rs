//! One event query: started, restarted from time to time, never done.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use troodon_proto::{VeloMessage, VqlCollectorArgs};
use troodon_vql::{Budget, Interrupt, Level};

use super::SESSION_ID;
use crate::flow::batch::{Batch, Ready, Slice, Turn, name_of};
use crate::flow::logs::Logs;
use crate::flow::moment::Moment;
use crate::flow::setting::Setting;
use crate::flow::uploads::{BatchUploads, Counts, FlowUploads};
use crate::flow::{LOG_REQUEST_ID, split_level};
use crate::limits;
use crate::time::{Instant, Span};

/// A query of the event table.
pub(crate) struct EventQuery {
    args: VqlCollectorArgs,
    logs: Logs,
    interrupt: Interrupt,
    state: State,
    restart_at: Instant,
}

enum State {
    /// Not yet started.
    New,
    Running {
        batch: Box<Batch>,
        next_at: Instant,
    },
    /// Ended by itself; starts again at the next restart.
    Over,
}

impl EventQuery {
    pub(crate) fn new(args: VqlCollectorArgs) -> Self {
        let logs = logs(&args);
        let interrupt = Interrupt::new();
        Self { args, logs, interrupt, state: State::New, restart_at: Instant::ORIGIN }
    }

    /// Whether these arguments ask for the same query. The server varies `max_wait` from one table to the next, so that
    /// does not count.
    pub(crate) fn is_for(&self, args: &VqlCollectorArgs) -> bool {
        self.args.query == args.query
            && self.args.env == args.env
            && self.args.precondition == args.precondition
            && self.args.artifacts == args.artifacts
    }

    /// Starts and restarts the query, and ships what waited long enough.
    pub(crate) fn tick(
        &mut self,
        setting: &Setting,
        uploads: &Arc<FlowUploads>,
        version: u64,
        moment: Moment,
        out: &mut Vec<VeloMessage>,
    ) {
        if let State::Running { batch, .. } = &mut self.state {
            batch.ship_due(moment);
            self.take_ready(moment, out);
        }
        if moment.now >= self.restart_at {
            self.stop(moment, out);
            self.start(setting, uploads, version, moment);
        }
        while let Some(batch) = self.logs.take_due(moment.now) {
            out.push(log_message(batch));
        }
    }

    /// Does one slice of work; says whether there was any.
    pub(crate) fn run(&mut self, fuel: u64, moment: Moment, out: &mut Vec<VeloMessage>) -> bool {
        let State::Running { batch, next_at } = &mut self.state else { return false };
        if *next_at > moment.now {
            return false;
        }
        let mut rows_left = u64::MAX;
        match batch.run(&mut Slice { moment, fuel, rows_left: &mut rows_left }) {
            Turn::Again => *next_at = moment.now,
            Turn::Until(until) => *next_at = until,
            Turn::Failed(why) => {
                self.log(Level::Error, &why, moment);
                self.end(moment, out);
            }
            Turn::Ended | Turn::Interrupted | Turn::TooManyRows => self.end(moment, out),
        }
        self.take_ready(moment, out);
        true
    }

    /// Stops the query and ships what it has.
    pub(crate) fn stop(&mut self, moment: Moment, out: &mut Vec<VeloMessage>) {
        self.interrupt.set();
        self.end(moment, out);
        while let Some(batch) = self.logs.take() {
            out.push(log_message(batch));
        }
    }

    /// When there is something to do at the latest.
    pub(crate) fn wake_at(&self) -> Instant {
        let run_at = match &self.state {
            State::Running { batch, next_at } => (*next_at).min(batch.due_at()),
            State::New | State::Over => Instant::NEVER,
        };
        run_at.min(self.logs.due_at()).min(self.restart_at)
    }

    fn start(
        &mut self,
        setting: &Setting,
        uploads: &Arc<FlowUploads>,
        version: u64,
        moment: Moment,
    ) {
        self.interrupt = Interrupt::new();
        self.logs = logs(&self.args);
        self.restart_at = moment.now.saturating_add(lifetime(&self.args, version));
        let sizes = setting.sizes;
        let interrupt = &self.interrupt;
        let mut args = self.args.clone();
        if args.max_wait == 0 {
            args.max_wait = limits::EVENT_PART_WAIT.as_seconds();
        }
        // A table stays in force until the next one; its queries do not expire.
        args.expiry = 0;
        let started = Batch::start(args, sizes.part_bytes, moment, |scope| {
            let uploader = BatchUploads::new(uploads, &Arc::<Mutex<Counts>>::default());
            // An event query runs for ever, so its steps and rows have no end.
            let budget = Budget { steps: None, rows: None, ..sizes.budget };
            setting.session(scope, budget, interrupt, Box::new(uploader))
        });
        match started {
            Ok(batch) => {
                self.state = State::Running { batch: Box::new(batch), next_at: moment.now };
            }
            Err(why) => {
                self.state = State::Over;
                self.log(Level::Error, &why, moment);
            }
        }
    }

    fn end(&mut self, moment: Moment, out: &mut Vec<VeloMessage>) {
        if let State::Running { batch, .. } = &mut self.state {
            batch.stop(moment);
            self.take_ready(moment, out);
            self.state = State::Over;
        }
    }

    fn take_ready(&mut self, moment: Moment, out: &mut Vec<VeloMessage>) {
        loop {
            let State::Running { batch, .. } = &mut self.state else { return };
            match batch.take() {
                None => return,
                Some(Ready::Log(level, text)) => self.log(level, &text, moment),
                Some(Ready::Part(response)) => out.push(VeloMessage {
                    session_id: String::from(SESSION_ID),
                    vql_response: Some(*response),
                    ..VeloMessage::default()
                }),
            }
        }
    }

    fn log(&mut self, level: Level, text: &str, moment: Moment) {
        let (level, text) = split_level(level, text);
        self.logs.push(moment.now, moment.wall, level, text);
    }
}

fn logs(args: &VqlCollectorArgs) -> Logs {
    Logs::new(String::from(name_of(args)), limits::EVENT_LOG_WAIT, limits::FLOW_LOGS)
}

fn log_message(batch: troodon_proto::LogMessage) -> VeloMessage {
    VeloMessage {
        session_id: String::from(SESSION_ID),
        request_id: LOG_REQUEST_ID,
        log_message: Some(batch),
        ..VeloMessage::default()
    }
}

/// How long a query runs before it is restarted. Tables of different agents have different versions, so a fleet does
/// not restart its queries at the same time.
fn lifetime(args: &VqlCollectorArgs, version: u64) -> Span {
    if args.timeout > 0 {
        return Span::from_secs(args.timeout);
    }
    let spread = limits::EVENT_RESTART_SPREAD.as_micros();
    let early = version.checked_rem(spread).unwrap_or(0);
    limits::EVENT_RESTART.saturating_sub(Span::from_micros(early))
}
