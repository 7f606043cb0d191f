//! The queries that collections are made of: filter, group, loop.
#![allow(clippy::expect_used, missing_docs, reason = "a benchmark fails by panicking")]

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use troodon_vql::{Event, Now, Program, Query, Registry, Session, Setup};

const QUERIES: [(&str, &str); 4] = [
    (
        "where_pattern",
        "SELECT _value FROM range(end=10000) WHERE format(format='/usr/bin/%d', args=_value) =~ 'bin/.*99$'",
    ),
    ("where_number", "SELECT _value FROM range(end=10000) WHERE _value > 9990"),
    (
        "group_by",
        "SELECT _value < 500 AS Low, count() AS Count, sum(item=_value) AS Sum FROM range(end=10000) GROUP BY Low",
    ),
    (
        "foreach",
        "SELECT * FROM foreach(row={ SELECT _value AS A FROM range(end=100) }, \
         query={ SELECT A, _value AS B FROM range(end=100) })",
    ),
];

fn queries(criterion: &mut Criterion) {
    let registry = Arc::new(Registry::core());
    for (name, text) in QUERIES {
        let program = Program::parse(text).expect("a valid query");
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| run(&registry, &program));
        });
    }
}

fn run(registry: &Arc<Registry>, program: &Program) -> usize {
    let mut session = Session::new(Setup::agent(Arc::clone(registry)));
    let mut query = Query::new(program.clone());
    let mut rows = 0;
    loop {
        match query.step(&mut session, Now::default(), 100_000).expect("within budget") {
            Event::Row(_) => rows += 1,
            Event::OutOfFuel => {}
            Event::Pending(_) | Event::End => return rows,
        }
    }
}

criterion_group!(benches, queries);
criterion_main!(benches);
