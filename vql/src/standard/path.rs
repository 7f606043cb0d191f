//! Functions over paths of files.

mod value;

use alloc::vec::Vec;

pub(super) use value::RULES;

use value::{Path, read_inside};

use super::text::{bytes, shown};
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::limits::PATH_LEN_MAX;
use crate::registry::{Arg, Function, Kind};
use crate::value::{PathForm, RowBuilder, Text, Value};

const PATH_TYPE: Arg =
    Arg::optional("path_type", Kind::String, "`windows` or `ntfs` to use backslashes (linux).");

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new(
        "basename",
        "The last component of a path.",
        &[Arg::required("path", Kind::Path, "The path."), SEPARATOR, PATH_TYPE],
        |_, _, args| Ok(parsed(args)?.basename()),
    ),
    &Function::new(
        "dirname",
        "A path without its last component.",
        &[Arg::required("path", Kind::Path, "The path."), SEPARATOR, PATH_TYPE],
        |_, _, args| Ok(Value::Str(parsed(args)?.above().into_text())),
    ),
    &Function::new(
        "path_join",
        "Components as one path; one with slashes begins with a slash.",
        &[
            Arg::required("components", Kind::List, "Components or partial paths."),
            SEPARATOR,
            PATH_TYPE,
        ],
        path_join,
    ),
    &Function::new(
        "path_split",
        "The components of a path; NULL if there is none.",
        &[Arg::required("path", Kind::Path, "The path."), PATH_TYPE],
        |_, _, args| {
            let parts = parsed(args)?.into_components();
            Ok(if parts.is_empty() { Value::Null } else { parts.into() })
        },
    ),
    &Function::new(
        "pathspec",
        "A path together with the accessor and the file that it is inside of.",
        &[
            Arg::optional("Path", Kind::Any, "The path, as text or as a list of components."),
            Arg::optional("DelegateAccessor", Kind::String, "The accessor for the outer file."),
            Arg::optional("DelegatePath", Kind::String, "The path of the outer file."),
            Arg::optional("Delegate", Kind::Any, "A pathspec for the outer file."),
            Arg::optional("parse", Kind::String, "A path to take as it is."),
            Arg::optional("path_type", Kind::String, "`windows`, `ntfs`, `registry` or `linux`."),
            Arg::optional("accessor", Kind::String, "The accessor whose kind of path it is."),
        ],
        pathspec,
    ),
    &Function::new(
        "relpath",
        "The way from one path to another: the rest if it is below, else up and down; empty if one is absolute and the other is not.",
        &[
            Arg::required("path", Kind::String, "The path."),
            Arg::required("base", Kind::String, "The path above."),
            SEPARATOR,
            PATH_TYPE,
        ],
        relpath,
    ),
];

const SEPARATOR: Arg = Arg::optional("sep", Kind::String, "What separates components (/).");

fn separator(args: &Args) -> u8 {
    let is_windows = matches!(bytes(args, "path_type"), b"windows" | b"ntfs" | b"registry");
    let default = if is_windows { b'\\' } else { b'/' };
    bytes(args, "sep").first().copied().unwrap_or(default)
}

/// The argument `path`, as the path that it is or as `path_type` says.
fn parsed(args: &Args) -> Result<Path, Fault> {
    let text = args.text("path").cloned().unwrap_or_default();
    taken_apart(args, &text)
}

fn taken_apart(args: &Args, text: &Text) -> Result<Path, Fault> {
    Path::parse(text.path_form().unwrap_or_else(|| form(args)), text)
}

fn form(args: &Args) -> PathForm {
    if separator(args) == b'\\' { PathForm::Backslashes } else { PathForm::Slashes }
}

/// Names of this and the upper directory are left out, as in the original.
fn is_component(separator: u8, part: &[u8]) -> bool {
    !part.is_empty() && (separator != b'/' || !matches!(part, b"." | b".."))
}

