//! Query texts: parsing, printing, running; and patterns.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use troodon_vql::syntax::reformat;
use troodon_vql::{
    Budget, Case, Event, Now, Pattern, Program, Query, Registry, Row, Session, Setup, json,
    standard,
};

/// A text is refused, or its printed form and its layout are the same query.
pub fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let program = match Program::parse(text) {
        Ok(program) => program,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let printed: Vec<_> = program.statements().iter().map(ToString::to_string).collect();
    let again = Program::parse(&printed.join("\n")).expect("a printed query is a query");
    assert_eq!(program.statements(), again.statements(), "{printed:?}");
    let lines = reformat(text).expect("a query can be laid out");
    let again = Program::parse(&lines).expect("a laid out query is a query");
    assert_eq!(program.statements(), again.statements(), "{lines}");
}

static REGISTRY: LazyLock<Arc<Registry>> = LazyLock::new(|| {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    Arc::new(registry)
});

/// A query ends within a small budget, and its rows are lines of JSON.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(program) = Program::parse(text) else { return };
    let mut setup = Setup::agent(Arc::clone(&REGISTRY));
    setup.budget = Budget { steps: Some(5_000), rows: Some(100), ..Budget::board() };
    let mut session = Session::new(setup);
    let mut query = Query::new(program);
    while let Ok(event) = query.step(&mut session, Now::default(), 100) {
        match event {
            Event::Row(row) => check(&row),
            Event::OutOfFuel => {}
            Event::Pending(_) | Event::End => break,
        }
    }
}

fn check(row: &Row) {
    let mut line = Vec::new();
    json::write_line(row, &mut line);
    let text = std::str::from_utf8(&line).expect("rows are UTF-8");
    assert!(text.starts_with('{') && text.ends_with("}\n"));
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
}

/// A pattern is refused, or it finds what lies within the text. The first line is the pattern.
pub fn pattern(data: &[u8]) {
    let (pattern, text) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let Ok(pattern) = Pattern::new(pattern, Case::Ignored) else { return };
    let found = pattern.captures_from(text, 0);
    assert_eq!(found.is_some(), pattern.is_match(text));
    for range in found.into_iter().flatten().flatten() {
        assert!(text.get(range).is_some());
    }
}

/// Queries that reach far.
#[must_use]
pub fn texts() -> Vec<Vec<u8>> {
    let texts = [
        "SELECT *, a.b[1:] AS `x y`, { SELECT 1 FROM scope() } FROM f(a=[1, ], **=dict()) WHERE NOT a =~ 'b' && 1 GROUP BY a, b ORDER BY c DESC LIMIT 5",
        "LET F(x, y=2) = x * y / -3 LET Q <= SELECT F(x=_value) AS V FROM range(end=9) SELECT Q.V, Q[0], len(list=Q) FROM scope()",
        "SELECT count() AS C, enumerate(items=_value) AS L FROM foreach(row=(1, 'a', NULL, dict(k='''v''')), query={ SELECT _value FROM scope() }) GROUP BY _value",
        "LET X = 1 + X SELECT X, format(format='%5.2f|%-3s|%x', args=(1.5, 'a', '\\xff')), split(string='a,b', sep=',') FROM scope() -- end",
        "EXPLAIN SELECT * FROM flatten(query={ SELECT (1, 2) AS A FROM chain(a={ SELECT * FROM items(item=dict(a=1)) }) }) // x",
        "SELECT timestamp(string='2024-02-29T10:00:00+01:00'), get(item=dict(a=(1, )), member='a.0'), 0x1f, 017, 1e5, \"q\" FROM if(condition=1, then=scope())",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into_iter().chain(suite()).collect()
}

/// The queries of the engine's own suite: the lines after `> ` of each block.
fn suite() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vql/tests/query");
    let files = fs::read_dir(folder).expect("the suite");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file of it").path()).collect();
    // A smoke test is the same on every machine.
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).expect("a readable file"));
    let query = |block: &str| {
        let lines: Vec<_> = block.lines().filter_map(|line| line.strip_prefix("> ")).collect();
        lines.join("\n").into_bytes()
    };
    let queries = texts.flat_map(|text| text.split("\n\n").map(query).collect::<Vec<_>>());
    queries.filter(|query| !query.is_empty()).collect()
}

/// Patterns with texts.
#[must_use]
pub fn patterns() -> Vec<Vec<u8>> {
    let texts = [
        "(?P<a>x+)(y|z)?$\nxxyxz",
        "^[^/]{2,5}\\d\\b\nab7 c",
        "gr\u{f6}(.*)\\w\ngr\u{f6}sse",
        "(a{9}){9}\naaa",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}
