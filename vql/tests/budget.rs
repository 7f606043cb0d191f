//! What a hostile or mistaken query may use before it is stopped, and how hosts share time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use troodon_vql::{
    Access, AllowList, Args, Budget, Context, Denied, Event, Fault, Function, Instant, Interrupt,
    Level, Limit, LogSink, Now, Permission, Plugin, Program, Query, Registry, Row, Rows, Scope,
    Session, Setup, Step, Stop, Value,
};

fn small() -> Budget {
    Budget {
        steps: Some(100_000),
        rows: Some(1_000),
        held_bytes: 64 << 10,
        value_bytes: 16 << 10,
        depth: 100,
    }
}

fn session(budget: Budget) -> Session {
    let mut setup = Setup::agent(Arc::new(Registry::core()));
    setup.budget = budget;
    Session::new(setup)
}

/// Runs to the end; answers the number of rows.
fn run(session: &mut Session, text: &str) -> Result<usize, Stop> {
    let mut query = Query::new(Program::parse(text).expect("a valid query"));
    let mut rows = 0;
    loop {
        match query.step(session, Now::default(), 1_000)? {
            Event::Row(_) => rows += 1,
            Event::OutOfFuel => {}
            Event::Pending(_) => panic!("nothing to wait for"),
            Event::End => return Ok(rows),
        }
    }
}

fn stopped_by(text: &str) -> String {
    let stop = run(&mut session(small()), text).expect_err("a query beyond its budget");
    stop.to_string()
}

#[test]
fn a_query_without_end_exceeds_its_steps() {
    let endless = "SELECT * FROM range(end=9223372036854775807) WHERE _value < 0";
    assert_eq!(stopped_by(endless), "query exceeded its budget of 100000 steps");
    let nested = "LET R = SELECT * FROM range(end=1000) \
                  SELECT * FROM foreach(row=R, query={ SELECT * FROM foreach(row=R, query=R) }) WHERE 0";
    assert_eq!(stopped_by(nested), "query exceeded its budget of 100000 steps");
    let doubling = "LET X = X + X SELECT X FROM scope()";
    assert_eq!(stopped_by(doubling), "query exceeded its budget of 100000 steps");
}

#[test]
fn too_many_rows_exceed_the_rows() {
    assert_eq!(
        stopped_by("SELECT * FROM range(end=5000)"),
        "query exceeded its budget of 1000 rows"
    );
}

#[test]
fn tables_in_memory_exceed_the_held_bytes() {
    let held = "query exceeded its budget of 65536 bytes of held rows";
    assert_eq!(stopped_by("LET X <= SELECT * FROM range(end=50000)"), held);
    assert_eq!(stopped_by("SELECT * FROM range(end=50000) ORDER BY _value"), held);
    assert_eq!(stopped_by("SELECT * FROM range(end=50000) GROUP BY _value"), held);
    assert_eq!(stopped_by("SELECT { SELECT * FROM range(end=50000) } AS A FROM scope()"), held);
}

#[test]
fn memory_of_a_table_that_is_gone_can_be_used_again() {
    let text = "SELECT len(list={ SELECT * FROM range(end=200) }) AS N FROM range(end=100)";
    assert_eq!(run(&mut session(small()), text), Ok(100));
}

#[test]
fn giant_values_exceed_the_value_bytes() {
    let value = "query exceeded its budget of 16384 bytes in one value";
    assert_eq!(stopped_by("SELECT 'x' * 1000000000000 AS A FROM scope()"), value);
    assert_eq!(
        stopped_by("SELECT 'xxxxxxxxxx' * 1000 + 'xxxxxxxxxx' * 1000 AS A FROM scope()"),
        value
    );
    let shared: String = (1..40).map(|n| format!("LET X{n} <= (X{0}, X{0}) ", n - 1)).collect();
    assert_eq!(stopped_by(&format!("LET X0 <= (1, 2) {shared}")), value);
}

#[test]
fn deep_values_exceed_their_levels() {
    let deep: String = (1..80).map(|n| format!("LET X{n} <= (X{}, ) ", n - 1)).collect();
    let stop = run(&mut session(small()), &format!("LET X0 <= 1 {deep}"));
    assert_eq!(stop, Err(Limit::ValueDepth(64).into()));
}

