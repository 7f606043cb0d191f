//! Event queries: they run as long as the agent does, by a table that the server sends (docs/protocol.md section 7).

mod event;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use troodon_proto::{VeloMessage, VqlCollectorArgs, VqlEventTable};

use crate::flow::batch::name_of;
use crate::flow::moment::Moment;
use crate::flow::setting::Setting;
use crate::flow::uploads::FlowUploads;
use crate::limits;
use crate::time::Instant;

use event::EventQuery;

/// `session_id` of all that event queries send (docs/protocol.md section 1.4).
pub(crate) const SESSION_ID: &str = "F.Monitoring";

/// The event table and the queries that run by it.
#[derive(Default)]
pub(crate) struct Monitoring {
    version: u64,
    queries: Vec<EventQuery>,
    /// The query that runs next.
    turn: usize,
    uploads: Option<Arc<FlowUploads>>,
}

impl Monitoring {
    /// Takes up the table of the last run, unless there is a later one.
    pub(crate) fn restore(&mut self, table: VqlEventTable) {
        if self.queries.is_empty() && table.version > self.version {
            self.version = table.version;
            self.queries = wanted(table).map(EventQuery::new).collect();
        }
    }

    /// Version of the table, 0 without one.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Replaces the table by a later one. A query that is in both goes on as if nothing had happened; one that is only in
    /// the old table ships what it has.
    pub(crate) fn update(
        &mut self,
        table: VqlEventTable,
        moment: Moment,
        out: &mut Vec<VeloMessage>,
    ) {
        if table.version <= self.version {
            return;
        }
        self.version = table.version;
        let mut before = mem::take(&mut self.queries);
        for args in wanted(table) {
            let same = before.iter().position(|query| query.is_for(&args));
            let query = match same.map(|at| before.swap_remove(at)) {
                Some(query) => query,
                None => EventQuery::new(args),
            };
            self.queries.push(query);
        }
        for mut query in before {
            query.stop(moment, out);
        }
    }

    /// Does what is due by time: starts, restarts, rows and log lines that waited long enough.
    pub(crate) fn tick(&mut self, setting: &Setting, moment: Moment, out: &mut Vec<VeloMessage>) {
        let uploads = self.uploads.get_or_insert_with(|| {
            let outlet = Arc::clone(&setting.outlet);
            let session_id = String::from(SESSION_ID);
            Arc::new(FlowUploads::new(session_id, outlet, setting.sizes.chunk_bytes, 0))
        });
        for query in &mut self.queries {
            query.tick(setting, uploads, self.version, moment, out);
        }
    }

    /// Does one slice of work of the next query that has any; says whether there was one.
    pub(crate) fn run(
        &mut self,
        setting: &Setting,
        moment: Moment,
        out: &mut Vec<VeloMessage>,
    ) -> bool {
        let count = self.queries.len();
        let first = self.turn.min(count);
        for at in (first..count).chain(0..first) {
            let Some(query) = self.queries.get_mut(at) else { continue };
            if query.run(setting.sizes.slice_fuel(), moment, out) {
                self.turn = at.saturating_add(1);
                return true;
            }
        }
        false
    }

    /// When there is something to do at the latest.
    pub(crate) fn wake_at(&self) -> Instant {
        self.queries.iter().map(EventQuery::wake_at).min().unwrap_or(Instant::NEVER)
    }
}

/// The queries of a table that can send anything: those with a name.
fn wanted(table: VqlEventTable) -> impl Iterator<Item = VqlCollectorArgs> {
    let has_name = |args: &VqlCollectorArgs| !name_of(args).is_empty();
    table.event.into_iter().filter(has_name).take(limits::EVENT_QUERIES)
}
