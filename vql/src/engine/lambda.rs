//! Lambdas that functions call for each element.

use alloc::vec::Vec;

use super::eval::eval;
use super::scope::{Binding, Scope};
use crate::budget::Stop;
use crate::context::Context;
use crate::syntax::ast::Lambda;
use crate::value::Value;

/// A parsed lambda. It sees the variables of the scope in which it is called.
#[derive(Debug)]
pub struct Closure(Lambda);

impl Closure {
    pub(crate) const fn new(lambda: Lambda) -> Self {
        Self(lambda)
    }

    /// Evaluates the body with these values for the parameters; missing ones are NULL.
    ///
    /// # Errors
    ///
    /// The query must stop.
    pub fn call(&self, cx: &mut Context, scope: &Scope, values: &[Value]) -> Result<Value, Stop> {
        let mut bindings = Vec::with_capacity(self.0.parameters.len());
        for (at, name) in self.0.parameters.iter().enumerate() {
            let value = values.get(at).cloned().unwrap_or_default();
            bindings.push((name.clone(), Binding::Value(value)));
        }
        eval(cx, &scope.with_bindings(bindings), &self.0.body)
    }
}
