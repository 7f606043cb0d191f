//! `commandline_split()`.

use alloc::vec::Vec;

use super::text::bytes;
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, Function, Kind};
use crate::value::Value;

pub(super) static COMMANDLINE_SPLIT: Function = Function::new(
    "commandline_split",
    "The arguments of a command line, by the rules of a POSIX shell or of Windows.",
    &[
        Arg::required("command", Kind::String, "The command line."),
        Arg::optional(
            "bash_style",
            Kind::Bool,
            "The rules of a shell, not those of Windows (false).",
        ),
    ],
    commandline_split,
);

fn commandline_split(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let command = bytes(args, "command");
    let words = if args.flag("bash_style") { shell_words(command) } else { windows_words(command) };
    if words.is_empty() {
        return Ok(Value::Null);
    }
    Ok(words.into_iter().map(Value::from).collect::<Vec<_>>().into())
}

/// Words of a POSIX shell: quotes group, a backslash protects the next byte, nothing is expanded.
fn shell_words(command: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote: Option<u8> = None;
    let mut bytes = command.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(b'"') | None, b'\\') => word.get_or_insert_default().extend(bytes.next()),
            (Some(_), _) => word.get_or_insert_default().push(byte),
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (None, _) if byte.is_ascii_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

/// Words of Microsoft's C run-time: double quotes group, backslashes count only before one.
fn windows_words(command: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut is_quoted = false;
    let mut slashes = 0_usize;
    for byte in command.iter().copied() {
        if byte == b'\\' {
            slashes = slashes.saturating_add(1);
            continue;
        }
        let is_quote = byte == b'"';
        let kept = if is_quote { slashes.div_euclid(2) } else { slashes };
        if slashes > 0 {
            word.get_or_insert_default().extend(core::iter::repeat_n(b'\\', kept));
        }
        let is_protected = is_quote && slashes.rem_euclid(2) == 1;
        slashes = 0;
        if is_quote && !is_protected {
            is_quoted = !is_quoted;
            word.get_or_insert_default();
        } else if byte.is_ascii_whitespace() && !is_quoted {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(byte);
        }
    }
    if slashes > 0 {
        word.get_or_insert_default().extend(core::iter::repeat_n(b'\\', slashes));
    }
    words.extend(word);
    words
}
