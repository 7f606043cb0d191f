//! Path patterns: `*`, `?`, `[a-z]`, `{a,b}` and `**`, matched one path component at a time.
//!
//! Several patterns walk a tree together: a [`Front`] says how far each of them has come in a directory, so every
//! directory is read once and no file is reported twice. Matching never recurses and never touches a file.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::limits::{GLOB_COMPONENTS_MAX, GLOB_DEPTH_DEFAULT, GLOB_DEPTH_MAX, GLOB_PATTERNS_MAX};

/// Why a pattern is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum GlobFault {
    /// More than [`GLOB_COMPONENTS_MAX`] components in one pattern.
    TooLong,
    /// More than [`GLOB_PATTERNS_MAX`] patterns after the alternatives in braces are written out.
    TooMany,
    /// A `[` or `{` without its end.
    Unclosed,
}

impl fmt::Display for GlobFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "pattern has more than {GLOB_COMPONENTS_MAX} components"),
            Self::TooMany => write!(f, "braces stand for more than {GLOB_PATTERNS_MAX} patterns"),
            Self::Unclosed => f.write_str("pattern has a bracket or brace that is not closed"),
        }
    }
}

impl core::error::Error for GlobFault {}

/// Patterns that are looked for together.
#[derive(Clone, Debug, Default)]
pub struct GlobSet {
    patterns: Vec<Vec<Component>>,
}

/// How far each pattern has come in one directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Front {
    states: Vec<State>,
}

/// What an entry of a directory means to the patterns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Matched {
    /// A pattern ends here: the entry is a result.
    pub complete: bool,
    /// Where the patterns stand inside of the entry, if it is a directory.
    pub inside: Front,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct State {
    pattern: usize,
    component: usize,
    /// Directories that a `**` may still go down.
    depth: u32,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Component {
    /// Exactly this name.
    Literal(Vec<u8>),
    /// A name with wildcards.
    Wild(Vec<Token>),
    /// Any number of directories, down to a depth.
    Deep(u32),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Token {
    One(u32),
    AnyOne,
    AnyRun,
    Set { negated: bool, ranges: Vec<(u32, u32)> },
}

impl GlobSet {
    /// Parses patterns whose components are separated by `/`.
    ///
    /// `**` goes down any number of directories (30), `**5` at most five.
    ///
    /// # Errors
    ///
    /// [`GlobFault`]: brackets that are not closed, and more alternatives or components than the limits allow.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, GlobFault> {
        let mut set = Self::default();
        for pattern in patterns {
            for plain in expand(pattern)? {
                set.patterns.push(components(&plain)?);
                if set.patterns.len() > GLOB_PATTERNS_MAX {
                    return Err(GlobFault::TooMany);
                }
            }
        }
        Ok(set)
    }

    /// Where the patterns stand in the directory from which they start.
    #[must_use]
    pub fn start(&self) -> Front {
        let mut front = Front::default();
        for pattern in 0..self.patterns.len() {
            self.enter(&mut front, pattern, 0);
        }
        front
    }

    /// The names that are all the patterns look for in a directory, or nothing if it must be listed.
    ///
    /// Such files are found even in directories that may be entered but not read.
    #[must_use]
    pub fn literals<'a>(&'a self, front: &Front) -> Option<Vec<&'a [u8]>> {
        let mut names: Vec<&[u8]> = Vec::new();
        for state in &front.states {
            match self.component(*state)? {
                Component::Literal(name) if names.contains(&name.as_slice()) => {}
                Component::Literal(name) => names.push(name),
                Component::Wild(_) | Component::Deep(_) => return None,
            }
        }
        Some(names)
    }

    /// What an entry called `name` means to the patterns that stand at `front`.
    #[must_use]
    pub fn step(&self, front: &Front, name: &[u8]) -> Matched {
        let mut matched = Matched::default();
        for state in &front.states {
            let Some(component) = self.component(*state) else { continue };
            let next = state.component.saturating_add(1);
            let last = self.patterns.get(state.pattern).is_none_or(|all| next >= all.len());
            match component {
                Component::Deep(_) => {
                    matched.complete |= last;
                    if let Some(depth) = state.depth.checked_sub(1) {
                        matched.inside.add(State { depth, ..*state });
                        if !last {
                            self.enter(&mut matched.inside, state.pattern, next);
                        }
                    }
                }
                Component::Literal(literal) if literal == name => {
                    matched.complete |= last;
                    self.enter(&mut matched.inside, state.pattern, next);
                }
                Component::Wild(tokens) if matches(tokens, name) => {
                    matched.complete |= last;
                    self.enter(&mut matched.inside, state.pattern, next);
                }
                Component::Literal(_) | Component::Wild(_) => {}
            }
        }
        matched
    }

    fn component(&self, state: State) -> Option<&Component> {
        self.patterns.get(state.pattern)?.get(state.component)
    }

    /// Adds a state; `**` may also stand for no directory at all.
    fn enter(&self, front: &mut Front, pattern: usize, component: usize) {
        let mut at = component;
        loop {
            let state = State { pattern, component: at, depth: 0 };
            match self.component(state) {
                None => return,
                Some(Component::Deep(depth)) => front.add(State { depth: *depth, ..state }),
                Some(Component::Literal(_) | Component::Wild(_)) => return front.add(state),
            }
            at = at.saturating_add(1);
        }
    }
}

