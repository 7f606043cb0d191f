//! Any order of requests, cancellations, questions, tables and pauses: what always holds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;
use troodon_core::executor::{Output, Sizes};
use troodon_proto::{FlowRequest, VeloMessage, VqlCollectorArgs};

use crate::bench::{Bench, Files, args, message, request};

#[derive(Clone, Debug)]
enum Fact {
    Ask { flow: u8, urgent: bool, request: FlowRequest },
    Cancel(u8),
    Question(u8),
    Table(u64, Vec<VqlCollectorArgs>),
    Pass(u64),
    Room(bool),
}

proptest! {
    #![proptest_config(Config { cases: 96, ..Config::default() })]

    #[test]
    fn flows_end_once_and_the_server_can_put_the_pieces_together(
        facts in vec(fact(), 1..30),
        waiting in 0_usize..6,
    ) {
        let sizes = Sizes { flows_waiting: waiting, chunk_bytes: 64, ..Sizes::host() };
        let mut bench = Bench::with(sizes, Files::default());
        let mut asked = BTreeSet::new();
        for fact in facts {
            tell(&mut bench, fact, &mut asked);
        }
        bench.room = usize::MAX;
        // Long enough for all that wait, one after the other.
        bench.pass_seconds(200);
        assert_eq!(bench.executor.flows(), 0);
        for flow in &asked {
            check(&bench, flow);
        }
    }
}

fn tell(bench: &mut Bench, fact: Fact, asked: &mut BTreeSet<String>) {
    match fact {
        Fact::Ask { flow, urgent, request } => {
            let id = format!("F.{flow}");
            // A server numbers flows afresh; it does not run one again that ended.
            if !asked.insert(id.clone()) {
                return;
            }
            bench.executor.danger_handle_unverified(message(&id, |message| {
                message.urgent = urgent;
                message.flow_request = Some(request);
            }));
        }
        Fact::Cancel(flow) => bench.cancel(&format!("F.{flow}")),
        Fact::Question(flow) => {
            let id = format!("F.{flow}");
            // The answer about an unknown flow would look like its end below.
            if asked.contains(&id) {
                bench.ask_about(&[&id]);
            }
        }
        Fact::Table(version, event) => bench.table(version, event),
        Fact::Pass(seconds) => bench.pass_seconds(seconds),
        Fact::Room(has) => bench.room = if has { usize::MAX } else { 0 },
    }
}

/// What a server relies on for one flow.
fn check(bench: &Bench, id: &str) {
    let mut is_forgotten = false;
    let mut ends = 0;
    let mut log_id = 0;
    let mut next_rows = BTreeMap::<String, u64>::new();
    for output in &bench.notes.outputs {
        match output {
            Output::Forget(forgotten) if forgotten == id => is_forgotten = true,
            Output::Message { urgent: false, message } if message.session_id == id => {
                assert_eq!(ends, 0, "{id}: nothing follows the end, yet {message:?}");
                check_message(message, is_forgotten, &mut log_id, &mut next_rows);
                ends += i32::from(message.flow_stats.as_ref().is_some_and(|it| it.flow_complete));
            }
            _ => {}
        }
    }
    assert_eq!(ends, 1, "{id} ends once");
}

fn check_message(
    message: &VeloMessage,
    is_forgotten: bool,
    log_id: &mut i64,
    next_rows: &mut BTreeMap<String, u64>,
) {
    if let Some(part) = &message.vql_response {
        assert!(!is_forgotten, "rows of a cancelled flow");
        let name = part.query.as_ref().expect("the query is echoed").name.clone();
        let next = next_rows.entry(name).or_default();
        assert_eq!(part.query_start_row, *next, "no gap, no overlap");
        let lines = part.jsonl_response.iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!((part.total_rows, part.total_rows > 0), (lines, true));
        assert!(part.jsonl_response.ends_with(b"}\n"));
        *next += lines;
    }
    if let Some(batch) = &message.log_message {
        assert_eq!(batch.id, *log_id);
        *log_id += i64::try_from(batch.number_of_rows).unwrap();
    }
    if let Some(stats) = &message.flow_stats {
        for status in &stats.query_status {
            let named: BTreeSet<_> = status.names_with_response.iter().collect();
            assert_eq!(named.len(), status.names_with_response.len());
            assert_eq!(status.result_rows > 0, !named.is_empty());
        }
    }
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        4 => (0_u8..8, any::<bool>(), wish()).prop_map(|(flow, urgent, request)| Fact::Ask {
            flow,
            urgent,
            request
        }),
        2 => (0_u8..8).prop_map(Fact::Cancel),
        1 => (0_u8..8).prop_map(Fact::Question),
        1 => (0_u64..9, vec(batch("e"), 0..3)).prop_map(|(at, event)| Fact::Table(at, event)),
        3 => (0_u64..40).prop_map(Fact::Pass),
        1 => any::<bool>().prop_map(Fact::Room),
    ]
}

fn wish() -> impl Strategy<Value = FlowRequest> {
    let limit = || prop_oneof![3 => Just(0), 1 => 1_u64..30];
    (vec(batch("a"), 0..4), limit(), limit(), limit()).prop_map(
        |(mut batches, max_rows, max_logs, max_upload_bytes)| {
            for (at, batch) in batches.iter_mut().enumerate() {
                for query in &mut batch.query {
                    // Names are distinct in a flow, as with a real server (docs/protocol.md P23).
                    query.name = format!("{}{at}", query.name);
                }
            }
            FlowRequest { max_rows, max_logs, max_upload_bytes, ..request(batches) }
        },
    )
}

fn batch(prefix: &'static str) -> impl Strategy<Value = VqlCollectorArgs> {
    let statement = prop_oneof![
        (0_u8..30).prop_map(|n| format!("SELECT * FROM count_to(n={n})")),
        (0_u16..2_000).prop_map(|n| format!("SELECT * FROM slow(steps={n})")),
        (0_u16..400).prop_map(|n| format!("SELECT send(name='f', size={n}) FROM scope()")),
        Just("SELECT * FROM tick()".to_string()),
        Just("SELECT * FROM broken()".to_string()),
        Just("SELECT say(text='x', level='ALERT') FROM count_to(n=3)".to_string()),
        Just("SELECT FROM".to_string()),
        ".{0,12}",
    ];
    let precondition = prop_oneof![
        4 => Just(String::new()),
        1 => Just("SELECT * FROM count_to(n=1)".to_string()),
        1 => Just("SELECT * FROM count_to(n=0)".to_string()),
        1 => ".{0,9}",
    ];
    (vec(statement, 0..4), precondition, 0_u64..4, 0_u64..9, 1_u64..20).prop_map(
        move |(statements, precondition, max_row, max_wait, timeout)| {
            let named: Vec<_> = statements
                .into_iter()
                .enumerate()
                .map(|(at, vql)| (format!("${prefix}{at}"), vql))
                .collect();
            let borrowed: Vec<_> = named.iter().map(|(name, vql)| (&**name, &**vql)).collect();
            VqlCollectorArgs { precondition, max_row, max_wait, timeout, ..args(&borrowed) }
        },
    )
}
