//! `parse_xml()`: elements as dicts.
//!
//! The crate knows no document types: entities that a file declares are an error, so neither files nor addresses are
//! fetched for it, and nothing expands.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use troodon_vql::{Arg, Context, Fault, Function, Kind, RowBuilder, Text, Value};

use crate::limits::{XML_DEPTH_MAX, XML_NODES_MAX};
use crate::whole;

/// The functions of this file.
pub(crate) static FUNCTIONS: &[&Function] = &[&Function::new(
    "parse_xml",
    "An XML file as a dict: elements by their name without prefix, attributes as `AttrNAME`, text beside them as \
     `#text`, and lists where a name stands several times.",
    &[
        Arg::required("file", Kind::Any, "The file."),
        Arg::optional("accessor", Kind::String, "How to reach it (auto)."),
    ],
    |cx, _, args| {
        let bytes = whole::read(cx, args, "file")?;
        charge(cx, bytes.len())?;
        parse(&bytes).map_err(Fault::note)
    },
)];

/// One step for each KiB.
pub(crate) fn charge(cx: &mut Context, len: usize) -> Result<(), Fault> {
    Ok(cx.charge(u64::try_from(len / 1024).unwrap_or(u64::MAX))?)
}

/// An element that is being read.
#[derive(Default)]
struct Element {
    name: Text,
    /// In the order of their names, as the real function has them.
    parts: BTreeMap<Text, Vec<Value>>,
    text: String,
}

/// The value of a document.
///
/// # Errors
///
/// What is wrong, and at which byte.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = vec![Element::default()];
    let mut nodes = 0_usize;
    loop {
        let event = reader
            .read_event()
            .map_err(|why| format!("byte {}: {why}", reader.error_position()))?;
        let wrong = |why: String| format!("byte {}: {why}", reader.buffer_position());
        match event {
            Event::Start(start) => {
                if open.len() > XML_DEPTH_MAX {
                    return Err(wrong(format!(
                        "elements are nested more than {XML_DEPTH_MAX} times"
                    )));
                }
                let element = begun(&start).map_err(wrong)?;
                nodes = nodes.saturating_add(1).saturating_add(element.parts.len());
                if nodes > XML_NODES_MAX {
                    return Err(wrong(format!(
                        "more than {XML_NODES_MAX} elements and attributes"
                    )));
                }
                open.push(element);
            }
            Event::End(_) => {
                // The reader has matched it with its start.
                let Some(done) = open.pop() else { return Err(wrong("stray end".to_owned())) };
                let name = done.name.clone();
                let value = finished(done);
                let Some(outer) = open.last_mut() else {
                    return Err(wrong("stray end".to_owned()));
                };
                outer.parts.entry(name).or_default().push(value);
            }
            Event::Text(text) => add_text(&mut open, text.as_ref()),
            Event::CData(text) => add_text(&mut open, text.as_ref()),
            Event::GeneralRef(reference) => {
                let letters = resolved(&reference).map_err(wrong)?;
                add_text(&mut open, &letters);
            }
            Event::Eof if open.len() > 1 => return Err(wrong("unexpected end of file".to_owned())),
            Event::Eof => break,
            _ => {}
        }
    }
    let document = open.pop().unwrap_or_default();
    if document.parts.is_empty() {
        return Err("no element".to_owned());
    }
    Ok(finished(Element { text: String::new(), ..document }))
}

fn add_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn begun(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut parts = BTreeMap::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|why| why.to_string())?;
        let name = format!("Attr{}", attribute.key.local_name().as_ref());
        let value = unescaped(&attribute.value)?;
        parts.insert(Text::from(name), vec![Value::from(value)]);
    }
    Ok(Element { name: Text::from(start.local_name().as_ref()), parts, text: String::new() })
}

/// An attribute's value with its references replaced.
fn unescaped(raw: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = raw;
    while let Some((before, from)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = from.split_once(';').ok_or("reference without an end")?;
        out.push_str(&resolved(&BytesRef::new(name))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(letter) = reference.resolve_char_ref().map_err(|why| why.to_string())? {
        return Ok(letter.to_string());
    }
    let name: &str = reference.as_ref();
    let known = resolve_predefined_entity(name).map(str::to_owned);
    known.ok_or_else(|| format!("unknown entity {name}"))
}

/// A text if the element has nothing else.
fn finished(element: Element) -> Value {
    // Indentation is no text.
    let text = element.text.trim();
    if element.parts.is_empty() {
        return text.into();
    }
    let mut parts = element.parts;
    if !text.is_empty() {
        parts.insert(Text::fixed("#text"), vec![text.into()]);
    }
    let mut row = RowBuilder::new();
    for (name, mut values) in parts {
        let value = match (values.len(), values.pop()) {
            (1, Some(one)) => one,
            (_, last) => {
                values.extend(last);
                Value::from(values)
            }
        };
        row.set(name, value);
    }
    row.build().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use troodon_vql::json;

    fn shown(text: &str) -> String {
        match parse(text.as_bytes()) {
            Ok(value) => json::to_string(&value),
            Err(why) => why,
        }
    }

    #[test]
    fn elements_attributes_and_text_become_dicts() {
        let text = "<?xml version='1.0'?><a x='1'><b>t1</b><b y='2'>t2</b><c/><!-- n --><d><e>5</e>mix</d></a>";
        let expected = r##"{"a":{"Attrx":"1","b":["t1",{"#text":"t2","Attry":"2"}],"c":"","d":{"#text":"mix","e":"5"}}}"##;
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn prefixes_are_dropped_and_references_replaced() {
        let text =
            "<n:a xmlns:n='u' n:q='&lt;&#65;'><n:b>x &amp; y</n:b><c><![CDATA[c<d]]></c></n:a>";
        let expected = r#"{"a":{"Attrn":"u","Attrq":"<A","b":"x&y","c":"c<d"}}"#;
        assert_eq!(
            shown(text).replace("\\u003c", "<").replace("\\u0026", "&").replace(' ', ""),
            expected
        );
    }

    #[test]
    fn entities_are_not_expanded() {
        let text = "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>";
        assert!(shown(text).ends_with("unknown entity e"), "{}", shown(text));
    }

    #[test]
    fn damaged_and_hostile_files_are_refused_with_a_place() {
        assert_eq!(shown("<a><b>"), "byte 6: unexpected end of file");
        assert!(shown("<a></b>").starts_with("byte "), "{}", shown("<a></b>"));
        assert_eq!(shown(""), "no element");
        let deep = "<a>".repeat(100);
        assert!(shown(&deep).ends_with("elements are nested more than 30 times"));
    }
}
