//! `parse_yaml()`: a YAML document as a value.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use troodon_vql::{Arg, Fault, Function, Kind, RowBuilder, Text, Value, json};

use crate::limits::{WHOLE_LEN_MAX, YAML_DEPTH_MAX, YAML_NODES_MAX};
use crate::whole;

/// The functions of this file.
pub(crate) static FUNCTIONS: &[&Function] = &[&Function::new(
    "parse_yaml",
    "The first document of a YAML file as a value.",
    &[
        Arg::required("filename", Kind::Any, "The file."),
        Arg::optional("accessor", Kind::String, "How to reach it (auto)."),
        Arg::optional("schema", Kind::List, "Accepted for compatibility; nothing is checked."),
    ],
    |cx, _, args| {
        let bytes = whole::read(cx, args, "filename")?;
        crate::xml::charge(cx, bytes.len())?;
        parse(&bytes).map_err(Fault::note)
    },
)];

/// The value of a document.
///
/// # Errors
///
/// What is wrong, and where.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    parsed(bytes, false)
}

/// The value of a configuration, in which `on` and `yes` are texts (YAML 1.2).
///
/// # Errors
///
/// As [`parse`].
pub(crate) fn parse_configuration(bytes: &[u8]) -> Result<Value, String> {
    parsed(bytes, true)
}

fn parsed(bytes: &[u8], strict_booleans: bool) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|why| why.to_string())?;
    let options = serde_saphyr::options! {
        strict_booleans: strict_booleans,
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(WHOLE_LEN_MAX),
            max_depth: YAML_DEPTH_MAX,
            max_nodes: YAML_NODES_MAX,
            max_events: YAML_NODES_MAX.saturating_mul(3),
        },
    };
    let Any(value) = serde_saphyr::from_str_with_options(text, options)
        .map_err(|why| why.to_string().lines().next().unwrap_or_default().to_owned())?;
    Ok(value)
}

/// Whatever stands there.
struct Any(Value);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Any, E> {
        Ok(Any(flag.into()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Any, E> {
        Ok(Any(number.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Any, E> {
        Ok(Any(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Any, E> {
        Ok(Any(number.into()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Any, E> {
        Ok(Any(text.into()))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Any, E> {
        Ok(Any(bytes.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Any, E> {
        Ok(Any(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Any, E> {
        Ok(Any(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Any, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Any, A::Error> {
        let mut list = Vec::new();
        while let Some(Any(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Any(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Any, A::Error> {
        let mut row = RowBuilder::new();
        while let Some((Any(key), Any(value))) = entries.next_entry()? {
            let name = match key {
                Value::Str(text) => text,
                // A number or a list as a key is shown as it would print.
                other => Text::from(json::to_string(&other)),
            };
            row.set(name, value);
        }
        Ok(Any(row.build().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        parse(text.as_bytes()).map(|value| json::to_string(&value))
    }

    #[test]
    fn documents_become_values_in_their_order() {
        let text = "b: [x, 2.5, true, null]\na: 1\nc:\n  d: e\n  1: f\nt: 2020-01-01\n";
        let expected = r#"{"b":["x",2.5,true,null],"a":1,"c":{"d":"e","1":"f"},"t":"2020-01-01"}"#;
        assert_eq!(shown(text).unwrap(), expected);
        assert_eq!(shown("- a\n- {b: c}\n").unwrap(), r#"["a",{"b":"c"}]"#);
    }

    #[test]
    fn damaged_documents_are_refused() {
        assert!(shown("a: [").is_err());
        assert!(parse(b"\xFF\xFE").is_err());
    }

    #[test]
    fn bombs_are_refused() {
        let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
        for (from, to) in
            ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"].map(|pair| pair.split_at(1))
        {
            let many = vec![format!("*{from}"); 9].join(", ");
            text.push_str(&format!("{to}: &{to} [{many}]\n"));
        }
        assert!(shown(&text).is_err());
        assert!(shown(&"[".repeat(5_000)).is_err());
        assert!(shown(&format!("{}{}", "[".repeat(40), "]".repeat(40))).is_err());
    }
}
