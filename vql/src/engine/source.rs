//! What FROM names: a plugin, a stored query or a variable.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::call::{apply_let, checked_args, dotted, settle};
use super::eval::member;
use super::scope::{Binding, Scope};
use crate::budget::{Level, Stop};
use crate::context::Context;
use crate::limits::SUGGESTIONS_MAX;
use crate::registry::{Found, Plugin};
use crate::rows::{Ready, RowSource, Rows};
use crate::sorted::SortedMap;
use crate::syntax::ast::{Argument, From};
use crate::value::{Row, Text, Value};

/// Starts the source of a SELECT; `None` if there is none, which is logged.
pub(super) fn open_source(
    cx: &mut Context,
    scope: &Scope,
    from: &From,
    wildcard: bool,
) -> Result<Option<Box<dyn Rows>>, Stop> {
    let Some(first) = from.path.first() else { return Ok(None) };
    let is_variable = from.arguments.is_none() && scope.find(cx, first)?.is_some();
    let arguments = from.arguments.as_deref().unwrap_or(&[]);
    if !is_variable {
        let name = dotted(&from.path);
        match find_plugin(cx, &name, first) {
            Found::Entry((plugin, path)) => {
                let call = PluginCall { plugin, path, wildcard };
                return open_plugin(cx, scope, call, arguments);
            }
            Found::Blocked => {
                cx.log_once(
                    Level::Error,
                    format_args!(
                        "VQL Plugin {name}() has been blocked in the configuration. \
                         Please update the configuration file to allow it."
                    ),
                );
                return Ok(None);
            }
            Found::Nothing => {}
        }
    }
    let Some(value) = variable(cx, scope, from, arguments)? else {
        plugin_not_found(cx, &dotted(&from.path));
        return Ok(None);
    };
    let source = match value {
        // A lone NULL is a row without columns, as upstream.
        Value::Null => return Ok(Some(Ready::boxed(vec![Row::empty()]))),
        other => RowSource::from(other),
    };
    let opened = source.open(cx, scope);
    settle(cx, &first.to_str_lossy(), opened)
}

struct PluginCall {
    plugin: &'static Plugin,
    /// What follows the plugin's name: `Linux.Sys` of `Artifact.Linux.Sys()`.
    path: Option<Text>,
    wildcard: bool,
}

/// The plugin of a dotted name, or of its first part.
fn find_plugin(cx: &Context, name: &Text, first: &Text) -> Found<(&'static Plugin, Option<Text>)> {
    match cx.registry.plugin(&name.to_str_lossy()) {
        Found::Entry(plugin) => return Found::Entry((plugin, None)),
        Found::Blocked => return Found::Blocked,
        Found::Nothing => {}
    }
    let rest = name.get(first.len().saturating_add(1)..).map(Text::from);
    match (cx.registry.plugin(&first.to_str_lossy()), rest) {
        (Found::Entry(plugin), Some(rest)) => Found::Entry((plugin, Some(rest))),
        (Found::Blocked, _) => Found::Blocked,
        _ => Found::Nothing,
    }
}

fn open_plugin(
    cx: &mut Context,
    scope: &Scope,
    call: PluginCall,
    arguments: &[Argument],
) -> Result<Option<Box<dyn Rows>>, Stop> {
    let entry = &call.plugin.entry;
    let opened = checked_args(cx, scope, entry, arguments)
        .and_then(|args| (call.plugin.open)(cx, scope, args.of_plugin(call.path, call.wildcard)));
    settle(cx, entry.name, opened)
}

fn variable(
    cx: &mut Context,
    scope: &Scope,
    from: &From,
    arguments: &[Argument],
) -> Result<Option<Value>, Stop> {
    let mut path = from.path.iter();
    let Some(first) = path.next() else { return Ok(None) };
    let found = match scope.find(cx, first)? {
        Some(Binding::Let(bound)) if from.arguments.is_some() => {
            Some(apply_let(cx, scope, &bound, arguments)?)
        }
        Some(_) => scope.look_up(cx, first)?,
        None => None,
    };
    let Some(mut value) = found else { return Ok(None) };
    for name in path {
        match member(cx, scope, &value, name)? {
            Some(inner) => value = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

fn plugin_not_found(cx: &mut Context, name: &Text) {
    let name = name.to_string();
    let similar = suggestions(&name, cx.registry.plugins().map(|plugin| plugin.entry.name));
    cx.log(
        Level::Error,
        format_args!("Plugin {name} not found. Did you mean {}", similar.join(" ")),
    );
}

/// The names that differ least from what was written.
fn suggestions(wanted: &str, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let wanted: String = wanted.chars().take(64).collect::<String>().to_ascii_lowercase();
    let mut ranked = SortedMap::default();
    ranked.extend(names.map(|name| ((distance(&wanted, name), name), ())));
    ranked.keys().take(SUGGESTIONS_MAX).map(|(_, name)| *name).collect()
}

/// Levenshtein's distance, row by row.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut costs: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.chars().enumerate() {
        let mut diagonal = row;
        let mut before = row.saturating_add(1);
        if let Some(first) = costs.first_mut() {
            *first = before;
        }
        for (cost, b) in costs.iter_mut().skip(1).zip(&right) {
            let change = diagonal.saturating_add(usize::from(a != *b));
            diagonal = *cost;
            before = change.min(cost.saturating_add(1)).min(before.saturating_add(1));
            *cost = before;
        }
    }
    costs.last().copied().unwrap_or(0)
}
