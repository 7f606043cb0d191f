//! Matching by one small engine, Pike's machine, for hosts that count code space.
//!
//! A pattern becomes a [`Program`] in one pass over its text; nothing else is built. Syntax and meaning are those of
//! the other engine without its Unicode tables; what only those tables can answer is an error.

mod class;
mod compile;
mod machine;
mod program;

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use self::program::Program;
use super::{Case, Unit, Wanted};
use crate::value::Text;

pub(super) struct Engine(Program);

impl Engine {
    pub(super) fn new(text: &str, case: Case, unit: Unit) -> Result<Self, String> {
        compile::compile(text, case, unit).map(Self)
    }

    pub(super) fn find(&self, text: &[u8], from: usize, wanted: Wanted) -> Option<Range<usize>> {
        let slots = if wanted == Wanted::Any { 0 } else { 2 };
        let found = machine::search(&self.0, text, from, slots)?;
        Some(span(&found).unwrap_or(from..from))
    }

    pub(super) fn captures(&self, text: &[u8], from: usize) -> Option<Vec<Option<Range<usize>>>> {
        let found = machine::search(&self.0, text, from, self.0.names.len().saturating_mul(2))?;
        Some(found.chunks(2).map(span).collect())
    }

    pub(super) fn group_names(&self) -> Vec<Option<Text>> {
        self.0.names.clone()
    }
}

/// The two slots of a group as a range.
fn span(slots: &[Option<usize>]) -> Option<Range<usize>> {
    match slots {
        [Some(start), Some(end), ..] => Some(*start..*end),
        _ => None,
    }
}