impl Front {
    /// Nothing is looked for here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Of two states that differ by their depth only, the deeper one does everything that the other does.
    fn add(&mut self, state: State) {
        let same = |other: &&mut State| {
            (other.pattern, other.component) == (state.pattern, state.component)
        };
        match self.states.iter_mut().find(same) {
            Some(known) => known.depth = known.depth.max(state.depth),
            None => self.states.push(state),
        }
    }
}

/// Writes out the alternatives in braces, the first group first.
fn expand(pattern: &[u8]) -> Result<Vec<Vec<u8>>, GlobFault> {
    let mut open: Vec<Vec<u8>> = vec![pattern.to_vec()];
    let mut plain = Vec::new();
    while let Some(next) = open.pop() {
        match alternatives(&next)? {
            None => plain.push(next),
            Some(forms) => open.extend(forms.into_iter().rev()),
        }
        if open.len().saturating_add(plain.len()) > GLOB_PATTERNS_MAX {
            return Err(GlobFault::TooMany);
        }
    }
    Ok(plain)
}

/// The pattern with its first group replaced by each alternative; nothing if it has no group.
fn alternatives(pattern: &[u8]) -> Result<Option<Vec<Vec<u8>>>, GlobFault> {
    let Some(start) = pattern.iter().position(|byte| *byte == b'{') else { return Ok(None) };
    let (before, group) = pattern.split_at(start);
    let mut depth = 0_usize;
    let mut forms: Vec<Vec<u8>> = vec![before.to_vec()];
    for (at, byte) in group.iter().enumerate() {
        match byte {
            b'{' if depth == 0 => depth = 1,
            b'}' if depth == 1 => {
                let after = group.get(at.saturating_add(1)..).unwrap_or_default();
                forms.iter_mut().for_each(|form| form.extend_from_slice(after));
                return Ok(Some(forms));
            }
            b',' if depth == 1 => {
                forms.push(before.to_vec());
                if forms.len() > GLOB_PATTERNS_MAX {
                    return Err(GlobFault::TooMany);
                }
            }
            other => {
                match other {
                    b'{' => depth = depth.saturating_add(1),
                    b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                forms.last_mut().ok_or(GlobFault::Unclosed)?.push(*other);
            }
        }
    }
    Err(GlobFault::Unclosed)
}

fn components(pattern: &[u8]) -> Result<Vec<Component>, GlobFault> {
    let parts = pattern.split(|byte| *byte == b'/');
    let mut components = Vec::new();
    for part in parts.filter(|part| !part.is_empty() && *part != b".") {
        components.push(component(part)?);
        if components.len() > GLOB_COMPONENTS_MAX {
            return Err(GlobFault::TooLong);
        }
    }
    Ok(components)
}

fn component(part: &[u8]) -> Result<Component, GlobFault> {
    if let Some(digits) = part.strip_prefix(b"**") {
        if digits.is_empty() {
            return Ok(Component::Deep(GLOB_DEPTH_DEFAULT));
        }
        let depth = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok());
        if let Some(depth) = depth {
            return Ok(Component::Deep(depth.min(GLOB_DEPTH_MAX)));
        }
    }
    if !part.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
        return Ok(Component::Literal(part.to_vec()));
    }
    let mut tokens = Vec::new();
    let mut rest = part;
    while let Some((letter, tail)) = split_letter(rest) {
        rest = tail;
        tokens.push(match u8::try_from(letter).unwrap_or(0) {
            b'*' if tokens.last() == Some(&Token::AnyRun) => continue,
            b'*' => Token::AnyRun,
            b'?' => Token::AnyOne,
            b'[' => {
                let (set, tail) = letter_set(rest)?;
                rest = tail;
                set
            }
            _ => Token::One(letter),
        });
    }
    Ok(Component::Wild(tokens))
}

