//! Limits of a request: rows, parts, time, pace.

use troodon_proto::{FlowRequest, VqlCollectorArgs, velo_status::Status};

use crate::bench::{Bench, args, request};

#[test]
fn a_part_has_no_more_rows_than_the_request_wants() {
    let mut bench = Bench::new();
    let mut batch = args(&[("$a", "SELECT * FROM count_to(n=25)")]);
    batch.max_row = 10;
    bench.ask("F.1", request(vec![batch]));
    bench.settle();
    let parts = bench.notes.responses("F.1");
    let places: Vec<_> =
        parts.iter().map(|it| (it.part, it.query_start_row, it.total_rows)).collect();
    assert_eq!(places, [(0, 0, 10), (1, 10, 10), (2, 20, 5)]);
    let lens: Vec<_> = parts.iter().map(|it| it.jsonl_response.len() as u64).collect();
    assert_eq!(parts[2].byte_offset, lens[0] + lens[1]);
}

#[test]
fn a_part_is_shipped_when_it_has_the_bytes_that_the_request_wants() {
    let mut bench = Bench::new();
    let mut batch = args(&[("$a", "SELECT * FROM count_to(n=9)")]);
    batch.max_row_buffer_size = 20;
    bench.ask("F.1", request(vec![batch]));
    bench.settle();
    let rows: Vec<_> = bench.notes.responses("F.1").iter().map(|part| part.total_rows).collect();
    assert_eq!(rows, [3, 3, 3], "each row has eight bytes");
}

#[test]
fn rows_of_a_slow_query_do_not_wait_for_its_end() {
    let mut bench = Bench::new();
    let mut batch = args(&[("$a", "SELECT * FROM tick()")]);
    batch.max_wait = 5;
    bench.ask("F.1", request(vec![batch]));
    bench.pass_seconds(11);
    let rows: Vec<_> = bench.notes.responses("F.1").iter().map(|part| part.total_rows).collect();
    assert_eq!(rows, [5, 5]);
}

#[test]
fn the_row_limit_ends_the_whole_flow_with_an_error_and_keeps_what_fits() {
    let mut bench = Bench::new();
    let batches = vec![
        args(&[("$a", "SELECT * FROM tick()")]),
        args(&[("$b", "SELECT * FROM count_to(n=50)")]),
    ];
    bench.ask("F.1", FlowRequest { max_rows: 7, ..request(batches) });
    bench.pass_seconds(1);
    let end = bench.notes.end("F.1");
    assert!(end.iter().all(|status| status.status() == Status::GenericError), "{end:?}");
    assert!(end[1].error_message.contains("limit of 7"), "{}", end[1].error_message);
    assert_eq!(bench.notes.rows("F.1").len(), 7);
    assert_eq!(end[0].result_rows + end[1].result_rows, 7);
}

#[test]
fn a_limit_that_is_just_reached_is_no_error() {
    let mut bench = Bench::new();
    let batch = args(&[("$a", "SELECT * FROM count_to(n=7)")]);
    bench.ask("F.1", FlowRequest { max_rows: 7, ..request(vec![batch]) });
    bench.settle();
    assert_eq!(bench.notes.end("F.1")[0].status(), Status::Ok);
    assert_eq!(bench.notes.rows("F.1").len(), 7);
}

#[test]
fn a_timeout_ends_the_batch_with_an_error_and_ships_what_it_has() {
    let mut bench = Bench::new();
    let mut batch = args(&[("$a", "SELECT * FROM tick()"), ("$b", "SELECT 1 FROM scope()")]);
    batch.timeout = 3;
    bench.ask("F.1", request(vec![batch]));
    bench.pass_seconds(10);
    let end = bench.notes.end("F.1");
    assert_eq!(end[0].status(), Status::GenericError);
    assert!(end[0].error_message.contains("3 s"), "{}", end[0].error_message);
    assert_eq!(end[0].names_with_response, ["$a"]);
    assert_eq!(bench.notes.rows("F.1").len(), 3);
    assert!(bench.notes.log("F.1").contains("3 s"));
}

#[test]
fn ten_minutes_are_the_usual_timeout() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM tick()")]);
    bench.pass_seconds(599);
    assert_eq!(bench.executor.flows(), 1);
    bench.pass_seconds(2);
    assert_eq!(bench.executor.flows(), 0);
    assert_eq!(bench.notes.end("F.1")[0].status(), Status::GenericError);
}

#[test]
fn a_query_with_a_rate_takes_its_time() {
    let mut bench = Bench::new();
    let batch = args(&[("$a", "SELECT * FROM slow(steps=100000)")]);
    let batch = VqlCollectorArgs { ops_per_second: 1000.0, ..batch };
    bench.ask("F.1", request(vec![batch]));
    bench.pass_seconds(60);
    assert_eq!(bench.executor.flows(), 1);
    bench.pass_seconds(60);
    assert_eq!(bench.notes.end("F.1")[0].status(), Status::Ok);
}