#[test]
fn recursion_of_every_kind_ends_on_a_normal_stack() {
    let recursions = [
        "LET F(n) = F(n=n + 1) SELECT F(n=1) FROM scope()",
        "LET F(n) = if(condition=1, then=F(n=n + 1)) SELECT F(n=1) FROM scope()",
        "LET F(n) = len(list=F(n=(n + 1) * 2)) + 1 SELECT F(n=1) FROM scope()",
        "LET Q(n) = SELECT * FROM Q(n=n + 1) SELECT * FROM Q(n=1)",
        "LET Q(n) = SELECT { SELECT * FROM Q(n=n) } AS A FROM scope() SELECT * FROM Q(n=1)",
        "LET Q(n) = SELECT * FROM foreach(row={ SELECT * FROM Q(n=n) }) SELECT * FROM Q(n=1)",
        "LET Q(n) = SELECT * FROM chain(a={ SELECT * FROM Q(n=n) }) SELECT * FROM Q(n=1)",
        "LET Q(n) = SELECT 1 FROM scope() WHERE Q(n=n) SELECT * FROM Q(n=1)",
        "LET Q = SELECT Q.A AS A FROM flatten(query=Q) GROUP BY Q ORDER BY A SELECT * FROM Q",
    ];
    for text in recursions {
        // Most end with NULL and a message; those that branch may use up their steps instead.
        let _ = run(&mut session(Budget { depth: Budget::host().depth + 100, ..small() }), text);
    }
}

#[test]
fn deep_nesting_is_a_mistake_in_the_text() {
    for (open, close) in [("(", ")"), ("NOT ", ""), ("len(list=", ")"), ("a[", "]")] {
        let text = format!("SELECT {}1{} FROM scope()", open.repeat(5_000), close.repeat(5_000));
        let error = Program::parse(&text).expect_err("too deep").to_string();
        assert!(error.contains("more than 64 levels of nesting"), "{error}");
    }
    let chain = format!("SELECT 1{} AS N FROM scope()", " + 1".repeat(50_000));
    assert_eq!(run(&mut session(Budget::host()), &chain), Ok(1));
}

#[test]
fn patterns_that_explode_are_refused_and_logged() {
    for pattern in ["(a{1000}){1000}", "((((a{100}){100}){100}){100})"] {
        let text = format!("SELECT 'aaaa' =~ '{pattern}' AS M FROM scope()");
        let (mut session, log) = logged(Registry::core());
        assert_eq!(run(&mut session, &text), Ok(1));
        assert!(log.text().contains("it compiles to more than"), "{}", log.text());
    }
    // Exponential in an engine that backtracks.
    let text = format!("SELECT '{}' =~ '^(a+)+$' AS M FROM scope()", "a".repeat(5_000) + "b");
    assert_eq!(run(&mut session(small()), &text), Ok(1));
}

#[test]
fn messages_are_cut_and_counted() {
    let (mut session, log) = logged(Registry::core());
    let text = "SELECT NoSuchName FROM range(end=20000)";
    assert_eq!(run(&mut session, text), Ok(20_000));
    let messages = log.0.lock().expect("one thread");
    assert_eq!(messages.len(), 10_000);
    assert!(
        messages
            .last()
            .is_some_and(|(level, text)| *level == Level::Warn && text.contains("too many"))
    );
}

#[test]
fn a_step_ends_when_its_fuel_is_spent() {
    let mut session = session(Budget::host());
    let text = "SELECT * FROM range(end=1000) WHERE _value = 999";
    let mut query = Query::new(Program::parse(text).expect("a valid query"));
    let mut pauses = 0;
    loop {
        match query.step(&mut session, Now::default(), 100).expect("within budget") {
            Event::OutOfFuel => pauses += 1,
            Event::Row(row) => assert_eq!(
                row.get(b"_value").map(troodon_vql::json::to_string).as_deref(),
                Some("999")
            ),
            Event::Pending(_) => panic!("nothing to wait for"),
            Event::End => break,
        }
    }
    assert!(pauses > 20, "{pauses}");
}

#[test]
fn a_cancelled_query_stops_at_its_next_step() {
    let interrupt = Interrupt::new();
    let mut setup = Setup::agent(Arc::new(Registry::core()));
    setup.interrupt = interrupt.clone();
    let mut session = Session::new(setup);
    let mut query = Query::new(Program::parse("SELECT * FROM range(end=9)").expect("a query"));
    assert!(matches!(query.step(&mut session, Now::default(), 100), Ok(Event::Row(_))));
    interrupt.set();
    assert_eq!(query.step(&mut session, Now::default(), 100).err(), Some(Stop::Interrupted));
}

/// One row each second.
static TICK: Plugin = Plugin::new("tick", "Waits.", &[], |cx, _, _| {
    Ok(Box::new(Tick(cx.instant().after(Duration::from_secs(1)))))
});

struct Tick(Instant);

impl Rows for Tick {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if cx.instant() < self.0 {
            return Ok(Step::Pending(self.0));
        }
        self.0 = self.0.after(Duration::from_secs(1));
        Ok(Step::Row(Row::single("At", Value::from(cx.instant().since_start().as_secs()))))
    }
}

