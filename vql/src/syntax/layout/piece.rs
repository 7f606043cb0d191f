//! A query as a row of tokens with their comments, and what stands between them on one line.

use alloc::vec::Vec;

use super::super::lexer::{Keyword, Lexer, Token, TokenKind};

/// A token as it is written out.
pub(super) struct Piece<'a> {
    pub(super) kind: TokenKind,
    pub(super) text: &'a str,
    /// What stands between the token before it and this one.
    pub(super) comments: Vec<Comment<'a>>,
    /// An empty line stands right before it.
    pub(super) after_blank: bool,
    /// A space separates it from the token before it.
    pub(super) is_spaced: bool,
    /// Of an opening bracket: the place of the closing one.
    pub(super) close: Option<usize>,
}

pub(super) struct Comment<'a> {
    pub(super) text: &'a str,
    /// It goes to the end of its line.
    pub(super) is_line: bool,
    /// It begins on the line of the token before it.
    pub(super) is_trailing: bool,
    /// An empty line stands right before it.
    pub(super) after_blank: bool,
}

impl Piece<'_> {
    pub(super) fn is(&self, mark: &str) -> bool {
        matches!(self.kind, TokenKind::Mark(here) if here == mark)
    }

    pub(super) fn is_keyword(&self, keyword: Keyword) -> bool {
        matches!(self.kind, TokenKind::Keyword(here) if here == keyword)
    }

    pub(super) fn is_joint(&self) -> bool {
        matches!(
            self.kind,
            TokenKind::And | TokenKind::Or | TokenKind::Keyword(Keyword::And | Keyword::Or)
        )
    }

    pub(super) fn begins_statement(&self) -> bool {
        self.is_keyword(Keyword::Let) || self.begins_select()
    }

    /// SELECT, or the EXPLAIN before it.
    pub(super) fn begins_select(&self) -> bool {
        self.is_keyword(Keyword::Explain) || self.is_keyword(Keyword::Select)
    }

    pub(super) fn begins_clause(&self) -> bool {
        matches!(
            self.kind,
            TokenKind::Keyword(
                Keyword::From
                    | Keyword::Where
                    | Keyword::GroupBy
                    | Keyword::OrderBy
                    | Keyword::Limit
            )
        )
    }

    fn is_open(&self) -> bool {
        matches!(self.kind, TokenKind::Mark("(" | "[" | "{"))
    }

    fn is_close(&self) -> bool {
        matches!(self.kind, TokenKind::Mark(")" | "]" | "}"))
    }

    /// An operand may end with it, so that a minus after it subtracts and a bracket takes a part.
    fn ends_operand(&self) -> bool {
        match self.kind {
            TokenKind::Name(_) | TokenKind::Number | TokenKind::Str(_) => true,
            TokenKind::Keyword(keyword) => {
                matches!(keyword, Keyword::True | Keyword::False | Keyword::Null)
            }
            _ => self.is(")") || self.is("]"),
        }
    }
}

/// All tokens of a text that parses; the last one is the end.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut lexer = Lexer::new(text);
    let mut pieces = Vec::new();
    let mut end = 0;
    loop {
        let token = lexer.next();
        let is_end = matches!(token.kind, TokenKind::End);
        pieces.push(piece(text, end, &token));
        end = token.end;
        if is_end {
            break;
        }
    }
    join(&mut pieces);
    pieces
}

fn piece<'a>(text: &'a str, end_before: usize, token: &Token) -> Piece<'a> {
    let mut comments = Vec::new();
    let gap = text.get(end_before..token.start).unwrap_or("");
    let after_blank = gather(gap, end_before == 0, &mut comments);
    let spelling = text.get(token.start..token.end).unwrap_or("");
    if let TokenKind::Keyword(Keyword::GroupBy | Keyword::OrderBy) = token.kind {
        // Comments may stand between the two words.
        let words = spelling.get(5..spelling.len().saturating_sub(2)).unwrap_or("");
        gather(words, true, &mut comments);
    }
    let text = fixed_spelling(&token.kind).unwrap_or(spelling);
    let kind = token.kind.clone();
    Piece { kind, text, comments, after_blank, is_spaced: false, close: None }
}

