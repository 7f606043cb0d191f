//! One collection of the server from its beginning to its end.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use troodon_proto::velo_status::Status;
use troodon_proto::{FlowStats, VeloStatus, VqlCollectorArgs};
use troodon_vql::{Budget, Interrupt, Level, Row, Uploader, json as vql_json};

use super::pace::Pace;
use super::uploads::{FlowFiles, Uploads};
use crate::acl::Principal;
use crate::launcher::Spec;
use crate::limits::{
    COLLECTION_REST_MS, EVENT_GATHER_BYTES, EVENT_GATHER_MS, EVENT_GATHER_ROWS, FLOW_UPLOAD_BYTES,
    ROW_BYTES, SERVER_COLLECTION_LINES, SERVER_COLLECTION_SECONDS,
};
use crate::model::flow::Flow;
use crate::model::id::ArtifactName;
use crate::orgs::Org;
use crate::query::{Asked, Backend, Messages, Running, Turn};
use crate::services::Services;
use crate::store::chunk::Chunk;
use crate::store::{Brought, now_us};

/// A collection that has begun.
pub(super) struct Run {
    services: Services,
    org: Arc<Org>,
    number: i64,
    flow: Flow,
    switch: Interrupt,
    messages: Messages,
    files: Arc<FlowFiles>,
    gathered: Gathered,
    /// What of its rests it has not had: short ones are had together.
    due_rest: Duration,
}

/// Rows of one name that wait to be kept, and how far all queries are.
#[derive(Default)]
struct Gathered {
    name: Option<ArtifactName>,
    rows: Vec<u8>,
    count: usize,
    /// When the oldest of what waits came.
    since: Option<Instant>,
    /// Rows of the whole collection, and their bytes.
    total: u64,
    bytes: u64,
    /// Lines of its log.
    lines: u64,
    queries: Vec<VeloStatus>,
}

/// What of some statements is wanted.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// That they run.
    Nothing,
    /// Whether there is a row.
    Any,
    /// All rows, under this name.
    Rows(&'a ArtifactName),
}

/// Until when a request may run, and how fast.
#[derive(Clone, Copy)]
struct Bounds {
    end: Instant,
    seconds: u64,
    pace: Pace,
}

/// Why a whole collection ends early.
enum End {
    /// It has failed, in these words.
    Failed(String),
    /// Somebody has ended it.
    Unwanted,
}

impl Run {
    pub(super) fn new(
        services: Services,
        org: Arc<Org>,
        number: i64,
        flow: Flow,
        switch: Interrupt,
    ) -> Self {
        let limit = match flow.request.max_upload_bytes {
            0 => FLOW_UPLOAD_BYTES,
            limit => limit,
        };
        let files = Arc::new(FlowFiles::new(org.store.clone(), number, limit));
        let messages = Messages::with_errors(&flow.request.log_error_regex);
        let gathered = Gathered::default();
        Self {
            services,
            org,
            number,
            flow,
            switch,
            messages,
            files,
            gathered,
            due_rest: Duration::ZERO,
        }
    }

    /// Runs all queries, one after the other, and keeps what they bring.
    pub(super) fn finish(mut self) {
        let failure = match self.work() {
            Ok(()) => None,
            Err(End::Unwanted) => return,
            Err(End::Failed(why)) => {
                self.messages.note(Level::Error, &why);
                Some(why)
            }
        };
        if let Err(End::Unwanted) = self.keep() {
            return;
        }
        let ended = self.org.store.end_server_flow(self.number, self.stats(true), failure);
        if let Err(error) = ended {
            tracing::error!(flow = %self.flow.id, %error, "the end of a collection is not kept");
        }
    }

    fn work(&mut self) -> Result<(), End> {
        let owner = self.owner()?;
        let specs: Vec<_> =
            self.flow.artifacts.iter().map(|name| Spec::of(name.artifact())).collect();
        let allowed = self.org.launcher.allow_beginning(&owner, &self.flow.id, &specs);
        allowed.map_err(|error| End::Failed(error.to_string()))?;
        self.messages.note(Level::Info, &format!("Starting as {}", owner.name()));
        let actions = std::mem::take(&mut self.flow.request.vql_client_actions);
        self.gathered.queries = actions.iter().map(waiting).collect();
        for (at, action) in actions.iter().enumerate() {
            let start = Instant::now();
            let done = self.query(at, action, &owner, start);
            let error = self.messages.take_error();
            let status = self.gathered.queries.get_mut(at);
            if let Some(status) = status {
                status.duration = i64::try_from(start.elapsed().as_nanos()).unwrap_or(i64::MAX);
                status.set_status(Status::Ok);
                if let Some(why) = error.or_else(|| done.as_ref().err().and_then(End::words)) {
                    status.set_status(Status::GenericError);
                    status.error_message = why;
                }
            }
            done?;
            self.keep()?;
        }
        Ok(())
    }

