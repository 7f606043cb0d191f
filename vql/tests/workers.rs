//! Threads that a host lends: to `foreach(workers=…)`, with one budget, one log and one set of rights; to `hash()`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use troodon_vql::threads::{Bell, HostThreads, Threads, Work};
use troodon_vql::{
    Access, Budget, Denied, Event, Function, Interrupt, Level, LogSink, Now, Permission, Program,
    Query, Registry, Session, Setup, Stop, Value, json, standard,
};

/// How long a query that waits for another thread may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl LogSink for Log {
    fn log(&mut self, _: Level, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

fn setup(threads: usize, functions: &[&'static Function]) -> (Setup, Log) {
    let mut registry = Registry::core();
    registry.lend_threads(Arc::new(HostThreads::new(threads)));
    registry.add_functions(functions);
    let mut setup = Setup::agent(Arc::new(registry));
    let log = Log::default();
    setup.log = Box::new(log.clone());
    (setup, log)
}

fn run(session: &mut Session, text: &str) -> Result<Vec<String>, Stop> {
    let mut query = Query::new(Program::parse(text).expect("a valid query"));
    let mut rows = Vec::new();
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "no end of {text}");
        match query.step(session, Now::default(), 1_000)? {
            Event::Row(row) => rows.push(json::to_string(&Value::Dict(row))),
            Event::OutOfFuel => {}
            Event::Pending(_) => panic!("nothing to wait for"),
            Event::End => return Ok(rows),
        }
    }
}

/// Comes back when three threads are in it at the same time.
static MEET: Function = Function::new("meet", "Waits for two others.", &[], |cx, _, _| {
    let barrier = cx.extension::<Barrier>().expect("the test puts it in");
    barrier.wait();
    Ok(Value::Bool(true))
});

#[test]
fn rows_are_worked_on_at_the_same_time() {
    for how in ["workers=3", "async=TRUE"] {
        let mut session = Session::new(setup(8, &[&MEET]).0);
        session.extend(Arc::new(Barrier::new(3)));
        let text = format!(
            "SELECT * FROM foreach(row={{ SELECT _value AS A FROM range(end=9) }}, {how}, \
             query={{ SELECT A, meet() AS M FROM scope() }})"
        );
        let rows: BTreeSet<String> = run(&mut session, &text).unwrap().into_iter().collect();
        let wanted = (0..9).map(|at| format!("{{\"A\":{at},\"M\":true}}"));
        assert_eq!(rows, wanted.collect());
    }
}

#[test]
fn every_row_comes_once_wherever_the_query_stands() {
    let inner = "foreach(row={ SELECT _value AS A FROM range(end=100) }, workers=4, \
                 query={ SELECT A, _value AS B FROM range(end=20) WHERE B < 10 })";
    let texts = [
        format!("SELECT count() AS N, sum(item=A * B) AS S FROM {inner} GROUP BY 1"),
        format!(
            "LET X <= SELECT * FROM {inner} SELECT count() AS N, sum(item=A * B) AS S FROM X GROUP BY 1"
        ),
        format!(
            "SELECT len(list=X) AS N, 222750 AS S FROM foreach(row={{ SELECT {{ SELECT * FROM {inner} }} AS X FROM scope() }})"
        ),
        format!(
            "SELECT 1000 AS N, 222750 AS S FROM scope() WHERE len(list={{ SELECT * FROM {inner} }}) = 1000"
        ),
    ];
    for threads in [0, 1, 3, 8] {
        for text in &texts {
            let mut session = Session::new(setup(threads, &[]).0);
            assert_eq!(run(&mut session, text).unwrap(), ["{\"N\":1000,\"S\":222750}"], "{text}");
        }
    }
}

#[test]
fn one_worker_keeps_the_order_and_aggregates_are_shared() {
    let text = |workers: u32| {
        format!(
            "SELECT * FROM foreach(row={{ SELECT _value AS A FROM range(end=200) }}, \
             workers={workers}, query={{ SELECT count() AS C FROM scope() }})"
        )
    };
    let in_order: Vec<String> = (1..=200).map(|at| format!("{{\"C\":{at}}}")).collect();
    let mut session = Session::new(setup(8, &[]).0);
    assert_eq!(run(&mut session, &text(1)).unwrap(), in_order);
    let mut session = Session::new(setup(8, &[]).0);
    let counts: BTreeSet<String> = run(&mut session, &text(4)).unwrap().into_iter().collect();
    assert_eq!(counts, in_order.into_iter().collect());
}

#[test]
fn workers_within_workers_end_when_threads_run_out() {
    let text = "LET Q(n) = SELECT * FROM foreach(row={ SELECT _value AS A FROM range(end=3) }, workers=3, \
                query={ SELECT * FROM if(condition=n > 1, then={ SELECT * FROM Q(n=n - 1) }, \
                                         else={ SELECT A FROM scope() }) }) \
                SELECT count() AS N FROM Q(n=4) GROUP BY 1";
    let mut session = Session::new(setup(7, &[]).0);
    assert_eq!(run(&mut session, text).unwrap(), ["{\"N\":81}"]);
}

#[test]
fn all_workers_share_one_budget() {
    let budget = Budget { steps: Some(200_000), held_bytes: 64 << 10, ..Budget::host() };
    let stopped = |query: &str| {
        let (mut setup, _) = setup(8, &[]);
        setup.budget = budget;
        let text = format!(
            "SELECT * FROM foreach(row={{ SELECT _value AS A FROM range(end=8) }}, workers=4, query={{ {query} }})"
        );
        run(&mut Session::new(setup), &text).unwrap_err().to_string()
    };
    // Each of the eight stays below the limit; together they do not.
    assert_eq!(
        stopped("SELECT * FROM range(end=40000) WHERE _value < 0"),
        "query exceeded its budget of 200000 steps"
    );
    assert_eq!(
        stopped("SELECT * FROM range(end=5000) ORDER BY _value"),
        "query exceeded its budget of 65536 bytes of held rows"
    );
}

