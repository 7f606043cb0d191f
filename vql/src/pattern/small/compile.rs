//! From the text of a pattern to its program, in one pass.

mod bracket;

use alloc::format;
use alloc::string::String;
use alloc::vec;

use super::super::{Case, Unit};
use super::class::Class;
use super::program::{Look, Program, Step};
use crate::limits::{PATTERN_NESTING_MAX, PATTERN_STEPS_MAX};
use crate::value::Text;

/// Compiles a pattern.
///
/// # Errors
///
/// What is wrong, and where.
pub(super) fn compile(text: &str, case: Case, unit: Unit) -> Result<Program, String> {
    let program = Program { steps: vec![Step::Save(0)], ranges: vec![], names: vec![None], unit };
    let flags =
        Flags { any_case: case == Case::Ignored, lines: false, newline: false, lazy: false };
    let mut compiler = Compiler { rest: text, flags, levels: PATTERN_NESTING_MAX, program };
    match compiler.whole() {
        Ok(()) => Ok(compiler.program),
        Err(reason) => {
            let at = text.len().saturating_sub(compiler.rest.len());
            Err(format!("{reason} (at byte {at})"))
        }
    }
}

/// What is wrong with a pattern.
type Flaw = &'static str;

const TOO_LARGE: Flaw = "it compiles to more than this host allows";
const UNCLOSED_CLASS: Flaw = "unclosed character class";
const UNCLOSED_GROUP: Flaw = "unclosed group";
const UNKNOWN_ESCAPE: Flaw = "unrecognized escape";
const BAD_REPETITION: Flaw = "invalid repetition";

#[derive(Clone, Copy)]
struct Flags {
    /// `i`
    any_case: bool,
    /// `m`: `^` and `$` know lines.
    lines: bool,
    /// `s`: a dot matches a line feed.
    newline: bool,
    /// `U`: repetitions are lazy, and greedy with `?`.
    lazy: bool,
}

struct Compiler<'a> {
    rest: &'a str,
    flags: Flags,
    /// Groups that may still be opened within each other.
    levels: u32,
    program: Program,
}

