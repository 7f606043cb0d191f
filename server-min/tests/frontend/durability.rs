//! What was acknowledged is there after the server was killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use troodon_server::config::Secret;
use troodon_server::pki::Issued;
use troodon_server::store::Store;

use super::agent::{Agent, post, rows};
use super::bench::{Deployment, Server, Wishes, deployment, new_flow};

/// Names the folder of the store to the child process.
const FOLDER: &str = "TROODON_TEST_KILLED_SERVER";
const TEST: &str = "durability::acknowledged_rows_survive_the_death_of_the_server";
const NAME: &str = "Linux.Sys.Pslist";
const CYCLES: u64 = 4;
const POSTS: u64 = 25;

fn write_deployment(folder: &Path) {
    let held = deployment();
    fs::write(folder.join("ca"), &held.ca).unwrap();
    fs::write(folder.join("certificate"), &held.server.certificate).unwrap();
    fs::write(folder.join("key"), held.server.private_key.expose()).unwrap();
}

fn read_deployment(folder: &Path) -> Deployment {
    let read = |name| fs::read_to_string(folder.join(name)).unwrap();
    let private_key = Secret::new(read("key"));
    Deployment { ca: read("ca"), server: Issued { certificate: read("certificate"), private_key } }
}

/// What the child process does: serve until it is killed.
async fn serve(folder: PathBuf) {
    let held = read_deployment(&folder);
    let server = Server::start_in(&folder, &held, Wishes::default()).await;
    println!("\nADDRESS {}", server.address);
    std::future::pending::<()>().await;
}

fn start(folder: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let address = output
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("ADDRESS ").map(|text| text.parse().unwrap()));
    (child, address.expect("the server says where it listens"))
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_rows_survive_the_death_of_the_server() {
    if let Some(folder) = env::var_os(FOLDER) {
        return serve(folder.into()).await;
    }
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    write_deployment(folder);
    let mut agent = Agent::new();
    let flow = "F.1".parse().unwrap();
    let mut acknowledged = 0;
    for cycle in 0..CYCLES {
        let (mut child, address) = start(folder);
        if cycle == 0 {
            let body = agent.seal(vec![agent.request()]);
            assert_eq!(post(address, "/control", body).await.0, 406);
            let store = Store::open(folder).unwrap();
            store.create_flow(&agent.id, new_flow("F.1", NAME)).unwrap();
            let body = agent.seal(Vec::new());
            let (status, reply) = post(address, "/reader", body).await;
            assert_eq!((status, agent.open(reply).len()), (200, 1));
        }
        for _ in 0..POSTS {
            let row = format!("{{\"n\":{acknowledged}}}");
            let body = agent.seal(vec![rows("F.1", NAME, acknowledged, &[&row])]);
            assert_eq!(post(address, "/control", body).await.0, 200);
            acknowledged += 1;
        }
        // SIGKILL: nothing is flushed or closed by the process itself.
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(folder).unwrap();
        let kept = store.rows(agent.id, &flow, &NAME.parse().unwrap(), 0).unwrap();
        let kept: Vec<String> =
            kept.map(|row| String::from_utf8(row.unwrap().to_vec()).unwrap()).collect();
        let expected: Vec<String> = (0..acknowledged).map(|n| format!("{{\"n\":{n}}}")).collect();
        assert_eq!(kept, expected, "after cycle {cycle}");
    }
}
