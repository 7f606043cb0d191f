//! The standard library, expression by expression: what it answers as JSON.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use troodon_vql::{
    Entropy, Event, Expression, Fault, Instant, Level, LogSink, Now, Program, Query, Registry,
    Session, Setup, Time, json, standard,
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl LogSink for Log {
    fn log(&mut self, level: Level, message: &str) {
        self.0.lock().unwrap().push(format!("{}: {message}", level.name()));
    }
}

struct Counting;

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Fault> {
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = u8::try_from(at).unwrap();
        }
        Ok(())
    }
}

fn session() -> (Session, Log) {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    let log = Log::default();
    let mut setup = Setup::agent(Arc::new(registry));
    setup.log = Box::new(log.clone());
    let mut session = Session::new(setup);
    session.extend::<Box<dyn Entropy>>(Arc::new(Box::new(Counting)));
    (session, log)
}

fn now() -> Now {
    Now { instant: Instant::default(), time: Time::from_seconds(1_700_000_000) }
}

fn value(expression: &str) -> String {
    let (mut session, _) = session();
    let parsed = Expression::parse(expression).unwrap_or_else(|why| panic!("{expression}: {why}"));
    json::to_string(&session.evaluate(now(), &parsed).unwrap())
}

fn logged(at_seconds: &[u64], expression: &str) -> Vec<String> {
    let (mut session, log) = session();
    let parsed = Expression::parse(expression).unwrap();
    for seconds in at_seconds {
        let instant = Instant::from_start(Duration::from_secs(*seconds));
        let answer = session.evaluate(Now { instant, ..now() }, &parsed).unwrap();
        assert_eq!(json::to_string(&answer), "true");
    }
    log.0.lock().unwrap().clone()
}

#[test]
fn a_message_is_logged_once_a_minute_unless_the_call_says_otherwise() {
    let same = [0, 1, 59, 60, 61];
    assert_eq!(logged(&same, "log(message='a %v', args=rand())").len(), 2);
    assert_eq!(logged(&same, "log(message='a', dedup=2)").len(), 3);
    assert_eq!(logged(&same, "log(message='a', dedup=-1)").len(), 5);
}

#[test]
fn a_message_is_a_template_and_has_a_level() {
    assert_eq!(logged(&[0], "log(message='%v of %d', args=['a', 2])"), ["INFO: a of 2"]);
    assert_eq!(
        logged(&[0], "log(message='a', args=1, level='warn')"),
        ["WARN: a%!(EXTRA int64=1)"]
    );
    assert_eq!(logged(&[0], "log(message=dict(a=1), level='none')"), ["INFO: {\"a\":1}"]);
}

#[test]
fn an_alert_is_raised_once_in_two_hours_with_what_it_is_about() {
    let same = [0, 1, 7_199, 7_200];
    assert_eq!(logged(&same, "alert(name='A')").len(), 2);
    assert_eq!(logged(&same, "alert(name='A', dedup=-1)").len(), 4);
    assert_eq!(
        logged(&[0], "alert(name='A', condition='yes', x=1, y=dict(a=2))"),
        [
            r#"ALERT: {"name":"A","timestamp":"2023-11-14T22:13:20Z","event_data":{"x":1,"y":{"a":2}}}"#
        ]
    );
    assert_eq!(logged(&[0], "alert(name='A') AND log(message='A')").len(), 2);
    assert_eq!(value("alert(name='A', condition=FALSE)"), "null");
}

#[track_caller]
fn check(table: &[(&str, &str)]) {
    for (expression, expected) in table {
        assert_eq!(value(expression), *expected, "{expression}");
    }
}