#[test]
fn an_event_query_waits_without_a_thread_and_limit_ends_it() {
    let mut registry = Registry::core();
    registry.add_plugins(&[&TICK]);
    let (mut session, _) = logged(registry);
    let text = "SELECT * FROM foreach(row={ SELECT At FROM tick() }, query={ SELECT At FROM scope() }) LIMIT 3";
    let mut query = Query::new(Program::parse(text).expect("a query"));
    let (mut now, mut rows, mut waits) = (Now::default(), 0, 0);
    loop {
        match query.step(&mut session, now, 100).expect("within budget") {
            Event::Row(_) => rows += 1,
            Event::Pending(until) => {
                assert!(until > now.instant, "a wait ends in the future");
                now.instant = until;
                waits += 1;
            }
            Event::OutOfFuel => panic!("little work"),
            Event::End => break,
        }
    }
    assert_eq!((rows, waits), (3, 3));
    // An expression cannot wait.
    let (mut session, log) = logged({
        let mut registry = Registry::core();
        registry.add_plugins(&[&TICK]);
        registry
    });
    assert_eq!(run(&mut session, "SELECT { SELECT * FROM tick() } AS T FROM scope()"), Ok(1));
    assert!(log.text().contains("An event query cannot run inside an expression"));
}

static SECRET: Plugin =
    Plugin::new("secret", "Never reached.", &[], never).needs(&[Permission::MachineState]);

fn never(_: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    panic!("the body ran without permission")
}

static SECRET_FUNCTION: Function =
    Function::new("secret", "Never reached.", &[], |_, _, _| panic!("the body ran"))
        .needs(&[Permission::Execve, Permission::Network]);

type Refusal = fn(&[Permission]) -> Denied;

struct Nothing(Refusal);

impl Access for Nothing {
    fn check(&self, _: &str, permissions: &[Permission]) -> Result<(), Denied> {
        Err((self.0)(permissions))
    }
}

#[test]
fn a_denied_plugin_has_no_rows_a_denied_function_is_null_and_the_query_goes_on() {
    let cases: [(Refusal, &str); 3] = [
        (Denied::by_policy, "secret: PermissionDenied: Permission denied: [MACHINE_STATE]"),
        (Denied::no_policy, "secret: PermissionDenied: [MACHINE_STATE]"),
        (Denied::by_lockdown, "secret: PermissionDenied: Server locked down: [MACHINE_STATE]"),
    ];
    for (denied, message) in cases {
        let mut registry = Registry::core();
        registry.add_plugins(&[&SECRET]);
        registry.add_functions(&[&SECRET_FUNCTION]);
        let log = Log::default();
        let mut setup = Setup::agent(Arc::new(registry));
        setup.access = Arc::new(Nothing(denied));
        setup.log = Box::new(log.clone());
        let mut session = Session::new(setup);
        // A variable of the name of the upstream ACL manager changes nothing.
        let text = "LET `$acl` = 1 SELECT * FROM secret() SELECT secret() AS S FROM scope()";
        assert_eq!(run(&mut session, text), Ok(1));
        let messages = log.0.lock().expect("one thread");
        assert_eq!(messages.first(), Some(&(Level::Default, message.to_string())));
        assert!(messages.get(1).is_some_and(|(_, text)| text.ends_with("[EXECVE NETWORK]")));
    }
}

#[test]
fn allow_lists_take_names_away_but_never_the_core() {
    let list = |allowed: &[&str], denied: &[&str]| AllowList {
        allowed: allowed.iter().map(ToString::to_string).collect(),
        denied: denied.iter().map(ToString::to_string).collect(),
    };
    let mut registry = Registry::core();
    registry.add_plugins(&[&TICK, &SECRET]);
    registry.restrict_plugins(&list(&["tick", "unknown"], &["chain"]));
    let (mut session, log) = logged(registry);
    let text = "SELECT * FROM secret() SELECT * FROM secret() SELECT * FROM chain() \
                SELECT * FROM unknown() SELECT * FROM scope() SELECT * FROM never_heard_of()";
    assert_eq!(run(&mut session, text), Ok(1));
    let blocked = |name: &str| {
        format!(
            "VQL Plugin {name}() has been blocked in the configuration. \
             Please update the configuration file to allow it."
        )
    };
    let wanted = [blocked("secret"), blocked("chain"), blocked("unknown")];
    let messages = log.0.lock().expect("one thread");
    let texts: Vec<_> = messages.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(texts.get(..3), Some(&wanted[..]));
    assert!(texts.get(3).is_some_and(|text| text.starts_with("Plugin never_heard_of not found")));
    let error = Registry::core().restrict_accessors(&list(&["fiel"], &[]));
    assert_eq!(
        error.map_err(|error| error.to_string()),
        Err("Unknown accessor in allow list: fiel".into())
    );
}

fn logged(registry: Registry) -> (Session, Log) {
    let log = Log::default();
    let mut setup = Setup::agent(Arc::new(registry));
    setup.log = Box::new(log.clone());
    (Session::new(setup), log)
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl Log {
    fn text(&self) -> String {
        let messages = self.0.lock().expect("one thread");
        messages.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

impl LogSink for Log {
    fn log(&mut self, level: Level, message: &str) {
        self.0.lock().expect("one thread").push((level, message.into()));
    }
}
