//! docs/vql: what queries can use, made from the tables that the engine checks calls by.

use std::collections::BTreeMap;
use std::fmt::{Error, Write};

use crate::names::{Host, Kind, Name, Names, NamesError};

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The tables cannot be read.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// A text cannot be written.
    #[error("the page cannot be written")]
    Text(#[from] Error),
}

/// The hosts, in the order in which pages name them.
const HOSTS: [Host; 3] = [Host::Agent, Host::Server, Host::Board];

/// What one name is on each host. Hosts that agree share an entry.
type Variants = Vec<(Name, Vec<Host>)>;

/// The pages: the name of each file and its text in Markdown.
///
/// # Errors
/// None in a program that passes its tests.
pub fn pages() -> Result<Vec<(&'static str, String)>, PageError> {
    let mut hosts = Vec::new();
    for host in HOSTS {
        hosts.push((host, Names::of(host)?));
    }
    let [plugins, functions, accessors] =
        [Kind::Plugin, Kind::Function, Kind::Accessor].map(|kind| variants(&hosts, kind));
    Ok(vec![
        ("index.md", index(&plugins, &functions, &accessors)?),
        ("plugins.md", page("Plugins", PLUGINS, &plugins)?),
        ("functions.md", page("Functions", FUNCTIONS, &functions)?),
        ("accessors.md", accessor_page(&accessors)?),
    ])
}

const MADE: &str = "Made from the tables that the engine checks calls by; a test compares this file with them.\n\n";

const PLUGINS: &str =
    "What can follow FROM. Arguments have names, and their order does not matter.\n";

const FUNCTIONS: &str =
    "What can stand in an expression. Arguments have names, and their order does not matter.\n";

const INDEX: &str = "\
Queries are made of [plugins](plugins.md), which yield rows, [functions](functions.md), which yield values, and
[accessors](accessors.md), which open the paths that both are given.

`troodon vql list TEXT` and `troodon-agent vql list TEXT` search the same tables, `vql show NAME` explains one name, and
`vql list --format json` is for editors. `troodon artifacts verify PATH` says which names of an artifact the host that runs
it does not have.

## Types of arguments

| type | what is accepted |
|---|---|
| string | texts; made of numbers, truth values, times (`2023-11-14 22:13:20 +0000 UTC`), lists of one text; NULL is empty |
| int | whole numbers; fractions lose their fraction, truth values are 0 and 1, texts are refused |
| float | numbers |
| bool | anything; its truth counts |
| list | a list; one value alone is a list of one element, a query is the list of its rows |
| dict | a dict or a row |
| rows | a query, a list, a dict or a value |
| lambda | a text such as `x=>x.Name` |
| any | anything |

An argument that is not in the table is a mistake, unless the page says that others are taken. `**=dict(…)` gives all arguments
at once.

## Permissions

A name that needs permissions is refused to those who lack one of them: it yields nothing, the log says why, and the query goes
on. On an agent the server has decided already who may collect. [docs/permissions.md](../permissions.md) lists who holds what.

## Names

";

fn variants(hosts: &[(Host, Names)], kind: Kind) -> BTreeMap<&str, Variants> {
    let mut all: BTreeMap<&str, Variants> = BTreeMap::new();
    for (host, names) in hosts {
        for name in names.all(kind) {
            let variants = all.entry(&name.name).or_default();
            match variants.iter_mut().find(|(known, _)| known == name) {
                Some((_, on)) => on.push(*host),
                None => variants.push((name.clone(), vec![*host])),
            }
        }
    }
    all
}

fn index(
    plugins: &BTreeMap<&str, Variants>,
    functions: &BTreeMap<&str, Variants>,
    accessors: &BTreeMap<&str, Variants>,
) -> Result<String, Error> {
    let mut page = format!("# VQL reference\n\n{MADE}{INDEX}");
    let tables = [
        ("plugins.md", "Plugins", plugins),
        ("functions.md", "Functions", functions),
        ("accessors.md", "Accessors", accessors),
    ];
    for (number, (file, title, names)) in tables.into_iter().enumerate() {
        if number > 0 {
            page.push('\n');
        }
        let links: Vec<String> =
            names.keys().map(|name| format!("[{name}]({file}#{})", name.to_lowercase())).collect();
        writeln!(page, "{title} ({}): {}", links.len(), links.join(" · "))?;
    }
    Ok(page)
}

fn page(title: &str, about: &str, names: &BTreeMap<&str, Variants>) -> Result<String, Error> {
    let mut page = format!("# {title}\n\n{MADE}{about}");
    for (name, variants) in names {
        write!(page, "\n## {name}\n")?;
        for (entry, hosts) in variants {
            describe(&mut page, entry, hosts)?;
        }
    }
    Ok(page)
}

fn describe(page: &mut String, entry: &Name, hosts: &[Host]) -> Result<(), Error> {
    write!(page, "\n{}\n\n{}", escaped(&entry.doc), places(hosts))?;
    if !entry.permissions.is_empty() {
        write!(page, " Needs {}.", entry.permissions.join(", "))?;
    }
    page.push_str(match (entry.arguments.is_empty(), entry.takes_others) {
        (true, false) => " No arguments.\n",
        (true, true) => " Takes arguments of any name.\n",
        (false, true) => " Takes arguments of other names, too.\n",
        (false, false) => "\n",
    });
    if !entry.arguments.is_empty() {
        page.push_str("\n| argument | type | |\n|---|---|---|\n");
    }
    for argument in &entry.arguments {
        let must = if argument.required { ", required" } else { "" };
        let doc = escaped(&argument.doc);
        writeln!(page, "| `{}` | {}{must} | {doc} |", argument.name, argument.kind)?;
    }
    Ok(())
}

fn accessor_page(names: &BTreeMap<&str, Variants>) -> Result<String, Error> {
    let mut page = format!(
        "# Accessors\n\n{MADE}What the argument `accessor` of plugins and functions can be.\n\n| accessor | where | needs |\n|---|---|---|\n"
    );
    for (name, variants) in names {
        for (entry, hosts) in variants {
            let anchor = format!("<a id=\"{}\"></a>`{name}`", name.to_lowercase());
            writeln!(
                page,
                "| {anchor} | {} | {} |",
                hosts_of(hosts),
                entry.permissions.join(", ")
            )?;
        }
    }
    Ok(page)
}

fn places(hosts: &[Host]) -> String {
    format!("On: {}.", hosts_of(hosts))
}

fn hosts_of(hosts: &[Host]) -> String {
    hosts.iter().map(|host| host.name()).collect::<Vec<_>>().join(", ")
}

/// Text in which Markdown sees no table and no emphasis.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*").replace('<', "&lt;")
}
