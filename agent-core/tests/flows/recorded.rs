//! Requests that a real server sent, and the shape of what a real client answered.
//!
//! The recordings are not part of the project: `TROODON_VECTORS` names their folder, `../shared/vectors` beside the project is
//! looked at otherwise. Without them these tests say that they were skipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value as Json;
use troodon_proto::{
    Message, MessageList, VeloMessage, VqlEventTable, VqlResponse, velo_status::Status,
};

use crate::bench::Bench;

#[test]
fn every_recorded_collection_runs_to_its_end() {
    let Some(folder) = folder() else { return };
    let mut flows = 0;
    for (file, message) in messages(&folder, "encrypt") {
        let is_flow = message.flow_request.is_some();
        let id = message.session_id.clone();
        let mut bench = Bench::new();
        bench.executor.danger_handle_unverified(message);
        bench.pass_seconds(700);
        if is_flow {
            flows += 1;
            assert!(!bench.notes.end(&id).is_empty(), "{file} {id}");
        } else if id != "F.Status" {
            let spoke = !bench.notes.stats(&id).is_empty();
            assert!(!spoke, "{file}: a message without a FlowRequest started {id}");
        }
    }
    assert!(flows > 15, "only {flows} recorded flows in {}", folder.display());
}

#[test]
fn every_recorded_event_table_is_accepted_in_order() {
    let Some(folder) = folder() else { return };
    let mut tables = 0;
    for prefix in ["https_", "clean_", "wss_", "nocomp_"] {
        let mut bench = Bench::new();
        let of_prefix = |(file, _): &(String, VeloMessage)| file.starts_with(prefix);
        for (file, message) in messages(&folder, "encrypt").into_iter().filter(of_prefix) {
            let Some(table) = message.update_event_table.clone() else { continue };
            bench.executor.danger_handle_unverified(message);
            bench.pass_seconds(150);
            assert_eq!(bench.executor.table_version(), table.version, "{file}");
            let saved = VqlEventTable::decode(table.encode_to_vec().as_slice());
            assert_eq!(saved.as_ref(), Ok(&table), "{file}: nothing of a table is lost");
            tables += 1;
        }
    }
    assert!(tables > 4, "only {tables} recorded tables in {}", folder.display());
}

/// `Generic.Client.Info` decides whether an agent counts as enrolled, so our answer must have the fields of the real
/// one: not their values, but which are there.
#[test]
fn the_interrogation_is_answered_in_the_shape_of_the_real_client() {
    let Some(folder) = folder() else { return };
    let events = read(&folder.join("https_01_enrol_interrogate.json"));
    let asked = lists(&events, "encrypt").into_iter().find(|it| it.flow_request.is_some());
    let asked = asked.expect("the recording begins with an interrogation");
    let id = asked.session_id.clone();
    let mut bench = Bench::new();
    bench.executor.danger_handle_unverified(asked);
    bench.pass_seconds(2);
    let ours = bench.notes.messages(&id);
    let theirs = answers(&events, &id);

    for (what, pick) in KINDS {
        let real = theirs.iter().find(|it| it.get(what).is_some()).expect(what);
        let mine = ours.iter().find(|it| pick(it)).expect(what);
        assert_eq!(mine.request_id.to_string(), number(&real["request_id"]), "{what}");
    }
    let real = theirs.iter().find_map(|it| it.get("VQLResponse")).expect("rows");
    let same_query = |part: &&VqlResponse| {
        part.query.as_ref().is_some_and(|query| {
            real["Query"]["Name"] == query.name && real["Query"]["VQL"] == query.vql
        })
    };
    let part = bench.notes.responses(&id).into_iter().find(same_query).expect("the same query");
    assert_eq!(Json::from(part.columns.clone()), real["Columns"]);
    assert_eq!(part.query_id.to_string(), number(&real["query_id"]));

    let last = theirs.iter().filter_map(|it| it.get("flow_stats")).next_back().expect("an end");
    let end = bench.notes.end(&id);
    assert_eq!(Some(end.len()), last["query_status"].as_array().map(Vec::len));
    assert_eq!((end[0].status(), end[0].result_rows), (Status::Ok, 1));
    assert_eq!(real["Query"]["Name"], end[0].names_with_response[0]);
    // The bench has no Windows either, so these preconditions are false.
    for status in &end[3..] {
        assert_eq!((status.status(), status.result_rows), (Status::Ok, 0), "{status:?}");
    }
}

type Pick = fn(&VeloMessage) -> bool;
const KINDS: [(&str, Pick); 3] = [
    ("VQLResponse", |it| it.vql_response.is_some()),
    ("LogMessage", |it| it.log_message.is_some()),
    ("flow_stats", |it| it.flow_stats.is_some()),
];

/// What the real client said about a flow. The bytes were removed from this recording, the decoded form was not.
fn answers(events: &[Json], id: &str) -> Vec<Json> {
    let lists = events.iter().filter(|event| is(event, "decrypt"));
    let lists = lists.flat_map(|event| event["message_lists"].as_array().into_iter().flatten());
    let jobs = lists.flat_map(|list| list["message_list"]["job"].as_array().into_iter().flatten());
    jobs.filter(|job| job["session_id"].as_str() == Some(id)).cloned().collect()
}

/// Numbers are strings in the recordings, and absent when zero.
fn number(json: &Json) -> &str {
    json.as_str().unwrap_or("0")
}

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("TROODON_VECTORS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = named.unwrap_or(beside);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no recordings in {}; set TROODON_VECTORS", folder.display());
    None
}

/// Messages in one direction of all recordings, each once, with the name of the file.
fn messages(folder: &Path, direction: &str) -> Vec<(String, VeloMessage)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "json"));
    files.sort();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for message in lists(&read(&path), direction) {
            if seen.insert(message.encode_to_vec()) {
                all.push((name.clone(), message));
            }
        }
    }
    all
}

fn read(path: &Path) -> Vec<Json> {
    let text = fs::read(path).unwrap();
    let json: Json = serde_json::from_slice(&text).unwrap();
    json["events"].as_array().cloned().unwrap_or_default()
}

fn lists(events: &[Json], direction: &str) -> Vec<VeloMessage> {
    let mut messages = Vec::new();
    for event in events.iter().filter(|event| is(event, direction)) {
        for list in event["message_lists"].as_array().into_iter().flatten() {
            let Some(encoded) = list["message_list_b64"].as_str() else { continue };
            let bytes = Bytes::from(BASE64_STANDARD.decode(encoded).unwrap());
            messages.extend(MessageList::decode(bytes).unwrap().job);
        }
    }
    messages
}

fn is(event: &Json, direction: &str) -> bool {
    event["kind"].as_str() == Some(direction)
}
