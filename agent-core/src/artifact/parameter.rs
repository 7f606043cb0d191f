//! Parameters travel as strings; statements in front of the queries turn them into what their types say.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// The statements that bind the parameter `name` again as what the type `kind` says; none for strings and unknown types
/// (docs/protocol.md section 6.2).
#[must_use]
pub fn conversion(name: &str, kind: &str) -> Vec<String> {
    let plain_name = name;
    let name = quoted(name);
    let bound = |value: String| vec![format!("LET {name} <= {value}")];
    match kind.to_ascii_lowercase().as_str() {
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
        "upload" => fetched(plain_name, ""),
        "upload_file" => fetched(plain_name, ", tempfile_extension='.tmp'"),
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
    if plain { Cow::Borrowed(name) } else { Cow::Owned(format!("`{}`", name.replace('`', ""))) }
}

#[cfg(test)]
mod tests {
    use troodon_vql::syntax::ast::Statement;
    use troodon_vql::syntax::parse_program;

    use super::*;

    #[test]
    fn strings_and_unknown_types_stay_as_they_are() {
        for kind in ["", "string", "regex", "yara", "hidden", "choices", "glob", "redacted", "odd"]
        {
            assert!(conversion("P", kind).is_empty(), "{kind}");
        }
    }

    #[test]
    fn conversions_are_statements_that_bind() {
        let kinds =
            "int float timestamp bool csv json json_array xml yaml starlark upload upload_file";
        for kind in kinds.split(' ') {
            for text in conversion("Odd-Name", kind) {
                let parsed = parse_program(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
                assert!(matches!(&parsed[..], [Statement::Let(_)]), "{text}");
                assert!(text.starts_with("LET `Odd-Name"), "{text}");
            }
        }
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        for text in conversion("a` <= execve(argv='id') LET `b", "int") {
            assert!(matches!(&parse_program(&text).unwrap()[..], [Statement::Let(_)]), "{text}");
        }
    }
}
