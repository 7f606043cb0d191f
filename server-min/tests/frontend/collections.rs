//! Rows, logs, files and statistics of collections: kept once, and only from whom they were asked.

use std::io::Read;

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec_zlib;
use troodon_core::obfuscation::Obfuscator;
use troodon_proto::velo_status::Status;
use troodon_proto::{FileBuffer, LogMessage, PathSpec, VeloMessage};
use troodon_server::model::flow::FlowState;
use troodon_server::store::now_us;

use super::agent::{Agent, rows, stats};
use super::bench::{Server, Wishes};

const NAME: &str = "Linux.Sys.Pslist/Main";

/// An agent that has been given a collection of [`NAME`].
async fn collecting(server: &Server) -> Agent {
    let mut agent = Agent::enrolled(server).await;
    server.collect(agent.id, "F.1", NAME).await;
    assert_eq!(agent.tasks(server).await.len(), 1);
    agent
}

fn logs(start: i64, line: &str) -> VeloMessage {
    let log = LogMessage {
        id: start,
        number_of_rows: 1,
        jsonl: format!("{line}\n").into(),
        ..LogMessage::default()
    };
    VeloMessage { session_id: "F.1".into(), log_message: Some(log), ..VeloMessage::default() }
}

fn part(offset: u64, data: &'static [u8], eof: bool) -> VeloMessage {
    let place = PathSpec {
        path: "/etc/../../x".into(),
        components: vec!["..".into(), "x".into()],
        ..PathSpec::default()
    };
    let part = FileBuffer {
        pathspec: Some(place),
        offset,
        data: Bytes::from_static(data),
        eof,
        size: 10,
        ..FileBuffer::default()
    };
    VeloMessage { session_id: "F.1".into(), file_buffer: Some(part), ..VeloMessage::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_ends_with_its_rows_kept() {
    let server = Server::start(Wishes::default()).await;
    let agent = collecting(&server).await;
    let flow = "F.1".parse().unwrap();
    let messages = vec![
        rows("F.1", NAME, 0, &["{\"a\":1}", "{\"a\":2}"]),
        stats("F.1", Status::Progress, false),
    ];
    assert_eq!(agent.control(&server, messages).await, 200);
    assert_eq!(server.store.flow(agent.id, &flow).unwrap().state(now_us()), FlowState::InProgress);
    // Rows and logs may follow the end within the same message list.
    let messages = vec![
        stats("F.1", Status::Ok, true),
        rows("F.1", NAME, 2, &["{\"a\":3}"]),
        logs(0, "{\"level\":\"INFO\",\"message\":\"done\"}"),
    ];
    assert_eq!(agent.control(&server, messages).await, 200);
    assert_eq!(server.rows(agent.id, &flow, NAME), ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
    assert_eq!(server.store.flow(agent.id, &flow).unwrap().state(now_us()), FlowState::Finished);
    assert_eq!(server.store.logs(agent.id, &flow, 0).unwrap().count(), 1);
    assert_eq!(*server.notes.completed.lock().unwrap(), [flow]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_is_kept_once() {
    let server = Server::start(Wishes::default()).await;
    let agent = collecting(&server).await;
    let messages = vec![
        rows("F.1", NAME, 0, &["{\"a\":1}", "{\"a\":2}"]),
        rows("F.1", NAME, 2, &["{\"a\":3}"]),
        logs(0, "{\"message\":\"x\"}"),
        part(0, b"01234", false),
        part(5, b"56789", false),
        part(10, b"", true),
        stats("F.1", Status::Ok, true),
    ];
    let body = agent.seal(messages.clone());
    for _ in 0..2 {
        // The same bytes, as a replay would be, and the same messages sealed anew.
        assert_eq!(super::agent::post(server.address, "/control", body.clone()).await.0, 200);
        assert_eq!(agent.control(&server, messages.clone()).await, 200);
    }
    let flow = "F.1".parse().unwrap();
    assert_eq!(server.rows(agent.id, &flow, NAME).len(), 3);
    assert_eq!(server.store.logs(agent.id, &flow, 0).unwrap().count(), 1);
    let uploads = server.store.uploads(agent.id, &flow).unwrap();
    assert_eq!(uploads.len(), 1);
    assert_eq!((uploads[0].stored, uploads[0].complete), (10, true));
    let mut content = String::new();
    server.store.open_upload(agent.id, &flow, 0).unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "0123456789");
    assert_eq!(server.notes.completed.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_for_what_was_not_asked_are_refused() {
    let server = Server::start(Wishes::default()).await;
    let agent = collecting(&server).await;
    let other = Agent::enrolled(&server).await;
    let not_delivered = server.collect(agent.id, "F.2", NAME).await;
    let messages = vec![
        rows("F.1", "Linux.Sys.Users", 0, &["{\"a\":1}"]),
        rows("F.1", "../../server", 0, &["{\"a\":1}"]),
        rows("F.404", NAME, 0, &["{\"a\":1}"]),
        rows("F.2", NAME, 0, &["{\"a\":1}"]),
        rows("server", NAME, 0, &["{\"a\":1}"]),
        rows("F.1", NAME, 0, &["not json"]),
        stats("F.404", Status::Ok, true),
        // What is right is kept although the rest is not.
        rows("F.1", NAME, 0, &["{\"a\":\"right\"}"]),
    ];
    assert_eq!(agent.control(&server, messages).await, 200);
    let foreign = vec![rows("F.1", NAME, 1, &["{\"a\":1}"]), stats("F.1", Status::Ok, true)];
    assert_eq!(other.control(&server, foreign).await, 200);
    let flow = "F.1".parse().unwrap();
    assert_eq!(server.rows(agent.id, &flow, NAME), ["{\"a\":\"right\"}"]);
    assert_eq!(server.store.results(agent.id, &flow).unwrap().len(), 1);
    assert_eq!(server.rows(agent.id, &not_delivered, NAME), [""; 0]);
    assert!(!server.store.flow(agent.id, &flow).unwrap().complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_from_any_row_on() {
    let server = Server::start(Wishes::default()).await;
    let agent = collecting(&server).await;
    for start in (0..100).step_by(10) {
        let lines: Vec<String> = (start..start + 10).map(|n| format!("{{\"n\":{n}}}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let message = rows("F.1", NAME, start, &lines);
        assert_eq!(agent.control(&server, vec![message]).await, 200);
    }
    let (flow, name) = ("F.1".parse().unwrap(), NAME.parse().unwrap());
    for start in [0, 1, 9, 10, 55, 99, 100, 1000] {
        let found: Vec<Bytes> = server
            .store
            .rows(agent.id, &flow, &name, start)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let expected: Vec<String> = (start..100).map(|n| format!("{{\"n\":{n}}}")).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_rows_and_files_are_the_same_as_plain_ones() {
    let server = Server::start(Wishes::default()).await;
    let agent = collecting(&server).await;
    let mut message = rows("F.1", NAME, 0, &["{\"a\":1}"]);
    let response = message.vql_response.as_mut().unwrap();
    response.uncompressed_size = 8;
    response.compressed_json_response =
        compress_to_vec_zlib(&std::mem::take(&mut response.jsonl_response), 1).into();
    let mut file = part(0, b"", true);
    let buffer = file.file_buffer.as_mut().unwrap();
    buffer.uncompressed_length = 5;
    buffer.data = compress_to_vec_zlib(b"hello", 1).into();
    assert_eq!(agent.control(&server, vec![message, file]).await, 200);
    let flow = "F.1".parse().unwrap();
    assert_eq!(server.rows(agent.id, &flow, NAME), ["{\"a\":1}"]);
    assert_eq!(server.store.uploads(agent.id, &flow).unwrap()[0].stored, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_file_beyond_its_end_is_refused() {
    let server = Server::start(Wishes::default()).await;
    let agent = collecting(&server).await;
    let messages = vec![part(0, b"0", false), part(1 << 40, b"x", true)];
    assert_eq!(agent.control(&server, messages).await, 200);
    let uploads = server.store.uploads(agent.id, &"F.1".parse().unwrap()).unwrap();
    assert_eq!((uploads[0].stored, uploads[0].complete), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_hidden_on_their_way_and_known_again() {
    let names = Some("obfuscation nonce");
    let server = Server::start(Wishes { names, ..Wishes::default() }).await;
    let mut agent = Agent::enrolled(&server).await;
    server.collect(agent.id, "F.1", NAME).await;
    let tasks = agent.tasks(&server).await;
    let request = tasks[0].flow_request.as_ref().unwrap();
    let hidden = request.vql_client_actions[0].query[0].name.clone();
    assert_eq!(hidden, Obfuscator::new("obfuscation nonce").hide(NAME));
    let mut end = stats("F.1", Status::Ok, true);
    let query = &mut end.flow_stats.as_mut().unwrap().query_status[0];
    query.names_with_response = vec![hidden.clone()];
    let messages = vec![rows("F.1", &hidden, 0, &["{\"a\":1}"]), end];
    assert_eq!(agent.control(&server, messages).await, 200);
    let flow = "F.1".parse().unwrap();
    assert_eq!(server.rows(agent.id, &flow, NAME), ["{\"a\":1}"]);
    let stats = server.store.flow(agent.id, &flow).unwrap().stats;
    assert_eq!(stats.query_status[0].names_with_response, [NAME]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_never_arrived_is_sent_again_and_one_that_was_lost_fails() {
    let server = Server::start(Wishes::default()).await;
    let mut agent = collecting(&server).await;
    let flow = "F.1".parse().unwrap();
    let unknown = stats("F.1", Status::UnknownFlow, true);
    assert_eq!(agent.control(&server, vec![unknown.clone()]).await, 200);
    assert_eq!(agent.tasks(&server).await[0].session_id, "F.1");
    let progress = stats("F.1", Status::Progress, false);
    assert_eq!(agent.control(&server, vec![progress]).await, 200);
    assert_eq!(agent.control(&server, vec![unknown]).await, 200);
    let found = server.store.flow(agent.id, &flow).unwrap();
    assert_eq!(found.state(now_us()), FlowState::Error);
    assert!(found.complete && found.status().contains("lost"), "{}", found.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrogation_fills_the_record() {
    const INFO: &str = "Generic.Client.Info/BasicInformation";
    let server = Server::start(Wishes::default()).await;
    let mut agent = Agent::enrolled(&server).await;
    server.collect(agent.id, "F.1", INFO).await;
    agent.tasks(&server).await;
    let row = "{\"OS\":\"linux\",\"Hostname\":\"h\",\"Labels\":[\"lab\"]}";
    assert_eq!(agent.control(&server, vec![rows("F.1", INFO, 0, &[row])]).await, 200);
    let record = server.store.client(&agent.id).unwrap().unwrap();
    assert_eq!((record.host.system.as_str(), record.host.hostname.as_str()), ("linux", "h"));
    assert!(record.has_label("LAB") && record.labels_changed_ns > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_beyond_the_limit_is_dropped_by_agents_and_not_claimed_to_be_kept() {
    let server = Server::start(Wishes { max_upload_size: 1000, ..Wishes::default() }).await;
    let agent = Agent::enrolled(&server).await;
    let body = vec![0; 2001];
    assert_eq!(super::agent::post(server.address, "/control", body).await.0, 400);
    assert_eq!(agent.control(&server, Vec::new()).await, 200);
}
