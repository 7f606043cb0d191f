//! The log of a flow.

use troodon_proto::{FlowRequest, velo_status::Status};

use crate::bench::{Bench, args, request};

#[test]
fn log_lines_are_counted_in_ids_and_in_the_status() {
    let mut bench = Bench::new();
    bench.collect(
        "F.1",
        &[
            ("$a", "SELECT say(text='one') FROM scope()"),
            ("$b", "SELECT * FROM slow(steps=1) WHERE say(text='two')"),
        ],
    );
    bench.settle();
    let batches = bench.notes.log_batches("F.1");
    let mut next = 0;
    for batch in &batches {
        assert_eq!(batch.id, next);
        next += i64::try_from(batch.number_of_rows).unwrap();
    }
    assert_eq!(bench.notes.end("F.1")[0].log_rows, next);
    let log = bench.notes.log("F.1");
    assert!(log.contains("\"message\":\"one\"") && log.contains("\"message\":\"two\""), "{log}");
}

#[test]
fn an_error_marks_its_batch_with_the_first_message_and_the_query_goes_on() {
    let mut bench = Bench::new();
    let failing = args(&[
        (
            "$a",
            "SELECT say(text='first', level='ERROR'), say(text='second', level='ERROR') FROM scope()",
        ),
        ("$b", "SELECT * FROM count_to(n=2)"),
    ]);
    bench.ask("F.1", request(vec![failing, args(&[("$c", "SELECT 1 FROM scope()")])]));
    bench.settle();
    let end = bench.notes.end("F.1");
    assert_eq!((end[0].status(), end[0].error_message.as_str()), (Status::GenericError, "first"));
    assert_eq!(end[0].result_rows, 3);
    assert_eq!(end[1].status(), Status::Ok);
}

#[test]
fn a_failing_plugin_marks_the_flow() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM broken()")]);
    bench.settle();
    let end = bench.notes.end("F.1");
    assert_eq!(end[0].status(), Status::GenericError);
    assert!(end[0].error_message.contains("broken on purpose"), "{}", end[0].error_message);
}

#[test]
fn an_unknown_plugin_or_symbol_marks_the_flow() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM no_such_plugin()")]);
    bench.collect("F.2", &[("$a", "SELECT no_such_symbol FROM scope()")]);
    bench.settle();
    for id in ["F.1", "F.2"] {
        assert_eq!(bench.notes.end(id)[0].status(), Status::GenericError, "{id}");
    }
}

#[test]
fn a_line_that_looks_like_an_error_counts_as_one() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT say(text='glob: Field x is required') FROM scope()")]);
    bench.settle();
    assert_eq!(bench.notes.end("F.1")[0].status(), Status::GenericError);
}

#[test]
fn the_request_says_what_looks_like_an_error() {
    let mut bench = Bench::new();
    let batch = args(&[("$a", "SELECT say(text='Field x is required') FROM scope()")]);
    let own = FlowRequest { log_error_regex: "needle".into(), ..request(vec![batch]) };
    bench.ask("F.1", own.clone());
    let batch = args(&[("$a", "SELECT say(text='hay needle hay') FROM scope()")]);
    bench.ask("F.2", FlowRequest { vql_client_actions: vec![batch], ..own });
    bench.settle();
    assert_eq!(bench.notes.end("F.1")[0].status(), Status::Ok);
    assert_eq!(bench.notes.end("F.2")[0].status(), Status::GenericError);
}

#[test]
fn a_refused_permission_does_not_mark_the_flow() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM denied()")]);
    bench.settle();
    assert_eq!(bench.notes.end("F.1")[0].status(), Status::Ok);
    assert!(bench.notes.log("F.1").contains("Permission denied: [EXECVE]"));
}

#[test]
fn an_alert_is_a_message_of_its_own() {
    let mut bench = Bench::new();
    let vql = "SELECT say(text='{\"name\":\"X\"}', level='ALERT'), say(text='after') FROM scope()";
    bench.collect("F.1", &[("$a", vql)]);
    bench.settle();
    let levels: Vec<_> =
        bench.notes.log_batches("F.1").iter().map(|batch| batch.level.as_str()).collect();
    assert_eq!(levels, ["", "ALERT", ""]);
}

#[test]
fn no_more_lines_than_the_request_wants() {
    let mut bench = Bench::new();
    let batch = args(&[("$a", "SELECT say(text='x') FROM count_to(n=100)")]);
    bench.ask("F.1", FlowRequest { max_logs: 10, ..request(vec![batch]) });
    bench.settle();
    assert_eq!(bench.notes.log("F.1").lines().count(), 10);
    assert_eq!(bench.notes.end("F.1")[0].log_rows, 10);
}

#[test]
fn a_long_query_says_that_it_lives() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM tick()")]);
    bench.pass_seconds(95);
    let log = bench.notes.log("F.1");
    assert_eq!(log.matches("still running").count(), 3, "{log}");
}