    /// Whose rights it has.
    fn owner(&self) -> Result<Principal, End> {
        // No user has the name of the server's own account.
        if self.flow.creator == self.services.acl.server_name() {
            return Ok(Principal::Server { name: self.flow.creator.clone() });
        }
        let name = self.flow.creator.parse();
        name.map(|name| Principal::User { name })
            .map_err(|_| End::Failed(format!("`{}` is no user", self.flow.creator)))
    }

    /// Runs one request. What is wrong with a query is a matter of its status; what ends the collection is an error.
    fn query(
        &mut self,
        at: usize,
        action: &VqlCollectorArgs,
        owner: &Principal,
        start: Instant,
    ) -> Result<(), End> {
        let seconds = if action.timeout == 0 { SERVER_COLLECTION_SECONDS } else { action.timeout };
        let end = start + Duration::from_secs(seconds);
        let bounds = Bounds { end, seconds, pace: Pace::of(action) };
        let variables: Vec<(String, String)> =
            action.env.iter().map(|one| (one.key.clone(), one.value.clone())).collect();
        if !action.precondition.is_empty() {
            let asked = self.asked(action, owner);
            let started = Running::start(&action.precondition, &variables, asked);
            let Some(mut running) = self.said(started) else { return Ok(()) };
            if !self.drive(at, &mut running, Wanted::Any, bounds)? {
                return Ok(());
            }
        }
        let mut texts = action.query.iter();
        let Some(first) = texts.next() else { return Ok(()) };
        let started = Running::start(&first.vql, &variables, self.asked(action, owner));
        let Some(mut running) = self.said(started) else { return Ok(()) };
        let mut current = first;
        loop {
            let name: Option<ArtifactName> = current.name.parse().ok();
            let wanted = name.as_ref().map_or(Wanted::Nothing, Wanted::Rows);
            self.drive(at, &mut running, wanted, bounds)?;
            let Some(next) = texts.next() else { return Ok(()) };
            let gone_on = running.go_on(&next.vql);
            if self.said(gone_on).is_none() {
                return Ok(());
            }
            current = next;
        }
    }

    /// What a text came to; what is wrong with it goes to the log.
    fn said<T>(&self, parsed: Result<T, troodon_vql::ParseError>) -> Option<T> {
        parsed.inspect_err(|error| self.messages.note(Level::Error, &error.to_string())).ok()
    }

    fn asked(&self, action: &VqlCollectorArgs, owner: &Principal) -> Asked {
        let Services { orgs, acl, registry } = &self.services;
        let named = action.query.last().map_or("", |query| query.name.as_str());
        let artifact = named.split_once('/').map_or(named, |(artifact, _)| artifact);
        let files: Box<dyn Uploader> = Box::new(Uploads(Arc::clone(&self.files)));
        Asked {
            backend: Arc::new(Backend::new(orgs, &self.org, acl, owner.clone())),
            registry: Arc::clone(registry),
            log: Box::new(self.messages.clone()),
            interrupt: self.switch.clone(),
            budget: Budget::host(),
            artifact: Some(artifact.to_owned()),
            uploader: Some(Arc::new(files)),
        }
    }

    /// Drives statements to their end, or to the first row when nothing else is asked; answers whether there was one then.
    fn drive(
        &mut self,
        at: usize,
        running: &mut Running,
        wanted: Wanted<'_>,
        bounds: Bounds,
    ) -> Result<bool, End> {
        let fuel = bounds.pace.fuel();
        loop {
            let begun = Instant::now();
            let step = running.step_within(fuel);
            let rest = bounds.pace.rest(begun.elapsed(), running.steps_of(fuel));
            match step {
                Ok(Turn::Row(row)) => match wanted {
                    Wanted::Nothing => {}
                    Wanted::Any => return Ok(true),
                    Wanted::Rows(name) => self.row(at, name, &row)?,
                },
                Ok(Turn::Wait(time)) => {
                    thread::sleep(time.min(Duration::from_millis(EVENT_GATHER_MS)));
                }
                Ok(Turn::Busy) => {}
                Ok(Turn::End) => return Ok(false),
                Err(_) if self.switch.is_set() => {
                    return Err(End::Failed("The server ended while the collection ran".into()));
                }
                Err(stop) => {
                    self.messages.note(Level::Error, &stop.to_string());
                    return Ok(false);
                }
            }
            if self.is_due() {
                self.keep()?;
            }
            self.rest(rest, bounds.end)?;
            if Instant::now() >= bounds.end {
                let seconds = bounds.seconds;
                return Err(End::Failed(format!("Timeout: the query has run for {seconds} s")));
            }
        }
    }

