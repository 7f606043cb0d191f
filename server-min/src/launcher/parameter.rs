//! Parameters travel as strings; statements in front of the queries turn them into what their types say.

use std::borrow::Cow;

use crate::artifact::Parameter;

/// The statements that bind a parameter again with its type; none for strings and unknown types.
pub(super) fn conversion(parameter: &Parameter) -> Vec<String> {
    let name = quoted(&parameter.name);
    let bound = |value: String| vec![format!("LET {name} <= {value}")];
    match parameter.kind.to_ascii_lowercase().as_str() {
        "int" | "int64" | "integer" => bound(format!("int(int={name})")),
        "float" => bound(format!("parse_float(string={name})")),
        "timestamp" => bound(format!("timestamp(epoch={name})")),
        "bool" => bound(format!("{name} = TRUE OR {name} =~ '^(Y|TRUE|YES|OK)$'")),
        "csv" | "artifactset" => bound(if_string(
            &name,
            &format!("{{ SELECT * FROM parse_csv(filename={name}, accessor='data') }}"),
            &format!("{{ SELECT * FROM {name} }}"),
        )),
        "json" => bound(if_string(&name, &format!("parse_json(data={name})"), &name)),
        "json_array" | "regex_array" | "multichoice" => {
            bound(if_string(&name, &format!("parse_json_array(data={name})"), &name))
        }
        "xml" => {
            bound(if_string(&name, &format!("parse_xml(file={name}, accessor='data')"), &name))
        }
        "yaml" => {
            bound(if_string(&name, &format!("parse_yaml(filename={name}, accessor='data')"), &name))
        }
        "starlark" => bound(if_string(&name, &format!("starl(code={name})"), &name)),
        "upload" => fetched(&parameter.name, ""),
        "upload_file" => fetched(&parameter.name, ", tempfile_extension='.tmp'"),
        _ => Vec::new(),
    }
}

/// A caller inside a query may give the value itself instead of its text.
fn if_string(name: &str, then: &str, otherwise: &str) -> String {
    format!(
        "if(condition=format(format='%T', args=[{name},]) =~ 'string', then={then}, else={otherwise})"
    )
}

/// The content behind an address.
fn fetched(name: &str, options: &str) -> Vec<String> {
    let helper = quoted(&format!("{name}_")).into_owned();
    let name = quoted(name);
    vec![
        format!("LET {helper} <= SELECT Content FROM http_client(url={name}{options})"),
        format!("LET {name} <= if(condition={name}, then={helper}[0].Content)"),
    ]
}

/// A name that is no plain word stands in back-quotes.
fn quoted(name: &str) -> Cow<'_, str> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.bytes().next().is_some_and(|b| b.is_ascii_digit());
    if plain { Cow::Borrowed(name) } else { Cow::Owned(format!("`{name}`")) }
}

#[cfg(test)]
mod tests {
    use super::conversion;
    use crate::artifact::{Parameter, statements};

    fn parameter(name: &str, kind: &str) -> Parameter {
        Parameter { name: name.into(), kind: kind.into(), ..Parameter::default() }
    }

    #[test]
    fn strings_and_unknown_types_stay_as_they_are() {
        for kind in ["", "string", "regex", "yara", "hidden", "choices", "glob", "redacted", "odd"]
        {
            assert!(conversion(&parameter("P", kind)).is_empty(), "{kind}");
        }
    }

    #[test]
    fn conversions_are_statements_that_bind() {
        let kinds =
            "int float timestamp bool csv json json_array xml yaml starlark upload upload_file";
        for kind in kinds.split(' ') {
            for text in conversion(&parameter("Odd-Name", kind)) {
                let parsed = statements(&text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
                assert!(parsed.len() == 1 && parsed[0].is_let, "{text}");
                assert!(text.starts_with("LET `Odd-Name"), "{text}");
            }
        }
    }
}