/// Parses what follows a `[` up to its `]`; a `]` that comes first is a member of the set.
fn letter_set(mut rest: &[u8]) -> Result<(Token, &[u8]), GlobFault> {
    let after_sign = rest.strip_prefix(b"!").or_else(|| rest.strip_prefix(b"^"));
    let negated = after_sign.is_some();
    rest = after_sign.unwrap_or(rest);
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    while let Some((low, tail)) = split_letter(rest) {
        if low == u32::from(b']') && !ranges.is_empty() {
            return Ok((Token::Set { negated, ranges }, tail));
        }
        rest = tail;
        let high = tail.strip_prefix(b"-").and_then(split_letter);
        match high.filter(|(high, _)| *high != u32::from(b']')) {
            Some((high, tail)) => {
                ranges.push((low, high));
                rest = tail;
            }
            None => ranges.push((low, low)),
        }
    }
    Err(GlobFault::Unclosed)
}

/// Matches a whole name. After a mismatch only the last `*` takes one more letter, so the time is at
/// most the product of both lengths.
fn matches(tokens: &[Token], name: &[u8]) -> bool {
    let (mut tokens, mut name) = (tokens, name);
    let mut retry: Option<(&[Token], &[u8])> = None;
    loop {
        match (tokens.split_first(), split_letter(name)) {
            (Some((Token::AnyRun, after)), _) => {
                tokens = after;
                retry = Some((after, name));
            }
            (Some((token, after)), Some((letter, tail))) if token.takes(letter) => {
                tokens = after;
                name = tail;
            }
            (None, None) => return true,
            (None | Some(_), _) => {
                let Some((after, from)) = retry else { return false };
                let Some((_, tail)) = split_letter(from) else { return false };
                tokens = after;
                name = tail;
                retry = Some((after, tail));
            }
        }
    }
}

impl Token {
    fn takes(&self, letter: u32) -> bool {
        match self {
            Self::AnyOne => true,
            Self::AnyRun => false,
            Self::One(one) => *one == letter,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *negated
            }
        }
    }
}

