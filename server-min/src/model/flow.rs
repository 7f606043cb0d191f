//! One collection on one client, or on the server: what was asked, how far it is, how it ended.

use std::collections::BTreeSet;

use serde::Serialize;
use troodon_proto::velo_status::Status;
use troodon_proto::{FlowRequest, FlowStats, VeloStatus};

use super::id::{ArtifactName, FlowId};
use super::site::Site;

/// Microseconds without statistics after which a delivered collection counts as unresponsive.
pub const UNRESPONSIVE_AFTER_US: u64 = 300_000_000;

/// A collection to be queued.
#[derive(Debug, Clone)]
pub struct NewFlow {
    /// Chosen by the caller: [`FlowId::generate`], or the id that a hunt prescribes.
    pub id: FlowId,
    /// Who asked for it.
    pub creator: String,
    /// The artifacts that were launched.
    pub artifacts: Vec<ArtifactName>,
    /// What was asked for, as JSON: artifacts and parameters. For display only.
    pub spec: serde_json::Value,
    /// What the agent gets, with plain names.
    pub request: FlowRequest,
    /// Overtakes other collections, here and on the agent.
    pub urgent: bool,
}

/// A collection as the store knows it.
///
/// Times are microseconds since 1970; 0 means never.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Where it runs.
    pub site: Site,
    /// Its id on that client.
    pub id: FlowId,
    /// Who asked for it.
    pub creator: String,
    /// The artifacts that were launched.
    pub artifacts: Vec<ArtifactName>,
    /// What was asked for, as JSON.
    pub spec: serde_json::Value,
    /// What the agent got or will get.
    pub request: FlowRequest,
    /// Overtakes other collections.
    pub urgent: bool,
    /// When it was queued.
    pub created_us: u64,
    /// When it was last handed to the agent.
    pub delivered_us: u64,
    /// When the agent was last heard about it.
    pub active_us: u64,
    /// Nothing more is expected of the agent.
    pub complete: bool,
    /// Why the server ended it: cancelled by somebody, or lost by the agent.
    pub failure: Option<String>,
    /// The last statistics of the agent.
    pub stats: FlowStats,
}

/// How far a collection is. Names and numbers are those of Velociraptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FlowState {
    /// Queued, not handed to the agent.
    Running = 1,
    /// Ended well.
    Finished = 2,
    /// Ended badly, or one of its queries did.
    Error = 3,
    /// The agent works on it.
    InProgress = 4,
    /// The agent has it and has been silent for [`UNRESPONSIVE_AFTER_US`].
    Unresponsive = 5,
    /// The agent has it and has not answered.
    Waiting = 6,
}

impl FlowState {
    /// The name that administrators see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Error => "ERROR",
            Self::InProgress => "IN_PROGRESS",
            Self::Unresponsive => "UNRESPONSIVE",
            Self::Waiting => "WAITING",
        }
    }

    /// Whether nothing more will come.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Error)
    }
}

/// Sums over the queries of a collection, as the agent reports them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Rows.
    pub rows: u64,
    /// Lines of the query log.
    pub logs: u64,
    /// Files.
    pub uploaded_files: u64,
    /// Bytes of files that have been sent.
    pub uploaded_bytes: u64,
    /// Bytes of files that are to be sent.
    pub expected_bytes: u64,
    /// Nanoseconds of the longest query.
    pub duration_ns: u64,
}

impl Flow {
    /// How far the collection is.
    #[must_use]
    pub fn state(&self, now_us: u64) -> FlowState {
        if self.failure.is_some() || self.failed_query().is_some() {
            return FlowState::Error;
        }
        let queries = &self.stats.query_status;
        let all_well = queries.iter().all(|query| query.status() == Status::Ok);
        if (self.complete || !queries.is_empty()) && all_well {
            return FlowState::Finished;
        }
        match (self.delivered_us, self.active_us) {
            (0, _) => FlowState::Running,
            (_, 0) => FlowState::Waiting,
            (_, active) if now_us.saturating_sub(active) <= UNRESPONSIVE_AFTER_US => {
                FlowState::InProgress
            }
            _ => FlowState::Unresponsive,
        }
    }

    /// What went wrong first, in words.
    #[must_use]
    pub fn status(&self) -> &str {
        match &self.failure {
            Some(failure) => failure,
            None => self.failed_query().map_or("", |query| &query.error_message),
        }
    }

    /// When it is not begun any more, in microseconds since 1970; 0: it waits as long as it takes.
    #[must_use]
    pub fn expires_us(&self) -> u64 {
        expires_us(&self.request)
    }

    /// Sums over the queries.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let count = |value: i64| u64::try_from(value).unwrap_or_default();
        self.stats.query_status.iter().fold(Totals::default(), |sum, query| Totals {
            rows: sum.rows.saturating_add(count(query.result_rows)),
            logs: sum.logs.saturating_add(count(query.log_rows)),
            uploaded_files: sum.uploaded_files.saturating_add(count(query.uploaded_files)),
            uploaded_bytes: sum.uploaded_bytes.saturating_add(count(query.uploaded_bytes)),
            expected_bytes: sum.expected_bytes.saturating_add(count(query.expected_uploaded_bytes)),
            duration_ns: sum.duration_ns.max(count(query.duration)),
        })
    }

    fn failed_query(&self) -> Option<&VeloStatus> {
        self.stats
            .query_status
            .iter()
            .find(|query| matches!(query.status(), Status::GenericError | Status::UnknownFlow))
    }
}

