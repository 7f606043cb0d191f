//! What a program calls by name: for tools that compare it with what a host offers.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::ast::{Access, Argument, Body, Cell, Expr, From, Literal, Operand, Select, Statement};
use super::parser::parse_lambda;
use crate::value::{Text, Value};

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

/// Gathers all calls of statements. The tree is as deep as the parser allows.
#[must_use]
pub fn calls(statements: &[Statement]) -> Calls {
    let mut found = Calls::default();
    for statement in statements {
        match statement {
            Statement::Select(select) => found.select(select),
            Statement::Let(bound) => {
                found.bound.insert(bound.name.clone());
                for parameter in bound.parameters.iter().flatten() {
                    found.bound.insert(parameter.name.clone());
                    parameter.default.iter().for_each(|default| found.operand(default));
                }
                match &bound.body {
                    Body::Select(select) => found.select(select),
                    Body::Expr(expr) => found.expr(expr),
                }
            }
        }
    }
    found
}

impl Calls {
    fn select(&mut self, select: &Select) {
        for column in &select.columns {
            match &column.body {
                Cell::Star => {}
                Cell::Select(select) => self.select(select),
                Cell::Expr(expr) => self.expr(expr),
            }
        }
        // Without parentheses it may be any variable of the moment.
        if let From { path, arguments: Some(arguments) } = &select.from {
            self.call(Callee::Plugin, path, arguments);
        }
        [&select.filter, &select.group].into_iter().flatten().for_each(|expr| self.expr(expr));
    }

    fn call(&mut self, kind: Callee, path: &[Text], arguments: &[Argument]) {
        self.calls.push(Call {
            kind,
            path: path.to_vec(),
            arguments: arguments.iter().map(|argument| argument.name.clone()).collect(),
        });
        for Argument { name, value } in arguments {
            let names_accessor = *name == "accessor" || *name == "DelegateAccessor";
            match value {
                Operand::Expr(expr) if names_accessor && let Some(text) = text_of(expr) => {
                    let path = alloc::vec![text.clone()];
                    let arguments = Vec::new();
                    self.calls.push(Call { kind: Callee::Accessor, path, arguments });
                }
                Operand::Expr(expr) => {
                    self.lambda(expr);
                    self.expr(expr);
                }
                other => self.operand(other),
            }
        }
    }

    /// The body of a lambda, if a text is one.
    fn lambda(&mut self, expr: &Expr) {
        let Some(text) = text_of(expr).filter(|text| has_arrow(text)) else { return };
        let Ok(lambda) = parse_lambda(text) else { return };
        self.bound.extend(lambda.parameters);
        self.expr(&lambda.body);
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Select(select) => self.select(select),
            Operand::Array(items, _) => items.iter().for_each(|item| self.expr(item)),
            Operand::Expr(expr) => self.expr(expr),
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::And(first, terms) | Expr::Or(first, terms) => {
                self.expr(first);
                terms.iter().for_each(|term| self.expr(&term.expr));
            }
            Expr::Not(inner) | Expr::Paren(inner) => self.expr(inner),
            Expr::Compare(left, tests) => {
                self.expr(left);
                tests.iter().for_each(|(_, right)| self.expr(right));
            }
            Expr::Sum(first, terms) => {
                self.expr(first);
                terms.iter().for_each(|(_, term)| self.expr(term));
            }
            Expr::Product(first, factors) => {
                self.expr(first);
                factors.iter().for_each(|(_, factor)| self.expr(factor));
            }
            Expr::Member(value, steps) => {
                self.expr(value);
                steps.iter().for_each(|step| self.access(step));
            }
            Expr::Call(call) => self.call(Callee::Function, &call.symbol.path, &call.arguments),
            Expr::List(items, _) => items.iter().for_each(|item| self.expr(item)),
            Expr::Symbol(_) | Expr::Literal(_) => {}
        }
    }

    fn access(&mut self, step: &Access) {
        match step {
            Access::Index(index) => self.expr(index),
            Access::Slice(from, to) => {
                [from, to].into_iter().flatten().for_each(|bound| self.expr(bound));
            }
            Access::Field(_) => {}
        }
    }
}

fn text_of(expr: &Expr) -> Option<&Text> {
    match expr {
        Expr::Literal(Literal { value: Value::Str(text), .. }) => Some(text),
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
