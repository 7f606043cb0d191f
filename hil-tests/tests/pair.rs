//! What every pair of server and agent has to do, done by ours.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use hil_tests::{Programs, cases};

macro_rules! with_our_pair {
    ($($case:ident)*) => {
        $(#[test] fn $case() {
            if let Err(error) = Programs::find().and_then(|programs| cases::$case(&programs)) {
                panic!("{error:#}");
            }
        })*
    };
}

with_our_pair! {
    an_agent_enrols_and_is_interrogated
    a_hundred_thousand_rows_arrive_once_and_in_order
    an_upload_of_twenty_megabytes_arrives_as_it_is
    a_cancelled_collection_ends
    a_monitoring_table_sends_rows
    rows_made_while_the_server_is_down_arrive_later
}
