//! Event queries and their table.

use troodon_core::executor::Output;
use troodon_proto::{VqlCollectorArgs, VqlEventTable};

use crate::bench::{Bench, args, env};

const SESSION: &str = "F.Monitoring";

#[test]
fn rows_are_shipped_when_they_waited_long_enough() {
    let mut bench = Bench::new();
    bench.table(5, vec![ticks("$e", 10)]);
    bench.pass_seconds(21);
    let parts = bench.notes.responses(SESSION);
    let places: Vec<_> =
        parts.iter().map(|it| (it.part, it.query_start_row, it.total_rows)).collect();
    assert_eq!(places, [(0, 0, 10), (1, 10, 10)]);
    assert_eq!(parts[0].query.as_ref().unwrap().name, "$e");
    assert!(parts.iter().all(|part| part.uncompressed_size == 0));
    assert!(bench.notes.stats(SESSION).is_empty(), "monitoring has no statistics");
}

#[test]
fn only_a_later_table_is_accepted() {
    let mut bench = Bench::new();
    bench.table(5, vec![ticks("$e", 10)]);
    bench.settle();
    for version in [0, 4, 5] {
        bench.table(version, Vec::new());
        bench.settle();
    }
    assert_eq!(bench.executor.table_version(), 5);
    bench.pass_seconds(11);
    assert_eq!(bench.notes.responses(SESSION).len(), 1, "the query still runs");
}

#[test]
fn the_table_of_the_last_run_is_taken_up_unless_there_is_a_later_one() {
    let mut bench = Bench::new();
    bench.executor.restore(VqlEventTable { event: vec![ticks("$e", 10)], version: 5 });
    bench.pass_seconds(11);
    assert_eq!(bench.executor.table_version(), 5);
    assert_eq!(bench.notes.responses(SESSION).len(), 1);
    bench.executor.restore(VqlEventTable { event: vec![ticks("$f", 1)], version: 6 });
    assert_eq!(bench.executor.table_version(), 5);
}

#[test]
fn a_query_that_is_also_in_the_new_table_goes_on() {
    let mut bench = Bench::new();
    bench.table(5, vec![ticks("$e", 10)]);
    bench.pass_seconds(5);
    bench.table(6, vec![ticks("$f", 10), ticks("$e", 13)]);
    bench.pass_seconds(6);
    let rows = bench.notes.rows(SESSION);
    assert_eq!(rows.last().unwrap(), "{\"Tick\":10}", "it was not started anew");
}

#[test]
fn a_query_with_other_parameters_is_another_query() {
    let mut bench = Bench::new();
    bench.table(5, vec![ticks("$e", 10)]);
    bench.pass_seconds(5);
    let mut changed = ticks("$e", 10);
    changed.env = vec![env("A", "2")];
    bench.table(6, vec![changed]);
    bench.settle();
    let parts = bench.notes.responses(SESSION);
    assert_eq!(parts[0].total_rows, 6, "what it had was shipped");
    bench.pass_seconds(10);
    assert_eq!(bench.notes.responses(SESSION)[1].query_start_row, 0);
}

#[test]
fn a_query_that_left_the_table_ships_what_it_has_and_stops() {
    let mut bench = Bench::new();
    bench.table(5, vec![ticks("$e", 100)]);
    bench.pass_seconds(5);
    bench.table(6, Vec::new());
    bench.pass_seconds(300);
    assert_eq!(bench.notes.rows(SESSION).len(), 6);
}

#[test]
fn queries_without_a_name_do_not_run() {
    let mut bench = Bench::new();
    bench.table(5, vec![ticks("", 1)]);
    bench.pass_seconds(5);
    assert!(bench.notes.messages(SESSION).is_empty());
}

#[test]
fn the_log_names_the_artifact_and_waits_five_seconds() {
    let mut bench = Bench::new();
    bench.table(5, vec![args(&[("", "LET X = 1"), ("$e", "SELECT * FROM broken()")])]);
    bench.pass_seconds(4);
    assert!(bench.notes.log_batches(SESSION).is_empty());
    bench.pass_seconds(2);
    let batches = bench.notes.log_batches(SESSION);
    assert_eq!((batches[0].artifact.as_str(), batches[0].id), ("$e", 0));
    assert!(bench.notes.log(SESSION).contains("broken on purpose"));
}

#[test]
fn a_query_is_restarted_at_its_timeout() {
    let mut bench = Bench::new();
    bench.table(5, vec![VqlCollectorArgs { timeout: 30, ..ticks("$e", 10) }]);
    bench.pass_seconds(71);
    let starts = bench.notes.rows(SESSION).iter().filter(|row| *row == "{\"Tick\":1}").count();
    assert_eq!(starts, 3);
}

#[test]
fn a_query_that_ends_runs_again_at_the_next_restart_only() {
    let mut bench = Bench::new();
    let once = args(&[("$e", "SELECT * FROM count_to(n=1)")]);
    bench.table(5, vec![VqlCollectorArgs { timeout: 60, ..once }]);
    bench.pass_seconds(59);
    assert_eq!(bench.notes.rows(SESSION).len(), 1);
    bench.pass_seconds(2);
    assert_eq!(bench.notes.rows(SESSION).len(), 2);
}

#[test]
fn without_a_timeout_a_query_lives_for_about_half_a_day() {
    let mut bench = Bench::new();
    bench.table(5, vec![args(&[("$e", "SELECT * FROM count_to(n=1)")])]);
    bench.pass_seconds(11 * 3_600 - 1);
    assert_eq!(bench.notes.rows(SESSION).len(), 1);
    bench.pass_seconds(3_602);
    assert_eq!(bench.notes.rows(SESSION).len(), 2);
}

#[test]
fn event_queries_and_flows_take_turns() {
    let mut bench = Bench::new();
    bench.table(5, vec![args(&[("$e", "SELECT * FROM slow(steps=1000000)")])]);
    bench.settle();
    bench.table(6, vec![args(&[("$f", "SELECT * FROM slow(steps=3000000)")])]);
    bench.collect("F.1", &[("$a", "SELECT * FROM slow(steps=1000000)")]);
    bench.settle();
    let order: Vec<_> = bench
        .notes
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Message { message, .. } => message.vql_response.as_ref(),
            _ => None,
        })
        .map(|part| part.query.as_ref().unwrap().name.as_str())
        .collect();
    assert_eq!(order, ["$e", "$a", "$f"]);
}

fn ticks(name: &str, max_wait: u64) -> VqlCollectorArgs {
    VqlCollectorArgs { max_wait, ..args(&[(name, "SELECT * FROM tick()")]) }
}
