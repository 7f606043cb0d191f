//! The small reader of YAML: it understands what the server's full reader understands, and says where it does not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use troodon_agent::limits::YAML_DEPTH_MAX;
use troodon_agent::yaml::from_str;

/// Something of each kind that the agent's files hold.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    text: String,
    flag: bool,
    count: u64,
    change: i64,
    share: f64,
    list: Vec<String>,
    pairs: BTreeMap<String, String>,
    inner: Option<Box<Sample>>,
    skipped: Option<IgnoredAny>,
}

fn fault<T: DeserializeOwned + Debug>(text: &str) -> String {
    from_str::<T>(text).unwrap_err().to_string()
}

#[track_caller]
fn same<T: DeserializeOwned + Debug + PartialEq>(text: &str) {
    assert_eq!(from_str::<T>(text).unwrap(), serde_saphyr::from_str(text).unwrap(), "{text}");
}

#[test]
fn typed_values_are_read_as_the_full_reader_reads_them() {
    for text in [
        "text: plain words",
        "text: 'it''s'",
        "text: \"a\\tb\\u00e9\"",
        "text: |\n  -----BEGIN X-----\n  AAAA\n  -----END X-----\n",
        "text: >-\n  folded\n  text\n\n  and more\n",
        "text: |+\n  kept\n\n",
        "text: https://192.0.2.1:8000/ # a comment",
        "# a comment\n---\ntext: x # another\n...\n",
        "text: 12345678",
        "text: true",
        "text: 1.50",
        "flag: true\ncount: 18446744073709551615\nchange: -5\nshare: 5",
        "flag: False\ncount: +7\nshare: 1.5e3",
        "list: [a, 'b', 3]\npairs: {a: b, c: 4}",
        "list:\n- a\n- b: c\n".trim_end_matches(": c\n"),
        "list: []\npairs: {}\ninner: {text: x, inner: {}}",
        "inner:\n  text: x\n  list:\n    - y\nskipped:\n  argv: [a, {b: [c]}]\n",
        "inner: null\nskipped: ~\n",
        "{\"text\": \"JSON is YAML\\n\", \"count\": 5}",
        "\u{feff}text: x",
    ] {
        same::<Sample>(text);
    }
}

#[test]
fn untyped_values_are_read_as_the_full_reader_reads_them() {
    for text in [
        "[1, -1, 1.5, true, null, ~, '1', \"true\", x, 1e3, .5]",
        "{a: 1, b: [], c: {d: }, 5: e}",
        "- 9223372036854775808\n- 12.\n- nan\n- inf\n- 2020-01-01\n- 1.2.3\n- '~'\n- ''\n",
        "x: |\n  SELECT * FROM info()\n  -- not a comment: #\ny: \"\"\n",
    ] {
        same::<Value>(text);
    }
}

#[test]
fn a_fault_points_at_the_key_or_value() {
    for (text, at) in [
        ("text: x\nnope: y\n", "line 2, column 1: unknown field `nope`"),
        ("inner:\n  flag: maybe\n", "line 2, column 9: invalid type: string \"maybe\""),
        ("text: x\ncount: '5'\n", "line 2, column 8: invalid type: string \"5\""),
        ("count: -1\n", "line 1, column 8: invalid value: integer `-1`"),
        ("text: [a]\n", "line 1, column 7: invalid type: sequence"),
        ("text: a\ntext: b\n", "line 2, column 1: duplicate field `text`"),
        ("text: \"open\n", "line 1, column 7: "),
        ("text:\n", "line 1, column 5: invalid type: unit value"),
        ("list:\nflag: true\n", "line 1, column 5: invalid type: unit value"),
        ("text: a\n\tcount: 5\n", "line 1, column 7: "),
        ("text: *name\n", "line 1, column 7: "),
        ("text: &name x\nlist: [*name]\n", "line 2, column 8: aliases are not read"),
        ("text: !!binary AA==\n", "line 1, column 16: tags are not read"),
        ("text: x\n---\ntext: y\n", "line 3, column 1: a second document begins"),
        ("", "line 1, column 1: nothing is in it"),
    ] {
        let told = fault::<Sample>(text);
        assert!(told.starts_with(at), "{text:?}: {told}");
    }
}

#[test]
fn deep_nesting_ends_in_a_fault() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(from_str::<Value>(&nested(YAML_DEPTH_MAX)).is_ok());
    assert!(fault::<Value>(&nested(YAML_DEPTH_MAX + 1)).contains("nested deeper"));
    assert!(fault::<IgnoredAny>(&nested(500_000)).contains("recursion limit"));
    assert!(fault::<Value>(&"- ".repeat(500_000)).contains("nested deeper"));
}
