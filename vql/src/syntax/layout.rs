//! Queries laid out for people: clauses, columns and arguments on lines of their own where one line is too short.
//!
//! Only blanks and the letter case of keywords change, so that the result means the same and names its columns
//! the same; comments stay where they are.

mod piece;

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use self::piece::{Piece, pieces, width};
use super::lexer::Keyword;
use super::parser::{ParseError, parse_program};

/// Characters of a line, if the query has places to break it.
const WIDTH: usize = 80;
/// Blanks for each level.
const INDENT: usize = 2;

/// A program laid out anew, with a line feed at its end.
///
/// # Errors
///
/// The text is no VQL.
pub fn reformat(text: &str) -> Result<String, ParseError> {
    parse_program(text)?;
    let pieces = pieces(text);
    let mut layout = Layout::new(&pieces);
    let mut statement = 0;
    while let Some(end) = layout.statement_end(statement) {
        if statement > 0 {
            layout.line(statement, 0);
        }
        layout.statement(statement..end);
        statement = end;
    }
    layout.finish(statement);
    Ok(layout.out)
}

/// The text so far.
struct Layout<'a> {
    pieces: &'a [Piece<'a>],
    out: String,
    /// Characters of the last line.
    column: usize,
    /// The blanks that the last line begins with.
    indent: usize,
    /// How many of the comments of the next token are written.
    written: usize,
}

