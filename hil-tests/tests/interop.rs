//! Agent and server against a real Velociraptor, as a black box on loopback.
//!
//! `VELOCIRAPTOR_BIN` names the program; without it each case says that it was skipped. Every case runs with three
//! pairs: our agent in the real server, the real client in our server, and the real pair alone, which shows that the
//! case asks for what the original does. `cargo xtask interop` runs them with the programs as they are shipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hil_tests::cases::{self, Case};
use hil_tests::{Deployment, Peer, Programs, Swarm};

/// Runs a case with a pair of programs, or says that it is skipped.
fn run(name: &str, case: Case, pair: fn(&Peer) -> anyhow::Result<Programs>) {
    let peer = Peer::find(name).expect("a peer");
    if let Some(peer) = peer {
        let programs = pair(&peer).expect("the programs under test");
        if let Err(error) = case(&programs) {
            panic!("{name}: {error:#}");
        }
    }
}

macro_rules! with_each_pair {
    ($($case:ident)*) => {
        mod our_agent_in_the_real_server {
            $(#[test] fn $case() {
                super::run(stringify!($case), super::cases::$case, |peer| Ok(peer.serving(&super::Programs::find()?)));
            })*
        }

        mod the_real_client_in_our_server {
            $(#[test] fn $case() {
                super::run(stringify!($case), super::cases::$case, |peer| Ok(peer.visiting(&super::Programs::find()?)));
            })*
        }

        mod the_real_pair {
            $(#[test] fn $case() {
                super::run(stringify!($case), super::cases::$case, |peer| Ok(peer.alone()));
            })*
        }
    };
}

with_each_pair! {
    an_agent_enrols_and_is_interrogated
    a_hundred_thousand_rows_arrive_once_and_in_order
    an_upload_of_twenty_megabytes_arrives_as_it_is
    a_cancelled_collection_ends
    a_monitoring_table_sends_rows_for_a_minute
    rows_made_while_the_server_is_down_arrive_later
    a_restarted_agent_disowns_its_collection_and_watches_on
    websockets_carry_rows_and_files
}

/// Clients of the pool; `TROODON_POOL=200` takes more.
const POOL: usize = 20;
/// How long they may take to enrol and to answer: each makes an RSA key.
const POOL_MAX: Duration = Duration::from_secs(900);

#[test]
fn a_fleet_of_real_clients_answers_our_hunt_once_each() {
    let Some(peer) = Peer::find("a fleet of real clients").unwrap() else { return };
    let clients = std::env::var("TROODON_POOL").map_or(POOL, |count| count.parse().unwrap());
    let programs = peer.visiting(&Programs::find().unwrap());
    let deployment = Deployment::generate(&programs).unwrap();
    let _server = deployment.start_server().unwrap();
    let made = "SELECT hunt(description='fleet', artifacts='Generic.Client.Info').HuntId AS H FROM scope()";
    let hunt = deployment.query(made).unwrap()[0]["H"].as_str().unwrap().to_owned();
    let mut pool = deployment.start_pool(clients).unwrap();
    let stats = format!("SELECT stats FROM hunts(hunt_id='{hunt}')");
    pool.wait_until("answer of each client", POOL_MAX, || {
        let rows = deployment.query(&stats).unwrap();
        rows[0]["stats"]["total_clients_finished"] == clients
    })
    .unwrap();
    let results = format!(
        "SELECT ClientId FROM hunt_results(hunt_id='{hunt}', artifact='Generic.Client.Info/BasicInformation')"
    );
    let rows = deployment.query(&results).unwrap();
    let answered: BTreeSet<&str> =
        rows.iter().map(|row| row["ClientId"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), answered.len()), (clients, clients));
    println!("{clients} real clients answered once each");
    pool.stop().unwrap();
}

