//! Tokens (server specification section 10.1).

use alloc::vec::Vec;
use core::fmt;

use crate::value::Text;

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Debug)]
pub(super) enum TokenKind {
    /// A name, without its back-ticks.
    Name(Text),
    /// A number, without sign.
    Number,
    /// A string, with its escapes resolved.
    Str(Text),
    Keyword(Keyword),
    /// An operator or bracket.
    Mark(&'static str),
    /// `&&` or a run of `|`.
    And,
    Or,
    End,
    /// A character that starts no token.
    Stray,
    /// A string, back-ticked name or comment that does not end.
    Open(&'static str),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keyword {
    And,
    As,
    Desc,
    Explain,
    False,
    From,
    GroupBy,
    In,
    Let,
    Limit,
    Not,
    Null,
    Or,
    OrderBy,
    Select,
    True,
    Where,
}

const KEYWORDS: [(&str, Keyword); 15] = [
    ("AND", Keyword::And),
    ("AS", Keyword::As),
    ("DESC", Keyword::Desc),
    ("EXPLAIN", Keyword::Explain),
    ("FALSE", Keyword::False),
    ("FROM", Keyword::From),
    ("IN", Keyword::In),
    ("LET", Keyword::Let),
    ("LIMIT", Keyword::Limit),
    ("NOT", Keyword::Not),
    ("NULL", Keyword::Null),
    ("OR", Keyword::Or),
    ("SELECT", Keyword::Select),
    ("TRUE", Keyword::True),
    ("WHERE", Keyword::Where),
];

/// Longer marks before their prefixes.
const MARKS: [&str; 23] = [
    "**", "=>", "=~", "!=", "<=", "<>", ">=", "=", "<", ">", "+", "-", "*", "/", "(", ")", "[",
    "]", "{", "}", ",", ":", ".",
];

impl Keyword {
    /// The keyword of a word in any letter case.
    pub(super) fn of(word: &[u8]) -> Option<Self> {
        let found = KEYWORDS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
        found.map(|(_, keyword)| *keyword)
    }
}

/// Whether a name needs no back-ticks.
pub(super) fn is_plain_name(name: &[u8]) -> bool {
    let Some((first, rest)) = name.split_first() else { return false };
    let is_word = is_name_start(*first) && rest.iter().all(|byte| is_name_part(*byte));
    is_word && Keyword::of(name).is_none()
}

/// A place in a text, counted from one. Columns count characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let in_line = before.get(line_start..).unwrap_or("");
        Self { line, column: in_line.chars().count().saturating_add(1) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Reads tokens from a text; a clone looks ahead.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    /// What a token looks like in the text.
    pub(super) fn spelling(&self, token: &Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    /// The next token. After the end, the end again.
    pub(super) fn next(&mut self) -> Token {
        let open_comment = self.skip_blanks();
        let start = self.at;
        let kind = open_comment.unwrap_or_else(|| self.token());
        Token { kind, start, end: self.at }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or(&[])
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.rest().get(ahead).copied()
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.text.len());
    }

    fn advance_while(&mut self, accept: impl Fn(u8) -> bool) {
        let count = self.rest().iter().take_while(|byte| accept(**byte)).count();
        self.advance(count);
    }

    /// Skips white space and comments. Answers a comment that does not end.
    fn skip_blanks(&mut self) -> Option<TokenKind> {
        loop {
            self.advance_while(|byte| byte.is_ascii_whitespace());
            let rest = self.rest();
            if rest.starts_with(b"//") || rest.starts_with(b"--") {
                self.advance_while(|byte| byte != b'\n');
            } else if rest.starts_with(b"/*") {
                let Some(length) = find(rest, b"*/", 2) else {
                    return Some(TokenKind::Open("comment"));
                };
                self.advance(length);
            } else {
                return None;
            }
        }
    }

    fn token(&mut self) -> TokenKind {
        let Some(first) = self.peek(0) else { return TokenKind::End };
        match first {
            b'\'' | b'"' => self.string(first),
            b'`' => self.ticked(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            b'|' => {
                self.advance_while(|byte| byte == b'|');
                TokenKind::Or
            }
            b'&' if self.peek(1) == Some(b'&') => {
                self.advance(2);
                TokenKind::And
            }
            _ if is_name_start(first) => self.word(),
            _ => self.mark(),
        }
    }

    fn mark(&mut self) -> TokenKind {
        let rest = self.rest();
        let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(mark.as_bytes())) else {
            let stray = self.text.get(self.at..).and_then(|rest| rest.chars().next());
            self.advance(stray.map_or(1, char::len_utf8));
            return TokenKind::Stray;
        };
        self.advance(mark.len());
        TokenKind::Mark(mark)
    }

    fn word(&mut self) -> TokenKind {
        let start = self.at;
        self.advance_while(is_name_part);
        let word = self.text.as_bytes().get(start..self.at).unwrap_or(&[]);
        for (first, keyword) in [("GROUP", Keyword::GroupBy), ("ORDER", Keyword::OrderBy)] {
            if word.eq_ignore_ascii_case(first.as_bytes()) && self.takes_by() {
                return TokenKind::Keyword(keyword);
            }
        }
        Keyword::of(word).map_or_else(|| TokenKind::Name(Text::from(word)), TokenKind::Keyword)
    }

    /// Takes the BY of GROUP BY and ORDER BY; elsewhere both words are names.
    fn takes_by(&mut self) -> bool {
        let mut ahead = self.clone();
        let unfinished = ahead.skip_blanks().is_some();
        let rest = ahead.rest();
        let is_by = rest.get(..2).is_some_and(|word| word.eq_ignore_ascii_case(b"by"))
            && !rest.get(2).is_some_and(|byte| is_name_part(*byte));
        if unfinished || !is_by || ahead.at == self.at {
            return false;
        }
        ahead.advance(2);
        *self = ahead;
        true
    }

    fn number(&mut self) -> TokenKind {
        if self.peek(0) == Some(b'0') && matches!(self.peek(1), Some(b'x' | b'X')) {
            self.advance(2);
            self.advance_while(|byte| byte.is_ascii_hexdigit());
            return TokenKind::Number;
        }
        self.advance_while(|byte| byte.is_ascii_digit());
        if self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) {
            self.advance(1);
            self.advance_while(|byte| byte.is_ascii_digit());
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            let digit = self.peek(sign.saturating_add(1));
            if digit.is_some_and(|byte| byte.is_ascii_digit()) {
                self.advance(sign.saturating_add(1));
                self.advance_while(|byte| byte.is_ascii_digit());
            }
        }
        TokenKind::Number
    }

    fn ticked(&mut self) -> TokenKind {
        let rest = self.rest();
        let Some(length) = find(rest, b"`", 1) else { return TokenKind::Open("back-ticked name") };
        let inner = rest.get(1..length.saturating_sub(1)).unwrap_or(&[]);
        self.advance(length);
        TokenKind::Name(Text::from(inner))
    }

    fn string(&mut self, quote: u8) -> TokenKind {
        let rest = self.rest();
        if rest.starts_with(b"'''") {
            let Some(length) = find(rest, b"'''", 3) else { return TokenKind::Open("raw string") };
            self.advance(length);
            let inner = rest.get(3..length.saturating_sub(3)).unwrap_or(&[]);
            return TokenKind::Str(Text::from(inner));
        }
        let mut value = Vec::new();
        let mut bytes = rest.iter().copied().enumerate().skip(1);
        while let Some((at, byte)) = bytes.next() {
            if byte == quote {
                self.advance(at.saturating_add(1));
                return TokenKind::Str(Text::from(value));
            }
            if byte == b'\\' {
                let used = unescape(rest.get(at.saturating_add(1)..).unwrap_or(&[]), &mut value);
                for _ in 0..used {
                    bytes.next();
                }
            } else {
                value.push(byte);
            }
        }
        TokenKind::Open("string")
    }
}

/// Resolves what follows a backslash; answers how many bytes it used. Of an unknown escape only the
/// backslash goes, as in Velociraptor; `\x` without two digits stays as it is written.
fn unescape(after: &[u8], value: &mut Vec<u8>) -> usize {
    let plain = match after.first() {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(quoted @ (b'\\' | b'\'' | b'"')) => *quoted,
        Some(b'x') => {
            let hex = after.get(1..3).and_then(|hex| str::from_utf8(hex).ok());
            let byte = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
            if let Some(byte) = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                value.push(byte);
                return 3;
            }
            value.extend_from_slice(b"\\x");
            return 1;
        }
        Some(other) => *other,
        None => return 0,
    };
    value.push(plain);
    1
}

/// Where the first `end` at or after `from` ends.
fn find(text: &[u8], end: &[u8], from: usize) -> Option<usize> {
    let inner = text.get(from..)?;
    let at = inner.windows(end.len()).position(|window| window == end)?;
    at.checked_add(from)?.checked_add(end.len())
}

const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

const fn is_name_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
