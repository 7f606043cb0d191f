//! From a verified message to a fact: names revealed, rows checked, data inflated.

use bytes::Bytes;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use sha2::{Digest, Sha256};
use troodon_core::obfuscation::Obfuscator;
use troodon_proto::{FileBuffer, FlowStats, LogMessage, Message, VeloMessage, VqlResponse};

use super::{Fact, Refusal, claims};
use crate::limits;
use crate::model::id::{ArtifactName, FlowId};
use crate::store::chunk::Chunk;

/// The session in which an agent says which event table it has.
const FOREMAN: &str = "E.Foreman";
/// The session of certificate requests; of no interest once the sender is known.
const ENROL: &str = "E:Enrol";

/// What a message is about; `None` when it is about nothing that is kept.
pub(super) fn fact(
    message: VeloMessage,
    names: Option<&Obfuscator>,
) -> Result<Option<Fact>, Refusal> {
    if let Some(foreman) = message.foreman_checkin {
        return Ok(Some(Fact::EventTable(foreman.last_event_table_version)));
    }
    match message.session_id.as_str() {
        FlowId::MONITORING => event(message, names),
        FOREMAN | ENROL | FlowId::STATUS => Ok(None),
        session => {
            let flow = session.parse().map_err(|_| {
                Refusal::Session(session.chars().take(limits::QUOTED_NAME_CHARS).collect())
            })?;
            of_flow(flow, message, names)
        }
    }
}

/// One payload counts, in this order (docs/protocol.md section 1.2).
fn of_flow(
    flow: FlowId,
    message: VeloMessage,
    names: Option<&Obfuscator>,
) -> Result<Option<Fact>, Refusal> {
    if let Some(log) = message.log_message {
        let start_row = count(log.id);
        return Ok(log_chunk(log, names)?.map(|chunk| Fact::Logs { flow, start_row, chunk }));
    }
    if let Some(response) = message.vql_response {
        let start_row = response.query_start_row;
        let name = name_of(&response, names)?;
        let chunk = rows(response)?;
        return Ok((chunk.rows() > 0).then_some(Fact::Rows { flow, name, start_row, chunk }));
    }
    if let Some(stats) = message.flow_stats {
        return Ok(Some(Fact::Stats { flow, stats: plain(stats, names)? }));
    }
    if let Some(part) = message.file_buffer {
        return file(flow, part).map(Some);
    }
    match message.upload_transaction {
        // Bookkeeping that the parts of the file repeat.
        Some(_) => Ok(None),
        None => Err(Refusal::Payload),
    }
}

/// One payload counts, in this order (docs/protocol.md section 1.2).
fn event(message: VeloMessage, names: Option<&Obfuscator>) -> Result<Option<Fact>, Refusal> {
    if let Some(response) = message.vql_response {
        let name = name_of(&response, names)?;
        if name.as_str() == claims::CLIENT_INFO {
            return claims::of_client_info(&rows_text(&response)?).map(Some);
        }
        // Event rows carry no row number that could be relied on; a time tells equal rows apart.
        let distinct = response.timestamp > 0 || response.query_start_row > 0;
        let digest = distinct.then(|| digest(&response));
        let chunk = rows(response)?;
        let fact = Fact::Event { name, log: false, digest, chunk };
        return Ok(Some(fact));
    }
    if let Some(log) = message.log_message {
        let name = revealed(&log.artifact, names)?;
        let digest = digest(&log);
        let chunk = log_chunk(log, names)?;
        return Ok(chunk.map(|chunk| Fact::Event { name, log: true, digest: Some(digest), chunk }));
    }
    Err(Refusal::Payload)
}

fn digest(message: &impl Message) -> [u8; 16] {
    let hash = Sha256::digest(message.encode_to_vec());
    let mut short = [0; 16];
    short.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    short
}

fn name_of(response: &VqlResponse, names: Option<&Obfuscator>) -> Result<ArtifactName, Refusal> {
    revealed(response.query.as_ref().map_or("", |query| &query.name), names)
}

/// A name as the agent sent it, obfuscated or plain.
fn revealed(name: &str, names: Option<&Obfuscator>) -> Result<ArtifactName, Refusal> {
    let plain = match names.filter(|_| name.starts_with('$')) {
        Some(names) => names.reveal(name).ok_or(Refusal::Name)?,
        None => name.to_owned(),
    };
    plain.parse().map_err(|_| Refusal::Name)
}

fn rows(response: VqlResponse) -> Result<Chunk, Refusal> {
    if response.uncompressed_size > 0 {
        return Ok(Chunk::from_zlib(response.compressed_json_response)?);
    }
    Ok(Chunk::from_plain(response.jsonl_response)?)
}

/// The rows of a message that an agent never compresses.
fn rows_text(response: &VqlResponse) -> Result<Bytes, Refusal> {
    Ok(response.jsonl_response.clone())
}

