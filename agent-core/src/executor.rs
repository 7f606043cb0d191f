//! Runs what the server asks for: collections and event queries (docs/protocol.md sections 6 and 7).
//!
//! The executor knows no network. It is told verified messages, and wants messages sent:
//!
//! ```text
//! executor.handle(message);
//! loop {
//!     match executor.poll(now, wall, room) {
//!         Output::Message { urgent, message } => comms.queue(urgent, message),
//!         Output::Wait(until) => wait_until(until),      // or until there is a message to handle
//!         …
//!     }
//! }
//! ```
//!
//! One call of [`Executor::poll`] does at most one slice of work ([`Sizes::fuel`]), so that a board's single loop gets
//! to its network in between. A host with threads gives the executor one of its own, sends it messages through a
//! channel, and keeps the [`Interrupt`] of each flow ([`Output::Started`]) where its comms can reach it: a plugin that takes
//! long notices a cancellation before the executor can.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use troodon_proto::{FlowStats, ResumeTransactions, VeloMessage, VqlEventTable};
use troodon_vql::Interrupt;

pub use crate::flow::setting::{Setting, Sizes};
pub use crate::flow::uploads::{NoRoom, Outlet};

use crate::artifact;
use crate::envelope::Verified;
use crate::flow::history::{self, History};
use crate::flow::moment::Moment;
use crate::flow::{Asked, Flow, stats_message};
use crate::limits;
use crate::monitoring::Monitoring;
use crate::time::{Instant, UnixTime};

/// Runs collections and event queries.
pub struct Executor {
    setting: Setting,
    /// Messages that were told and not yet looked at; comms bounds them ([`limits::MESSAGES_PER_PACKET`]).
    told: VecDeque<VeloMessage>,
    waiting: VecDeque<Asked>,
    running: Vec<Flow>,
    /// Which task runs next: a flow, or the event queries behind the last flow.
    turn: usize,
    history: History,
    monitoring: Monitoring,
    outputs: VecDeque<Output>,
}

/// What the executor wants.
#[derive(Debug)]
pub enum Output {
    /// A message for the server. Urgent ones overtake others.
    Message {
        /// Whether it overtakes others.
        urgent: bool,
        /// The message.
        message: Box<VeloMessage>,
    },
    /// A flow begins. Who hears first of a cancellation sets the switch; [`Output::Ended`] says when to forget it.
    Started {
        /// The flow.
        flow: String,
        /// Stops what the flow does at this moment.
        interrupt: Interrupt,
    },
    /// A flow is over; its messages are out.
    Ended(String),
    /// The server cancelled this flow: rows and files of it that still wait to be sent are not wanted. What comes after
    /// this is.
    Forget(String),
    /// The server wants the agent to end. The original does it ten seconds later.
    Kill,
    /// Nothing to do before this instant, or until a message comes. An instant that has passed means that there is work
    /// at once.
    Wait(Instant),
}