fn rows(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut session, log) = session();
    let mut query = Query::new(Program::parse(text).unwrap());
    let mut rows = Vec::new();
    loop {
        match query.step(&mut session, now(), 1_000).unwrap() {
            Event::Row(row) => {
                let mut line = Vec::new();
                json::write_row(&row, &mut line);
                rows.push(String::from_utf8(line).unwrap());
            }
            Event::OutOfFuel => {}
            Event::Pending(_) => panic!("{text} waits"),
            Event::End => break,
        }
    }
    let log = log.0.lock().unwrap().clone();
    (rows, log)
}

#[test]
fn text_functions_work_on_bytes() {
    let has_tables = cfg!(feature = "unicode-patterns");
    check(&[
        ("lowcase(string='ÄB')", if has_tables { "\"äb\"" } else { "\"Äb\"" }),
        ("upcase(string='äb')", if has_tables { "\"ÄB\"" } else { "\"äB\"" }),
        ("strip(string='  a b ')", "\"a b\""),
        ("strip(string='xxaxx', prefix='x')", "\"xaxx\""),
        ("strip(string='a.exe', suffix='.exe')", "\"a\""),
        ("substr(str='hello', start=1, end=3)", "\"el\""),
        ("substr(str='hellö', start=3, end=99)", "\"lö\""),
        ("substr(str='hello', start=7)", "\"hello\""),
        ("substr(str='hello', start=3, end=2)", "null"),
        ("substr(str='hello', start=-5)", "null"),
        ("substr(str='hello', start=4, end=1)", "null"),
        ("join(array=[1, 'a', NULL], sep='-')", "\"1-a-Null\""),
        ("join(array='one')", "\"one\""),
        ("int(int=9223372036854775807 * 2.0)", "-9223372036854775808"),
        ("join(array=('a', 'b'))", "\"ab\""),
        ("encode(string=join(array=('\\xff', '\\x80'), sep='A'), type='hex')", "\"ff4180\""),
        ("encode(string=str(str='\\xff'), type='hex')", "\"ff\""),
        ("str(str=timestamp(epoch=1.5))", "\"1970-01-01 00:00:01.5 +0000 UTC\""),
        ("upcase(string=timestamp(epoch=1))", "\"1970-01-01 00:00:01 +0000 UTC\""),
        (
            "join(array=(timestamp(epoch=1), dict(a=timestamp(epoch=1))), sep=' ')",
            "\"1970-01-01 00:00:01 +0000 UTC {\\\"a\\\":\\\"1970-01-01T00:00:01Z\\\"}\"",
        ),
        (
            "regex_transform(source='a', map=dict(a=timestamp(epoch=1.5)))",
            "\"1970-01-01T00:00:01Z\"",
        ),
        ("rot13(string='Hello')", "\"Uryyb\""),
        ("xor(string=xor(string='secret', key='k'), key='k')", "\"secret\""),
        ("commandline_split(command='a \"b c\" d\\\\\\\\e')", "[\"a\",\"b c\",\"d\\\\\\\\e\"]"),
        (
            "commandline_split(command=\"a 'b c' d\\\\ e\", bash_style=TRUE)",
            "[\"a\",\"b c\",\"d e\"]",
        ),
    ]);
}

#[test]
fn patterns_replace_and_take_apart() {
    check(&[
        ("regex_replace(source='Hello World', re='o', replace='0')", "\"Hell0 W0rld\""),
        ("regex_replace(source='a1b22', re='(?P<n>\\\\d+)', replace='<${n}>')", "\"a<1>b<22>\""),
        ("regex_replace(source='ab', re='(a)(b)', replace='$2$1$$')", "\"ba$\""),
        ("regex_replace(source='abc', re='', replace='-')", "\"-a-b-c-\""),
        ("regex_replace(source='abc', re='b', replace_lambda='x=>upcase(string=x)')", "\"aBc\""),
        ("regex_transform(source='cat', map=dict(c='b', t='d'))", "\"bad\""),
        (
            "parse_string_with_regex(string='k=v', regex='(?P<Key>.)=(?P<Value>.)')",
            "{\"Key\":\"k\",\"Value\":\"v\"}",
        ),
        ("parse_string_with_regex(string='x', regex=['(?P<A>y)', '(x)'])", "{\"g1\":\"x\"}"),
    ]);
}

