//! From the request to the last message.

use troodon_core::executor::{Output, Sizes};
use troodon_core::time::Span;
use troodon_proto::{FlowRequest, VeloMessage, VqlCollectorArgs, velo_status::Status};

use crate::bench::{Bench, Files, START, args, env, message, request};

const ONE: &str = "SELECT 1 AS X FROM scope()";

#[test]
fn rows_carry_what_the_server_needs_to_place_them() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("", "LET Y = 2"), ("$ab", "SELECT N, Y FROM count_to(n=2)")]);
    bench.settle();
    let parts = bench.notes.responses("F.1");
    assert_eq!(parts.len(), 1);
    let query = parts[0].query.as_ref().unwrap();
    assert_eq!(
        (query.name.as_str(), query.vql.as_str()),
        ("$ab", "SELECT N, Y FROM count_to(n=2)")
    );
    assert_eq!(parts[0].jsonl_response, "{\"N\":1,\"Y\":2}\n{\"N\":2,\"Y\":2}\n");
    assert_eq!((parts[0].query_id, parts[0].part, parts[0].query_start_row), (1, 0, 0));
    assert_eq!((parts[0].total_rows, parts[0].timestamp), (2, START * 1_000_000 + 1));
    assert_eq!(parts[0].columns, ["N", "Y"]);
}

#[test]
fn the_end_is_told_once_and_last_with_all_statuses() {
    let mut bench = Bench::new();
    bench.ask("F.1", request(vec![args(&[("$a", ONE)]), args(&[("$b", ONE), ("$c", ONE)])]));
    bench.settle();
    let end = bench.notes.end("F.1");
    assert_eq!(end.len(), 2);
    assert!(end.iter().all(|status| status.status() == Status::Ok), "{end:?}");
    assert_eq!(end[0].names_with_response, ["$a"]);
    assert_eq!(end[1].names_with_response, ["$b", "$c"]);
    assert_eq!((end[0].result_rows, end[1].result_rows), (1, 2));
    assert_eq!(end[0].first_active, START * 1_000_000 + 1);
    let last = bench.notes.messages("F.1").last().copied().unwrap().clone();
    assert!(last.flow_stats.unwrap().flow_complete);
    assert_eq!(last.request_id, 981);
}

#[test]
fn statements_of_a_batch_share_their_variables_and_others_do_not() {
    let mut bench = Bench::new();
    let first = args(&[("", "LET Z <= 5"), ("$a", "SELECT Z FROM scope()")]);
    let second = args(&[("$b", "SELECT Z FROM scope()")]);
    bench.ask("F.1", request(vec![first, second]));
    bench.settle();
    let mut rows = bench.notes.rows("F.1");
    rows.sort();
    assert_eq!(rows, ["{\"Z\":5}", "{\"Z\":null}"]);
}

#[test]
fn parameters_are_strings_and_config_is_an_object() {
    let mut bench = Bench::new();
    let mut batch = args(&[("$a", "SELECT P, config.Version.Name AS Name FROM scope()")]);
    batch.env = vec![env("P", "7")];
    bench.ask("F.1", request(vec![batch]));
    bench.settle();
    assert_eq!(bench.notes.rows("F.1"), ["{\"P\":\"7\",\"Name\":\"troodon\"}"]);
}

#[test]
fn a_false_precondition_leaves_the_batch_out() {
    let mut bench = Bench::new();
    let mut batch = args(&[("$a", ONE)]);
    batch.precondition = "LET X = 2 SELECT * FROM scope() WHERE X = 3".into();
    bench.ask("F.1", request(vec![batch]));
    bench.settle();
    assert_eq!(bench.notes.rows("F.1"), Vec::<String>::new());
    assert_eq!(bench.notes.end("F.1")[0].status(), Status::Ok);
}

#[test]
fn a_precondition_may_be_several_statements_and_one_row_is_enough() {
    let mut bench = Bench::new();
    let mut batch = args(&[("$a", "SELECT X FROM scope()")]);
    batch.precondition = "LET X <= 2\nselect X from count_to(n=1000000) where N = X".into();
    bench.ask("F.1", request(vec![batch]));
    bench.settle();
    assert_eq!(bench.notes.rows("F.1"), ["{\"X\":null}"], "its variables stay its own");
}

#[test]
fn a_precondition_that_does_not_parse_is_an_error() {
    let mut bench = Bench::new();
    let mut batch = args(&[("$a", ONE)]);
    batch.precondition = "SELECT FROM WHERE".into();
    bench.ask("F.1", request(vec![batch]));
    bench.settle();
    let end = bench.notes.end("F.1");
    assert_eq!(end[0].status(), Status::GenericError);
    assert!(end[0].error_message.contains("precondition"), "{}", end[0].error_message);
}

#[test]
fn a_statement_that_does_not_parse_ends_its_batch_only() {
    let mut bench = Bench::new();
    let broken = args(&[("$a", ONE), ("$b", "SELECT FROM"), ("$c", ONE)]);
    bench.ask("F.1", request(vec![broken, args(&[("$d", ONE)])]));
    bench.settle();
    let end = bench.notes.end("F.1");
    assert_eq!(end[0].status(), Status::GenericError);
    assert_eq!(end[0].names_with_response, ["$a"]);
    assert_eq!((end[1].status(), end[1].result_rows), (Status::Ok, 1));
}

