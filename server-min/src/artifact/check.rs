//! What the YAML schema cannot say: names, permissions, and VQL that parses.

use troodon_vql::Permission;

use super::definition::{Artifact, Located, Parameter, Source};
use super::vql::{Statement, statements};

/// What is wrong with a definition that the schema allows.
pub(super) struct Fault {
    /// Counted from 1; 0 where only the whole definition can be named.
    pub(super) line: u64,
    /// Counted from 1 in the line of the query; 0 when the mistake is not in one.
    pub(super) column: u64,
    pub(super) problem: String,
    /// The line of the query with a mark below the mistake, if it is in one.
    pub(super) excerpt: String,
}

impl Fault {
    fn at(line: u64, problem: impl Into<String>) -> Self {
        Self { line, column: 0, problem: problem.into(), excerpt: String::new() }
    }
}

const CELL_KINDS: [&str; 7] = ["", "md", "markdown", "vql", "vql_suggestion", "notebook", "none"];

/// Checks everything that needs no other definition.
pub(super) fn check(artifact: &Artifact) -> Result<(), Fault> {
    check_name("name", &artifact.name)?;
    artifact.aliases.iter().try_for_each(|alias| check_name("aliases", alias))?;
    for name in artifact.required_permissions.iter().chain(&artifact.implied_permissions) {
        if Permission::named(name).is_none() {
            return Err(Fault::at(0, format!("unknown permission `{name}`")));
        }
    }
    artifact.parameters.iter().try_for_each(check_parameter)?;
    parse("precondition", &artifact.precondition)?;
    for statement in parse("export", &artifact.export)? {
        if !statement.is_let {
            let problem = format!("export: only LET is possible here, not `{}`", statement.text);
            return Err(Fault::at(artifact.export.line, problem));
        }
    }
    artifact.sources.iter().try_for_each(|source| check_source(artifact, source))
}

/// Letters, digits, `_` and dots; no component is empty or begins with a digit.
fn check_name(key: &str, name: &str) -> Result<(), Fault> {
    let sound = |part: &str| {
        part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && part.bytes().next().is_some_and(|b| !b.is_ascii_digit())
    };
    if name.split('.').all(sound) {
        return Ok(());
    }
    let problem = if name.is_empty() {
        format!("`{key}` is missing or empty")
    } else {
        format!("{key}: `{name}` is no name such as Linux.Sys.Processes")
    };
    Err(Fault::at(0, problem))
}

fn check_parameter(parameter: &Parameter) -> Result<(), Fault> {
    if parameter.name.is_empty() {
        return Err(Fault::at(0, "parameters: one of them has no name"));
    }
    let is_choice = parameter.kind.eq_ignore_ascii_case("choices");
    if is_choice && !parameter.default.is_empty() && !parameter.choices.contains(&parameter.default)
    {
        let Parameter { name, default, .. } = parameter;
        return Err(Fault::at(
            0,
            format!("parameters: the default `{default}` of `{name}` is none of its choices"),
        ));
    }
    Ok(())
}

fn check_source(artifact: &Artifact, source: &Source) -> Result<(), Fault> {
    let shown = artifact.source_name(source);
    if !source.precondition.text.is_empty() && !artifact.precondition.text.is_empty() {
        let problem =
            format!("{shown}: both the artifact and this source have a precondition; keep one");
        return Err(Fault::at(source.precondition.line, problem));
    }
    parse("precondition", &source.precondition)?;
    for cell in &source.notebook {
        if !CELL_KINDS.iter().any(|kind| kind.eq_ignore_ascii_case(&cell.kind)) {
            return Err(Fault::at(
                0,
                format!("{shown}: unknown type `{}` of a notebook cell", cell.kind),
            ));
        }
    }
    let mut all = parse("query", &source.query)?;
    for part in &source.queries {
        all.extend(parse("queries", part)?);
    }
    let line = source.query.line.max(source.queries.first().map_or(0, |part| part.line));
    check_order(&all).map_err(|problem| Fault::at(line, format!("{shown}: {problem}")))
}

/// All statements but the last bind names; the last one yields the rows.
fn check_order(statements: &[Statement]) -> Result<(), String> {
    let Some((last, before)) = statements.split_last() else {
        return Ok(());
    };
    if let Some(early) = before.iter().find(|statement| !statement.is_let) {
        return Err(format!(
            "only the last statement may be a SELECT, but `{}` stands before it",
            early.text
        ));
    }
    if last.is_let {
        return Err("the last statement must be a SELECT, or there are no rows".into());
    }
    Ok(())
}

/// Parses; errors point into the YAML.
fn parse(key: &str, text: &Located) -> Result<Vec<Statement>, Fault> {
    statements(&text.text).map_err(|fault| {
        let line = (text.line + fault.line).saturating_sub(1);
        let problem = format!("{key}: {}", fault.problem);
        Fault { line, column: fault.column, problem, excerpt: fault.excerpt }
    })
}