#[test]
fn numbers_are_converted_both_ways() {
    check(&[
        ("int(int='0x10')", "16"),
        ("int(int='x')", "0"),
        ("int(int=1.9)", "1"),
        ("int(int=NULL)", "0"),
        ("int(int=TRUE)", "0"),
        ("atoi(string='017')", "15"),
        ("parse_float(string='1.5')", "1.5"),
        ("str(str=5)", "\"5\""),
        ("str(str=dict(a=1))", "\"{\\\"a\\\":1}\""),
        ("unhex(string='0x414243')", "\"ABC\""),
        ("humanize(bytes=1500)", "\"1.5 kB\""),
        ("humanize(bytes=9950)", "\"10 kB\""),
        ("humanize(comma=1234567)", "\"1,234,567\""),
        ("humanize(time=1699992800)", "\"2 hours ago\""),
    ]);
}

#[test]
fn lists_and_dicts_are_taken_apart_and_put_together() {
    check(&[
        ("array(a=1, b=[2, 3])", "[1,[2,3]]"),
        ("all(items=[1, 2])", "null"),
        ("all(items=[1, 0], filter='x=>x')", "false"),
        ("all(items=['ab', 'b'], regex='B')", "true"),
        ("filter(list=['a', 'b'], regex='a', condition='x=>x = \\'b\\'')", "[\"b\"]"),
        ("filter(list=[0, 1])", "[0,1]"),
        ("to_dict(item=dict(a=1))", "{\"a\":1}"),
        ("any(items=[0, 3], filter='x=>x > 2')", "true"),
        ("filter(list=['a', 'b', 'ab'], regex='a')", "[\"a\",\"ab\"]"),
        ("filter(list=[1, 5], condition='x=>x > 2')", "[5]"),
        ("slice(list=[1, 2, 3, 4], start=1, end=-1)", "[2,3]"),
        ("set(item=dict(a=1), field='b', value=2)", "{\"a\":1,\"b\":2}"),
        ("set(item=[1, 2], field=9, value=3)", "[1,2,3]"),
        ("patch(item=dict(a=dict(x=1)), patch=dict(a=dict(y=2)))", "{\"a\":{\"x\":1,\"y\":2}}"),
        ("items(item=dict(a=1))", "[{\"_key\":\"a\",\"_value\":1}]"),
        (
            "to_dict(item={ SELECT _key, _value FROM items(item=dict(a=1, b=2)) })",
            "{\"a\":1,\"b\":2}",
        ),
        (
            "get(item=memoize(query={ SELECT _key AS K, _value FROM items(item=dict(a=7)) }, key='K'), field='a')._value",
            "7",
        ),
    ]);
}

#[test]
fn json_is_read_and_written() {
    check(&[
        ("parse_json(data='{\"a\":[1,2.5,null,true,\"x\"]}')", "{\"a\":[1,2.5,null,true,\"x\"]}"),
        ("parse_json(data='{\"b\":1,\"a\":2}')", "{\"b\":1,\"a\":2}"),
        ("parse_json(data='{\"a\":18446744073709551615}')", "{\"a\":18446744073709552000}"),
        ("parse_json(data='[1]')", "null"),
        ("parse_json(data='{')", "null"),
        ("parse_json(data='1 2')", "null"),
        ("parse_json_array(data='[1,2]')", "[1,2]"),
        ("parse_json_array(data='1')", "null"),
        (
            "serialize(item=dict(a=1, b=[2, 'x:'], c=dict()))",
            "\"{\\n \\\"a\\\": 1,\\n \\\"b\\\": [\\n  2,\\n  \\\"x:\\\"\\n ],\\n \\\"c\\\": {}\\n}\"",
        ),
        ("serialize(item=[1, 2], format='jsonl')", "\"1\\n2\\n\""),
    ]);
}

