//! How the last flows ended, for a server that missed it (docs/protocol.md section 6.8).

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec;

use troodon_proto::{FlowStats, VeloStatus, velo_status::Status};

use crate::limits;

/// The last finished flows; the oldest is forgotten first.
#[derive(Debug, Default)]
pub(crate) struct History {
    ended: VecDeque<(String, FlowStats)>,
}

impl History {
    /// Notes how a flow ended.
    pub(crate) fn note(&mut self, id: String, stats: FlowStats) {
        self.ended.retain(|(known, _)| *known != id);
        while self.ended.len() >= limits::FLOWS_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((id, stats));
    }

    /// How the flow ended, if it is remembered.
    pub(crate) fn find(&self, id: &str) -> Option<&FlowStats> {
        self.ended.iter().find(|(known, _)| known == id).map(|(_, stats)| stats)
    }
}

/// The answer about a flow that this agent does not know, for example after a restart. Without it the server would
/// count the flow as running for ever.
pub(crate) fn unknown() -> FlowStats {
    FlowStats {
        query_status: vec![VeloStatus {
            status: Status::UnknownFlow.into(),
            error_message: "the agent does not know this flow; it may have restarted".into(),
            ..VeloStatus::default()
        }],
        flow_complete: true,
        ..FlowStats::default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn the_oldest_flow_is_forgotten_first() {
        let mut history = History::default();
        for number in 0..=limits::FLOWS_REMEMBERED {
            history.note(format!("F.{number}"), FlowStats::default());
        }
        assert_eq!(history.find("F.0"), None);
        assert!(history.find("F.1").is_some());
        assert!(history.find(&format!("F.{}", limits::FLOWS_REMEMBERED)).is_some());
    }

    #[test]
    fn a_flow_that_ran_twice_is_remembered_by_its_last_end() {
        let mut history = History::default();
        history.note("F.1".into(), FlowStats::default());
        history.note("F.1".into(), FlowStats { flow_complete: true, ..FlowStats::default() });
        assert_eq!(history.ended.len(), 1);
        assert!(history.find("F.1").is_some_and(|stats| stats.flow_complete));
    }
}
