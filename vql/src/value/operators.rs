//! What operators do to values (server specification section 10.4).
//!
//! Operands are resolved: the evaluator has turned stored queries into lists before.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::number::to_float;
use super::{List, Row, RowBuilder, Text, Time, Value};
use crate::function::timestamp;

pub(crate) use super::number::truncated;

const NANOS: f64 = 1e9;

/// The truth of a value that is no query. Negative numbers are false.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Int(number) => *number > 0,
        Value::Float(number) => *number > 0.0,
        Value::Str(text) => !text.is_empty(),
        Value::List(list) => !list.is_empty(),
        Value::Dict(dict) => !dict.is_empty(),
        Value::Time(_) | Value::Query(_) | Value::Scope(_) => true,
    }
}

/// The value as a float, if it is a number or a bool.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(to_float(*number)),
        Value::Float(number) => Some(*number),
        Value::Bool(flag) => Some(if *flag { 1.0 } else { 0.0 }),
        _ => None,
    }
}

/// `=`
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Str(left), Value::Str(right)) => left == right,
        (Value::List(left), Value::List(right)) => equal_lists(left, right),
        (Value::Dict(left), Value::Dict(right)) => equal_dicts(left, right),
        // Texts count as 0 beside a bool, on this side only.
        (Value::Bool(flag), Value::Str(_)) => !flag,
        // The original makes the fraction a whole number first, on this side only.
        (Value::Bool(flag), Value::Float(right)) => i64::from(*flag) == truncated(*right),
        _ => compare(left, right) == Some(Ordering::Equal),
    }
}

/// `<`
pub(crate) fn less(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Str(left), Value::Str(right)) => left < right,
        // Of lists the first elements count, on this side only.
        (Value::List(left), Value::List(right)) => match (left.first(), right.first()) {
            (Some(left), Some(right)) => less(left, right),
            (first, _) => first.is_none(),
        },
        // Of dicts the numbers of members count, on this side only.
        (Value::Dict(left), Value::Dict(right)) => left.len() < right.len(),
        (Value::Str(_), Value::Time(_)) | (Value::Time(_), Value::Str(_)) => {
            dates(left, right) == Some(Ordering::Less)
        }
        (Value::Float(_) | Value::Str(_) | Value::List(_) | Value::Time(_), Value::Dict(_)) => true,
        _ if is_beside_whole(left, right) => true,
        _ => compare(left, right) == Some(Ordering::Less),
    }
}

/// `>`, which is not `<` with its sides exchanged where the original has it otherwise.
pub(crate) fn greater(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Str(left), Value::Str(right)) => left > right,
        (Value::Str(_), Value::Time(_)) | (Value::Time(_), Value::Str(_)) => {
            dates(left, right) == Some(Ordering::Greater)
        }
        (Value::Bool(_), Value::Int(_)) => less(left, right),
        (Value::Bool(_) | Value::Int(_), Value::Bool(_)) => false,
        _ if is_beside_whole(left, right) => true,
        _ => compare(left, right) == Some(Ordering::Greater),
    }
}

/// Texts, lists and dicts are both less and greater than a whole number on their right.
fn is_beside_whole(left: &Value, right: &Value) -> bool {
    matches!((left, right), (Value::Str(_) | Value::List(_) | Value::Dict(_), Value::Int(_)))
}

/// The order of numbers and times; other pairs have none.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Time(time), other) => compare_time(*time, other),
        (other, Value::Time(time)) => compare_time(*time, other).map(Ordering::reverse),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        _ => number(left)?.partial_cmp(&number(right)?),
    }
}

/// The order of a time and a text that is a date. No text *equals* a time, as in the original.
fn dates(left: &Value, right: &Value) -> Option<Ordering> {
    let date = |value: &Value| match value {
        Value::Time(time) => Some(*time),
        Value::Str(text) => timestamp::date(&text.to_str_lossy()),
        _ => None,
    };
    Some(date(left)?.cmp(&date(right)?))
}