#[test]
fn deeply_nested_json_is_refused_without_a_crash() {
    let text = format!("parse_json(data='{}{}')", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(value(&text), "null");
}

#[test]
fn encodings_are_undone() {
    check(&[
        ("base64encode(string='hello')", "\"aGVsbG8=\""),
        ("base64decode(string='aGVsbG8')", "\"hello\""),
        ("base64decode(string='***')", "null"),
        ("utf16(string=utf16_encode(string='né'))", "\"né\""),
    ]);
}

#[test]
fn paths_are_taken_apart_and_joined() {
    check(&[
        ("basename(path='/a/b/c.txt')", "\"c.txt\""),
        ("basename(path='C:\\\\x\\\\y', path_type='windows')", "\"y\""),
        ("dirname(path='/a/b/c.txt')", "\"/a/b\""),
        ("path_join(components=['/a/', 'b', '/c'])", "\"/a/b/c\""),
        ("path_join(components=['a', 'b'])", "\"/a/b\""),
        ("path_join(components=['a', 'b'], path_type='windows')", "\"a\\\\b\""),
        ("path_split(path='/a/b')", "[\"a\",\"b\"]"),
        ("relpath(path='/a/b/c', base='/a')", "\"b/c\""),
        ("relpath(path='/x', base='/a')", "\"../x\""),
        ("relpath(path='a', base='/a')", "\"\""),
        ("relpath(path='a/../b//c/.', base='b')", "\"c\""),
        ("relpath(path='a', base='../b')", "\"\""),
        ("relpath(path='', base='')", "\".\""),
        ("path_split(path='/')", "null"),
        ("path_join(components=('/a/../b', './c'))", "\"/a/b/c\""),
        (
            "format(format='%v %q', args=(timestamp(epoch=1.5), timestamp(epoch=1)))",
            "\"1970-01-01T00:00:01Z \\\"1970-01-01T00:00:01Z\\\"\"",
        ),
        ("FALSE IN ('x', )", "true"),
        ("'ä'[:1]", "\"\\ufffd\""),
        ("pathspec(Path='/a')", "\"/a\""),
        ("pathspec(Path='/a/b').Basename", "\"b\""),
        ("pathspec(Path='/a/b').Dirname.Components", "[\"a\"]"),
        ("pathspec(Path='/a').Dirname", "\"/\""),
        ("pathspec(Path='/a').Nonsense", "null"),
        ("'/a/b'.Basename", "null"),
        (
            "parse_json(data=pathspec(Path='x', DelegatePath='/z', DelegateAccessor='file')).DelegatePath",
            "\"/z\"",
        ),
    ]);
}

#[test]
fn addresses_are_understood() {
    check(&[
        ("cidr_contains(ip='10.1.2.3', ranges=['192.168.0.0/16', '10.0.0.0/8'])", "true"),
        ("cidr_contains(ip='nonsense', ranges='10.0.0.0/8')", "false"),
        ("ip(netaddr4_le=16777343)", "\"127.0.0.1\""),
        ("ip(parse='192.168.1.1').IsPrivate", "true"),
        ("url(scheme='https', host='a.b', path='c')", "\"https://a.b/c\""),
        ("url(parse='https://a.b:8/c/d?q=1#f').Path", "\"/c/d\""),
    ]);
}

#[test]
fn the_world_of_a_query_is_what_the_host_gives_it() {
    check(&[
        ("now()", "1700000000"),
        ("now(ns=TRUE)", "1700000000000000000"),
        ("version(plugin='glob')", "1"),
        ("version(function='nosuch') = NULL", "true"),
        ("uuid()", "\"00010203-0405-4607-8809-0a0b0c0d0e0f\""),
        ("rand(range=10) < 10", "true"),
    ]);
}

#[test]
fn a_rate_begins_with_the_second_row() {
    let (rows, _) = rows("SELECT rate(x=_value, y=_value * 2) AS R FROM foreach(row=[1, 3, 3])");
    assert_eq!(rows, ["{\"R\":null}", "{\"R\":0.5}", "{\"R\":null}"]);
}

#[test]
fn csv_has_typed_columns_by_name() {
    let (found, _) = rows(
        "SELECT * FROM parse_csv(accessor='data', filename='Name,Port,Zip\\n\"a,b\",80,0123\\nc,,x\\n')",
    );
    assert_eq!(
        found,
        [
            "{\"Name\":\"a,b\",\"Port\":80,\"Zip\":\"0123\"}",
            "{\"Name\":\"c\",\"Port\":\"\",\"Zip\":\"x\"}"
        ]
    );
    let (found, _) = rows(
        "SELECT * FROM parse_csv(accessor='data', filename='1;2', separator=';', auto_headers=TRUE)",
    );
    assert_eq!(found, ["{\"Column0\":1,\"Column1\":2}"]);
}

#[test]
fn a_csv_quote_that_never_ends_does_not_eat_memory() {
    let text = format!("x\n\"{}", "a".repeat(3 << 20));
    let (mut session, log) = session();
    session.set("Text", text.as_str());
    let program =
        Program::parse("SELECT len(list=x) AS L FROM parse_csv(accessor='data', filename=Text)");
    let mut query = Query::new(program.unwrap());
    loop {
        match query.step(&mut session, now(), 1_000_000).unwrap() {
            Event::Row(row) => panic!("{row:?}"),
            Event::End => break,
            Event::OutOfFuel | Event::Pending(_) => {}
        }
    }
    assert!(log.0.lock().unwrap().iter().any(|line| line.contains("record has more than")));
}

#[test]
fn lines_records_and_matches_are_read() {
    let (found, _) =
        rows("SELECT Line FROM parse_lines(accessor='data', filename='a\\r\\n\\nlast')");
    assert_eq!(found, ["{\"Line\":\"a\"}", "{\"Line\":\"\"}", "{\"Line\":\"last\"}"]);
    let (found, _) =
        rows("SELECT Line FROM parse_lines(accessor='data', filename='abcdef\\nx', buffer_size=3)");
    assert_eq!(found, ["{\"Line\":\"abc\"}", "{\"Line\":\"x\"}"]);
    let (found, _) = rows(
        "SELECT * FROM split_records(accessor='data', filenames='a:b:c\\nd', regex=':', columns=['X', 'Y'])",
    );
    assert_eq!(found, ["{\"X\":\"a\",\"Y\":\"b\"}", "{\"X\":\"d\",\"Y\":null}"]);
    let (found, _) = rows(
        "SELECT * FROM split_records(accessor='data', filenames='N V\\n1 2 3', regex=' ', first_row_is_headers=TRUE, count=2)",
    );
    assert_eq!(found, ["{\"N\":\"1\",\"V\":\"2 3\"}"]);
    let (found, _) = rows(
        "SELECT * FROM parse_records_with_regex(accessor='data', file='a=1;b=2;', regex='(?P<K>\\\\w)=(?P<V>\\\\d)')",
    );
    assert_eq!(found, ["{\"K\":\"a\",\"V\":\"1\"}", "{\"K\":\"b\",\"V\":\"2\"}"]);
}

#[test]
fn a_match_across_two_windows_is_found_once() {
    let text = format!("{}needle{}needle", "x".repeat(16_380), "y".repeat(40_000));
    let (mut session, _) = session();
    session.set("Text", text.as_str());
    let program = Program::parse(
        "SELECT N FROM parse_records_with_regex(accessor='data', file=Text, regex='(?P<N>needle)', buffer_size=16384, overlap=64)",
    );
    let mut query = Query::new(program.unwrap());
    let mut count = 0;
    loop {
        match query.step(&mut session, now(), 1_000_000).unwrap() {
            Event::Row(_) => count += 1,
            Event::End => break,
            Event::OutOfFuel | Event::Pending(_) => {}
        }
    }
    assert_eq!(count, 2);
}

#[test]
fn files_have_hashes() {
    let (found, _) = rows("SELECT hash(accessor='data', path='abc') AS H FROM scope()");
    assert_eq!(
        found,
        ["{\"H\":{\"MD5\":\"900150983cd24fb0d6963f7d28e17f72\",\
          \"SHA1\":\"a9993e364706816aba3e25717850c26c9cd0d89d\",\
          \"SHA256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}}"]
    );
    let (found, _) =
        rows("SELECT hash(accessor='data', path='', hashselect='sha256') AS H FROM scope()");
    assert_eq!(
        found,
        [
            "{\"H\":{\"MD5\":\"\",\"SHA1\":\"\",\"SHA256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}}"
        ]
    );
}

/// Whole blocks of 64 KiB, as the original does, and a message.
#[test]
fn of_a_file_that_is_too_long_the_first_blocks_are_hashed() {
    let ask = |length: usize, max: usize| {
        let text = format!(
            "SELECT hash(accessor='data', path='x' * {length}, hashselect='MD5', max_size={max}).MD5 AS H FROM scope()"
        );
        rows(&text)
    };
    let (whole, log) = ask(131_072, 131_072);
    assert!(log.is_empty(), "{log:?}");
    let (cut, log) = ask(200_000, 150_000);
    assert_eq!(cut, whole);
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("only the first 131072 bytes are hashed"), "{log:?}");
    let (nothing, _) = ask(2, 1);
    assert_eq!(nothing, ["{\"H\":\"d41d8cd98f00b204e9800998ecf8427e\"}"]);
}

