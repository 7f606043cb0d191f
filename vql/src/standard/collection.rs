//! Functions over lists and dicts.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::text::shown;
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Scope, truth};
use crate::pattern::{Case, Pattern};
use crate::registry::{Arg, Function, Kind};
use crate::rows::{RowSource, Step};
use crate::value::{Dict, Row, RowBuilder, Text, Value};

const TEST_ARGS: &[Arg] = &[
    Arg::required("items", Kind::List, "The elements."),
    Arg::optional("filter", Kind::Lambda, "The test; it or regex is needed."),
    Arg::optional("regex", Kind::List, "Patterns of which an element must match one to pass."),
];

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new("all", "Whether every element passes a test.", TEST_ARGS, |cx, scope, args| {
        Ok(Value::Bool(first_with(cx, scope, args, false)?.is_none()))
    }),
    &Function::new("any", "Whether an element passes a test.", TEST_ARGS, |cx, scope, args| {
        Ok(Value::Bool(first_with(cx, scope, args, true)?.is_some()))
    }),
    &Function::new(
        "array",
        "A list of all arguments.",
        &[Arg::optional("_", Kind::List, "Elements.")],
        array,
    )
    .keeps_others(),
    &Function::new(
        "filter",
        "The elements that pass a test, or else match one of some patterns; without both all.",
        &[
            Arg::required("list", Kind::List, "The elements."),
            Arg::optional("regex", Kind::List, "Patterns."),
            Arg::optional("condition", Kind::Lambda, "The test."),
        ],
        filter,
    ),
    &Function::new(
        "items",
        "A list with a dict of `_key` and `_value` for each item of a dict.",
        &[Arg::required("item", Kind::Resolved, "The dict or list.")],
        items,
    ),
    &Function::new(
        "patch",
        "A dict with the items of another one put into it, dicts within dicts likewise.",
        &[
            Arg::required("item", Kind::Dict, "The dict."),
            Arg::optional("patch", Kind::Dict, "What to change."),
            Arg::optional("merge", Kind::Dict, "The same as patch."),
        ],
        |_, _, args| {
            let patches = ["patch", "merge"].into_iter().filter_map(|name| args.dict(name));
            Ok(patches.fold(args.value("item").cloned().unwrap_or_default(), |item, patch| {
                merged(&item, patch)
            }))
        },
    ),
    &Function::new(
        "set",
        "A dict with one item changed, or a list with one element changed.",
        &[
            Arg::required("item", Kind::Resolved, "The dict or list."),
            Arg::required(
                "field",
                Kind::Any,
                "The name or position; beyond the end of a list it appends.",
            ),
            Arg::required("value", Kind::Resolved, "The value."),
        ],
        set,
    ),
    &Function::new(
        "slice",
        "The elements of a list from one position up to another.",
        &[
            Arg::required("list", Kind::List, "The list."),
            Arg::required("start", Kind::Int, "The first element, counted from 0."),
            Arg::required("end", Kind::Int, "The element behind the last one."),
        ],
        slice,
    ),
    &Function::new(
        "to_dict",
        "A dict of rows that have the columns `_key` and `_value`; a dict stays as it is.",
        &[Arg::required("item", Kind::Rows, "The rows.")],
        to_dict,
    ),
];

fn patterns(cx: &mut Context, args: &Args) -> Result<Vec<Arc<Pattern>>, Fault> {
    let texts = args.list("regex").map_or(&[][..], |list| list);
    let compile = |text| cx.pattern(&Text::from(shown(text).into_owned()), Case::Ignored);
    texts.iter().map(compile).collect()
}

fn matches_one(patterns: &[Arc<Pattern>], item: &Value) -> bool {
    let text = shown(item);
    patterns.iter().any(|pattern| pattern.is_match(&text))
}

/// The first element for which the test says `wanted`. Patterns go before a lambda.
fn first_with(
    cx: &mut Context,
    scope: &Scope,
    args: &Args,
    wanted: bool,
) -> Result<Option<Value>, Fault> {
    let patterns = patterns(cx, args)?;
    if patterns.is_empty() && !args.has("filter") {
        return Err(Fault::note("One of filter or regex must be provided"));
    }
    for item in args.list("items").map_or(&[][..], |list| list) {
        cx.charge(1)?;
        let passes = match args.lambda("filter").filter(|_| patterns.is_empty()) {
            Some(filter) => {
                let value = filter.call(cx, scope, core::slice::from_ref(item))?;
                truth(cx, scope, &value)?
            }
            None => matches_one(&patterns, item),
        };
        if passes == wanted {
            return Ok(Some(item.clone()));
        }
    }
    Ok(None)
}