/// Takes one UTF-8 letter; a byte that begins none counts as a letter outside of Unicode.
fn split_letter(text: &[u8]) -> Option<(u32, &[u8])> {
    const BEYOND_UNICODE: u32 = 0x11_0000;
    let first = *text.first()?;
    let window = text.get(..4).unwrap_or(text);
    let valid = window.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    let (letter, len) = valid.map_or_else(
        || (BEYOND_UNICODE.saturating_add(u32::from(first)), 1),
        |letter| (u32::from(letter), letter.len_utf8()),
    );
    text.get(len..).map(|rest| (letter, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(patterns: &[&str], path: &str) -> bool {
        let set = GlobSet::parse(patterns.iter().map(|pattern| pattern.as_bytes())).unwrap();
        let mut matched = Matched { complete: false, inside: set.start() };
        for name in path.split('/').filter(|name| !name.is_empty()) {
            matched = set.step(&matched.inside, name.as_bytes());
        }
        matched.complete
    }

    #[test]
    fn a_star_stays_within_its_component() {
        assert!(found(&["/etc/*.conf"], "/etc/a.conf"));
        assert!(!found(&["/etc/*.conf"], "/etc/a/b.conf"));
        assert!(found(&["/a*b*c"], "/aXbYbZc"));
        assert!(!found(&["/a*b*c"], "/aXbY"));
        assert!(found(&["/*"], "/.hidden"));
    }

    #[test]
    fn two_stars_stand_for_any_number_of_directories() {
        assert!(found(&["/a/**/z"], "/a/z"));
        assert!(found(&["/a/**/z"], "/a/b/c/z"));
        assert!(found(&["/a/**"], "/a/b"));
        assert!(found(&["/a/**"], "/a/b/c"));
        assert!(!found(&["/a/**"], "/a"));
        assert!(!found(&["/a/**1/z"], "/a/b/c/z"));
        assert!(found(&["/a/**1/z"], "/a/b/z"));
        assert!(found(&["/**/x/**/y"], "/x/1/x/2/3/y"));
    }

    #[test]
    fn braces_stand_for_each_alternative_even_nested_and_across_components() {
        assert!(found(&["/{etc,usr/{lib,share}}/x"], "/usr/share/x"));
        assert!(found(&["/{etc,usr/{lib,share}}/x"], "/etc/x"));
        assert!(!found(&["/{etc,usr/{lib,share}}/x"], "/usr/x"));
        assert!(found(&["/a{,b}"], "/a"));
    }

    #[test]
    fn sets_have_ranges_and_negation_and_know_letters_beyond_ascii() {
        assert!(found(&["/[a-c]x"], "/bx"));
        assert!(!found(&["/[!a-c]x"], "/bx"));
        assert!(found(&["/[]]"], "/]"));
        assert!(found(&["/[a-]"], "/-"));
        assert!(found(&["/?"], "/é"));
        assert!(found(&["/[à-ü]"], "/é"));
    }

    #[test]
    fn a_byte_outside_of_utf8_is_one_letter() {
        let set = GlobSet::parse([&b"/a?b"[..]]).unwrap();
        assert!(set.step(&set.start(), b"a\xffb").complete);
    }

    #[test]
    fn several_patterns_report_a_file_once_and_list_a_directory_once() {
        let set = GlobSet::parse([&b"/etc/passwd"[..], b"/etc/passwd", b"/usr/x"]).unwrap();
        assert_eq!(set.literals(&set.start()), Some(vec![&b"etc"[..], b"usr"]));
        let etc = set.step(&set.start(), b"etc");
        assert_eq!(set.literals(&etc.inside), Some(vec![&b"passwd"[..]]));
        let set = GlobSet::parse([&b"/etc/passwd"[..], b"/*"]).unwrap();
        assert_eq!(set.literals(&set.start()), None);
    }

    #[test]
    fn hostile_patterns_are_refused_by_name() {
        assert_eq!(GlobSet::parse([&b"/{a,b"[..]]).err(), Some(GlobFault::Unclosed));
        assert_eq!(GlobSet::parse([&b"/[a"[..]]).err(), Some(GlobFault::Unclosed));
        let bomb = b"{a,b}".repeat(40);
        assert_eq!(GlobSet::parse([bomb.as_slice()]).err(), Some(GlobFault::TooMany));
        let long = b"a/".repeat(GLOB_COMPONENTS_MAX + 1);
        assert_eq!(GlobSet::parse([long.as_slice()]).err(), Some(GlobFault::TooLong));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = [b"/".as_slice(), &b"a*".repeat(40)].concat();
        let set = GlobSet::parse([pattern.as_slice()]).unwrap();
        let mut name = b"a".repeat(255);
        assert!(set.step(&set.start(), &name).complete);
        name.insert(0, b'b');
        assert!(!set.step(&set.start(), &name).complete);
    }
}
