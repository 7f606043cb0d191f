//! JSON to values of queries.

use serde_json::{Map, Value as Json};
use troodon_vql::{Fault, Row, RowBuilder, Value};

/// A value for a JSON value. Its depth is limited by the JSON parser.
pub(super) fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(fraction)) => Value::Float(fraction),
            (None, None) => Value::Null,
        },
        Json::String(text) => Value::from(text),
        Json::Array(items) => Value::from(items.into_iter().map(value).collect::<Vec<_>>()),
        Json::Object(fields) => Value::Dict(row(fields)),
    }
}

/// A row for a JSON object.
pub(super) fn row(fields: Map<String, Json>) -> Row {
    let mut builder = RowBuilder::new();
    for (name, field) in fields {
        builder.set(name, value(field));
    }
    builder.build()
}

/// A row for a line of JSON.
pub(super) fn line(line: &[u8]) -> Result<Row, Fault> {
    Ok(row(fields(line)?))
}

/// The row for an event, with the columns that Velociraptor adds: whose it is, and when it came, in milliseconds since
/// 1970. Columns of these names that the agent sent do not count.
pub(super) fn event(line: &[u8], client: &str, received_us: u64) -> Result<Row, Fault> {
    let mut fields = fields(line)?;
    fields.insert("ClientId".to_owned(), Json::from(client));
    fields.insert("_ts".to_owned(), Json::from(received_us / 1000));
    Ok(row(fields))
}

fn fields(line: &[u8]) -> Result<Map<String, Json>, Fault> {
    serde_json::from_slice(line)
        .map_err(|error| Fault::error(format!("a stored row is damaged: {error}")))
}

/// The dict for a list of names and values.
pub(super) fn dict<const N: usize>(fields: [(&str, Value); N]) -> Row {
    let mut builder = RowBuilder::new();
    for (name, field) in fields {
        builder.set(name, field);
    }
    builder.build()
}

/// A list of texts.
pub(super) fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Value {
    Value::from(items.into_iter().map(|item| Value::from(item.to_string())).collect::<Vec<_>>())
}
