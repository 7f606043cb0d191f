//! Functions over strings that take regular expressions.

use alloc::vec::Vec;
use core::ops::Range;

use super::text::{bytes, shown};
use crate::args::Args;
use crate::budget::{Fault, Limit, Stop};
use crate::context::Context;
use crate::engine::Scope;
use crate::function::alone;
use crate::pattern::{Case, Pattern};
use crate::registry::{Arg, Function, Kind};
use crate::value::{RowBuilder, Text, Value};

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new(
        "regex_replace",
        "The text with each match replaced; `$1` and `${name}` stand for groups.",
        &[
            Arg::required("source", Kind::String, "The text."),
            Arg::required("re", Kind::String, "The pattern; letter case is ignored."),
            Arg::optional("replace", Kind::String, "What stands in place of a match (nothing)."),
            Arg::optional("replace_lambda", Kind::Lambda, "What to make of the text of a match."),
        ],
        regex_replace,
    ),
    &Function::new(
        "regex_transform",
        "The text after a dict of patterns and replacements was applied in its order.",
        &[
            Arg::required("source", Kind::String, "The text."),
            Arg::required("map", Kind::Dict, "Patterns with their replacements."),
            Arg::optional("key", Kind::String, "Ignored; patterns are always cached."),
        ],
        regex_transform,
    ),
    &Function::new(
        "parse_string_with_regex",
        "A dict of the groups of all patterns that match the text.",
        &[
            Arg::required("string", Kind::String, "The text."),
            Arg::required(
                "regex",
                Kind::List,
                "Patterns; groups without names are called g1, g2, …",
            ),
        ],
        parse_string_with_regex,
    ),
];

fn regex_replace(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let pattern = cx.pattern(args.text("re").unwrap_or(&Text::default()), Case::Ignored)?;
    let source = bytes(args, "source");
    let Some(lambda) = args.lambda("replace_lambda") else {
        let replacement = bytes(args, "replace");
        let mut with = |_: &mut Context, found: &[Option<Range<usize>>], out: &mut Vec<u8>| {
            expand(replacement, &pattern, source, found, out);
            Ok(())
        };
        return Ok(Value::from(replaced(cx, &pattern, source, &mut with)?));
    };
    let mut with = |cx: &mut Context, found: &[Option<Range<usize>>], out: &mut Vec<u8>| {
        let value = lambda.call(cx, scope, &[Value::from(group(source, found, 0))])?;
        out.extend_from_slice(&shown(&value));
        Ok(())
    };
    Ok(Value::from(replaced(cx, &pattern, source, &mut with)?))
}

fn regex_transform(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let mut text = bytes(args, "source").to_vec();
    let Some(map) = args.dict("map") else { return Ok(Value::from(text)) };
    for (name, replacement) in map.iter() {
        let pattern = cx.pattern(name, Case::Ignored)?;
        let replacement = alone(replacement);
        let replacement = shown(&replacement);
        let source = core::mem::take(&mut text);
        text = replaced(cx, &pattern, &source, &mut |_, found, out| {
            expand(&replacement, &pattern, &source, found, out);
            Ok(())
        })?;
    }
    Ok(Value::from(text))
}

fn parse_string_with_regex(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let source = bytes(args, "string");
    let mut row = RowBuilder::new();
    for text in args.list("regex").map_or(&[][..], |list| list) {
        let pattern = cx.pattern(&Text::from(shown(text).into_owned()), Case::Ignored)?;
        let Some(found) = pattern.captures_from(source, 0) else { continue };
        for (at, name) in group_columns(&pattern).into_iter().enumerate() {
            let at = at.saturating_add(1);
            // Of several patterns with one name the last that matches counts.
            row.set(name, group(source, &found, at));
        }
    }
    Ok(Value::from(row.build()))
}

/// The names of all groups but the whole match; those without one are called g1, g2, …
pub(super) fn group_columns(pattern: &Pattern) -> Vec<Text> {
    let names = pattern.group_names().into_iter().enumerate().skip(1);
    names.map(|(at, name)| name.unwrap_or_else(|| Text::from(alloc::format!("g{at}")))).collect()
}

/// The text of a group; empty if it took no part in the match.
pub(super) fn group<'a>(source: &'a [u8], found: &[Option<Range<usize>>], at: usize) -> &'a [u8] {
    let range = found.get(at).and_then(Clone::clone).unwrap_or(0..0);
    source.get(range).unwrap_or_default()
}

/// Appends what stands in the place of a match, whose groups it is told.
type Replace<'a> =
    dyn FnMut(&mut Context, &[Option<Range<usize>>], &mut Vec<u8>) -> Result<(), Stop> + 'a;

/// Replaces every match, from left to right.
fn replaced(
    cx: &mut Context,
    pattern: &Pattern,
    source: &[u8],
    with: &mut Replace<'_>,
) -> Result<Vec<u8>, Stop> {
    let value_bytes = cx.budget.value_bytes;
    let mut out = Vec::with_capacity(source.len());
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = pattern.captures_from(source, from) {
        let Some(Some(whole)) = found.first().cloned() else { break };
        cx.charge(1)?;
        out.extend_from_slice(source.get(copied..whole.start).unwrap_or_default());
        with(cx, &found, &mut out)?;
        if out.len() > value_bytes {
            return Err(Limit::ValueBytes(value_bytes).into());
        }
        copied = whole.end;
        // An empty match would be found at the same place for ever.
        from = if whole.is_empty() { whole.end.saturating_add(1) } else { whole.end };
    }
    out.extend_from_slice(source.get(copied..).unwrap_or_default());
    Ok(out)
}

/// Appends a replacement, `$1`, `$name` and `${name}` replaced by groups and `$$` by a dollar sign.
fn expand(
    template: &[u8],
    pattern: &Pattern,
    source: &[u8],
    found: &[Option<Range<usize>>],
    out: &mut Vec<u8>,
) {
    let mut rest = template;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        let (before, from_dollar) = rest.split_at(at);
        out.extend_from_slice(before);
        let tail = from_dollar.strip_prefix(b"$").unwrap_or_default();
        if let Some(after) = tail.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
        } else if let Some((name, after)) = reference(tail) {
            out.extend_from_slice(group(source, found, group_index(pattern, name)));
            rest = after;
        } else {
            out.push(b'$');
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
}

/// The name after a dollar sign and what follows it.
fn reference(tail: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(braced) = tail.strip_prefix(b"{") {
        let end = braced.iter().position(|byte| *byte == b'}')?;
        return Some((braced.get(..end)?, braced.get(end.checked_add(1)?..)?));
    }
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = tail.iter().position(|byte| !is_word(byte)).unwrap_or(tail.len());
    (end > 0).then(|| tail.split_at(end))
}

/// The number of a group; one that does not exist if the name is unknown.
fn group_index(pattern: &Pattern, name: &[u8]) -> usize {
    let number = core::str::from_utf8(name).ok().and_then(|digits| digits.parse().ok());
    number
        .or_else(|| pattern.group_names().iter().position(|one| one.as_deref() == Some(name)))
        .unwrap_or(usize::MAX)
}