#[test]
fn queries_are_combined() {
    let (found, _) = rows(
        "SELECT * FROM switch(a={ SELECT 1 AS X FROM scope() WHERE FALSE }, b={ SELECT 2 AS X FROM scope() }, c={ SELECT 3 AS X FROM scope() })",
    );
    assert_eq!(found, ["{\"X\":2}"]);
    let (found, _) = rows(
        "SELECT * FROM sequence(a={ SELECT 1 AS X FROM scope() }, b={ SELECT 2 AS X FROM scope() })",
    );
    assert_eq!(found, ["{\"X\":1}", "{\"X\":2}"]);
    let (mut found, _) = rows(
        "SELECT * FROM combine(a={ SELECT 1 AS X FROM scope() }, b={ SELECT 2 AS X FROM scope() })",
    );
    found.sort();
    assert_eq!(found, ["{\"X\":1}", "{\"X\":2}"]);
    let (found, _) = rows(
        "SELECT * FROM column_filter(query={ SELECT 1 AS Ab, 2 AS Cd FROM scope() }, exclude='^a')",
    );
    assert_eq!(found, ["{\"Cd\":2}"]);
    let (found, _) = rows(
        "SELECT _value AS V FROM dedup(query={ SELECT * FROM foreach(row=[1, 1, 2]) }, key='_value')",
    );
    assert_eq!(found, ["{\"V\":1}", "{\"V\":2}"]);
    let (found, _) =
        rows("SELECT _value AS V FROM sample(query={ SELECT * FROM foreach(row=[1, 2, 3]) }, n=2)");
    assert_eq!(found, ["{\"V\":1}", "{\"V\":3}"]);
}

