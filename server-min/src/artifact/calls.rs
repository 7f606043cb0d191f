//! What the statements of a text call, by name.

use std::collections::BTreeSet;

use troodon_vql::syntax::ast::{Argument, Body, Expr, Operand, Statement, Symbol};
use troodon_vql::syntax::calls::Callee;
use troodon_vql::syntax::walk::{Visitor, walk, walk_expr};
use troodon_vql::syntax::{parse_lambda, parse_program};
use troodon_vql::{Text, Value};

/// Plugins and functions that run a text, and the argument that has it.
const RUNS_TEXT: [(&str, &str); 3] = [("query", "query"), ("eval", "func"), ("starl", "code")];

/// Names that are called. What a text inside the text calls is among them, when it can be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// Plugins and functions. Names that a LET binds are not told apart: a LET hides no plugin.
    pub names: BTreeSet<String>,
    /// Artifacts.
    pub artifacts: BTreeSet<String>,
    /// A plugin that runs a text of which the definition does not say what it is.
    pub runs: Option<String>,
    /// Names that a LET binds to a query.
    queries: BTreeSet<String>,
}

impl Calls {
    /// Adds what a text calls. A text that does not parse calls nothing: it does not run either.
    pub(super) fn add(&mut self, text: &str) {
        let Ok(program) = parse_program(text) else { return };
        for statement in &program {
            if let Statement::Let(binding) = statement
                && matches!(binding.body, Body::Select(_))
            {
                self.queries.insert(binding.name.to_str_lossy().into_owned());
            }
        }
        walk(&program, self);
    }
}

impl Visitor for Calls {
    fn call(&mut self, _: Callee, path: &[Text], arguments: Option<&[Argument]>) {
        let name = path.iter().map(|part| part.to_str_lossy()).collect::<Vec<_>>().join(".");
        for argument in arguments.unwrap_or_default() {
            let is_text = RUNS_TEXT
                .iter()
                .any(|(runner, text)| *runner == name && *argument.name == *text.as_bytes());
            let everything = &*argument.name == b"**" && RUNS_TEXT.iter().any(|(n, _)| *n == name);
            if everything || (is_text && !self.is_known(&argument.value)) {
                self.runs = Some(name.clone());
            }
        }
        match name.strip_prefix("Artifact.") {
            Some(artifact) => drop(self.artifacts.insert(artifact.to_owned())),
            None => drop(self.names.insert(name)),
        }
    }

    /// A text may be a lambda or a query that somebody runs.
    fn literal(&mut self, value: &Value) {
        let Some(text) = value.as_text().filter(|text| text.contains(&b'(')) else { return };
        match parse_lambda(text) {
            Ok(lambda) => walk_expr(&lambda.body, self),
            Err(_) => self.add(&text.to_str_lossy()),
        }
    }
}

impl Calls {
    /// Whether the definition itself says what this is.
    fn is_known(&self, operand: &Operand) -> bool {
        match operand {
            Operand::Select(_) => true,
            Operand::Array(..) => false,
            Operand::Expr(expr) => match &**expr {
                Expr::Literal(_) => true,
                Expr::Symbol(Symbol { path, .. }) => match path.as_slice() {
                    [name] => self.queries.contains(&*name.to_str_lossy()),
                    _ => false,
                },
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(text: &str) -> (String, Option<String>) {
        let mut calls = Calls::default();
        calls.add(text);
        (calls.names.into_iter().collect::<Vec<_>>().join(" "), calls.runs)
    }

    #[test]
    fn calls_are_found_wherever_they_stand() {
        for text in [
            "SELECT * FROM execve(argv='x')",
            "SELECT { SELECT * FROM execve() } AS X FROM a()",
            "SELECT A FROM a() WHERE 1 AND NOT execve()",
            "SELECT A FROM a() GROUP BY execve()",
            "LET F(x=execve()) = x + 1",
            "LET X = dict(a=[1, execve()]).b[2:execve()]",
            "SELECT * FROM foreach(row={ SELECT 1 FROM a() }, query={ SELECT * FROM execve() })",
            "SELECT filter(list=A, condition='x=>execve(argv=x)') FROM a()",
            "SELECT * FROM query(query='SELECT * FROM execve()')",
            "SELECT * FROM query(query='''SELECT * FROM query(query=\"SELECT * FROM execve()\")''')",
        ] {
            let (names, runs) = calls(text);
            assert!(names.split(' ').any(|name| name == "execve"), "{text}: {names}");
            assert_eq!(runs, None, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_call_is_none() {
        for text in ["SELECT execve FROM a()", "SELECT 'execve' FROM a() -- execve()\n"] {
            assert!(!calls(text).0.contains("execve"), "{text}");
        }
    }

    #[test]
    fn a_text_from_elsewhere_is_called_what_it_is() {
        for (text, expected) in [
            ("SELECT * FROM query(query=Given)", Some("query")),
            ("SELECT * FROM query(query='SELECT ' + Given)", Some("query")),
            ("SELECT * FROM query(**=Given)", Some("query")),
            ("SELECT eval(func=Given) FROM a()", Some("eval")),
            ("LET Own = SELECT * FROM a() SELECT * FROM query(query=Own)", None),
            ("LET Own = Given SELECT * FROM query(query=Own)", Some("query")),
            ("SELECT * FROM query(query={ SELECT * FROM a() })", None),
        ] {
            assert_eq!(calls(text).1.as_deref(), expected, "{text}");
        }
    }
}