/// The lines of a log with names revealed; `None` when there are none.
fn log_chunk(log: LogMessage, names: Option<&Obfuscator>) -> Result<Option<Chunk>, Refusal> {
    let lines = match names.filter(|_| log.jsonl.contains(&b'$')) {
        Some(names) => Bytes::from(names.reveal_in(&String::from_utf8_lossy(&log.jsonl))),
        None => log.jsonl,
    };
    let chunk = Chunk::from_plain(lines)?;
    Ok((chunk.rows() > 0).then_some(chunk))
}

/// Statistics with names revealed and texts of bearable length.
fn plain(mut stats: FlowStats, names: Option<&Obfuscator>) -> Result<FlowStats, Refusal> {
    if stats.encoded_len() > limits::STATS_BYTES {
        let limit = u64::try_from(limits::STATS_BYTES).unwrap_or(u64::MAX);
        return Err(Refusal::Quota { what: "the bytes of statistics", limit });
    }
    let lists = stats.query_status.iter_mut().map(|query| &mut query.names_with_response);
    for name in lists.chain([&mut stats.names_with_response]).flatten() {
        if let Some(shown) = names.and_then(|names| names.reveal(name)) {
            *name = shown;
        }
    }
    Ok(stats)
}

fn file(flow: FlowId, mut part: FileBuffer) -> Result<Fact, Refusal> {
    let upload = u64::try_from(part.upload_number).map_err(|_| Refusal::File)?;
    if part.uncompressed_length > 0 {
        let data = decompress_to_vec_zlib_with_limit(&part.data, limits::FILE_PART_BYTES);
        part.data = data.map_err(|_| Refusal::File)?.into();
    }
    if part.data.len() > limits::FILE_PART_BYTES {
        return Err(Refusal::File);
    }
    Ok(Fact::File { flow, upload, part: Box::new(part) })
}

/// Nothing negative is counted.
fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use troodon_proto::{ForemanCheckin, VqlRequest};

    fn rows_message(session: &str, name: &str, lines: &'static str) -> VeloMessage {
        let response = VqlResponse {
            query: Some(VqlRequest { name: name.into(), ..VqlRequest::default() }),
            jsonl_response: Bytes::from_static(lines.as_bytes()),
            ..VqlResponse::default()
        };
        VeloMessage {
            session_id: session.into(),
            vql_response: Some(response),
            ..VeloMessage::default()
        }
    }

    #[test]
    fn hidden_and_plain_names_are_the_same_name() {
        let names = Obfuscator::new("nonce");
        for sent in ["A.B/C".to_owned(), names.hide("A.B/C")] {
            let fact = fact(rows_message("F.1", &sent, "{}\n"), Some(&names)).unwrap();
            let Some(Fact::Rows { name, .. }) = fact else { panic!("{fact:?}") };
            assert_eq!(name.as_str(), "A.B/C");
        }
    }

    #[test]
    fn names_hidden_by_others_are_refused() {
        let other = Obfuscator::new("other").hide("A.B/C");
        let names = Obfuscator::new("nonce");
        for held in [Some(&names), None] {
            assert_eq!(fact(rows_message("F.1", &other, "{}\n"), held).unwrap_err(), Refusal::Name);
        }
    }

    #[test]
    fn a_session_that_is_no_collection_is_refused() {
        for session in ["", "C.0123456789abcdef", "F.a/../b c", "server"] {
            let refusal = fact(rows_message(session, "A", "{}\n"), None).unwrap_err();
            assert!(matches!(refusal, Refusal::Session(_)), "{session}");
        }
    }

    #[test]
    fn the_version_of_the_event_table_is_taken_from_the_agent() {
        let checkin = ForemanCheckin { last_event_table_version: 7, ..ForemanCheckin::default() };
        let message = VeloMessage {
            session_id: FOREMAN.into(),
            foreman_checkin: Some(checkin),
            ..VeloMessage::default()
        };
        assert!(matches!(fact(message, None).unwrap(), Some(Fact::EventTable(7))));
    }

    #[test]
    fn event_rows_with_a_time_are_recognised_when_they_come_again() {
        let digest_at = |timestamp| {
            let mut message = rows_message(FlowId::MONITORING, "A", "{}\n");
            message.vql_response.as_mut().unwrap().timestamp = timestamp;
            match fact(message, None).unwrap() {
                Some(Fact::Event { digest, .. }) => digest,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(digest_at(5), digest_at(5));
        assert_ne!(digest_at(5), digest_at(6));
        assert_eq!(digest_at(0), None);
    }

    #[test]
    fn a_message_without_payload_is_named() {
        let message = VeloMessage { session_id: "F.1".into(), ..VeloMessage::default() };
        assert_eq!(fact(message, None).unwrap_err(), Refusal::Payload);
    }
}