#[test]
fn a_clock_ticks_by_its_period_and_does_not_catch_up() {
    let (mut session, _) = session();
    let mut query =
        Query::new(Program::parse("SELECT UnixNano FROM clock(period=10) LIMIT 3").unwrap());
    let mut at = |seconds: u64| {
        let instant = Instant::from_start(Duration::from_secs(seconds));
        let now = Now { instant, time: Time::from_seconds(i64::try_from(seconds).unwrap()) };
        loop {
            match query.step(&mut session, now, 1_000).unwrap() {
                Event::OutOfFuel => {}
                Event::Row(row) => return format!("{:?}", row.get(b"UnixNano").unwrap()),
                Event::Pending(until) => return format!("{:?}", until.since_start()),
                Event::End => return "end".to_owned(),
            }
        }
    };
    assert_eq!(at(0), "10s");
    assert_eq!(at(10), "Int(10000000000)");
    assert_eq!(at(10), "20s");
    assert_eq!(at(95), "Int(95000000000)");
    assert_eq!(at(95), "105s");
}

#[test]
fn every_entry_is_documented() {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    let plugins = registry.plugins().map(|plugin| plugin.entry);
    let entries = plugins.chain(registry.functions().map(|function| function.entry));
    for entry in entries {
        assert!(entry.doc.text().ends_with('.'), "{}: {}", entry.name, entry.doc.text());
        for arg in entry.args {
            assert!(!arg.doc.text().is_empty(), "{} {}", entry.name, arg.name);
        }
    }
}

