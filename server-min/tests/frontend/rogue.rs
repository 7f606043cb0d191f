//! An agent with a valid key that claims whatever it likes: nothing of it reaches the store, and each try is counted.

use bytes::Bytes;
use rusqlite::types::Value;
use troodon_proto::velo_status::Status;
use troodon_proto::{FileBuffer, FlowRequest, LogMessage, PathSpec, VeloMessage, VqlEventTable};

use super::agent::{Agent, rows, stats};
use super::bench::{Server, Wishes};

const NAME: &str = "Linux.Sys.Pslist/Main";
const MONITORING: &str = "F.Monitoring";

/// Names under which the server itself writes, and names that are none.
const QUEUES: [&str; 16] = [
    "Server.Audit.Logs",
    "Server.Internal.Alerts",
    "Server.Internal.ArtifactModification",
    "Server.Internal.ClientDelete",
    "Server.Internal.ClientTasks",
    "Server.Internal.Enrollment",
    "Server.Internal.HuntModification",
    "Server.Internal.HuntUpdate",
    "Server.Internal.Interrogation",
    "Server.Internal.Label",
    "Server.Internal.MetadataModifications",
    "Server.Internal.UserManager",
    "System.Flow.Completion",
    "System.Hunt.Participation",
    "System.Upload.Completion",
    "../../users/admin",
];

fn logs(session: &str, artifact: &str) -> VeloMessage {
    let log = LogMessage {
        number_of_rows: 1,
        artifact: artifact.into(),
        jsonl: Bytes::from_static(b"{\"level\":\"ALERT\",\"message\":\"forged\"}\n"),
        ..LogMessage::default()
    };
    VeloMessage { session_id: session.into(), log_message: Some(log), ..VeloMessage::default() }
}

fn file(session: &str, upload: i64) -> VeloMessage {
    let place = PathSpec { path: "../../x.".into(), ..PathSpec::default() };
    let part = FileBuffer {
        pathspec: Some(place),
        data: Bytes::from_static(b"forged"),
        upload_number: upload,
        eof: true,
        ..FileBuffer::default()
    };
    VeloMessage { session_id: session.into(), file_buffer: Some(part), ..VeloMessage::default() }
}

/// Everything that an agent must not get away with.
fn claims() -> Vec<VeloMessage> {
    let row = &["{\"forged\":true}"][..];
    let mut all = Vec::new();
    // Somebody else's collection, one that nobody started, and names that its own does not ask for.
    for session in ["F.OTHER", "F.NONE", "F.OWN.H"] {
        all.push(rows(session, NAME, 0, row));
        all.push(stats(session, Status::Ok, true));
        all.push(stats(session, Status::GenericError, true));
        all.push(logs(session, ""));
        all.push(file(session, 0));
    }
    for queue in QUEUES {
        all.push(rows("F.OWN", queue, 0, row));
        all.push(rows(MONITORING, queue, 0, row));
        all.push(logs(MONITORING, queue));
    }
    all.push(rows("F.OWN", "Linux.Sys.Pslist", 0, row));
    all.push(rows("F.OWN", "Linux.Sys.Pslist/Other", 0, row));
    all.push(rows(MONITORING, NAME, 0, row));
    // Sessions that are no collection, files where none belong, and what only a server sends.
    for session in ["", "server", "C.0123456789abcdef", "F.../x", "F.\u{0}", "H.0123456789ABC"] {
        all.push(rows(session, NAME, 0, row));
        all.push(stats(session, Status::Ok, true));
    }
    all.push(file(MONITORING, 0));
    all.push(file("F.OWN", -1));
    all.push(file("F.OWN", i64::MAX));
    let order = |message| VeloMessage { session_id: "F.OWN".into(), ..message };
    let flow_request = Some(FlowRequest::default());
    all.push(order(VeloMessage { flow_request, ..VeloMessage::default() }));
    let update_event_table = Some(VqlEventTable::default());
    all.push(order(VeloMessage { update_event_table, ..VeloMessage::default() }));
    all.push(rows("F.OWN", NAME, 0, &["{\"not\": json"]));
    all.push(rows("F.OWN", NAME, 0, &["[1]"]));
    all
}

/// Everything in the store but when and from where an agent was last heard, and how often it was refused.
fn content(server: &Server) -> Vec<Vec<Value>> {
    let read = server.store.read(|db| {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let mut query = db.prepare(tables)?;
        let names: Vec<String> =
            query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut all = Vec::new();
        for name in names {
            let mut query = db.prepare(&format!("SELECT * FROM \"{name}\""))?;
            let columns: Vec<String> = query.column_names().map(String::from).collect();
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let mut values = vec![Value::Text(name.clone())];
                for (at, column) in columns.iter().enumerate() {
                    if !["seen_us", "address", "refused"].contains(&column.as_str()) {
                        values.push(row.get(at)?);
                    }
                }
                all.push(values);
            }
        }
        Ok(all)
    });
    read.unwrap()
}

fn files(server: &Server) -> Vec<std::path::PathBuf> {
    let mut open = vec![server.folder.clone()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_rogue_agent_claims_reaches_the_store() {
    let server = Server::start(Wishes::default()).await;
    let mut victim = Agent::enrolled(&server).await;
    server.collect(victim.id, "F.OTHER", NAME).await;
    assert_eq!(victim.tasks(&server).await.len(), 1);
    let mut rogue = Agent::enrolled(&server).await;
    server.collect(rogue.id, "F.OWN", NAME).await;
    assert_eq!(rogue.tasks(&server).await.len(), 1);
    let (before, files_before) = (content(&server), files(&server));
    let claims = claims();
    for claim in &claims {
        assert_eq!(rogue.control(&server, vec![claim.clone()]).await, 200);
        assert_eq!(content(&server), before, "{claim:?}");
    }
    // All at once, with something honest behind them: that is kept.
    let mut all = claims.clone();
    all.push(rows("F.OWN", NAME, 0, &["{\"honest\":true}"]));
    assert_eq!(rogue.control(&server, all).await, 200);
    assert_eq!(server.rows(rogue.id, &"F.OWN".parse().unwrap(), NAME), ["{\"honest\":true}"]);
    assert_eq!(files(&server), files_before);
    let refused = |id| server.store.client(&id).unwrap().unwrap().refused;
    assert_eq!((refused(rogue.id), refused(victim.id)), (2 * claims.len() as u64, 0));
    println!("{} claims", claims.len());
}
