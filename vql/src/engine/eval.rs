//! Expressions.

use alloc::vec::Vec;

use super::call::call;
use super::path;
use super::scope::Scope;
use crate::budget::{Level, Limit, Stop};
use crate::context::Context;
use crate::limits::{NAMES_SHOWN_MAX, VALUE_DEPTH_MAX};
use crate::pattern::Case;
use crate::syntax::ast::{
    Access, Comparison, Expr, Factor, Sign, Spelling, Symbol, Term, Trailing,
};
use crate::value::operators::{
    self, add, contains, divide, equal, greater, less, multiply, subtract,
};
use crate::value::{Measure, Row, Text, Time, Value};

/// Evaluates an expression. Mistakes are logged and yield NULL.
pub(crate) fn eval(cx: &mut Context, scope: &Scope, expr: &Expr) -> Result<Value, Stop> {
    cx.charge(1)?;
    if let Expr::Literal(literal) = expr {
        return Ok(literal.value.clone());
    }
    if !cx.engine.descend(cx.budget.depth) {
        cx.log(Level::Default, format_args!("Stack Overflow: {expr}"));
        return Ok(Value::Null);
    }
    let value = branch(cx, scope, expr);
    cx.engine.ascend();
    let value = value?;
    admit(cx, value.measure())?;
    Ok(value)
}

/// Checks that a value is within the budget, so that everything that walks over it is bounded.
pub(super) fn admit(cx: &Context, measure: Measure) -> Result<(), Stop> {
    if measure.depth > VALUE_DEPTH_MAX {
        return Err(Limit::ValueDepth(VALUE_DEPTH_MAX).into());
    }
    if measure.bytes > cx.budget.value_bytes {
        return Err(Limit::ValueBytes(cx.budget.value_bytes).into());
    }
    Ok(())
}

fn branch(cx: &mut Context, scope: &Scope, expr: &Expr) -> Result<Value, Stop> {
    match expr {
        Expr::And(first, terms) => and(cx, scope, first, terms),
        Expr::Or(first, terms) => or(cx, scope, first, terms),
        Expr::Not(inner) => Ok(Value::Bool(!is_true(cx, scope, inner)?)),
        // Of several comparisons in a row the last one counts, with the operand on the very left.
        Expr::Compare(left, tests) => match tests.last() {
            Some((comparison, right)) => compare(cx, scope, left, comparison, right),
            None => eval(cx, scope, left),
        },
        Expr::Sum(first, terms) => sum(cx, scope, first, terms),
        Expr::Product(first, factors) => product(cx, scope, first, factors),
        Expr::Member(value, steps) => steps_into(cx, scope, value, steps),
        Expr::Symbol(name) => symbol(cx, scope, name),
        Expr::Call(function) => call(cx, scope, function),
        Expr::List(items, _) => list(cx, scope, items),
        Expr::Paren(inner) => eval(cx, scope, inner),
        Expr::Literal(literal) => Ok(literal.value.clone()),
    }
}

/// The items of `[…]`: one item without a comma is a scalar.
pub(super) fn array(
    cx: &mut Context,
    scope: &Scope,
    items: &[Expr],
    trailing: Trailing,
) -> Result<Value, Stop> {
    match items {
        [only] if trailing == Trailing::None => eval(cx, scope, only),
        _ => list(cx, scope, items),
    }
}

fn list(cx: &mut Context, scope: &Scope, items: &[Expr]) -> Result<Value, Stop> {
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        values.push(eval(cx, scope, item)?);
    }
    Ok(Value::from(values))
}

fn is_true(cx: &mut Context, scope: &Scope, expr: &Expr) -> Result<bool, Stop> {
    let value = eval(cx, scope, expr)?;
    truth(cx, scope, &value)
}

/// The truth of any value; a stored query is true if it has a row.
pub(crate) fn truth(cx: &mut Context, scope: &Scope, value: &Value) -> Result<bool, Stop> {
    match value {
        Value::Query(query) => Ok(query.first(cx, scope)?.is_some()),
        other => Ok(operators::is_true(other)),
    }
}

