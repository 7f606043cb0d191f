//! An executor with a clock that stands still until a test moves it, and notes of what it wanted.

use std::sync::{Arc, Mutex};

use troodon_core::executor::{Executor, NoRoom, Outlet, Output, Setting, Sizes};
use troodon_core::time::{Instant, Span, UnixTime};
use troodon_proto::{
    Cancel, FileBuffer, FlowRequest, FlowStats, FlowStatsRequest, LogMessage, ResumeTransactions,
    VeloMessage, VeloStatus, VqlCollectorArgs, VqlEnv, VqlEventTable, VqlRequest, VqlResponse,
};
use troodon_vql::{RowBuilder, Value};

use crate::plugins;

/// The wall clock when a test begins, in seconds.
pub(crate) const START: u64 = 1_700_000_000;

pub(crate) struct Bench {
    pub(crate) executor: Executor,
    pub(crate) now: Instant,
    pub(crate) room: usize,
    pub(crate) notes: Notes,
    pub(crate) polls: usize,
    files: Arc<Files>,
}

/// What the executor wanted, in order.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) outputs: Vec<Output>,
}

/// Takes chunks of files, up to a number.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) chunks: Mutex<Vec<VeloMessage>>,
    pub(crate) max: Option<usize>,
}

impl Outlet for Files {
    fn send(&self, message: Box<VeloMessage>) -> Result<(), NoRoom> {
        let mut chunks = self.chunks.lock().unwrap();
        if self.max.is_some_and(|max| chunks.len() >= max) {
            return Err(NoRoom);
        }
        chunks.push(*message);
        Ok(())
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Sizes::host(), Files::default())
    }

    pub(crate) fn with(sizes: Sizes, files: Files) -> Self {
        let files = Arc::new(files);
        let mut version = RowBuilder::new();
        version.set("Name", "troodon").set("Version", "0.1.0");
        let mut config = RowBuilder::new();
        config.set("Version", version.build()).set("Labels", Value::Null);
        let setting = Setting {
            registry: Arc::new(plugins::registry()),
            config: Value::from(config.build()),
            prepare: Arc::new(|_| ()),
            outlet: Arc::<Files>::clone(&files),
            sizes,
        };
        Self {
            executor: Executor::new(setting),
            now: Instant::from_micros(1),
            room: usize::MAX,
            notes: Notes::default(),
            polls: 0,
            files,
        }
    }

    /// Polls until the executor wants to wait; answers until when.
    pub(crate) fn settle(&mut self) -> Instant {
        loop {
            self.polls += 1;
            assert!(self.polls < 200_000, "the executor does not come to rest");
            match self.executor.poll(self.now, self.wall(), self.room) {
                Output::Wait(until) if until > self.now => return until,
                Output::Wait(_) => {}
                output => self.notes.outputs.push(output),
            }
        }
    }

    /// Lets time pass, with a stop wherever the executor asks for one.
    pub(crate) fn pass(&mut self, span: Span) {
        let end = self.now.saturating_add(span);
        loop {
            let until = self.settle();
            if until > end {
                self.now = end;
                self.settle();
                return;
            }
            self.now = until;
        }
    }

    pub(crate) fn pass_seconds(&mut self, seconds: u64) {
        self.pass(Span::from_secs(seconds));
    }

    /// Tells the executor to run statements as one batch, `("", "LET X = 1")` first.
    pub(crate) fn collect(&mut self, id: &str, statements: &[(&str, &str)]) {
        self.ask(id, request(vec![args(statements)]));
    }

    pub(crate) fn ask(&mut self, id: &str, request: FlowRequest) {
        self.executor
            .danger_handle_unverified(message(id, |message| message.flow_request = Some(request)));
    }

    pub(crate) fn cancel(&mut self, id: &str) {
        self.executor.danger_handle_unverified(message(id, |message| {
            message.cancel = Some(Cancel::default())
        }));
    }

    pub(crate) fn ask_about(&mut self, ids: &[&str]) {
        let flow_id = ids.iter().map(ToString::to_string).collect();
        self.executor.danger_handle_unverified(message("F.Status", |message| {
            message.flow_stats_request = Some(FlowStatsRequest { flow_id });
        }));
    }

    pub(crate) fn resume(&mut self, id: &str, query_stats: Vec<VeloStatus>) {
        let resume = ResumeTransactions { flow_id: id.into(), query_stats, ..Default::default() };
        self.executor.danger_handle_unverified(message(id, |message| {
            message.resume_transactions = Some(resume);
        }));
    }

    pub(crate) fn table(&mut self, version: u64, event: Vec<VqlCollectorArgs>) {
        self.executor.danger_handle_unverified(message("F.Monitoring", |message| {
            message.update_event_table = Some(VqlEventTable { event, version });
        }));
    }

    /// Chunks of files that went out.
    pub(crate) fn chunks(&self) -> Vec<FileBuffer> {
        let chunks = self.files.chunks.lock().unwrap();
        chunks.iter().map(|message| message.file_buffer.clone().unwrap()).collect()
    }

    pub(crate) fn wall(&self) -> UnixTime {
        UnixTime::from_secs(START).saturating_add(self.now.since(Instant::ORIGIN))
    }
}

