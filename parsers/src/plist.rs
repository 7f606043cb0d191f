//! `plist()`: property lists of Apple's systems, binary, XML or the old text form.
//!
//! In the binary form a value may stand in many places, so a small file can stand for a tree without end: what it expands to is
//! counted, event by event.

use std::io::Cursor;
use std::time::UNIX_EPOCH;

use plist::stream::{Event, OwnedEvent, Reader};
use troodon_vql::{
    Arg, Args, Context, Dict, Fault, Function, Kind, Plugin, Ready, RowBuilder, Rows, Scope, Text,
    Time, Value,
};

use crate::limits::{PLIST_DEPTH_MAX, PLIST_EXPANDED_LEN_MAX, PLIST_LEN_MAX, PLIST_NODES_MAX};
use crate::whole;

const ARGS: &[Arg] = &[
    Arg::required("file", Kind::Any, "The file."),
    Arg::optional("accessor", Kind::String, "How to reach it (auto)."),
];

/// The functions of this file.
pub(crate) static FUNCTIONS: &[&Function] = &[&Function::new(
    "plist",
    "A property list of an Apple system as a value.",
    ARGS,
    |cx, _, args| read(cx, args),
)];

/// The plugins of this file.
pub(crate) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "plist",
    "A property list of an Apple system as a row; a row without columns if it is no dictionary.",
    ARGS,
    rows,
)];

fn rows(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let row = match read(cx, &args)? {
        Value::Dict(dict) => Dict::clone(&dict),
        _ => RowBuilder::new().build(),
    };
    Ok(Ready::boxed(vec![row]))
}

fn read(cx: &mut Context, args: &Args) -> Result<Value, Fault> {
    let bytes = whole::read(cx, args, "file")?;
    crate::xml::charge(cx, bytes.len())?;
    parse(&bytes).map_err(Fault::note)
}

/// The value of a property list.
///
/// # Errors
///
/// What is wrong.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    if bytes.len() > PLIST_LEN_MAX {
        return Err(format!("property list has more than {PLIST_LEN_MAX} bytes"));
    }
    let mut tree =
        Tree { nodes_left: PLIST_NODES_MAX, bytes_left: PLIST_EXPANDED_LEN_MAX, ..Tree::default() };
    for event in Reader::new(Cursor::new(bytes)) {
        tree.take(event.map_err(|why| format!("no property list: {why}"))?)?;
    }
    tree.root.ok_or_else(|| "property list has no end".to_owned())
}

/// A list or dictionary that is not complete.
enum Open {
    List(Vec<Value>),
    Dict(RowBuilder, Option<Text>),
}

#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    root: Option<Value>,
    nodes_left: usize,
    bytes_left: usize,
}

impl Tree {
    fn take(&mut self, event: OwnedEvent) -> Result<(), String> {
        let value = match event {
            Event::StartArray(len) => return self.begin(Open::List(Vec::new()), len),
            Event::StartDictionary(len) => {
                return self.begin(Open::Dict(RowBuilder::new(), None), len);
            }
            Event::EndCollection => match self.open.pop() {
                Some(Open::List(items)) => Value::from(items),
                Some(Open::Dict(entries, None)) => entries.build().into(),
                Some(Open::Dict(_, Some(key))) => return Err(format!("{key} has no value")),
                None => return Err("an end without a beginning".to_owned()),
            },
            Event::Boolean(flag) => flag.into(),
            Event::Data(bytes) => self.text(&bytes)?.into(),
            Event::String(text) => self.text(text.as_bytes())?.into(),
            Event::Date(date) => time(date),
            Event::Integer(number) => match (number.as_signed(), number.as_unsigned()) {
                (Some(number), _) => number.into(),
                (None, Some(number)) => number.into(),
                (None, None) => Value::Null,
            },
            Event::Real(number) => number.into(),
            Event::Uid(uid) => uid.get().into(),
            // The library may learn new kinds.
            _ => Value::Null,
        };
        self.put(value)
    }

    fn begin(&mut self, open: Open, len: Option<u64>) -> Result<(), String> {
        // What cannot be taken is not begun: the reader holds as many references as the length says.
        let len = usize::try_from(len.unwrap_or(0)).unwrap_or(usize::MAX);
        if len > self.nodes_left {
            return Err(format!("property list has more than {PLIST_NODES_MAX} values"));
        }
        if self.open.len() >= PLIST_DEPTH_MAX {
            return Err(format!("property list is nested more than {PLIST_DEPTH_MAX} deep"));
        }
        self.open.push(open);
        Ok(())
    }

