//! VQL inside definitions: its statements, and which artifacts it calls.

use std::collections::BTreeSet;

use troodon_vql::syntax::{self, ast};

/// One statement, as it travels to agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The statement on one line, without comments.
    pub text: String,
    /// Whether it binds a name and yields no rows.
    pub is_let: bool,
}

/// Why a text is no VQL, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VqlFault {
    /// Counted from 1, in the text.
    pub line: u64,
    /// Counted from 1.
    pub column: u64,
    /// What the parser says.
    pub problem: String,
    /// The line with the mistake, and a mark below its place; empty when the line is very long.
    pub excerpt: String,
}

/// Takes a text apart. No statement at all is fine.
pub fn statements(text: &str) -> Result<Vec<Statement>, VqlFault> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let program = syntax::parse_program(text).map_err(|error| VqlFault {
        line: error.position().line as u64,
        column: error.position().column as u64,
        problem: error.fault().to_string(),
        excerpt: error.excerpt(),
    })?;
    Ok(program.iter().map(statement).collect())
}

fn statement(statement: &ast::Statement) -> Statement {
    Statement { text: statement.to_string(), is_let: matches!(statement, ast::Statement::Let(_)) }
}

/// The artifacts that a text calls as `Artifact.NAME(`, in alphabetical order.
pub fn references(text: &str) -> BTreeSet<String> {
    const PREFIX: &str = "Artifact.";
    let called = |(at, _): (usize, &str)| {
        let name = text.get(at + PREFIX.len()..)?;
        let end = name.find(|c: char| c == '(' || c.is_whitespace())?;
        let (name, rest) = name.split_at_checked(end)?;
        (rest.starts_with('(') && !name.is_empty()).then(|| name.to_owned())
    };
    text.match_indices(PREFIX).filter_map(called).collect()
}

#[cfg(test)]
mod tests {
    use super::references;

    #[test]
    fn calls_of_artifacts_are_found() {
        let text = "SELECT * FROM foreach(row=Artifact.A.B(x=1), query={ SELECT Artifact.C FROM Artifact.A.B() })\
            \n-- Artifact.D (\nSELECT Artifact.E(";
        assert_eq!(references(text).into_iter().collect::<Vec<_>>(), ["A.B", "E"]);
    }
}
