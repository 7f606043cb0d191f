//! The server is away for a while.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::thread;
use std::time::Duration;

use hil_tests::{Options, Pair, Programs, wait_until};

const COLLECT_MAX: Duration = Duration::from_secs(60);

#[test]
fn rows_wait_on_the_disk_of_an_agent_that_is_killed_while_the_server_is_away() {
    let programs = Programs::find().expect("programs");
    let options = Options::with_test_artifacts(&[]).impatient();
    let Pair { deployment, server, agent, client } =
        Pair::start(&programs, &options).expect("a pair");
    let flow = deployment.schedule(&client, "Troodon.Test.Fifteen", &[]).expect("a flow");
    wait_until("a row", COLLECT_MAX, || Ok(!flow.numbers("N")?.is_empty())).expect("a row");
    server.kill().expect("a kill");
    let before = flow.numbers("N").expect("rows").len();
    // A row each second, and nobody who takes them.
    thread::sleep(Duration::from_secs(5));
    agent.kill().expect("a kill");
    let agent = deployment.start_agent().expect("an agent");
    let server = deployment.start_server().expect("a server");
    wait_until("rows of the time without a server", COLLECT_MAX, || {
        Ok(flow.numbers("N")?.len() >= before + 3)
    })
    .expect("rows");
    let numbers = flow.numbers("N").expect("rows");
    let expected: Vec<i64> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected, "not once and in order");
    agent.stop().expect("an end of the agent");
    server.stop().expect("an end of the server");
}