/// Numbers are seconds since the epoch.
fn compare_time(time: Time, other: &Value) -> Option<Ordering> {
    match other {
        Value::Int(seconds) => {
            let seconds = time.seconds().cmp(seconds);
            let fraction = time.subsecond_nanos().cmp(&0);
            Some(seconds.then(fraction))
        }
        Value::Float(seconds) => (to_float(time.nanos()) / NANOS).partial_cmp(seconds),
        Value::Bool(flag) => compare_time(time, &Value::Int(i64::from(*flag))),
        _ => None,
    }
}

fn equal_lists(left: &List, right: &List) -> bool {
    left.len() == right.len() && left.iter().zip(right.iter()).all(|(a, b)| equal(a, b))
}

fn equal_dicts(left: &Row, right: &Row) -> bool {
    let same =
        |(name, value): (&Text, &Value)| right.get(name).is_some_and(|one| equal(value, one));
    left.len() == right.len() && left.iter().all(same)
}

/// An order of all values for sorting: NULL, strings, lists and dicts, numbers and times.
pub(crate) fn order(left: &Value, right: &Value) -> Ordering {
    let by_rank = rank(left).cmp(&rank(right));
    by_rank.then_with(|| match (left, right) {
        (Value::Str(left), Value::Str(right)) => left.cmp(right),
        _ => sort_key(left)
            .0
            .total_cmp(&sort_key(right).0)
            .then(sort_key(left).1.cmp(&sort_key(right).1)),
    })
}

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Str(_) => 1,
        Value::List(_) | Value::Dict(_) | Value::Query(_) | Value::Scope(_) => 2,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Time(_) => 3,
    }
}

/// Floats first, then what they round away: both together are a total order, which sorting needs.
fn sort_key(value: &Value) -> (f64, i64) {
    match value {
        Value::Int(number) => (to_float(*number), *number),
        Value::Float(number) => (*number, truncated(*number)),
        Value::Bool(flag) => (if *flag { 1.0 } else { 0.0 }, i64::from(*flag)),
        Value::Time(time) => (to_float(time.nanos()) / NANOS, time.nanos()),
        _ => (0.0, 0),
    }
}

/// `+`
pub(crate) fn add(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Value::Int(left.wrapping_add(*right)),
        (Value::Float(left), Value::Bool(right)) => Value::Float(left + f64::from(*right)),
        (Value::Dict(left), Value::Dict(right)) => {
            let mut sum = RowBuilder::new();
            for (name, value) in left.iter().chain(right.iter()) {
                sum.set(name.clone(), value.clone());
            }
            sum.build().into()
        }
        (Value::Str(left), Value::Str(right)) => {
            let mut joined = Vec::with_capacity(left.len().saturating_add(right.len()));
            joined.extend_from_slice(left);
            joined.extend_from_slice(right);
            Value::Str(Text::from(joined))
        }
        (Value::List(left), Value::List(right)) => {
            Value::from(left.iter().chain(right.iter()).cloned().collect::<Vec<_>>())
        }
        (Value::List(list), one) => {
            Value::from(list.iter().chain([one]).cloned().collect::<Vec<_>>())
        }
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (one, Value::List(list)) => {
            Value::from([one].into_iter().chain(list.iter()).cloned().collect::<Vec<_>>())
        }
        (Value::Bool(_), _) | (_, Value::Bool(_)) => Value::Null,
        _ => floats(left, right, |left, right| left + right),
    }
}

/// `-`
pub(crate) fn subtract(left: &Value, right: &Value) -> Value {
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return Value::Int(left.wrapping_sub(right));
    }
    match (left, right) {
        (Value::Dict(left), Value::Dict(right)) => pick(left, |name| right.get(name).is_none()),
        _ => floats(left, right, |left, right| left - right),
    }
}

