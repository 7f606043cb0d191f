//! The tree of a parsed query.
//!
//! Chains of one precedence level are vectors, so that `1+1+1+…` makes no deep tree; real nesting is
//! limited by the parser ([`crate::limits::NESTING_MAX`]).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::value::{Text, Value};

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// Binds a name.
    Let(Arc<Let>),
    /// Yields rows.
    Select(Arc<Select>),
}

/// `LET name(parameters) = body` or `<=`.
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// The name bound.
    pub name: Text,
    /// Parameters; `None` when there are no parentheses.
    pub parameters: Option<Vec<Parameter>>,
    /// `<=`: evaluated once, at this statement.
    pub is_eager: bool,
    /// What the name stands for.
    pub body: Body,
}

/// A parameter of a LET, with its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The name.
    pub name: Text,
    /// The value of a call that does not give one.
    pub default: Option<Operand>,
}

/// A query or an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A query.
    Select(Arc<Select>),
    /// An expression.
    Expr(Arc<Expr>),
}

/// A SELECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// EXPLAIN stands before it.
    pub explain: bool,
    /// The columns.
    pub columns: Vec<Column>,
    /// Where rows come from.
    pub from: From,
    /// WHERE.
    pub filter: Option<Expr>,
    /// GROUP BY.
    pub group: Option<Expr>,
    /// ORDER BY.
    pub order: Option<Order>,
    /// LIMIT.
    pub limit: Option<u64>,
}

/// A column of a SELECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The alias, or the printed expression; empty for `*`.
    pub name: Text,
    /// The name comes from AS.
    pub is_aliased: bool,
    /// What the column shows.
    pub body: Cell,
}

/// What a column shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// `*`: all columns of the source.
    Star,
    /// `{ SELECT … }`.
    Select(Arc<Select>),
    /// An expression.
    Expr(Expr),
}

/// The source of a SELECT: a plugin, a stored query or a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct From {
    /// `Artifact.Linux.Sys` in parts.
    pub path: Vec<Text>,
    /// Arguments; `None` when there are no parentheses.
    pub arguments: Option<Vec<Argument>>,
}

/// ORDER BY.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The column.
    pub column: Text,
    /// DESC.
    pub descending: bool,
}

/// `name=value` in a call. The name `**` gives all arguments at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The name.
    pub name: Text,
    /// The value.
    pub value: Operand,
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// `{ SELECT … }`.
    Select(Arc<Select>),
    /// `[…]`: a list only when there is no item or a comma.
    Array(Vec<Expr>, Trailing),
    /// An expression.
    Expr(Arc<Expr>),
}

/// Whether a comma follows the last item.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trailing {
    /// `a, b`
    None,
    /// `a, b,`
    Comma,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `a AND b AND c`.
    And(Arc<Self>, Vec<Term>),
    /// `a OR b OR c`.
    Or(Arc<Self>, Vec<Term>),
    /// `NOT a`.
    Not(Arc<Self>),
    /// `a < b`; of `a < b < c` only `a < c` counts.
    Compare(Arc<Self>, Vec<(Comparison, Self)>),
    /// `a + b - c`.
    Sum(Arc<Self>, Vec<(Sign, Self)>),
    /// `a * b / c`.
    Product(Arc<Self>, Vec<(Factor, Self)>),
    /// `a[1].b`.
    Member(Arc<Self>, Vec<Access>),
    /// `a.b.c`.
    Symbol(Symbol),
    /// `f(x=1)`.
    Call(Arc<Call>),
    /// `a, b`: a list.
    List(Vec<Self>, Trailing),
    /// `( … )`.
    Paren(Arc<Self>),
    /// A constant.
    Literal(Box<Literal>),
}

/// A further term of a chain of AND or OR, with how its operator is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The operator before the term.
    pub spelling: Spelling,
    /// The term.
    pub expr: Expr,
}

/// How AND or OR is written: words yield a bool, symbols yield an operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Spelling {
    /// The word, in its letter case.
    Word(Text),
    /// `&&` or a run of `|`.
    Symbol(Text),
}

/// An operator of a comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `=~`
    Match,
    /// `IN`, in its letter case.
    In(Text),
    /// `<>`, which is never true.
    Never,
}

/// What a term adds to a sum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sign {
    /// `+`
    Plus,
    /// `-`
    Minus,
}

/// What a factor does to a product.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Factor {
    /// `*`
    Times,
    /// `/`
    Over,
}

/// A step into a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    /// `[i]`
    Index(Expr),
    /// `[a:b]`
    Slice(Option<Expr>, Option<Expr>),
    /// `.name`
    Field(Text),
}

/// A dotted name; a leading `-` negates its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Symbol {
    /// The parts.
    pub path: Vec<Text>,
    /// Written `-name`.
    pub is_negated: bool,
}

/// A call. Its address tells the state of an aggregate from that of another call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function.
    pub symbol: Symbol,
    /// The arguments.
    pub arguments: Vec<Argument>,
}

/// A constant and how it is written, because that can be the name of a column.
#[derive(Clone, Debug)]
pub struct Literal {
    /// As written, quotes included.
    pub text: Text,
    /// The value.
    pub value: Value,
}

/// Equally written constants have equal values.
impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// `x, y => expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// The parameters.
    pub parameters: Vec<Text>,
    /// The body.
    pub body: Arc<Expr>,
}
