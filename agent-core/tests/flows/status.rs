//! Progress, and questions about flows.

use troodon_core::executor::Output;
use troodon_proto::VeloStatus;
use troodon_proto::velo_status::Status;

use crate::bench::Bench;

const ONE: &[(&str, &str)] = &[("$a", "SELECT 1 AS X FROM scope()")];

#[test]
fn progress_is_told_every_five_seconds_while_a_flow_runs() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM tick()")]);
    bench.pass_seconds(11);
    let stats = bench.notes.stats("F.1");
    assert_eq!(stats.len(), 3, "at 0, 5 and 10 s");
    for one in &stats {
        assert_eq!((one.flow_complete, one.query_status[0].status()), (false, Status::Progress));
    }
    assert!(stats[2].query_status[0].duration >= 9_000_000_000);
}

#[test]
fn a_running_flow_answers_with_its_progress_at_once() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM tick()")]);
    bench.pass_seconds(1);
    bench.notes.outputs.clear();
    bench.ask_about(&["F.1"]);
    bench.settle();
    let stats = bench.notes.stats("F.1");
    assert_eq!(stats[0].query_status[0].status(), Status::Progress);
    assert!(matches!(bench.notes.outputs[0], Output::Message { urgent: true, .. }));
    assert!(bench.notes.messages("F.1")[0].urgent);
}

#[test]
fn a_waiting_flow_is_known() {
    let mut bench = Bench::new();
    for id in ["F.1", "F.2", "F.3"] {
        bench.collect(id, &[("$a", "SELECT * FROM tick()")]);
    }
    bench.ask_about(&["F.3"]);
    bench.settle();
    let stats = bench.notes.stats("F.3");
    assert_eq!(
        (stats[0].flow_complete, stats[0].query_status[0].status()),
        (false, Status::Progress)
    );
}

#[test]
fn a_finished_flow_answers_as_it_ended() {
    let mut bench = Bench::new();
    bench.collect("F.1", ONE);
    bench.settle();
    let end = bench.notes.end("F.1").to_vec();
    bench.notes.outputs.clear();
    bench.ask_about(&["F.1"]);
    bench.settle();
    assert_eq!(bench.notes.end("F.1"), end);
}

#[test]
fn only_the_last_twenty_are_remembered() {
    let mut bench = Bench::new();
    for n in 0..21 {
        bench.collect(&format!("F.{n}"), ONE);
        bench.settle();
    }
    bench.notes.outputs.clear();
    bench.ask_about(&["F.0", "F.1"]);
    bench.settle();
    assert_eq!(bench.notes.end("F.0")[0].status(), Status::UnknownFlow);
    assert_eq!(bench.notes.end("F.1")[0].status(), Status::Ok);
}

#[test]
fn a_flow_from_before_a_restart_is_unknown_and_complete() {
    let mut bench = Bench::new();
    bench.ask_about(&["F.7", "F.H.1/2"]);
    bench.settle();
    for id in ["F.7", "F.H.1/2"] {
        let end = bench.notes.end(id);
        assert_eq!(end[0].status(), Status::UnknownFlow);
        assert!(!end[0].error_message.is_empty());
    }
}

#[test]
fn a_flow_whose_uploads_should_go_on_is_complete_unless_it_runs() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM tick()")]);
    bench.settle();
    bench.notes.outputs.clear();
    let earlier = VeloStatus { result_rows: 7, ..VeloStatus::default() };
    bench.resume("F.1", vec![earlier.clone()]);
    bench.resume("F.0", vec![earlier]);
    bench.settle();
    let running = &bench.notes.stats("F.1")[0];
    assert_eq!(
        (running.flow_complete, running.query_status[0].status()),
        (false, Status::Progress)
    );
    let before = &bench.notes.stats("F.0")[0];
    assert_eq!((before.flow_complete, before.query_status[0].result_rows), (true, 7));
}
