//! Regular expressions: RE2 semantics, linear time, bounded size.

#[cfg(feature = "quick-patterns")]
mod quick;
#[cfg(any(test, not(feature = "quick-patterns")))]
mod small;

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::budget::Fault;
use crate::limits::PATTERNS_KEPT_MAX;
use crate::sorted::SortedMap;
use crate::value::Text;
#[cfg(feature = "quick-patterns")]
use quick::Engine;
#[cfg(not(feature = "quick-patterns"))]
use small::Engine;

/// Whether letter case counts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Case {
    /// `a` also matches `A`: the operator `=~` and most functions.
    Ignored,
    /// `a` matches `a` only, unless the pattern says `(?i)`.
    Exact,
}

/// Whether a pattern has classes that are ASCII only, as in RE2.
fn has_ascii_class(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| match pair {
        [b'\\', letter] => b"wdsbWDSB".contains(letter),
        _ => false,
    })
}

/// Which match is asked for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Wanted {
    /// Any; where it is does not matter.
    Any,
    /// The first.
    First,
}

/// What a dot matches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unit {
    Byte,
    Character,
}

/// A compiled pattern.
pub struct Pattern {
    engine: Engine,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// Patterns match bytes: `.` is one byte, and `\w`, `\d`, `\s`, `\b` know ASCII as in RE2.
    /// Other characters in a pattern stand for their UTF-8. A pattern that has them and no such class
    /// matches characters, if the tables are built in (feature `unicode-patterns`).
    ///
    /// # Errors
    ///
    /// What is wrong with the pattern, or that it is too large.
    pub fn new(text: &[u8], case: Case) -> Result<Self, Fault> {
        let Ok(text) = str::from_utf8(text) else {
            return Err(Fault::error("pattern is not UTF-8"));
        };
        if text.is_ascii() {
            return Self::build(text, case, Unit::Byte);
        }
        if !has_ascii_class(text)
            && let Ok(pattern) = Self::build(text, case, Unit::Character)
        {
            return Ok(pattern);
        }
        Self::build(text, case, Unit::Byte)
    }

    fn build(text: &str, case: Case, unit: Unit) -> Result<Self, Fault> {
        let engine = Engine::new(text, case, unit)
            .map_err(|reason| Fault::error(format!("invalid pattern \"{text}\": {reason}")))?;
        Ok(Self { engine })
    }

    /// Whether the pattern occurs anywhere.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.engine.find(text, 0, Wanted::Any).is_some()
    }

    /// The first match at or after `from`: one range for each group, the whole match first.
    #[must_use]
    pub fn captures_from(&self, text: &[u8], from: usize) -> Option<Vec<Option<Range<usize>>>> {
        if from > text.len() {
            return None;
        }
        self.engine.captures(text, from)
    }

    /// The first match at or after `from`.
    #[must_use]
    pub fn find_from(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        if from > text.len() {
            return None;
        }
        self.engine.find(text, from, Wanted::First)
    }

    /// The names of the groups, the whole match first and nameless.
    #[must_use]
    pub fn group_names(&self) -> Vec<Option<Text>> {
        self.engine.group_names()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pattern(..)")
    }
}

/// The patterns that a session has compiled.
#[derive(Default)]
pub(crate) struct Patterns(SortedMap<(Text, Case), Arc<Pattern>>);

impl Patterns {
    pub(crate) fn compile(&mut self, text: &Text, case: Case) -> Result<Arc<Pattern>, Fault> {
        let key = (text.clone(), case);
        if let Some(pattern) = self.0.get(&key) {
            return Ok(Arc::clone(pattern));
        }
        let pattern = Arc::new(Pattern::new(text, case)?);
        if self.0.len() >= PATTERNS_KEPT_MAX {
            self.0.clear();
        }
        self.0.insert(key, Arc::clone(&pattern));
        Ok(pattern)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn matches(pattern: &str, text: &[u8], case: Case) -> bool {
        Pattern::new(pattern.as_bytes(), case).is_ok_and(|pattern| pattern.is_match(text))
    }

    #[test]
    fn patterns_see_bytes_and_utf_8() {
        assert!(matches("^a.c$", b"a\xffc", Case::Exact));
        assert!(matches("\\xff", b"\xff", Case::Exact));
        assert!(matches("gr\u{f6}\u{df}e", "Gr\u{f6}\u{df}e".as_bytes(), Case::Ignored));
        assert!(matches("\\w+\u{f6}+\\d", "ab\u{f6}\u{f6}7".as_bytes(), Case::Exact));
        assert!(!matches("^\\w\u{f6}", "\u{e9}\u{f6}".as_bytes(), Case::Exact));
        assert!(!matches("a", b"A", Case::Exact));
    }

    #[test]
    fn groups_have_names_and_places() {
        let pattern = Pattern::new(b"(?P<Key>[a-z]+)=(\\d+)?", Case::Exact).expect("a pattern");
        assert_eq!(pattern.group_names(), [None, Some(Text::from("Key")), None]);
        let found = pattern.captures_from(b"x=1 ab=", 3);
        assert_eq!(found, Some(vec![Some(4..7), Some(4..6), None]));
        assert_eq!(pattern.captures_from(b"x=1", 9), None);
    }
}