#[test]
fn rows_come_in_groups() {
    let (rows, _) = rows(
        "SELECT rows._value AS N FROM batch(batch_size=2, query={ SELECT * FROM range(end=3) })",
    );
    assert_eq!(rows, [r#"{"N":[0,1]}"#, r#"{"N":[2]}"#]);
}

#[test]
fn a_group_ends_when_the_lambda_says_so() {
    let (rows, _) = rows(
        "SELECT rows._value AS N FROM batch(batch_func='x=>len(list=x) >= 2', query={ SELECT * FROM range(end=3) })",
    );
    assert_eq!(rows, [r#"{"N":[0,1]}"#, r#"{"N":[2]}"#]);
}

#[test]
fn a_queue_keeps_the_last_rows_until_they_are_flushed() {
    let (rows, _) = rows(
        "LET Kept = SELECT * FROM fifo(max_rows=2, query={ SELECT _value AS A FROM range(end=4) })
         LET Once = SELECT * FROM fifo(max_rows=1, flush=TRUE, query={ SELECT _value AS B FROM range(end=4) })
         SELECT * FROM chain(a=Kept, b=Kept, c=Once, d=Once)",
    );
    let kept = [r#"{"A":2}"#, r#"{"A":3}"#];
    assert_eq!(rows, [kept[0], kept[1], kept[0], kept[1], r#"{"B":3}"#]);
}

#[test]
fn a_query_of_its_own_sees_only_what_it_is_given() {
    let (got, log) = rows(
        "LET Outer = 1
         LET Kept = 2
         SELECT * FROM query(query={ SELECT Outer, Kept, Given FROM scope() }, copy_env='Kept', env=dict(Given=3))",
    );
    assert_eq!(got, [r#"{"Outer":null,"Kept":2,"Given":3}"#]);
    assert!(log[0].starts_with("ERROR: Symbol Outer not found"), "{log:?}");
    let (got, _) = rows(
        "SELECT * FROM query(query='LET A <= X + 1 LET B = A SELECT B FROM scope()', env=dict(X=1))",
    );
    assert_eq!(got, [r#"{"B":2}"#]);
    let (got, log) = rows("SELECT * FROM query(query='SELECT')");
    assert!(got.is_empty() && log[0].starts_with("ERROR: query: "), "{log:?}");
    let (got, log) = rows("SELECT * FROM query(query='SELECT 1 FROM scope()', runas='admin')");
    assert_eq!(
        (got.len(), log[0].as_str()),
        (0, "ERROR: query: runas and org_id work on a server only")
    );
}

#[test]
fn sums_of_large_numbers_are_exact() {
    let (found, _) = rows(
        "SELECT sum(item=_value) AS S FROM foreach(row=(9007199254740993, 'x', 2)) GROUP BY 1",
    );
    assert_eq!(found, [r#"{"S":9007199254740995}"#]);
}
