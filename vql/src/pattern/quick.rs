//! Matching by several engines, the best for each pattern.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use regex_automata::Input;
use regex_automata::meta::{BuildError, Builder, Config, Regex};
use regex_automata::util::syntax;

use super::{Case, Unit, Wanted};
use crate::limits::{PATTERN_BYTES_MAX, PATTERN_NESTING_MAX};
use crate::value::Text;

pub(super) struct Engine(Regex);

impl Engine {
    pub(super) fn new(text: &str, case: Case, unit: Unit) -> Result<Self, String> {
        let syntax = syntax::Config::new()
            .case_insensitive(case == Case::Ignored)
            .unicode(unit == Unit::Character)
            .utf8(false)
            .nest_limit(PATTERN_NESTING_MAX);
        let limits = Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(PATTERN_BYTES_MAX))
            .hybrid_cache_capacity(PATTERN_BYTES_MAX);
        let builder = &mut Builder::new();
        let builder = builder.syntax(syntax).configure(limits);
        let built = match unit {
            Unit::Byte if !text.is_ascii() => builder.build(&spelled_out(text)),
            _ => builder.build(text),
        };
        built.map(Self).map_err(|error| reason(&error))
    }

    pub(super) fn find(&self, text: &[u8], from: usize, wanted: Wanted) -> Option<Range<usize>> {
        let input = Input::new(text).range(from..);
        match wanted {
            Wanted::Any => self.0.is_match(input).then_some(from..from),
            Wanted::First => self.0.search(&input).map(|found| found.range()),
        }
    }

    pub(super) fn captures(&self, text: &[u8], from: usize) -> Option<Vec<Option<Range<usize>>>> {
        let mut captures = self.0.create_captures();
        self.0.search_captures(&Input::new(text).range(from..), &mut captures);
        captures.is_match().then(|| {
            (0..captures.group_len()).map(|at| Some(captures.get_group(at)?.range())).collect()
        })
    }

    pub(super) fn group_names(&self) -> Vec<Option<Text>> {
        let mut names = vec![];
        for name in self.0.group_info().all_names() {
            names.push(name.2.map(Text::from));
        }
        names
    }
}

/// The pattern with its characters beyond ASCII as groups of byte escapes.
fn spelled_out(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    let mut letter_bytes = [0; 4];
    for letter in text.chars() {
        if letter.is_ascii() {
            spelled.push(letter);
            continue;
        }
        spelled.push_str("(?:");
        for byte in letter.encode_utf8(&mut letter_bytes).bytes() {
            spelled.push_str(&format!("\\x{byte:02x}"));
        }
        spelled.push(')');
    }
    spelled
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
