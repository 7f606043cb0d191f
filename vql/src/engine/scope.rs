//! The variables that a query sees: levels of names, the innermost first.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::aggregate::Aggregates;
use super::eval::{eval, resolve};
use super::select::{LazyKey, lazy_cell};
use super::stored::StoredQuery;
use crate::budget::Stop;
use crate::context::Context;
use crate::sorted::SortedMap;
use crate::syntax::ast::{Body, Let};
use crate::value::{Row, RowBuilder, Text, Value};

/// A view of all visible variables; clones share it.
#[derive(Clone)]
pub struct Scope(Arc<Level>);

struct Level {
    variables: Variables,
    parent: Option<Scope>,
    aggregates: Aggregates,
}

enum Variables {
    Globals(Arc<Globals>),
    Bound(Vec<(Text, Binding)>),
    Row(Row),
    /// The aliases of the row that a SELECT is looking at.
    Aliases(LazyKey),
}

/// The variables of a session.
pub(crate) type Globals = SortedMap<Text, Binding>;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Binding {
    /// A value.
    Value(Value),
    /// A LET, evaluated at each use in the scope of the use.
    Let(Arc<Let>),
}

impl Scope {
    /// The scope of a statement.
    pub(crate) fn root(globals: &Arc<Globals>) -> Self {
        Self(Arc::new(Level {
            variables: Variables::Globals(Arc::clone(globals)),
            parent: None,
            aggregates: Aggregates::default(),
        }))
    }

    /// This scope below the columns of a row.
    #[must_use]
    pub fn with_row(&self, row: &Row) -> Self {
        self.below(Variables::Row(row.clone()))
    }

    /// This scope below one variable.
    #[must_use]
    pub fn with(&self, name: impl Into<Text>, value: impl Into<Value>) -> Self {
        self.with_bindings(alloc::vec![(name.into(), Binding::Value(value.into()))])
    }

    /// The value of a variable, stored expressions evaluated; NULL if there is none.
    ///
    /// # Errors
    ///
    /// The query must stop.
    pub fn get(&self, cx: &mut Context, name: &[u8]) -> Result<Value, Stop> {
        Ok(self.look_up(cx, name)?.unwrap_or_default())
    }

    /// The values of all variables as one row. Stored queries and functions are left out.
    ///
    /// # Errors
    ///
    /// The query must stop.
    pub fn to_row(&self, cx: &mut Context) -> Result<Row, Stop> {
        let mut row = RowBuilder::new();
        for name in self.names(usize::MAX) {
            if let Some(Binding::Value(value)) = self.find(cx, &name)? {
                let value = match value {
                    Value::Scope(_) => continue,
                    other => resolve(cx, self, other)?,
                };
                row.set(name, value);
            }
        }
        Ok(row.build())
    }

    /// Puts another row into a scope that [`Scope::with_row`] made, unless somebody else still sees it.
    pub(super) fn replace_row(&mut self, row: &Row) -> bool {
        match Arc::get_mut(&mut self.0) {
            Some(Level { variables: Variables::Row(own), .. }) => {
                own.clone_from(row);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn with_bindings(&self, bindings: Vec<(Text, Binding)>) -> Self {
        self.below(Variables::Bound(bindings))
    }

    pub(super) fn with_aliases(&self, key: LazyKey) -> Self {
        self.below(Variables::Aliases(key))
    }

    /// The same variables with other states of aggregates.
    pub(super) fn with_aggregates(&self, aggregates: Aggregates) -> Self {
        Self(Arc::new(Level {
            variables: Variables::Bound(Vec::new()),
            parent: Some(self.clone()),
            aggregates,
        }))
    }

    pub(super) fn aggregates(&self) -> &Aggregates {
        &self.0.aggregates
    }

    /// Whether names may stand for columns of a row that only this thread is looking at.
    #[cfg(feature = "threads")]
    pub(crate) fn is_bound_to_thread(&self) -> bool {
        let mut level = Some(self);
        while let Some(Self(here)) = level {
            if let Variables::Aliases(_) = here.variables {
                return true;
            }
            level = here.parent.as_ref();
        }
        false
    }

    fn below(&self, variables: Variables) -> Self {
        let aggregates = self.0.aggregates.clone();
        Self(Arc::new(Level { variables, parent: Some(self.clone()), aggregates }))
    }

    /// What a name stands for.
    pub(crate) fn find(&self, cx: &mut Context, name: &[u8]) -> Result<Option<Binding>, Stop> {
        let mut level = Some(self);
        while let Some(Self(here)) = level {
            let found = match &here.variables {
                Variables::Globals(globals) => globals.get(name).cloned(),
                Variables::Bound(bindings) => bindings
                    .iter()
                    .rev()
                    .find(|(bound, _)| **bound == *name)
                    .map(|(_, one)| one.clone()),
                Variables::Row(row) => row.get(name).cloned().map(Binding::Value),
                Variables::Aliases(key) => lazy_cell(cx, *key, name)?.map(Binding::Value),
            };
            if found.is_some() {
                return Ok(found);
            }
            level = here.parent.as_ref();
        }
        Ok(None)
    }

    /// The value of a name, evaluated here.
    pub(crate) fn look_up(&self, cx: &mut Context, name: &[u8]) -> Result<Option<Value>, Stop> {
        Ok(match self.find(cx, name)? {
            None => None,
            Some(Binding::Value(value)) => Some(value),
            Some(Binding::Let(bound)) => Some(match &bound.body {
                Body::Select(select) => Value::Query(StoredQuery::new(select)),
                Body::Expr(expr) => eval(cx, self, expr)?,
            }),
        })
    }

    /// Visible names in alphabetical order, at most `max`.
    pub(crate) fn names(&self, max: usize) -> Vec<Text> {
        let mut names = SortedMap::default();
        let mut add = |name: &Text| {
            names.insert(name.clone(), ());
            names.truncate(max);
        };
        let mut level = Some(self);
        while let Some(Self(here)) = level {
            match &here.variables {
                Variables::Globals(globals) => globals.keys().for_each(&mut add),
                Variables::Bound(bindings) => {
                    bindings.iter().for_each(|(name, _)| add(name));
                }
                Variables::Row(row) => row.columns().names().iter().for_each(&mut add),
                Variables::Aliases(_) => {}
            }
            level = here.parent.as_ref();
        }
        names.keys().cloned().collect()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names(crate::limits::NAMES_SHOWN_MAX)).finish()
    }
}
