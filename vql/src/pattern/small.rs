//! Matching by one engine, Pike's machine: the least code, and no search for literals.

use alloc::format;
use alloc::string::{String, ToString};
use core::ops::Range;

use regex_automata::Input;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::nfa::thompson::{BuildError, Config, WhichCaptures};
use regex_automata::util::captures::{Captures, GroupInfo};
use regex_automata::util::syntax;
use spin::Mutex;

use super::Wanted;
use crate::limits::PATTERN_BYTES_MAX;

pub(super) struct Engine {
    machine: PikeVM,
    cache: Mutex<Cache>,
}

impl Engine {
    pub(super) fn new(text: &str, syntax: syntax::Config) -> Result<Self, String> {
        let limits = Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::All)
            .nfa_size_limit(Some(PATTERN_BYTES_MAX));
        let built = PikeVM::builder().syntax(syntax).thompson(limits).build(text);
        let machine = built.map_err(|error| reason(&error))?;
        let cache = Mutex::new(machine.create_cache());
        Ok(Self { machine, cache })
    }

    pub(super) fn find(&self, text: &[u8], from: usize, wanted: Wanted) -> Option<Range<usize>> {
        let input = Input::new(text).range(from..).earliest(wanted == Wanted::Any);
        self.machine.find(&mut self.cache.lock(), input).map(|found| found.range())
    }

    pub(super) fn captures(&self, text: &[u8], from: usize) -> Option<Captures> {
        let mut captures = self.machine.create_captures();
        let input = Input::new(text).range(from..);
        self.machine.captures(&mut self.cache.lock(), input, &mut captures);
        captures.is_match().then_some(captures)
    }

    pub(super) fn groups(&self) -> &GroupInfo {
        self.machine.get_nfa().group_info()
    }
}

fn reason(error: &BuildError) -> String {
    match error.size_limit() {
        Some(_) => format!("it compiles to more than {PATTERN_BYTES_MAX} bytes"),
        None => error.to_string(),
    }
}