#[test]
fn messages_of_workers_reach_the_log() {
    let (setup, log) = setup(8, &[]);
    let text = "SELECT * FROM foreach(row={ SELECT _value AS A FROM range(end=5) }, workers=2, \
                query={ SELECT NoSuchName FROM scope() })";
    assert_eq!(run(&mut Session::new(setup), text).unwrap().len(), 5);
    let messages = log.0.lock().unwrap();
    assert_eq!(messages.len(), 5);
    assert!(messages.iter().all(|text| text.starts_with("Symbol NoSuchName not found")));
}

static SECRET: Function = Function::new("secret", "Never reached.", &[], |_, _, _| {
    panic!("the body ran without permission")
})
.needs(&[Permission::Execve]);

struct Nothing;

impl Access for Nothing {
    fn check(&self, _: &str, permissions: &[Permission]) -> Result<(), Denied> {
        Err(Denied::by_policy(permissions))
    }
}

#[test]
fn workers_have_the_rights_of_the_caller() {
    let (mut setup, log) = setup(8, &[&SECRET]);
    setup.access = Arc::new(Nothing);
    let text = "SELECT * FROM foreach(row={ SELECT _value AS A FROM range(end=3) }, workers=3, \
                query={ SELECT secret() AS S FROM scope() })";
    assert_eq!(run(&mut Session::new(setup), text).unwrap(), ["{\"S\":null}"; 3]);
    let denied = "secret: PermissionDenied: Permission denied: [EXECVE]";
    assert_eq!(*log.0.lock().unwrap(), [denied; 3]);
}

/// Where the test waits for its three workers.
struct Gates {
    started: Barrier,
    ended: Barrier,
}

/// Says that it runs, runs until it is cancelled, and says so.
static SPIN: Function = Function::new("spin", "Works for ever.", &[], |cx, _, _| {
    let gates = cx.extension::<Gates>().expect("the test puts it in");
    gates.started.wait();
    loop {
        if let Err(stop) = cx.charge(1) {
            gates.ended.wait();
            return Err(stop.into());
        }
    }
});

#[test]
fn cancelling_and_dropping_end_the_workers() {
    for cancel in [true, false] {
        let (mut setup, _) = setup(8, &[&SPIN]);
        let interrupt = Interrupt::new();
        setup.interrupt = interrupt.clone();
        setup.budget.steps = None;
        let mut session = Session::new(setup);
        let gates = Arc::new(Gates { started: Barrier::new(4), ended: Barrier::new(4) });
        session.extend(Arc::clone(&gates));
        let text = "SELECT * FROM foreach(row={ SELECT _value AS A FROM range(end=3) }, workers=3, \
                    query={ SELECT spin() AS S FROM scope() })";
        let mut query = Query::new(Program::parse(text).unwrap());
        let event = query.step(&mut session, Now::default(), 1_000).unwrap();
        assert!(matches!(event, Event::OutOfFuel), "{event:?}");
        gates.started.wait();
        if cancel {
            interrupt.set();
            let stop = query.step(&mut session, Now::default(), 1_000).unwrap_err();
            assert_eq!(stop, Stop::Interrupted);
        }
        drop(query);
        // All three workers come here only because they were told to stop.
        gates.ended.wait();
    }
}

#[test]
fn limit_ends_the_workers() {
    let mut session = Session::new(setup(8, &[]).0);
    let text = "SELECT * FROM foreach(row={ SELECT _value AS A FROM range(end=1000000000) }, workers=3, \
                query={ SELECT A FROM scope() }) LIMIT 5";
    assert_eq!(run(&mut session, text).unwrap().len(), 5);
}

/// Threads of the host, counted.
struct Counted {
    host: HostThreads,
    started: AtomicUsize,
}

impl Threads for Counted {
    fn start(&self, work: Work) -> bool {
        let is_started = self.host.start(work);
        self.started.fetch_add(usize::from(is_started), Ordering::Relaxed);
        is_started
    }

    fn bell(&self) -> Arc<dyn Bell> {
        self.host.bell()
    }
}

#[test]
fn a_large_file_is_hashed_in_two_threads_with_the_same_digests() {
    let large = 1 << 20;
    for (len, lent, used) in
        [(large - 3, 1, 0), (large, 0, 0), (large, 1, 1), (large + 1, 1, 1), (2_500_001, 2, 1)]
    {
        let threads = Arc::new(Counted { host: HostThreads::new(lent), started: 0.into() });
        let mut registry = Registry::core();
        standard::add_values(&mut registry);
        standard::add_files(&mut registry);
        registry.lend_threads(threads.clone());
        let mut session = Session::new(Setup::agent(Arc::new(registry)));
        // A period that no block length is a multiple of: blocks in the wrong order have another digest.
        let times = len / 7 + 1;
        let text = format!(
            "LET Data <= '0123456' * {times}
             LET All = hash(accessor='data', path=Data[:{len}])
             SELECT All.MD5 = hash(accessor='data', path=Data[:{len}], hashselect='MD5').MD5 AS M,
                    All.SHA1 = hash(accessor='data', path=Data[:{len}], hashselect='SHA1').SHA1 AS S,
                    len(list=All.MD5) AS L FROM scope()",
        );
        let rows = run(&mut session, &text).unwrap();
        assert_eq!(rows, ["{\"M\":true,\"S\":true,\"L\":32}"], "{len} bytes");
        // `All` is hashed once for each place that names it.
        assert_eq!(threads.started.load(Ordering::Relaxed), used * 3, "{len} bytes");
    }
}
