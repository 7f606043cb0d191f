//! Queries that ask for more memory or work than there is: each stops with an error that names its budget, and the
//! process stays small meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use troodon_vql::{
    Accessor, Budget, Context, Entries, Event, Fault, FileInfo, Function, Interrupt, Now, Program,
    Query, Reader, Registry, Session, Setup, Stop, Text, Value, standard,
};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// One test at a time: they look at the memory of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

const HELD: usize = 512 << 10;
const VALUE: usize = 256 << 10;
/// What a query may take above what was there before. A row counts less than its blocks of memory take, and the last
/// value before the limit is there beside the one that exceeds it.
const MEMORY_MIB_MAX: f32 = 24.0;

fn budget() -> Budget {
    Budget {
        steps: Some(400_000),
        rows: Some(1_000),
        held_bytes: HELD,
        value_bytes: VALUE,
        depth: 100,
    }
}

/// Runs a query to its end, and checks the memory that it took.
fn run(text: &str) -> Result<(), Stop> {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut registry = Registry::core();
    standard::add_values(&mut registry);
    let mut setup = Setup::agent(Arc::new(registry));
    setup.budget = budget();
    let mut session = Session::new(setup);
    let mut query = Query::new(Program::parse(text).expect("a valid query"));
    let before = HEAP.current_usage_as_mb();
    HEAP.reset_peak_usage();
    let result = loop {
        match query.step(&mut session, Now::default(), 10_000) {
            Ok(Event::End) => break Ok(()),
            Ok(Event::Row(_) | Event::OutOfFuel) => {}
            Ok(Event::Pending(_)) => panic!("nothing to wait for"),
            Err(stop) => break Err(stop),
        }
    };
    let took = HEAP.peak_usage_as_mb() - before;
    assert!(took < MEMORY_MIB_MAX, "{took} MiB for {text}");
    result
}

fn stops(texts: &[&str], limit: &str) {
    for text in texts {
        let stop = run(text).err().map(|stop| stop.to_string()).unwrap_or_default();
        assert_eq!(stop, format!("query exceeded its budget of {limit}"), "{text}");
    }
}

const ENDLESS: &str = "range(end=9223372036854775807)";

