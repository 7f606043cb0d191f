//! `get()` and `len()`.

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Scope, member};
use crate::registry::{Arg, Function, Kind};
use crate::value::{Text, Value, operators};

pub(super) static GET: Function = Function::new(
    "get",
    "Looks up a member, step by step.",
    &[
        Arg::optional("item", Kind::Any, "Where to look; the variables in sight if not given."),
        Arg::optional("member", Kind::String, "The path, `a.0.b`; numbers index lists."),
        Arg::optional("field", Kind::Any, "A single name or index instead of a path."),
        Arg::optional("default", Kind::Lazy, "The result if there is no such member."),
    ],
    get,
);

fn get(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let item = match args.value("item") {
        Some(item) => item.clone(),
        None => Value::Scope(scope.clone()),
    };
    let found = match (args.value("field"), args.text("member")) {
        (Some(Value::Str(field)), _) => step(cx, scope, &item, field)?,
        (Some(field), _) => Some(operators::index(&item, field)),
        (None, Some(path)) => walk(cx, scope, item, path)?,
        (None, None) => return Err(Fault::error("Field member is required")),
    };
    match found {
        Some(value) => Ok(value),
        None => Ok(args.lazy(cx, "default")?),
    }
}

fn walk(cx: &mut Context, scope: &Scope, item: Value, path: &Text) -> Result<Option<Value>, Fault> {
    let mut value = item;
    for name in path.split(|byte| *byte == b'.') {
        let Some(inner) = step(cx, scope, &value, &Text::from(name))? else { return Ok(None) };
        value = inner;
    }
    Ok(Some(value))
}

fn step(
    cx: &mut Context,
    scope: &Scope,
    value: &Value,
    name: &Text,
) -> Result<Option<Value>, Fault> {
    let index = str::from_utf8(name).ok().and_then(|name| name.parse().ok());
    match (value, index) {
        (Value::List(_) | Value::Query(_), Some(index)) => {
            let list = crate::engine::resolve(cx, scope, value.clone())?;
            Ok(Some(operators::index(&list, &Value::Int(index))))
        }
        _ => Ok(member(cx, scope, value, name)?),
    }
}

pub(super) static LEN: Function = Function::new(
    "len",
    "Counts the elements of a list, the members of a dict, the bytes of a string or the rows of a query.",
    &[Arg::required("list", Kind::Resolved, "What to count.")],
    len,
);

fn len(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    Ok(Value::from(match args.value("list") {
        Some(Value::List(list)) => list.len(),
        Some(Value::Dict(dict)) => dict.len(),
        Some(Value::Str(text)) => text.len(),
        _ => 0,
    }))
}
