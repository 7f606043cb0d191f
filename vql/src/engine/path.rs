//! The members of text that is a path: `OSPath.Basename`.
//!
//! Paths are plain strings here; in Velociraptor they are objects of their own, and queries use what those know.

use alloc::vec::Vec;

use crate::value::{Text, Value};

/// The part of a path that a member names; nothing for other names.
pub(super) fn path_member(path: &Text, name: &Text) -> Option<Value> {
    let components = || path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    Some(match name.as_bytes() {
        b"Basename" => Value::from(components().next_back().unwrap_or_default()),
        b"Components" => Value::from(components().map(Value::from).collect::<Vec<_>>()),
        b"Dirname" => {
            let parts: Vec<&[u8]> = components().collect();
            let above = parts.split_last().map_or(&[][..], |(_, above)| above);
            let root: &[u8] = if path.starts_with(b"/") { b"/" } else { b"" };
            Value::from([root, above.join(&b'/').as_slice()].concat())
        }
        b"HumanString" | b"Path" | b"String" => Value::Str(path.clone()),
        _ => return None,
    })
}
