//! What a pattern is compiled to: steps with relative jumps, so that a run of them can be copied and moved.

use alloc::vec::Vec;

use super::super::Unit;
use crate::value::Text;

/// A compiled pattern. Running off the end of its steps is a match.
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// The ranges of all classes.
    pub(super) ranges: Vec<(u32, u32)>,
    /// The names of the groups; the first is the whole match.
    pub(super) names: Vec<Option<Text>>,
    pub(super) unit: Unit,
}

/// One step. Those that look at text take one unit of it; the others take none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// This byte or character.
    One(u32),
    /// This small ASCII letter or its capital.
    Letter(u8),
    Any,
    NotNewline,
    /// `len` ranges of the program from `first` on.
    Class {
        first: u16,
        len: u16,
    },
    /// Goes on that many steps from here.
    Jump(i32),
    /// Tries the next step first, then the one that many steps from here.
    Near(i32),
    /// Tries the step that many steps from here first, then the next.
    Far(i32),
    /// Notes the place in a slot.
    Save(u16),
    Look(Look),
}

/// What must be true of a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordEdge,
    NoWordEdge,
}

impl Look {
    pub(super) fn holds(self, text: &[u8], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        let after = text.get(at);
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let is_edge = before.is_some_and(is_word) != after.is_some_and(is_word);
        match self {
            Self::TextStart => before.is_none(),
            Self::TextEnd => after.is_none(),
            Self::LineStart => before.is_none_or(|byte| *byte == b'\n'),
            Self::LineEnd => after.is_none_or(|byte| *byte == b'\n'),
            Self::WordEdge => is_edge,
            Self::NoWordEdge => !is_edge,
        }
    }
}