impl<'a> Layout<'a> {
    const fn new(pieces: &'a [Piece<'a>]) -> Self {
        Self { pieces, out: String::new(), column: 0, indent: 0, written: 0 }
    }

    /// Where the statement that begins at a token ends; `None` at the end of the text.
    fn statement_end(&self, start: usize) -> Option<usize> {
        let end = self.pieces.len().saturating_sub(1);
        let mut last = self.pieces.get(start).filter(|_| start < end)?;
        let is_let = last.is_keyword(Keyword::Let);
        for at in self.outer(start.saturating_add(1)..end) {
            let piece = self.pieces.get(at)?;
            let is_body = is_let && (last.is("=") || last.is("<="));
            if piece.begins_statement() && !is_body && !last.is_keyword(Keyword::Explain) {
                return Some(at);
            }
            last = piece;
        }
        Some(end)
    }

    /// The places outside of brackets; of a pair of brackets only the first.
    fn outer(&self, range: Range<usize>) -> impl Iterator<Item = usize> + use<'a> {
        let pieces = self.pieces;
        let mut at = range.start;
        core::iter::from_fn(move || {
            let here = (at < range.end).then_some(at)?;
            let close = pieces.get(here).and_then(|piece| piece.close);
            at = close.unwrap_or(here).saturating_add(1);
            Some(here)
        })
    }

    /// The clauses of a SELECT; the first holds the columns.
    fn clauses(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let mut start = range.start;
        for at in self.outer(range.clone()) {
            if at > start && self.pieces.get(at).is_some_and(Piece::begins_clause) {
                parts.push(start..at);
                start = at;
            }
        }
        parts.push(start..range.end);
        parts
    }

    /// Writes the comments after the last token.
    fn finish(&mut self, end: usize) {
        self.line(end, 0);
        self.put(end);
        self.out.truncate(self.out.trim_end().len());
        self.out.push('\n');
    }

    fn is_select(&self, range: &Range<usize>) -> bool {
        self.pieces.get(range.start).is_some_and(Piece::begins_select)
    }

    /// Whether tokens and what belongs to them have room on this line.
    fn fits(&self, range: &Range<usize>) -> bool {
        let mut room = WIDTH.saturating_sub(self.column);
        let pieces = self.pieces.get(range.clone()).unwrap_or(&[]);
        pieces.iter().enumerate().all(|(at, piece)| {
            let space = usize::from(piece.is_spaced && at > 0);
            let needed = width(piece.text).saturating_add(space);
            let has_room = needed <= room && (at == 0 || piece.comments.is_empty());
            room = room.saturating_sub(needed);
            has_room
        })
    }

    fn statement(&mut self, range: Range<usize>) {
        let is_let = self.pieces.get(range.start).is_some_and(|one| one.is_keyword(Keyword::Let));
        let is_sign =
            |at: &usize| self.pieces.get(*at).is_some_and(|one| one.is("=") || one.is("<="));
        let sign = self.outer(range.clone()).find(is_sign);
        let Some(sign) = sign.filter(|_| is_let && !self.fits(&range)) else {
            return self.any(range);
        };
        let body = sign.saturating_add(1)..range.end;
        self.chain(range.start..body.start);
        if self.is_select(&body) {
            self.line(body.start, INDENT);
        }
        self.any(body);
    }

    fn any(&mut self, range: Range<usize>) {
        if self.fits(&range) {
            range.for_each(|at| self.put(at));
        } else if self.is_select(&range) {
            self.select(range);
        } else {
            self.chain(range);
        }
    }

    /// Each clause on a line of its own.
    fn select(&mut self, range: Range<usize>) {
        let indent = self.indent;
        for (number, clause) in self.clauses(range).into_iter().enumerate() {
            if number > 0 {
                self.line(clause.start, indent);
            }
            if self.fits(&clause) {
                clause.for_each(|at| self.put(at));
            } else if number > 0 {
                self.chain(clause);
            } else {
                let is_word = |at: &usize| self.pieces.get(*at).is_some_and(Piece::begins_select);
                let first = clause.clone().find(|at| !is_word(at)).unwrap_or(clause.end);
                (clause.start..first).for_each(|at| self.put(at));
                self.items(first..clause.end, indent);
            }
        }
    }

    /// Tokens in a row, with a line for each term of AND and OR, and brackets that have no room opened.
    fn chain(&mut self, range: Range<usize>) {
        let indent = self.indent;
        for at in self.outer(range.clone()) {
            let Some(piece) = self.pieces.get(at) else { return };
            if piece.is_joint() {
                self.line(at, indent.saturating_add(INDENT));
            }
            self.put(at);
            let Some(close) = piece.close else { continue };
            let inner = at.saturating_add(1)..close;
            let is_plain = self.pieces.get(inner.start).is_some_and(|one| one.comments.is_empty());
            if is_plain && self.fits(&(inner.start..close.saturating_add(1))) {
                inner.for_each(|at| self.put(at));
            } else {
                let indent = self.indent;
                self.group(piece.is("{"), inner, indent);
                self.line(close, indent);
            }
            self.put(close);
        }
    }

    /// What brackets hold, on lines of its own.
    fn group(&mut self, is_query: bool, inner: Range<usize>, indent: usize) {
        if is_query {
            self.line(inner.start, indent.saturating_add(INDENT));
            self.any(inner);
        } else {
            self.items(inner, indent);
        }
    }

    /// What commas separate, each on a line of its own, one level deeper.
    fn items(&mut self, range: Range<usize>, indent: usize) {
        let indent = indent.saturating_add(INDENT);
        let mut start = range.start;
        while start < range.end {
            let is_comma = |at: &usize| self.pieces.get(*at).is_some_and(|one| one.is(","));
            let comma = self.outer(start..range.end).find(is_comma);
            let end = comma.unwrap_or(range.end);
            self.line(start, indent);
            self.any(start..end);
            if let Some(comma) = comma {
                self.put(comma);
            }
            start = end.saturating_add(1);
        }
    }

    /// Begins the line of a token. Comments that belong to the end of the last line go there.
    fn line(&mut self, at: usize, indent: usize) {
        let comments = self.pieces.get(at).map_or(&[][..], |piece| &piece.comments);
        let trailing = comments.iter().take_while(|comment| comment.is_trailing);
        for comment in trailing {
            self.space();
            self.write(comment.text);
            self.written = self.written.saturating_add(1);
        }
        self.feed(indent);
    }

    fn feed(&mut self, indent: usize) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
        self.out.extend(core::iter::repeat_n(' ', indent));
        (self.column, self.indent) = (indent, indent);
    }

    /// Writes a token after its comments.
    fn put(&mut self, at: usize) {
        let Some(piece) = self.pieces.get(at) else { return };
        for comment in piece.comments.iter().skip(self.written) {
            self.blank(comment.after_blank);
            if !comment.is_trailing && !self.is_line_empty() {
                self.feed(self.indent);
            }
            self.space();
            self.write(comment.text);
            if comment.is_line || !comment.is_trailing {
                self.feed(self.indent);
            }
        }
        self.written = 0;
        self.blank(piece.after_blank && piece.begins_statement());
        if piece.is_spaced || !piece.comments.is_empty() {
            self.space();
        }
        self.write(piece.text);
    }

    /// Keeps an empty line before one that begins here.
    fn blank(&mut self, is_wanted: bool) {
        if is_wanted && self.is_line_empty() && !self.out.is_empty() {
            self.feed(self.indent);
        }
    }

    fn is_line_empty(&self) -> bool {
        self.column == self.indent
    }

    fn space(&mut self) {
        if !self.is_line_empty() {
            self.write(" ");
        }
    }

    fn write(&mut self, text: &str) {
        self.out.push_str(text);
        let last = text.rsplit('\n').next().unwrap_or(text);
        let before = if last.len() == text.len() { self.column } else { 0 };
        self.column = before.saturating_add(last.chars().count());
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn laid_out(text: &str) -> String {
        reformat(text).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn what_fits_stays_on_a_line() {
        let text = "let x=-1 Select a- 1 ,f( b = 2,`c d`=[1,],**=e)[0 :1].g,{select * from h}\
                    from scope() where not a=~'x' and(b,c) Order   By a desc limit 5";
        let lines = "LET x = -1\nSELECT a - 1, f(b=2, `c d`=[1,], **=e)[0:1].g, { SELECT * FROM h }\n\
                     FROM scope()\nWHERE NOT a =~ 'x' and (b, c)\nORDER BY a DESC\nLIMIT 5\n";
        assert_eq!(laid_out(text), lines);
        assert_eq!(laid_out("select * from info()"), "SELECT * FROM info()\n");
    }

    #[test]
    fn what_is_long_is_opened_from_outside() {
        let text = "LET Files(globs) = SELECT OSPath, Mtime AS Modified, if(condition=Size > 1000, then='large', \
                    else='small') AS Kind FROM foreach(row={ SELECT * FROM glob(globs=globs) }, query={ SELECT OSPath, \
                    Mtime, Size FROM stat(filename=OSPath) }, workers=10) WHERE Kind = 'large' AND OSPath =~ 'a very long \
                    pattern indeed, and more' AND NOT IsDir";
        let lines = "\
LET Files(globs) =
  SELECT
    OSPath,
    Mtime AS Modified,
    if(condition=Size > 1000, then='large', else='small') AS Kind
  FROM foreach(
    row={ SELECT * FROM glob(globs=globs) },
    query={ SELECT OSPath, Mtime, Size FROM stat(filename=OSPath) },
    workers=10
  )
  WHERE Kind = 'large'
    AND OSPath =~ 'a very long pattern indeed, and more'
    AND NOT IsDir
";
        assert_eq!(laid_out(text), lines);
    }

    #[test]
    fn comments_stay_where_they_are() {
        let text = "// first\n\nLET a = 1 -- of a\n/* of b,\n  long */ LET b = /* two */ 2\n\n\n\n\
                    // of the query\nSELECT a, // column\n b /* end */ FROM scope( // none\n) GROUP /*g*/ BY a -- last\n// end";
        let lines = "\
// first

LET a = 1 -- of a
/* of b,
  long */
LET b = /* two */ 2

// of the query
SELECT
  a, // column
  b /* end */
FROM scope( // none
)
/*g*/
GROUP BY a -- last
// end
";
        assert_eq!(laid_out(text), lines);
        assert_eq!(laid_out(lines), lines);
    }

    #[test]
    fn what_is_no_query_is_a_fault() {
        assert!(reformat("SELECT FROM").is_err());
    }
}
