//! What operators do with texts that are known to be paths, by the rules that the registry has; nothing where a text is
//! like any other.

use crate::context::Context;
use crate::value::{KNOWS_PATHS, Text, Value};

/// The rules of a host; each answers nothing where a text is like any other.
#[derive(Debug)]
pub(crate) struct PathRules {
    /// `path.name`
    pub(crate) member: fn(&Text, &Text) -> Option<Value>,
    /// `path + below`
    pub(crate) add: fn(&Value, &Value) -> Option<Value>,
    /// `path[at]`
    pub(crate) index: fn(&Value, &Value) -> Option<Value>,
    /// `path[from:to]`
    pub(crate) cut: fn(&Value, Option<i64>, Option<i64>) -> Option<Value>,
}

fn rules(cx: &Context) -> Option<&'static PathRules> {
    if KNOWS_PATHS { cx.registry.paths } else { None }
}

/// `path.name`
pub(super) fn member(cx: &Context, path: &Text, name: &Text) -> Option<Value> {
    rules(cx).and_then(|rules| (rules.member)(path, name))
}

/// `path + below`
pub(super) fn add(cx: &Context, path: &Value, below: &Value) -> Option<Value> {
    rules(cx).and_then(|rules| (rules.add)(path, below))
}

/// `path[at]`
pub(super) fn index(cx: &Context, path: &Value, at: &Value) -> Option<Value> {
    rules(cx).and_then(|rules| (rules.index)(path, at))
}

/// `path[from:to]`
pub(super) fn cut(cx: &Context, path: &Value, from: Option<i64>, to: Option<i64>) -> Option<Value> {
    rules(cx).and_then(|rules| (rules.cut)(path, from, to))
}
