//! Queries back to text, on one line.
//!
//! The text of an expression is the name of its column, so spaces and letter case are those that
//! Velociraptor prints: two spaces before AND, one after LIMIT's number.

use alloc::string::{String, ToString};
use core::fmt::{self, Display, Formatter, Write};

use super::ast::{
    Access, Argument, Body, Call, Cell, Column, Comparison, Expr, Factor, From, Lambda, Let,
    Operand, Parameter, Select, Sign, Spelling, Statement, Symbol, Term, Trailing,
};
use super::lexer::is_plain_name;
use crate::value::Text;

impl Cell {
    /// The name of the column if it has no alias.
    pub(super) fn to_name(&self) -> String {
        match self {
            Self::Star => String::new(),
            // A lone symbol names its column without back-ticks.
            Self::Expr(Expr::Symbol(Symbol { path, is_negated: false })) if path.len() == 1 => {
                path.first().map(|name| name.to_string()).unwrap_or_default()
            }
            Self::Expr(_) | Self::Select(_) => self.to_string(),
        }
    }
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Let(bound) => bound.to_string(),
            Self::Select(select) => select.to_string(),
        };
        f.write_str(text.trim_end())
    }
}

impl Display for Let {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "LET {}", Name(&self.name))?;
        if let Some(parameters) = &self.parameters {
            f.write_char('(')?;
            joined(f, parameters)?;
            f.write_char(')')?;
        }
        f.write_str(if self.is_eager { " <= " } else { " = " })?;
        match &self.body {
            Body::Select(select) => select.fmt(f),
            Body::Expr(expr) => expr.fmt(f),
        }
    }
}

impl Display for Parameter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Name(&self.name).fmt(f)?;
        match &self.default {
            Some(default) => write!(f, "={default}"),
            None => Ok(()),
        }
    }
}

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.explain {
            f.write_str("EXPLAIN ")?;
        }
        f.write_str("SELECT ")?;
        joined(f, &self.columns)?;
        write!(f, " FROM {}", self.from)?;
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        if let Some(group) = &self.group {
            write!(f, " GROUP BY {group}")?;
        }
        if let Some(order) = &self.order {
            write!(f, " ORDER BY {}", Name(&order.column))?;
            if order.descending {
                f.write_str(" DESC")?;
            }
        }
        match self.limit {
            Some(limit) => write!(f, " LIMIT {limit} "),
            None => Ok(()),
        }
    }
}

impl Display for Column {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)?;
        if self.is_aliased { write!(f, " AS {}", Name(&self.name)) } else { Ok(()) }
    }
}

impl Display for Cell {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Star => f.write_char('*'),
            Self::Select(select) => write!(f, "{{ {select} }}"),
            Self::Expr(expr) => expr.fmt(f),
        }
    }
}

impl Display for From {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        dotted(f, &self.path)?;
        match &self.arguments {
            Some(arguments) => called(f, arguments),
            None => Ok(()),
        }
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.name == "**" {
            f.write_str("**")?;
        } else {
            Name(&self.name).fmt(f)?;
        }
        write!(f, "={}", self.value)
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Select(select) => write!(f, "{{ {select} }}"),
            Self::Expr(expr) => expr.fmt(f),
            Self::Array(items, trailing) => {
                f.write_char('[')?;
                listed(f, items, *trailing)?;
                f.write_char(']')
            }
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(first, terms) => chain(f, first, terms, "  "),
            Self::Or(first, terms) => chain(f, first, terms, " "),
            Self::Not(inner) => write!(f, "NOT {inner}"),
            Self::Compare(left, tests) => {
                write!(f, "{left}")?;
                tests.iter().try_for_each(|(test, right)| write!(f, " {test} {right}"))
            }
            Self::Sum(first, terms) => {
                first.fmt(f)?;
                terms.iter().try_for_each(|(sign, term)| match sign {
                    Sign::Plus => write!(f, " + {term}"),
                    Sign::Minus => write!(f, " - {term}"),
                })
            }
            Self::Product(first, factors) => {
                first.fmt(f)?;
                factors.iter().try_for_each(|(factor, value)| match factor {
                    Factor::Times => write!(f, " * {value}"),
                    Factor::Over => write!(f, " / {value}"),
                })
            }
            Self::Member(value, steps) => {
                value.fmt(f)?;
                steps.iter().try_for_each(|step| step.fmt(f))
            }
            Self::Symbol(symbol) => symbol.fmt(f),
            Self::Call(call) => call.fmt(f),
            Self::List(items, trailing) => listed(f, items, *trailing),
            Self::Paren(inner) => write!(f, "({inner})"),
            Self::Literal(literal) => literal.text.fmt(f),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal => f.write_str("="),
            Self::NotEqual => f.write_str("!="),
            Self::Less => f.write_str("<"),
            Self::LessOrEqual => f.write_str("<="),
            Self::Greater => f.write_str(">"),
            Self::GreaterOrEqual => f.write_str(">="),
            Self::Match => f.write_str("=~"),
            Self::In(spelling) => spelling.fmt(f),
            Self::Never => f.write_str("<>"),
        }
    }
}

impl Display for Access {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Field(name) => write!(f, ".{}", Name(name)),
            Self::Slice(from, to) => {
                f.write_char('[')?;
                if let Some(from) = from {
                    from.fmt(f)?;
                }
                f.write_char(':')?;
                if let Some(to) = to {
                    to.fmt(f)?;
                }
                f.write_char(']')
            }
        }
    }
}

impl Display for Symbol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_negated {
            f.write_char('-')?;
        }
        dotted(f, &self.path)
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.symbol.fmt(f)?;
        called(f, &self.arguments)
    }
}

impl Display for Lambda {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, name) in self.parameters.iter().enumerate() {
            if at > 0 {
                f.write_char(',')?;
            }
            Name(name).fmt(f)?;
        }
        write!(f, "=>{}", self.body)
    }
}

/// A name, in back-ticks if it needs them.
struct Name<'a>(&'a Text);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_plain_name(self.0) { self.0.fmt(f) } else { write!(f, "`{}`", self.0) }
    }
}

fn chain(f: &mut Formatter<'_>, first: &Expr, terms: &[Term], space: &str) -> fmt::Result {
    first.fmt(f)?;
    terms.iter().try_for_each(|term| match &term.spelling {
        Spelling::Word(operator) | Spelling::Symbol(operator) => {
            write!(f, "{space}{operator} {}", term.expr)
        }
    })
}

fn dotted(f: &mut Formatter<'_>, path: &[Text]) -> fmt::Result {
    for (at, name) in path.iter().enumerate() {
        if at > 0 {
            f.write_char('.')?;
        }
        Name(name).fmt(f)?;
    }
    Ok(())
}

fn called(f: &mut Formatter<'_>, arguments: &[Argument]) -> fmt::Result {
    f.write_char('(')?;
    joined(f, arguments)?;
    f.write_char(')')
}

fn listed(f: &mut Formatter<'_>, items: &[Expr], trailing: Trailing) -> fmt::Result {
    joined(f, items)?;
    match trailing {
        Trailing::Comma => f.write_str(", "),
        Trailing::None => Ok(()),
    }
}

fn joined<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}