#[test]
fn a_flow_without_queries_ends_with_an_error() {
    let mut bench = Bench::new();
    bench.ask("F.1", FlowRequest::default());
    bench.ask("F.2", request(vec![VqlCollectorArgs::default()]));
    bench.settle();
    for id in ["F.1", "F.2"] {
        assert_eq!(bench.notes.end(id)[0].status(), Status::GenericError, "{id}");
    }
}

#[test]
fn an_expired_request_does_not_run() {
    let mut bench = Bench::new();
    let mut batch = args(&[("$a", ONE)]);
    batch.expiry = START - 1;
    bench.ask("F.1", request(vec![batch]));
    bench.settle();
    assert_eq!(bench.notes.responses("F.1").len(), 0);
    assert!(bench.notes.end("F.1")[0].error_message.contains("expired"));
}

#[test]
fn a_message_with_nothing_but_a_legacy_action_runs_nothing() {
    let mut bench = Bench::new();
    let legacy = |message: &mut VeloMessage| message.vql_client_action = Some(args(&[("$a", ONE)]));
    bench.executor.danger_handle_unverified(message("F.1", legacy));
    bench.settle();
    assert!(bench.notes.outputs.is_empty(), "{:?}", bench.notes.outputs);
}

#[test]
fn what_is_of_no_use_is_ignored() {
    let mut bench = Bench::new();
    bench.executor.danger_handle_unverified(VeloMessage::default());
    bench.executor.danger_handle_unverified(message("F.1", |message| {
        message.update_foreman = Some(<_>::default())
    }));
    bench
        .executor
        .danger_handle_unverified(message("F.1", |message| message.ping = Some(<_>::default())));
    bench.settle();
    assert!(bench.notes.outputs.is_empty(), "{:?}", bench.notes.outputs);
}

#[test]
fn a_wish_that_the_agent_ends_reaches_the_host() {
    let mut bench = Bench::new();
    bench.executor.danger_handle_unverified(message("F.Monitoring", |it| {
        it.kill_kill_kill = Some(<_>::default())
    }));
    bench.settle();
    assert!(matches!(bench.notes.outputs[..], [Output::Kill]));
}

#[test]
fn a_flow_that_runs_is_not_started_twice() {
    let mut bench = Bench::new();
    bench.collect("F.1", &[("$a", "SELECT * FROM tick()")]);
    bench.settle();
    bench.collect("F.1", &[("$a", ONE)]);
    bench.settle();
    assert_eq!(bench.executor.flows(), 1);
    assert_eq!(bench.notes.rows("F.1"), Vec::<String>::new());
}

#[test]
fn two_flows_run_and_others_wait_but_urgent_ones_do_not() {
    let mut bench = Bench::new();
    for id in ["F.1", "F.2", "F.3"] {
        bench.collect(id, &[("$a", "SELECT * FROM tick()")]);
    }
    let urgent = request(vec![args(&[("$a", ONE)])]);
    bench.executor.danger_handle_unverified(message("F.4", |message| {
        message.urgent = true;
        message.flow_request = Some(urgent);
    }));
    bench.settle();
    let mut first = started(&bench);
    first.sort();
    assert_eq!(first, ["F.1", "F.2", "F.4"]);
    assert_eq!(bench.notes.end("F.4")[0].status(), Status::Ok);
    bench.cancel("F.1");
    bench.settle();
    assert_eq!(started(&bench).last().unwrap(), "F.3");
}

#[test]
fn more_flows_than_can_wait_are_refused() {
    let mut bench = Bench::with(Sizes { flows_waiting: 1, ..Sizes::host() }, Files::default());
    for id in ["F.1", "F.2"] {
        bench.collect(id, &[("$a", "SELECT * FROM tick()")]);
        bench.settle();
    }
    for id in ["F.3", "F.4"] {
        bench.collect(id, &[("$a", ONE)]);
    }
    bench.settle();
    assert_eq!(bench.notes.end("F.4")[0].status(), Status::GenericError);
    assert_eq!(bench.notes.stats("F.3").len(), 0);
}

#[test]
fn a_flow_gives_up_waiting_after_an_hour() {
    let mut bench = Bench::new();
    for id in ["F.1", "F.2"] {
        let forever = args(&[("$a", "SELECT * FROM tick()")]);
        bench.ask(id, request(vec![VqlCollectorArgs { timeout: 86_400, ..forever }]));
    }
    bench.collect("F.3", &[("$a", ONE)]);
    bench.pass(Span::from_secs(3_599));
    assert_eq!(bench.notes.stats("F.3").len(), 0);
    bench.pass(Span::from_secs(2));
    assert_eq!(bench.notes.end("F.3")[0].status(), Status::GenericError);
}

#[test]
fn rows_rest_while_there_is_no_room_and_go_on_after() {
    let mut bench = Bench::new();
    bench.room = 0;
    bench.collect("F.1", &[("$a", ONE)]);
    bench.pass_seconds(60);
    assert_eq!(bench.notes.responses("F.1").len(), 0);
    assert!(bench.notes.stats("F.1").len() > 10, "progress is told meanwhile");
    bench.room = usize::MAX;
    bench.settle();
    assert_eq!(bench.notes.rows("F.1").len(), 1);
    assert_eq!(bench.notes.end("F.1")[0].status(), Status::Ok);
}

fn started(bench: &Bench) -> Vec<String> {
    let id = |output: &Output| match output {
        Output::Started { flow, .. } => Some(flow.clone()),
        _ => None,
    };
    bench.notes.outputs.iter().filter_map(id).collect()
}
