//! What leaves the server as one file is what agents sent, and its hashes say so.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use troodon_proto::velo_status::Status;
use troodon_proto::{FileBuffer, PathSpec, VeloMessage};
use troodon_server::export::{self, Wishes};
use zip::ZipArchive;

use super::agent::{Agent, rows, stats};
use super::bench::{Server, Wishes as ServerWishes};

const NAME: &str = "Linux.Sys.Pslist/Main";

fn file(number: i64, path: &str, data: &'static [u8]) -> VeloMessage {
    let part = FileBuffer {
        pathspec: Some(PathSpec { path: path.into(), ..PathSpec::default() }),
        upload_number: number,
        data: Bytes::from_static(data),
        eof: true,
        size: data.len() as u64,
        ..FileBuffer::default()
    };
    VeloMessage { session_id: "F.1".into(), file_buffer: Some(part), ..VeloMessage::default() }
}

/// A server with one collection that is over.
async fn collected() -> (Server, Agent) {
    let server = Server::start(ServerWishes::default()).await;
    let mut agent = Agent::enrolled(&server).await;
    server.collect(agent.id, "F.1", NAME).await;
    assert_eq!(agent.tasks(&server).await.len(), 1);
    let messages = vec![
        rows("F.1", NAME, 0, &["{\"Pid\":1,\"Name\":\"in,it\"}", "{\"Pid\":2,\"Exe\":\"x\"}"]),
        file(0, "/etc/../../../root/.ssh/authorized_keys", b"key"),
        file(1, "C:\\x\\..\\..\\boot.ini", b"0123456789"),
        stats("F.1", Status::Ok, true),
    ];
    assert_eq!(agent.control(&server, messages).await, 200);
    (server, agent)
}

fn entries(zip: Vec<u8>, password: Option<&str>) -> BTreeMap<String, Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut all = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = match password {
            None => archive.by_index(index).unwrap(),
            Some(password) => archive.by_index_decrypt(index, password.as_bytes()).unwrap(),
        };
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert!(all.insert(name, content).is_none());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_what_the_agent_sent_under_harmless_names() {
    let (server, agent) = collected().await;
    let (flow, mut zip) = ("F.1".parse().unwrap(), Cursor::new(Vec::new()));
    let made = export::flow(&server.store, agent.id, &flow, &Wishes::default(), &mut zip).unwrap();
    let all = entries(zip.into_inner(), None);
    assert_eq!(made.entries, all.len() as u64);
    assert_eq!(all["uploads/0-authorized_keys"], b"key");
    assert_eq!(all["uploads/1-boot.ini"], b"0123456789");
    assert!(all.keys().all(|name| !name.contains("..") && !name.starts_with('/')), "{all:?}");
    assert_eq!(
        all["results/Linux.Sys.Pslist/Main.json"],
        b"{\"Pid\":1,\"Name\":\"in,it\"}\n{\"Pid\":2,\"Exe\":\"x\"}\n"
    );
    assert_eq!(
        all["results/Linux.Sys.Pslist/Main.csv"],
        b"Pid,Name,Exe\r\n1,\"in,it\",\r\n2,,x\r\n"
    );
    let told = String::from_utf8(all["uploads.json"].clone()).unwrap();
    assert!(told.contains("authorized_keys") && told.lines().count() == 2, "{told}");

    let manifest: Value = serde_json::from_slice(&all["manifest.json"]).unwrap();
    let listed = manifest["entries"].as_array().unwrap();
    assert_eq!(listed.len(), all.len() - 1);
    for entry in listed {
        let content = &all[entry["name"].as_str().unwrap()];
        assert_eq!(entry["size"], content.len());
        assert_eq!(entry["sha256"], hex::encode(Sha256::digest(content)), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_export_opens_with_its_password_only() {
    let (server, agent) = collected().await;
    let (flow, mut zip) = ("F.1".parse().unwrap(), Cursor::new(Vec::new()));
    let wishes = Wishes { password: Some("open sesame".to_owned().into()) };
    export::flow(&server.store, agent.id, &flow, &wishes, &mut zip).unwrap();
    let zip = zip.into_inner();
    assert!(!zip.windows(10).any(|part| part == b"0123456789"));
    let mut archive = ZipArchive::new(Cursor::new(zip.clone())).unwrap();
    assert!(archive.by_name("uploads/1-boot.ini").is_err());
    assert!(archive.by_name_decrypt("uploads/1-boot.ini", b"wrong").is_err());
    assert_eq!(entries(zip, Some("open sesame"))["uploads/1-boot.ini"], b"0123456789");
}