/// Components as a path that is absolute if `like` is.
fn assembled(args: &Args, like: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let separator = separator(args);
    let mut out = Vec::new();
    if like.first() == Some(&separator) {
        out.push(separator);
    }
    out.extend_from_slice(&parts.join(&separator));
    out
}

fn path_join(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let separator = separator(args);
    let mut out: Vec<u8> = Vec::new();
    for component in args.list("components").map_or(&[][..], |list| list) {
        let text = shown(component);
        let parts: Vec<&[u8]> = text
            .split(|byte| *byte == separator)
            .filter(|part| is_component(separator, part))
            .collect();
        let is_absolute = separator == b'/';
        for part in parts {
            if !out.is_empty() || is_absolute {
                out.push(separator);
            }
            out.extend_from_slice(part);
        }
    }
    Ok(Value::Str(Text::from(out).into_path(form(args))))
}

fn relpath(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let separator = separator(args);
    let [path, base] = ["path", "base"].map(|name| {
        let text = bytes(args, name);
        (text.first() == Some(&separator), cleaned(text, separator))
    });
    let shared = path.1.iter().zip(&base.1).take_while(|(path, base)| path == base).count();
    let (below, above) = (path.1.get(shared..).unwrap_or(&[]), base.1.get(shared..).unwrap_or(&[]));
    // What lies above a directory that is not known has no name.
    if path.0 != base.0 || above.first() == Some(&UPPER) {
        return Ok("".into());
    }
    let parts: Vec<&[u8]> = above.iter().map(|_| UPPER).chain(below.iter().copied()).collect();
    Ok(if parts.is_empty() { ".".into() } else { assembled(args, &[], &parts).into() })
}

const UPPER: &[u8] = b"..";

/// Components without detours.
fn cleaned(path: &[u8], separator: u8) -> Vec<&[u8]> {
    let is_absolute = path.first() == Some(&separator);
    let mut parts: Vec<&[u8]> = Vec::new();
    let is_end = |byte: &u8| *byte == separator || (separator == b'\\' && *byte == b'/');
    for part in path.split(is_end).filter(|part| !matches!(*part, b"" | b".")) {
        match parts.last() {
            Some(last) if part == UPPER && *last != UPPER => drop(parts.pop()),
            None if part == UPPER && is_absolute => {}
            _ => parts.push(part),
        }
    }
    parts
}

/// Without an outer file a pathspec is the path; with one it is the JSON text that Velociraptor's accessors take.
fn pathspec(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    if let Some(text) = args.text("parse") {
        let form = if text.first() == Some(&b'{') { PathForm::Inside } else { form(args) };
        return Ok(Value::Str(Path::parse(form, text)?.into_text()));
    }
    let path = match args.value("Path") {
        Some(Value::List(parts)) => {
            let parts: Vec<Vec<u8>> = parts.iter().map(|part| shown(part).into_owned()).collect();
            Text::from(parts.join(&separator(args)))
        }
        Some(Value::Str(path)) => path.clone(),
        Some(other) => Text::from(shown(other).into_owned()),
        None => Text::default(),
    };
    if !args.has("DelegateAccessor") && !args.has("DelegatePath") && !args.has("Delegate") {
        // No text is no path, rather than the root.
        if path.is_empty() {
            return Ok(Value::Str(path.into_path(form(args))));
        }
        return Ok(Value::Str(taken_apart(args, &path)?.into_text()));
    }
    let mut fields = RowBuilder::new();
    for name in ["DelegateAccessor", "DelegatePath", "Delegate"] {
        fields.set(name, args.value(name).cloned().unwrap_or_default());
    }
    if path.len() > PATH_LEN_MAX {
        return Err(Fault::error("the path is too long"));
    }
    if let Some(Value::Str(text)) = args.value("Delegate")
        && let Some(inner) = read_inside(text)
    {
        fields.set("Delegate", inner);
    }
    fields.set("Path", path);
    Ok(Value::Str(Path::inside(&fields.build()).into_text()))
}
