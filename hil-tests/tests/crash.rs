//! Programs that are killed at random moments: what the server once showed stays, each row once and in order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::thread;
use std::time::Duration;

use hil_tests::{Chance, Flow, Options, Pair, Programs};

/// Collections of a run.
const COLLECTIONS: usize = 50;
/// One collection in so many is accompanied by a kill.
const KILL_ONE_IN: u64 = 4;
/// Collections that are looked at before and after a kill: those that can be running, and some more.
const RECENT: usize = 6;
/// Rows of a collection; several messages, so that a kill falls between them as well.
const ROWS: i64 = 2500;
/// How long all of it may take to settle after the last kill. A collection whose start was lost with the program is
/// asked about after a minute.
const SETTLE_MAX: Duration = Duration::from_secs(150);
/// The longest wait between a collection's start and the kill.
const MOMENT_MAX: Duration = Duration::from_millis(400);

fn start() -> Pair {
    let options = Options::with_test_artifacts(&[]).impatient();
    Pair::start(&Programs::find().expect("programs"), &options).expect("a pair")
}

/// The rows that there are so far: the first so many, each once and in order.
fn rows_so_far(flow: &Flow<'_>) -> usize {
    let numbers = flow.numbers("N").expect("rows");
    let expected: Vec<i64> = (0..ROWS).take(numbers.len()).collect();
    assert_eq!(numbers, expected, "{}: not once and in order", flow.id());
    numbers.len()
}

#[test]
fn no_row_is_lost_or_doubled_when_the_server_is_killed() {
    let mut chance = Chance::announced().expect("a seed");
    let Pair { deployment, mut server, agent, client } = start();
    let count = ROWS.to_string();
    let mut flows = Vec::new();
    for _ in 0..COLLECTIONS {
        let parameters = [("Count", &*count)];
        flows.push(deployment.schedule(&client, "Troodon.Test.Rows", &parameters).expect("a flow"));
        if chance.below(KILL_ONE_IN) == 0 {
            thread::sleep(chance.moment(MOMENT_MAX));
            let recent = flows.len().saturating_sub(RECENT);
            let before: Vec<_> = flows[recent..].iter().map(rows_so_far).collect();
            server.kill().expect("a kill");
            server = deployment.start_server().expect("a server after the kill");
            for (flow, before) in flows[recent..].iter().zip(before) {
                assert!(rows_so_far(flow) >= before, "{}: rows were lost", flow.id());
            }
        }
    }
    for flow in &flows {
        let record = flow.wait(SETTLE_MAX).expect("an end");
        assert_eq!(record["state"], "FINISHED", "{record}");
        assert_eq!(rows_so_far(flow), usize::try_from(ROWS).unwrap(), "{record}");
    }
    agent.stop().expect("an end of the agent");
    server.stop().expect("an end of the server");
}

#[test]
fn no_row_is_doubled_when_the_agent_is_killed() {
    let mut chance = Chance::announced().expect("a seed");
    let Pair { deployment, server, mut agent, client } = start();
    let count = ROWS.to_string();
    let mut flows = Vec::new();
    for _ in 0..COLLECTIONS {
        let parameters = [("Count", &*count)];
        flows.push(deployment.schedule(&client, "Troodon.Test.Rows", &parameters).expect("a flow"));
        if chance.below(KILL_ONE_IN) == 0 {
            thread::sleep(chance.moment(MOMENT_MAX));
            agent.kill().expect("a kill");
            agent = deployment.start_agent().expect("an agent after the kill");
        }
    }
    for flow in &flows {
        let record = flow.wait(SETTLE_MAX).expect("an end");
        let rows = rows_so_far(flow);
        // What the agent was doing when it was killed may be over with it, and is said to be.
        if record["state"] == "FINISHED" {
            assert_eq!(rows, usize::try_from(ROWS).unwrap(), "{record}");
        }
    }
    agent.stop().expect("an end of the agent");
    server.stop().expect("an end of the server");
}
