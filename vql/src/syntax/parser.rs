//! Statements and queries (server specification section 10.2).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::ast::{
    Argument, Body, Cell, Column, Expr, From, Lambda, Let, Operand, Order, Parameter, Select,
    Statement, Trailing,
};
use super::lexer::{Keyword, Lexer, Position, Token, TokenKind};
use crate::limits::{NESTING_MAX, PROGRAM_BYTES_MAX};
use crate::value::Text;

/// Parses a program.
///
/// # Errors
///
/// The first mistake.
pub fn parse_program(text: &str) -> Result<Vec<Statement>, ParseError> {
    let mut parser = Parser::new(text)?;
    let mut statements = Vec::new();
    while !parser.is_at_end() {
        statements.push(parser.statement()?);
    }
    if statements.is_empty() {
        return Err(parser.expected("SELECT or LET"));
    }
    Ok(statements)
}

/// Parses what can stand after WHERE.
///
/// # Errors
///
/// The first mistake.
pub fn parse_expression(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text)?;
    let expr = parser.list_or_expr()?;
    parser.expect_end()?;
    Ok(expr)
}

/// Parses a lambda. Its text is an argument of a function.
///
/// # Errors
///
/// The first mistake.
pub fn parse_lambda(text: &[u8]) -> Result<Lambda, ParseError> {
    let text = String::from_utf8_lossy(text);
    let mut parser = Parser::new(&text)?;
    let mut parameters = alloc::vec![parser.name()?];
    while parser.takes(",") {
        parameters.push(parser.name()?);
    }
    parser.expect("=>")?;
    let body = Arc::new(parser.expr()?);
    parser.expect_end()?;
    Ok(Lambda { parameters, body })
}

/// A mistake in the text of a query. One word, since every level of the parser hands it on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParseError(Box<Mistake>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Mistake {
    position: Position,
    fault: SyntaxFault,
    line: String,
}

impl ParseError {
    /// Where it is.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.0.position
    }

    /// What it is.
    #[must_use]
    pub const fn fault(&self) -> &SyntaxFault {
        &self.0.fault
    }

    /// The line with the mistake, and below it a mark at its place. Empty when the line is very long.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let Mistake { position, line, .. } = &*self.0;
        if line.is_empty() {
            return String::new();
        }
        let indent = position.column.saturating_sub(1);
        format!("  {line}\n  {:indent$}^", "")
    }
}

impl fmt::Display for SyntaxFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected { wanted, found } => write!(f, "expected {wanted}, found {found}"),
            Self::TooDeep => {
                write!(f, "more than {} levels of nesting", usize::from(NESTING_MAX))
            }
            Self::TooLong => write!(f, "more than {PROGRAM_BYTES_MAX} bytes of query"),
            Self::Unfinished(what) => write!(f, "{what} without an end"),
        }
    }
}

/// What is wrong with the text of a query.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SyntaxFault {
    /// Something else was expected.
    Expected {
        /// What was expected.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// More than [`NESTING_MAX`] levels.
    TooDeep,
    /// More than [`PROGRAM_BYTES_MAX`] bytes.
    TooLong,
    /// A string, name or comment that does not end.
    Unfinished(&'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position(), self.fault())?;
        let excerpt = self.excerpt();
        if excerpt.is_empty() { Ok(()) } else { write!(f, "\n{excerpt}") }
    }
}

impl core::error::Error for ParseError {}

