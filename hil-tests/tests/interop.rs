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

use hil_tests::cases::{self, Case};
use hil_tests::{Peer, Programs};

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