#[test]
fn tables_that_do_not_fit_exceed_the_held_bytes() {
    let texts = [
        format!("SELECT * FROM {ENDLESS} ORDER BY _value DESC"),
        format!("SELECT _value AS K, count() AS N FROM {ENDLESS} GROUP BY K"),
        format!("SELECT format(format='%0200d', args=_value) AS K FROM {ENDLESS} GROUP BY K"),
        format!("LET X <= SELECT * FROM {ENDLESS}"),
        format!("SELECT dict(a={{ SELECT * FROM {ENDLESS} }}) AS D FROM scope()"),
        format!("SELECT {{ SELECT * FROM {ENDLESS} }} AS D FROM scope()"),
        format!("LET Q = SELECT * FROM {ENDLESS} SELECT Q._value AS V FROM scope()"),
        format!(
            "SELECT * FROM foreach(row={{ SELECT {{ SELECT * FROM {ENDLESS} }} AS A FROM scope() }})"
        ),
        format!("SELECT * FROM scope() WHERE len(list={{ SELECT * FROM {ENDLESS} }}) > 1"),
        format!(
            "SELECT to_dict(item={{ SELECT _value AS _key FROM {ENDLESS} }}) AS D FROM scope()"
        ),
        format!(
            "SELECT memoize(query={{ SELECT * FROM {ENDLESS} }}, key='_value') AS D FROM scope()"
        ),
        format!("SELECT join(array={{ SELECT * FROM {ENDLESS} }}, sep=',') AS J FROM scope()"),
        format!("SELECT items(item={{ SELECT * FROM {ENDLESS} }}) AS J FROM scope()"),
        format!("SELECT * FROM items(item=dict(a={{ SELECT * FROM {ENDLESS} }})) ORDER BY _key"),
        format!(
            "SELECT filter(list={{ SELECT * FROM {ENDLESS} }}, condition='x=>1') AS J FROM scope()"
        ),
        format!("LET Q = SELECT * FROM {ENDLESS} SELECT Q + 1 AS J FROM scope()"),
        format!("LET Q = SELECT * FROM {ENDLESS} SELECT Q[-1] AS J FROM scope()"),
        format!(
            "SELECT _value, enumerate(items=_value) AS E, min(item=_value) AS L, max(item=_value) AS M FROM {ENDLESS} GROUP BY _value"
        ),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    stops(&texts, &format!("{HELD} bytes of held rows"));
}

#[test]
fn values_that_grow_without_end_exceed_the_value_bytes() {
    let doubling = "LET F(s, n) = if(condition=n > 0, then=F(s=s + s, n=n - 1), else=s)";
    let texts = [
        format!("{doubling} SELECT F(s='x', n=40) AS S FROM scope()"),
        format!("{doubling} SELECT F(s=(1, 2), n=40) AS S FROM scope()"),
        format!("SELECT enumerate(items=_value) AS L FROM {ENDLESS} GROUP BY 1"),
        format!("SELECT sum(item='x' * 1000) AS L, enumerate(items='x' * 1000) AS M FROM {ENDLESS} GROUP BY 1"),
        "SELECT 'x' * 9223372036854775807 AS S FROM scope()".to_owned(),
        "SELECT join(array=split(string='x' * 100000, sep='x'), sep='y' * 100000) AS S FROM scope()".to_owned(),
        "SELECT regex_replace(source='x' * 100000, re='x', replace='y' * 100000) AS S FROM scope()".to_owned(),
        "SELECT regex_replace(source='x' * 100000, re='x', replace_lambda='x=>x * 100000') AS S FROM scope()".to_owned(),
        "SELECT regex_transform(source='x' * 1000, map=dict(x='y' * 1000)) AS S FROM scope()".to_owned(),
        "SELECT format(format='%s' * 1000, args=split(string='x,' * 2000, sep=',') * 2) AS S, format(format='%999s' * 1000, args=split(string='x,' * 2000, sep=',')) AS T FROM scope()".to_owned(),
        "SELECT serialize(item='\\x01' * 100000) AS S FROM scope()".to_owned(),
        "SELECT base64encode(string='x' * 250000) AS S FROM scope()".to_owned(),
        "SELECT encode(string='x' * 200000, type='hex') AS S FROM scope()".to_owned(),
        "SELECT split(string='x,' * 100000, sep=',') AS L FROM scope()".to_owned(),
        "LET F(d, n) = if(condition=n > 0, then=F(d=dict(a=d, b=d), n=n - 1), else=d) SELECT F(d=1, n=40) AS D FROM scope()".to_owned(),
        "LET F(d, n) = if(condition=n > 0, then=F(d=set(item=d, field='f' * n, value='x' * 20000), n=n - 1), else=d) SELECT F(d=dict(), n=40) AS D FROM scope()".to_owned(),
        format!("SELECT max(item='x' * (_value * 1000)) AS L FROM {ENDLESS} GROUP BY 1"),
        format!("SELECT min(item='x' * (_value * 1000)) AS L FROM {ENDLESS} GROUP BY 1"),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    stops(&texts, &format!("{VALUE} bytes in one value"));
}

#[test]
fn work_without_end_exceeds_the_steps() {
    let texts = [
        format!("SELECT * FROM {ENDLESS} WHERE _value < 0"),
        format!("SELECT count() AS N FROM {ENDLESS} GROUP BY 1"),
        format!(
            "SELECT * FROM foreach(row={{ SELECT * FROM {ENDLESS} }}, query={{ SELECT * FROM scope() WHERE 0 }})"
        ),
        format!("SELECT * FROM chain(a={{ SELECT * FROM {ENDLESS} WHERE 0 }}, async=TRUE)"),
        format!(
            "SELECT * FROM flatten(query={{ SELECT split(string='a,' * 100, sep=',') AS A, split(string='a,' * 100, sep=',') AS B, split(string='a,' * 100, sep=',') AS C, split(string='a,' * 100, sep=',') AS D FROM {ENDLESS} }}) WHERE 0"
        ),
        "LET F(n) = F(n=n + 1) + F(n=n + 2) SELECT F(n=1) FROM scope()".to_owned(),
        "LET F(n) = filter(list=(n, n, n), condition='x=>F(n=x)') SELECT F(n=1) FROM scope()".to_owned(),
        "LET G = 'x=>all(items=(x, x, x), filter=G)' SELECT all(items=(1, 1, 1), filter=G) FROM scope()".to_owned(),
        format!("SELECT min(item=_value) AS A, max(item=1) AS B, sum(item=_value) AS C FROM {ENDLESS} GROUP BY 1"),
        "SELECT all(items={ SELECT * FROM range(end=5000) }, filter='x=>any(items={ SELECT * FROM range(end=5000) }, filter=\"y=>0\") OR 1') FROM scope()".to_owned(),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    stops(&texts, "400000 steps");
}

#[test]
fn paths_are_only_taken_apart_when_they_may_be_some() {
    // Refused with a message; the query goes on.
    for text in [
        "SELECT pathspec(Path='a/' * 100000) AS P FROM scope()",
        "SELECT pathspec(Path='a/' * 100000, DelegatePath='/z') AS P FROM scope()",
        "SELECT pathspec(Path='/a') + split(string='x,' * 4000, sep=',') + 'a/' * 60000 + 'b/' * 60000 AS P FROM scope()",
        "SELECT dirname(path='a/' * 100000) AS P, basename(path='a/' * 100000) AS B, path_split(path='a/' * 100000) AS C FROM scope()",
    ] {
        assert_eq!(run(text), Ok(()), "{text}");
    }
}

#[test]
fn pattern_bombs_stay_small() {
    // Refused with a message, or matched in linear time; the query goes on.
    for text in [
        "SELECT 'aaaa' =~ '((a{100}){100}){100}' AS M FROM scope()",
        "SELECT 'x' * 100000 =~ '(x+x+)+y' AS M FROM scope()",
        "SELECT 'x' =~ format(format='(a{400}|b{400})%d', args=_value) AS M FROM range(end=900)",
        "SELECT regex_replace(source='x' * 10000, re='(x*)*y', replace='') AS M FROM scope()",
    ] {
        assert_eq!(run(text), Ok(()), "{text}");
    }
}

/// Tells the test that the query has come this far.
static HERE: Function = Function::new("here", "Opens the gate.", &[], |cx, _, _| {
    cx.extension::<AtomicBool>().expect("the test puts it in").store(true, Ordering::Relaxed);
    Ok(Value::Null)
});

/// A file without end, read in pieces.
struct EndlessFile(Arc<AtomicBool>);

impl Accessor for EndlessFile {
    fn open(&self, _: &mut Context, _: &Text) -> Result<Box<dyn Reader>, Fault> {
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }

    fn stat(&self, _: &mut Context, _: &Text) -> Result<FileInfo, Fault> {
        Ok(FileInfo::default())
    }

    fn read_dir(&self, _: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault> {
        Err(Fault::note(format!("{path}: no directory")))
    }
}

impl Reader for EndlessFile {
    fn read_at(&mut self, _: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.0.store(true, Ordering::Relaxed);
        buffer.fill(b'x');
        Ok(buffer.len())
    }
}

/// Sets the interrupt once the gate is open; answers when that was.
fn cancel_behind(gate: Arc<AtomicBool>, interrupt: Interrupt) -> JoinHandle<Instant> {
    std::thread::spawn(move || {
        while !gate.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        interrupt.set();
        Instant::now()
    })
}

#[test]
fn cancelling_is_prompt_in_the_middle_of_a_file() {
    for text in [
        "SELECT hash(path='x', accessor='endless', max_size=9000000000000000000) AS H FROM scope()",
        "SELECT * FROM parse_lines(filename='x', accessor='endless')",
        "SELECT * FROM parse_jsonl(filename='x', accessor='endless')",
        "SELECT * FROM parse_records_with_regex(file='x', accessor='endless', regex='y')",
    ] {
        let gate = Arc::new(AtomicBool::new(false));
        let interrupt = Interrupt::new();
        let mut registry = Registry::core();
        standard::add_values(&mut registry);
        standard::add_files(&mut registry);
        registry.add_accessor("endless", &[], Arc::new(EndlessFile(Arc::clone(&gate))));
        let mut setup = Setup::agent(Arc::new(registry));
        setup.interrupt = interrupt.clone();
        setup.budget.steps = None;
        let mut session = Session::new(setup);
        let mut query = Query::new(Program::parse(text).expect("a valid query"));
        let switch = cancel_behind(gate, interrupt);
        let stop = loop {
            if let Err(stop) = query.step(&mut session, Now::default(), 100) {
                break stop;
            }
        };
        let late = switch.join().unwrap().elapsed();
        assert_eq!(stop, Stop::Interrupted, "{text}");
        assert!(late < Duration::from_secs(1), "{text}: {late:?}");
    }
}

#[test]
fn cancelling_is_prompt_in_the_middle_of_a_step() {
    let interrupt = Interrupt::new();
    let mut registry = Registry::core();
    registry.add_functions(&[&HERE]);
    let mut setup = Setup::agent(Arc::new(registry));
    setup.interrupt = interrupt.clone();
    setup.budget.steps = None;
    let mut session = Session::new(setup);
    let gate = Arc::new(AtomicBool::new(false));
    session.extend(Arc::clone(&gate));
    // The sub-query is one step for the host.
    let inner = format!("SELECT here() AS H, count() AS N FROM {ENDLESS} GROUP BY 1");
    let text = format!("SELECT {{ {inner} }} AS A FROM scope()");
    let mut query = Query::new(Program::parse(&text).expect("a valid query"));
    let switch = cancel_behind(gate, interrupt);
    let stop = query.step(&mut session, Now::default(), 100).expect_err("it has no end");
    let late = switch.join().unwrap().elapsed();
    assert_eq!(stop, Stop::Interrupted);
    assert!(late < Duration::from_secs(1), "{late:?}");
}