/// The words answer a bool, the symbols the operand that decides.
fn and(cx: &mut Context, scope: &Scope, first: &Expr, terms: &[Term]) -> Result<Value, Stop> {
    let mut value = eval(cx, scope, first)?;
    for term in terms {
        if !truth(cx, scope, &value)? {
            return Ok(Value::Bool(false));
        }
        value = eval(cx, scope, &term.expr)?;
        if matches!(term.spelling, Spelling::Word(_)) || !truth(cx, scope, &value)? {
            value = Value::Bool(truth(cx, scope, &value)?);
        }
    }
    Ok(value)
}

/// The first operand answers itself if it is true, a later one TRUE after a word and itself after a symbol; if none is true,
/// the last one answers.
fn or(cx: &mut Context, scope: &Scope, first: &Expr, terms: &[Term]) -> Result<Value, Stop> {
    let mut value = eval(cx, scope, first)?;
    let mut is_settled = truth(cx, scope, &value)?;
    for term in terms {
        if is_settled {
            return Ok(value);
        }
        value = eval(cx, scope, &term.expr)?;
        is_settled = truth(cx, scope, &value)?;
        if is_settled && matches!(term.spelling, Spelling::Word(_)) {
            value = Value::Bool(true);
        }
    }
    Ok(value)
}

fn compare(
    cx: &mut Context,
    scope: &Scope,
    left: &Expr,
    comparison: &Comparison,
    right: &Expr,
) -> Result<Value, Stop> {
    let left = operand(cx, scope, left)?;
    let right = operand(cx, scope, right)?;
    cx.charge(size_charge(&left).min(size_charge(&right)))?;
    Ok(Value::Bool(match comparison {
        Comparison::Equal => equal(&left, &right),
        Comparison::NotEqual => !equal(&left, &right),
        Comparison::Less => less(&left, &right),
        Comparison::LessOrEqual => less(&left, &right) || equal(&left, &right),
        Comparison::Greater => greater(&left, &right),
        Comparison::GreaterOrEqual => greater(&left, &right) || equal(&left, &right),
        Comparison::Match => matches(cx, &left, &right)?,
        Comparison::In(_) => contains(&right, &left),
        Comparison::Never => false,
    }))
}

/// Steps for a walk over a large value.
fn size_charge(value: &Value) -> u64 {
    u64::try_from(value.measure().bytes >> 10).unwrap_or(u64::MAX)
}

/// An operand of an operator, with a stored query turned into its rows.
fn operand(cx: &mut Context, scope: &Scope, expr: &Expr) -> Result<Value, Stop> {
    noted_operand(cx, scope, expr, &mut false)
}

/// An operand, and whether it was a stored query; a member is a list by then.
fn noted_operand(
    cx: &mut Context,
    scope: &Scope,
    expr: &Expr,
    is_stored: &mut bool,
) -> Result<Value, Stop> {
    let value = eval(cx, scope, expr)?;
    if matches!(value, Value::Query(_)) {
        *is_stored |= match expr {
            Expr::Member(..) => false,
            Expr::Symbol(symbol) => symbol.path.len() == 1,
            _ => true,
        };
    }
    resolve(cx, scope, value)
}

fn matches(cx: &mut Context, value: &Value, pattern: &Value) -> Result<bool, Stop> {
    let Value::Str(text) = pattern else { return Ok(false) };
    if matches!(text.as_bytes(), b"" | b"." | b".*") {
        return Ok(true);
    }
    let pattern = match cx.pattern(text, Case::Ignored) {
        Ok(pattern) => pattern,
        Err(fault) => {
            cx.report("=~", fault)?;
            return Ok(false);
        }
    };
    cx.charge(size_charge(value))?;
    let matches_one = |value: &Value| match value {
        Value::Str(text) => pattern.is_match(text),
        Value::Int(_) | Value::Float(_) | Value::Time(_) | Value::Dict(_) => {
            pattern.is_match(crate::value::json::scalar_text(value).as_bytes())
        }
        _ => false,
    };
    Ok(match value {
        Value::List(list) => list.iter().any(matches_one),
        other => matches_one(other),
    })
}