impl Executor {
    /// An executor without any flow.
    #[must_use]
    pub fn new(mut setting: Setting) -> Self {
        setting.registry = artifact::with_calls(setting.registry);
        Self {
            setting,
            told: VecDeque::new(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            turn: 0,
            history: History::default(),
            monitoring: Monitoring::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes up the event table of the last run, so that event queries run before the first contact (docs/protocol.md
    /// section 7.3). Comms keeps it and hands it out ([`crate::agent::Output::Table`]).
    pub fn restore(&mut self, table: VqlEventTable) {
        self.monitoring.restore(table);
    }

    /// Version of the event table, for the foreman message; 0 without a table.
    #[must_use]
    pub const fn table_version(&self) -> u64 {
        self.monitoring.version()
    }

    /// Flows that run or wait.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.running.len().saturating_add(self.waiting.len())
    }

    /// Takes note of a message from the server.
    pub fn handle(&mut self, message: Verified<VeloMessage>) {
        self.told.push_back(message.into_inner());
    }

    /// Takes note of a message that nobody verified: for tests and for replaying recordings. What it asks for is done, and
    /// whoever wrote it needs no key.
    pub fn danger_handle_unverified(&mut self, message: VeloMessage) {
        self.told.push_back(message);
    }

    /// Acts. `now` is a steady clock, `wall` the world's time, `room` the bytes that the outgoing queue still takes: without
    /// room for a part ([`Sizes::part_bytes`]) queries rest, while statistics and logs go on.
    ///
    /// To be called until it answers [`Output::Wait`].
    pub fn poll(&mut self, now: Instant, wall: UnixTime, room: usize) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let moment = Moment { now, wall };
        while let Some(message) = self.told.pop_front() {
            self.act_on(message, moment);
        }
        self.admit(moment);
        self.tick(moment);
        if self.outputs.is_empty() && room >= self.setting.sizes.part_bytes {
            self.work(moment);
        }
        self.finish();
        self.outputs.pop_front().unwrap_or_else(|| Output::Wait(self.wake_at(now, room)))
    }

    /// Does what a message asks for; the first payload counts (docs/protocol.md section 1.2).
    fn act_on(&mut self, message: VeloMessage, moment: Moment) {
        let id = message.session_id;
        if message.cancel.is_some() {
            self.cancel(&id, moment);
        } else if let Some(request) = message.flow_request {
            self.ask(Asked { id, is_urgent: message.urgent, request, since: moment.now });
        } else if let Some(table) = message.update_event_table {
            let mut out = Vec::new();
            self.monitoring.update(table, moment, &mut out);
            self.send_all(out);
        } else if let Some(question) = message.flow_stats_request {
            for id in question.flow_id.into_iter().take(limits::FLOWS_ASKED_AT_ONCE) {
                let stats = self.stats_of(&id);
                self.send_urgent(stats_message(&id, stats));
            }
        } else if let Some(resume) = message.resume_transactions {
            let flow = resume.flow_id.clone();
            let stats = self.stats_of_resumed(resume);
            self.send_urgent(stats_message(&flow, stats));
        } else if message.kill_kill_kill.is_some() {
            self.outputs.push_back(Output::Kill);
        }
        // The rest is of no use here. A `VQLClientAction` alone repeats a part of a FlowRequest for agents of before
        // 2023; running it would run the query twice (docs/protocol.md P21).
    }

    fn ask(&mut self, asked: Asked) {
        let is_known = self.running.iter().any(|flow| flow.id() == asked.id)
            || self.waiting.iter().any(|other| other.id == asked.id);
        if is_known {
            return;
        }
        if asked.request.vql_client_actions.is_empty() {
            self.refuse(&asked, "the request holds no query");
        } else if self.waiting.len() >= self.setting.sizes.flows_waiting {
            self.refuse(&asked, "too many flows wait on this agent");
        } else if asked.is_urgent {
            self.waiting.push_front(asked);
        } else {
            self.waiting.push_back(asked);
        }
    }

    /// Starts flows that wait, as many as may run. Urgent ones do not wait for others.
    fn admit(&mut self, moment: Moment) {
        let max = self.setting.sizes.flows_running;
        loop {
            let usual = self.running.iter().filter(|flow| !flow.is_urgent()).count();
            let urgent = self.running.len().saturating_sub(usual);
            let may_start = |asked: &Asked| {
                if asked.is_urgent { urgent < max } else { usual < max }
            };
            let Some(at) = self.waiting.iter().position(may_start) else { break };
            let Some(asked) = self.waiting.remove(at) else { break };
            let flow = Flow::start(asked, &self.setting, moment);
            self.outputs.push_back(Output::Started {
                flow: String::from(flow.id()),
                interrupt: flow.interrupt().clone(),
            });
            self.running.push(flow);
        }
        let is_late = |asked: &Asked| asked.gives_up_at() <= moment.now;
        while let Some(at) = self.waiting.iter().position(is_late) {
            let Some(asked) = self.waiting.remove(at) else { break };
            self.refuse(&asked, "the flow waited too long for others");
        }
    }

    fn refuse(&mut self, asked: &Asked, why: &str) {
        let stats = asked.refused(why);
        self.send(stats_message(&asked.id, stats.clone()));
        self.history.note(asked.id.clone(), stats);
    }

    fn cancel(&mut self, id: &str, moment: Moment) {
        if let Some(flow) = self.running.iter_mut().find(|flow| flow.id() == id) {
            self.outputs.push_back(Output::Forget(String::from(id)));
            flow.cancel(moment);
        } else if let Some(at) = self.waiting.iter().position(|asked| asked.id == id)
            && let Some(asked) = self.waiting.remove(at)
        {
            self.refuse(&asked, "Cancelled");
        }
    }

    fn stats_of(&self, id: &str) -> FlowStats {
        let running =
            self.running.iter().find(|flow| flow.id() == id).map(|flow| flow.stats(false));
        let waiting = || self.waiting.iter().find(|asked| asked.id == id).map(Asked::stats);
        let ended = || self.history.find(id).cloned();
        running.or_else(waiting).or_else(ended).unwrap_or_else(history::unknown)
    }

    /// What to say of a flow whose uploads should go on. Parts that were not sent yet wait in the queue and leave by
    /// themselves, so that nothing is outstanding beyond what still runs (docs/protocol.md section 6.8).
    fn stats_of_resumed(&self, resume: ResumeTransactions) -> FlowStats {
        let is_here = |id: &str| {
            self.running.iter().any(|flow| flow.id() == id)
                || self.waiting.iter().any(|asked| asked.id == id)
                || self.history.find(id).is_some()
        };
        if is_here(&resume.flow_id) {
            return self.stats_of(&resume.flow_id);
        }
        FlowStats { flow_complete: true, query_status: resume.query_stats, ..FlowStats::default() }
    }

    /// Does what is due by time.
    fn tick(&mut self, moment: Moment) {
        let mut out = Vec::new();
        for flow in &mut self.running {
            flow.tick(moment, &mut out);
        }
        self.monitoring.tick(&self.setting, moment, &mut out);
        self.send_all(out);
    }

    /// Does one slice of work: of the next flow that has any, or of the event queries.
    fn work(&mut self, moment: Moment) {
        let count = self.running.len().saturating_add(1);
        let mut out = Vec::new();
        let mut interrupted = None;
        let order = (self.turn.min(count)..count).chain(0..self.turn.min(count));
        for at in order {
            if let Some(flow) = self.running.get_mut(at) {
                if !flow.may_run(moment.now) {
                    continue;
                }
                if flow.run(&self.setting, moment, &mut out) {
                    interrupted = Some(String::from(flow.id()));
                }
            } else if !self.monitoring.run(&self.setting, moment, &mut out) {
                continue;
            }
            self.turn = at.saturating_add(1);
            break;
        }
        self.send_all(out);
        // The host heard of a cancellation first.
        if let Some(id) = interrupted {
            self.cancel(&id, moment);
        }
    }

    /// Ends flows whose batches ended.
    fn finish(&mut self) {
        while let Some(at) = self.running.iter().position(Flow::is_over) {
            let mut out = Vec::new();
            let (id, stats) = self.running.remove(at).finish(&mut out);
            self.send_all(out);
            self.outputs.push_back(Output::Ended(id.clone()));
            self.history.note(id, stats);
        }
    }

    fn wake_at(&self, now: Instant, room: usize) -> Instant {
        let flows = self.running.iter().map(Flow::wake_at);
        let waiting = self.waiting.iter().map(Asked::gives_up_at);
        let first = flows.chain(waiting).chain([self.monitoring.wake_at()]).min();
        let first = first.unwrap_or(Instant::NEVER);
        if room < self.setting.sizes.part_bytes && first <= now {
            // Work rests until there is room, so only the clocks of the flows need a call.
            return now.saturating_add(limits::ROOM_WAIT);
        }
        first
    }

    fn send(&mut self, message: VeloMessage) {
        self.outputs.push_back(Output::Message { urgent: false, message: Box::new(message) });
    }

    fn send_urgent(&mut self, message: VeloMessage) {
        let message = Box::new(VeloMessage { urgent: true, ..message });
        self.outputs.push_back(Output::Message { urgent: true, message });
    }

    fn send_all(&mut self, messages: Vec<VeloMessage>) {
        for message in messages {
            self.send(message);
        }
    }
}

impl core::fmt::Debug for Executor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Executor")
            .field("running", &self.running.len())
            .field("waiting", &self.waiting.len())
            .field("table_version", &self.table_version())
            .finish_non_exhaustive()
    }
}