    fn text(&mut self, bytes: &[u8]) -> Result<Text, String> {
        self.bytes_left = self.bytes_left.checked_sub(bytes.len()).ok_or_else(|| {
            format!("property list expands to more than {PLIST_EXPANDED_LEN_MAX} bytes")
        })?;
        Ok(Text::from(bytes))
    }

    fn put(&mut self, value: Value) -> Result<(), String> {
        self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or_else(|| format!("property list has more than {PLIST_NODES_MAX} values"))?;
        match (self.open.last_mut(), value) {
            (Some(Open::List(items)), value) => items.push(value),
            (Some(Open::Dict(_, key @ None)), Value::Str(text)) => *key = Some(text),
            (Some(Open::Dict(_, None)), _) => return Err("a key is not a text".to_owned()),
            (Some(Open::Dict(entries, key)), value) => {
                entries.set(key.take().unwrap_or_default(), value);
            }
            (None, value) => self.root = Some(value),
        }
        Ok(())
    }
}

fn time(date: plist::Date) -> Value {
    let time = std::time::SystemTime::from(date);
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|nanos| -nanos),
    };
    nanos.map_or(Value::Null, |nanos| Value::Time(Time::from_nanos(nanos)))
}

#[cfg(test)]
mod tests {
    use troodon_vql::json;

    use super::*;

    const HEAD: &str = "<?xml version=\"1.0\"?><plist version=\"1.0\">";

    fn shown(bytes: &[u8]) -> Result<String, String> {
        parse(bytes).map(|value| json::to_string(&value))
    }

    /// A binary list of these objects, the first of which is the root.
    fn binary(objects: &[&[u8]]) -> Vec<u8> {
        let mut out = b"bplist00".to_vec();
        let mut offsets = Vec::new();
        for object in objects {
            offsets.push(u8::try_from(out.len()).unwrap());
            out.extend_from_slice(object);
        }
        let table = u8::try_from(out.len()).unwrap();
        out.extend_from_slice(&offsets);
        out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 1, 1]);
        for number in [u8::try_from(objects.len()).unwrap(), 0, table] {
            out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, number]);
        }
        out
    }

    #[test]
    fn the_xml_form_becomes_values() {
        let text = format!(
            "{HEAD}<dict><key>b</key><array><integer>-5</integer><real>1.5</real><true/></array>\
             <key>a</key><date>2024-02-29T10:00:00Z</date><key>d</key><data>aGk=</data></dict></plist>"
        );
        let expected = r#"{"b":[-5,1.5,true],"a":"2024-02-29T10:00:00Z","d":"hi"}"#;
        assert_eq!(shown(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn the_binary_form_becomes_values() {
        let list = binary(&[b"\xD2\x01\x02\x03\x04", b"\x51a", b"\x51b", b"\x10\x07", b"\x80\x09"]);
        assert_eq!(shown(&list).unwrap(), r#"{"a":7,"b":9}"#);
    }

    #[test]
    fn damaged_lists_are_refused() {
        for bytes in [&b""[..], b"bplist00", b"\x1F\x8B\x08", b"<plist><dict><key>a</key></dict>"] {
            assert!(shown(bytes).is_err(), "{bytes:?}");
        }
        let whole = binary(&[b"\xA1\x01", b"\x51a"]);
        for cut in 0..whole.len() {
            assert!(shown(&whole[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        // A list of lists of lists, each sixteen times the next.
        let items: Vec<Vec<u8>> =
            (1..12).map(|next| [&[0xAF, 0x10, 0x10][..], &[next; 16]].concat()).collect();
        let mut objects: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
        objects.push(b"\x51x");
        assert!(shown(&binary(&objects)).unwrap_err().contains("values"));
        assert!(shown(&binary(&[b"\xA1\x00"])).is_err());
        let deep = format!("{HEAD}{}{}</plist>", "<array>".repeat(100), "</array>".repeat(100));
        assert!(shown(deep.as_bytes()).unwrap_err().contains("deep"));
    }
}
