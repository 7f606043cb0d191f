//! COLLECT_BASIC: artifacts that are basic, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "tests/doors.rs uses the rest of the bench")]

#[path = "doors/bench.rs"]
mod bench;

use bench::{Bench, CLIENT, Who};
use troodon_server::account::Grant;
use troodon_server::acl::Principal;
use troodon_server::launcher::{Collect, Spec};
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::model::site::Site;

/// Requires EXECVE.
const COMMAND: &str = "Linux.Sys.Command";

fn beth(bench: &Bench) -> Principal {
    let beth = "beth".parse().unwrap();
    let policy = Policy::parse(r#"{"roles":["api"],"collect_basic":true}"#).unwrap();
    bench.accounts().grant(&beth, policy, Grant::Replace).unwrap();
    Principal::User { name: beth }
}

fn collect(bench: &Bench, who: &Principal, artifacts: &[&str]) -> Result<(), String> {
    let specs = artifacts.iter().copied().map(Spec::of).collect();
    let wanted = Collect { specs, ..Collect::default() };
    let orgs = bench.orgs(false);
    let done = orgs.root().launcher.launch(who, CLIENT.parse::<Site>().unwrap(), &wanted);
    done.map(drop).map_err(|error| error.to_string())
}

fn mark(bench: &Bench, who: Who, artifact: &str, basic: bool) -> Vec<String> {
    let basic = if basic { "TRUE" } else { "FALSE" };
    let vql =
        format!("SELECT artifact_set_metadata(name='{artifact}', basic={basic}) FROM scope()");
    bench.query(who, false, false, &vql)
}

#[test]
fn who_has_collect_basic_collects_what_is_basic_whatever_it_requires() {
    let bench = Bench::new();
    let beth = beth(&bench);
    let why = collect(&bench, &beth, &[COMMAND]).unwrap_err();
    assert!(why.ends_with("Permission denied: [COLLECT_CLIENT]"), "{why}");
    assert_eq!(mark(&bench, Who::Role(Role::Administrator), COMMAND, true), [""; 0]);
    collect(&bench, &beth, &[COMMAND]).unwrap();
    // In a query as well, and nothing beside it.
    let user = Some("beth");
    let vql =
        format!("SELECT collect_client(client_id='{CLIENT}', artifacts='{COMMAND}') FROM scope()");
    bench.command(user, false, "query", &[&vql]).unwrap();
    collect(&bench, &beth, &[COMMAND, "Linux.Sys.Users"]).unwrap_err();
    collect(&bench, &beth, &["Linux.Sys.Users"]).unwrap_err();
    collect(&bench, &beth, &[]).unwrap_err();
    // Who collects by COLLECT_CLIENT still needs what it requires.
    let ivan = Principal::User { name: "investigator".parse().unwrap() };
    assert!(collect(&bench, &ivan, &[COMMAND]).unwrap_err().ends_with("[EXECVE]"));
    assert_eq!(mark(&bench, Who::Role(Role::Administrator), COMMAND, false), [""; 0]);
    collect(&bench, &beth, &[COMMAND]).unwrap_err();
}

#[test]
fn to_mark_an_artifact_takes_what_it_gives_away() {
    let bench = Bench::new();
    let log = mark(&bench, Who::Role(Role::ArtifactWriter), COMMAND, true);
    assert!(log[0].contains("PermissionDenied") && log[0].contains("COLLECT_CLIENT"), "{log:?}");
    let log = mark(&bench, Who::Role(Role::Investigator), COMMAND, true);
    assert!(log[0].ends_with("Permission denied: [ARTIFACT_WRITER]"), "{log:?}");
    let log = mark(&bench, Who::Role(Role::Administrator), "Generic.Client.Stats", true);
    assert!(log[0].contains("Generic.Client.Stats"), "events are not collected: {log:?}");
    collect(&bench, &beth(&bench), &[COMMAND]).unwrap_err();
}

#[test]
fn in_lockdown_nobody_collects_what_is_basic() {
    let bench = Bench::new();
    let beth = beth(&bench);
    mark(&bench, Who::Role(Role::Administrator), COMMAND, true);
    let orgs = bench.orgs(true);
    let wanted = Collect { specs: vec![Spec::of(COMMAND)], ..Collect::default() };
    let done = orgs.root().launcher.launch(&beth, CLIENT.parse::<Site>().unwrap(), &wanted);
    assert!(done.unwrap_err().to_string().contains("Server locked down"));
}