fn sum(
    cx: &mut Context,
    scope: &Scope,
    first: &Expr,
    terms: &[(Sign, Expr)],
) -> Result<Value, Stop> {
    let mut is_stored = false;
    let mut value = noted_operand(cx, scope, first, &mut is_stored)?;
    for (sign, term) in terms {
        let term = noted_operand(cx, scope, term, &mut is_stored)?;
        value = match sign {
            // A list takes anything, a stored query only its like and lists.
            Sign::Plus if is_stored && !(is_list(&value) && is_list(&term)) => Value::Null,
            Sign::Plus => path::add(cx, &value, &term).unwrap_or_else(|| add(&value, &term)),
            Sign::Minus => subtract(&value, &term),
        };
        is_stored = false;
        cx.charge(size_charge(&value))?;
        admit(cx, value.measure())?;
    }
    Ok(value)
}

const fn is_list(value: &Value) -> bool {
    matches!(value, Value::List(_))
}

fn product(
    cx: &mut Context,
    scope: &Scope,
    first: &Expr,
    factors: &[(Factor, Expr)],
) -> Result<Value, Stop> {
    let mut value = operand(cx, scope, first)?;
    let bytes_max = cx.budget.value_bytes;
    for (factor, other) in factors {
        let other = operand(cx, scope, other)?;
        value = match factor {
            Factor::Times => {
                multiply(&value, &other, bytes_max).ok_or(Limit::ValueBytes(bytes_max))?
            }
            Factor::Over => divide(&value, &other),
        };
    }
    Ok(value)
}

fn symbol(cx: &mut Context, scope: &Scope, name: &Symbol) -> Result<Value, Stop> {
    let mut path = name.path.iter();
    let Some(first) = path.next() else { return Ok(Value::Null) };
    let Some(mut value) = scope.look_up(cx, first)? else {
        not_found(cx, scope, first);
        return Ok(Value::Null);
    };
    for field in path {
        value = member(cx, scope, &value, field)?.unwrap_or_default();
    }
    if name.is_negated {
        value = subtract(&Value::Int(0), &value);
    }
    Ok(value)
}

/// Says that a name means nothing here.
pub(super) fn not_found(cx: &mut Context, scope: &Scope, name: &Text) {
    let visible = scope.names(NAMES_SHOWN_MAX);
    cx.log(
        Level::Error,
        format_args!("Symbol {name} not found. Current Scope is {}", Names(&visible)),
    );
}

struct Names<'a>(&'a [Text]);

impl core::fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

fn steps_into(
    cx: &mut Context,
    scope: &Scope,
    value: &Expr,
    steps: &[Access],
) -> Result<Value, Stop> {
    let mut value = eval(cx, scope, value)?;
    for step in steps {
        value = match step {
            Access::Field(name) => member(cx, scope, &value, name)?.unwrap_or_default(),
            Access::Index(at) => {
                let at = eval(cx, scope, at)?;
                index(cx, scope, value, &at)?
            }
            Access::Slice(from, to) => {
                let from = bound(cx, scope, from.as_ref())?;
                let to = bound(cx, scope, to.as_ref())?;
                let value = resolve(cx, scope, value)?;
                path::cut(cx, &value, from, to)
                    .unwrap_or_else(|| operators::slice(&value, from, to))
            }
        };
    }
    Ok(value)
}

fn index(cx: &mut Context, scope: &Scope, value: Value, at: &Value) -> Result<Value, Stop> {
    match (&value, at) {
        // The first row needs no other.
        (Value::Query(query), Value::Int(0)) => Ok(Value::from(query.first(cx, scope)?)),
        _ => {
            let value = resolve(cx, scope, value)?;
            Ok(path::index(cx, &value, at).unwrap_or_else(|| operators::index(&value, at)))
        }
    }
}

fn bound(cx: &mut Context, scope: &Scope, expr: Option<&Expr>) -> Result<Option<i64>, Stop> {
    let Some(expr) = expr else { return Ok(None) };
    Ok(match eval(cx, scope, expr)? {
        Value::Int(number) => Some(number),
        Value::Float(number) => Some(operators::truncated(number)),
        _ => None,
    })
}