fn array(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let mut out = args.list("_").map_or_else(Vec::new, |list| list.to_vec());
    for (_, lazy) in args.others() {
        let value = lazy.value(cx)?;
        out.push(crate::engine::resolve(cx, scope, value)?);
    }
    Ok(out.into())
}

fn filter(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let patterns = patterns(cx, args)?;
    let mut out = Vec::new();
    for item in args.list("list").map_or(&[][..], |list| list) {
        cx.charge(1)?;
        let passes = match args.lambda("condition") {
            Some(condition) => {
                let value = condition.call(cx, scope, core::slice::from_ref(item))?;
                truth(cx, scope, &value)?
            }
            None => !args.has("regex") || matches_one(&patterns, item),
        };
        if passes {
            out.push(item.clone());
        }
    }
    Ok(out.into())
}

fn items(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let pair = |key: Value, value: &Value| {
        let mut row = RowBuilder::new();
        row.set("_key", key).set("_value", value.clone());
        Value::from(row.build())
    };
    let pairs: Vec<Value> = match args.value("item") {
        Some(Value::Dict(dict)) => {
            dict.iter().map(|(key, value)| pair(Value::Str(key.clone()), value)).collect()
        }
        Some(Value::List(list)) => {
            list.iter().enumerate().map(|(at, value)| pair(Value::from(at), value)).collect()
        }
        _ => Vec::new(),
    };
    Ok(pairs.into())
}

fn merged(item: &Value, patch: &Dict) -> Value {
    let mut row = RowBuilder::new();
    if let Value::Dict(dict) = item {
        for (name, value) in dict.iter() {
            row.set(name.clone(), value.clone());
        }
    }
    for (name, value) in patch.iter() {
        let value = match (row.get(name), value) {
            // Both levels are bounded by the depth that any value may have.
            (Some(known @ Value::Dict(_)), Value::Dict(inner)) => merged(known, inner),
            _ => value.clone(),
        };
        row.set(name.clone(), value);
    }
    row.build().into()
}

fn set(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let value = args.value("value").cloned().unwrap_or_default();
    match (args.value("item"), args.value("field")) {
        (Some(Value::List(list)), Some(Value::Int(at))) => {
            let mut list = list.to_vec();
            match usize::try_from(*at).ok().and_then(|at| list.get_mut(at)) {
                Some(place) => *place = value,
                None => list.push(value),
            }
            Ok(list.into())
        }
        (Some(Value::Dict(dict)), Some(field)) => {
            let mut row = RowBuilder::new();
            for (name, value) in dict.iter() {
                row.set(name.clone(), value.clone());
            }
            row.set(Text::from(shown(field).into_owned()), value);
            Ok(row.build().into())
        }
        (Some(other), _) => Err(Fault::error(alloc::format!(
            "item should be a dict or list not {}",
            other.type_name()
        ))),
        (None, _) => Ok(Value::Null),
    }
}

fn slice(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let list = args.list("list").map_or(&[][..], |list| list);
    let place = |name: &str| {
        let at = args.int(name).unwrap_or(0);
        let from_end = i64::try_from(list.len()).unwrap_or(i64::MAX).saturating_add(at);
        let at = if at < 0 { from_end } else { at };
        usize::try_from(at).unwrap_or(0).min(list.len())
    };
    Ok(list.get(place("start")..place("end")).unwrap_or_default().to_vec().into())
}

fn to_dict(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let source = match args.rows("item") {
        Some(RowSource::One(dict)) => return Ok(Value::Dict(dict.clone())),
        Some(source) => source,
        None => return Ok(Value::Null),
    };
    dict_of(cx, scope, source, &|row| {
        let key = Text::from(shown(row.get(b"_key")?).into_owned());
        Some((key, row.get(b"_value").cloned().unwrap_or_default()))
    })
}

/// A dict of what `entry` makes of each row of a query, which runs to its end.
pub(super) fn dict_of(
    cx: &mut Context,
    scope: &Scope,
    source: &RowSource,
    entry: &dyn Fn(Row) -> Option<(Text, Value)>,
) -> Result<Value, Fault> {
    // A function cannot be left in the middle, so that the fuel of a step is no reason to wait.
    cx.run_through(|cx| {
        let mut rows = source.open(cx, scope)?;
        let (mut dict, mut held) = (RowBuilder::new(), cx.ledger.open());
        loop {
            cx.charge(1)?;
            match rows.next(cx)? {
                Step::Row(row) => {
                    let Some((key, value)) = entry(row) else { continue };
                    held.take(key.len().saturating_add(value.measure().bytes))?;
                    dict.set(key, value);
                }
                Step::Yield => {}
                Step::Pending(_) => return Err(Fault::error("an event query has no last row")),
                Step::End => return Ok(dict.build().into()),
            }
        }
    })
}
