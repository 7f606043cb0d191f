//! `split()`.

use alloc::vec::Vec;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::pattern::Case;
use crate::registry::{Arg, Function, Kind};
use crate::value::{Text, Value};

pub(super) static SPLIT: Function = Function::new(
    "split",
    "Cuts a string at a separator.",
    &[
        Arg::required("string", Kind::String, "The text."),
        Arg::optional("sep", Kind::String, "A pattern that matches separators."),
        Arg::optional("sep_string", Kind::String, "The separator itself."),
    ],
    split,
);

fn split(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let text = args.text("string").cloned().unwrap_or_default();
    let parts = match (args.text("sep_string"), args.text("sep")) {
        (Some(separator), _) if !separator.is_empty() => by_text(&text, separator),
        (_, Some(pattern)) => by_pattern(cx, &text, pattern)?,
        _ => return Err(Fault::error("one of sep or sep_string is required")),
    };
    Ok(Value::from(parts))
}

fn by_text(text: &[u8], separator: &[u8]) -> Vec<Value> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0_usize, 0_usize);
    while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= separator.len()) {
        if rest.starts_with(separator) {
            parts.push(part(text, start, at));
            at = at.saturating_add(separator.len());
            start = at;
        } else {
            at = at.saturating_add(1);
        }
    }
    parts.push(part(text, start, text.len()));
    parts
}

fn by_pattern(cx: &mut Context, text: &Text, pattern: &Text) -> Result<Vec<Value>, Fault> {
    let pattern = cx.pattern(pattern, Case::Exact)?;
    let mut parts = Vec::new();
    let (mut start, mut from) = (0_usize, 0_usize);
    while let Some(found) = pattern.find_from(text, from) {
        cx.charge(1)?;
        if found.is_empty() {
            // An empty match cuts between characters, never at the ends.
            from = found.end.saturating_add(1);
            if found.start == 0 || found.start >= text.len() {
                continue;
            }
        } else {
            from = found.end;
        }
        parts.push(part(text, start, found.start));
        start = found.end;
    }
    parts.push(part(text, start, text.len()));
    Ok(parts)
}

fn part(text: &[u8], from: usize, to: usize) -> Value {
    Value::Str(Text::from(text.get(from..to).unwrap_or(&[])))
}