impl Compiler<'_> {
    fn whole(&mut self) -> Result<(), Flaw> {
        self.alternatives()?;
        if !self.rest.is_empty() {
            return Err("unopened group");
        }
        self.emit(Step::Save(1))
    }

    fn alternatives(&mut self) -> Result<(), Flaw> {
        let mut ends = vec![];
        loop {
            let start = self.here();
            self.sequence()?;
            if !self.eat('|') {
                break;
            }
            let len = distance(start, self.here())?;
            self.insert(start, Step::Near(len.saturating_add(2)))?;
            ends.push(self.here());
            self.emit(Step::Jump(0))?;
        }
        for end in ends {
            let by = distance(end, self.here())?;
            if let Some(jump) = self.program.steps.get_mut(end) {
                *jump = Step::Jump(by);
            }
        }
        Ok(())
    }

    fn sequence(&mut self) -> Result<(), Flaw> {
        while let Some(letter) = self.peek().filter(|letter| !matches!(letter, '|' | ')')) {
            let start = self.here();
            self.take();
            if !self.atom(letter)? {
                continue;
            }
            while let Some(counts) = self.counts()? {
                let is_lazy = self.eat('?') != self.flags.lazy;
                self.repeat(start, counts, is_lazy)?;
            }
        }
        Ok(())
    }

    /// A part of a sequence; false for flags, which cannot be repeated.
    fn atom(&mut self, letter: char) -> Result<bool, Flaw> {
        match letter {
            '(' => return self.group(),
            '*' | '+' | '?' | '{' => return Err("nothing to repeat"),
            '\\' => self.escape()?,
            '^' if self.flags.lines => self.emit(Step::Look(Look::LineStart))?,
            '^' => self.emit(Step::Look(Look::TextStart))?,
            '$' if self.flags.lines => self.emit(Step::Look(Look::LineEnd))?,
            '$' => self.emit(Step::Look(Look::TextEnd))?,
            '[' => {
                let class = self.class()?;
                self.emit_class(class)?;
            }
            '.' if self.flags.newline => self.emit(Step::Any)?,
            '.' => self.emit(Step::NotNewline)?,
            _ => self.emit_letter(letter)?,
        }
        Ok(true)
    }

    fn group(&mut self) -> Result<bool, Flaw> {
        let outer = self.flags;
        self.levels = self.levels.checked_sub(1).ok_or("too many nested groups")?;
        let mut slot = None;
        if self.eat('?') {
            if self.rest.starts_with("P<") || self.rest.starts_with('<') {
                let name = self.name()?;
                slot = Some(self.open(Some(name))?);
            } else if self.set_flags()? {
                self.levels = self.levels.saturating_add(1);
                return Ok(false);
            }
        } else {
            slot = Some(self.open(None)?);
        }
        self.alternatives()?;
        self.flags = outer;
        if !self.eat(')') {
            return Err(UNCLOSED_GROUP);
        }
        if let Some(slot) = slot {
            self.emit(Step::Save(slot))?;
        }
        self.levels = self.levels.saturating_add(1);
        Ok(true)
    }

    /// Opens a group that is captured; its second slot.
    fn open(&mut self, name: Option<Text>) -> Result<u16, Flaw> {
        let names = &mut self.program.names;
        if name.is_some() && names.contains(&name) {
            return Err("duplicate group name");
        }
        let slot = u16::try_from(names.len().saturating_mul(2)).map_err(|_| TOO_LARGE)?;
        names.push(name);
        self.emit(Step::Save(slot))?;
        Ok(slot.saturating_add(1))
    }

    fn name(&mut self) -> Result<Text, Flaw> {
        let (_, rest) = self.rest.split_once('<').ok_or(UNCLOSED_GROUP)?;
        let (name, rest) = rest.split_once('>').ok_or(UNCLOSED_GROUP)?;
        let is_word =
            |letter: char| letter == '_' || letter.is_ascii_alphanumeric() || !letter.is_ascii();
        let is_name = |letter: char| is_word(letter) || matches!(letter, '.' | '[' | ']');
        let first = name.chars().next();
        if !first.is_some_and(|first| is_word(first) && !first.is_ascii_digit())
            || !name.chars().all(is_name)
        {
            return Err("invalid group name");
        }
        self.rest = rest;
        Ok(Text::from(name))
    }

    /// Reads flags up to `)`, which ends the group, or `:`, after which its text comes.
    fn set_flags(&mut self) -> Result<bool, Flaw> {
        let mut flags = self.flags;
        let mut value = true;
        let mut last = None;
        loop {
            let letter = self.peek().ok_or(UNCLOSED_GROUP)?;
            match letter {
                'i' => flags.any_case = value,
                'm' => flags.lines = value,
                's' => flags.newline = value,
                'U' => flags.lazy = value,
                '-' if value => value = false,
                ':' | ')' if last == Some('-') => return Err("no flag after '-'"),
                ':' => break,
                ')' if last.is_some() => break,
                ')' => return Err("nothing to repeat"),
                '=' | '!' | '<' => return Err("look-around is not supported"),
                _ => return Err("unrecognized flag"),
            }
            last = Some(letter);
            self.take();
        }
        let is_directive = self.take() == Some(')');
        self.flags = flags;
        Ok(is_directive)
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        let letter = self.peek().ok_or("incomplete escape")?;
        let look = match letter {
            'A' => Look::TextStart,
            'z' => Look::TextEnd,
            'b' => Look::WordEdge,
            'B' => Look::NoWordEdge,
            _ => {
                if let Some(class) = Class::escaped(letter, self.greatest()) {
                    self.take();
                    return self.emit_class(class);
                }
                return match self.escaped()? {
                    Escaped::Letter(letter) => self.emit_letter(letter),
                    Escaped::Byte(byte) => self.emit(Step::One(byte.into())),
                };
            }
        };
        self.take();
        self.emit(Step::Look(look))
    }

    /// What follows a backslash and stands for one byte or character.
    fn escaped(&mut self) -> Result<Escaped, Flaw> {
        let letter = self.take().ok_or("incomplete escape")?;
        Ok(Escaped::Letter(match letter {
            'a' => '\u{7}',
            'f' => '\u{c}',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'v' => '\u{b}',
            'x' | 'u' | 'U' if self.eat('{') => {
                let (digits, rest) = self.rest.split_once('}').ok_or(UNKNOWN_ESCAPE)?;
                self.rest = rest;
                code(digits).and_then(char::from_u32).ok_or(UNKNOWN_ESCAPE)?
            }
            'x' | 'u' | 'U' => {
                let len = match letter {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let (digits, rest) = self.rest.split_at_checked(len).ok_or(UNKNOWN_ESCAPE)?;
                self.rest = rest;
                let code = code(digits).ok_or(UNKNOWN_ESCAPE)?;
                if let Ok(byte) = u8::try_from(code)
                    && letter == 'x'
                    && self.program.unit == Unit::Byte
                {
                    return Ok(if byte.is_ascii() {
                        Escaped::Letter(byte.into())
                    } else {
                        Escaped::Byte(byte)
                    });
                }
                char::from_u32(code).ok_or(UNKNOWN_ESCAPE)?
            }
            'p' | 'P' => return Err("Unicode classes are not supported here"),
            '<' | '>' => return Err(UNKNOWN_ESCAPE),
            '0'..='9' => return Err("back references are not supported"),
            _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => letter,
            _ => return Err(UNKNOWN_ESCAPE),
        }))
    }

    /// How often the last part is repeated, if that is what comes.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, Flaw> {
        let counts = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let (counts, rest) = self.rest.split_once('}').ok_or(BAD_REPETITION)?;
                let counts = counts.get(1..).unwrap_or_default();
                let (from, to) = counts.split_once(',').unwrap_or((counts, counts));
                let from = count(from).ok_or(BAD_REPETITION)?;
                let to = match to.trim_ascii() {
                    "" => None,
                    to => Some(count(to).ok_or(BAD_REPETITION)?),
                };
                if to.is_some_and(|to| to < from) {
                    return Err(BAD_REPETITION);
                }
                self.rest = rest;
                return Ok(Some((from, to)));
            }
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(counts))
    }

    /// Repeats the steps from `start` on.
    fn repeat(
        &mut self,
        start: usize,
        (from, to): (u32, Option<u32>),
        is_lazy: bool,
    ) -> Result<(), Flaw> {
        let part = self.program.steps.split_off(start.min(self.here()));
        if part.is_empty() {
            return Ok(());
        }
        // `x*` is `(?:x+)?`: where x can be empty, that order of preferences is the one that ends.
        let len = i32::try_from(part.len()).map_err(|_| TOO_LARGE)?;
        let split = |by, is_back: bool| match is_lazy == is_back {
            true => Step::Near(by),
            false => Step::Far(by),
        };
        match to {
            None => {
                for _ in 1..from {
                    self.extend(&part)?;
                }
                if from == 0 {
                    self.emit(split(len.saturating_add(2), false))?;
                }
                self.extend(&part)?;
                self.emit(split(len.saturating_neg(), true))?;
            }
            Some(to) => {
                for _ in 0..from {
                    self.extend(&part)?;
                }
                for left in (1..=to.saturating_sub(from)).rev() {
                    let left = i32::try_from(left).map_err(|_| TOO_LARGE)?;
                    let by = len.saturating_add(1).checked_mul(left).ok_or(TOO_LARGE)?;
                    self.emit(split(by, false))?;
                    self.extend(&part)?;
                }
            }
        }
        Ok(())
    }

    fn emit_letter(&mut self, letter: char) -> Result<(), Flaw> {
        if self.flags.any_case && letter.is_ascii_alphabetic() {
            let small = u8::try_from(letter.to_ascii_lowercase()).unwrap_or_default();
            self.emit(Step::Letter(small))?;
        } else if self.program.unit == Unit::Byte {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                self.emit(Step::One(byte.into()))?;
            }
        } else {
            self.emit(Step::One(letter.into()))?;
        }
        Ok(())
    }

    fn emit_class(&mut self, class: Class) -> Result<(), Flaw> {
        let ranges = &mut self.program.ranges;
        let first = u16::try_from(ranges.len()).map_err(|_| TOO_LARGE)?;
        let len = u16::try_from(class.ranges.len()).map_err(|_| TOO_LARGE)?;
        ranges.extend(class.ranges);
        self.emit(Step::Class { first, len })
    }

    fn emit(&mut self, step: Step) -> Result<(), Flaw> {
        self.extend(&[step])
    }

    fn insert(&mut self, place: usize, step: Step) -> Result<(), Flaw> {
        self.emit(step)?;
        if let Some(steps) = self.program.steps.get_mut(place..) {
            steps.rotate_right(1);
        }
        Ok(())
    }

    fn extend(&mut self, steps: &[Step]) -> Result<(), Flaw> {
        if self.here().saturating_add(steps.len()) > PATTERN_STEPS_MAX {
            return Err(TOO_LARGE);
        }
        self.program.steps.extend_from_slice(steps);
        Ok(())
    }

    fn here(&self) -> usize {
        self.program.steps.len()
    }

    fn greatest(&self) -> u32 {
        match self.program.unit {
            Unit::Byte => u8::MAX.into(),
            Unit::Character => char::MAX.into(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next();
        self.rest = letters.as_str();
        letter
    }

    fn eat(&mut self, letter: char) -> bool {
        let rest = self.rest.strip_prefix(letter);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// What an escape stands for.
enum Escaped {
    Letter(char),
    /// A byte beyond ASCII.
    Byte(u8),
}

/// A decimal number without a sign.
fn count(digits: &str) -> Option<u32> {
    digits.trim_ascii().parse().ok().filter(|_| !digits.contains('+'))
}

/// A hexadecimal number without a sign.
fn code(digits: &str) -> Option<u32> {
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| is_plain)
}

fn distance(from: usize, to: usize) -> Result<i32, Flaw> {
    i32::try_from(to.saturating_sub(from)).map_err(|_| TOO_LARGE)
}
