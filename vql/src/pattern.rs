//! Regular expressions: RE2 semantics, linear time, bounded size.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use regex_automata::meta;
use regex_automata::util::syntax;

use crate::budget::Fault;
use crate::limits::{PATTERN_BYTES_MAX, PATTERN_NESTING_MAX, PATTERNS_KEPT_MAX};
use crate::value::Text;

/// Whether letter case counts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Case {
    /// `a` also matches `A`: the operator `=~` and most functions.
    Ignored,
    /// `a` matches `a` only, unless the pattern says `(?i)`.
    Exact,
}

/// A compiled pattern.
pub struct Pattern {
    regex: meta::Regex,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// A pattern of ASCII only works on bytes; with other characters it works on UTF-8.
    ///
    /// # Errors
    ///
    /// What is wrong with the pattern, or that it is too large.
    pub fn new(text: &[u8], case: Case) -> Result<Self, Fault> {
        let text =
            str::from_utf8(text).map_err(|_| Fault::error("pattern is not UTF-8".to_string()))?;
        let syntax = syntax::Config::new()
            .case_insensitive(case == Case::Ignored)
            .unicode(!text.is_ascii())
            .utf8(false)
            .nest_limit(PATTERN_NESTING_MAX);
        let limits = meta::Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(PATTERN_BYTES_MAX))
            .hybrid_cache_capacity(PATTERN_BYTES_MAX);
        let regex =
            meta::Builder::new().syntax(syntax).configure(limits).build(text).map_err(|error| {
                Fault::error(format!("invalid pattern {text:?}: {}", reason(&error)))
            })?;
        Ok(Self { regex })
    }

    /// Whether the pattern occurs anywhere.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The first match at or after `from`: one range for each group, the whole match first.
    #[must_use]
    pub fn captures_from(&self, text: &[u8], from: usize) -> Option<Vec<Option<Range<usize>>>> {
        let mut captures = self.regex.create_captures();
        if from > text.len() {
            return None;
        }
        self.regex.search_captures(&meta_input(text, from), &mut captures);
        if !captures.is_match() {
            return None;
        }
        Some((0..captures.group_len()).map(|at| Some(captures.get_group(at)?.range())).collect())
    }

    /// The first match at or after `from`.
    #[must_use]
    pub fn find_from(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        if from > text.len() {
            return None;
        }
        self.regex.search(&meta_input(text, from)).map(|found| found.range())
    }

    /// The names of the groups, the whole match first and nameless.
    #[must_use]
    pub fn group_names(&self) -> Vec<Option<Text>> {
        let mut names = vec![];
        for name in self.regex.group_info().all_names() {
            names.push(name.2.map(Text::from));
        }
        names
    }
}

fn meta_input(text: &[u8], from: usize) -> regex_automata::Input<'_> {
    regex_automata::Input::new(text).range(from..)
}

fn reason(error: &meta::BuildError) -> alloc::string::String {
    if error.size_limit().is_some() {
        return format!("it compiles to more than {PATTERN_BYTES_MAX} bytes");
    }
    match error.syntax_error() {
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pattern(..)")
    }
}

/// The patterns that a session has compiled.
#[derive(Default)]
pub(crate) struct Patterns(BTreeMap<(Text, Case), Arc<Pattern>>);

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
