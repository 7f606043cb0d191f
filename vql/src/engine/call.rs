//! Calls of functions and of stored expressions.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::aggregate::Aggregates;
use super::eval::{array, eval, not_found};
use super::lazy::Lazy;
use super::scope::{Binding, Scope};
use super::stored::StoredQuery;
use crate::args::Args;
use crate::budget::{Fault, Level, Stop};
use crate::context::Context;
use crate::registry::{Entry, Found, Function, FunctionBody};
use crate::syntax::ast::{Argument, Body, Call, Expr, Let, Operand};
use crate::value::{Text, Value};

/// Evaluates a call.
pub(super) fn call(cx: &mut Context, scope: &Scope, call: &Call) -> Result<Value, Stop> {
    let name = dotted(&call.symbol.path);
    let value = match cx.registry.function(&name.to_str_lossy()) {
        Found::Entry(function) => {
            let result = apply(cx, scope, function, call);
            settle(cx, function.entry.name, result)?.unwrap_or_default()
        }
        Found::Blocked => {
            cx.log_once(
                Level::Error,
                format_args!(
                    "VQL Function {name}() has been blocked in the configuration. \
                     Please update the configuration file to allow it."
                ),
            );
            Value::Null
        }
        Found::Nothing => call_stored(cx, scope, &name, call)?,
    };
    if call.symbol.is_negated {
        return Ok(crate::value::operators::subtract(&Value::Int(0), &value));
    }
    Ok(value)
}

/// `a.b.c`
pub(super) fn dotted(path: &[Text]) -> Text {
    match path {
        [only] => only.clone(),
        _ => Text::from(path.join(&b'.')),
    }
}

/// Logs a fault after a name; a stop goes on.
pub(super) fn settle<T>(
    cx: &mut Context,
    name: &str,
    result: Result<T, Fault>,
) -> Result<Option<T>, Stop> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(fault) => cx.report(name, fault).map(|()| None),
    }
}

/// Checks the permissions that a table demands, then evaluates and checks the arguments one by one.
pub(super) fn checked_args(
    cx: &mut Context,
    scope: &Scope,
    entry: &'static Entry,
    arguments: &[Argument],
) -> Result<Args, Fault> {
    cx.require(entry.name, entry.permissions)?;
    let mut args = Args::new(entry, arguments.len());
    for argument in arguments {
        if argument.name == "**" {
            let mut given = Vec::new();
            give_all(cx, scope, &argument.value, &mut given)?;
            for (name, lazy) in given {
                args.add(cx, scope, name, lazy)?;
            }
            continue;
        }
        let lazy = lazy(cx, scope, &argument.value)?;
        args.add(cx, scope, argument.name.clone(), lazy)?;
    }
    args.complete()
}

fn apply(
    cx: &mut Context,
    scope: &Scope,
    function: &'static Function,
    call: &Call,
) -> Result<Value, Fault> {
    let args = checked_args(cx, scope, &function.entry, &call.arguments)?;
    match function.body {
        FunctionBody::Call(body) => body(cx, scope, &args),
        FunctionBody::Fold(body) => {
            scope.aggregates().with(call, |state| body(cx, scope, &args, state))
        }
    }
}

/// An argument as the body will see it: an array evaluated, an expression not.
fn lazy(cx: &mut Context, scope: &Scope, operand: &Operand) -> Result<Lazy, Stop> {
    Ok(match operand {
        Operand::Select(select) => Lazy::of_value(Value::Query(StoredQuery::new(select))),
        Operand::Array(items, trailing) => Lazy::of_value(array(cx, scope, items, *trailing)?),
        Operand::Expr(expr) => match &**expr {
            Expr::Literal(literal) => Lazy::of_value(literal.value.clone()),
            _ => Lazy::of_expr(expr, scope),
        },
    })
}

