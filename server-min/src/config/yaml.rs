//! YAML to sections and back.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::ConfigError;

/// Reads a text strictly: an unknown or doubled key is an error that says where it stands.
pub fn from_yaml<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, ConfigError> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| describe(&error, name))
}

/// For a key without a value, which says the same as an absent key.
pub(crate) fn absent<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Says what is wrong and where, in one line.
fn describe(error: &serde_saphyr::Error, name: &str) -> ConfigError {
    let problem = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            format!("unknown key `{field}`{}", suggestion(field, expected))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            format!("the key `{field}` is missing")
        }
        other => one_line(&other.render()),
    };
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    ConfigError::Syntax { name: name.to_owned(), line, column, problem }
}

/// Names the key that was probably meant: the one that differs in letter case only, or all of a short list.
fn suggestion(field: &str, expected: &[&str]) -> String {
    if let Some(near) = expected.iter().find(|known| known.eq_ignore_ascii_case(field)) {
        return format!("; did you mean `{near}`? Letter case counts");
    }
    if expected.len() <= 12 {
        return format!("; known here: {}", expected.join(", "));
    }
    String::new()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a section without the keys that say nothing: null, false, zero, and what is empty.
pub fn to_yaml<T: Serialize>(section: &T) -> Result<String, ConfigError> {
    let unwritable = |problem: String| ConfigError::invalid("configuration", problem);
    let mut tree = serde_json::to_value(section).map_err(|error| unwritable(error.to_string()))?;
    prune(&mut tree);
    serde_saphyr::to_string(&tree).map_err(|error| unwritable(error.to_string()))
}

/// Removes what says nothing; returns whether `tree` itself says nothing.
fn prune(tree: &mut Value) -> bool {
    match tree {
        Value::Null => true,
        Value::Bool(flag) => !*flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        // Elements keep their places.
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => {
            fields.retain(|_, value| !prune(value));
            fields.is_empty()
        }
    }
}