    /// Rests, unless the collection is over meanwhile.
    fn rest(&mut self, rest: Duration, end: Instant) -> Result<(), End> {
        self.due_rest = self.due_rest.saturating_add(rest);
        if self.due_rest < Duration::from_millis(COLLECTION_REST_MS) {
            return Ok(());
        }
        let until = (Instant::now() + std::mem::take(&mut self.due_rest)).min(end);
        while !self.switch.is_set() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(Duration::from_millis(EVENT_GATHER_MS)));
            if self.is_due() {
                self.keep()?;
            }
        }
        Ok(())
    }

    /// Takes one row.
    fn row(&mut self, at: usize, name: &ArtifactName, row: &Row) -> Result<(), End> {
        if self.gathered.name.as_ref() != Some(name) {
            self.keep()?;
            self.gathered.name = Some(name.clone());
        }
        let (max, quotas) = (self.flow.request.max_rows, self.org.store.quotas());
        let gathered = &mut self.gathered;
        let max = if max == 0 { quotas.collection_rows } else { max };
        if gathered.total >= max {
            return Err(End::Failed(format!("more rows than the limit of {max}")));
        }
        let before = gathered.rows.len();
        vql_json::write_row(row, &mut gathered.rows);
        if gathered.rows.len().saturating_sub(before) > ROW_BYTES {
            gathered.rows.truncate(before);
            let text = format!("A row of more than {ROW_BYTES} bytes is left out");
            self.messages.note(Level::Error, &text);
            return Ok(());
        }
        gathered.rows.push(b'\n');
        let length = gathered.rows.len().saturating_sub(before);
        gathered.bytes = gathered.bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if gathered.bytes > quotas.collection_bytes {
            let limit = quotas.collection_bytes;
            return Err(End::Failed(format!("more bytes of rows than the limit of {limit}")));
        }
        gathered.count = gathered.count.saturating_add(1);
        gathered.total = gathered.total.saturating_add(1);
        if let Some(status) = gathered.queries.get_mut(at) {
            status.result_rows = status.result_rows.saturating_add(1);
            if !status.names_with_response.iter().any(|one| one == name.as_str()) {
                status.names_with_response.push(name.to_string());
            }
        }
        Ok(())
    }

    /// Whether what waits is enough, or has waited long enough; progress is kept as often.
    fn is_due(&mut self) -> bool {
        let gathered = &mut self.gathered;
        let since = *gathered.since.get_or_insert_with(Instant::now);
        gathered.rows.len() >= EVENT_GATHER_BYTES
            || gathered.count >= EVENT_GATHER_ROWS
            || since.elapsed() >= Duration::from_millis(EVENT_GATHER_MS)
    }

    /// Keeps all that waits.
    fn keep(&mut self) -> Result<(), End> {
        let lines = self.messages.lines();
        let rows = chunk(std::mem::take(&mut self.gathered.rows))?;
        (self.gathered.count, self.gathered.since) = (0, None);
        let named = self.gathered.name.clone().filter(|_| rows.rows() > 0);
        let most = match self.flow.request.max_logs {
            0 => SERVER_COLLECTION_LINES,
            most => most,
        };
        let log = chunk(if self.gathered.lines < most { lines.text } else { Vec::new() })?;
        self.gathered.lines = self.gathered.lines.saturating_add(log.rows());
        self.count_lines(log.rows());
        let rows = named.map(|name| (name, rows)).into_iter().collect();
        let brought = Brought { rows, log, stats: self.stats(false) };
        match self.org.store.keep_brought(self.number, brought) {
            Ok(true) => {
                self.messages.forget(lines.count);
                Ok(())
            }
            Ok(false) => {
                self.switch.set();
                Err(End::Unwanted)
            }
            Err(error) => Err(End::Failed(error.to_string())),
        }
    }

    /// Counts lines of the log for the query that runs.
    fn count_lines(&mut self, lines: u64) {
        let mut queries = self.gathered.queries.iter_mut();
        if let Some(status) = queries.find(|status| status.status() == Status::Progress) {
            let lines = i64::try_from(lines).unwrap_or(i64::MAX);
            status.log_rows = status.log_rows.saturating_add(lines);
        }
    }

    fn stats(&self, is_complete: bool) -> FlowStats {
        let counts = self.files.counts();
        let mut query_status = self.gathered.queries.clone();
        if let Some(first) = query_status.first_mut() {
            // All queries of a collection share its files.
            first.uploaded_files = i64::try_from(counts.files).unwrap_or(i64::MAX);
            first.uploaded_bytes = i64::try_from(counts.bytes).unwrap_or(i64::MAX);
            first.expected_uploaded_bytes = first.uploaded_bytes;
        }
        FlowStats { query_status, flow_complete: is_complete, ..FlowStats::default() }
    }
}

impl End {
    fn words(&self) -> Option<String> {
        match self {
            Self::Failed(why) => Some(why.clone()),
            Self::Unwanted => None,
        }
    }
}

/// The status of a request that waits.
fn waiting(action: &VqlCollectorArgs) -> VeloStatus {
    let mut status = VeloStatus {
        query_id: action.query_id,
        total_queries: action.total_queries,
        first_active: now_us(),
        ..VeloStatus::default()
    };
    status.set_status(Status::Progress);
    status
}

fn chunk(lines: Vec<u8>) -> Result<Chunk, End> {
    Chunk::from_plain(Bytes::from(lines)).map_err(|fault| End::Failed(fault.to_string()))
}
