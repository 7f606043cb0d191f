//! Whatever the fuel, and whoever takes turns with whom, the server sees the same results.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;
use troodon_core::executor::Sizes;
use troodon_proto::{VqlCollectorArgs, velo_status::Status};

use crate::bench::{Bench, Files, args, request, text};

/// For each flow and name: part, first row, rows, lines.
type Results = BTreeMap<(String, String), Vec<(u64, u64, u64, String)>>;

proptest! {
    #![proptest_config(Config { cases: 64, ..Config::default() })]

    #[test]
    fn fuel_and_company_change_nothing(
        flows in vec(vec(batch(), 1..4), 1..5),
        fuel in 0_u64..5_000,
        running in 1_usize..4,
        rests in vec(any::<bool>(), 0..20),
    ) {
        let alone = run(&flows, 1_000_000, 1, &[]);
        assert_eq!(run(&flows, fuel, running, &rests), alone);
    }
}

/// Runs the flows to their ends. `rests` says when the outgoing queue has no room.
fn run(flows: &[Vec<VqlCollectorArgs>], fuel: u64, running: usize, rests: &[bool]) -> Results {
    let sizes = Sizes { fuel, flows_running: running, ..Sizes::host() };
    let mut bench = Bench::with(sizes, Files::default());
    for (n, batches) in flows.iter().enumerate() {
        bench.ask(&format!("F.{n}"), request(batches.clone()));
    }
    for rest in rests {
        bench.room = if *rest { 0 } else { usize::MAX };
        bench.settle();
    }
    bench.room = usize::MAX;
    bench.pass_seconds(1);
    let mut results = Results::new();
    for n in 0..flows.len() {
        let id = format!("F.{n}");
        for part in bench.notes.responses(&id) {
            let name = part.query.as_ref().unwrap().name.clone();
            let part =
                (part.part, part.query_start_row, part.total_rows, text(&part.jsonl_response));
            results.entry((id.clone(), name)).or_default().push(part);
        }
        for (at, status) in bench.notes.end(&id).iter().enumerate() {
            assert_eq!(status.status(), Status::Ok, "{status:?}");
            let rows = status.result_rows.unsigned_abs();
            let names = status.names_with_response.concat();
            results
                .entry((id.clone(), format!("status {at}")))
                .or_default()
                .push((0, 0, rows, names));
        }
    }
    results
}

/// A batch with some statements, under names of its own.
fn batch() -> impl Strategy<Value = VqlCollectorArgs> {
    let count = (0_u32..40).prop_map(|n| format!("SELECT * FROM count_to(n={n})"));
    let slow = (0_u32..3_000).prop_map(|n| format!("SELECT * FROM slow(steps={n})"));
    let product = (0_u32..6, 0_u32..6).prop_map(|(a, b)| {
        format!("SELECT * FROM foreach(row={{ SELECT N AS A FROM count_to(n={a}) }}, query={{ SELECT A, N FROM count_to(n={b}) }})")
    });
    let of_let = Just("SELECT Total, N FROM count_to(n=3)".to_string());
    let statement = prop_oneof![count, slow, product, of_let];
    (vec(statement, 1..4), 1_u64..9, any::<u16>()).prop_map(|(statements, max_row, tag)| {
        let mut all = vec![(String::new(), "LET Total <= SELECT N FROM count_to(n=5)".to_string())];
        for (n, vql) in statements.into_iter().enumerate() {
            all.push((format!("${tag:x}{n}"), vql));
        }
        let borrowed: Vec<_> =
            all.iter().map(|(name, vql)| (name.as_str(), vql.as_str())).collect();
        VqlCollectorArgs { max_row, ..args(&borrowed) }
    })
}
