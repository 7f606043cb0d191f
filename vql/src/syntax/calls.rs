//! What a program calls by name: for tools that compare it with what a host offers.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::ast::{Argument, Expr, Operand, Statement};
use super::parser::parse_lambda;
use super::walk::{Visitor, walk, walk_expr};
use crate::value::Text;

/// What statements call, and which names they bind themselves.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Calls {
    /// In the order of the text.
    pub calls: Vec<Call>,
    /// Names of LET and their parameters.
    pub bound: BTreeSet<Text>,
}

/// One use of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// What is called.
    pub kind: Callee,
    /// Its name, in parts that dots separate.
    pub path: Vec<Text>,
    /// The names of its arguments; `**` among them gives further ones.
    pub arguments: Vec<Text>,
}

/// The table in which a name is looked up.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Callee {
    /// What follows FROM.
    Plugin,
    /// What has parentheses in an expression.
    Function,
    /// A text as the argument `accessor` or `DelegateAccessor`.
    Accessor,
}

impl Callee {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Function => "function",
            Self::Accessor => "accessor",
        }
    }
}

/// Gathers all calls of statements.
#[must_use]
pub fn calls(statements: &[Statement]) -> Calls {
    let mut found = Calls::default();
    for statement in statements {
        if let Statement::Let(bound) = statement {
            found.bound.insert(bound.name.clone());
            let parameters = bound.parameters.iter().flatten();
            found.bound.extend(parameters.map(|parameter| parameter.name.clone()));
        }
    }
    walk(statements, &mut found);
    found
}

impl Visitor for Calls {
    fn call(&mut self, kind: Callee, path: &[Text], arguments: Option<&[Argument]>) {
        let Some(arguments) = arguments else { return };
        let arguments = arguments.iter().map(|argument| argument.name.clone()).collect();
        self.calls.push(Call { kind, path: path.to_vec(), arguments });
    }

    fn argument(&mut self, argument: &Argument) {
        let Some(text) = text_of(&argument.value) else { return };
        if argument.name == "accessor" || argument.name == "DelegateAccessor" {
            let path = alloc::vec![text.clone()];
            self.calls.push(Call { kind: Callee::Accessor, path, arguments: Vec::new() });
        } else if has_arrow(text)
            && let Ok(lambda) = parse_lambda(text)
        {
            self.bound.extend(lambda.parameters);
            walk_expr(&lambda.body, self);
        }
    }
}

fn text_of(operand: &Operand) -> Option<&Text> {
    let Operand::Expr(expr) = operand else { return None };
    match &**expr {
        Expr::Literal(literal) => literal.value.as_text(),
        _ => None,
    }
}

fn has_arrow(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair == b"=>")
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::super::parser::parse_program;
    use super::*;

    fn found(text: &str) -> String {
        let program = parse_program(text).unwrap_or_default();
        let mut lines = String::new();
        let Calls { calls, bound } = calls(&program);
        for Call { kind, path, arguments } in calls {
            lines.push_str(&format!("{} {path:?} {arguments:?}\n", kind.name()));
        }
        lines + &format!("{bound:?}")
    }

    #[test]
    fn calls_are_found_wherever_they_stand() {
        let text = "LET F(a, b=g(x=1)) = a.c[h()] + G(z={ SELECT i(**=1) FROM j(accessor='zip', k=[l(),]) }) \
                    SELECT * FROM Artifact.M.N(o=p(), q='r=>s(t=r)') WHERE NOT (u(), 1) GROUP BY v()";
        let lines = "\
function [\"g\"] [\"x\"]
function [\"h\"] []
function [\"G\"] [\"z\"]
function [\"i\"] [\"**\"]
plugin [\"j\"] [\"accessor\", \"k\"]
accessor [\"zip\"] []
function [\"l\"] []
plugin [\"Artifact\", \"M\", \"N\"] [\"o\", \"q\"]
function [\"p\"] []
function [\"s\"] [\"t\"]
function [\"u\"] []
function [\"v\"] []
{\"F\", \"a\", \"b\", \"r\"}";
        assert_eq!(found(text), lines);
    }
}