#[test]
fn the_real_program_asks_our_server() {
    let Some(peer) = Peer::find("the real program at our API").unwrap() else { return };
    let programs = peer.visiting(&Programs::find().unwrap());
    let deployment = Deployment::generate(&programs).unwrap();
    let _server = deployment.start_server().unwrap();
    let mut command = Command::new(peer.path());
    command.arg("--api_config").arg(deployment.api_config());
    let vql = "SELECT _value AS N FROM range(start=1, end=2000)";
    let asked = command.args(["query", "--format", "jsonl", vql]).output().unwrap();
    let said = String::from_utf8_lossy(&asked.stdout);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    assert!(said.lines().count() >= 1999, "{} lines", said.lines().count());
    assert!(said.lines().all(|line| line.starts_with("{\"N\":")), "{said}");
}

#[test]
fn our_command_line_asks_the_real_server() {
    let Some(peer) = Peer::find("our command line at the real API").unwrap() else { return };
    let ours = Programs::find().unwrap();
    let deployment = Deployment::generate(&peer.serving(&ours)).unwrap();
    let _server = deployment.start_server().unwrap();
    let ask = |file: &Path, vql: &str| {
        let mut command = Command::new(&ours.server);
        command.arg("--api_config").arg(file);
        command.args(["query", "--format", "jsonl", "--env", "Given=7", vql]).output().unwrap()
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let file = deployment.api_config();
    let asked = ask(&file, "SELECT whoami() AS Who, Given FROM scope()");
    assert_eq!(
        text(&asked.stdout),
        "{\"Who\":\"tester\",\"Given\":\"7\"}\n",
        "{}",
        text(&asked.stderr)
    );
    let asked = ask(&file, "SELECT _value AS N FROM range(start=1, end=2501)");
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    let rows: BTreeSet<String> = text(&asked.stdout).lines().map(str::to_owned).collect();
    assert!(rows.len() >= 2500, "{} rows", rows.len());
    let asked = ask(&file, "SELECT * FROM nothing_of_this_name()");
    assert!(text(&asked.stderr).contains("nothing_of_this_name"), "{}", text(&asked.stderr));

    let own = std::fs::read_to_string(&file).unwrap();
    let wrong = deployment.folder().join("wrong.yaml");
    std::fs::write(&wrong, format!("{own}\npinned_server_name: SomebodyElse\n")).unwrap();
    let asked = ask(&wrong, "SELECT 1 FROM scope()");
    assert!(
        text(&asked.stderr).contains("another name than pinned_server_name"),
        "{}",
        text(&asked.stderr)
    );
    let stranger = Deployment::generate(&ours).unwrap();
    let foreign = std::fs::read_to_string(stranger.api_config()).unwrap();
    let address = |text: &str| {
        text.lines().find(|line| line.starts_with("api_connection_string")).unwrap().to_owned()
    };
    std::fs::write(&wrong, foreign.replace(&address(&foreign), &address(&own))).unwrap();
    let asked = ask(&wrong, "SELECT 1 FROM scope()");
    assert!(
        text(&asked.stderr).contains("another authority than ca_certificate"),
        "{}",
        text(&asked.stderr)
    );

    let mut make = deployment.server_command();
    let nobody = deployment.folder().join("nobody.yaml");
    let made =
        make.args(["config", "api_client", "--name", "nobody"]).arg(&nobody).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let asked = ask(&nobody, "SELECT 1 FROM scope()");
    assert!(
        !asked.status.success() && text(&asked.stderr).contains("nobody"),
        "{}",
        text(&asked.stderr)
    );
}

/// Agents of the swarm at the real server.
const SWARM: usize = 20;

#[test]
fn our_swarm_answers_a_hunt_of_the_real_server_once_each() {
    let Some(peer) = Peer::find("our swarm at a real server").unwrap() else { return };
    let ours = Programs::find().unwrap();
    let swarm = ours.server.with_file_name("troodon-swarm");
    if !swarm.is_file() {
        eprintln!("SKIPPED: our swarm at a real server: {} is not there", swarm.display());
        return;
    }
    let clients = std::env::var("TROODON_POOL").map_or(SWARM, |count| count.parse().unwrap());
    let keys = Path::new(env!("CARGO_TARGET_TMPDIR")).join("swarm-keys");
    let swarm =
        Swarm { kill: false, outage_every: 0, rate: 10, ..Swarm::new(&swarm, &keys, clients) };
    let report = swarm.run(&peer.serving(&ours)).unwrap();
    println!("{clients} of our agents answered once each: {report:?}");
}
