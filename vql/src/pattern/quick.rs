//! Matching by several engines, the best for each pattern.

use alloc::format;
use alloc::string::{String, ToString};
use core::ops::Range;

use regex_automata::Input;
use regex_automata::meta::{BuildError, Builder, Config, Regex};
use regex_automata::util::captures::{Captures, GroupInfo};
use regex_automata::util::syntax;

use super::Wanted;
use crate::limits::PATTERN_BYTES_MAX;

pub(super) struct Engine(Regex);

impl Engine {
    pub(super) fn new(text: &str, syntax: syntax::Config) -> Result<Self, String> {
        let limits = Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(PATTERN_BYTES_MAX))
            .hybrid_cache_capacity(PATTERN_BYTES_MAX);
        let built = Builder::new().syntax(syntax).configure(limits).build(text);
        built.map(Self).map_err(|error| reason(&error))
    }

    pub(super) fn find(&self, text: &[u8], from: usize, wanted: Wanted) -> Option<Range<usize>> {
        let input = Input::new(text).range(from..);
        match wanted {
            Wanted::Any => self.0.is_match(input).then_some(from..from),
            Wanted::First => self.0.search(&input).map(|found| found.range()),
        }
    }

    pub(super) fn captures(&self, text: &[u8], from: usize) -> Option<Captures> {
        let mut captures = self.0.create_captures();
        self.0.search_captures(&Input::new(text).range(from..), &mut captures);
        captures.is_match().then_some(captures)
    }

    pub(super) fn groups(&self) -> &GroupInfo {
        self.0.group_info()
    }
}

fn reason(error: &BuildError) -> String {
    if error.size_limit().is_some() {
        return format!("it compiles to more than {PATTERN_BYTES_MAX} bytes");
    }
    match error.syntax_error() {
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}