/// The keywords that name no column, since the letter case of the others shows in results.
fn fixed_spelling(kind: &TokenKind) -> Option<&'static str> {
    let TokenKind::Keyword(keyword) = kind else { return None };
    Some(match keyword {
        Keyword::As => "AS",
        Keyword::Desc => "DESC",
        Keyword::Explain => "EXPLAIN",
        Keyword::From => "FROM",
        Keyword::GroupBy => "GROUP BY",
        Keyword::Let => "LET",
        Keyword::Limit => "LIMIT",
        Keyword::Not => "NOT",
        Keyword::OrderBy => "ORDER BY",
        Keyword::Select => "SELECT",
        Keyword::Where => "WHERE",
        _ => return None,
    })
}

/// Takes the comments out of what stands between two tokens; answers whether an empty line ends it.
fn gather<'a>(gap: &'a str, on_own_line: bool, comments: &mut Vec<Comment<'a>>) -> bool {
    let mut rest = gap;
    let mut is_trailing = !on_own_line;
    loop {
        let found = rest.trim_start();
        let blank = rest.get(..rest.len().saturating_sub(found.len())).unwrap_or("");
        let newlines = blank.bytes().filter(|byte| *byte == b'\n').count();
        is_trailing &= newlines == 0;
        let after_blank = newlines > 1;
        if found.is_empty() {
            return after_blank;
        }
        let is_line = !found.starts_with("/*");
        let length = if is_line {
            found.find('\n').unwrap_or(found.len())
        } else {
            found
                .get(2..)
                .and_then(|inner| inner.find("*/"))
                .map_or(found.len(), |at| at.saturating_add(4))
        };
        let text = found.get(..length).unwrap_or(found).trim_end();
        comments.push(Comment { text, is_line, is_trailing, after_blank });
        rest = found.get(length..).unwrap_or("");
    }
}

/// Finds the pairs of brackets, and where spaces go.
fn join(pieces: &mut [Piece<'_>]) {
    // For each open bracket: where it is, whether it is that of a call, and whether the `=` of the argument is still to come.
    let mut open: Vec<(usize, bool, bool)> = Vec::new();
    let mut spaced = false;
    for at in 0..pieces.len() {
        let Some((before, [piece, ..])) = pieces.split_at_mut_checked(at) else { return };
        let last = before.last();
        let is_call =
            piece.is("(") && last.is_some_and(|last| matches!(last.kind, TokenKind::Name(_)));
        let is_part = piece.is("[") && last.is_some_and(Piece::ends_operand);
        let glued = is_call
            || is_part
            || matches!(piece.kind, TokenKind::Mark(")" | "]" | "," | "." | ":"));
        piece.is_spaced = spaced && !glued;
        // What follows it.
        spaced = !matches!(piece.kind, TokenKind::Mark("(" | "[" | "." | ":"));
        if piece.is("-") && !last.is_some_and(Piece::ends_operand) {
            spaced = false;
        } else if piece.is("=")
            && open.last().is_some_and(|(_, is_call, wanted)| *is_call && *wanted)
        {
            (piece.is_spaced, spaced) = (false, false);
            if let Some((_, _, wanted)) = open.last_mut() {
                *wanted = false;
            }
        } else if piece.is(",")
            && let Some((_, _, wanted)) = open.last_mut()
        {
            *wanted = true;
        }
        if piece.is_open() {
            open.push((at, is_call, true));
        } else if piece.is_close()
            && let Some((opening, _, _)) = open.pop()
            && let Some(opening) = before.get_mut(opening)
        {
            opening.close = Some(at);
        }
    }
}

/// What a text needs on one line; one of several lines needs more than there is.
pub(super) fn width(text: &str) -> usize {
    if text.contains('\n') { usize::MAX / 4 } else { text.chars().count() }
}