/// A member of a value; `None` if it has no such member.
pub(crate) fn member(
    cx: &mut Context,
    scope: &Scope,
    value: &Value,
    name: &Text,
) -> Result<Option<Value>, Stop> {
    Ok(match value {
        Value::Dict(dict) => dict.get(name).cloned().or_else(|| pseudo_member(dict, name)),
        Value::Scope(inner) => inner.look_up(cx, name)?,
        Value::Time(time) => time_member(*time, name),
        Value::List(list) => {
            let mut found = Vec::with_capacity(list.len());
            for item in list.iter() {
                cx.charge(1)?;
                found.extend(member(cx, scope, item, name)?);
            }
            Some(Value::from(found))
        }
        Value::Query(query) => {
            let rows = Value::from(query.collect_column(cx, scope, name)?);
            Some(rows)
        }
        Value::Str(text) => path::member(cx, text, name),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
    })
}

fn pseudo_member(dict: &Row, name: &Text) -> Option<Value> {
    let keys = || dict.columns().names().iter().cloned().map(Value::Str);
    Some(match name.as_bytes() {
        b"@Keys" => Value::from(keys().collect::<Vec<_>>()),
        b"@Values" => Value::from(dict.values().to_vec()),
        b"@Items" => {
            let pairs = keys().zip(dict.values());
            let pairs = pairs.map(|(key, value)| Value::from(alloc::vec![key, value.clone()]));
            Value::from(pairs.collect::<Vec<_>>())
        }
        b"@Len" => Value::from(dict.len()),
        b"@String" => Value::from(crate::value::json::to_string(&Value::Dict(dict.clone()))),
        _ => return None,
    })
}

/// The methods of Go's times that queries use.
fn time_member(time: Time, name: &Text) -> Option<Value> {
    let (year, month, day) = time.date();
    let (hour, minute, second) = time.clock();
    Some(Value::Int(match name.as_bytes() {
        b"Unix" => time.seconds(),
        b"UnixMilli" => time.nanos().div_euclid(1_000_000),
        b"UnixMicro" => time.nanos().div_euclid(1_000),
        b"UnixNano" => time.nanos(),
        b"Year" => year,
        b"Month" => month,
        b"Day" => day,
        b"Hour" => hour,
        b"Minute" => minute,
        b"Second" => second,
        // 1970-01-01 was a Thursday; Go counts from Sunday.
        b"Weekday" => time.seconds().div_euclid(86_400).saturating_add(4).rem_euclid(7),
        b"Nanosecond" => time.subsecond_nanos(),
        b"String" => return Some(Value::from(alloc::format!("{time}"))),
        _ => return None,
    }))
}

/// Turns stored queries inside a value into lists of their rows.
pub(crate) fn resolve(cx: &mut Context, scope: &Scope, value: Value) -> Result<Value, Stop> {
    if !value.measure().lazy {
        return Ok(value);
    }
    let resolved = match value {
        Value::Query(query) => {
            let rows = query.collect(cx, scope)?;
            Value::from(rows.into_iter().map(Value::Dict).collect::<Vec<_>>())
        }
        Value::Scope(inner) => Value::Dict(inner.to_row(cx)?),
        Value::List(list) => Value::from(resolve_all(cx, scope, &list)?),
        Value::Dict(row) => Value::Dict(resolve_row(cx, scope, row)?),
        flat => flat,
    };
    admit(cx, resolved.measure())?;
    Ok(resolved)
}

/// Turns stored queries inside a row into lists of their rows.
pub(super) fn resolve_row(cx: &mut Context, scope: &Scope, row: Row) -> Result<Row, Stop> {
    if !row.measure().lazy {
        return Ok(row);
    }
    Ok(Row::new(row.columns(), resolve_all(cx, scope, row.values())?))
}

fn resolve_all(cx: &mut Context, scope: &Scope, values: &[Value]) -> Result<Vec<Value>, Stop> {
    let mut resolved = Vec::with_capacity(values.len());
    for value in values {
        resolved.push(resolve(cx, scope, value.clone())?);
    }
    Ok(resolved)
}