impl Notes {
    pub(crate) fn messages(&self, session_id: &str) -> Vec<&VeloMessage> {
        let mut messages = Vec::new();
        for output in &self.outputs {
            if let Output::Message { message, .. } = output
                && message.session_id == session_id
            {
                messages.push(&**message);
            }
        }
        messages
    }

    pub(crate) fn responses(&self, id: &str) -> Vec<&VqlResponse> {
        self.messages(id).into_iter().filter_map(|it| it.vql_response.as_ref()).collect()
    }

    /// All rows of a flow or of monitoring, one line each.
    pub(crate) fn rows(&self, id: &str) -> Vec<String> {
        let parts = self.responses(id).into_iter().map(|part| text(&part.jsonl_response));
        parts.flat_map(|part| part.lines().map(String::from).collect::<Vec<_>>()).collect()
    }

    pub(crate) fn stats(&self, id: &str) -> Vec<&FlowStats> {
        self.messages(id).into_iter().filter_map(|it| it.flow_stats.as_ref()).collect()
    }

    /// The statuses of the last statistics, which must be complete.
    pub(crate) fn end(&self, id: &str) -> &[VeloStatus] {
        let stats = self.stats(id);
        let complete: Vec<_> = stats.iter().filter(|stats| stats.flow_complete).collect();
        assert_eq!(complete.len(), 1, "a flow ends once: {stats:?}");
        assert!(stats.last().unwrap().flow_complete, "the end comes last");
        &complete[0].query_status
    }

    pub(crate) fn log_batches(&self, id: &str) -> Vec<&LogMessage> {
        self.messages(id).into_iter().filter_map(|it| it.log_message.as_ref()).collect()
    }

    pub(crate) fn log(&self, id: &str) -> String {
        self.log_batches(id).into_iter().map(|batch| text(&batch.jsonl)).collect()
    }
}

pub(crate) fn message(id: &str, fill: impl FnOnce(&mut VeloMessage)) -> VeloMessage {
    let mut message = VeloMessage { session_id: id.into(), ..VeloMessage::default() };
    fill(&mut message);
    message
}

pub(crate) fn request(vql_client_actions: Vec<VqlCollectorArgs>) -> FlowRequest {
    FlowRequest { vql_client_actions, ..FlowRequest::default() }
}

/// A batch of `(name, VQL)`.
pub(crate) fn args(statements: &[(&str, &str)]) -> VqlCollectorArgs {
    let query = statements
        .iter()
        .map(|(name, vql)| VqlRequest { name: (*name).into(), vql: (*vql).into() });
    VqlCollectorArgs { query: query.collect(), ..VqlCollectorArgs::default() }
}

pub(crate) fn env(key: &str, value: &str) -> VqlEnv {
    VqlEnv { key: key.into(), value: value.into(), ..VqlEnv::default() }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8")
}
