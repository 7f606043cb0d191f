//! A small swarm against a server that is killed in the middle.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use hil_tests::{Programs, Swarm};

/// How many agents: enough that answers overlap, few enough for every commit.
const CLIENTS: usize = 50;

#[test]
fn a_swarm_with_outages_answers_a_hunt_once_each_though_the_server_is_killed() {
    let program = Path::new(env!("CARGO_BIN_EXE_troodon-swarm"));
    // Keys are worth keeping from one run to the next.
    let keys = Path::new(env!("CARGO_TARGET_TMPDIR")).join("swarm-keys");
    let swarm = Swarm { outage_every: 10, ..Swarm::new(program, &keys, CLIENTS) };
    match Programs::find().and_then(|programs| swarm.run(&programs)) {
        Ok(report) => println!("{report:?}"),
        Err(error) => panic!("{error:#}"),
    }
}
