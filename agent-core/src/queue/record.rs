//! One record of the queue: a message, or the note that a flow was cancelled.
//!
//! A record is a kind byte and its content. A message is kept as a `MessageList` of one, because lists may be joined by
//! putting their bytes behind each other.

use super::MONITORING_SESSION;
use super::Priority;
use crate::storage::Lane;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use troodon_proto::{Message, MessageList, VeloMessage};

const MESSAGE: u8 = 1;
const FORGET: u8 = 2;

/// A record as it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Record<'a> {
    /// A serialised `MessageList` with one message.
    Message(&'a [u8]),
    /// The flow with this session id was cancelled; its rows before this record are not sent.
    Forget(&'a str),
    /// Written by a program with other kinds of records.
    Unknown,
}

impl<'a> Record<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        match bytes.split_first() {
            Some((&MESSAGE, list)) => Self::Message(list),
            Some((&FORGET, id)) => core::str::from_utf8(id).map_or(Self::Unknown, Self::Forget),
            _ => Self::Unknown,
        }
    }
}

/// The record that keeps a message.
pub(super) fn emit(message: &VeloMessage) -> Vec<u8> {
    // The field of a list is one tag byte and the length; written by hand, the message need not be cloned into a list.
    let mut bytes = Vec::with_capacity(message.encoded_len().saturating_add(12));
    bytes.push(MESSAGE);
    bytes.push(LIST_FIELD);
    // Encoding into a Vec grows it and does not fail.
    let _ = message.encode_length_delimited(&mut bytes);
    bytes
}

/// Field 1 with a length: `MessageList.job`.
const LIST_FIELD: u8 = 0x0a;

/// The record that remembers a cancelled flow.
pub(super) fn emit_forget(session_id: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(session_id.len().saturating_add(1));
    bytes.push(FORGET);
    bytes.extend_from_slice(session_id.as_bytes());
    bytes
}

/// Where a message waits.
pub(super) fn lane(priority: Priority, message: &VeloMessage) -> Lane {
    match priority {
        Priority::Urgent => Lane::Urgent,
        Priority::Normal if message.session_id == MONITORING_SESSION => Lane::Monitoring,
        Priority::Normal => Lane::Flows,
    }
}

/// The session of a message that a cancelled flow need not send; `None` for logs and statistics, which it must.
pub(super) fn forgettable_session(list: &[u8]) -> Option<String> {
    let message = only(list)?;
    (message.log_message.is_none() && message.flow_stats.is_none()).then_some(message.session_id)
}

/// The artifact of a monitoring message and the rows in it, for the count of losses.
pub(super) fn artifact_and_rows(list: &[u8]) -> Option<(String, u64)> {
    let message = only(list)?;
    if let Some(log) = message.log_message {
        return Some((log.artifact, log.number_of_rows.max(1)));
    }
    let response = message.vql_response?;
    Some((response.query?.name, response.total_rows.max(1)))
}

/// The message of a list of one. Read from [`Bytes`] as everything else is: each other type of buffer would instantiate the
/// reader of all messages, 12 KB, once more.
fn only(list: &[u8]) -> Option<VeloMessage> {
    MessageList::decode(Bytes::copy_from_slice(list)).ok()?.job.pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use troodon_proto::{FlowStats, LogMessage, VqlRequest, VqlResponse};

    #[test]
    fn a_message_is_kept_as_a_list_of_one() {
        let message = VeloMessage { session_id: "F.1".into(), ..Default::default() };
        let record = emit(&message);
        let Record::Message(list) = Record::parse(&record) else { panic!("{record:?}") };
        assert_eq!(MessageList::decode(list).unwrap().job, [message]);
    }

    #[test]
    fn a_record_of_another_kind_is_unknown() {
        for bytes in [&b""[..], b"\x00", b"\x03x", b"\x02\xff"] {
            assert_eq!(Record::parse(bytes), Record::Unknown, "{bytes:?}");
        }
        assert_eq!(Record::parse(&emit_forget("F.1")), Record::Forget("F.1"));
    }

    #[test]
    fn logs_and_statistics_outlive_their_flow() {
        let list = |message: VeloMessage| MessageList { job: [message].into() }.encode_to_vec();
        let base = VeloMessage { session_id: "F.1".into(), ..Default::default() };
        let stats = VeloMessage { flow_stats: Some(FlowStats::default()), ..base.clone() };
        let log = VeloMessage { log_message: Some(LogMessage::default()), ..base.clone() };
        let rows = VeloMessage { vql_response: Some(VqlResponse::default()), ..base };
        assert_eq!(forgettable_session(&list(stats)), None);
        assert_eq!(forgettable_session(&list(log)), None);
        assert_eq!(forgettable_session(&list(rows)).as_deref(), Some("F.1"));
    }

    #[test]
    fn rows_are_counted_under_the_name_they_were_sent_with() {
        let query = Some(VqlRequest { name: "Custom.A".into(), ..Default::default() });
        let response = Some(VqlResponse { query, total_rows: 5, ..Default::default() });
        let message = VeloMessage { vql_response: response, ..Default::default() };
        let list = MessageList { job: [message].into() }.encode_to_vec();
        assert_eq!(artifact_and_rows(&list), Some(("Custom.A".into(), 5)));
    }
}