/// When a request is not begun any more, in microseconds since 1970; 0: never.
#[must_use]
pub fn expires_us(request: &FlowRequest) -> u64 {
    let seconds = request.vql_client_actions.iter().map(|action| action.expiry).max();
    seconds.unwrap_or_default().saturating_mul(1_000_000)
}

/// The names under which a request may bring rows: those of its queries, before obfuscation.
#[must_use]
pub fn names_of(request: &FlowRequest) -> BTreeSet<ArtifactName> {
    let actions = request.vql_client_actions.iter().chain(&request.trace);
    actions.flat_map(|action| &action.query).filter_map(|query| query.name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow {
            site: "C.0123456789abcdef".parse().unwrap(),
            id: "F.TEST".parse().unwrap(),
            creator: "admin".into(),
            artifacts: Vec::new(),
            spec: serde_json::Value::Null,
            request: FlowRequest::default(),
            urgent: false,
            created_us: 1,
            delivered_us: 0,
            active_us: 0,
            complete: false,
            failure: None,
            stats: FlowStats::default(),
        }
    }

    fn query(status: Status) -> VeloStatus {
        VeloStatus {
            status: status.into(),
            error_message: format!("{status:?}"),
            ..VeloStatus::default()
        }
    }

    #[test]
    fn a_collection_goes_from_queued_to_unresponsive_when_nothing_is_heard() {
        let mut flow = flow();
        assert_eq!(flow.state(5), FlowState::Running);
        flow.delivered_us = 10;
        assert_eq!(flow.state(20), FlowState::Waiting);
        flow.active_us = 30;
        flow.stats.query_status = vec![query(Status::Progress)];
        assert_eq!(flow.state(30 + UNRESPONSIVE_AFTER_US), FlowState::InProgress);
        assert_eq!(flow.state(31 + UNRESPONSIVE_AFTER_US), FlowState::Unresponsive);
    }

    #[test]
    fn one_failed_query_is_an_error_while_others_go_on() {
        let mut flow = flow();
        flow.delivered_us = 10;
        flow.stats.query_status =
            vec![query(Status::Progress), query(Status::GenericError), query(Status::UnknownFlow)];
        assert_eq!(flow.state(20), FlowState::Error);
        assert_eq!(flow.status(), "GenericError");
    }

    #[test]
    fn a_collection_is_finished_when_all_queries_are() {
        let mut flow = flow();
        flow.delivered_us = 10;
        flow.stats.query_status = vec![query(Status::Ok), query(Status::Progress)];
        flow.active_us = 15;
        assert_eq!(flow.state(20), FlowState::InProgress);
        flow.stats.query_status = vec![query(Status::Ok), query(Status::Ok)];
        assert_eq!(flow.state(20), FlowState::Finished);
    }

    #[test]
    fn totals_are_sums_and_negative_claims_count_as_nothing() {
        let mut flow = flow();
        let mut first = query(Status::Ok);
        (first.result_rows, first.duration) = (7, 100);
        let mut second = query(Status::Ok);
        (second.result_rows, second.duration) = (-7, 50);
        flow.stats.query_status = vec![first, second];
        let totals = flow.totals();
        assert_eq!((totals.rows, totals.duration_ns), (7, 100));
    }

    #[test]
    fn states_have_the_names_of_velociraptor_and_two_of_them_are_the_end() {
        for (state, name, is_over) in [
            (FlowState::Running, "RUNNING", false),
            (FlowState::Finished, "FINISHED", true),
            (FlowState::Error, "ERROR", true),
            (FlowState::InProgress, "IN_PROGRESS", false),
            (FlowState::Unresponsive, "UNRESPONSIVE", false),
            (FlowState::Waiting, "WAITING", false),
        ] {
            assert_eq!((state.name(), state.is_over()), (name, is_over));
        }
    }

    #[test]
    fn a_request_names_the_rows_that_it_may_bring() {
        use troodon_proto::{VqlCollectorArgs, VqlRequest};
        let action = |names: &[&str]| VqlCollectorArgs {
            query: names.iter().map(|name| query_named(name)).collect(),
            ..VqlCollectorArgs::default()
        };
        fn query_named(name: &str) -> VqlRequest {
            VqlRequest { name: name.into(), ..VqlRequest::default() }
        }
        let request = FlowRequest {
            vql_client_actions: vec![action(&["", "A.B/C"])],
            trace: vec![action(&["T.R"])],
            ..FlowRequest::default()
        };
        let names: Vec<_> = names_of(&request).into_iter().map(|name| name.to_string()).collect();
        assert_eq!(names, ["A.B/C", "T.R"]);
    }
}
