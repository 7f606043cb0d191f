//! A fleet in one process: agents with their queries, this server with its store, and everything between them that fails.
//!
//! Time is a number and everything follows from a seed, so that a failing run happens again, step by step, with
//! `TROODON_FLEET_SEED=17 cargo test -p troodon-server --test fleet`. What is real: the agents' state machine, queue and
//! executor with their queries, the envelope, the server's sorting of messages, and its store on disk. What is modelled:
//! the network, power, clocks, the medium of the agents, and the few lines of the frontend that answer HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "shared with the tests of the core, which use more of it")]
#[path = "../../../agent-core/tests/crypto/certificates.rs"]
mod certificates;
mod check;
mod device;
mod fleet;
#[allow(dead_code, reason = "shared with the tests of the core, which use more of it")]
#[path = "../../../agent-core/tests/crypto/keys.rs"]
mod keys;
#[path = "../../../agent-core/tests/sim/memo.rs"]
mod memo;
mod network;
mod outage;
mod plugins;
mod server;
#[path = "../../../agent-core/tests/sim/storage.rs"]
mod storage;
mod storm;

use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds of each commit. `TROODON_FLEET_SEEDS=1000` runs more, `TROODON_FLEET_SEED=17` one.
const SEEDS: u64 = 40;
/// Runs side by side.
const THREADS: u64 = 2;

#[test]
fn whatever_happens_no_acknowledged_row_is_lost_or_doubled_and_exports_have_the_agents_hashes() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("TROODON_FLEET_SEED") {
        return storm::run(seed).print();
    }
    let seeds = number("TROODON_FLEET_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let run_share = || {
        let mut tally = check::Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return tally;
            }
            let result = std::panic::catch_unwind(|| storm::run(seed));
            tally.add(&result.unwrap_or_else(|_| panic!("replay with TROODON_FLEET_SEED={seed}")));
        }
    };
    let mut tally = check::Tally::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run_share)).collect();
        for thread in threads {
            tally.add(&thread.join().expect("a seed failed, see above"));
        }
    });
    tally.print();
    assert!(tally.rows > 0 && tally.power_cuts > 0 && tally.restarts > 0, "nothing happened");
    assert!(tally.hashes >= seeds, "hardly anything was exported");
}

#[test]
fn a_seed_happens_again_as_it_was() {
    assert_eq!(storm::run(7), storm::run(7));
}
