//! What a real agent said to a real server, said again to this one.

use std::path::PathBuf;
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use troodon_core::identity::ClientId;
use troodon_core::obfuscation::Obfuscator;
use troodon_proto::{Message, MessageList, VqlCollectorArgs};
use troodon_server::config::Secret;
use troodon_server::model::flow::{FlowState, NewFlow};
use troodon_server::model::id::FlowId;
use troodon_server::pki::Issued;
use troodon_server::store::now_us;

use super::agent::request;
use super::bench::{Deployment, Server, Wishes};

/// The folder with recordings: named by the environment, or beside the project.
fn folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let folder = env::var_os("TROODON_VECTORS").map_or_else(|| beside.into(), PathBuf::from);
    folder.join("https_01_enrol_interrogate.json").exists().then_some(folder)
}

struct Replay {
    folder: PathBuf,
    server: Server,
    client: ClientId,
    names: Obfuscator,
}

impl Replay {
    async fn start(folder: PathBuf, client: &str) -> (Self, tempfile::TempDir) {
        let read = |name: &str| fs::read_to_string(folder.join("keys").join(name)).unwrap();
        let private_key = Secret::new(read("server.key.pem"));
        let server = Issued { certificate: read("server.pem"), private_key };
        let deployment = Deployment { ca: read("ca.pem"), server };
        let secret: &'static str = read("obfuscation_nonce.txt").trim().to_owned().leak();
        let nonce: &'static str = read("nonce.txt").trim().to_owned().leak();
        let wishes = Wishes { names: Some(secret), nonce, ..Wishes::default() };
        let temporary = tempfile::tempdir().unwrap();
        let server = Server::start_in(temporary.path(), &deployment, wishes).await;
        let (client, names) = (client.parse().unwrap(), Obfuscator::new(secret));
        (Self { folder, server, client, names }, temporary)
    }

    /// Says everything again that the agent said in one recording; the answers must have the same status.
    async fn say(&self, name: &str) -> usize {
        let text = fs::read_to_string(self.folder.join(name)).unwrap();
        let recording: Value = serde_json::from_str(&text).unwrap();
        let events = recording["events"].as_array().unwrap();
        let of_kind = |kind: &'static str| events.iter().filter(move |e| e["kind"] == kind);
        let mut said = 0;
        for event in events {
            match event["kind"].as_str().unwrap() {
                "encrypt" if event["message_lists"].is_array() => self.queue(event).await,
                "decrypt" if event["raw_b64"].is_string() => {
                    let asked = of_kind("http_request")
                        .find(|request| request["body_sha"] == event["raw_sha"])
                        .unwrap();
                    let answered = of_kind("http_response").find(|a| a["req"] == asked["req"]);
                    let body = STANDARD.decode(event["raw_b64"].as_str().unwrap()).unwrap();
                    let path = asked["uri"].as_str().unwrap();
                    let status = request(self.server.address, path, body).await.status().as_u16();
                    if let Some(answered) = answered {
                        assert_eq!(answered["status"], status, "{name}: {}", event["seq"]);
                    }
                    said += 1;
                }
                _ => {}
            }
        }
        said
    }

    /// What the real server gave to the agent is given by this one as well.
    async fn queue(&self, event: &Value) {
        for list in event["message_lists"].as_array().unwrap() {
            let Some(text) = list["message_list_b64"].as_str() else { continue };
            let bytes = STANDARD.decode(text).unwrap();
            for mut message in MessageList::decode(bytes.as_slice()).unwrap().job {
                if let Some(mut request) = message.flow_request.take() {
                    self.reveal(&mut request.vql_client_actions);
                    let flow = NewFlow {
                        id: message.session_id.parse().unwrap(),
                        creator: "admin".into(),
                        artifacts: Vec::new(),
                        spec: Value::Null,
                        request,
                        urgent: false,
                    };
                    let (store, client) = (self.server.store.clone(), self.client);
                    if store.flow(client, &flow.id).is_ok() {
                        continue;
                    }
                    let create = move || store.create_flow(&client, flow);
                    tokio::task::spawn_blocking(create).await.unwrap().unwrap();
                    let store = &self.server.store;
                    store.take_tasks(&self.client, usize::MAX, true, now_us()).await.unwrap();
                }
            }
        }
    }

    fn reveal(&self, actions: &mut [VqlCollectorArgs]) {
        for query in actions.iter_mut().flat_map(|action| action.query.iter_mut()) {
            if let Some(name) = self.names.reveal(&query.name) {
                query.name = name;
            }
        }
    }

    fn state(&self, flow: &FlowId) -> FlowState {
        self.server.store.flow(self.client, flow).unwrap().state(now_us())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_agent_enrols_and_its_results_are_kept() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: TROODON_VECTORS does not name a folder with recordings");
        return;
    };
    let (replay, _temporary) = Replay::start(folder, "C.2ec3a95bd14874e6").await;
    assert!(replay.say("https_01_enrol_interrogate.json").await >= 3);
    assert!(replay.server.notes.enrolled.lock().unwrap().contains(&replay.client));

    replay.say("https_02_collection_multi.json").await;
    let flow = "F.DC1RPE1TE5EJQ".parse().unwrap();
    assert_eq!(replay.state(&flow), FlowState::Finished);
    let results = replay.server.store.results(replay.client, &flow).unwrap();
    let names: Vec<&str> = results.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["Custom.Test.Multi/A", "Custom.Test.Multi/B"]);

    // Twice: whatever was said before is kept once.
    for _ in 0..2 {
        replay.say("https_03_collection_many_rows.json").await;
    }
    let flow = "F.DC1RPF7Q1VB3U".parse().unwrap();
    assert_eq!(replay.state(&flow), FlowState::Finished);
    assert_eq!(replay.server.rows(replay.client, &flow, "Custom.Test.ManyRows").len(), 20_000);
    let found = replay.server.store.flow(replay.client, &flow).unwrap();
    assert_eq!((found.totals().rows, found.totals().logs), (20_000, 23));
    assert_eq!(replay.server.store.logs(replay.client, &flow, 0).unwrap().count(), 23);
}