/// `*`; `None` if a repeated string would be longer than `bytes_max`.
pub(crate) fn multiply(left: &Value, right: &Value, bytes_max: usize) -> Option<Value> {
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return Some(Value::Int(left.wrapping_mul(right)));
    }
    Some(match (left, right) {
        (Value::Str(text), times) => {
            let whole_part = || number(times).map(truncated);
            let Some(times) = whole(times).or_else(whole_part) else { return Some(Value::Null) };
            let Ok(times) = usize::try_from(times) else { return Some(Value::Null) };
            text.len().checked_mul(times).filter(|bytes| *bytes <= bytes_max)?;
            Value::Str(Text::from(text.repeat(times)))
        }
        (Value::Dict(left), Value::Dict(right)) => pick(left, |name| right.get(name).is_some()),
        _ => floats(left, right, |left, right| left * right),
    })
}

/// `/`, always a float unless it divides exactly into a whole one.
pub(crate) fn divide(left: &Value, right: &Value) -> Value {
    // The original finds no whole number in 0 by a fraction.
    if whole(left) == Some(0) && matches!(right, Value::Float(_)) {
        return Value::Null;
    }
    // And it divides a whole number by a fraction that is zero, nothing else by any other zero.
    let is_infinite = whole(left).is_some() && matches!(right, Value::Float(_));
    match (number(left), number(right)) {
        (Some(_), Some(0.0)) if !is_infinite => Value::Null,
        (None, _) | (_, None) => Value::Null,
        (Some(left), Some(right)) => Value::Float(left / right),
    }
}

fn floats(left: &Value, right: &Value, apply: fn(f64, f64) -> f64) -> Value {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => Value::Float(apply(left, right)),
        _ => Value::Null,
    }
}

/// A whole number; a bool is 0 or 1.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Bool(flag) => Some(i64::from(*flag)),
        _ => None,
    }
}

/// The members of a dict whose names are wanted.
fn pick(dict: &Row, is_wanted: impl Fn(&Text) -> bool) -> Value {
    let mut picked = RowBuilder::new();
    for (name, value) in dict.iter().filter(|(name, _)| is_wanted(name)) {
        picked.set(name.clone(), value.clone());
    }
    picked.build().into()
}

/// `IN`
pub(crate) fn contains(container: &Value, part: &Value) -> bool {
    match (container, part) {
        (Value::Str(text), Value::Str(part)) => {
            part.is_empty() || text.windows(part.len()).any(|window| window == part.as_bytes())
        }
        (Value::Dict(dict), Value::Str(key)) => dict.get(key).is_some(),
        (Value::List(list), part) => list.iter().any(|one| equal(part, one)),
        _ => false,
    }
}

/// `value[index]`
pub(crate) fn index(value: &Value, index: &Value) -> Value {
    match (value, index) {
        (Value::List(list), Value::Int(at)) => {
            wrapped(*at, list.len()).and_then(|at| list.get(at)).cloned().unwrap_or_default()
        }
        (Value::Str(text), Value::Int(at)) => position(*at, text.len())
            .and_then(|at| text.get(at))
            .map_or(Value::Null, |byte| Value::Int(i64::from(*byte))),
        (Value::Dict(dict), Value::Str(key)) => dict.get(key).cloned().unwrap_or_default(),
        _ => Value::Null,
    }
}

/// The positions of a list go round in both directions.
fn wrapped(at: i64, length: usize) -> Option<usize> {
    usize::try_from(at.checked_rem_euclid(i64::try_from(length).ok()?)?).ok()
}

/// Negative positions count from the end.
pub(crate) fn position(at: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if at < 0 { at.checked_add(length)? } else { at }).ok()
}

/// `value[from:to]`; ends are clamped.
pub(crate) fn slice(value: &Value, from: Option<i64>, to: Option<i64>) -> Value {
    let length = match value {
        Value::List(list) => list.len(),
        Value::Str(text) => text.len(),
        _ => return Value::Null,
    };
    let clamp = |at: i64| {
        let from_end = at < 0 && position(at, length).is_none();
        if from_end { 0 } else { position(at, length).unwrap_or(length).min(length) }
    };
    let from = from.map_or(0, clamp);
    let range = from..to.map_or(length, clamp).max(from);
    match value {
        Value::List(list) => Value::from(list.get(range).unwrap_or(&[]).to_vec()),
        Value::Str(text) => Value::Str(Text::from(text.get(range).unwrap_or(&[]))),
        _ => Value::Null,
    }
}
