//! Counts of monitoring rows that were given up, by artifact, and the log messages that report them.

use super::{CLIENT_INFO_ARTIFACT, MONITORING_SESSION};
use crate::limits::LOSS_NAMES;
use crate::state::StoredLosses;
use crate::time::UnixTime;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use troodon_proto::{LogMessage, MessageList, VeloMessage};

/// Rows, by artifact.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Losses(Vec<(String, u64)>);

impl Losses {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts `rows` of `artifact`. A storm of names is counted under one that every server knows.
    pub(super) fn add(&mut self, artifact: &str, rows: u64) {
        let fits = self.count(artifact).is_some() || self.0.len() < LOSS_NAMES;
        let artifact = if fits && !artifact.is_empty() { artifact } else { CLIENT_INFO_ARTIFACT };
        match self.count(artifact) {
            Some(count) => *count = count.saturating_add(rows),
            None => self.0.push((artifact.to_string(), rows)),
        }
    }

    fn count(&mut self, artifact: &str) -> Option<&mut u64> {
        self.0.iter_mut().find(|(name, _)| name == artifact).map(|(_, count)| count)
    }

    /// Takes away what was delivered after all, or reported.
    pub(super) fn subtract(&mut self, other: &Self) {
        for (artifact, rows) in &other.0 {
            if let Some(count) = self.count(artifact) {
                *count = count.saturating_sub(*rows);
            }
        }
        self.0.retain(|(_, rows)| *rows > 0);
    }

    /// One serialised `MessageList` for each artifact: a log line that says how many rows are missing.
    pub(super) fn reports(&self, now: Option<UnixTime>) -> Vec<Vec<u8>> {
        self.0.iter().map(|(artifact, rows)| report(artifact, *rows, now)).collect()
    }

    pub(super) fn to_stored(&self) -> StoredLosses {
        StoredLosses { rows: self.0.clone() }
    }
}

impl From<StoredLosses> for Losses {
    fn from(stored: StoredLosses) -> Self {
        Self(stored.rows)
    }
}

/// docs/protocol.md section 7.4; the form of the line is that of section 6.4.
fn report(artifact: &str, rows: u64, now: Option<UnixTime>) -> Vec<u8> {
    let time = now.unwrap_or(UnixTime::EPOCH).as_seconds();
    let jsonl = format!(
        "{{\"client_time\":{time},\"level\":\"WARN\",\"message\":\
         \"{rows} rows were lost: the queue on the endpoint was full\"}}\n"
    );
    let log = LogMessage {
        artifact: artifact.to_string(),
        number_of_rows: 1,
        jsonl: jsonl.into(),
        ..Default::default()
    };
    let message = VeloMessage {
        session_id: MONITORING_SESSION.to_string(),
        log_message: Some(log),
        ..Default::default()
    };
    troodon_proto::Message::encode_to_vec(&MessageList { job: [message].into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use troodon_proto::Message;

    #[test]
    fn a_report_names_the_artifact_and_the_count() {
        let mut losses = Losses::default();
        losses.add("Custom.A", 2);
        losses.add("Custom.A", 3);
        let reports = losses.reports(Some(UnixTime::from_secs(1_700_000_000)));
        assert_eq!(reports.len(), 1);
        let message = MessageList::decode(reports[0].as_slice()).unwrap().job.pop().unwrap();
        assert_eq!(message.session_id, "F.Monitoring");
        let log = message.log_message.unwrap();
        assert_eq!((log.artifact.as_str(), log.number_of_rows), ("Custom.A", 1));
        assert_eq!(
            core::str::from_utf8(&log.jsonl).unwrap(),
            "{\"client_time\":1700000000,\"level\":\"WARN\",\"message\":\
             \"5 rows were lost: the queue on the endpoint was full\"}\n"
        );
    }

    #[test]
    fn what_is_subtracted_is_not_reported_again() {
        let mut losses = Losses::default();
        losses.add("A", 5);
        losses.add("B", 1);
        let reported = losses.clone();
        losses.add("A", 2);
        losses.subtract(&reported);
        assert_eq!(losses.0, [("A".to_string(), 2)]);
    }

    #[test]
    fn too_many_names_are_counted_under_one() {
        let mut losses = Losses::default();
        for number in 0..LOSS_NAMES + 10 {
            losses.add(&format!("Custom.{number}"), 1);
        }
        assert!(losses.0.len() <= LOSS_NAMES + 1);
        assert_eq!(losses.count(CLIENT_INFO_ARTIFACT), Some(&mut 10));
        let all: u64 = losses.0.iter().map(|(_, rows)| rows).sum();
        assert_eq!(all, u64::try_from(LOSS_NAMES).unwrap() + 10);
    }
}
