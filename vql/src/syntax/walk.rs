//! A walk over all that a program calls, wherever it stands.

use super::ast::{Access, Argument, Body, Cell, Expr, Let, Operand, Select, Statement};
use super::calls::Callee;
use crate::value::{Text, Value};

/// Is told what a walk comes by, in the order of the text.
pub trait Visitor {
    /// A plugin or function. Without parentheses after FROM there are no `arguments`: it may be any variable of the moment.
    fn call(&mut self, kind: Callee, path: &[Text], arguments: Option<&[Argument]>);

    /// An argument of the last call, before what is inside of it.
    fn argument(&mut self, _: &Argument) {}

    /// A text, number or truth value.
    fn literal(&mut self, _: &Value) {}
}

/// Walks over statements. The tree is as deep as the parser allows.
pub fn walk(statements: &[Statement], visitor: &mut impl Visitor) {
    for statement in statements {
        match statement {
            Statement::Let(bound) => binding(bound, visitor),
            Statement::Select(query) => select(query, visitor),
        }
    }
}

/// Walks over an expression, such as the body of a lambda.
pub fn walk_expr(expr: &Expr, visitor: &mut impl Visitor) {
    match expr {
        Expr::And(first, terms) | Expr::Or(first, terms) => {
            walk_expr(first, visitor);
            terms.iter().for_each(|term| walk_expr(&term.expr, visitor));
        }
        Expr::Not(inner) | Expr::Paren(inner) => walk_expr(inner, visitor),
        Expr::Compare(left, tests) => {
            walk_expr(left, visitor);
            tests.iter().for_each(|(_, right)| walk_expr(right, visitor));
        }
        Expr::Sum(first, terms) => {
            walk_expr(first, visitor);
            terms.iter().for_each(|(_, term)| walk_expr(term, visitor));
        }
        Expr::Product(first, factors) => {
            walk_expr(first, visitor);
            factors.iter().for_each(|(_, factor)| walk_expr(factor, visitor));
        }
        Expr::Member(value, steps) => {
            walk_expr(value, visitor);
            steps.iter().for_each(|step| access(step, visitor));
        }
        Expr::Call(function) => {
            call(Callee::Function, &function.symbol.path, Some(&function.arguments), visitor);
        }
        Expr::List(items, _) => items.iter().for_each(|item| walk_expr(item, visitor)),
        Expr::Literal(literal) => visitor.literal(&literal.value),
        Expr::Symbol(_) => {}
    }
}

fn binding(bound: &Let, visitor: &mut impl Visitor) {
    for parameter in bound.parameters.iter().flatten() {
        parameter.default.iter().for_each(|default| operand(default, visitor));
    }
    match &bound.body {
        Body::Select(query) => select(query, visitor),
        Body::Expr(expr) => walk_expr(expr, visitor),
    }
}

fn select(query: &Select, visitor: &mut impl Visitor) {
    for column in &query.columns {
        match &column.body {
            Cell::Star => {}
            Cell::Select(inner) => select(inner, visitor),
            Cell::Expr(expr) => walk_expr(expr, visitor),
        }
    }
    call(Callee::Plugin, &query.from.path, query.from.arguments.as_deref(), visitor);
    query.filter.iter().chain(&query.group).for_each(|expr| walk_expr(expr, visitor));
}

fn call(kind: Callee, path: &[Text], arguments: Option<&[Argument]>, visitor: &mut impl Visitor) {
    visitor.call(kind, path, arguments);
    for argument in arguments.unwrap_or_default() {
        visitor.argument(argument);
        operand(&argument.value, visitor);
    }
}

fn operand(value: &Operand, visitor: &mut impl Visitor) {
    match value {
        Operand::Select(query) => select(query, visitor),
        Operand::Array(items, _) => items.iter().for_each(|item| walk_expr(item, visitor)),
        Operand::Expr(expr) => walk_expr(expr, visitor),
    }
}

fn access(step: &Access, visitor: &mut impl Visitor) {
    match step {
        Access::Index(index) => walk_expr(index, visitor),
        Access::Slice(from, to) => {
            [from, to].into_iter().flatten().for_each(|bound| walk_expr(bound, visitor));
        }
        Access::Field(_) => {}
    }
}
