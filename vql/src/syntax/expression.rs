//! Expressions, by precedence: AND is outermost, OR binds tighter (server specification section 10.2).

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::ast::{
    Access, Call, Comparison, Expr, Factor, Literal, Sign, Spelling, Symbol, Term, Trailing,
};
use super::lexer::{Keyword, TokenKind};
use super::parser::{ParseError, Parser};
use crate::value::{Text, Value, float};

impl Parser<'_> {
    /// `a, b`: a list, or one expression alone.
    pub(super) fn list_or_expr(&mut self) -> Result<Expr, ParseError> {
        let first = self.expr()?;
        if !self.is(",") {
            return Ok(first);
        }
        let mut items = alloc::vec![first];
        let mut trailing = Trailing::None;
        while self.takes(",") {
            trailing = Trailing::Comma;
            if !self.starts_expr() {
                break;
            }
            items.push(self.expr()?);
            trailing = Trailing::None;
        }
        Ok(Expr::List(items, trailing))
    }

    pub(super) fn expr(&mut self) -> Result<Expr, ParseError> {
        self.nested(Self::and)
    }

    pub(super) fn starts_expr(&self) -> bool {
        match &self.token.kind {
            TokenKind::Name(_) | TokenKind::Number | TokenKind::Str(_) => true,
            TokenKind::Keyword(keyword) => {
                matches!(keyword, Keyword::Not | Keyword::True | Keyword::False | Keyword::Null)
            }
            TokenKind::Mark(mark) => matches!(*mark, "(" | "-"),
            _ => false,
        }
    }

    fn and(&mut self) -> Result<Expr, ParseError> {
        let first = self.or()?;
        let mut terms = Vec::new();
        while let Some(spelling) = self.operator(Keyword::And) {
            terms.push(Term { spelling, expr: self.or()? });
        }
        Ok(if terms.is_empty() { first } else { Expr::And(Arc::new(first), terms) })
    }

    fn or(&mut self) -> Result<Expr, ParseError> {
        let first = self.condition()?;
        let mut terms = Vec::new();
        while let Some(spelling) = self.operator(Keyword::Or) {
            terms.push(Term { spelling, expr: self.condition()? });
        }
        Ok(if terms.is_empty() { first } else { Expr::Or(Arc::new(first), terms) })
    }

    /// AND or OR, as a word or a symbol.
    fn operator(&mut self, word: Keyword) -> Option<Spelling> {
        let spelling = match (&self.token.kind, word) {
            (TokenKind::Keyword(here), _) if *here == word => Spelling::Word,
            (TokenKind::And, Keyword::And) | (TokenKind::Or, Keyword::Or) => Spelling::Symbol,
            _ => return None,
        };
        let spelling = spelling(Text::from(self.lexer.spelling(&self.token)));
        self.advance();
        Some(spelling)
    }

    fn condition(&mut self) -> Result<Expr, ParseError> {
        if self.takes_keyword(Keyword::Not) {
            return self.nested(|parser| Ok(Expr::Not(Arc::new(parser.condition()?))));
        }
        let left = self.sum()?;
        let mut tests = Vec::new();
        while let Some(comparison) = self.comparison() {
            self.advance();
            tests.push((comparison, self.sum()?));
        }
        Ok(if tests.is_empty() { left } else { Expr::Compare(Arc::new(left), tests) })
    }

    fn comparison(&self) -> Option<Comparison> {
        Some(match &self.token.kind {
            TokenKind::Mark("=") => Comparison::Equal,
            TokenKind::Mark("!=") => Comparison::NotEqual,
            TokenKind::Mark("<") => Comparison::Less,
            TokenKind::Mark("<=") => Comparison::LessOrEqual,
            TokenKind::Mark(">") => Comparison::Greater,
            TokenKind::Mark(">=") => Comparison::GreaterOrEqual,
            TokenKind::Mark("=~") => Comparison::Match,
            TokenKind::Mark("<>") => Comparison::Never,
            TokenKind::Keyword(Keyword::In) => {
                Comparison::In(Text::from(self.lexer.spelling(&self.token)))
            }
            _ => return None,
        })
    }

    fn sum(&mut self) -> Result<Expr, ParseError> {
        let first = self.product()?;
        let mut terms = Vec::new();
        loop {
            let sign = match self.token.kind {
                TokenKind::Mark("+") => Sign::Plus,
                TokenKind::Mark("-") => Sign::Minus,
                _ => break,
            };
            self.advance();
            terms.push((sign, self.product()?));
        }
        Ok(if terms.is_empty() { first } else { Expr::Sum(Arc::new(first), terms) })
    }

    fn product(&mut self) -> Result<Expr, ParseError> {
        let first = self.member()?;
        let mut factors = Vec::new();
        loop {
            let factor = match self.token.kind {
                TokenKind::Mark("*") => Factor::Times,
                TokenKind::Mark("/") => Factor::Over,
                _ => break,
            };
            self.advance();
            factors.push((factor, self.value()?));
        }
        Ok(if factors.is_empty() { first } else { Expr::Product(Arc::new(first), factors) })
    }

    fn member(&mut self) -> Result<Expr, ParseError> {
        let value = self.value()?;
        let mut steps = Vec::new();
        loop {
            if self.takes("[") {
                steps.push(self.index()?);
            } else if self.takes(".") {
                steps.push(Access::Field(self.name()?));
            } else {
                break;
            }
        }
        Ok(if steps.is_empty() { value } else { Expr::Member(Arc::new(value), steps) })
    }

    /// What follows `[`.
    fn index(&mut self) -> Result<Access, ParseError> {
        let from = if self.is(":") { None } else { Some(self.expr()?) };
        if !self.takes(":") {
            self.expect("]")?;
            return from.map(Access::Index).ok_or_else(|| self.expected("an index"));
        }
        let to = if self.is("]") { None } else { Some(self.expr()?) };
        self.expect("]")?;
        Ok(Access::Slice(from, to))
    }

    fn value(&mut self) -> Result<Expr, ParseError> {
        let is_negated = self.takes("-");
        match &self.token.kind {
            TokenKind::Number => Ok(self.number(is_negated)),
            TokenKind::Name(_) => self.symbol(is_negated),
            _ if is_negated => Err(self.expected("a number or a name")),
            TokenKind::Str(value) => {
                let value = Value::Str(value.clone());
                Ok(self.literal(value))
            }
            TokenKind::Keyword(Keyword::True) => Ok(self.literal(Value::Bool(true))),
            TokenKind::Keyword(Keyword::False) => Ok(self.literal(Value::Bool(false))),
            TokenKind::Keyword(Keyword::Null) => Ok(self.literal(Value::Null)),
            TokenKind::Mark("(") => {
                self.advance();
                let inner = self.list_or_expr()?;
                self.expect(")")?;
                Ok(Expr::Paren(Arc::new(inner)))
            }
            _ => Err(self.expected("an expression")),
        }
    }

    fn literal(&mut self, value: Value) -> Expr {
        let text = Text::from(self.lexer.spelling(&self.token));
        self.advance();
        Expr::Literal(Box::new(Literal { text, value }))
    }

    fn number(&mut self, is_negated: bool) -> Expr {
        let digits = self.lexer.spelling(&self.token);
        self.advance();
        let sign = if is_negated { "-" } else { "" };
        let value = number_value(sign, digits);
        let text = Text::from(format!("{sign}{digits}"));
        Expr::Literal(Box::new(Literal { text, value }))
    }

    fn symbol(&mut self, is_negated: bool) -> Result<Expr, ParseError> {
        let mut path = alloc::vec![self.name()?];
        while self.takes(".") {
            path.push(self.name()?);
        }
        let symbol = Symbol { path, is_negated };
        if !self.takes("(") {
            return Ok(Expr::Symbol(symbol));
        }
        let arguments = self.arguments()?;
        Ok(Expr::Call(Arc::new(Call { symbol, arguments })))
    }
}

/// The value of digits as Go reads them: `0x` hexadecimal, a leading zero octal; what is
/// too large for 64 bits is a float.
fn number_value(sign: &str, digits: &str) -> Value {
    let (radix, bare) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..).unwrap_or("")),
        [b'0', _, ..] => (8, digits.get(1..).unwrap_or("")),
        _ => (10, digits),
    };
    if let Ok(number) = i64::from_str_radix(&format!("{sign}{bare}"), radix) {
        return Value::Int(number);
    }
    if radix == 16 {
        return Value::Int(i64::MAX);
    }
    float::parse(&format!("{sign}{digits}")).map_or(Value::Null, Value::Float)
}
