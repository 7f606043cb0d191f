//! Rows that are pulled one at a time.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Scope, StoredQuery};
use crate::value::{Columns, Instant, List, Row, Value};

/// A running source of rows.
///
/// Nothing happens between two calls: a source that waits for something answers
/// [`Step::Pending`], a source that is dropped is cancelled.
pub trait Rows: Send {
    /// Makes the next row.
    ///
    /// A body that loops for long without a row calls [`Context::charge`] in its loop, so that
    /// cancellation and budgets reach it.
    ///
    /// # Errors
    ///
    /// A message ends this source and is logged, a [`Stop`](crate::Stop) ends the whole query.
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault>;
}

/// What a source answers.
#[derive(Clone, Debug)]
pub enum Step {
    /// A row.
    Row(Row),
    /// No row before this instant; call again then.
    Pending(Instant),
    /// The fuel of this call is spent; call again at once.
    Yield,
    /// No more rows. Sources are not called again after it.
    End,
}

/// Rows that exist already.
#[derive(Debug)]
pub struct Ready(vec::IntoIter<Row>);

impl Ready {
    /// A source of these rows.
    #[must_use]
    pub fn new(rows: Vec<Row>) -> Self {
        Self(rows.into_iter())
    }

    /// The same, as plugins return it.
    #[must_use]
    pub fn boxed(rows: Vec<Row>) -> Box<dyn Rows> {
        Box::new(Self::new(rows))
    }
}

impl Rows for Ready {
    fn next(&mut self, _: &mut Context) -> Result<Step, Fault> {
        Ok(self.0.next().map_or(Step::End, Step::Row))
    }
}

/// Rows made by a closure: `Ok(None)` is the end.
pub struct Pull<F>(F);

impl<F: FnMut(&mut Context) -> Result<Option<Row>, Fault> + Send> Pull<F> {
    /// A source that calls `next` for each row.
    pub const fn new(next: F) -> Self {
        Self(next)
    }
}

impl<F> core::fmt::Debug for Pull<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Pull(..)")
    }
}

impl<F: FnMut(&mut Context) -> Result<Option<Row>, Fault> + Send> Rows for Pull<F> {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        Ok((self.0)(cx)?.map_or(Step::End, Step::Row))
    }
}

/// A value seen as rows; it can be opened many times.
#[derive(Clone, Debug)]
pub enum RowSource {
    /// A query.
    Query(StoredQuery),
    /// The elements of a list that are not NULL; what is no dict becomes `{_value: element}`.
    List(List),
    /// One row.
    One(Row),
    /// The variables of a scope as one row.
    Scope(Scope),
    /// No row.
    Nothing,
}

impl RowSource {
    /// Starts reading. A query sees the variables of `scope`.
    ///
    /// # Errors
    ///
    /// The query cannot be started.
    pub fn open(&self, cx: &mut Context, scope: &Scope) -> Result<Box<dyn Rows>, Fault> {
        match self {
            Self::Query(query) => Ok(query.open(scope)),
            Self::List(list) => {
                let columns = Columns::fixed(&["_value"]);
                Ok(Box::new(Elements { list: list.clone(), columns, next: 0 }))
            }
            Self::One(row) => Ok(Ready::boxed(vec![row.clone()])),
            Self::Scope(scope) => Ok(Ready::boxed(vec![scope.to_row(cx)?])),
            Self::Nothing => Ok(Ready::boxed(Vec::new())),
        }
    }
}

impl From<Value> for RowSource {
    fn from(value: Value) -> Self {
        match value {
            Value::Query(query) => Self::Query(query),
            Value::List(list) => Self::List(list),
            Value::Dict(row) => Self::One(row),
            Value::Scope(scope) => Self::Scope(scope),
            Value::Null => Self::Nothing,
            scalar => Self::One(Row::single("_value", scalar)),
        }
    }
}

struct Elements {
    list: List,
    columns: Columns,
    next: usize,
}

impl Rows for Elements {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            let Some(element) = self.list.get(self.next) else { return Ok(Step::End) };
            self.next = self.next.saturating_add(1);
            match element {
                // NULL is no row, as in the original.
                Value::Null => cx.charge(1)?,
                Value::Dict(row) => return Ok(Step::Row(row.clone())),
                scalar => return Ok(Step::Row(Row::new(&self.columns, vec![scalar.clone()]))),
            }
        }
    }
}
