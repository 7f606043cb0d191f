//! What a registry offers, in words: for people who ask a program, and as JSON for programs.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::json;

use crate::access::Permission;
use crate::registry::{Arg, Entry, Others, Registry};

/// One line for each plugin, function and accessor whose name contains a text, in any letter case.
#[must_use]
pub fn list(registry: &Registry, part: &str) -> String {
    let part = part.to_lowercase();
    let mut lines = String::new();
    for (kind, entry) in
        entries(registry).filter(|(_, entry)| entry.name.to_lowercase().contains(&part))
    {
        lines.push_str(&format!(
            "{kind:8}  {:24}  {}\n",
            entry.name,
            first_sentence(entry.doc.text())
        ));
    }
    for (name, permissions) in registry.accessors().filter(|(name, _)| name.contains(&part)) {
        lines.push_str(&format!("accessor  {name:24}  {}\n", needs(permissions)));
    }
    lines
}

/// All about the plugin and the function of a name; `None` if there is neither.
#[must_use]
pub fn show(registry: &Registry, name: &str) -> Option<String> {
    let mut text = String::new();
    for (kind, entry) in entries(registry).filter(|(_, entry)| entry.name == name) {
        if !text.is_empty() {
            text.push('\n');
        }
        describe(kind, entry, &mut text);
    }
    (!text.is_empty()).then_some(text)
}

/// Everything as a list in JSON, a line for each name: what completes queries in an editor reads it, and what checks
/// queries for another host.
#[must_use]
pub fn json(registry: &Registry) -> String {
    let entries = entries(registry).map(|(kind, entry)| {
        let arguments = entry.args.iter().map(|arg| {
            json!({"name": arg.name, "type": arg.kind.name(), "required": arg.required, "doc": arg.doc.text()})
        });
        json!({
            "kind": kind,
            "name": entry.name,
            "doc": entry.doc.text(),
            "arguments": arguments.collect::<Vec<_>>(),
            "takes_others": entry.others == Others::Kept,
            "permissions": names(entry.permissions),
            "available": entry.availability.name(),
        })
    });
    let accessors = registry.accessors().map(|(name, permissions)| {
        json!({"kind": "accessor", "name": name, "permissions": names(permissions)})
    });
    let lines: Vec<String> = entries.chain(accessors).map(|line| line.to_string()).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn names(permissions: &[Permission]) -> Vec<&'static str> {
    permissions.iter().map(|permission| permission.name()).collect()
}

fn entries(registry: &Registry) -> impl Iterator<Item = (&'static str, &'static Entry)> {
    let plugins = registry.plugins().map(|plugin| ("plugin", &plugin.entry));
    plugins.chain(registry.functions().map(|function| ("function", &function.entry)))
}

fn describe(kind: &str, entry: &Entry, text: &mut String) {
    text.push_str(&format!("{kind} {}\n\n{}\n", entry.name, entry.doc.text()));
    if !entry.args.is_empty() {
        text.push_str("\nArguments\n");
    }
    for Arg { name, kind, required, doc } in entry.args {
        let must = if *required { ", required" } else { "" };
        let name = format!("{name} ({}{must})", kind.name());
        text.push_str(&format!("  {name:26}  {}\n", doc.text()));
    }
    let place = entry.availability.name();
    text.push_str(&format!("\nPermissions  {}\nAvailable    {place}\n", needs(entry.permissions)));
}

fn needs(permissions: &[Permission]) -> String {
    if permissions.is_empty() {
        return String::from("none");
    }
    names(permissions).join(", ")
}

fn first_sentence(doc: &str) -> &str {
    doc.find(". ").and_then(|end| doc.get(..=end)).unwrap_or(doc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::core();
        crate::standard::add(&mut registry);
        registry
    }

    #[test]
    fn a_list_has_the_names_that_contain_the_text() {
        let lines = list(&registry(), "FOREA");
        assert!(lines.starts_with("plugin    foreach "), "{lines}");
        assert_eq!(lines.lines().count(), 1);
        assert!(list(&registry(), "data").lines().any(|line| line.starts_with("accessor  data")));
    }

    #[test]
    fn json_has_all_names_with_their_arguments() {
        let text = json(&registry());
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
        let named = |kind, name| all.iter().find(|one| one["kind"] == kind && one["name"] == name);
        let foreach = named("plugin", "foreach").map(|one| one["arguments"][0]["name"].clone());
        assert_eq!(foreach, Some("row".into()));
        assert!(named("accessor", "data").is_some() && named("function", "if").is_some());
        assert_eq!(text.lines().count(), all.len() + 2);
    }

    #[test]
    fn a_name_shows_its_arguments_permissions_and_place() {
        let text = show(&registry(), "read_file").unwrap_or_default();
        for part in ["function read_file", "filename (any, required)", "Permissions", "everywhere"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            show(&registry(), "if")
                .is_some_and(|text| text.contains("plugin if") && text.contains("function if"))
        );
        assert_eq!(show(&registry(), "no_such_name"), None);
    }
}
