//! A server that changes its mind.

use troodon_core::executor::Output;
use troodon_proto::velo_status::Status;

use crate::bench::Bench;

#[test]
fn a_cancelled_flow_drops_its_rows_and_says_so() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM tick()")]);
    bench.pass_seconds(3);
    bench.cancel("F.1");
    bench.settle();
    let end = bench.notes.end("F.1");
    assert_eq!(
        (end[0].status(), end[0].error_message.as_str()),
        (Status::GenericError, "Cancelled")
    );
    assert_eq!(bench.notes.responses("F.1").len(), 0);
    let log = bench.notes.log("F.1");
    assert!(log.contains("\"level\":\"ERROR\"") && log.contains("cancelled"), "{log}");
    assert_eq!(bench.executor.flows(), 0);
}

#[test]
fn the_queue_forgets_before_the_last_messages_are_queued() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM tick()")]);
    bench.pass_seconds(1);
    bench.notes.outputs.clear();
    bench.cancel("F.1");
    bench.settle();
    let kinds: Vec<_> = bench
        .notes
        .outputs
        .iter()
        .map(|output| match output {
            Output::Forget(id) => format!("forget {id}"),
            Output::Message { message, .. } if message.log_message.is_some() => "log".into(),
            Output::Message { message, .. } if message.flow_stats.is_some() => "stats".into(),
            Output::Ended(id) => format!("ended {id}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["forget F.1", "log", "stats", "ended F.1"]);
}

#[test]
fn the_switch_of_a_flow_is_handed_out_and_set_when_it_is_cancelled() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM tick()")]);
    bench.collect("F.2", &[("$a", "SELECT * FROM tick()")]);
    bench.settle();
    bench.cancel("F.2");
    bench.settle();
    let switches: Vec<_> = bench
        .notes
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Started { flow, interrupt } => Some((flow.as_str(), interrupt.is_set())),
            _ => None,
        })
        .collect();
    assert_eq!(switches, [("F.1", false), ("F.2", true)]);
}

#[test]
fn a_switch_set_by_the_host_stops_the_query_before_the_executor_hears_of_it() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM slow(steps=10000000000)")]);
    let (now, wall) = (bench.now, bench.wall());
    let mut interrupt = None;
    while interrupt.is_none() {
        if let Output::Started { interrupt: it, .. } = bench.executor.poll(now, wall, usize::MAX) {
            interrupt = Some(it);
        }
    }
    interrupt.unwrap().set();
    bench.settle();
    assert_eq!(bench.notes.end("F.1")[0].error_message, "Cancelled");
    let forgets = |output: &Output| matches!(output, Output::Forget(id) if id == "F.1");
    assert!(bench.notes.outputs.iter().any(forgets));
    let before = bench.notes.outputs.len();
    bench.cancel("F.1");
    bench.settle();
    assert_eq!(bench.notes.outputs.len(), before, "the message itself comes too late to matter");
}

#[test]
fn a_flow_that_waits_is_cancelled_too() {
    let mut bench = Bench::new();
    for id in ["F.1", "F.2", "F.3"] {
        bench.collect(id, &[("$a", "SELECT * FROM tick()")]);
    }
    bench.settle();
    bench.cancel("F.3");
    bench.settle();
    assert_eq!(bench.notes.end("F.3")[0].error_message, "Cancelled");
    assert_eq!(bench.executor.flows(), 2);
}

#[test]
fn nothing_is_said_about_an_unknown_flow_or_monitoring() {
    let mut bench = Bench::new();
    bench.cancel("F.9");
    bench.cancel("F.Monitoring");
    bench.settle();
    assert!(bench.notes.outputs.is_empty(), "{:?}", bench.notes.outputs);
}
