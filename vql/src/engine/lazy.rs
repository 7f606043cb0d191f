//! Arguments that are evaluated when the body asks for them.

use alloc::sync::Arc;

use super::eval::eval;
use super::scope::Scope;
use crate::budget::Stop;
use crate::context::Context;
use crate::syntax::ast::Expr;
use crate::value::Value;

/// An expression with the scope of the call, or a value that needs no evaluation.
#[derive(Clone, Debug)]
pub struct Lazy(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Value(Value),
    Expr(Arc<Expr>, Scope),
}

impl Lazy {
    pub(crate) const fn of_value(value: Value) -> Self {
        Self(Repr::Value(value))
    }

    pub(super) fn of_expr(expr: &Arc<Expr>, scope: &Scope) -> Self {
        Self(Repr::Expr(Arc::clone(expr), scope.clone()))
    }

    /// Evaluates the argument; each call evaluates again.
    ///
    /// # Errors
    ///
    /// The query must stop.
    pub fn value(&self, cx: &mut Context) -> Result<Value, Stop> {
        match &self.0 {
            Repr::Value(value) => Ok(value.clone()),
            Repr::Expr(expr, scope) => eval(cx, scope, expr),
        }
    }
}