/// The parser: one token of look-ahead, and a clone of the lexer for more.
pub(super) struct Parser<'a> {
    pub(super) lexer: Lexer<'a>,
    pub(super) token: Token,
    /// Where the token before this one ends.
    last_end: usize,
    depth: u16,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, ParseError> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next();
        let parser = Self { lexer, token, last_end: 0, depth: 0 };
        if text.len() > PROGRAM_BYTES_MAX {
            return Err(parser.fault(SyntaxFault::TooLong));
        }
        Ok(parser)
    }

    pub(super) fn advance(&mut self) {
        self.last_end = self.token.end;
        self.token = self.lexer.next();
    }

    const fn is_at_end(&self) -> bool {
        matches!(self.token.kind, TokenKind::End)
    }

    pub(super) fn is(&self, mark: &str) -> bool {
        matches!(self.token.kind, TokenKind::Mark(here) if here == mark)
    }

    pub(super) fn takes(&mut self, mark: &str) -> bool {
        let found = self.is(mark);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect(&mut self, mark: &'static str) -> Result<(), ParseError> {
        if self.takes(mark) { Ok(()) } else { Err(self.expected(mark)) }
    }

    pub(super) fn takes_keyword(&mut self, keyword: Keyword) -> bool {
        let found = matches!(self.token.kind, TokenKind::Keyword(here) if here == keyword);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn name(&mut self) -> Result<Text, ParseError> {
        let TokenKind::Name(name) = &self.token.kind else { return Err(self.expected("a name")) };
        let name = name.clone();
        self.advance();
        Ok(name)
    }

    fn expect_end(&self) -> Result<(), ParseError> {
        if self.is_at_end() { Ok(()) } else { Err(self.expected("the end")) }
    }

    pub(super) fn expected(&self, wanted: &'static str) -> ParseError {
        self.fault(match &self.token.kind {
            TokenKind::Open(what) => SyntaxFault::Unfinished(what),
            TokenKind::End => SyntaxFault::Expected { wanted, found: "the end".into() },
            _ => {
                let spelling = self.lexer.spelling(&self.token);
                SyntaxFault::Expected { wanted, found: spelling.chars().take(40).collect() }
            }
        })
    }

    fn fault(&self, fault: SyntaxFault) -> ParseError {
        let text = self.lexer.text();
        // What is missing at the end is missing right after the last token, not below blanks and comments.
        let position =
            Position::of(text, if self.is_at_end() { self.last_end } else { self.token.start });
        let line = text.lines().nth(position.line.saturating_sub(1)).unwrap_or("");
        // A line of a megabyte would hide the message that it is to explain.
        let line =
            if position.column < 200 { line.chars().take(240).collect() } else { String::new() };
        ParseError(Box::new(Mistake { position, fault, line }))
    }

    /// Parses something that may contain itself.
    pub(super) fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > NESTING_MAX {
            return Err(self.fault(SyntaxFault::TooDeep));
        }
        let result = parse(self);
        self.depth = self.depth.saturating_sub(1);
        result
    }

    fn statement(&mut self) -> Result<Statement, ParseError> {
        if self.takes_keyword(Keyword::Let) {
            return Ok(Statement::Let(Arc::new(self.let_statement()?)));
        }
        if self.is_select() {
            return Ok(Statement::Select(Arc::new(self.select()?)));
        }
        Err(self.expected("SELECT or LET"))
    }

    fn let_statement(&mut self) -> Result<Let, ParseError> {
        let name = self.name()?;
        let parameters = if self.takes("(") { Some(self.parameters()?) } else { None };
        let is_eager = self.takes("<=");
        if !is_eager {
            self.expect("=")?;
        }
        let body = if self.is_select() {
            Body::Select(Arc::new(self.select()?))
        } else {
            Body::Expr(Arc::new(self.expr()?))
        };
        Ok(Let { name, parameters, is_eager, body })
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>, ParseError> {
        let mut parameters = Vec::new();
        while !self.takes(")") {
            let name = self.name()?;
            let default = if self.takes("=") { Some(self.operand()?) } else { None };
            parameters.push(Parameter { name, default });
            if !self.is(")") {
                self.expect(",")?;
            }
        }
        Ok(parameters)
    }

    pub(super) fn is_select(&self) -> bool {
        matches!(self.token.kind, TokenKind::Keyword(Keyword::Select | Keyword::Explain))
    }

    pub(super) fn select(&mut self) -> Result<Select, ParseError> {
        self.nested(Self::select_body)
    }

    fn select_body(&mut self) -> Result<Select, ParseError> {
        let explain = self.takes_keyword(Keyword::Explain);
        if !self.takes_keyword(Keyword::Select) {
            return Err(self.expected("SELECT"));
        }
        let columns = self.columns()?;
        if !self.takes_keyword(Keyword::From) {
            return Err(self.expected("FROM"));
        }
        let from = self.from()?;
        let filter = self.clause(Keyword::Where)?;
        let group = self.clause(Keyword::GroupBy)?;
        let order = if self.takes_keyword(Keyword::OrderBy) { Some(self.order()?) } else { None };
        let limit = if self.takes_keyword(Keyword::Limit) { Some(self.limit()?) } else { None };
        Ok(Select { explain, columns, from, filter, group, order, limit })
    }

    fn clause(&mut self, keyword: Keyword) -> Result<Option<Expr>, ParseError> {
        if !self.takes_keyword(keyword) {
            return Ok(None);
        }
        self.list_or_expr().map(Some)
    }

    /// Columns with commas between them; the one after a leading star may be left out.
    fn columns(&mut self) -> Result<Vec<Column>, ParseError> {
        let mut columns = alloc::vec![self.column()?];
        let is_star =
            matches!(columns.as_slice(), [Column { body: Cell::Star, is_aliased: false, .. }]);
        if is_star && (self.is("{") || self.is("*") || self.starts_expr()) {
            columns.push(self.column()?);
        }
        while self.takes(",") {
            columns.push(self.column()?);
        }
        Ok(columns)
    }

    fn column(&mut self) -> Result<Column, ParseError> {
        let body = if self.takes("*") {
            Cell::Star
        } else if self.is("{") {
            Cell::Select(self.braced_select()?)
        } else {
            Cell::Expr(self.expr()?)
        };
        let alias = if self.takes_keyword(Keyword::As) { Some(self.name()?) } else { None };
        let is_aliased = alias.is_some();
        let name = alias.unwrap_or_else(|| Text::from(body.to_name()));
        Ok(Column { name, is_aliased, body })
    }

    fn braced_select(&mut self) -> Result<Arc<Select>, ParseError> {
        self.expect("{")?;
        let select = self.select()?;
        self.expect("}")?;
        Ok(Arc::new(select))
    }

    fn from(&mut self) -> Result<From, ParseError> {
        let mut path = alloc::vec![self.name()?];
        while self.takes(".") {
            path.push(self.name()?);
        }
        let arguments = if self.takes("(") { Some(self.arguments()?) } else { None };
        Ok(From { path, arguments })
    }

    /// Arguments up to and with the closing parenthesis.
    pub(super) fn arguments(&mut self) -> Result<Vec<Argument>, ParseError> {
        let mut arguments = Vec::new();
        while !self.takes(")") {
            let name = if self.takes("**") { Text::fixed("**") } else { self.name()? };
            self.expect("=")?;
            let value = self.operand()?;
            arguments.push(Argument { name, value });
            if !self.is(")") {
                self.expect(",")?;
            }
        }
        Ok(arguments)
    }

    fn operand(&mut self) -> Result<Operand, ParseError> {
        if self.is("{") {
            return Ok(Operand::Select(self.braced_select()?));
        }
        if !self.takes("[") {
            return Ok(Operand::Expr(Arc::new(self.expr()?)));
        }
        let mut items = Vec::new();
        let mut trailing = Trailing::None;
        while !self.takes("]") {
            items.push(self.expr()?);
            trailing = Trailing::None;
            if !self.is("]") {
                self.expect(",")?;
                trailing = Trailing::Comma;
            }
        }
        Ok(Operand::Array(items, trailing))
    }

    fn order(&mut self) -> Result<Order, ParseError> {
        let column = self.name()?;
        let descending = self.takes_keyword(Keyword::Desc);
        Ok(Order { column, descending })
    }

    fn limit(&mut self) -> Result<u64, ParseError> {
        if matches!(self.token.kind, TokenKind::Number)
            && let Ok(limit) = self.lexer.spelling(&self.token).parse()
        {
            self.advance();
            return Ok(limit);
        }
        Err(self.expected("a number"))
    }
}