#[cfg(all(test, feature = "quick-patterns"))]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::pattern::quick;

    /// What both engines find, from every place; the errors are only compared as such.
    fn compare(pattern: &str, text: &[u8], case: Case, unit: Unit) {
        // Groups that occur no times count in RE2, and not in the other engine.
        if pattern.contains("0}") {
            return;
        }
        let small = Engine::new(pattern, case, unit);
        let quick = quick::Engine::new(pattern, case, unit);
        let (small, quick) = match (small, quick) {
            (Ok(small), Ok(quick)) => (small, quick),
            (Err(_), Err(_)) => return,
            // Sets of classes, other flags, half word edges: refused rather than read in another way.
            (Err(reason), Ok(_)) => {
                let refused = [
                    "sets of classes",
                    "unrecognized flag",
                    "unrecognized escape",
                    "it compiles to",
                ];
                let is_known = refused.iter().any(|known| reason.contains(known));
                assert!(is_known || pattern.contains("\\b{"), "{pattern:?}: {reason}");
                return;
            }
            (Ok(_), Err(reason)) => {
                assert_eq!(reason, "", "{pattern:?} is accepted");
                return;
            }
        };
        assert_eq!(small.group_names(), quick.group_names(), "{pattern:?}");
        for from in 0..=text.len() {
            let wanted = quick.captures(text, from);
            assert_eq!(
                small.captures(text, from),
                wanted,
                "{pattern:?} {case:?} in {text:?} from {from}"
            );
            let whole = wanted.and_then(|groups| groups.into_iter().next().flatten());
            assert_eq!(small.find(text, from, Wanted::First), whole, "{pattern:?} in {text:?}");
            let is_match = small.find(text, from, Wanted::Any).is_some();
            assert_eq!(is_match, whole.is_some(), "{pattern:?} in {text:?}");
        }
    }

    fn compare_all(pattern: &str, text: &[u8]) {
        for case in [Case::Exact, Case::Ignored] {
            compare(pattern, text, case, Unit::Byte);
        }
    }

    /// Patterns that are well formed, by their grammar.
    fn patterns() -> impl Strategy<Value = String> {
        let atom = prop_oneof![
            6 => "[ab0_ .\n-]".prop_map(|letter| if letter == "." { "\\.".into() } else { letter }),
            1 => Just(".".to_owned()),
            1 => prop::sample::select(vec![
                "\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "\\b", "\\B", "^", "$", "\\A", "\\z", "\\x61",
                "\\xff", "\\x{e4}", "\\n", "[a-b]", "[^a]", "[^\\w]", "[]a]", "[[:alpha:]_]", "[^[:^lower:]]",
                "[-a]", "[a\\-0]", "\u{e4}", "(?i)", "(?s)", "(?m)", "(?U)", "(?-i)", "()", "[\\x80-\\xff]",
            ])
            .prop_map(str::to_owned),
        ];
        atom.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                3 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                2 => prop::collection::vec(inner.clone(), 1..4)
                    .prop_map(|parts| format!("({})", parts.join("|"))),
                1 => inner.clone().prop_map(|inner| format!("(?:{inner})")),
                1 => inner.clone().prop_map(|inner| format!("(?i:{inner}|)")),
                3 => (inner, "[*+?]|\\{[12]\\}|\\{[0-2],\\}|\\{[01],[1-3]\\}", "\\??")
                    .prop_map(|(inner, count, lazy)| format!("(?:{inner}){count}{lazy}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn both_engines_find_the_same(pattern in patterns(), text in "[abA0_ .\n\u{e4}-]{0,8}") {
            compare_all(&pattern, text.as_bytes());
        }

        #[test]
        fn both_engines_refuse_the_same(pattern in "[ab0:^$.*+?(){}\\[\\]|\\\\,<>P=!imsU&~x1-]{0,12}", text in "[ab0:-]{0,6}") {
            compare_all(&pattern, text.as_bytes());
        }

        #[test]
        fn both_engines_see_the_same_characters(
            pattern in "([ab\u{e4}\u{20ac}.]|\\[[^ab]?[a\u{e4}-\u{fc}]\\]|\\(\u{e4}\\))[*+?]?[a.\u{e4}|$]{0,3}",
            text in prop::collection::vec(prop::sample::select(&b"ab\xc3\xa4\xe2\x82\xac\xff"[..]), 0..8),
        ) {
            compare(&pattern, &text, Case::Exact, Unit::Character);
        }
    }

    #[test]
    fn what_people_write_means_the_same() {
        let text = b"Jan  2 03:04:05 host sshd[42]: Failed password for root from 10.0.0.1 port 22 ssh2\n\
                     C:\\Windows\\System32\\cmd.EXE /c \"echo {a-b}\" user@example.com 2024-08-12T02:16:25Z";
        for pattern in [
            "failed password for (?P<User>\\w+) from (?P<Ip>[\\d.]+)",
            "^(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.|$)){4}",
            "(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})",
            "\\\\([^\\\\]+)\\.exe$|\\.(exe|dll)\\b",
            "(?m)^(?P<Drive>[a-z]):\\\\.*$",
            "(\\d{4})-(\\d\\d)-(\\d\\d)T([\\d:]+)Z?",
            "(?is)sshd\\[(\\d+)\\]:.*?ssh2\\s+(c:)",
            "[\\w.]+@[\\w.]+\\.[a-z]{2,}",
            ".",
            "",
            "\\{[^}]*\\}",
            "(a|ab)(c|bcd)*(d*)",
            "(?:a*)*(?:a*)*b",
        ] {
            compare_all(pattern, text);
        }
    }

    #[test]
    fn what_is_refused_says_why_and_where() {
        let cases = [
            ("(", "unclosed group (at byte 1)"),
            ("a)", "unopened group (at byte 1)"),
            ("[a", "unclosed character class (at byte 2)"),
            ("*", "nothing to repeat (at byte 1)"),
            ("a{2,1}", "invalid repetition (at byte 1)"),
            ("(?=a)", "look-around is not supported (at byte 2)"),
            ("\\1", "back references are not supported (at byte 2)"),
            ("\\pL", "Unicode classes are not supported here (at byte 2)"),
            ("(a{1000}){1000}", "it compiles to more than this host allows (at byte 15)"),
            ("(?P<A>a)(?P<A>b)", "duplicate group name (at byte 14)"),
            ("[b-a]", "invalid range in a character class (at byte 4)"),
        ];
        for (pattern, reason) in cases {
            let refused = Engine::new(pattern, Case::Exact, Unit::Byte).err();
            assert_eq!(refused.as_deref(), Some(reason), "{pattern}");
        }
        let deep = format!("{}a{}", "(".repeat(65), ")".repeat(65));
        assert!(Engine::new(&deep, Case::Exact, Unit::Byte).is_err());
        assert!(Engine::new("(?:){4000000000}", Case::Exact, Unit::Byte).is_ok());
    }
}
