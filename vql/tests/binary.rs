//! `parse_binary()`: profiles against bytes, whole and damaged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};

use troodon_vql::{
    Expression, Level, LogSink, Now, Registry, Session, Setup, Text, json, standard,
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl LogSink for Log {
    fn log(&mut self, _: Level, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

/// The value of a structure as JSON, and the log.
fn parse(profile: &str, name: &str, data: &[u8]) -> (String, Vec<String>) {
    let mut registry = Registry::core();
    standard::add(&mut registry);
    let log = Log::default();
    let mut setup = Setup::agent(Arc::new(registry));
    setup.log = Box::new(log.clone());
    let mut session = Session::new(setup);
    session.set("Profile", profile);
    session.set("Name", name);
    session.set("Data", Text::from(data));
    let call = "parse_binary(accessor='data', filename=Data, profile=Profile, struct=Name)";
    let expression = Expression::parse(call).unwrap();
    let value = json::to_string(&session.evaluate(Now::default(), &expression).unwrap());
    let log = log.0.lock().unwrap().clone();
    (value, log)
}

#[track_caller]
fn check(fields: &str, data: &[u8], expected: &str) {
    let profile =
        format!("[['A', 16, [{fields}]], ['B', 1, [['X', 0, 'uint8']]]]").replace('\'', "\"");
    let (value, log) = parse(&profile, "A", data);
    assert_eq!(value, expected, "{fields}: {log:?}");
}

const DATA: &[u8] = b"\x03abcdefghijklmnopqr";

#[test]
fn numbers_have_width_sign_and_order() {
    let data = [0xFE, 0xFF, 1, 2, 3, 4, 5, 6];
    check("['N', 0, 'int8']", &data, r#"{"N":-2}"#);
    check("['N', 0, 'int16']", &data, r#"{"N":-2}"#);
    check("['N', 0, 'uint16b']", &data, r#"{"N":65279}"#);
    check("['N', 0, 'int64b']", &data, r#"{"N":-72337960862481146}"#);
    check("['N', 4, 'uint32']", &data, r#"{"N":100992003}"#);
    check("['N', 0, 'leb128']", &[0xE5, 0x8E, 0x26], r#"{"N":624485}"#);
    check("['N', 0, 'float64']", &1.5_f64.to_le_bytes(), r#"{"N":1.5}"#);
}

#[test]
fn texts_end_at_their_length_or_terminator() {
    check(
        "['N', 0, 'uint8'], ['S', 1, 'String', {'length': 'x=>x.N'}]",
        DATA,
        r#"{"N":3,"S":"abc"}"#,
    );
    check("['S', 1, 'String', {'term': 'd'}]", DATA, r#"{"S":"abc"}"#);
    check("['S', 1, 'String', {'term_hex': '6566'}]", DATA, r#"{"S":"abcd"}"#);
    check("['S', 1, 'String']", DATA, r#"{"S":"abcdefghijklmnopqr"}"#);
    let wide = b"a\0\x3D\xD8\x00\xDE\0\0x\0";
    check("['S', 0, 'String', {'encoding': 'utf16'}]", wide, r#"{"S":"a😀"}"#);
}

#[test]
fn numbers_stand_for_choices_bits_and_times() {
    let data = [3, 0b1010_0001, 0xFF, 0];
    check(
        "['E', 0, 'Enumeration', {'type': 'uint8', 'choices': {'3': 'Three'}}]",
        &data,
        r#"{"E":"Three"}"#,
    );
    check("['E', 0, 'Enumeration', {'type': 'uint8', 'map': {'Two': 2}}]", &data, r#"{"E":"0x3"}"#);
    check(
        "['F', 1, 'Flags', {'type': 'uint8', 'bitmap': {'A': 0, 'B': 1, 'C': 7}}]",
        &data,
        r#"{"F":["A","C"]}"#,
    );
    check(
        "['B', 1, 'BitField', {'type': 'uint8', 'start_bit': 4, 'end_bit': 8}]",
        &data,
        r#"{"B":10}"#,
    );
    check("['T', 2, 'Timestamp', {'type': 'uint16'}]", &data, r#"{"T":"1970-01-01T00:04:15Z"}"#);
    let windows = 116_444_736_010_000_000_u64.to_le_bytes();
    check("['T', 0, 'WinFileTime']", &windows, r#"{"T":"1970-01-01T00:00:01Z"}"#);
    check("['T', 0, 'WinFileTime']", &[0xFF; 8], r#"{"T":null}"#);
    check("['T', 0, 'FatTimestamp']", &[0x03, 0x61, 0x62, 0x63], r#"{"T":"2028-08-03T12:27:04Z"}"#);
}

#[test]
fn structures_arrays_and_unions_nest() {
    check("['S', 1, 'B']", DATA, r#"{"S":{"X":97}}"#);
    check(
        "['L', 1, 'Array', {'type': 'B', 'count': 'x=>2'}]",
        DATA,
        r#"{"L":[{"X":97},{"X":98}]}"#,
    );
    check(
        "['L', 1, 'Array', {'type': 'uint8', 'count': 9, 'sentinel': 'x=>x=100'}]",
        DATA,
        r#"{"L":[97,98,99]}"#,
    );
    check(
        "['L', 1, 'Array', {'type': 'uint8', 'count': 9, 'max_count': 2}]",
        DATA,
        r#"{"L":[97,98]}"#,
    );
    check(
        "['N', 0, 'uint8'], ['U', 1, 'Union', {'selector': 'x=>x.N', 'choices': {'3': 'B'}}]",
        DATA,
        r#"{"N":3,"U":{"X":97}}"#,
    );
    check("['P', 0, 'Profile', {'type': 'B', 'offset': 'x=>2'}]", DATA, r#"{"P":{"X":98}}"#);
    check("['P', 0, 'Pointer', {'type': 'B'}]", &[8, 0, 0, 0, 0, 0, 0, 0, 7], r#"{"P":{"X":7}}"#);
}

#[test]
fn lambdas_see_fields_that_stand_later_and_places() {
    check(
        "['V', 0, 'Value', {'value': 'x=>x.N + 1'}], ['N', 0, 'uint8']",
        DATA,
        r#"{"V":4,"N":3}"#,
    );
    check("['V', 0, 'Value', {'value': 'x=>x.SizeOf + x.StartOf'}]", DATA, r#"{"V":16}"#);
    check(
        "['L', 1, 'Array', {'type': 'B', 'count': 3}], ['E', 0, 'Value', {'value': 'x=>x.L[1].EndOf'}]",
        DATA,
        r#"{"L":[{"X":97},{"X":98},{"X":99}],"E":3}"#,
    );
}

#[test]
fn fields_that_need_each_other_end() {
    let fields = "['A', 'x=>x.B', 'uint8'], ['B', 'x=>x.A', 'uint8']";
    check(fields, DATA, r#"{"A":99,"B":3}"#);
}

#[test]
fn what_lies_behind_the_end_reads_as_zero() {
    check(
        "['N', 17, 'uint32'], ['M', 1000, 'uint8'], ['S', 17, 'String']",
        DATA,
        r#"{"N":29297,"M":0,"S":"qr"}"#,
    );
    check("['N', -5, 'uint8']", DATA, r#"{"N":0}"#);
}

#[test]
fn hostile_lengths_and_circles_are_bounded() {
    let huge = r#"[["A",1,[["S",0,"String",{"length":99999999999}]]]]"#;
    let (value, log) = parse(huge, "A", DATA);
    assert_eq!(
        (value.as_str(), log[0].as_str()),
        ("null", "parse_binary: text of more than 16777216 bytes")
    );
    let chain = r#"[["A",1,[["N",0,"Profile",{"type":"A","offset":"x=>0"}]]]]"#;
    let (value, log) = parse(chain, "A", DATA);
    assert_eq!(value.matches("\"N\"").count(), 24, "{log:?}");
    let tree = r#"[["A",1,[["L",0,"Array",{"type":"A","count":1000}]]]]"#;
    let (value, log) = parse(tree, "A", DATA);
    assert_eq!(
        (value.as_str(), log[0].as_str()),
        ("null", "parse_binary: more than 1000000 values")
    );
}

#[test]
fn profiles_may_have_comments_and_spare_commas() {
    let profile =
        "[ // structures\n[\"A\", 1, [[\"N\", 0, \"Value\", {\"value\": \"x=>\n1\",}],],],]";
    assert_eq!(parse(profile, "A", DATA).0, r#"{"N":1}"#);
}

#[test]
fn mistakes_in_a_profile_are_named() {
    for (profile, reason) in [
        ("[", "parse_binary: profile is no JSON"),
        ("{}", "parse_binary: profile should be a list"),
        ("[1]", "parse_binary: a structure should be [name, size, fields]"),
        (
            r#"[["A",1,[["N",0]]]]"#,
            "parse_binary: a field of A should be [name, offset, type, options]",
        ),
        (r#"[["A",1,[["N",0,"Foo"]]]]"#, "parse_binary: A.N: unknown type Foo"),
        (r#"[["A",1,[["N",0,"Profile",{}]]]]"#, "parse_binary: A.N: option offset is missing"),
        (r#"[["B",1,[]]]"#, "parse_binary: profile has no structure A"),
    ] {
        let (value, log) = parse(profile, "A", DATA);
        assert_eq!(value, "null");
        assert!(log[0].starts_with(reason), "{profile}: {log:?}");
    }
}

/// Two records of glibc's `struct utmp` on x86-64 (utmp(5)): a start of the system, and a sign-in on a terminal.
#[test]
fn records_of_sign_ins_are_read() {
    let profile = r#"[["Log", 0, [["records", 0, "Array", {"type": "utmp", "count": 10, "max_count": 10,
                                                        "sentinel": "x=>x.ut_tv_sec = 0"}]]],
                      ["utmp", 384, [
                        ["ut_type", 0, "Enumeration", {"type": "uint32", "map": {"BOOT_TIME": 2, "USER_PROCESS": 7}}],
                        ["ut_pid", 4, "uint32"],
                        ["ut_terminal", 8, "String", {"length": 32}],
                        ["ut_user", 44, "String", {"length": 32}],
                        ["ut_host", 76, "String", {"length": 256}],
                        ["ut_tv_sec", 340, "uint32"],
                        ["login_time", 340, "Timestamp"],
                        ["ip", 348, "Array", {"type": "uint8", "count": 4}]]]]"#;
    let record = |kind: u32, pid: u32, texts: [&str; 3], seconds: u32, address: [u8; 4]| {
        let mut bytes = vec![0; 384];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&pid.to_le_bytes());
        for (start, text) in [8, 44, 76].into_iter().zip(texts) {
            bytes[start..start + text.len()].copy_from_slice(text.as_bytes());
        }
        bytes[340..344].copy_from_slice(&seconds.to_le_bytes());
        bytes[348..352].copy_from_slice(&address);
        bytes
    };
    let data = [
        record(2, 0, ["~", "reboot", "6.1.0"], 1_700_000_000, [0; 4]),
        record(7, 4242, ["pts/0", "alice", "192.0.2.7"], 1_700_000_100, [192, 0, 2, 7]),
    ];
    let (value, log) = parse(profile, "Log", &data.concat());
    for part in [
        r#"{"ut_type":"BOOT_TIME","ut_pid":0,"ut_terminal":"~","ut_user":"reboot","ut_host":"6.1.0""#,
        r#"{"ut_type":"USER_PROCESS","ut_pid":4242,"ut_terminal":"pts/0","ut_user":"alice","ut_host":"192.0.2.7""#,
        r#""login_time":"2023-11-14T22:15:00Z","ip":[192,0,2,7]}"#,
    ] {
        assert!(value.contains(part), "{part} is not in {value}: {log:?}");
    }
    assert_eq!(value.matches("ut_user").count(), 2, "{value}");
}
