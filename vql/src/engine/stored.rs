//! Queries as values.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::aggregate::Aggregates;
use super::scope::{Binding, Scope};
use super::select;
use crate::budget::{Level, Stop};
use crate::context::Context;
use crate::rows::{Rows, Step};
use crate::syntax::ast::Select;
use crate::value::{Row, Text, Value};

/// A query that runs when its rows are asked for.
///
/// It runs in the scope of whoever asks, not in that of its definition; only the arguments of
/// a call are kept with it (server specification section 10.3).
#[derive(Clone)]
pub struct StoredQuery(Arc<Repr>);

struct Repr {
    select: Arc<Select>,
    bound: Option<(Vec<(Text, Binding)>, Aggregates)>,
}

impl StoredQuery {
    pub(crate) fn new(select: &Arc<Select>) -> Self {
        Self(Arc::new(Repr { select: Arc::clone(select), bound: None }))
    }

    pub(super) fn with_arguments(
        select: &Arc<Select>,
        bindings: Vec<(Text, Binding)>,
        aggregates: Aggregates,
    ) -> Self {
        Self(Arc::new(Repr { select: Arc::clone(select), bound: Some((bindings, aggregates)) }))
    }

    /// Starts the query with the variables of `scope`; it works when rows are asked for.
    #[must_use]
    pub fn open(&self, scope: &Scope) -> Box<dyn Rows> {
        let scope = match &self.0.bound {
            None => scope.clone(),
            Some((bindings, aggregates)) => {
                scope.with_bindings(bindings.clone()).with_aggregates(aggregates.clone())
            }
        };
        select::open(&scope, &self.0.select)
    }

    /// Runs the query to its end and collects the rows, within the budget.
    ///
    /// # Errors
    ///
    /// The query must stop.
    pub fn collect(&self, cx: &mut Context, scope: &Scope) -> Result<Vec<Row>, Stop> {
        let mut held = cx.ledger.open();
        let mut rows = Vec::new();
        self.for_each(cx, scope, &mut |row| {
            held.take(row.measure().bytes)?;
            rows.push(row);
            Ok(true)
        })?;
        Ok(rows)
    }

    /// The values of one column, rows without it left out.
    pub(super) fn collect_column(
        &self,
        cx: &mut Context,
        scope: &Scope,
        name: &Text,
    ) -> Result<Vec<Value>, Stop> {
        let mut held = cx.ledger.open();
        let mut values = Vec::new();
        self.for_each(cx, scope, &mut |row| {
            if let Some(value) = row.get(name) {
                held.take(value.measure().bytes)?;
                values.push(value.clone());
            }
            Ok(true)
        })?;
        Ok(values)
    }

    /// The first row.
    ///
    /// # Errors
    ///
    /// The query must stop.
    pub fn first(&self, cx: &mut Context, scope: &Scope) -> Result<Option<Row>, Stop> {
        let mut first = None;
        self.for_each(cx, scope, &mut |row| {
            first = Some(row);
            Ok(false)
        })?;
        Ok(first)
    }

    /// Runs the query until its end or until `take` answers `false`.
    fn for_each(
        &self,
        cx: &mut Context,
        scope: &Scope,
        take: &mut dyn FnMut(Row) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        if !cx.engine.descend(cx.budget.depth) {
            cx.log(Level::Default, format_args!("Stack Overflow: {}", self.0.select));
            return Ok(());
        }
        let result = cx.run_through(|cx| self.drain(cx, scope, take));
        cx.engine.ascend();
        result
    }

    fn drain(
        &self,
        cx: &mut Context,
        scope: &Scope,
        take: &mut dyn FnMut(Row) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        let mut rows = self.open(scope);
        loop {
            match select::guard(cx, "query", |cx| rows.next(cx))? {
                Some(Step::Row(row)) => {
                    if !take(row)? {
                        return Ok(());
                    }
                }
                Some(Step::Yield) => {}
                // An expression cannot wait: its statement would hold up everything else.
                Some(Step::Pending(_)) => {
                    cx.log_once(
                        Level::Error,
                        format_args!("An event query cannot run inside an expression"),
                    );
                    return Ok(());
                }
                Some(Step::End) | None => return Ok(()),
            }
        }
    }
}

impl From<StoredQuery> for Value {
    fn from(query: StoredQuery) -> Self {
        Self::Query(query)
    }
}

impl fmt::Debug for StoredQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.select, f)
    }
}