/// The arguments of a call of a LET.
fn give(
    cx: &mut Context,
    scope: &Scope,
    arguments: &[Argument],
) -> Result<Vec<(Text, Lazy)>, Stop> {
    let mut given = Vec::with_capacity(arguments.len());
    for argument in arguments {
        if argument.name == "**" {
            give_all(cx, scope, &argument.value, &mut given)?;
            continue;
        }
        given.push((argument.name.clone(), lazy(cx, scope, &argument.value)?));
    }
    Ok(given)
}

/// `**=dict` stands for one argument per member.
fn give_all(
    cx: &mut Context,
    scope: &Scope,
    operand: &Operand,
    given: &mut Vec<(Text, Lazy)>,
) -> Result<(), Stop> {
    let row = match operand_value(cx, scope, operand)? {
        Value::Dict(row) => row,
        Value::Scope(inner) => inner.to_row(cx)?,
        other => {
            let kind = other.type_name();
            cx.log(Level::Error, format_args!("** should be a dict not {kind}."));
            return Ok(());
        }
    };
    let members = row.iter().map(|(name, value)| (name.clone(), Lazy::of_value(value.clone())));
    given.extend(members);
    Ok(())
}

fn operand_value(cx: &mut Context, scope: &Scope, operand: &Operand) -> Result<Value, Stop> {
    match operand {
        Operand::Select(select) => Ok(Value::Query(StoredQuery::new(select))),
        Operand::Array(items, trailing) => array(cx, scope, items, *trailing),
        Operand::Expr(expr) => eval(cx, scope, expr),
    }
}

fn call_stored(cx: &mut Context, scope: &Scope, name: &Text, call: &Call) -> Result<Value, Stop> {
    match scope.find(cx, name)? {
        Some(Binding::Let(bound)) => apply_let(cx, scope, &bound, &call.arguments),
        Some(Binding::Value(value)) => Ok(value),
        None => {
            not_found(cx, scope, name);
            Ok(Value::Null)
        }
    }
}

/// Calls a LET: its body sees the arguments and the variables of the caller, and has aggregates of
/// its own.
pub(super) fn apply_let(
    cx: &mut Context,
    scope: &Scope,
    bound: &Arc<Let>,
    arguments: &[Argument],
) -> Result<Value, Stop> {
    let bindings = bind(cx, scope, bound, arguments)?;
    let aggregates = Aggregates::default();
    match &bound.body {
        Body::Select(select) => {
            Ok(Value::Query(StoredQuery::with_arguments(select, bindings, aggregates)))
        }
        Body::Expr(expr) => {
            let inner = scope.with_bindings(bindings).with_aggregates(aggregates);
            eval(cx, &inner, expr)
        }
    }
}

fn bind(
    cx: &mut Context,
    scope: &Scope,
    bound: &Arc<Let>,
    arguments: &[Argument],
) -> Result<Vec<(Text, Binding)>, Stop> {
    let parameters = bound.parameters.as_deref().unwrap_or(&[]);
    let mut bindings = Vec::with_capacity(parameters.len());
    for (name, lazy) in give(cx, scope, arguments)? {
        if !parameters.iter().any(|parameter| parameter.name == name) {
            let function = &bound.name;
            let text = format!("Extra unrecognized arg {name} when calling {function}()");
            cx.log(Level::Error, format_args!("{text}"));
        }
        bindings.push((name, Binding::Value(lazy.value(cx)?)));
    }
    for parameter in parameters {
        if bindings.iter().any(|(name, _)| *name == parameter.name) {
            continue;
        }
        match &parameter.default {
            Some(default) => {
                let value = operand_value(cx, scope, default)?;
                bindings.push((parameter.name.clone(), Binding::Value(value)));
            }
            None => {
                let (missing, function) = (&parameter.name, &bound.name);
                cx.log(
                    Level::Error,
                    format_args!("Missing arg {missing} when calling {function}()"),
                );
            }
        }
    }
    Ok(bindings)
}
